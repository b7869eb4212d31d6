package daemon

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// attacked gives a site with a log of two scans, and the head that the guard had after the first.
func attacked(t *testing.T) (s *site, backup string, early audit.Head) {
	t.Helper()
	w := newWorld("a", "b")
	s = newSite(t, w)
	*w.find("a") = observe("a", "moved")
	scanOnce(t, s.start(t))
	early, err := s.guard.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	backup = copyOf(t, s.data)
	*w.find("a") = observe("a", "moved again")
	scanOnce(t, s.start(t))
	return s, backup, early
}

// waiting has a connection of ours wait for the checkpoint that a log which is still open writes later.
const waiting = "?_pragma=busy_timeout(10000)"

// copyOf copies a data folder as a backup tool does that knows SQLite.
func copyOf(t *testing.T, folder string) string {
	t.Helper()
	to := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(folder, store.FileName)+waiting)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("VACUUM INTO ?", filepath.Join(to, store.FileName)); err != nil {
		t.Fatal(err)
	}
	return to
}

func edit(t *testing.T, folder, statements string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(folder, store.FileName)+waiting)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Exec(statements, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := r.RowsAffected(); n == 0 {
		t.Fatalf("%s changed nothing", statements)
	}
}

func TestAttacks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		attack func(t *testing.T, s *site, backup string, early audit.Head)
		start  string // what Start says; empty: the attack is too deep for a start to see
		verify string // what the verification says
	}{
		{"an old entry is edited", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "UPDATE entry SET body = replace(body, 'thing.a', 'thing.b') WHERE idx = 2")
		}, "", "entry 2"},
		{"the newest entry is edited", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "UPDATE entry SET body = replace(body, 'ok', 'no') WHERE idx = 6")
		}, "entry 6", "entry 6"},
		{"a bit of a leaf's hash is flipped", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "UPDATE node SET hash = zeroblob(32) WHERE id = 4")
		}, "", "entry 3"},
		{"an entry is taken out", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "DELETE FROM entry WHERE idx = 3")
		}, "", "entry 3"},
		{"the tail is cut off", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "DELETE FROM entry WHERE idx > 3; DELETE FROM checkpoint WHERE size > 4; DELETE FROM node WHERE id > 6")
		}, "7 entries", "7 entries"},
		{"an older copy is restored", func(t *testing.T, s *site, backup string, _ audit.Head) {
			s.data = backup
		}, "7 entries", "7 entries"},
		{"the log is gone", func(t *testing.T, s *site, _ string, _ audit.Head) {
			s.data = t.TempDir()
		}, "7 entries", "7 entries"},
		{"the guard state is gone", func(_ *testing.T, s *site, _ string, _ audit.Head) {
			guardOf(s).Set(audit.Head{})
		}, "guard state is missing", "guard state is missing"},
		{"the guard state is set back", func(_ *testing.T, s *site, _ string, early audit.Head) {
			guardOf(s).Set(early)
		}, "checkpoint", "checkpoint"},
		{"the key is gone", func(_ *testing.T, s *site, _ string, _ audit.Head) {
			s.keyring = audittest.NewMemoryKeyring()
		}, "key is missing", "key is missing"},
		{"guard state and key are gone", func(_ *testing.T, s *site, _ string, _ audit.Head) {
			guardOf(s).Set(audit.Head{})
			s.keyring = audittest.NewMemoryKeyring()
		}, "guard state and signing key are missing", "guard state and signing key are missing"},
		{"log and guard state are gone", func(t *testing.T, s *site, _ string, _ audit.Head) {
			guardOf(s).Set(audit.Head{})
			s.data = t.TempDir()
		}, "guard state is missing", "guard state is missing"},
		{"a payload is edited", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "UPDATE blob SET data = replace(data, 'moved', 'mused')")
		}, "", "entry 2"},
		{"a payload is taken out", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "DELETE FROM blob")
		}, "", "entry 2"},
		{"the index is edited", func(t *testing.T, s *site, _ string, _ audit.Head) {
			edit(t, s.data, "UPDATE index_drift SET status = 'deleted'")
		}, "", "index_drift"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, backup, early := attacked(t)
			tc.attack(t, s, backup, early)
			d := s.daemon()
			err := d.Start(t.Context())
			if err == nil {
				defer d.Stop(t.Context()) //nolint:errcheck // it is only looked at
			}
			if refused := err != nil; refused != (tc.start != "") || refused && (taffrail.KindOf(err) != taffrail.KindCorrupt || !strings.Contains(err.Error(), tc.start) || taffrail.HintOf(err) == "") {
				t.Errorf("start: %v of kind %s, hint %q", err, taffrail.KindOf(err), taffrail.HintOf(err))
			}
			r, err := d.VerifyLog(t.Context(), nil)
			if found := whatIsWrong(r, err); !strings.Contains(found, tc.verify) || r.Verdict == "verified" {
				t.Errorf("verify: %s\n%+v", found, r)
			}
			if tc.start == "" {
				if _, err := d.RebuildIndex(t.Context()); (taffrail.KindOf(err) == taffrail.KindCorrupt) != (len(r.Audit.Problems) > 0) {
					t.Errorf("rebuild of an index over it: %v", err)
				}
				return
			}
			if _, err := d.Scan(t.Context(), ScanRequest{System: "fake"}, nil); taffrail.KindOf(err) != taffrail.KindCorrupt {
				t.Errorf("a scan on it: %v", err)
			}
		})
	}
}

