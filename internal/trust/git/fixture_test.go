package git

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// run runs the git program, without anybody's settings, and gives what it says.
func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := tryRun(t, args...)
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return out
}

func tryRun(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// newRemote makes an empty repository.
func newRemote(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: git is not on PATH")
	}
	folder := filepath.Join(t.TempDir(), "remote.git")
	run(t, "init", "--quiet", "--bare", folder)
	return folder
}

// rewrite puts another commit in the place of the branch's tip: one with these files, and no past.
func rewrite(t testing.TB, remote string, files map[string]string) {
	t.Helper()
	work := t.TempDir()
	run(t, "-C", work, "init", "--quiet", "-b", defaultBranch)
	for name, text := range files {
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "-C", work, "add", ".")
	run(t, "-C", work, "commit", "--quiet", "--allow-empty", "-m", "x")
	run(t, "-C", work, "push", "--quiet", "--force", remote, defaultBranch)
}

// open opens an anchor through the registry, as the program does.
func open(t testing.TB, settings string) audit.Anchor {
	t.Helper()
	a, err := tryOpen(t, settings)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryOpen(t testing.TB, settings string) (audit.Anchor, error) {
	t.Helper()
	return openAt(t, func() time.Time { return noon }, settings)
}

// openAt opens an anchor that asks for the time between the moment it has seen the branch and the one at which it pushes.
func openAt(t testing.TB, now func() time.Time, settings string) (audit.Anchor, error) {
	t.Helper()
	r := &plug.Registry{}
	Register(r)
	env := plug.Env{Logger: slog.New(slog.DiscardHandler), Now: now}
	return plug.Open[audit.Anchor](t.Context(), r, "git", env, plug.Settings{File: "test", YAML: []byte(settings)})
}

// A log gives signed checkpoints, without a tree behind them.
type log struct {
	t    testing.TB
	ring audit.Ring
}

func newLog(t testing.TB, origin string) log {
	t.Helper()
	return log{t, audittest.Ring(t, origin)}
}

// at is the checkpoint of a size, in the history of a name.
func (l log) at(size int64, history string) audit.Checkpoint {
	l.t.Helper()
	head := audit.Head{Origin: l.ring.Keys().Origin(), Size: size, Root: tlog.RecordHash([]byte{byte(size), history[0]})}
	msg, err := l.ring.Sign(head)
	if err != nil {
		l.t.Fatal(err)
	}
	return audit.Checkpoint{Head: head, Note: msg}
}

// cosigned is the same checkpoint with another line.
func cosigned(cp audit.Checkpoint) audit.Checkpoint {
	return audit.Checkpoint{Head: cp.Head, Note: append(append([]byte(nil), cp.Note...), "— w.example/w AAAAAAAA\n"...)}
}

func anchored(t testing.TB, a audit.Anchor, cp audit.Checkpoint) audit.Receipt {
	t.Helper()
	r, err := a.Anchor(t.Context(), cp)
	if err != nil {
		t.Fatalf("size %d: %v", cp.Size, err)
	}
	return r
}

func formOf(t testing.TB, r audit.Receipt) receiptForm {
	t.Helper()
	f, err := parseReceipt(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
