package audittest

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
)

// Key makes a new key for a log of this origin.
func Key(t testing.TB, origin string) (note.Signer, note.Verifier) {
	t.Helper()
	signer, vkey, err := newKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

// Ring makes a new key for a log of this origin, which signs all sizes.
func Ring(t testing.TB, origin string) audit.Ring {
	t.Helper()
	r, err := newRing(origin)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newKey(origin string) (signer note.Signer, vkey string, err error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, "", err
	}
	signer, err = note.NewSigner(skey)
	return signer, vkey, err
}

func newRing(origin string) (audit.Ring, error) {
	signer, vkey, err := newKey(origin)
	if err != nil {
		return audit.Ring{}, err
	}
	return RingOf(vkey, signer)
}

// RingOf gives a ring of one key, which signs all sizes.
func RingOf(vkey string, private ...note.Signer) (audit.Ring, error) {
	k, err := audit.NewLogKey(vkey, 0, 0)
	if err != nil {
		return audit.Ring{}, err
	}
	keys, err := audit.NewKeys(k)
	if err != nil {
		return audit.Ring{}, err
	}
	return audit.NewRing(keys, private...)
}

// FaultyKeys is source, with [Signature] failing on demand.
func FaultyKeys(source audit.KeySource, f *Faults) audit.KeySource {
	return WrapKeys(source, func(k note.Signer) note.Signer { return FaultyKey(k, f) })
}

// WrapKeys is source, with every private key wrapped.
func WrapKeys(source audit.KeySource, wrap func(note.Signer) note.Signer) audit.KeySource {
	return wrappedKeys{source, wrap}
}

type wrappedKeys struct {
	audit.KeySource
	wrap func(note.Signer) note.Signer
}

func (w wrappedKeys) Load(ctx context.Context) (audit.Ring, error) {
	r, err := w.KeySource.Load(ctx)
	if err != nil {
		return r, err
	}
	private := r.Private()
	for i := range private {
		private[i] = w.wrap(private[i])
	}
	return audit.NewRing(r.Keys(), private...)
}

// A MemoryKeyring is an [audit.Keyring] without a file.
type MemoryKeyring struct {
	mu   sync.Mutex
	ring audit.Ring
}

// NewMemoryKeyring gives a keyring without a key.
func NewMemoryKeyring() *MemoryKeyring { return &MemoryKeyring{} }

// Set puts keys in place, such as those of an older copy. The zero Ring takes them away.
func (m *MemoryKeyring) Set(r audit.Ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ring = r
}

// Load implements [audit.Keyring].
func (m *MemoryKeyring) Load(ctx context.Context) (audit.Ring, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return audit.Ring{}, err
	}
	if m.ring.Keys().Origin() == "" {
		return audit.Ring{}, audit.ErrNoKey
	}
	return m.ring, nil
}

// Create implements [audit.Keyring].
func (m *MemoryKeyring) Create(ctx context.Context, origin string) (audit.Ring, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return audit.Ring{}, err
	}
	if m.ring.Keys().Origin() != "" {
		return audit.Ring{}, audit.ErrExists
	}
	r, err := newRing(origin)
	if err == nil {
		m.ring = r
	}
	return r, err
}

// Rotate implements [audit.Keyring].
func (m *MemoryKeyring) Rotate(ctx context.Context, from, until int64) (audit.Keys, error) {
	return m.change(ctx, func(keys audit.Keys, vkey string) (audit.Keys, error) { return keys.Rotated(vkey, from, until) })
}

// Revoke implements [audit.Keyring].
func (m *MemoryKeyring) Revoke(ctx context.Context, vkey string, at int64) (audit.Keys, error) {
	return m.change(ctx, func(keys audit.Keys, successor string) (audit.Keys, error) { return keys.Revoked(vkey, at, successor) }, vkey)
}

// change makes a new key and takes the private parts of others away.
func (m *MemoryKeyring) change(ctx context.Context, f func(audit.Keys, string) (audit.Keys, error), without ...string) (audit.Keys, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return audit.Keys{}, err
	}
	origin := m.ring.Keys().Origin()
	if origin == "" {
		return audit.Keys{}, audit.ErrNoKey
	}
	signer, vkey, err := newKey(origin)
	if err != nil {
		return audit.Keys{}, err
	}
	keys, err := f(m.ring.Keys(), vkey)
	if err != nil {
		return audit.Keys{}, err
	}
	var private []note.Signer
	for _, s := range append(m.ring.Private(), signer) {
		if hasKey(keys, s, without) {
			private = append(private, s)
		}
	}
	r, err := audit.NewRing(keys, private...)
	if err == nil {
		m.ring = r
	}
	return keys, err
}

// hasKey says whether a private part belongs to one of the keys, and not to one that is to be left out.
func hasKey(keys audit.Keys, s note.Signer, without []string) bool {
	for _, k := range keys.All() {
		left := len(without) > 0 && without[0] == k.VKey
		if !left && k.ID() == fmt.Sprintf("%s+%08x", s.Name(), s.KeyHash()) {
			return true
		}
	}
	return false
}
