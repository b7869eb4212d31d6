package audittest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// Storage tests an [audit.Storage] against its contract, and that of an [audit.LaterWriter] if it is one. Open gives empty storage, another one at each call, and cleans
// up behind itself.
func Storage(t *testing.T, open func(t *testing.T) audit.Storage) {
	for _, part := range []struct {
		name string
		test func(*testing.T, audit.Storage)
	}{
		{"Empty", storageEmpty},
		{"ReadsBack", storageReadsBack},
		{"ReadsItsOwnWrites", storageReadsItsOwnWrites},
		{"ManyHashes", storageManyHashes},
		{"MissingIsNamed", storageMissing},
		{"TakenIsRefused", storageTaken},
		{"Checkpoints", storageCheckpoints},
		{"StopsAtErrorOfF", storageStops},
		{"NestedReads", storageNested},
		{"FailedWriteLeavesNothing", storageRollback},
		{"CancelledSaysWhatHolds", storageCancelled},
		{"SnapshotHolds", storageSnapshot},
		{"BytesAreCopied", storageCopies},
		{"WritersTakeTurns", storageWriters},
		{"LaterIsSeen", storageLater},
		{"LaterFails", storageLaterFails},
		{"LaterTakesTurns", storageLaterTurns},
		{"CarriesALog", storageLog},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

var errTest = errors.New("error of the test")

// asItIs says whether an error is errTest and not one around it.
func asItIs(err error) bool {
	return err == errTest //nolint:errorlint // the contract says so
}

func view(t *testing.T, s audit.Storage, f func(audit.Reader) error) {
	t.Helper()
	if err := s.View(t.Context(), f); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func write(t *testing.T, s audit.Storage, f func(audit.Writer) error) {
	t.Helper()
	if err := s.Write(t.Context(), f); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// entry is the body of an index. Bodies are bytes: storage must not care what they say.
func entry(i int64) []byte { return fmt.Appendf(nil, "{\"n\":%d,\"s\":\"\x00é\"}", i) }

func appendEntries(n int) func(audit.Writer) error {
	return func(w audit.Writer) error {
		size, err := w.Size()
		if err != nil {
			return err
		}
		for i := size; i < size+int64(n); i++ {
			if _, err := audit.Append(w, entry(i)); err != nil {
				return err
			}
		}
		return nil
	}
}

func size(t *testing.T, s audit.Storage) (n int64) {
	t.Helper()
	view(t, s, func(r audit.Reader) (err error) {
		n, err = r.Size()
		return err
	})
	return n
}

// treeOf is the RFC 6962 root of the entries lo ≤ i < hi, by its definition.
func treeOf(lo, hi int64) tlog.Hash {
	switch hi - lo {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return tlog.RecordHash(entry(lo))
	}
	k := int64(1)
	for k*2 < hi-lo {
		k *= 2
	}
	return tlog.NodeHash(treeOf(lo, lo+k), treeOf(lo+k, hi))
}

// holds says whether storage holds exactly the first n entries, and their tree.
func holds(t *testing.T, s audit.Storage, n int64) {
	t.Helper()
	if got := size(t, s); got != n {
		t.Fatalf("size is %d, want %d", got, n)
	}
	view(t, s, func(r audit.Reader) error {
		next := int64(0)
		err := r.Entries(0, n, func(i int64, body []byte) error {
			if i != next || !bytes.Equal(body, entry(i)) {
				t.Errorf("entry %d is %q, want entry %d: %q", i, body, next, entry(next))
			}
			next++
			return nil
		})
		if next != n {
			t.Errorf("%d entries came, want %d", next, n)
		}
		if err != nil {
			return err
		}
		root, err := tlog.TreeHash(n, r)
		if root != treeOf(0, n) {
			t.Errorf("the stored hashes give another root")
		}
		return err
	})
}
