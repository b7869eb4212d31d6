package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// batch is how many entries are walked between two looks at the context.
const batch = 512

// A walker hashes entries again, in order, and compares each hash that is stored with what it is made of: a leaf's with
// the entry's bytes, any other with the two stored below it. Where all of these hold, the stored tree is the tree of the
// entries. Where one does not, the walk goes on with what is stored, so that every fault shows where it is and not in
// all that is above it. It needs memory for one batch.
//
// Of entries that were pruned the stored hash is taken for that of the bytes.
type walker struct {
	r      Reader
	edge   edge                           // of the entries walked
	pruned int64                          // the bodies before this index are gone on purpose
	found  func(*CorruptError) error      // gets each fault; an error of it ends the walk
	look   func(index int64, body []byte) // gets each body; may be nil
}

// walk walks the entries from the walker's edge to size. Progress may be nil.
func (w *walker) walk(ctx context.Context, size int64, progress func(done int64)) error {
	for w.edge.size < size {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.batch(min(size, w.edge.size+batch)); err != nil {
			return err
		}
		if progress != nil {
			progress(w.edge.size)
		}
	}
	return nil
}

func (w *walker) batch(to int64) error {
	from := w.edge.size
	stored, err := readSpan(w.r, tlog.StoredHashCount(from), tlog.StoredHashCount(to))
	if err != nil {
		return err
	}
	next := func(index int64, body []byte) error {
		n := completed(index)
		here := stored[:n]
		stored = stored[n:]
		return w.entry(index, body, here)
	}
	for ; from < min(to, w.pruned); from++ {
		if err := next(from, nil); err != nil {
			return err
		}
	}
	return eachEntry(w.r, from, to, next)
}

// entry compares the hashes that are stored with one entry, and moves the edge. Body is nil if the entry is missing.
func (w *walker) entry(index int64, body []byte, stored []*tlog.Hash) error {
	var h tlog.Hash
	switch leaf := stored[0]; {
	case index < w.pruned && leaf == nil:
		return corrupt(hintEdited, "entry %d was pruned, and its stored hash is missing", index).at(index, index+1)
	case index < w.pruned:
		h = *leaf
	case body == nil && leaf == nil:
		return corrupt(hintEdited, "entry %d and its stored hash are missing", index).at(index, index+1)
	case body == nil:
		h = *leaf
		if err := w.found(corrupt(hintEdited, "entry %d is missing", index).at(index, index+1)); err != nil {
			return err
		}
	default:
		if w.look != nil {
			w.look(index, body)
		}
		var err error
		if h, err = w.compare(0, index, leaf, tlog.RecordHash(body)); err != nil {
			return err
		}
	}
	for level := 1; level < len(stored); level++ {
		last := len(w.edge.roots) - 1
		want := tlog.NodeHash(w.edge.roots[last], h)
		w.edge.roots = w.edge.roots[:last]
		var err error
		if h, err = w.compare(level, index>>level, stored[level], want); err != nil {
			return err
		}
	}
	w.edge.roots = append(w.edge.roots, h)
	w.edge.size = index + 1
	return nil
}

// compare reports a stored hash that is not the one computed, and gives the one to go on with.
func (w *walker) compare(level int, n int64, stored *tlog.Hash, want tlog.Hash) (tlog.Hash, error) {
	if stored != nil && *stored == want {
		return want, nil
	}
	from, to := n<<level, (n+1)<<level
	what := fmt.Sprintf("entry %d: stored hash", n)
	made, part := "its bytes", PartEntries
	if level > 0 {
		part = PartHashes
		what = fmt.Sprintf("entries [%d, %d): stored hash over them", from, to)
		made = "the two below it"
	}
	if stored == nil {
		return want, w.found(corrupt(hintEdited, "%s is missing", what).in(part).at(from, to))
	}
	return *stored, w.found(corrupt(hintEdited, "%s does not match %s", what, made).in(part).at(from, to))
}

// eachEntry calls f for each entry from ≤ index < to, with a nil body for one that is missing, however the reader says so.
func eachEntry(r Reader, from, to int64, f func(index int64, body []byte) error) error {
	next := from
	for next < to {
		var stop error
		err := r.Entries(next, to, func(index int64, body []byte) error {
			for ; stop == nil && next < index && next < to; next++ {
				stop = f(next, nil)
			}
			switch {
			case stop != nil:
			case index != next || index == to:
				stop = fmt.Errorf("read entries [%d, %d): storage gave entry %d after entry %d", from, to, index, next-1)
			case body == nil: // an empty body is there, and not missing
				body = []byte{}
				fallthrough
			default:
				stop = f(index, body)
				next++
			}
			return stop
		})
		switch {
		case stop != nil:
			return stop
		case err != nil && !errors.Is(err, ErrMissing):
			return fmt.Errorf("read entries from %d: %w", next, err)
		case next < to:
			if err := f(next, nil); err != nil {
				return err
			}
			next++
		}
	}
	return nil
}

// readSpan reads the stored hashes first ≤ id < end, nil for one that is missing.
func readSpan(r tlog.HashReader, first, end int64) ([]*tlog.Hash, error) {
	ids := make([]int64, end-first)
	for i := range ids {
		ids[i] = first + int64(i)
	}
	span := make([]*tlog.Hash, len(ids))
	hashes, err := readHashes(r, ids)
	if err != nil && !errors.Is(err, ErrMissing) {
		return nil, err
	}
	for i := range hashes {
		span[i] = &hashes[i]
	}
	if err == nil {
		return span, nil
	}
	for i, id := range ids { // find out which
		one, err := readHashes(r, []int64{id})
		switch {
		case err == nil:
			span[i] = &one[0]
		case !errors.Is(err, ErrMissing):
			return nil, err
		}
	}
	return span, nil
}

// readHashes refuses an answer that is too short or too long.
func readHashes(r tlog.HashReader, ids []int64) ([]tlog.Hash, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	hashes, err := r.ReadHashes(ids)
	if err != nil {
		return nil, fmt.Errorf("read %d stored hashes from %d: %w", len(ids), ids[0], err)
	}
	if len(hashes) != len(ids) {
		return nil, fmt.Errorf("read %d stored hashes from %d: storage gave %d", len(ids), ids[0], len(hashes))
	}
	return hashes, nil
}
