package audittest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/tlog"
)

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
	signer := audit.NewSigner(Ring(t, "taffrail.local/contract"), NewMemoryGuard())
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
