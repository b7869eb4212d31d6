package audittest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// Storage tests an [audit.Storage] against its contract. Open gives empty storage, another one at each call, and cleans
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

func storageEmpty(t *testing.T, s audit.Storage) {
	view(t, s, func(r audit.Reader) error {
		if n, err := r.Size(); n != 0 || err != nil {
			t.Errorf("size is %d, %v", n, err)
		}
		if cp, err := r.Checkpoint(); cp != nil || err != nil {
			t.Errorf("checkpoint is %q, %v", cp, err)
		}
		if h, err := r.ReadHashes(nil); len(h) != 0 || err != nil {
			t.Errorf("no hashes are %v, %v", h, err)
		}
		if err := r.Checkpoints(func(int64, []byte) error { return errTest }); err != nil {
			t.Errorf("checkpoints: %v", err)
		}
		return r.Entries(0, 0, func(int64, []byte) error { return errTest })
	})
}

func storageReadsBack(t *testing.T, s audit.Storage) {
	total := int64(0)
	for _, n := range []int{1, 0, 2, 5, 100} {
		write(t, s, appendEntries(n))
		total += int64(n)
		holds(t, s, total)
	}
	view(t, s, func(r audit.Reader) error {
		var got []int64
		err := r.Entries(3, 6, func(i int64, _ []byte) error {
			got = append(got, i)
			return nil
		})
		if !slices.Equal(got, []int64{3, 4, 5}) {
			t.Errorf("entries from 3 to 6 are %v", got)
		}
		return err
	})
}

func storageReadsItsOwnWrites(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(3))
	write(t, s, func(w audit.Writer) error {
		for i := int64(3); i < 8; i++ { // completing subtrees takes hashes of this transaction
			if _, err := audit.Append(w, entry(i)); err != nil {
				return err
			}
			if n, err := w.Size(); n != i+1 || err != nil {
				t.Errorf("size is %d, %v, want %d", n, err, i+1)
			}
		}
		if root, err := tlog.TreeHash(8, w); root != treeOf(0, 8) || err != nil {
			t.Errorf("root within the transaction is %v, %v", root, err)
		}
		if err := w.PutCheckpoint(8, []byte("note")); err != nil {
			return err
		}
		if cp, err := w.Checkpoint(); string(cp) != "note" || err != nil {
			t.Errorf("checkpoint within the transaction is %q, %v", cp, err)
		}
		return nil
	})
	holds(t, s, 8)
}

func storageManyHashes(t *testing.T, s audit.Storage) {
	const n = 3000
	write(t, s, appendEntries(n))
	ids := make([]int64, tlog.StoredHashCount(n))
	for i := range ids {
		ids[i] = int64(i)
	}
	view(t, s, func(r audit.Reader) error {
		sorted, err := r.ReadHashes(ids)
		if err != nil {
			return err
		}
		slices.Reverse(ids)
		reversed, err := r.ReadHashes(ids)
		slices.Reverse(reversed)
		if !slices.Equal(sorted, reversed) {
			t.Errorf("hashes do not come in the order asked for")
		}
		for i := range int64(n) {
			if at := tlog.StoredHashIndex(0, i); sorted[at] != tlog.RecordHash(entry(i)) {
				t.Fatalf("hash %d is not that of entry %d", at, i)
			}
		}
		return err
	})
}

func storageMissing(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(3))
	view(t, s, func(r audit.Reader) error {
		for _, ids := range [][]int64{{4}, {0, 1, 2, 3, 4}, {1 << 40}} {
			if h, err := r.ReadHashes(ids); !errors.Is(err, audit.ErrMissing) {
				t.Errorf("hashes %v: %d, %v, want ErrMissing", ids, len(h), err)
			}
		}
		came := 0
		err := r.Entries(1, 5, func(int64, []byte) error { came++; return nil })
		if came != 2 || !errors.Is(err, audit.ErrMissing) {
			t.Errorf("entries from 1 to 5 of 3: %d came, %v, want 2 and ErrMissing", came, err)
		}
		return nil
	})
}

