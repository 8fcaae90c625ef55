package cluster

import (
	"time"

	"golang.org/x/sys/unix"
)

// BootClock reads CLOCK_BOOTTIME, which also counts while the machine is suspended.
func BootClock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// The kernel has had it since 2.6.39; without it nothing may be sent.
		return 1<<63 - 1
	}
	return time.Duration(ts.Nano())
}
