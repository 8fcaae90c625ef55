//go:build !linux

package cluster

import "time"

var processStart = time.Now()

// BootClock reads the runtime's monotonic clock. On systems where that clock stops while
// the machine is suspended, a suspended node notices late: only Linux is supported for
// production.
func BootClock() time.Duration { return time.Since(processStart) }
