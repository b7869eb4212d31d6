package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

func open(t *testing.T, folder string, mode store.Mode) *store.Store {
	t.Helper()
	return inFolder(folder).store(t, mode)
}

func entry(body taffrail.EntryBody) taffrail.Entry {
	return taffrail.Entry{
		Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Nonce: "n", Scope: "terraform/l/default", Actor: "taffrail/test",
		Resource: "a.b", Outcome: taffrail.OutcomeObserved, Request: "scan-1", Body: body,
	}
}

// life is a log in which everything happens once.
func life() []taffrail.EntryBody {
	seen := taffrail.DriftSeen{Drift: "drift-1", Type: "a", Status: taffrail.Modified, Finding: taffrail.BlobRef{SHA256: "aa", Size: 1}}
	changed, other := seen, seen
	changed.Finding.SHA256, other.Drift = "bb", "drift-2"
	stack := taffrail.StackInfo{ID: "terraform/l/default", System: "terraform", Name: ".", Serial: 3, Commit: &taffrail.Commit{Hash: "c0ffee"}}
	return []taffrail.EntryBody{
		taffrail.LogStarted{Origin: "o"},
		taffrail.ScanStarted{Stack: stack},
		taffrail.DriftFound{DriftSeen: seen},
		taffrail.DriftChanged{DriftSeen: changed},
		taffrail.DriftEnded{Drift: "drift-1", Why: taffrail.EndInSync},
		taffrail.DriftFound{DriftSeen: other},
		taffrail.ScanFinished{Started: 1, Stack: stack, Coverage: taffrail.Coverage{Total: 4, Checked: 3, Incomplete: 1}},
	}
}

