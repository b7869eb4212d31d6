package audit

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// A Guard remembers, outside the log's database, what was signed last. It is what makes a restored, cut or forked
// database visible, so it must not lie in the same backup.
type Guard interface {
	// Load gives the state, and [ErrNoHead] if there is none. State that cannot be read or understood is another error:
	// it is never taken for none.
	Load(ctx context.Context) (Head, error)

	// Swap replaces old by new if old is what is held, across all processes, and is durable when it returns nil. If
	// something else is held the error wraps [ErrConflict] and nothing changes. The zero Head as old means that no state
	// may exist yet. If it returns another error, either may be held, and may be lost again until a Swap succeeds: so
	// new may equal old, which makes sure that old is held and durable.
	Swap(ctx context.Context, old, new Head) error
}

// A Signer signs growth, and nothing but growth.
type Signer interface {
	// Head is what was signed last, or is about to be. [ErrNoHead] if nothing ever was.
	Head(ctx context.Context) (Head, error)

	// Sign gives the note that signs new, once it is proved that the tree of new contains all entries of old, in place,
	// and once old is replaced by new for all who ask for Head. Signing old itself again is allowed always. The zero Head
	// as old begins a log, whose tree is empty. The error wraps [ErrConflict] if old is not what Head gives, and is a
	// [*CorruptError] if new is no growth of old.
	Sign(ctx context.Context, old Head, new tlog.Tree, proof tlog.TreeProof) (note []byte, err error)

	// Keys are those that sign, and have signed, by the time of the call. They open what Sign gives.
	Keys(ctx context.Context) (Keys, error)
}

// A GuardedSigner is a [Signer] made of keys and a [Guard]. It asks for the keys anew at each signature, so that it signs by those that
// another process has made meanwhile, and by none whose time is over.
type GuardedSigner struct {
	source KeySource
	guard  Guard

	mu     sync.Mutex
	origin string // of the keys, which never changes; empty before they were first loaded
}

// NewSigner gives a signer for the log that the keys are named as. It does no I/O.
func NewSigner(keys KeySource, guard Guard) *GuardedSigner {
	return &GuardedSigner{source: keys, guard: guard}
}

// Keys implements [Signer].
func (s *GuardedSigner) Keys(ctx context.Context) (Keys, error) {
	r, err := s.load(ctx)
	return r.Keys(), err
}

func (s *GuardedSigner) load(ctx context.Context) (Ring, error) {
	r, err := s.source.Load(ctx)
	if err != nil {
		return Ring{}, fmt.Errorf("load signing keys: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := r.Keys().Origin(); s.origin == "" {
		s.origin = now
	} else if now != s.origin {
		return Ring{}, corrupt(hintOther, "the keys were of log %q, and are of log %q now", s.origin, now).in(PartGuard)
	}
	return r, nil
}

// name is the log's, as the keys say.
func (s *GuardedSigner) name(ctx context.Context) (string, error) {
	s.mu.Lock()
	known := s.origin
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	r, err := s.load(ctx)
	return r.Keys().Origin(), err
}

// Head is the guard's state. State of another log is a [*CorruptError].
func (s *GuardedSigner) Head(ctx context.Context) (Head, error) {
	h, err := s.guard.Load(ctx)
	if err != nil {
		return Head{}, fmt.Errorf("load guard state: %w", err)
	}
	origin, err := s.name(ctx)
	if err != nil {
		return Head{}, err
	}
	if h.Origin != origin {
		return Head{}, corrupt(hintOther, "the guard state is of log %q, the key is of log %q", h.Origin, origin).in(PartGuard)
	}
	if err := h.valid(); err != nil {
		return Head{}, corrupt(hintGuard, "the guard state is not one that was ever written").in(PartGuard).because(err)
	}
	return h, nil
}

// Sign implements [Signer].
func (s *GuardedSigner) Sign(ctx context.Context, old Head, tree tlog.Tree, proof tlog.TreeProof) ([]byte, error) {
	origin, err := s.name(ctx)
	if err != nil {
		return nil, err
	}
	head := Head{Origin: origin, Size: tree.N, Root: tree.Hash}
	if err := s.allowed(old, head, proof); err != nil {
		return nil, err
	}
	// If we stop before the swap, nothing happened but a commit, and the next start signs what was committed.
	// It is asked for when the same is signed again, too: what is held may not be durable yet.
	if err := s.guard.Swap(ctx, old, head); err != nil {
		return nil, fmt.Errorf("swap guard state: %w", err)
	}
	// If we stop here, the guard holds a size that was committed and for which there is no signature. The next start
	// signs the same size and root, which is always allowed.
	// The keys are loaded as late as can be. What a key signs whose time ends between that and the caller's look counts for nothing, and
	// the caller signs the same again.
	ring, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	return ring.Sign(head)
}

// allowed is the one place that decides what may be signed.
func (s *GuardedSigner) allowed(old, head Head, proof tlog.TreeProof) error {
	if err := head.valid(); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	refuse := func(hint, format string, args ...any) *CorruptError {
		return corrupt(hint, "refused to sign: "+format, args...).in(PartGuard).at(0, old.Size)
	}
	switch {
	case old == Head{}:
		if head.Size != 0 {
			return refuse(hintGuard, "a log begins with no entry, not with %d", head.Size)
		}
	case old.Origin != head.Origin:
		return refuse(hintOther, "the state is of log %q, the key is of log %q", old.Origin, head.Origin)
	case head.Size < old.Size:
		return refuse(hintRestored, "%d entries were signed, now there are %d", old.Size, head.Size).at(head.Size, old.Size)
	case head.Size == old.Size:
		if head.Root != old.Root {
			return refuse(hintEdited, "the tree of %d entries was signed with another root", old.Size)
		}
	case old.Size > 0: // anything grows out of the empty tree
		if err := tlog.CheckTree(proof, head.Size, head.Root, old.Size, old.Root); err != nil {
			return refuse(hintEdited, "the tree of %d entries does not contain the one of %d that was signed",
				head.Size, old.Size).because(err)
		}
	}
	return nil
}
