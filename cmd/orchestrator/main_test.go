package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The environment of these tests: the binary that they drive, and whether the long forms run.
const (
	envBinary = "ORCHESTRATOR_BINARY"
	envLong   = "ORCHESTRATOR_LONG"
)

// binary is the program under test: what envBinary names, or one built here, under the race
// detector when the tests are.
var binary string

// long says that the long forms run.
var long = os.Getenv(envLong) != "" // minutes instead of seconds

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	binary = os.Getenv(envBinary)
	if binary == "" {
		dir, err := os.MkdirTemp("", "orchestrator-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "orchestrator")
		args := []string{"build", "-o", binary}
		if raceEnabled {
			args = append(args, "-race")
		}
		build := exec.Command("go", append(args, ".")...)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the program under test:", err)
			return 1
		}
	}
	// What the machine's user has set must not decide what the program does here.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "ORCHESTRATOR_") {
			os.Unsetenv(name)
		}
	}
	return m.Run()
}