func live(t *testing.T, s *store.Store) {
	t.Helper()
	for _, body := range life() {
		if err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(entry(body)); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

func size(t *testing.T, s *store.Store) (n int64) {
	t.Helper()
	if err := s.Read(t.Context(), func(tx *store.Tx) (err error) { n, err = tx.Size(); return err }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestStorage is the contract that the log asks of its storage.
func TestStorage(t *testing.T) { onEach(t, conformance) }

func conformance(t *testing.T, p *place) {
	audittest.Storage(t, func(t *testing.T) audit.Storage { return p.fresh(t).store(t, store.Create) })
}

func TestOpenNeverMakesUpADatabase(t *testing.T) {
	for _, mode := range []store.Mode{store.ReadOnly, store.Write} {
		folder := t.TempDir()
		_, err := store.Open(t.Context(), folder, mode)
		if taffrail.KindOf(err) != taffrail.KindNotFound {
			t.Errorf("mode %d: %v", mode, err)
		}
		if left, _ := os.ReadDir(folder); len(left) != 0 {
			t.Errorf("mode %d left %v", mode, left)
		}
	}
}

func TestOpenNeverBeginsADatabaseUnasked(t *testing.T) {
	file := inFolder(t.TempDir())
	if err := os.WriteFile(file.source, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*place{file, inSchema(t)} {
		for _, mode := range []store.Mode{store.ReadOnly, store.Write, store.ReadOnly} {
			if _, err := p.open(t, mode); taffrail.KindOf(err) != taffrail.KindNotFound {
				t.Errorf("%s, mode %d: %v", p.kind, mode, err)
			}
		}
		p.store(t, store.Create)
	}
}

func TestOpenRefuses(t *testing.T) {
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, store.FileName), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := t.TempDir()
	open(t, newer, store.Create)
	inFolder(newer).tamper(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	foreign := t.TempDir()
	if err := os.Mkdir(filepath.Join(foreign, store.FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		folder string
		kind   taffrail.Kind
		want   string
	}{
		{garbage, taffrail.KindCorrupt, store.FileName},
		{newer, taffrail.KindInvalid, "version 9999"},
		{foreign, taffrail.KindInternal, "is not a file"},
	} {
		for _, mode := range []store.Mode{store.ReadOnly, store.Write} {
			_, err := store.Open(t.Context(), tc.folder, mode)
			if taffrail.KindOf(err) != tc.kind || !strings.Contains(fmt.Sprint(err), tc.want) {
				t.Errorf("mode %d: %v of kind %s", mode, err, taffrail.KindOf(err))
			}
		}
	}
}

func TestFolderIsPrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	open(t, folder, store.Create)
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	folder := t.TempDir()
	live(t, open(t, folder, store.Create))
	files, err := os.ReadDir(folder)
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestManyBeginOneDatabase(t *testing.T) { onEach(t, manyBeginOneDatabase) }

func manyBeginOneDatabase(t *testing.T, p *place) {
	for range 3 {
		p := p.fresh(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := p.open(t, store.Create)
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) { onEach(t, updateIsAllOrNothing) }

func updateIsAllOrNothing(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	failed := errors.New("no")
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Append(entry(taffrail.LogStarted{})); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if n := size(t, s); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}

func TestManyUpdatesAtOnceShareCommitsAndFailAlone(t *testing.T) {
	onEach(t, manyUpdatesAtOnceShareCommitsAndFailAlone)
}

func manyUpdatesAtOnceShareCommitsAndFailAlone(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	const writers = 200
	failed := errors.New("no")
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			errs[i] = s.Update(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Append(entry(taffrail.LogStarted{Origin: fmt.Sprint(i)}))
				if i%10 == 0 {
					return failed
				}
				return err
			})
		})
	}
	wg.Wait()
	for i, err := range errs {
		if (i%10 == 0) != errors.Is(err, failed) || i%10 != 0 && err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	}
	if n := size(t, s); n != writers*9/10 {
		t.Errorf("%d entries", n)
	}
}

func TestUpdateThatWaitsCanBeCancelled(t *testing.T) { onEach(t, updateThatWaitsCanBeCancelled) }

func updateThatWaitsCanBeCancelled(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, func(*store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTimeNeverGoesBack(t *testing.T) { onEach(t, timeNeverGoesBack) }

func timeNeverGoesBack(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	var got []string
	for _, hour := range []int{5, 3, 7} { // the clock
		e := entry(taffrail.LogStarted{})
		e.Time = time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)
		if err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(e); return err }); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Entries(0, 3, func(i int64, leaf []byte) error {
			e, err := taffrail.ParseEntry(leaf)
			clock := ""
			if !e.Clock.IsZero() {
				clock = fmt.Sprint(" clock ", e.Clock.Hour())
			}
			got = append(got, fmt.Sprint(e.Time.Hour(), " ", e.Counter, clock))
			return err
		})
	})
	if diff := cmp.Diff([]string{"5 0", "5 1 clock 3", "7 2"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestOpenDrifts(t *testing.T) { onEach(t, openDrifts) }

func openDrifts(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	live(t, s)
	var got map[taffrail.Address]store.OpenDrift
	if err := s.Read(t.Context(), func(tx *store.Tx) (err error) { got, err = tx.OpenDrifts("terraform/l/default"); return err }); err != nil {
		t.Fatal(err)
	}
	want := map[taffrail.Address]store.OpenDrift{
		"a.b": {ID: "drift-2", Address: "a.b", Type: "a", Status: taffrail.Modified, Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Entry: 5, Finding: "aa"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAnIndexThatLiedBricksNothing appends what an honest index would have kept from being appended. It must be possible to read again.
func TestAnIndexThatLiedBricksNothing(t *testing.T) { onEach(t, anIndexThatLiedBricksNothing) }

func anIndexThatLiedBricksNothing(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	live(t, s)
	p.tamper(t, "UPDATE index_drift SET ended_idx = 1; DELETE FROM index_scan")
	for _, body := range []taffrail.EntryBody{
		taffrail.DriftFound{DriftSeen: taffrail.DriftSeen{Drift: "drift-3"}}, taffrail.DriftFound{DriftSeen: taffrail.DriftSeen{Drift: "drift-3"}},
		taffrail.ScanStarted{}, taffrail.DriftEnded{Drift: "drift-9"},
	} {
		if err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(entry(body)); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if _, changed := rebuild(t, s); len(changed) == 0 {
		t.Error("the lie went unnoticed")
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("rebuilt twice: %q", changed)
	}
}

// TestReplayIsIdentity is the invariant: delete the index tables, rebuild them from the log, nothing changes.
func TestReplayIsIdentity(t *testing.T) { onEach(t, replayIsIdentity) }

func replayIsIdentity(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	live(t, s)
	before := p.dump(t)
	if rows, changed := rebuild(t, s); rows != 7+1+1+2+6+3 || len(changed) != 0 {
		t.Errorf("%d rows, %q", rows, changed)
	}
	p.tamper(t, "DELETE FROM index_drift; DELETE FROM index_entry; DELETE FROM index_stack; DELETE FROM index_scan")
	if _, changed := rebuild(t, s); len(changed) != 4 {
		t.Errorf("an empty index went unnoticed: %q", changed)
	}
	if diff := cmp.Diff(before, p.dump(t)); diff != "" {
		t.Error(diff)
	}
}

func TestCheckIndexTellsAndChangesNothing(t *testing.T) { onEach(t, checkIndexTellsAndChangesNothing) }

func checkIndexTellsAndChangesNothing(t *testing.T, p *place) {
	live(t, p.store(t, store.Create))
	p.tamper(t, "UPDATE index_drift SET ended_idx = 6 WHERE id = 'drift-2'")
	before := p.dump(t)
	s := p.store(t, store.ReadOnly)
	var changed []string
	if err := s.Read(t.Context(), func(tx *store.Tx) (err error) { changed, err = tx.CheckIndex(); return err }); err != nil {
		t.Fatal(err)
	}
	want := []string{"index_drift: rows that do not follow from the log: 1", "index_drift: rows that are missing, or other than in the log: 1"}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, p.dump(t)); diff != "" {
		t.Error(diff)
	}
}

func TestBlobs(t *testing.T) { onEach(t, blobs) }

func blobs(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	var ref taffrail.BlobRef
	for range 2 {
		if err := s.Update(t.Context(), func(tx *store.Tx) (err error) { ref, err = tx.PutBlob([]byte("payload")); return err }); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		if data, err := tx.Blob(ref); err != nil || string(data) != "payload" {
			t.Errorf("%q %v", data, err)
		}
		if _, err := tx.Blob(taffrail.BlobRef{SHA256: ref.SHA256, Size: ref.Size + 1}); taffrail.KindOf(err) != taffrail.KindCorrupt {
			t.Errorf("another size: %v", err)
		}
		if _, err := tx.Blob(taffrail.BlobRef{SHA256: "other"}); !errors.Is(err, audit.ErrMissing) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.tamper(t, "UPDATE blob SET data = 'other'")
	err = s.Read(t.Context(), func(tx *store.Tx) error { _, err := tx.Blob(taffrail.BlobRef{SHA256: ref.SHA256}); return err })
	if taffrail.KindOf(err) != taffrail.KindCorrupt {
		t.Errorf("other bytes: %v", err)
	}
}

func TestTwoProcessesOnOneFolder(t *testing.T) { onEach(t, twoProcessesOnOneFolder) }

func twoProcessesOnOneFolder(t *testing.T, p *place) {
	stores := []*store.Store{p.store(t, store.Create), p.store(t, store.Create)}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			err := stores[i%2].Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(entry(taffrail.LogStarted{})); return err })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := size(t, stores[0]); n != 50 {
		t.Errorf("%d entries", n)
	}
}

func rebuild(t *testing.T, s *store.Store) (rows int64, changed []string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) (err error) { rows, changed, err = tx.RebuildIndex(); return err })
	if err != nil {
		t.Fatal(err)
	}
	return rows, changed
}
