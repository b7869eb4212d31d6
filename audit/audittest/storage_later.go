package audittest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
)

func later(t *testing.T, s audit.Storage) audit.LaterWriter {
	t.Helper()
	l, ok := s.(audit.LaterWriter)
	if !ok {
		t.Skip("it writes nothing later")
	}
	return l
}

func putNote(size int64, note string) func(audit.Writer) error {
	return func(w audit.Writer) error { return w.PutCheckpoint(size, []byte(note)) }
}

func wantNote(t *testing.T, r audit.Reader, size int64, want string) {
	t.Helper()
	if got, err := r.CheckpointAt(size); string(got) != want || err != nil {
		t.Errorf("checkpoint of size %d is %q, %v, want %q", size, got, err, want)
	}
}

// storageLater has everyone see at once what is written later, and leaves it where it is when more is written.
func storageLater(t *testing.T, s audit.Storage) {
	l := later(t, s)
	write(t, s, appendEntries(3))
	view(t, s, func(before audit.Reader) error {
		wantNote(t, before, 3, "")
		if err := l.WriteLater(t.Context(), putNote(3, "later")); err != nil {
			t.Fatalf("write later: %v", err)
		}
		wantNote(t, before, 3, "")
		return nil
	})
	view(t, s, func(r audit.Reader) error {
		wantNote(t, r, 3, "later")
		if got, err := r.Checkpoint(); string(got) != "later" || err != nil {
			t.Errorf("the newest checkpoint is %q, %v", got, err)
		}
		return nil
	})
	write(t, s, func(w audit.Writer) error {
		wantNote(t, w, 3, "later")
		return appendEntries(2)(w)
	})
	if err := l.WriteLater(t.Context(), putNote(3, "again")); err != nil {
		t.Fatalf("write later: %v", err)
	}
	view(t, s, func(r audit.Reader) error {
		wantNote(t, r, 3, "again")
		return nil
	})
	holds(t, s, 5)
}

// storageLaterFails leaves nothing behind, and gives errors as Write does where it gives them.
func storageLaterFails(t *testing.T, s audit.Storage) {
	l := later(t, s)
	write(t, s, appendEntries(3))
	err := l.WriteLater(t.Context(), func(w audit.Writer) error {
		if err := errors.Join(putNote(3, "note")(w), appendEntries(1)(w)); err != nil {
			return err
		}
		return errTest
	})
	if err != nil && !asItIs(err) {
		t.Errorf("write later: %v, want f's error as it is, or none", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.WriteLater(ctx, putNote(3, "note")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	nothingNew(t, s, 3)
}

// storageLaterTurns mixes both kinds of writing: each sees all that was written before it.
func storageLaterTurns(t *testing.T, s audit.Storage) {
	const writers, each = 4, 10
	l := later(t, s)
	write(t, s, appendEntries(1))
	write(t, s, putNote(1, "."))
	var all sync.WaitGroup
	longer := func(w audit.Writer) error {
		held, err := w.CheckpointAt(1)
		if err != nil {
			return err
		}
		return w.PutCheckpoint(1, append(held, '.'))
	}
	for range writers {
		all.Go(func() {
			for range each {
				if err := errors.Join(s.Write(t.Context(), longer), l.WriteLater(t.Context(), longer)); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	all.Wait()
	view(t, s, func(r audit.Reader) error {
		if got, err := r.CheckpointAt(1); len(got) != 1+2*writers*each || err != nil {
			t.Errorf("%d of %d writes came through, %v", len(got)-1, 2*writers*each, err)
		}
		return nil
	})
}
