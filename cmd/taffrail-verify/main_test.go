package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/audit/auditor"
)

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		args   []string
		status int
		says   string
	}{
		{nil, auditor.ExitUnreadable, "Exit status"},
		{[]string{"-h"}, auditor.ExitVerified, "Exit status"},
		{[]string{"--policy", "p"}, auditor.ExitUnreadable, "Exit status"},
		{[]string{"a", "b", "--policy", "p"}, auditor.ExitUnreadable, "Exit status"},
		{[]string{"-", "--nonsense"}, auditor.ExitUnreadable, "Exit status"},
		{[]string{"-", "--policy", filepath.Join(t.TempDir(), "none")}, auditor.ExitUnreadable, "no such file"},
		{[]string{"-", "-json", "--policy", filepath.Join(t.TempDir(), "none")}, auditor.ExitUnreadable, "\"error\": \"read policy"},
	} {
		var out strings.Builder
		if status := run(t.Context(), tc.args, strings.NewReader(""), &out, &out); status != tc.status || !strings.Contains(out.String(), tc.says) {
			t.Errorf("%q: exit status %d, %s", tc.args, status, out.String())
		}
	}
}

// The program stays small, and links nothing but what an auditor would want to read.
func TestBinary(t *testing.T) {
	const most = 5 << 20
	path := filepath.Join(t.TempDir(), "taffrail-verify")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > most {
		t.Errorf("it has %d bytes, and %d is the most", info.Size(), most)
	}
	said, err := exec.CommandContext(t.Context(), "go", "version", "-m", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(said)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "dep" && fields[1] != "golang.org/x/mod" && fields[1] != "github.com/gowebpki/jcs" {
			t.Errorf("it links %s", fields[1])
		}
	}
}
