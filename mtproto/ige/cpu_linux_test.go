package ige

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkCPU is the figure to compare with `openssl speed -evp aes-256-cbc -bytes 16384`, which
// divides by processor time as well: what else the machine does matters little.
func BenchmarkCPU(b *testing.B) {
	const n = 16 << 10
	for name, run := range map[string]func(dst, src []byte, key, iv *[32]byte){"encrypt": Encrypt, "decrypt": Decrypt} {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var key, iv [32]byte
			buf := make([]byte, n)
			before := threadTime(b)
			for b.Loop() {
				run(buf, buf, &key, &iv)
			}
			b.ReportMetric(float64(b.N)*n/1e6/(threadTime(b)-before).Seconds(), "MB/cpu-s")
		})
	}
}

func threadTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
