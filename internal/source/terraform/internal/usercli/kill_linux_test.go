package usercli

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const envOwner = "TAFFRAIL_TEST_OWNER"

// until waits for something to become true, for a while.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 5000 {
		if is() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal(what)
}

// Who kills us with no time to say goodbye leaves nothing behind: neither the tool, nor a provider that the tool left in turn and that will
// not hear of ending, nor the copy.
func TestKilledOwnerLeavesNothing(t *testing.T) {
	if dir := os.Getenv(envOwner); dir != "" {
		c := open(t, stackAt(dir))
		_ = c.Plan(t.Context(), Tool{Path: filepath.Join(dir, "tool")}, OfCode, nil, func(io.Reader) error { return nil })
		return
	}
	dir, temporary := t.TempDir(), t.TempDir()
	pid := filepath.Join(dir, "pid")
	write(t, dir, map[string]string{"main.tf": "", "tool": "#!/bin/sh\n(trap '' TERM; exec sleep 600) &\necho $$ $! > $TMPDIR/pid\nwait\n"})
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o700); err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(os.Args[0], "-test.run=^TestKilledOwnerLeavesNothing$")
	owner.Env = append(os.Environ(), envOwner+"="+dir, "TMPDIR="+temporary)
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	until(t, "the tool did not start", func() bool {
		found, _ := filepath.Glob(filepath.Join(temporary, prefix+"*", "tmp", "pid"))
		if len(found) == 1 {
			pid = found[0]
			data, _ := os.ReadFile(pid)
			pids = strings.Fields(string(data))
		}
		return len(pids) == 2
	})
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	for _, p := range pids {
		until(t, "process "+p+" still runs", func() bool {
			stat, err := os.ReadFile("/proc/" + p + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		})
	}
	until(t, "the copy was left", func() bool {
		left, _ := filepath.Glob(filepath.Join(temporary, prefix+"*"))
		return len(left) == 0
	})
}
