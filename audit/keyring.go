package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// ErrNoKey is what a [Keyring] answers that holds no key.
var ErrNoKey = errors.New("there is no signing key")

// A Ring is the keys of a log together with the private parts that are at hand. A key without a private part is history: it signs nothing
// any more, and what it signed is still verified by it.
type Ring struct {
	keys    Keys
	signers []note.Signer // in the order of the keys; nil where there is no private part
}

// NewRing puts private parts to their keys. It does no I/O. A private part whose public key is another than it says shows at the first
// signature.
func NewRing(keys Keys, private ...note.Signer) (Ring, error) {
	r := Ring{keys, make([]note.Signer, len(keys.list))}
	for _, s := range private {
		i := slices.IndexFunc(keys.list, func(k LogKey) bool { return k.verifier.Name() == s.Name() && k.verifier.KeyHash() == s.KeyHash() })
		if i < 0 {
			return Ring{}, fmt.Errorf("signing keys: %s+%08x is none of the log's keys", s.Name(), s.KeyHash())
		}
		r.signers[i] = s
	}
	return r, nil
}

// Keys are the public parts, with the sizes that each signs.
func (r Ring) Keys() Keys { return r.keys }

// Private gives the private parts at hand, those of the oldest keys first.
func (r Ring) Private() []note.Signer {
	return slices.DeleteFunc(slices.Clone(r.signers), func(s note.Signer) bool { return s == nil })
}

// Load makes a ring a source of itself, for keys that never change.
func (r Ring) Load(context.Context) (Ring, error) { return r, nil }

// Sign gives the note of a head, signed by every private key that may sign its size, the newest first. It looks at each signature
// before anyone else does: a key service may fail.
func (r Ring) Sign(head Head) ([]byte, error) {
	text, err := FormatCheckpoint(head)
	if err != nil {
		return nil, err
	}
	var signers []note.Signer
	var verifiers []note.Verifier
	for i, k := range slices.Backward(r.keys.list) {
		if r.signers[i] != nil && k.Covers(head.Size) {
			signers, verifiers = append(signers, r.signers[i]), append(verifiers, k.verifier)
		}
	}
	if len(signers) == 0 {
		return nil, fmt.Errorf("sign checkpoint of size %d: %w that is valid for it", head.Size, ErrNoKey)
	}
	msg, err := note.Sign(&note.Note{Text: string(text)}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of size %d: %w", head.Size, err)
	}
	for _, v := range verifiers {
		if _, err := OpenCheckpoint(msg, v); err != nil {
			return nil, fmt.Errorf("the signature does not verify: the two parts of %s+%08x do not belong together: %w", v.Name(), v.KeyHash(), err)
		}
	}
	return msg, nil
}

// A KeySource gives the keys of a log as they are at the moment.
type KeySource interface {
	// Load gives the keys, and [ErrNoKey] if there is none. Keys that cannot be read or understood, or that others could
	// read, are another error: they are never taken for none.
	Load(ctx context.Context) (Ring, error)
}

// A Keyring keeps the keys of one log, for all processes that sign it.
type Keyring interface {
	KeySource
	KeyControl

	// Create makes the first key for a log of this origin, durable when it returns nil. If there is one already the error wraps
	// [ErrExists], and the key stays.
	Create(ctx context.Context, origin string) (Ring, error)
}

// A KeyControl changes which keys sign a log. What it made is durable when it returns nil, and holds for every signature from then on, in
// whichever process. With an error, either may hold: Load tells.
type KeyControl interface {
	// Rotate makes a new key, which signs sizes from from on. The present one signs sizes before until: those between are signed by
	// both, so that whoever knows one of them can go on. From and until should be larger than every size that is signed by now.
	Rotate(ctx context.Context, from, until int64) (Keys, error)

	// Revoke ends a key that is in other hands: it is valid for sizes up to at and no more, whatever it signed, and its private part is
	// removed. A new key signs all sizes above. Checkpoints above that were signed by the old key alone count for nothing, and what they
	// covered is signed anew. Asking for the same again does what was left undone. If there is no such key the error wraps [ErrNoKey].
	Revoke(ctx context.Context, vkey string, at int64) (Keys, error)
}
