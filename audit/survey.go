package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// A survey is what one snapshot holds, found to be in keeping with the guard.
type survey struct {
	head   Head           // what the guard holds
	tree   tlog.Tree      // of all that is committed
	proof  tlog.TreeProof // that tree contains what head covers
	edge   edge           // of tree
	latest *Checkpoint    // the newest that is stored; nil if none
}

// loadHead asks the guard, and where it holds nothing, whether there is a log: [ErrNoLog] if not.
func loadHead(ctx context.Context, s Storage, signer Signer) (Head, error) {
	head, err := signer.Head(ctx)
	if !errors.Is(err, ErrNoHead) {
		return head, err
	}
	vacant := s.View(ctx, vacant)
	if vacant == nil {
		return Head{}, ErrNoLog
	}
	// Another process may have begun the log between our two looks.
	if head, again := signer.Head(ctx); !errors.Is(again, ErrNoHead) {
		return head, again
	}
	return Head{}, vacant
}

// vacant fails if there is anything of a log in a snapshot.
func vacant(r Reader) error {
	size, err := r.Size()
	if err != nil {
		return err
	}
	cp, err := r.Checkpoint()
	if err != nil {
		return err
	}
	if size > 0 || cp != nil {
		return corrupt(hintGuard, "there is a log of %d entries, and the guard state is missing", size).in(PartGuard).at(0, size)
	}
	return nil
}

// takeSurvey looks at a snapshot that was taken after the guard held this head, so that what the guard knew must be in the snapshot.
func takeSurvey(ctx context.Context, s Storage, signer Signer, head Head) (sv survey, err error) {
	err = s.View(ctx, func(r Reader) error {
		su := surveyor{r: r, head: head, newest: head}
		if err := su.look(); err != nil {
			return err
		}
		// Other processes sign meanwhile. What they signed before the snapshot was taken, the guard knows by now.
		if su.claimed() > head.Size {
			if su.newest, err = signer.Head(ctx); err != nil {
				return err
			}
		}
		if su.keys, err = signer.Keys(ctx); err != nil {
			return err
		}
		sv, err = su.survey(ctx)
		return err
	})
	return sv, err
}

type surveyor struct {
	r      Reader
	keys   Keys // as they are after the snapshot was taken
	head   Head // the guard's state before the snapshot was taken
	newest Head // and after, if the snapshot says that more was signed than that

	size   int64  // of the snapshot
	pruned int64  // up to where it says that bodies are gone
	note   []byte // its newest checkpoint; nil if there is none
}

// look reads what a snapshot says of itself.
func (s *surveyor) look() (err error) {
	if s.size, err = s.r.Size(); err != nil {
		return err
	}
	if s.pruned, err = s.r.Pruned(); err != nil {
		return err
	}
	s.note, err = s.r.Checkpoint()
	return err
}

// claimed is how much was signed by what the snapshot says, true or not.
func (s *surveyor) claimed() int64 {
	text, _ := splitNote(s.note)
	head, err := ParseCheckpoint(text)
	if err != nil {
		return s.pruned
	}
	return max(s.pruned, head.Size)
}

// survey is the check at each start and before each signature. It takes O(log n) for what was signed, and hashes every
// entry that was not.
func (s surveyor) survey(ctx context.Context) (survey, error) {
	sv := survey{head: s.head}
	if s.size < s.head.Size {
		return sv, cutError(s.head, s.size)
	}
	if err := checkPruned(s.pruned, s.newest.Size); err != nil {
		return sv, err
	}
	s.r = atOnce(s.r, s.head.Size, s.size)
	signed, err := s.signedEdge()
	if err != nil {
		return sv, missingHash(err, s.head.Size)
	}
	if sv.latest, err = s.latest(); err != nil {
		return sv, missingHash(err, s.head.Size)
	}
	w := walker{r: s.r, edge: signed, pruned: s.pruned, found: func(c *CorruptError) error { return c }}
	if err := w.walk(ctx, s.size, nil); err != nil {
		return sv, err
	}
	sv.edge, sv.tree = w.edge, tlog.Tree{N: s.size, Hash: w.edge.root()}
	if s.head.Size > 0 {
		sv.proof, err = tlog.ProveTree(s.size, s.head.Size, s.r)
	}
	return sv, missingHash(err, s.size)
}