// whatIsWrong puts all that a verification found on one line.
func whatIsWrong(r LogReport, err error) string {
	var all []string
	for _, p := range r.Audit.Problems {
		all = append(all, p.Error())
	}
	all = append(append(all, r.Blobs...), r.Index...)
	if err != nil {
		all = append(all, err.Error())
	}
	return strings.Join(all, "; ")
}

func TestAForgedEntryIsNotShown(t *testing.T) {
	s, _, _ := attacked(t)
	edit(t, s.data, "UPDATE entry SET body = replace(body, 'thing.a', 'thing.b') WHERE idx = 2")
	d := s.start(t)
	var shown []int64
	err := d.Entries(t.Context(), 0, -1, func(e LogEntry) error { shown = append(shown, e.Index); return nil })
	if taffrail.KindOf(err) != taffrail.KindCorrupt || !strings.Contains(err.Error(), "entry 2") || len(shown) != 2 {
		t.Errorf("%v after %v", err, shown)
	}
}

func TestAFolderThatIsNoDatabase(t *testing.T) {
	s := newSite(t, newWorld("a"))
	scanOnce(t, s.start(t))
	for _, name := range []string{store.FileName, store.FileName + "-wal", store.FileName + "-shm"} {
		if err := os.Remove(filepath.Join(s.data, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.data, store.FileName), []byte(strings.Repeat("garbage ", 4000)), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.daemon().Start(t.Context())
	if taffrail.KindOf(err) != taffrail.KindCorrupt || taffrail.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestABeginningThatWasCutShortIsNoLogAndNoFault(t *testing.T) {
	s := newSite(t, newWorld("a"))
	d := s.pointed(&points{strike: func(_ int, name string) error {
		if name == "create key: persisted" {
			return errStruck
		}
		return nil
	}})
	if _, err := d.InitLog(t.Context(), InitRequest{}); !errors.Is(err, errStruck) {
		t.Fatal(err)
	}
	r, err := s.start(t).VerifyLog(t.Context(), nil)
	if taffrail.KindOf(err) != taffrail.KindNotFound || len(r.Audit.Problems) != 0 {
		t.Errorf("%v %+v", err, r)
	}
	scanOnce(t, s.start(t))
	wellAt(t, s)
}

func TestInitLog(t *testing.T) {
	s := newSite(t, newWorld("a"))
	d := s.start(t)
	info, err := d.InitLog(t.Context(), InitRequest{Origin: "example.org/log/prod"})
	if err != nil || info.Origin != "example.org/log/prod" || !strings.HasPrefix(info.Key, "example.org/log/prod+") || info.Data != s.data {
		t.Errorf("%+v %v", info, err)
	}
	if _, err := d.InitLog(t.Context(), InitRequest{}); taffrail.KindOf(err) != taffrail.KindConflict {
		t.Errorf("a second log was begun: %v", err)
	}
	if r := scanOnce(t, d); r.Log.Started || r.Log.Origin != info.Origin {
		t.Errorf("%+v", r.Log)
	}
	if _, err := newSite(t, newWorld()).start(t).InitLog(t.Context(), InitRequest{Origin: "two\nlines"}); err == nil {
		t.Error("a name of two lines was taken")
	}
	wellAt(t, s)
}
