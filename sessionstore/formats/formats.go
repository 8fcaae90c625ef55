package formats

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/telefleet/orchestrator/fleet"
)

// Format names a way to write a session down.
type Format string

// The formats. Auto is accepted by Import only and means Detect.
const (
	Auto        Format = "auto"
	Own         Format = "own"
	Telethon    Format = "telethon"
	Pyrogram    Format = "pyrogram"     // since 2.0, also Kurigram and Pyrofork: with api_id
	PyrogramOld Format = "pyrogram-old" // up to 1.4
	GramJS      Format = "gramjs"
	Mtcute      Format = "mtcute"
	Gotd        Format = "gotd"
	TData       Format = "tdata" // a zip of the folder; see PackFolder
)

// All lists the formats that can be imported and exported, without Auto.
func All() []Format {
	return []Format{Own, Telethon, Pyrogram, PyrogramOld, GramJS, Mtcute, Gotd, TData}
}

// Parse reads the name of a format, Auto included.
func Parse(name string) (Format, error) {
	f := Format(strings.ToLower(name))
	if f == Auto || slices.Contains(All(), f) {
		return f, nil
	}
	var names []string
	for _, f := range All() {
		names = append(names, string(f))
	}
	return "", fleet.Errorf(fleet.CodeInvalidArgument, "SESSION_FORMAT_UNKNOWN", "format: no such format (got %q)", name).
		WithRemedy("use auto, " + strings.Join(names, ", "))
}

// Limits of what is read.
const (
	// maxText is the longest string session: a million peers fit.
	maxText = 64 << 20
	// maxDC is the highest DC id that a session may live on; real ones are 1 to 5.
	maxDC = 99
	// maxUserID: Telegram promises ids of at most 52 significant bits.
	maxUserID = 1<<52 - 1
)

// Options are what some formats need besides the data.
type Options struct {
	// Passcode is the local passcode of a tdata folder. Empty: none was set.
	Passcode []byte `json:"-"`
	// Account picks one of several accounts of a tdata folder, from 1. 0: all, or the only one.
	Account int
	// Rand gives salts and keys for a tdata export. Nil: crypto/rand.
	Rand io.Reader
}

// Import reads one session. Empty data is a fresh session in our own format and in Auto, and
// an error in the others. A tdata folder with several accounts needs Options.Account.
func Import(f Format, data []byte, o Options) (Imported, error) {
	all, err := ImportAll(f, data, o)
	if err != nil {
		return Imported{}, err
	}
	if len(all) != 1 {
		return Imported{}, invalid(TData, "accounts", "the folder holds %d", len(all)).
			WithRemedy("import all of them, or name one by its number from 1")
	}
	return all[0], nil
}

// ImportAll reads all sessions in data: several only in a tdata folder.
func ImportAll(f Format, data []byte, o Options) ([]Imported, error) {
	if f == Auto {
		var err error
		if f, err = Detect(data); err != nil {
			return nil, err
		}
	}
	if f == TData {
		folder, err := OpenFolder(data)
		if err != nil {
			return nil, err
		}
		return ImportFolder(folder, o)
	}
	decode, ok := decoders[f]
	if !ok {
		_, err := Parse(string(f))
		if err == nil {
			err = invalid(f, "format", "cannot be imported")
		}
		return nil, err
	}
	if f == Own && len(data) == 0 {
		return []Imported{{From: Own}}, nil
	}
	text, err := oneLine(f, data)
	if err != nil {
		return nil, err
	}
	im, err := decode(text)
	if err != nil {
		return nil, err
	}
	im.From = f
	if err := im.check(f); err != nil {
		return nil, err
	}
	return []Imported{im}, nil
}

var decoders = map[Format]func(text []byte) (Imported, error){
	Own:         decodeOwn,
	Telethon:    decodeTelethon,
	Pyrogram:    decodePyrogram,
	PyrogramOld: decodePyrogramOld,
	GramJS:      decodeGramJS,
	Mtcute:      decodeMtcute,
	Gotd:        decodeGotd,
}

