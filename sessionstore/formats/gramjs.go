package formats

import (
	"encoding/base64"
	"encoding/binary"
	"math"
)

// GramJS's StringSession, version 1: the letter 1, then padded standard base64 of
//
//	dc       1 byte
//	length   2 bytes, big endian, of the address
//	address  text: an IP address or a host name
//	port     2 bytes, big endian, signed
//	auth key 256 bytes
const gramJSOverhead = 1 + 2 + 2 + 256

// gramJSShape tells a GramJS payload from Telethon's, which can have the same length: an
// address of 14 letters takes the room of an IPv6 address. There Telethon's address would
// start with the bytes 00 0e, where no Telegram server is.
func gramJSShape(raw []byte) bool {
	return len(raw) > gramJSOverhead && int(binary.BigEndian.Uint16(raw[1:])) == len(raw)-gramJSOverhead
}

func decodeGramJS(text []byte) (Imported, error) {
	if text[0] != '1' {
		return Imported{}, invalid(GramJS, "version", "the first letter must be 1")
	}
	raw, err := decode64(text[1:])
	if err != nil {
		return Imported{}, invalid(GramJS, "base64", "%w", err)
	}
	if !gramJSShape(raw) {
		return Imported{}, invalid(GramJS, "length", "%d bytes and the address (got %d bytes)", gramJSOverhead, len(raw))
	}
	r := reader{b: raw}
	var im Imported
	im.HomeDC = int(r.u8())
	host := string(r.take(int(r.be16())))
	if im.Addr, err = hostPort(GramJS, host, int(r.be16())); err != nil {
		return Imported{}, err
	}
	im.Keys = oneKey(im.HomeDC, r.take(256))
	im.Test, im.Notes = guessTest(im.Addr)
	im.Notes = append(im.Notes, notSaid...)
	return im, nil
}

func encodeGramJS(s Session) (Exported, error) {
	host, port, notes, err := s.address(GramJS, false)
	if err != nil {
		return Exported{}, err
	}
	if port > math.MaxInt16 {
		return Exported{}, notExportable(GramJS, "port", "GramJS reads ports up to 32767", "export in another format, or use the DC's port 443")
	}
	key := s.HomeKey()
	b := []byte{byte(s.HomeDC)}
	b = binary.BigEndian.AppendUint16(b, uint16(len(host)))
	b = append(b, host...)
	b = binary.BigEndian.AppendUint16(b, uint16(port))
	b = append(b, key[:]...)
	return Exported{
		Data:  []byte("1" + base64.StdEncoding.EncodeToString(b)),
		Notes: append(notes, Note{"user id", "the string does not carry it; GramJS asks Telegram"}),
	}, nil
}
