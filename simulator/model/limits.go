package model

// Telegram's limits.
const (
	EditTimeLimit = 48 * 3600 // seconds
	MaxText       = 4096      // UTF-16 units
	MaxCaption    = 1024      // UTF-16 units
	MaxButtons    = 100       // of a keyboard
	MaxGroup      = 200       // members
	MaxChannel    = 200_000   // members
	MaxChannels   = 500       // of one account
	MaxRequestIDs = 100
	Unlimited     = 2147483647 // a date or a period without end
)