// Export writes a session. Data is text without a line end, or a zip for TData.
func Export(f Format, s Session, o Options) (Exported, error) {
	var (
		out Exported
		err error
	)
	if f != Own || !s.Fresh() { // ours may say that an account was never signed in
		if err := s.exportable(f); err != nil {
			return Exported{}, err
		}
	}
	switch f {
	case Own:
		out, err = encodeOwn(s)
	case Telethon:
		out, err = encodeTelethon(s)
	case Pyrogram:
		out, err = encodePyrogram(s)
	case PyrogramOld:
		out, err = encodePyrogramOld(s)
	case GramJS:
		out, err = encodeGramJS(s)
	case Mtcute:
		out, err = encodeMtcute(s)
	case Gotd:
		out, err = encodeGotd(s)
	case TData:
		out, err = encodeTData(s, o)
	default:
		if _, err = Parse(string(f)); err == nil {
			err = fleet.Errorf(fleet.CodeInvalidArgument, "SESSION_FORMAT_UNKNOWN", "format: %s cannot be written", f).
				WithRemedy("name the format to write")
		}
	}
	if err != nil {
		return Exported{}, err
	}
	out.To = f
	if f != Own {
		out.Notes = append(out.Notes, s.leftBehind(f)...)
	}
	return out, nil
}

// Detect says which format data is in, by its shape alone: what it names can still be
// damaged, which Import tells.
func Detect(data []byte) (Format, error) {
	switch {
	case len(data) == 0:
		return Own, nil
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return TData, nil
	case bytes.HasPrefix(data, []byte("SQLite format 3\x00")):
		return "", unknown("an SQLite database, as Telethon and Pyrogram keep in .session files",
			"make a string of it: StringSession.save(client.session) with Telethon, export_session_string() with Pyrogram")
	case bytes.HasPrefix(data, tdfMagic):
		return "", unknown("one file of a tdata folder", "give the whole tdata folder")
	case len(data) > maxText:
		return "", unknown("larger than any session", "give one session")
	}
	text, err := oneLine(Auto, data)
	if err != nil {
		return "", err
	}
	switch {
	case text[0] == '{':
		if !gotdShape(text) {
			return "", unknown("JSON, but not as gotd writes it", "give the file of gotd's session storage, whole")
		}
		return Gotd, nil
	case bytes.HasPrefix(text, []byte(ownMagic)):
		return Own, nil
	case text[0] == '1':
		if raw, err := decode64(text[1:]); err == nil {
			if gramJSShape(raw) {
				return GramJS, nil
			}
			if len(raw) == telethonSize4 || len(raw) == telethonSize6 {
				return Telethon, nil
			}
		}
		return "", unknown("no whole Telethon or GramJS string, though it starts like one", "copy the whole string")
	}
	raw, err := decode64(text)
	switch {
	case err != nil:
	case len(raw) == pyrogramSize:
		return Pyrogram, nil
	case len(raw) == pyrogramSize32 || len(raw) == pyrogramSize64:
		return PyrogramOld, nil
	case len(raw) > pyrogramSize && raw[0] == mtcuteVersion:
		return Mtcute, nil
	}
	return "", unknown("no session string that is known here, or a part of one", "copy the whole string, or name its format")
}

// oneLine trims white space around text and refuses more than one line, unless it is JSON.
func oneLine(f Format, data []byte) ([]byte, error) {
	if len(data) > maxText {
		return nil, invalid(f, "length", "at most %d bytes (got %d)", maxText, len(data))
	}
	text := bytes.TrimSpace(data)
	if len(text) == 0 {
		return nil, invalid(f, "length", "there is nothing in it")
	}
	if text[0] != '{' && bytes.ContainsAny(text, " \t\r\n") {
		return nil, invalid(f, "text", "one session string without white space inside is expected").
			WithRemedy("give one string at a time, unwrapped")
	}
	return text, nil
}
