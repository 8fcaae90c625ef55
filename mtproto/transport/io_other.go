//go:build !unix

package transport

import (
	"net"
	"syscall"
)

// rawConn: here descriptors cannot be waited on without a read.
func rawConn(net.Conn) syscall.RawConn { return nil }

func (in *reader) attempt(uintptr) bool { return true }

func (c *Conn) writeNow([]byte) (int, error) { return 0, nil }
