// Package formats reads and writes sessions in the form of strings and files: our own string
// and those of Telethon, Pyrogram, GramJS, mtcute, gotd and Telegram Desktop. It does no I/O
// beyond the folder that it is given and speaks to nobody.
//
// # Usage
//
// Detect names the format of what a user pasted; Import reads it into a Session, which
// becomes a sessionstore.Record by Session.Record; Export writes one. What a format cannot
// carry is said in the notes of the result, never left to be found out.
//
// The layouts are written above each decoder, field by field.
//
// # Concurrency
//
// Everything is a plain function over values and safe to call from many goroutines.
//
// # Errors
//
// All errors are *fleet.Error: they name the format, the field and the next step, and never
// hold a part of the secret. ErrInvalid, ErrUnknown, ErrPasscode and ErrNotExportable are the
// decisions a caller takes with errors.Is.
package formats
