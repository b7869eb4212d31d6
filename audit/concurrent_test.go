package audit_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// TestSignGroups has many callers ask while one signature is being made: one more signature serves them all.
func TestSignGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		gate := &gatedGuard{Guard: w.guard, open: make(chan struct{}), calls: new(calls)}
		signer := audit.NewSigner(w.ring, gate)
		close(gate.open)
		l, err := audit.Begin(t.Context(), w.storage, signer)
		if err != nil {
			t.Fatal(err)
		}
		gate.open = make(chan struct{})
		gate.calls = new(calls)
		var all sync.WaitGroup
		ask := func(least int64) {
			if cp, err := l.Sign(t.Context()); err != nil || cp.Size < least {
				t.Errorf("signed size %d, %v, want at least %d", cp.Size, err, least)
			}
		}
		w.append(1)
		all.Go(func() { ask(1) })
		synctest.Wait() // the first round has seen one entry and waits for the guard
		for i := range 50 {
			w.append(1)
			all.Go(func() { ask(int64(i) + 2) })
		}
		synctest.Wait()
		close(gate.open)
		all.Wait()
		if s, l := gate.calls.swaps.Load(), gate.calls.loads.Load(); s != 2 || l != 0 {
			t.Errorf("the guard was written %d times and read %d times by itself for 51 signatures, want 2 and 0", s, l)
		}
	})
}

