package transport

import (
	"sync"
	"unsafe"
)

// sizes are the buffers that are pooled: most packets are small; the two largest fit a file part of 512 KiB and of
// 1 MiB with its envelope. Larger buffers are rare and left to the garbage collector.
var sizes = [...]int{1 << 10, 1 << 12, chunkSize, 1 << 16, 1 << 18, 1<<19 + 1<<12, 1<<20 + 1<<12}

// pools hold pointers to the first byte of a buffer: a pointer in an interface costs no allocation, a slice would.
var pools [len(sizes)]sync.Pool

// get returns a buffer of n bytes with undefined content.
func get(n int) []byte {
	for i, size := range sizes {
		if n > size {
			continue
		}
		if p, ok := pools[i].Get().(*byte); ok {
			return unsafe.Slice(p, size)[:n]
		}
		return make([]byte, n, size)
	}
	return make([]byte, n)
}

// Recycle gives a frame of ReadFrame back for reuse; the caller must hold no reference to it any more. It is never
// required, and other slices are ignored.
func Recycle(frame []byte) {
	for i, size := range sizes {
		if cap(frame) == size {
			pools[i].Put(unsafe.SliceData(frame))
			return
		}
	}
}
