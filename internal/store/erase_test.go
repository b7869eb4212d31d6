package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// filesWith names the files of a folder that hold a text, in any case.
func filesWith(t *testing.T, folder, text string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToLower(data), []byte(strings.ToLower(text))) {
			names = append(names, f.Name())
		}
	}
	return names
}

// TestWhatIsErasedLeavesTheFiles looks for the bytes, after enough was written around them that pages were split and moved.
func TestWhatIsErasedLeavesTheFiles(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, store.Create)
	var secrets []string
	for i := range 300 {
		name := fmt.Sprintf("Xylander%03d", i)
		payload := putBlob(t, s, fmt.Sprintf("Zebulon%03d %s", i, strings.Repeat("x", 3000)))
		update(t, s, with(taffrail.ScanStarted{Rules: &payload}, taffrail.OutcomeOK, taffrail.Field{Name: "who", Value: name}))
		if i%3 == 0 {
			secrets = append(secrets, name, fmt.Sprintf("Zebulon%03d", i))
		}
	}
	if n := filesWith(t, folder, secrets[0]); len(n) == 0 {
		t.Fatal("the test looks for what is not there")
	}
	for i := range int64(300) {
		if i%3 != 0 {
			continue
		}
		payload := leaf(t, s, i).Body.Payloads()[0].SHA256
		for _, r := range []taffrail.Redacted{{Entry: i, Field: "who"}, {Entry: i, Payload: payload}} {
			if err := erase(t, s, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, secret := range secrets {
		if n := filesWith(t, folder, secret); len(n) != 0 {
			t.Errorf("%s is still in %v", secret, n)
		}
	}
	if n := filesWith(t, folder, "xylander001"); len(n) == 0 {
		t.Error("what was not erased is gone")
	}
}

// TestAnErasureDoesNotWaitForReaders: the write-ahead log keeps what somebody still reads, and forgets it afterwards.
func TestAnErasureDoesNotWaitForReaders(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, store.Create)
	update(t, s, with(taffrail.LogStarted{}, taffrail.OutcomeOK, taffrail.Field{Name: "who", Value: "Xylander"}))
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Size(); err != nil {
			return err
		}
		return erase(t, s, taffrail.Redacted{Entry: 0, Field: "who"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := filesWith(t, folder, "xylander"); len(n) == 0 {
		t.Skip("SKIPPED: the reader kept nothing")
	}
	update(t, s, with(taffrail.LogStarted{}, taffrail.OutcomeOK))
	if n := filesWith(t, folder, "xylander"); len(n) != 0 {
		t.Errorf("it is still in %v", n)
	}
}

// signer signs the log in a store, with a guard in memory.
func signer(t testing.TB) audit.Signer {
	return audit.NewSigner(audittest.Ring(t, "taffrail.local/store"), audittest.NewMemoryGuard())
}

// longLife is a log of so many entries in which much happens, signed.
func longLife(t testing.TB, s *store.Store, entries int) *audit.Log {
	t.Helper()
	log, err := audit.Begin(t.Context(), s, signer(t))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		for i := range int64(entries) {
			if err := happens(tx, i); err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	return log
}

// happens appends entry i, which depends on i alone.
func happens(tx *store.Tx, i int64) error {
	payload, err := tx.PutBlob(fmt.Appendf(nil, "payload of %d", i))
	if err != nil {
		return err
	}
	stack := taffrail.StackID(fmt.Sprintf("terraform/%d/default", i%3))
	seen := taffrail.DriftSeen{Drift: taffrail.DriftID(fmt.Sprint("drift-", i/8)), Type: "a", Status: taffrail.Modified, Finding: payload}
	e := entry(taffrail.DriftFound{DriftSeen: seen})
	e.Scope, e.Request, e.Resource = stack, fmt.Sprint("scan-", i/8), taffrail.Address(fmt.Sprint("a.r", i%50))
	switch i % 8 {
	case 1:
		e.Body = taffrail.DriftChanged{DriftSeen: seen}
	case 2:
		e = entry(taffrail.ScanStarted{Stack: taffrail.StackInfo{ID: stack, Serial: i}, Rules: &payload})
		e.Scope, e.Request = stack, fmt.Sprint("scan-", i/8)
	case 3:
		versions := fmt.Sprintf(`{"nonce":"n%d","content":[{"address":"a.r%d","digest":"d%d"},{"address":"a.s%d","digest":"d"}]}`, i, i%7, i, i)
		ref, err := tx.PutBlob([]byte(versions))
		if err != nil {
			return err
		}
		e = entry(taffrail.ScanFinished{Stack: taffrail.StackInfo{ID: stack, Serial: i}, Versions: &taffrail.Versions{Changed: 2, Blob: ref}})
		e.Scope, e.Request = stack, fmt.Sprint("scan-", i/8)
	case 4:
		e = with(taffrail.Exported{}, taffrail.OutcomeIntended, taffrail.Field{Name: "who", Value: fmt.Sprint("Mate ", i)})
	case 5:
		if i%16 == 5 {
			e = outcomeOf(i-1, with(taffrail.Exported{}, taffrail.OutcomeOK))
		}
	case 6:
		e = with(taffrail.Held{From: i + 10_000, Reason: "later"}, taffrail.OutcomeOK)
	case 7:
		if i%16 == 7 {
			e = with(taffrail.Released{Hold: i - 1}, taffrail.OutcomeOK)
		} else {
			e = entry(taffrail.DriftEnded{Drift: seen.Drift})
		}
	}
	_, err = tx.Append(e)
	return err
}

// prune prunes as the daemon does it: the snapshot, the deed and the entry that says so in one transaction.
func prune(t testing.TB, s *store.Store, before int64) error {
	t.Helper()
	return s.Update(t.Context(), func(tx *store.Tx) error {
		snapshot, err := tx.Snapshot(before)
		if err != nil {
			return err
		}
		said := taffrail.Pruned{Before: before, Reason: "r"}
		if said.Dropped, err = tx.Prune(before); err != nil {
			return err
		}
		ref, err := tx.PutBlob(snapshot)
		if err != nil {
			return err
		}
		said.Snapshot = &ref
		_, err = tx.Append(with(said, taffrail.OutcomeOK))
		return err
	})
}

// TestReplayIsIdentityAfterMuchHappened deletes the index and derives it again, before and after erasures and prunes.
func TestReplayIsIdentityAfterMuchHappened(t *testing.T) { onEach(t, replayAfterMuch) }

func replayAfterMuch(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	log := longLife(t, s, 620)
	identical := func(when string) {
		t.Helper()
		before := p.dump(t)
		if _, changed := rebuild(t, s); len(changed) != 0 {
			t.Errorf("%s: %q", when, changed)
		}
		for _, table := range indexTables {
			p.tamper(t, "DELETE FROM "+table)
		}
		if p.kind == "postgres" {
			p.tamper(t, "DELETE FROM text_entry")
		} else {
			p.tamper(t, "INSERT INTO text_entry (text_entry) VALUES ('delete-all')")
		}
		if changed := read(t, s, (*store.Tx).CheckIndex); len(changed) < 9 {
			t.Errorf("%s: an empty index went unnoticed: %q", when, changed)
		}
		rebuild(t, s)
		if diff := cmp.Diff(before, p.dump(t)); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		if changed := read(t, s, (*store.Tx).CheckIndex); len(changed) != 0 {
			t.Errorf("%s: %q", when, changed)
		}
	}
	identical("at first")
	for _, r := range []taffrail.Redacted{{Entry: 4, Field: "who"}, {Entry: 612, Field: "who"}, {Entry: 3, Payload: leaf(t, s, 3).Body.Payloads()[0].SHA256}} {
		if err := erase(t, s, r); err != nil {
			t.Fatal(err)
		}
	}
	identical("after erasures")
	for _, before := range []int64{256, 512} {
		if err := prune(t, s, before); err != nil {
			t.Fatal(err)
		}
		identical(fmt.Sprint("pruned before ", before))
	}
	if err := erase(t, s, taffrail.Redacted{Entry: 515, Payload: leaf(t, s, 515).Body.Payloads()[0].SHA256}); err != nil {
		t.Fatal(err)
	}
	identical("after an erasure above what was pruned")
	if _, err := log.Sign(t.Context()); err != nil {
		t.Errorf("it cannot be signed: %v", err)
	}
}

func TestPrune(t *testing.T) { onEach(t, pruneDrops) }

func pruneDrops(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	longLife(t, s, 600)
	last := leaf(t, s, 599)
	payloads := len(p.rows(t, "SELECT sha256 FROM blob"))
	kept := leaf(t, s, 256).Body.Payloads()[0]
	gone := leaf(t, s, 255).Body.Payloads()
	if err := prune(t, s, 256); err != nil {
		t.Fatal(err)
	}
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		if n, err := tx.Pruned(); n != 256 || err != nil {
			t.Errorf("pruned before %d, %v", n, err)
		}
		if n, err := tx.Size(); n != 601 || err != nil {
			t.Errorf("size %d, %v", n, err)
		}
		if err := tx.Entries(255, 257, func(int64, []byte) error { return nil }); !errors.Is(err, audit.ErrMissing) {
			t.Errorf("a pruned entry: %v", err)
		}
		if d, err := tx.Disclosures(4); len(d) != 0 || err != nil {
			t.Errorf("a field of a pruned entry: %v, %v", d, err)
		}
		if page, _, err := tx.Search(store.SearchRequest{OldestFirst: true, Limit: 1}); err != nil || page[0].Index != 256 {
			t.Errorf("the first entry that is found: %v, %v", page, err)
		}
		if page, _, err := tx.Search(store.SearchRequest{Text: "mate 4"}); err != nil || len(page) != 0 {
			t.Errorf("words of a pruned entry: %v, %v", page, err)
		}
		if _, err := tx.Blob(kept); err != nil {
			t.Error(err)
		}
		for _, ref := range gone {
			if _, err := tx.Blob(ref); !errors.Is(err, audit.ErrMissing) {
				t.Errorf("a payload of a pruned entry: %v", err)
			}
		}
		hashes, err := tx.ReadHashes([]int64{0, 1, 2})
		if len(hashes) != 3 {
			t.Errorf("hashes of pruned entries: %v", err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(last, leaf(t, s, 599)); diff != "" {
		t.Error(diff)
	}
	body, ok := leaf(t, s, 600).Body.(taffrail.Pruned)
	if left := len(p.rows(t, "SELECT sha256 FROM blob")); !ok || int(body.Dropped) != payloads+1-left {
		t.Errorf("%d payloads of %d are left, and %d were dropped", left, payloads, body.Dropped)
	}
}

func TestPruneRefuses(t *testing.T) { onEach(t, pruneRefuses) }

func pruneRefuses(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	log := longLife(t, s, 511)
	update(t, s, with(taffrail.LogStarted{}, taffrail.OutcomeOK)) // 512 entries, of which 511 are signed
	refused := func(before int64, kind taffrail.Kind, want string) {
		t.Helper()
		if err := prune(t, s, before); taffrail.KindOf(err) != kind || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("before %d: %v", before, err)
		}
	}
	refused(100, taffrail.KindInvalid, "multiple of 256")
	refused(0, taffrail.KindInvalid, "already")
	refused(512, taffrail.KindInvalid, "signs 511")
	if _, err := log.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(512, taffrail.KindInvalid, "the last must stay")
	update(t, s, with(taffrail.Held{From: 255, To: 256, Reason: "case 7"}, taffrail.OutcomeOK))
	refused(256, taffrail.KindConflict, "case 7")
	update(t, s, with(taffrail.Released{Hold: 512}, taffrail.OutcomeOK), with(taffrail.Held{From: 256, Reason: "case 8"}, taffrail.OutcomeOK))
	if err := prune(t, s, 256); err != nil {
		t.Error(err)
	}
	refused(256, taffrail.KindInvalid, "already")
	if n := read(t, s, (*store.Tx).Pruned); n != 256 {
		t.Errorf("pruned before %d", n)
	}
}

// TestEntriesThatAreGoneWithoutAWord: deleting entries is no pruning, whatever it looks like.
func TestEntriesThatAreGoneWithoutAWord(t *testing.T) {
	p := inFolder(t.TempDir())
	s := p.store(t, store.Create)
	longLife(t, s, 600)
	p.tamper(t, "DELETE FROM entry WHERE idx < 256")
	err := s.Read(t.Context(), func(tx *store.Tx) error { _, err := tx.CheckIndex(); return err })
	if taffrail.KindOf(err) != taffrail.KindCorrupt {
		t.Errorf("%v", err)
	}
}

func TestSnapshotIsOfEarlierEntriesAlone(t *testing.T) { onEach(t, snapshotIsOfEarlier) }

func snapshotIsOfEarlier(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	longLife(t, s, 300)
	early := read(t, s, func(tx *store.Tx) ([]byte, error) { return tx.Snapshot(256) })
	other := p.fresh(t).store(t, store.Create)
	longLife(t, other, 256)
	if diff := cmp.Diff(string(early), string(read(t, other, func(tx *store.Tx) ([]byte, error) { return tx.Snapshot(256) }))); diff != "" {
		t.Error(diff)
	}
}

// TestSnapshotsAreEqual: what Postgres keeps and what SQLite keeps of one log is the same, byte by byte.
func TestSnapshotsAreEqual(t *testing.T) {
	var snapshots [2]string
	for i, p := range []*place{inFolder(t.TempDir()), inSchema(t)} {
		s := p.store(t, store.Create)
		longLife(t, s, 300)
		snapshots[i] = string(read(t, s, func(tx *store.Tx) ([]byte, error) { return tx.Snapshot(256) }))
	}
	if diff := cmp.Diff(snapshots[0], snapshots[1]); diff != "" {
		t.Error(diff)
	}
}
