package main

import (
	"os"
	"path/filepath"
	"testing"
)

// backends is a running `orchestrator infra`.
type backends struct {
	*process
	etcd, nats string // URLs
}

func startInfra(t *testing.T, data string) backends {
	t.Helper()
	p := start(t, nil, "infra", "--data", data)
	b := backends{process: p}
	b.etcd = p.line(`etcd on (http://127\.0\.0\.1:\d+)\n`)[1]
	b.nats = p.line(`NATS on (nats://127\.0\.0\.1:\d+)\n`)[1]
	return b
}

// TestInfraKeepsWhatItHas: what nodes share outlives its process, and its directory has one
// process.
func TestInfraKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "infra")
	b := startInfra(t, data)
	runCLI(t, nil, "infra", "--data", data).fails(exitFailed, "already used by process", "data_dir")
	b.signal(os.Interrupt)
	if code := b.exit(); code != exitOK {
		t.Errorf("infra: exit %d", code)
	}
	b = startInfra(t, data)
	b.signal(os.Interrupt)
	if code := b.exit(); code != exitOK {
		t.Errorf("infra: exit %d", code)
	}
}
