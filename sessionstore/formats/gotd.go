package formats

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"strconv"

	"github.com/telefleet/orchestrator/sessionstore"
)

// gotdFile is the JSON that gotd's session storage writes, version 1; byte strings are padded
// standard base64. The fields of Config that matter here are named; the others are those of
// Telegram's config, which the client asks for again.
type gotdFile struct {
	Version int
	Data    struct {
		Config struct {
			TestMode bool
			ThisDC   int
		}
		DC        int
		Addr      string
		AuthKey   []byte
		AuthKeyID []byte
		Salt      int64
	}
}

const gotdVersion = 1

// gotdShape tells gotd's JSON from others.
func gotdShape(text []byte) bool {
	var v struct {
		Version *int
		Data    *struct{ AuthKey *string }
	}
	return json.Unmarshal(text, &v) == nil && v.Version != nil && v.Data != nil && v.Data.AuthKey != nil
}

func decodeGotd(text []byte) (Imported, error) {
	var v gotdFile
	if err := json.Unmarshal(text, &v); err != nil {
		return Imported{}, invalid(Gotd, "JSON", "%s", jsonFault(err))
	}
	if v.Version != gotdVersion {
		return Imported{}, invalid(Gotd, "Version", "must be %d (got %d)", gotdVersion, v.Version)
	}
	d := &v.Data
	if len(d.AuthKey) != 256 {
		return Imported{}, invalid(Gotd, "Data.AuthKey", "256 bytes (got %d)", len(d.AuthKey))
	}
	id := sessionstore.AuthKey(d.AuthKey).ID()
	if len(d.AuthKeyID) != 8 || binary.LittleEndian.Uint64(d.AuthKeyID) != uint64(id) {
		return Imported{}, invalid(Gotd, "Data.AuthKeyID", "does not fit the key: one of them is damaged")
	}
	if d.DC == 0 {
		d.DC = d.Config.ThisDC
	}
	im := Imported{Session: Session{HomeDC: d.DC, Keys: oneKey(d.DC, d.AuthKey), Test: d.Config.TestMode}}
	if d.Addr != "" {
		// gotd fills the address in from several sources, some without a port.
		if host, port, err := net.SplitHostPort(d.Addr); err == nil {
			n, _ := strconv.Atoi(port)
			im.Addr, _ = hostPort(Gotd, host, n)
		}
	}
	if im.Addr == "" {
		im.Notes = append(im.Notes, Note{"server address", "there is none with a port; the list of DCs is used"})
	}
	if test, notes := guessTest(im.Addr); test && !im.Test {
		im.Test, im.Notes = true, append(im.Notes, notes...)
	}
	im.Notes = append(im.Notes, notSaid...)
	return im, nil
}

// jsonFault says what is wrong without quoting the text.
func jsonFault(err error) string {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		return "not JSON near byte " + strconv.FormatInt(syntax.Offset, 10)
	case errors.As(err, &kind):
		return "the field " + kind.Field + " must be of type " + kind.Type.String()
	}
	return "a byte string is not base64"
}

func encodeGotd(s Session) (Exported, error) {
	host, port, notes, err := s.address(Gotd, false)
	if err != nil {
		return Exported{}, err
	}
	var v gotdFile
	v.Version = gotdVersion
	d := &v.Data
	d.Config.TestMode, d.Config.ThisDC = s.Test, s.HomeDC
	d.DC, d.Addr = s.HomeDC, net.JoinHostPort(host, strconv.Itoa(port))
	key := s.HomeKey()
	d.AuthKey = key[:]
	d.AuthKeyID = binary.LittleEndian.AppendUint64(nil, uint64(key.ID()))
	data, err := json.Marshal(v)
	if err != nil {
		return Exported{}, notExportable(Gotd, "JSON", "cannot be written", "report the error")
	}
	notes = append(notes, Note{"user id", "the file does not carry it; gotd asks Telegram"})
	if s.Test {
		notes = append(notes, Note{"test", "give gotd the list of the test DCs as well (telegram.Options.DCList)"})
	}
	return Exported{Data: data, Notes: notes}, nil
}
