package audit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// prove gives the tree of a size and the proof that it contains the tree of another.
func prove(t *testing.T, s audit.Storage, size, old int64) (tlog.Tree, tlog.TreeProof) {
	t.Helper()
	var proof tlog.TreeProof
	err := s.View(t.Context(), func(r audit.Reader) (err error) {
		if old > 0 && size >= old {
			proof, err = tlog.ProveTree(size, old, r)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: reference(size)}, proof
}

func headOf(size int64) audit.Head {
	return audit.Head{Origin: origin, Size: size, Root: reference(size)}
}

// TestSigner asks the signer itself, as a log that was broken into would.
func TestSigner(t *testing.T) {
	w := grown(t, 9)
	other := tlog.RecordHash([]byte("other"))
	elsewhere := headOf(5)
	elsewhere.Origin = "elsewhere.example"
	for _, test := range []struct {
		name   string
		held   audit.Head // by the guard
		old    audit.Head // as the caller says
		change func(*tlog.Tree, *tlog.TreeProof)
		size   int64
		want   string // empty: signed
	}{
		{"growth", headOf(5), headOf(5), nil, 9, ""},
		{"growth out of the empty tree", headOf(0), headOf(0), nil, 9, ""},
		{"the same again", headOf(5), headOf(5), nil, 5, ""},
		{"the empty tree again", headOf(0), headOf(0), nil, 0, ""},
		{"begin", audit.Head{}, audit.Head{}, nil, 0, ""},
		{"begin with entries", audit.Head{}, audit.Head{}, nil, 1, "a log begins with no entry, not with 1"},
		{"smaller", headOf(5), headOf(5), nil, 4, "5 entries were signed, now there are 4"},
		{"nothing at all", headOf(5), headOf(5), nil, 0, "5 entries were signed, now there are 0"},
		{"same size, other root", headOf(5), headOf(5), func(tree *tlog.Tree, _ *tlog.TreeProof) { tree.Hash = other }, 5, "the tree of 5 entries was signed with another root"},
		{"growth, other root", headOf(5), headOf(5), func(tree *tlog.Tree, _ *tlog.TreeProof) { tree.Hash = other }, 9, "the tree of 9 entries does not contain the one of 5"},
		{"no proof", headOf(5), headOf(5), func(_ *tlog.Tree, p *tlog.TreeProof) { *p = nil }, 9, "the tree of 9 entries does not contain the one of 5"},
		{"proof cut", headOf(5), headOf(5), func(_ *tlog.Tree, p *tlog.TreeProof) { *p = (*p)[1:] }, 9, "the tree of 9 entries does not contain the one of 5"},
		{"proof too long", headOf(5), headOf(5), func(_ *tlog.Tree, p *tlog.TreeProof) { *p = append(*p, other) }, 9, "the tree of 9 entries does not contain the one of 5"},
		{"other log", elsewhere, elsewhere, nil, 9, `the state is of log "elsewhere.example"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			guard := audittest.NewMemoryGuard()
			guard.Set(test.held)
			signer := audit.NewSigner(w.ring, guard)
			tree, proof := prove(t, w.storage, test.size, test.old.Size)
			if test.change != nil {
				test.change(&tree, &proof)
			}
			msg, err := signer.Sign(t.Context(), test.old, tree, proof)
			held, _ := guard.Load(t.Context())
			if test.want != "" {
				wantCorrupt(t, err, test.want)
				if msg != nil || held != test.held {
					t.Errorf("note %q, guard holds %+v", msg, held)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			cp, err := w.ring.Keys().Open(msg)
			if err != nil || cp.Head != headOf(test.size) || held != cp.Head {
				t.Errorf("signed %+v, %v, guard holds %+v", cp.Head, err, held)
			}
		})
	}
}

// TestSignerConflict has callers whose idea of what was signed is not the guard's, proofs being as they may.
func TestSignerConflict(t *testing.T) {
	w := grown(t, 9)
	for name, test := range map[string]struct{ held, old audit.Head }{
		"guard is ahead":           {headOf(7), headOf(5)},
		"guard is behind":          {headOf(5), headOf(7)},
		"guard is at the new size": {headOf(9), headOf(5)},
		"same size, guard ahead":   {headOf(7), headOf(9)},
		"guard is gone":            {audit.Head{}, headOf(5)},
	} {
		t.Run(name, func(t *testing.T) {
			guard := audittest.NewMemoryGuard()
			guard.Set(test.held)
			tree, proof := prove(t, w.storage, 9, test.old.Size)
			msg, err := audit.NewSigner(w.ring, guard).Sign(t.Context(), test.old, tree, proof)
			if !errors.Is(err, audit.ErrConflict) || msg != nil {
				t.Errorf("note %q, error %v, want ErrConflict", msg, err)
			}
		})
	}
	guard := audittest.NewMemoryGuard()
	guard.Set(headOf(5))
	_, err := audit.NewSigner(w.ring, guard).Sign(t.Context(), audit.Head{}, tlog.Tree{Hash: audit.EmptyRoot()}, nil)
	if !errors.Is(err, audit.ErrConflict) {
		t.Errorf("begin over a log: %v, want ErrConflict", err)
	}
}

// TestSignerSizes keeps sizes that overflow index arithmetic away from it, and from the guard.
func TestSignerSizes(t *testing.T) {
	w := newWorld(t)
	w.guard.Set(headOf(0))
	for _, size := range []int64{-1, 1<<60 + 1, 1<<63 - 1} {
		if _, err := w.signer().Sign(t.Context(), headOf(0), tlog.Tree{N: size}, nil); err == nil {
			t.Errorf("size %d: signed", size)
		}
		if held, err := w.guard.Load(t.Context()); err != nil || held != headOf(0) {
			t.Fatalf("size %d: the guard holds %+v, %v", size, held, err)
		}
	}
}

// A lyingKey says that it is another than it is.
type lyingKey struct {
	note.Signer
	says note.Signer
}

func (k lyingKey) Name() string    { return k.says.Name() }
func (k lyingKey) KeyHash() uint32 { return k.says.KeyHash() }

// TestWrongKey has a private part that does not belong to the public one: nothing that cannot be verified gets out.
func TestWrongKey(t *testing.T) {
	w := newWorld(t)
	other, _ := audittest.Key(t, origin)
	if _, err := audit.NewRing(w.ring.Keys(), other); err == nil {
		t.Error("a private part without a public one is taken")
	}
	ring, err := audit.NewRing(w.ring.Keys(), lyingKey{other, w.key})
	if err != nil {
		t.Fatal(err)
	}
	signer := audit.NewSigner(ring, w.guard)
	if msg, err := signer.Sign(t.Context(), audit.Head{}, tlog.Tree{Hash: audit.EmptyRoot()}, nil); err == nil {
		t.Errorf("signed %s", msg)
	}
	if _, err := audit.Begin(t.Context(), w.storage, signer); err == nil || len(w.storage.State().Checkpoints) != 0 {
		t.Errorf("begin: %v, %d checkpoints are stored", err, len(w.storage.State().Checkpoints))
	}
}

// TestLyingSigner signs something else than it was asked for.
func TestLyingSigner(t *testing.T) {
	w := grown(t, 2)
	honest := w.signer()
	first, err := w.open().Sign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.append(1)
	if _, err := audit.Open(t.Context(), w.storage, lyingSigner{honest, first.Note}); err == nil {
		t.Error("the note of another size was taken")
	}
}

type lyingSigner struct {
	*audit.GuardedSigner
	note []byte
}

func (s lyingSigner) Sign(context.Context, audit.Head, tlog.Tree, tlog.TreeProof) ([]byte, error) {
	return s.note, nil
}

// TestSignsOnlyWhatIsDurable: a swap that failed may have changed what is held, and may be lost again. So the same
// state is not signed before a swap of it has succeeded.
func TestSignsOnlyWhatIsDurable(t *testing.T) {
	w := grown(t, 5)
	w.append(1)
	for range 2 {
		w.faults.Arm(audittest.Fault{Step: audittest.GuardSwap, Persisted: true}, nil)
		if _, err := audit.Open(t.Context(), w.store(), w.signer()); !errors.Is(err, audittest.ErrInjected) {
			t.Fatalf("error is %v", err)
		}
		if n := len(w.storage.State().Checkpoints); n != 2 {
			t.Fatalf("%d checkpoints are stored, want 2", n)
		}
	}
	w.open()
	w.verify()
}
