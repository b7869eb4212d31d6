package store

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// told is what one store has committed by itself, up to its last commit, with nobody else's entries in between.
type told struct {
	mu     sync.Mutex
	from   int64       // the index of the first
	leaves []tlog.Hash // of the entries
}

// maxTold bounds how many entries are remembered.
const maxTold = 1 << 14

// add is called after a commit and before anybody is told of it.
func (t *told) add(first int64, leaves []tlog.Hash) {
	if len(leaves) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if first < 0 {
		t.from, t.leaves = -1, nil
		return
	}
	if first != t.end() {
		t.from, t.leaves = first, nil
	}
	if len(t.leaves) > maxTold {
		half := len(t.leaves) / 2
		t.from, t.leaves = t.from+int64(half), slices.Clone(t.leaves[half:])
	}
	t.leaves = append(t.leaves, leaves...)
}

func (t *told) end() int64 { return t.from + int64(len(t.leaves)) }

func (t *told) size() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end()
}

// since gives what was committed from an index on, if that is all of a log that had so many entries a moment ago.
func (t *told) since(from, size int64) ([]tlog.Hash, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.from < 0 || from < t.from || from > t.end() || size > t.end() {
		return nil, false
	}
	return slices.Clone(t.leaves[from-t.from:]), true
}

// Committed implements [audit.Teller]. It asks the database for nothing but its size.
func (s *Store) Committed(ctx context.Context, from int64) ([]tlog.Hash, bool) {
	least := s.told.size()
	var size int64
	err := s.readers.QueryRowContext(context.WithoutCancel(ctx), sizeQuery).Scan(&size) // to watch for its end takes longer than to ask
	if err != nil || size < least {
		return nil, false
	}
	return s.told.since(from, size)
}
