package media

import (
	"encoding/binary"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// Sizes of core.telegram.org/api/files.
const (
	// PartSize is the length of every part but the last: the longest one allowed.
	PartSize = 512 << 10
	// bigFrom is from which size on a file is saved as a big one.
	bigFrom = 10 << 20
	// maxParts and maxPartsPremium are upload_max_fileparts_default and _premium of the app config.
	maxParts, maxPartsPremium = 4000, 8000
)

// The TL form of a part is a head, the length of its bytes, the bytes, and padding. The bytes are
// read to where they lie in the query, so that they are not copied before they are encrypted.
const (
	smallHead   = 4 + 8 + 4
	bigHead     = smallHead + 4
	longLength  = 4 // 0xfe and three bytes
	shortLength = 1
	shortMax    = 253
	dataAt      = bigHead + longLength
	bufferSize  = dataAt + PartSize
)

// part is one part of a file, and the query that saves it.
type part struct {
	buf   *[bufferSize]byte
	n     int // bytes in it
	index int
	body  []byte
	big   bool
}

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func newPart(index int) *part { return &part{buf: buffers.Get().(*[bufferSize]byte), index: index} }

// recycle gives the buffer back. Only a call that was answered lets go of it.
func (p *part) recycle() {
	buffers.Put(p.buf)
	p.buf, p.body = nil, nil
}

// room is where the part's bytes are read to.
func (p *part) room() []byte { return p.buf[dataAt:] }

// data are the part's bytes.
func (p *part) data() []byte { return p.buf[dataAt : dataAt+p.n] }

// seal writes the query around the bytes; total is for big files, -1 while it is unknown.
func (p *part) seal(file int64, big bool, total int) {
	p.big = big
	head, prefix := smallHead, longLength
	if big {
		head = bigHead
	}
	if p.n <= shortMax {
		prefix = shortLength
	}
	start := dataAt - prefix - head
	b := p.buf[start:dataAt]
	id := uint32(tg.UploadSaveFilePartRequestTypeID)
	if big {
		id = tg.UploadSaveBigFilePartRequestTypeID
		binary.LittleEndian.PutUint32(b[smallHead:], uint32(total))
	}
	binary.LittleEndian.PutUint32(b, id)
	binary.LittleEndian.PutUint64(b[4:], uint64(file))
	binary.LittleEndian.PutUint32(b[12:], uint32(p.index))
	if prefix == longLength {
		binary.LittleEndian.PutUint32(b[head:], 0xfe|uint32(p.n)<<8)
	} else {
		b[head] = byte(p.n)
	}
	end := dataAt + p.n
	for (end-start)%4 != 0 { // a full part needs none
		p.buf[end] = 0
		end++
	}
	p.body = p.buf[start:end:end]
}

// Encode implements bin.Encoder. An empty buffer takes the query over as it lies.
func (p *part) Encode(b *bin.Buffer) error {
	if len(b.Buf) == 0 {
		b.Buf = p.body
		return nil
	}
	b.Put(p.body)
	return nil
}

// TypeID is the constructor of the query.
func (p *part) TypeID() uint32 { return binary.LittleEndian.Uint32(p.body) }

// TypeName is the method's name.
func (p *part) TypeName() string {
	if p.big {
		return "upload.saveBigFilePart"
	}
	return "upload.saveFilePart"
}
