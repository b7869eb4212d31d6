package audittest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/tlog"
)

func storageEmpty(t *testing.T, s audit.Storage) {
	view(t, s, func(r audit.Reader) error {
		if n, err := r.Size(); n != 0 || err != nil {
			t.Errorf("size is %d, %v", n, err)
		}
		if cp, err := r.Checkpoint(); cp != nil || err != nil {
			t.Errorf("checkpoint is %q, %v", cp, err)
		}
		if cp, err := r.CheckpointAt(0); cp != nil || err != nil {
			t.Errorf("checkpoint of size 0 is %q, %v", cp, err)
		}
		if n, err := r.Pruned(); n != 0 || err != nil {
			t.Errorf("pruned are %d, %v", n, err)
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
		if cp, err := w.CheckpointAt(8); string(cp) != "note" || err != nil {
			t.Errorf("that of size 8 within the transaction is %q, %v", cp, err)
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
		for size, want := range map[int64]string{0: "nought", 5: "five", 12: "twelve", 6: "", 13: ""} {
			if cp, err := r.CheckpointAt(size); string(cp) != want || (cp == nil) != (want == "") || err != nil {
				t.Errorf("that of size %d is %q, %v, want %q", size, cp, err, want)
			}
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
