package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
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

	// Verifier checks what Sign signs. Its name is the log's origin.
	Verifier() note.Verifier
}

// A GuardedSigner is a [Signer] made of a key and a [Guard].
type GuardedSigner struct {
	key      note.Signer
	verifier note.Verifier
	guard    Guard
}

// NewSigner gives a signer for the log that is named as the key. It does no I/O. A verifier that does not belong to
// the key shows at the first signature.
func NewSigner(key note.Signer, verifier note.Verifier, guard Guard) *GuardedSigner {
	return &GuardedSigner{key: key, verifier: verifier, guard: guard}
}

// Verifier checks what the key signs.
func (s *GuardedSigner) Verifier() note.Verifier { return s.verifier }

// Head is the guard's state. State of another log is a [*CorruptError].
func (s *GuardedSigner) Head(ctx context.Context) (Head, error) {
	h, err := s.guard.Load(ctx)
	if err != nil {
		return Head{}, fmt.Errorf("load guard state: %w", err)
	}
	if h.Origin != s.key.Name() {
		return Head{}, corrupt(hintOther, "the guard state is of log %q, the key is of log %q", h.Origin, s.key.Name()).in(PartGuard)
	}
	if err := h.valid(); err != nil {
		return Head{}, corrupt(hintGuard, "the guard state is not one that was ever written").in(PartGuard).because(err)
	}
	return h, nil
}

// Sign implements [Signer].
func (s *GuardedSigner) Sign(ctx context.Context, old Head, tree tlog.Tree, proof tlog.TreeProof) ([]byte, error) {
	head := Head{Origin: s.key.Name(), Size: tree.N, Root: tree.Hash}
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
	return s.release(head)
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

// release signs, and looks at the signature before anyone else does: a key service may fail.
func (s *GuardedSigner) release(head Head) ([]byte, error) {
	text, err := FormatCheckpoint(head)
	if err != nil {
		return nil, err
	}
	msg, err := note.Sign(&note.Note{Text: string(text)}, s.key)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of size %d: %w", head.Size, err)
	}
	if _, err := OpenCheckpoint(msg, s.verifier); err != nil {
		return nil, errors.Join(errors.New("the signature does not verify: key and verifier do not belong together"), err)
	}
	return msg, nil
}
