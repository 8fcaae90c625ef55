package formats

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// mtcute's session string, version 3: URL-safe base64 without padding of, little endian and in
// TL's encoding of byte strings,
//
//	version  1 byte: 3
//	flags    int: 1 self is there, 2 test (written by older releases), 4 media is there
//	main     bytes: the option of the home DC
//	media    bytes: the option for files, if flagged
//	self     long user id, Bool bot, if flagged
//	auth key bytes, 256 of them
//
// A DC option is: version 1 byte (1 or 2), dc 1 byte, flags 1 byte (1 IPv6, 2 media only,
// 4 test, in version 2), address string, port int.
const (
	mtcuteVersion = 3

	mtcuteSelf  = 1
	mtcuteTest  = 2
	mtcuteMedia = 4

	mtcuteDCIPv6 = 1
	mtcuteDCTest = 4

	tlTrue  = 0x997275b5
	tlFalse = 0xbc799737
)

func decodeMtcute(text []byte) (Imported, error) {
	raw, err := decode64(text)
	if err != nil {
		return Imported{}, invalid(Mtcute, "base64", "%w", err)
	}
	r := reader{b: raw}
	if v := r.u8(); v != mtcuteVersion {
		return Imported{}, invalid(Mtcute, "version", "must be %d (got %d)", mtcuteVersion, v).
			WithRemedy("export it again with mtcute 0.17 or newer")
	}
	flags := r.le32()
	if flags&^(mtcuteSelf|mtcuteTest|mtcuteMedia) != 0 {
		return Imported{}, invalid(Mtcute, "flags", "unknown ones are set")
	}
	var im Imported
	main := r.tlBytes()
	if r.err == nil {
		if im, err = decodeMtcuteDC(main); err != nil {
			return Imported{}, err
		}
	}
	if flags&mtcuteMedia != 0 {
		media := r.tlBytes()
		if r.err == nil {
			other, err := decodeMtcuteDC(media)
			if err != nil {
				return Imported{}, err
			}
			if flags&mtcuteTest == 0 && other.Test != im.Test {
				return Imported{}, invalid(Mtcute, "test", "main and media DC contradict each other")
			}
			im.Notes = append(im.Notes, Note{"media address", "not kept: the list of DCs is used"})
		}
	}
	im.Test = im.Test || flags&mtcuteTest != 0
	if flags&mtcuteSelf != 0 {
		im.UserID = int64(r.le64())
		im.Bot = r.tlBool()
	} else {
		im.Notes = append(im.Notes, notSaid...)
	}
	key := r.tlBytes()
	if err := r.end(); err != nil {
		return Imported{}, invalid(Mtcute, "string", "%w", err)
	}
	if len(key) != 256 {
		return Imported{}, invalid(Mtcute, "auth key", "256 bytes (got %d)", len(key))
	}
	im.Keys = oneKey(im.HomeDC, key)
	return im, nil
}

func decodeMtcuteDC(b []byte) (Imported, error) {
	r := reader{b: b}
	version, dc, flags := r.u8(), r.u8(), r.u8()
	host := string(r.tlBytes())
	port := int(int32(r.le32()))
	if err := r.end(); err != nil {
		return Imported{}, invalid(Mtcute, "dc option", "%w", err)
	}
	if version != 1 && version != 2 {
		return Imported{}, invalid(Mtcute, "dc option", "version 1 or 2 (got %d)", version)
	}
	addr, err := hostPort(Mtcute, host, port)
	if err != nil {
		return Imported{}, err
	}
	return Imported{Session: Session{HomeDC: int(dc), Addr: addr, Test: version == 2 && flags&mtcuteDCTest != 0}}, nil
}

func encodeMtcute(s Session) (Exported, error) {
	host, port, notes, err := s.address(Mtcute, false)
	if err != nil {
		return Exported{}, err
	}
	var flags byte
	if strings.Contains(host, ":") {
		flags |= mtcuteDCIPv6
	}
	if s.Test {
		flags |= mtcuteDCTest
	}
	dc := appendTL([]byte{2, byte(s.HomeDC), flags}, []byte(host))
	dc = binary.LittleEndian.AppendUint32(dc, uint32(port))

	b := []byte{mtcuteVersion}
	if s.UserID != 0 {
		b = binary.LittleEndian.AppendUint32(b, mtcuteSelf)
		b = appendTL(b, dc)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.UserID))
		b = binary.LittleEndian.AppendUint32(b, map[bool]uint32{false: tlFalse, true: tlTrue}[s.Bot])
	} else {
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = appendTL(b, dc)
		notes = append(notes, Note{"user id", "unknown and left out; mtcute asks Telegram"})
	}
	key := s.HomeKey()
	b = appendTL(b, key[:])
	return Exported{Data: []byte(base64.RawURLEncoding.EncodeToString(b)), Notes: notes}, nil
}

// tlBytes reads TL's byte string: a length of 1 or 4 bytes, then the bytes, padded to four.
func (r *reader) tlBytes() []byte {
	head, n := 1, int(r.u8())
	switch n {
	case 254:
		l := r.take(3)
		if l == nil {
			return nil
		}
		head, n = 4, int(l[0])|int(l[1])<<8|int(l[2])<<16
	case 255:
		r.fail(errRange)
		return nil
	}
	out := r.take(n)
	r.take((4 - (head+n)%4) % 4)
	return bytes.Clone(out)
}

// tlBool reads TL's Bool.
func (r *reader) tlBool() bool {
	switch r.le32() {
	case tlTrue:
		return true
	case tlFalse:
		return false
	}
	r.fail(errRange)
	return false
}

// appendTL is the inverse of tlBytes.
func appendTL(b, v []byte) []byte {
	head := 1
	if len(v) < 254 {
		b = append(b, byte(len(v)))
	} else {
		head = 4
		b = append(b, 254, byte(len(v)), byte(len(v)>>8), byte(len(v)>>16))
	}
	b = append(b, v...)
	return append(b, make([]byte, (4-(head+len(v))%4)%4)...)
}