func storageTaken(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(3))
	err := s.Write(t.Context(), func(w audit.Writer) error { return w.PutEntry(1, entry(9)) })
	if err == nil {
		t.Error("entry 1 was stored twice")
	}
	err = s.Write(t.Context(), func(w audit.Writer) error { return w.PutHashes(1, []tlog.Hash{{1}}) })
	if err == nil {
		t.Error("hash 1 was stored twice")
	}
	holds(t, s, 3)
}

func storageCheckpoints(t *testing.T, s audit.Storage) {
	for _, put := range []struct {
		size int64
		note string
	}{{5, "five"}, {0, "nought"}, {12, "a dozen"}, {7, "seven"}, {12, "twelve"}} {
		write(t, s, func(w audit.Writer) error { return w.PutCheckpoint(put.size, []byte(put.note)) })
	}
	view(t, s, func(r audit.Reader) error {
		if cp, err := r.Checkpoint(); string(cp) != "twelve" || err != nil {
			t.Errorf("newest is %q, %v", cp, err)
		}
		var got []string
		err := r.Checkpoints(func(size int64, note []byte) error {
			got = append(got, fmt.Sprint(size, " ", string(note)))
			return nil
		})
		if want := []string{"0 nought", "5 five", "7 seven", "12 twelve"}; !slices.Equal(got, want) {
			t.Errorf("checkpoints are %q, want %q", got, want)
		}
		return err
	})
}

func storageStops(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(5))
	for n := range int64(3) {
		write(t, s, func(w audit.Writer) error { return w.PutCheckpoint(n, []byte("note")) })
	}
	view(t, s, func(r audit.Reader) error {
		calls := 0
		second := func(int64, []byte) error {
			if calls++; calls == 2 {
				return errTest
			}
			return nil
		}
		if err := r.Entries(0, 5, second); !asItIs(err) || calls != 2 {
			t.Errorf("entries: %d calls, %v", calls, err)
		}
		calls = 0
		if err := r.Checkpoints(second); !asItIs(err) || calls != 2 {
			t.Errorf("checkpoints: %d calls, %v", calls, err)
		}
		return nil
	})
	if err := s.View(t.Context(), func(audit.Reader) error { return errTest }); !asItIs(err) {
		t.Errorf("view: %v, want f's error as it is", err)
	}
	holds(t, s, 5)
}

func storageNested(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(5))
	for n := range int64(4) {
		write(t, s, func(w audit.Writer) error { return w.PutCheckpoint(n+1, []byte("note")) })
	}
	view(t, s, func(r audit.Reader) error {
		return r.Checkpoints(func(size int64, _ []byte) error {
			if root, err := tlog.TreeHash(size, r); err != nil || root != treeOf(0, size) {
				t.Errorf("root of size %d between two checkpoints: %v, %v", size, root, err)
			}
			return nil
		})
	})
}

func storageRollback(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(3))
	err := s.Write(t.Context(), func(w audit.Writer) error {
		if err := appendEntries(4)(w); err != nil {
			return err
		}
		if err := w.PutCheckpoint(7, []byte("note")); err != nil {
			return err
		}
		return errTest
	})
	if !asItIs(err) {
		t.Errorf("write: %v, want f's error as it is", err)
	}
	nothingNew(t, s, 3)
}

// nothingNew says whether storage holds n entries and no checkpoint, and whether it still works.
func nothingNew(t *testing.T, s audit.Storage, n int64) {
	t.Helper()
	holds(t, s, n)
	view(t, s, func(r audit.Reader) error {
		if cp, err := r.Checkpoint(); cp != nil || err != nil {
			t.Errorf("checkpoint is %q, %v", cp, err)
		}
		if _, err := r.ReadHashes([]int64{tlog.StoredHashCount(n)}); !errors.Is(err, audit.ErrMissing) {
			t.Errorf("a hash beyond the tree: %v, want ErrMissing", err)
		}
		return nil
	})
	write(t, s, appendEntries(2))
	holds(t, s, n+2)
}

