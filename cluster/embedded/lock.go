//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// lockFile is held locked by the process that uses a data directory, and names it.
const lockFile = "lock"

// DirLock is the exclusive use of a data directory.
type DirLock struct {
	dir  string
	file *os.File
}

// Lock takes the exclusive use of a data directory, creating it (mode 0700) when it is
// missing. The kernel frees it when the process dies. ErrLocked names the other process.
func Lock(dir string) (*DirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: create: %w", err)
	}
	path := filepath.Join(dir, lockFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data_dir: open lock: %w", err)
	}
	if err := flock(file); err != nil {
		defer file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, lockedError(dir, file)
		}
		return nil, fmt.Errorf("data_dir: lock %s: %w", path, err)
	}
	if err := writePID(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("data_dir: write %s: %w", path, err)
	}
	return &DirLock{dir: dir, file: file}, nil
}

func flock(file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func writePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func lockedError(dir string, file *os.File) error {
	holder := "another process"
	if b, err := io.ReadAll(io.LimitReader(file, 32)); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			holder = fmt.Sprintf("process %d", pid)
		}
	}
	return fleet.Errorf(cluster.ErrLocked.Code, cluster.ErrLocked.Reason,
		"data_dir: already used by %s (got %s)", holder, dir).
		WithRemedy("stop that process, or give this one a data_dir of its own")
}

// Dir is the locked directory.
func (l *DirLock) Dir() string { return l.dir }

// Close frees the directory. The file stays, so that no two processes lock different ones.
func (l *DirLock) Close() error { return l.file.Close() }
