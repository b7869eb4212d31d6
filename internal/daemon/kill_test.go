package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/trust/file"
)

// The environment that makes of the test binary a process that is to be killed.
const (
	envFolder = "TAFFRAIL_TEST_KILL_FOLDER"
	envPoint  = "TAFFRAIL_TEST_KILL_POINT"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(envFolder); folder != "" {
		os.Exit(victim(folder, os.Getenv(envPoint)))
	}
	os.Exit(m.Run())
}

// fileSite is a site on real files: SQLite, guard and keys.
func fileSite(ctx context.Context, folder string, w *world) (*site, error) {
	var r plug.Registry
	file.Register(&r)
	open := func(sub string) plug.Settings {
		return plug.Settings{YAML: fmt.Appendf(nil, "folder: %q", filepath.Join(folder, sub))}
	}
	env := plug.Env{Now: time.Now}
	guard, err := plug.Open[audit.Guard](ctx, &r, "file", env, open("state"))
	if err != nil {
		return nil, err
	}
	keyring, err := plug.Open[audit.Keyring](ctx, &r, "file", env, open("config"))
	if err != nil {
		return nil, err
	}
	return &site{data: filepath.Join(folder, "data"), guard: guard, keyring: keyring, world: w, clock: time.Now()}, nil
}

// victim makes two scans, tells on its standard output what was acknowledged, and is killed at a point on the way. Point 0 is none: it
// tells how many there are.
func victim(folder, point string) int {
	at, err := strconv.Atoi(point)
	if err != nil {
		return 2
	}
	ctx := context.Background()
	s, err := fileSite(ctx, folder, newWorld("a", "b"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	p := &points{strike: func(n int, _ string) error {
		if n == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // then it goes on, and the test sees that
			select {}
		}
		return nil
	}}
	err = s.twoScans(ctx, s.pointed(p), func(r ScanReport) {
		json.NewEncoder(os.Stdout).Encode(r) //nolint:errcheck // a missing line is seen by the test
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if at == 0 {
		fmt.Fprintln(os.Stderr, strings.Join(p.passed, "\n"))
	}
	return 0
}

func runVictim(t *testing.T, folder string, point int) (acknowledged []ScanReport, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envFolder+"="+folder, fmt.Sprintf("%s=%d", envPoint, point))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	for d := json.NewDecoder(&out); d.More(); {
		var r ScanReport
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		acknowledged = append(acknowledged, r)
	}
	return acknowledged, errs.String(), err
}

// TestKillMatrix kills a real process, with SQLite and guard and keys in files, at each point of a first use and of a second scan. The
// next start must serve, and have everything that was acknowledged.
func TestKillMatrix(t *testing.T) {
	acknowledged, passed, err := runVictim(t, t.TempDir(), 0)
	if err != nil || len(acknowledged) != 2 {
		t.Fatalf("%d scans were acknowledged, %v: %s", len(acknowledged), err, passed)
	}
	for i, name := range strings.Split(strings.TrimSpace(passed), "\n") {
		t.Run(fmt.Sprintf("%02d %s", i+1, name), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			acknowledged, stderr, err := runVictim(t, folder, i+1)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("it was not killed: %v: %s", err, stderr)
			}
			s, err := fileSite(t.Context(), folder, newWorld("a", "b"))
			if err != nil {
				t.Fatal(err)
			}
			s.recovers(t, acknowledged)
		})
	}
}
