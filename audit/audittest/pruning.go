package audittest

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

// Pruning tests how an [audit.Storage] drops the bodies of old entries. Open gives empty storage, another one at each call, and what drops
// in it the bodies before an index; it cleans up behind itself.
func Pruning(t *testing.T, open func(t *testing.T) (s audit.Storage, prune func(before int64) error)) {
	s, prune := open(t)
	const size, before = 3*audit.TileWidth + 5, 2 * audit.TileWidth
	write(t, s, appendEntries(size))
	for _, wrong := range []int64{1, audit.TileWidth - 1, 4 * audit.TileWidth} {
		if err := prune(wrong); err == nil {
			t.Errorf("pruned before %d, of %d", wrong, size)
		}
	}
	pruned(t, s, size, 0)
	for _, at := range []int64{audit.TileWidth, before, before} {
		if err := prune(at); err != nil {
			t.Fatalf("prune before %d: %v", at, err)
		}
		pruned(t, s, size, at)
	}
	if err := prune(audit.TileWidth); err == nil {
		pruned(t, s, size, before)
	}
	write(t, s, appendEntries(audit.TileWidth)) // completes subtrees over what is pruned
	pruned(t, s, size+audit.TileWidth, before)
}

// pruned says whether storage holds the hashes of n entries, and the bodies of those from an index on.
func pruned(t *testing.T, s audit.Storage, n, before int64) {
	t.Helper()
	view(t, s, func(r audit.Reader) error {
		if got, err := r.Pruned(); got != before || err != nil {
			t.Errorf("pruned are %d, %v, want %d", got, err, before)
		}
		if got, err := r.Size(); got != n || err != nil {
			t.Errorf("size is %d, %v, want %d", got, err, n)
		}
		if before > 0 {
			none := func(i int64, _ []byte) error { t.Errorf("entry %d is there", i); return errTest }
			for _, from := range []int64{0, before - 1} {
				if err := r.Entries(from, before, none); !errors.Is(err, audit.ErrMissing) {
					t.Errorf("entries from %d: %v, want ErrMissing", from, err)
				}
			}
		}
		next := before
		err := r.Entries(before, n, func(i int64, body []byte) error {
			if i != next || string(body) != string(entry(i)) {
				t.Errorf("entry %d is %q, want entry %d", i, body, next)
			}
			next++
			return nil
		})
		if err != nil || next != n {
			t.Errorf("entries ended at %d, %v", next, err)
		}
		root, err := tlog.TreeHash(n, r)
		if root != treeOf(0, n) {
			t.Errorf("the stored hashes give another root")
		}
		return err
	})
}
