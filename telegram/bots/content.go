package bots

import (
	"unicode/utf16"

	"github.com/gotd/td/tg"
)

// Limits of what inline results become (messages.setInlineBotResults).
const (
	maxText    = 4096 // UTF-16 code units
	maxCaption = 1024
	minLive    = 60 // seconds
	maxLive    = 86_400
	maxVCard   = 2048 // bytes
)

// Content is the message that an inline result becomes.
type Content struct {
	// Text is 1 to 4096 UTF-16 code units long; as a caption at most 1024, and it may be empty.
	Text        string
	Entities    []tg.MessageEntityClass
	NoWebpage   bool
	InvertMedia bool
	// Keyboard is the inline keyboard under it; nil = none.
	Keyboard tg.ReplyMarkupClass
	// Place or Contact is sent in place of a text; nil = neither.
	Place   *Place
	Contact *Contact
}

// Place is a point on the earth, in degrees.
type Place struct {
	Latitude, Longitude float64
	// Live is how long it moves, in seconds, 60 to 86400; 0 = it does not.
	Live int
	// Venue says that it has a name and an address.
	Venue          bool
	Title, Address string
}

// Contact is a person's number.
type Contact struct{ Phone, FirstName, LastName, VCard string }

// message is the content as what a result becomes, with media a caption. field is where the content is.
func (c Content) message(field string, media bool) (tg.InputBotInlineMessageClass, error) {
	switch {
	case c.Place != nil && c.Contact == nil && c.Text == "":
		return c.place(field)
	case c.Contact != nil && c.Place == nil && c.Text == "":
		return c.contact(field)
	case c.Place != nil || c.Contact != nil:
		return nil, invalid(field+".text", "give one of them", "cannot be sent together with a place or a contact")
	}
	if err := c.checkText(field, media); err != nil {
		return nil, err
	}
	if media {
		m := &tg.InputBotInlineMessageMediaAuto{Message: c.Text, InvertMedia: c.InvertMedia, ReplyMarkup: c.Keyboard}
		if len(c.Entities) > 0 {
			m.SetEntities(c.Entities)
		}
		return m, nil
	}
	m := &tg.InputBotInlineMessageText{Message: c.Text, NoWebpage: c.NoWebpage, InvertMedia: c.InvertMedia, ReplyMarkup: c.Keyboard}
	if len(c.Entities) > 0 {
		m.SetEntities(c.Entities)
	}
	return m, nil
}

func (c Content) checkText(field string, caption bool) error {
	n := len(utf16.Encode([]rune(c.Text)))
	switch {
	case caption && n > maxCaption:
		return invalid(field+".text", "shorten it", "must have at most %d UTF-16 code units as a caption (got %d)", maxCaption, n)
	case !caption && (n == 0 || n > maxText):
		return invalid(field+".text", "give a text", "must have 1 to %d UTF-16 code units (got %d)", maxText, n)
	}
	return nil
}

func (c Content) place(field string) (tg.InputBotInlineMessageClass, error) {
	p := c.Place
	switch {
	case !(p.Latitude >= -90 && p.Latitude <= 90) || !(p.Longitude >= -180 && p.Longitude <= 180):
		return nil, invalid(field+".point", "give degrees, north and east positive", "must be -90 to 90 and -180 to 180 degrees (got %g, %g)", p.Latitude, p.Longitude)
	case p.Live != 0 && (p.Live < minLive || p.Live > maxLive):
		return nil, invalid(field+".location.live_seconds", "give 0 for a place that does not move", "must be %d to %d (got %d)", minLive, maxLive, p.Live)
	case p.Venue && (p.Title == "" || p.Address == ""):
		return nil, invalid(field+".venue", "send it as a location", "must have a title and an address")
	}
	point := &tg.InputGeoPoint{Lat: p.Latitude, Long: p.Longitude}
	if p.Venue {
		return &tg.InputBotInlineMessageMediaVenue{GeoPoint: point, Title: p.Title, Address: p.Address, ReplyMarkup: c.Keyboard}, nil
	}
	m := &tg.InputBotInlineMessageMediaGeo{GeoPoint: point, ReplyMarkup: c.Keyboard}
	if p.Live != 0 {
		m.SetPeriod(p.Live)
	}
	return m, nil
}

func (c Content) contact(field string) (tg.InputBotInlineMessageClass, error) {
	p := c.Contact
	switch {
	case p.Phone == "" || p.FirstName == "":
		return nil, invalid(field+".contact", "give both", "must have a phone number and a first name")
	case len(p.VCard) > maxVCard:
		return nil, invalid(field+".contact.vcard", "shorten it", "must have at most %d bytes (got %d)", maxVCard, len(p.VCard))
	}
	return &tg.InputBotInlineMessageMediaContact{
		PhoneNumber: p.Phone, FirstName: p.FirstName, LastName: p.LastName, Vcard: p.VCard, ReplyMarkup: c.Keyboard,
	}, nil
}