// TestSignCallerLeaves cancels the caller who leads a round: those who wait with it are served nevertheless.
func TestSignCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		gate := &gatedGuard{Guard: w.guard, open: make(chan struct{}), calls: new(calls)}
		close(gate.open)
		l, err := audit.Begin(t.Context(), w.storage, audit.NewSigner(w.ring, gate))
		if err != nil {
			t.Fatal(err)
		}
		gate.open = make(chan struct{})
		w.append(1)
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := l.Sign(t.Context()); err != nil {
				t.Errorf("first: %v", err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		w.append(1)
		all.Go(func() { // leads the next round, and leaves before its turn
			if _, err := l.Sign(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who left: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if cp, err := l.Sign(t.Context()); err != nil || cp.Size != 2 {
				t.Errorf("the one who stayed: size %d, %v", cp.Size, err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate.open)
		all.Wait()
	})
}

// A gatedGuard lets no swap pass before it is opened.
type gatedGuard struct {
	audit.Guard
	open  chan struct{}
	calls *calls
}

func (g *gatedGuard) Swap(ctx context.Context, old, new audit.Head) error {
	<-g.open
	g.calls.swaps.Add(1)
	return g.Guard.Swap(ctx, old, new)
}

func (g *gatedGuard) Load(ctx context.Context) (audit.Head, error) {
	g.calls.loads.Add(1)
	return g.Guard.Load(ctx)
}

type calls struct{ swaps, loads atomic.Int64 }

// TestTwoProcesses lets several logs over one storage and one guard append and sign at the same time.
func TestTwoProcesses(t *testing.T) {
	w := newWorld(t)
	w.begin()
	var all sync.WaitGroup
	for range 4 {
		l := w.open()
		for range 3 {
			all.Go(func() {
				for range 20 {
					w.append(1)
					before, _ := sizeOf(w.storage)
					if cp := w.sign(l); cp.Size < before {
						t.Errorf("signed %d entries, %d were committed before", cp.Size, before)
					}
				}
			})
		}
		all.Go(func() {
			for range 10 {
				w.open()
				w.verify()
			}
		})
	}
	all.Wait()
	if r := w.verify(); r.Size != 240 || r.Signed != 240 || r.Root != reference(240) {
		t.Errorf("report is %+v", r)
	}
}

func sizeOf(s audit.Storage) (size int64, err error) {
	err = s.View(context.Background(), func(r audit.Reader) error {
		size, err = r.Size()
		return err
	})
	return size, err
}

// TestStubbornGuard has a guard that always reports a conflict: signing gives up.
func TestStubbornGuard(t *testing.T) {
	w := grown(t, 1)
	w.append(1)
	signer := audit.NewSigner(w.ring, stubbornGuard{w.guard})
	if _, err := audit.Open(t.Context(), w.storage, signer); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("error is %v, want ErrConflict", err)
	}
}

type stubbornGuard struct{ audit.Guard }

func (stubbornGuard) Swap(context.Context, audit.Head, audit.Head) error { return audit.ErrConflict }

// A betweenSigner lets another process act just after the guard was looked at, or just before it is written.
type betweenSigner struct {
	audit.Signer
	afterHead, beforeSign func() // each once
}

func (s *betweenSigner) Head(ctx context.Context) (audit.Head, error) {
	h, err := s.Signer.Head(ctx)
	once(&s.afterHead)
	return h, err
}

func (s *betweenSigner) Sign(ctx context.Context, old audit.Head, tree tlog.Tree, proof tlog.TreeProof) ([]byte, error) {
	once(&s.beforeSign)
	return s.Signer.Sign(ctx, old, tree, proof)
}

func once(f *func()) {
	if do := *f; do != nil {
		*f = nil
		do()
	}
}

// TestInBetween has another process go through all its steps between any two of ours: both are served.
func TestInBetween(t *testing.T) {
	ctx := t.Context()
	others := func(w *world) func() {
		return func() {
			w.append(3)
			w.sign(w.open())
		}
	}
	t.Run("after our look at the guard", func(t *testing.T) {
		w := grown(t, 5)
		l, err := audit.Open(ctx, w.storage, &betweenSigner{Signer: w.signer(), afterHead: others(w)})
		if err != nil {
			t.Fatal(err)
		}
		if cp := w.sign(l); cp.Size != 8 {
			t.Errorf("signed size %d", cp.Size)
		}
	})
	t.Run("before our swap", func(t *testing.T) {
		w := grown(t, 5)
		w.append(1)
		l, err := audit.Open(ctx, w.storage, &betweenSigner{Signer: w.signer(), beforeSign: others(w)})
		if err != nil {
			t.Fatal(err)
		}
		if cp := w.sign(l); cp.Size != 9 {
			t.Errorf("signed size %d", cp.Size)
		}
	})
	t.Run("while we verify", func(t *testing.T) {
		w := grown(t, 5)
		r, err := audit.Verify(ctx, w.storage, &betweenSigner{Signer: w.signer(), afterHead: others(w)}, nil)
		if err != nil || r.Size != 8 {
			t.Errorf("report is %+v, %v", r, err)
		}
	})
	begin := func(w *world) func() {
		return func() {
			w.begin()
			w.append(1)
			w.sign(w.open())
		}
	}
	t.Run("begins while we look for a log", func(t *testing.T) {
		w := newWorld(t)
		if _, err := audit.Open(ctx, w.storage, &betweenSigner{Signer: w.signer(), afterHead: begin(w)}); err != nil {
			t.Error(err)
		}
	})
	t.Run("begins before we do", func(t *testing.T) {
		w := newWorld(t)
		if _, err := audit.Begin(ctx, w.storage, &betweenSigner{Signer: w.signer(), beforeSign: begin(w)}); err != nil {
			t.Error(err)
		}
		w.verify()
	})
}

// TestSignReadsHashesOnce counts how often storage is asked for hashes: a signature over few entries asks once, over any size.
func TestSignReadsHashesOnce(t *testing.T) {
	w := newWorld(t)
	counted := &countingStorage{Storage: w.storage}
	w.begin()
	l := mustOpen(t, counted, w.signer())
	for size := int64(0); size < 140; {
		more := 1 + int(size)%3
		w.append(more)
		size += int64(more)
		counted.reads.Store(0)
		if cp := w.sign(l); cp.Size != size || cp.Root != reference(size) {
			t.Fatalf("signed %+v", cp.Head)
		}
		if n := counted.reads.Load(); n != 1 {
			t.Errorf("size %d: hashes were read %d times, want once", size, n)
		}
	}
	w.append(700)
	if cp := w.sign(l); cp.Root != reference(cp.Size) {
		t.Errorf("signed %+v", cp.Head)
	}
}

// A countingStorage counts how often it is asked for hashes.
type countingStorage struct {
	audit.Storage
	reads atomic.Int64
}

func (s *countingStorage) View(ctx context.Context, f func(audit.Reader) error) error {
	return s.Storage.View(ctx, func(r audit.Reader) error { return f(countingReader{r, &s.reads}) })
}

type countingReader struct {
	audit.Reader
	reads *atomic.Int64
}

func (r countingReader) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	if len(ids) > 0 {
		r.reads.Add(1)
	}
	return r.Reader.ReadHashes(ids)
}

// TestSignAfterAnother has another process sign between our rounds: what we know of the guard is old, and we find out.
func TestSignAfterAnother(t *testing.T) {
	w := newWorld(t)
	ours := w.begin()
	theirs := w.open()
	for range 5 {
		for _, l := range []*audit.Log{ours, theirs, theirs, ours, ours} {
			w.append(3)
			size, _ := sizeOf(w.storage)
			if cp := w.sign(l); cp.Size != size || cp.Root != reference(size) {
				t.Fatalf("signed %+v, there are %d entries", cp.Head, size)
			}
		}
		size, _ := sizeOf(w.storage)
		for _, l := range []*audit.Log{ours, theirs} {
			if cp := w.sign(l); cp.Size != size {
				t.Fatalf("signed %+v, there are %d entries", cp.Head, size)
			}
		}
	}
	if r := w.verify(); r.Checkpoints != 26 || len(r.Notes) != 0 {
		t.Errorf("report is %+v", r)
	}
}
