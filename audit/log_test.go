package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"golang.org/x/mod/sumdb/note"
)

const origin = "taffrail.local/test"

// A world is all that is durable of one log, and its key.
type world struct {
	t       *testing.T
	storage *audittest.Memory
	guard   *audittest.MemoryGuard
	faults  *audittest.Faults
	key     note.Signer
	ring    audit.Ring
}

func newWorld(t *testing.T) *world {
	ring := audittest.Ring(t, origin)
	return &world{t, audittest.NewMemory(), audittest.NewMemoryGuard(), new(audittest.Faults), ring.Private()[0], ring}
}

func (w *world) store() audit.Storage { return audittest.FaultyStorage(w.storage, w.faults) }

func (w *world) signer() *audit.GuardedSigner {
	return audit.NewSigner(audittest.FaultyKeys(w.ring, w.faults), audittest.FaultyGuard(w.guard, w.faults))
}

func (w *world) begin() *audit.Log {
	w.t.Helper()
	l, err := audit.Begin(w.t.Context(), w.store(), w.signer())
	if err != nil {
		w.t.Fatalf("begin: %v", err)
	}
	return l
}

func (w *world) open() *audit.Log {
	w.t.Helper()
	l, err := audit.Open(w.t.Context(), w.store(), w.signer())
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	return l
}

// body is the entry of an index.
func body(i int64) []byte { return fmt.Appendf(nil, `{"n":%d}`, i) }

func (w *world) append(n int) {
	w.t.Helper()
	for range n {
		if err := appendTo(w.t.Context(), w.store()); err != nil {
			w.t.Fatalf("append: %v", err)
		}
	}
}

func appendTo(ctx context.Context, s audit.Storage) error {
	return s.Write(ctx, func(tx audit.Writer) error {
		size, err := tx.Size()
		if err != nil {
			return err
		}
		index, err := audit.Append(tx, body(size))
		if err == nil && index != size {
			err = fmt.Errorf("index is %d, want %d", index, size)
		}
		return err
	})
}

func (w *world) sign(l *audit.Log) audit.Checkpoint {
	w.t.Helper()
	cp, err := l.Sign(w.t.Context())
	if err != nil {
		w.t.Fatalf("sign: %v", err)
	}
	return cp
}

func (w *world) verify() audit.Report {
	w.t.Helper()
	r, err := audit.Verify(w.t.Context(), w.storage, w.signer(), nil)
	if err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	return r
}

// grown gives a world whose log has as many entries as the last of sizes, signed at each of them.
func grown(t *testing.T, sizes ...int) *world {
	w := newWorld(t)
	l := w.begin()
	at := 0
	for _, size := range sizes {
		w.append(size - at)
		at = size
		w.sign(l)
	}
	return w
}

func TestLife(t *testing.T) {
	w := newWorld(t)
	if _, err := audit.Open(t.Context(), w.store(), w.signer()); !errors.Is(err, audit.ErrNoLog) {
		t.Fatalf("open where nothing is: %v, want ErrNoLog", err)
	}
	if _, err := audit.Verify(t.Context(), w.store(), w.signer(), nil); !errors.Is(err, audit.ErrNoLog) {
		t.Fatalf("verify where nothing is: %v, want ErrNoLog", err)
	}
	l := w.begin()
	w.append(3)
	cp := w.sign(l)
	if cp.Size != 3 || cp.Origin != origin || cp.Root != reference(3) {
		t.Errorf("signed %+v", cp.Head)
	}
	if opened, err := w.ring.Keys().Open(cp.Note); err != nil || opened.Head != cp.Head {
		t.Errorf("the note says %+v, %v", opened.Head, err)
	}
	if head, err := w.guard.Load(t.Context()); err != nil || head != cp.Head {
		t.Errorf("the guard holds %+v, %v", head, err)
	}
	w.append(2)
	l = w.open() // signs what is left
	r, err := l.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != 5 || r.Signed != 5 || r.Root != reference(5) || r.Checkpoints != 3 || len(r.Notes) != 0 || r.Origin != origin {
		t.Errorf("report is %+v", r)
	}
}

func TestBegin(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		w := grown(t, 1)
		if _, err := audit.Begin(t.Context(), w.store(), w.signer()); !errors.Is(err, audit.ErrExists) {
			t.Errorf("error is %v, want ErrExists", err)
		}
	})
	t.Run("cut short after the guard", func(t *testing.T) {
		w := newWorld(t)
		w.guard.Set(audit.EmptyHead(origin))
		w.append(1)
		w.sign(w.begin())
		w.verify()
	})
	t.Run("lost log is not begun", func(t *testing.T) {
		w := grown(t, 2)
		w.storage.Restore(audittest.State{})
		if _, err := audit.Begin(t.Context(), w.store(), w.signer()); !errors.Is(err, audit.ErrExists) {
			t.Errorf("error is %v, want ErrExists", err)
		}
	})
	t.Run("log without guard is not begun", func(t *testing.T) {
		w := grown(t, 2)
		w.guard.Set(audit.Head{})
		_, err := audit.Begin(t.Context(), w.store(), w.signer())
		wantCorrupt(t, err, "the guard state is missing")
	})
	t.Run("two at once", func(t *testing.T) {
		w := newWorld(t)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { w.begin() })
		}
		all.Wait()
		w.append(1)
		w.open()
		w.verify()
	})
}

func TestSignIsIdempotent(t *testing.T) {
	w := grown(t, 4)
	before := w.storage.State()
	l := w.open()
	for range 3 {
		if cp := w.sign(l); cp.Size != 4 || string(cp.Note) != string(before.Checkpoints[1].Note) {
			t.Errorf("signed again as %s", cp.Note)
		}
	}
	if n := len(w.storage.State().Checkpoints); n != 2 {
		t.Errorf("%d checkpoints are stored, want 2", n)
	}
}

func TestAppendRefuses(t *testing.T) {
	w := grown(t, 1)
	for name, body := range map[string][]byte{"empty": {}, "too large": make([]byte, audit.MaxEntry+1)} {
		err := w.storage.Write(t.Context(), func(tx audit.Writer) error {
			_, err := audit.Append(tx, body)
			return err
		})
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if size, _ := sizeOf(w.storage); size != 1 {
		t.Errorf("the log has %d entries, want 1", size)
	}
}

func TestCancelled(t *testing.T) {
	w := grown(t, 2)
	l := w.open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Sign(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("sign: %v", err)
	}
	if _, err := l.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
	if _, err := audit.Open(ctx, w.storage, w.signer()); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	w.sign(l)
}
