package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// told wants a store to tell all leaves from an index on, or to say that it cannot.
func told(t *testing.T, s *store.Store, from int64, ok bool) {
	t.Helper()
	got, can := s.Committed(t.Context(), from)
	if can != ok {
		t.Errorf("from %d: it can tell: %v, want %v", from, can, ok)
	}
	if !ok || !can {
		return
	}
	var want []tlog.Hash
	err := s.View(t.Context(), func(r audit.Reader) error {
		size, err := r.Size()
		if err != nil {
			return err
		}
		return r.Entries(from, size, func(_ int64, body []byte) error {
			want = append(want, tlog.RecordHash(body))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("from %d: %s", from, diff)
	}
}

// TestCommitted tells what one store has committed, and nothing where others did.
func TestCommitted(t *testing.T) { onEach(t, committed) }

func committed(t *testing.T, p *place) {
	s, other := p.store(t, store.Create), p.store(t, store.Write)
	told(t, s, 0, true)
	appendEntry := func(s *store.Store, fails error) {
		t.Helper()
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Append(entry(taffrail.LogStarted{}))
			return errors.Join(err, fails)
		})
		if (err == nil) != (fails == nil) {
			t.Fatal(err)
		}
	}
	appendEntry(s, nil)
	appendEntry(s, errors.New("error of the test"))
	appendEntry(s, nil)
	told(t, s, 0, true)
	told(t, s, 1, true)
	told(t, s, 2, true)
	told(t, s, 3, false)
	told(t, other, 2, false)

	appendEntry(other, nil)
	told(t, s, 2, false)
	told(t, other, 2, true)
	appendEntry(s, nil) // with another's before it
	told(t, s, 2, false)
	told(t, s, 3, true)

	p.tamper(t, "DELETE FROM entry WHERE idx = 3")
	told(t, s, 3, false)
}
