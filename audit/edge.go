package audit

import (
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