func cutError(head Head, size int64) *CorruptError {
	return corrupt(hintRestored, "the guard knows a log of %d entries, this one has %d", head.Size, size).in(PartGuard).at(size, head.Size)
}

// checkPruned looks at up to where the bodies are said to be gone. Whatever storage says, what was not signed was not pruned.
func checkPruned(n, signed int64) error {
	if n < 0 || n%TileWidth != 0 || n > signed {
		return corrupt(hintPruned, "the bodies of %d entries are said to be pruned, and %d entries were signed", n, signed)
	}
	return nil
}

// signedEdge reads the right edge of what the guard covers, and finds the guard's root above it and above the bytes of
// its last entry, unless that was pruned.
func (s surveyor) signedEdge() (edge, error) {
	n := s.head.Size
	e, err := readEdge(n, s.r)
	if err != nil {
		return e, err
	}
	if e.root() != s.head.Root {
		return e, corrupt(hintEdited, "the tree of %d entries has another root than the one that was signed", n).at(0, n)
	}
	if n <= s.pruned {
		return e, nil
	}
	proof, err := tlog.ProveRecord(n, n-1, s.r)
	if err != nil {
		return e, err
	}
	return e, eachEntry(s.r, n-1, n, func(index int64, body []byte) error {
		if body == nil {
			return corrupt(hintEdited, "entry %d is missing", index).at(index, n)
		}
		if err := tlog.CheckRecord(proof, n, s.head.Root, index, tlog.RecordHash(body)); err != nil {
			return corrupt(hintEdited, "entry %d: its bytes are not those that were signed", index).at(index, n).because(err)
		}
		return nil
	})
}

// latest opens the newest stored checkpoint, which nobody but this log's keys sign and which the guard must know.
func (s surveyor) latest() (*Checkpoint, error) {
	if s.note == nil {
		return nil, nil
	}
	cp, err := s.keys.Open(s.note)
	if errors.Is(err, ErrKeyRange) {
		return nil, s.void()
	}
	if err != nil {
		return nil, corrupt(hintOther, "the newest stored checkpoint is not one that this log signed").in(PartCheckpoints).because(err)
	}
	if cp.Size > s.newest.Size {
		return nil, aheadError(cp.Size, s.newest)
	}
	root, err := tlog.TreeHash(cp.Size, s.r)
	if err != nil {
		return nil, err
	}
	if root != cp.Root {
		return nil, otherRoot(cp)
	}
	return &cp, nil
}

// void looks at a checkpoint by a key that is not valid for its size, because the key was revoked, or was followed by another just when it
// signed. It counts for nothing, so that its size is signed again; but nothing of ours is larger than the guard knows.
func (s surveyor) void() error {
	text, _ := splitNote(s.note)
	head, err := ParseCheckpoint(text)
	if err == nil && head.Size > s.newest.Size {
		err = aheadError(head.Size, s.newest)
	}
	return err
}

func aheadError(size int64, head Head) *CorruptError {
	return corrupt(hintGuard, "the guard state was set back: it knows %d entries, a checkpoint signs %d", head.Size, size).in(PartGuard)
}

// missingHash gives a reader's answer that a hash is not there its name.
func missingHash(err error, size int64) error {
	var c *CorruptError
	if err == nil || errors.As(err, &c) || !errors.Is(err, ErrMissing) {
		return err
	}
	return corrupt(hintEdited, "a stored hash is missing").in(PartHashes).at(0, size).because(fmt.Errorf("tree of %d entries: %w", size, err))
}
