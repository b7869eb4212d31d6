package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrKeyRange says that a key signed a checkpoint of a size that it is not valid for: its time had not come, or was over, or it was
// revoked. Such a checkpoint counts for nothing.
var ErrKeyRange = errors.New("the key is not valid for this size")

// A LogKey is a key that signs a log, for sizes From ≤ size < To. To is 0 for a key without an end.
type LogKey struct {
	VKey     string
	URL      string // where a policy says that the log is served; may be empty
	From, To int64
	verifier note.Verifier
}

// NewLogKey reads a verifier key for checkpoints: name+hash+base64 of type 1 (Ed25519) and the public key.
func NewLogKey(vkey string, from, to int64) (LogKey, error) {
	k, err := parseKey(vkey)
	if err != nil {
		return LogKey{}, fmt.Errorf("log key: %w", err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil || k.kind != typeEd25519 {
		return LogKey{}, fmt.Errorf("log key %s: its key is of type %d, and checkpoints are signed with type %d", k.name, k.kind, typeEd25519)
	}
	if from < 0 || from > maxSize || to != 0 && (to <= from || to > maxSize) {
		return LogKey{}, fmt.Errorf("log key %s: it cannot sign the sizes from %d to before %d", k.name, from, to)
	}
	return LogKey{VKey: vkey, From: from, To: to, verifier: &recent{Verifier: v}}, nil
}

// Origin is the name of the log.
func (k LogKey) Origin() string { return k.verifier.Name() }

// ID is NAME+HASH: what names the key in signatures and policies.
func (k LogKey) ID() string { return fmt.Sprintf("%s+%08x", k.verifier.Name(), k.verifier.KeyHash()) }

// Covers says whether the key may sign a checkpoint of this size.
func (k LogKey) Covers(size int64) bool { return k.From <= size && (k.To == 0 || size < k.To) }

// String is the key as a policy has it, on one line or on two.
func (k LogKey) String() string {
	text := "log " + k.VKey
	if k.URL != "" {
		text += " " + k.URL
	}
	if k.From == 0 && k.To == 0 {
		return text + "\n"
	}
	end := "-"
	if k.To != 0 {
		end = fmt.Sprint(k.To)
	}
	return fmt.Sprintf("%s\n# taffrail:valid %s %d %s\n", text, k.ID(), k.From, end)
}

// Keys are all keys of one log, which bear its origin as their name, each with the sizes that it signs. They stand by the first size of
// each, so that the newest is the last. Keys are never changed: what changes them gives others.
type Keys struct {
	list []LogKey
}

// NewKeys puts the keys of one log together. A key may stand there once.
func NewKeys(list ...LogKey) (Keys, error) {
	if len(list) == 0 {
		return Keys{}, ErrNoKey
	}
	k := Keys{slices.Clone(list)}
	slices.SortStableFunc(k.list, func(a, b LogKey) int { return cmp.Compare(a.From, b.From) })
	seen := map[string]bool{}
	for _, one := range k.list {
		if one.verifier == nil {
			return Keys{}, errors.New("log keys: one of them was not made by NewLogKey")
		}
		if one.Origin() != k.Origin() {
			return Keys{}, fmt.Errorf("log keys: one is of log %q, and one of %q", k.Origin(), one.Origin())
		}
		if seen[one.ID()] {
			return Keys{}, fmt.Errorf("log keys: %s stands there twice", one.ID())
		}
		seen[one.ID()] = true
	}
	return k, nil
}

// ParseKeys reads the log lines of a policy, with the comments that say for which sizes each is valid: see [ParsePolicy].
func ParseKeys(text []byte) (Keys, error) {
	p := newPolicyParser()
	p.only = "log"
	if err := p.parse(text); err != nil {
		return Keys{}, fmt.Errorf("log keys: %w", err)
	}
	return NewKeys(p.policy.Logs...)
}

// String is the inverse of [ParseKeys].
func (k Keys) String() string {
	var b strings.Builder
	for _, one := range k.list {
		b.WriteString(one.String())
	}
	return b.String()
}

// All gives the keys, the oldest first.
func (k Keys) All() []LogKey { return slices.Clone(k.list) }

// Origin is the name of the log; empty if there is no key.
func (k Keys) Origin() string {
	if len(k.list) == 0 {
		return ""
	}
	return k.list[0].Origin()
}

// Newest is the key that will sign when the time of all others is over. There must be a key.
func (k Keys) Newest() LogKey { return k.list[len(k.list)-1] }

// Find gives the key that is written so.
func (k Keys) Find(vkey string) (LogKey, bool) {
	i := slices.IndexFunc(k.list, func(one LogKey) bool { return one.VKey == vkey })
	if i < 0 {
		return LogKey{}, false
	}
	return k.list[i], true
}

// Open parses a note and checks that one of the keys signed it that may sign a checkpoint of its size. If none of those did, but another
// one of the log, the error wraps [ErrKeyRange]. Signatures of other keys, such as witnesses', may stand beside it and are not looked at.
func (k Keys) Open(msg []byte) (Checkpoint, error) {
	cp, _, err := k.open(msg)
	return cp, err
}

func (k Keys) open(msg []byte) (Checkpoint, LogKey, error) {
	var late, failed error
	for _, one := range slices.Backward(k.list) {
		cp, err := OpenCheckpoint(msg, one.verifier)
		switch {
		case err != nil:
			failed = err
		case one.Covers(cp.Size):
			return cp, one, nil
		default:
			late = fmt.Errorf("open checkpoint: %s signed size %d: %w", one.ID(), cp.Size, ErrKeyRange)
		}
	}
	if failed == nil {
		failed = fmt.Errorf("open checkpoint: %w", ErrNoKey)
	}
	return Checkpoint{}, LogKey{}, cmp.Or(late, failed)
}

// Rotated gives the keys with another one, which signs sizes from from on. Those that had no end sign sizes before until: the
// sizes between are signed by both.
func (k Keys) Rotated(vkey string, from, until int64) (Keys, error) {
	added, err := NewLogKey(vkey, from, 0)
	if err != nil {
		return Keys{}, err
	}
	if until < from || until > maxSize {
		return Keys{}, fmt.Errorf("rotate key: nobody would sign the sizes from %d to before %d", until, from)
	}
	list := slices.Clone(k.list)
	for i, one := range list {
		if one.From > from || one.To == 0 && one.From >= until {
			return Keys{}, fmt.Errorf("rotate key: the present key signs sizes from %d on; its successor cannot begin at %d while it ends before %d", one.From, from, until)
		}
		if one.To == 0 {
			list[i].To = until
		}
	}
	return NewKeys(append(list, added)...)
}

// Revoked gives the keys with one that signs sizes up to at and no more. Successor signs all sizes above; it is not taken up where the key
// ends by then in any case. A key that would have begun later is gone altogether.
func (k Keys) Revoked(vkey string, at int64, successor string) (Keys, error) {
	i := slices.IndexFunc(k.list, func(one LogKey) bool { return one.VKey == vkey })
	if i < 0 {
		return Keys{}, fmt.Errorf("revoke key: %w of that name", ErrNoKey)
	}
	if at < 0 || at >= maxSize {
		return Keys{}, fmt.Errorf("revoke key: %d is no size", at)
	}
	if to := k.list[i].To; to != 0 && to <= at+1 {
		return k, nil
	}
	added, err := NewLogKey(successor, at+1, 0)
	if err != nil {
		return Keys{}, err
	}
	list := slices.Clone(k.list)
	if list[i].To = at + 1; list[i].From > at {
		list = slices.Delete(list, i, i+1)
	}
	return NewKeys(append(list, added)...)
}

// Equal says whether the keys, and the sizes that they sign, are the same.
func (k Keys) Equal(other Keys) bool {
	return slices.EqualFunc(k.list, other.list, func(a, b LogKey) bool {
		return a.VKey == b.VKey && a.URL == b.URL && a.From == b.From && a.To == b.To
	})
}

// originOf is the first line of a note, unchecked.
func originOf(msg []byte) string {
	line, _, _ := bytes.Cut(msg, []byte("\n"))
	return string(line)
}
