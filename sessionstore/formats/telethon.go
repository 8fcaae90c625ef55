package formats

import (
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// Telethon's StringSession, version 1: the letter 1, then padded URL-safe base64 of
//
//	dc       1 byte
//	address  4 or 16 bytes, IPv4 or IPv6
//	port     2 bytes, big endian
//	auth key 256 bytes
const (
	telethonSize4 = 1 + 4 + 2 + 256
	telethonSize6 = 1 + 16 + 2 + 256
)

// notSaid are the notes of formats that carry neither user id nor bot flag.
var notSaid = []Note{
	{"user id", "the format does not carry it; Telegram tells it on the first connection"},
	{"bot", "the format does not carry it; Telegram tells it on the first connection"},
}

func decodeTelethon(text []byte) (Imported, error) {
	if text[0] != '1' {
		return Imported{}, invalid(Telethon, "version", "the first letter must be 1")
	}
	raw, err := decode64(text[1:])
	if err != nil {
		return Imported{}, invalid(Telethon, "base64", "%w", err)
	}
	size := len(raw) - telethonSize4 + 4
	if size != 4 && size != 16 {
		return Imported{}, invalid(Telethon, "length", "%d bytes or %d with an IPv6 address (got %d)", telethonSize4, telethonSize6, len(raw))
	}
	r := reader{b: raw}
	var im Imported
	im.HomeDC = int(r.u8())
	ip, _ := netip.AddrFromSlice(r.take(size))
	if ip = ip.Unmap(); ip.AsSlice()[0] == 0 && !ip.IsLoopback() {
		// No host has such an address; a cut GramJS string reads like this.
		return Imported{}, invalid(Telethon, "server address", "no address of a server")
	}
	if im.Addr, err = hostPort(Telethon, ip.String(), int(r.be16())); err != nil {
		return Imported{}, err
	}
	im.Keys = oneKey(im.HomeDC, r.take(256))
	im.Test, im.Notes = guessTest(im.Addr)
	im.Notes = append(im.Notes, notSaid...)
	return im, nil
}

func encodeTelethon(s Session) (Exported, error) {
	host, port, notes, err := s.address(Telethon, true)
	if err != nil {
		return Exported{}, err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return Exported{}, notExportable(Telethon, "server address", "not an IP address", "give the session the address of its home DC")
	}
	key := s.HomeKey()
	b := append([]byte{byte(s.HomeDC)}, ip.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, uint16(port))
	b = append(b, key[:]...)
	return Exported{
		Data:  []byte("1" + base64.URLEncoding.EncodeToString(b)),
		Notes: append(notes, Note{"user id", "the string does not carry it; Telethon asks Telegram"}),
	}, nil
}
