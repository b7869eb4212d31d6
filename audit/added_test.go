package audit_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"golang.org/x/mod/sumdb/tlog"
)

// A tellingStorage tells the leaves that were written through it, until somebody else writes, and counts how often it is looked at.
type tellingStorage struct {
	audit.Storage
	leaves []tlog.Hash
	silent bool
	looks  int
}

func (s *tellingStorage) Committed(_ context.Context, from int64) ([]tlog.Hash, bool) {
	if s.silent || from > int64(len(s.leaves)) {
		return nil, false
	}
	return s.leaves[from:], true
}

func (s *tellingStorage) View(ctx context.Context, f func(audit.Reader) error) error {
	s.looks++
	return s.Storage.View(ctx, f)
}

// append appends entries, and remembers them.
func (s *tellingStorage) append(t *testing.T, n int) {
	t.Helper()
	for range n {
		s.leaves = append(s.leaves, tlog.RecordHash(body(int64(len(s.leaves)))))
		if err := appendTo(t.Context(), s.Storage); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
}

// telling begins a log over storage that tells what it wrote.
func telling(t *testing.T) (*world, *tellingStorage, *audit.Log) {
	w := newWorld(t)
	s := &tellingStorage{Storage: w.storage}
	l, err := audit.Begin(t.Context(), s, w.signer())
	if err != nil {
		t.Fatal(err)
	}
	return w, s, l
}

// TestSignTakesWhatIsTold signs trees of all shapes without looking at the log, and has them all verified.
func TestSignTakesWhatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, l := telling(t)
		s.append(t, 1)
		w.sign(l)
		before := s.looks
		for n := range 40 {
			s.append(t, 1+n%7)
			if cp := w.sign(l); cp.Size != int64(len(s.leaves)) {
				t.Fatalf("size %d is signed, want %d", cp.Size, len(s.leaves))
			}
		}
		if s.looks != before {
			t.Errorf("it looked at the log %d times", s.looks-before)
		}
		if r := w.verify(); r.Err() != nil || r.Signed != int64(len(s.leaves)) {
			t.Errorf("verify: %+v", r)
		}
	})
}

// TestSignAgainWithoutLooking asks for what is signed already: neither the log nor the guard is looked at, and it is the same checkpoint.
func TestSignAgainWithoutLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, l := telling(t)
		s.append(t, 3)
		first := w.sign(l)
		before := s.looks
		for range 3 {
			if again := w.sign(l); !bytes.Equal(again.Note, first.Note) {
				t.Errorf("signed again: %+v, want %+v", again, first)
			}
		}
		s.append(t, 1)
		if cp := w.sign(l); cp.Size != 4 || s.looks != before {
			t.Errorf("size %d, looked %d times", cp.Size, s.looks-before)
		}
		time.Sleep(time.Second)
		w.storage.Tamper(func(state *audittest.State) { state.Entries = state.Entries[:3] })
		if _, err := l.Sign(t.Context()); err == nil {
			t.Error("the log is signed a second after it was cut")
		}
	})
}

// changingKeys are those of a ring, until they are those of another.
type changingKeys struct{ ring audit.Ring }

func (k *changingKeys) Load(context.Context) (audit.Ring, error) { return k.ring, nil }

// TestSignAgainByTheKeysOfNow has the keys change while there is nothing new to sign: what another key has signed is no answer any more.
func TestSignAgainByTheKeysOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := &tellingStorage{Storage: w.storage}
		keys := &changingKeys{w.ring}
		l, err := audit.Begin(t.Context(), s, audit.NewSigner(keys, w.guard))
		if err != nil {
			t.Fatal(err)
		}
		s.append(t, 2)
		w.sign(l)
		keys.ring = audittest.Ring(t, origin)
		if cp, err := l.Sign(t.Context()); err == nil {
			t.Errorf("it answers %q", cp.Note)
		}
	})
}

// TestSignLooksAgain has what this process knows be taken for the log for a second and no longer, and an edit be found by then.
func TestSignLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, l := telling(t)
		for range 3 {
			time.Sleep(time.Second)
			before := s.looks
			for range 5 {
				s.append(t, 1)
				w.sign(l)
				time.Sleep(time.Second / 5)
			}
			if s.looks != before+1 {
				t.Errorf("it looked %d times in a second, want once", s.looks-before)
			}
		}
		w.storage.Tamper(func(state *audittest.State) { state.Hashes[tlog.StoredHashIndex(3, 0)][0] ^= 1 })
		time.Sleep(time.Second)
		s.append(t, 1)
		var c *audit.CorruptError
		if _, err := l.Sign(t.Context()); !errors.As(err, &c) {
			t.Errorf("sign over an edited hash a second later: %v", err)
		}
	})
}

// TestSignLooksWhereNothingIsTold has another process append, of which storage cannot tell.
func TestSignLooksWhereNothingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, l := telling(t)
		s.append(t, 3)
		w.sign(l)
		s.silent = true
		if err := appendTo(t.Context(), s.Storage); err != nil {
			t.Fatal(err)
		}
		before := s.looks
		if cp := w.sign(l); cp.Size != 4 || s.looks == before {
			t.Errorf("size %d, looked %d times", cp.Size, s.looks-before)
		}
	})
}

// TestSignNothingThatIsNoGrowth has storage tell other entries than those that were signed before: the signer refuses, or the next look does.
func TestSignNothingThatIsNoGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, l := telling(t)
		s.append(t, 5)
		w.sign(l)
		w.storage.Tamper(func(state *audittest.State) { state.Entries = state.Entries[:4] })
		s.silent = true
		var c *audit.CorruptError
		if _, err := l.Sign(t.Context()); !errors.As(err, &c) {
			t.Errorf("sign a log that was cut: %v", err)
		}
	})
}
