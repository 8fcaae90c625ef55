package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestUsage runs the files in testdata: what the command line says of itself and to mistakes.
// `exits CODE COMMAND...` runs a command and asserts its exit code.
func TestUsage(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			bin := filepath.Join(e.WorkDir, ".bin")
			if err := os.Mkdir(bin, 0o700); err != nil {
				return err
			}
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Vars = append(e.Vars, raceOptions)
			return os.Symlink(binary, filepath.Join(bin, "orchestrator"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var failed *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case err == nil:
		if want != 0 {
			ts.Fatalf("exit 0, want %d", want)
		}
	case !errors.As(err, &failed):
		ts.Fatalf("%v", err)
	case failed.ExitCode() != want:
		ts.Fatalf("exit %d, want %d", failed.ExitCode(), want)
	}
}
