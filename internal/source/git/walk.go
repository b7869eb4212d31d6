package git

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// A walk finds the commits between two.
type walk struct {
	store storer.EncodedObjectStorer
	since time.Time // commits from before are as if they were not there; zero for none
	nodes map[plumbing.Hash]*node
	queue byTime
	open  int // nodes in the queue that only the new commit leads to
}

// A node is a commit that was met.
type node struct {
	hash    plumbing.Hash
	time    time.Time
	parents []plumbing.Hash
	wanted  bool // the new commit leads to it
	known   bool // the old commit leads to it
	queued  bool
	absent  bool // its object is not here: the history was cut off
}

// between gives the commits that lead to the new one and not to the old one, parents before children, always in the same order. Behind says whether
// the old commit is one of those that lead to the new one.
func (w *walk) between(ctx context.Context, from, to plumbing.Hash) (hashes []plumbing.Hash, behind bool, err error) {
	w.nodes = map[plumbing.Hash]*node{}
	if err := w.meet(to, true, false); err != nil {
		return nil, false, err
	}
	if !from.IsZero() {
		if err := w.meet(from, false, true); err != nil {
			return nil, false, err
		}
	}
	for w.open > 0 {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		n := heap.Pop(&w.queue).(*node)
		n.queued = false
		if n.wanted && !n.known {
			w.open--
		}
		for _, parent := range n.parents {
			if err := w.meet(parent, n.wanted, n.known); err != nil {
				return nil, false, err
			}
		}
	}
	old, ok := w.nodes[from]
	return w.order(to), ok && old.wanted, nil
}

// meet notes that a commit is led to, and queues it if that is news.
func (w *walk) meet(hash plumbing.Hash, wanted, known bool) error {
	n, ok := w.nodes[hash]
	if !ok {
		var err error
		if n, err = w.load(hash); err != nil {
			return err
		}
		w.nodes[hash] = n
	}
	if ok && (n.wanted || !wanted) && (n.known || !known) {
		return nil
	}
	if n.queued && n.wanted && !n.known {
		w.open--
	}
	n.wanted, n.known = n.wanted || wanted, n.known || known
	if n.wanted && !n.known {
		w.open++
	}
	if !n.queued {
		n.queued = true
		heap.Push(&w.queue, n)
	}
	return nil
}

func (w *walk) load(hash plumbing.Hash) (*node, error) {
	c, err := object.GetCommit(w.store, hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return &node{hash: hash, absent: true}, nil
	}
	if err != nil {
		return nil, err
	}
	n := &node{hash: hash, time: c.Committer.When, parents: c.ParentHashes}
	if c.Committer.When.Before(w.since) {
		n.absent, n.parents = true, nil
	}
	return n, nil
}

// order gives what is wanted and not known, parents first.
func (w *walk) order(to plumbing.Hash) (all []plumbing.Hash) {
	type step struct {
		n    *node
		next int // of its parents
	}
	passed := map[plumbing.Hash]bool{}
	var path []step
	enter := func(hash plumbing.Hash) {
		if n := w.nodes[hash]; n != nil && !n.known && !n.absent && !passed[hash] {
			passed[hash] = true
			path = append(path, step{n: n})
		}
	}
	for enter(to); len(path) > 0; {
		top := &path[len(path)-1]
		if top.next < len(top.n.parents) {
			top.next++
			enter(top.n.parents[top.next-1])
			continue
		}
		all = append(all, top.n.hash)
		path = path[:len(path)-1]
	}
	return slices.Clip(all)
}

// byTime is a heap of which the newest is the first.
type byTime []*node

// Len implements [heap.Interface], as the others do.
func (q byTime) Len() int           { return len(q) }
func (q byTime) Less(i, j int) bool { return q[i].time.After(q[j].time) }
func (q byTime) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push adds a node.
func (q *byTime) Push(n any) { *q = append(*q, n.(*node)) }

// Pop takes the last.
func (q *byTime) Pop() any {
	n := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return n
}
