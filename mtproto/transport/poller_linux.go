package transport

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pollSet is an epoll descriptor that the runtime's own poller watches, so that waiting for it occupies no thread.
type pollSet struct {
	fd   int
	file *os.File
	raw  syscall.RawConn
}

func (s *pollSet) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	s.fd, s.file = fd, os.NewFile(uintptr(fd), "epoll")
	s.raw, err = s.file.SyscallConn()
	return err
}

func (s *pollSet) close() error { return s.file.Close() }

// watch calls ready for each slot that has an event, until the set is closed. It waits only after a look at the set
// that found room for more events: what comes after that look ends the wait.
func (s *pollSet) watch(ready func(slot int32)) {
	const batch = 128
	events := make([]unix.EpollEvent, batch)
	_ = s.raw.Read(func(fd uintptr) (broken bool) { // the set has been closed
		for {
			n, err := eventsNow(fd, events)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return true
			}
			for _, e := range events[:max(0, n)] {
				ready(e.Fd)
			}
			if err == nil && n < batch {
				return false
			}
		}
	})
}

// add puts a connection's descriptor into the set; it leaves the set by being closed. An event is told once, and again
// after arm.
func (s *pollSet) add(fd uintptr, slot int32) error { return s.control(unix.EPOLL_CTL_ADD, fd, slot) }

func (s *pollSet) arm(fd uintptr, slot int32) error { return s.control(unix.EPOLL_CTL_MOD, fd, slot) }

func (s *pollSet) control(op int, fd uintptr, slot int32) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: slot}
	return unix.EpollCtl(s.fd, op, int(fd), &event)
}
