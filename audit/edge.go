package audit

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// An edge is all that is needed of a tree to let it grow: the roots of the complete subtrees into which it falls,
// largest first, one for each bit of the size.
type edge struct {
	size  int64
	roots []tlog.Hash
}

// readEdge reads the edge of the tree of the first size entries, as it is stored.
func readEdge(size int64, r tlog.HashReader) (edge, error) {
	roots, err := readHashes(r, edgeIDs(size))
	return edge{size, roots}, err
}

// edgeIDs are the stored indexes of an edge.
func edgeIDs(size int64) (ids []int64) {
	for rest, at := uint64(size), int64(0); rest != 0; {
		level := bits.Len64(rest) - 1
		ids = append(ids, tlog.StoredHashIndex(level, at>>level))
		rest &^= 1 << level
		at += 1 << level
	}
	return ids
}

// root folds the edge into the tree's root (RFC 6962, section 2.1).
func (e edge) root() tlog.Hash {
	if len(e.roots) == 0 {
		return EmptyRoot()
	}
	last := len(e.roots) - 1
	h := e.roots[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(e.roots[i], h)
	}
	return h
}

// grow gives the edge with leaves added, and the proof that the tree of the one contains the tree of the other.
func (e edge) grow(leaves []tlog.Hash) (grown edge, proof tlog.TreeProof, err error) {
	known := knownHashes{}
	for i, id := range edgeIDs(e.size) {
		known[id] = e.roots[i]
	}
	size := e.size
	for _, leaf := range leaves {
		stored, err := tlog.StoredHashesForRecordHash(size, leaf, known)
		if err != nil {
			return e, nil, err
		}
		first := tlog.StoredHashIndex(0, size)
		for i, h := range stored {
			known[first+int64(i)] = h
		}
		size++
	}
	if e.size > 0 {
		if proof, err = tlog.ProveTree(size, e.size, known); err != nil {
			return e, nil, err
		}
	}
	grown, err = readEdge(size, known)
	return grown, proof, err
}

// knownHashes are stored hashes by their indexes.
type knownHashes map[int64]tlog.Hash

// ReadHashes implements [tlog.HashReader].
func (k knownHashes) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(ids))
	for i, id := range ids {
		h, ok := k[id]
		if !ok {
			return nil, fmt.Errorf("hash %d: %w", id, ErrMissing)
		}
		hashes[i] = h
	}
	return hashes, nil
}

// completed says how many hashes are stored with the entry of an index: its own, and one for each subtree it completes.
func completed(index int64) int { return 1 + bits.TrailingZeros64(uint64(index+1)) }

// add lets the tree grow by one entry, whose hash this is.
func (e *edge) add(h tlog.Hash) { e.addTree(0, h) }

// addTree lets the tree grow by a complete subtree of 1<<level entries, whose root this is. The size must be a multiple of that.
func (e *edge) addTree(level int, h tlog.Hash) {
	for n := completed(e.size >> level); n > 1; n-- {
		last := len(e.roots) - 1
		h = tlog.NodeHash(e.roots[last], h)
		e.roots = e.roots[:last]
	}
	e.roots, e.size = append(e.roots, h), e.size+1<<level
}
