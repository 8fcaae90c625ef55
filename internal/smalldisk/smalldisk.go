// Package smalldisk gives a test a file system of its own that can be really full.
//
// # Usage
//
//	func TestFullDisk(t *testing.T) {
//		smalldisk.Run(t, 32<<20, func(t *testing.T, disk smalldisk.Disk) {
//			disk.Fill(t)
//			...
//			disk.Free(t)
//		})
//	}
//
// The test runs in a process of its own, the same binary once more, in a user and mount namespace, where
// it may mount a tmpfs. Where the kernel allows no such namespace, it is skipped and says so.
//
// # Concurrency
//
// A Disk belongs to one goroutine. Run waits for its process.
//
// # Errors
//
// All fail the test.
package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// variable names the test that a process was started for.
	variable = "SMALLDISK_TEST"
	// refused is the exit code of a process that may not mount.
	refused = 77
	// patience bounds the process; the test's own deadline comes first.
	patience = 4 * time.Minute
)

// Disk is a small file system.
type Disk struct {
	// Dir is where it is mounted.
	Dir string
}

// Run calls body with a file system of so many bytes. It must be the first that a test does.
func Run(t *testing.T, bytes int64, body func(t *testing.T, disk Disk)) {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		body(t, Disk{Dir: mount(t, bytes)})
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout="+patience.String())
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == refused, err != nil && exit == nil && t.Context().Err() == nil:
		t.Skipf("the kernel allows no user and mount namespace here: %v\n%s", err, out)
	case err != nil:
		t.Fatalf("on a small disk: %v\n%s", err, out)
	default:
		t.Logf("on a small disk:\n%s", out)
	}
}

func mount(t *testing.T, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("smalldisk", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		fmt.Println("mount a tmpfs:", err)
		os.Exit(refused)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func (d Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }

// Leave takes all but so many bytes.
func (d Disk) Leave(t *testing.T, bytes uint64) {
	t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Statfs(d.Dir, &st); err != nil {
		t.Fatal(err)
	}
	if free := st.Bavail * uint64(st.Bsize); free > bytes {
		err = unix.Fallocate(int(f.Fd()), 0, 0, int64(free-bytes))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Fill takes all that is left, as another program may do at once.
func (d Disk) Fill(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
}

// Free gives back what Fill and Leave have taken.
func (d Disk) Free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		t.Fatal(err)
	}
}
