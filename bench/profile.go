package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
)

// profile begins a profile of the task, if one is wanted: of every allocation that is left at
// its end, or of the CPU. It begins before the clients do.
func (t job) profile() (done func(), err error) {
	if t.Profile == "" || t.What == "prepare" {
		return func() {}, nil
	}
	if err := os.MkdirAll(t.Profile, 0o755); err != nil {
		return nil, fmt.Errorf("-profile: %w", err)
	}
	f, err := os.Create(filepath.Join(t.Profile, t.What+".pprof"))
	if err != nil {
		return nil, fmt.Errorf("-profile: %w", err)
	}
	if strings.HasPrefix(t.What, "idle") {
		runtime.MemProfileRate = 1
		return func() {
			runtime.GC()
			_ = pprof.WriteHeapProfile(f) // a profile that is short shows it
			_ = f.Close()
		}, nil
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
