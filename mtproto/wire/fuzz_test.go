package wire

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
)

// allocated runs f and returns how many bytes it took.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzOpen: a packet that nobody with the key has made is refused, and costs no memory.
func FuzzOpen(f *testing.F) {
	v := readVectors(f, "mtcute.txt")
	for _, name := range []string{"good", "padded_transport", "wrong_msg_key", "wrong_session", "length_too_long", "length_unaligned", "wrong_padding"} {
		f.Add(v[name])
	}
	f.Add([]byte{})
	key := mtcuteKey(v)
	f.Fuzz(func(t *testing.T, frame []byte) {
		frame = bytes.Clone(frame)
		var p Opened
		var err error
		if n := allocated(func() { p, err = Open(&key, frame) }); n > 1<<16 {
			t.Fatalf("%d bytes took %d", len(frame), n)
		}
		var broken *PacketError
		switch {
		case err == nil && (len(p.Body)%4 != 0 || len(p.Body) > len(frame)-plainHeader-MinPadding):
			t.Fatalf("a body of %d bytes out of %d", len(p.Body), len(frame))
		case err != nil && !errors.Is(err, ErrForged) && !errors.As(err, &broken):
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}

// FuzzContainer: what is accepted can be walked through to the end, stays inside, and is not nested.
func FuzzContainer(f *testing.F) {
	two := AppendUint32(AppendUint32(nil, IDMsgContainer), 2)
	for id := int64(1); id < 3; id++ {
		two = AppendUint32(AppendUint32(AppendInt64(two, id), 1), 4)
		two = AppendUint32(two, IDPong)
	}
	f.Add(two)
	f.Add(two[:len(two)-4])
	f.Add(AppendUint32(AppendUint32(nil, IDMsgContainer), 0xffffffff))
	f.Add(AppendUint32(AppendUint32(nil, IDMsgContainer), 1025))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ReadContainer(body)
		if err != nil {
			return
		}
		messages, size := 0, 8
		for m, ok := c.Next(); ok; m, ok = c.Next() {
			messages++
			size += messageHeader + len(m.Body)
			if ConstructorID(m.Body) == IDMsgContainer {
				t.Fatal("a container in a container")
			}
		}
		if messages > MaxContainerMessages || size > len(body) || c.left != 0 {
			t.Fatalf("%d messages of %d bytes out of %d, %d left", messages, size, len(body), c.left)
		}
	})
}

// FuzzGunzip: never more than the limit, and not much more memory than that.
func FuzzGunzip(f *testing.F) {
	f.Add(AppendBytes(AppendUint32(nil, IDGzipPacked), []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}))
	f.Add(AppendBytes(AppendUint32(nil, IDGzipPacked), nil))
	f.Add([]byte{0xa1, 0xcf, 0x72, 0x30, 0xfe, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		const limit = 1 << 16
		var out []byte
		n := allocated(func() { out, _ = Gunzip(body, limit) })
		if len(out) > limit || n > 16*limit { // a reader for the pool included
			t.Fatalf("%d bytes became %d and took %d", len(body), len(out), n)
		}
	})
}

// FuzzReader: values stay inside; after a failure there are only zeros.
func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 2, 3}, AppendBytes(nil, []byte("text")))
	f.Add([]byte{3}, AppendInt64s(nil, []int64{1, 2, 3}))
	f.Add([]byte{3, 2}, AppendUint32(AppendUint32(nil, IDVector), 0x7fffffff))
	f.Add([]byte{2}, []byte{0xfe, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, kinds, data []byte) {
		r := NewReader(data)
		for _, kind := range kinds {
			failed := r.Err() != nil
			empty := true
			switch kind % 5 {
			case 0:
				empty = r.Int64() == 0
			case 1:
				empty = r.Uint32() == 0
			case 2:
				b := r.Bytes()
				empty = len(b) == 0
			case 3:
				ids := r.Int64s(MaxIDs)
				if empty = len(ids) == 0; len(ids)*8 > len(data) {
					t.Fatalf("%d ids out of %d bytes", len(ids), len(data))
				}
			case 4:
				empty = len(r.Take(int(kind))) == 0
			}
			if failed && (!empty || r.Err() == nil || len(r.Rest()) != 0) {
				t.Fatal("values after a failure")
			}
		}
	})
}