// storageCancelled lets a write end either way if it is cancelled on the way, as long as it says which.
func storageCancelled(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(3))
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Write(ctx, func(w audit.Writer) error {
		defer cancel()
		return appendEntries(4)(w)
	})
	stored := int64(3)
	switch {
	case err == nil:
		stored = 7
	case !errors.Is(err, context.Canceled):
		t.Errorf("cancelled within: %v", err)
	}
	holds(t, s, stored)
	if err := s.Write(ctx, appendEntries(4)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	err = s.View(ctx, func(r audit.Reader) error {
		_, err := r.Size()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("view, cancelled before: %v", err)
	}
	nothingNew(t, s, stored)
}

func storageSnapshot(t *testing.T, s audit.Storage) {
	write(t, s, appendEntries(3))
	view(t, s, func(r audit.Reader) error {
		if n, err := r.Size(); n != 3 || err != nil {
			t.Errorf("size is %d, %v", n, err)
		}
		write(t, s, appendEntries(2))
		write(t, s, func(w audit.Writer) error { return w.PutCheckpoint(5, []byte("note")) })
		if n, err := r.Size(); n != 3 || err != nil {
			t.Errorf("after a write the snapshot's size is %d, %v", n, err)
		}
		if cp, err := r.Checkpoint(); cp != nil || err != nil {
			t.Errorf("after a write the snapshot's checkpoint is %q, %v", cp, err)
		}
		root, err := tlog.TreeHash(3, r)
		if root != treeOf(0, 3) {
			t.Errorf("after a write the snapshot's root is another")
		}
		return err
	})
	holds(t, s, 5)
}

func storageCopies(t *testing.T, s audit.Storage) {
	body, note, hashes := entry(0), []byte("note"), []tlog.Hash{tlog.RecordHash(entry(0))}
	write(t, s, func(w audit.Writer) error {
		if err := w.PutEntry(0, body); err != nil {
			return err
		}
		if err := w.PutHashes(0, hashes); err != nil {
			return err
		}
		return w.PutCheckpoint(1, note)
	})
	clear(body)
	clear(note)
	clear(hashes)
	view(t, s, func(r audit.Reader) error {
		cp, err := r.Checkpoint()
		clear(cp)
		if err != nil {
			return err
		}
		return r.Entries(0, 1, func(_ int64, body []byte) error {
			clear(body)
			return nil
		})
	})
	holds(t, s, 1)
	view(t, s, func(r audit.Reader) error {
		cp, err := r.Checkpoint()
		if string(cp) != "note" {
			t.Errorf("checkpoint is %q", cp)
		}
		return err
	})
}

func storageWriters(t *testing.T, s audit.Storage) {
	const writers, each = 8, 10
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				if err := s.Write(t.Context(), appendEntries(1)); err != nil {
					t.Errorf("write: %v", err)
				}
				if err := s.View(t.Context(), func(r audit.Reader) error {
					n, err := r.Size()
					if err != nil {
						return err
					}
					_, err = tlog.TreeHash(n, r)
					return err
				}); err != nil {
					t.Errorf("view: %v", err)
				}
			}
		})
	}
	all.Wait()
	holds(t, s, writers*each)
}

func storageLog(t *testing.T, s audit.Storage) {
	key, verifier := Key(t, "taffrail.local/contract")
	signer := audit.NewSigner(key, verifier, NewMemoryGuard())
	if _, err := audit.Open(t.Context(), s, signer); !errors.Is(err, audit.ErrNoLog) {
		t.Fatalf("open: %v, want ErrNoLog", err)
	}
	log, err := audit.Begin(t.Context(), s, signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 6, 700} {
		write(t, s, appendEntries(n))
		cp, err := log.Sign(t.Context())
		if err != nil || cp.Root != treeOf(0, cp.Size) {
			t.Fatalf("sign: size %d, %v", cp.Size, err)
		}
	}
	r, err := log.Verify(t.Context(), nil)
	if err != nil || r.Size != 707 || r.Signed != 707 || r.Checkpoints != 4 || len(r.Notes) != 0 {
		t.Fatalf("verify: %+v, %v", r, err)
	}
}
