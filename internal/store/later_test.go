package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// TestOnlyWhatMayComeLaterDoesNotWait asks the database, in each transaction, whether its commit waits for the disk.
func TestOnlyWhatMayComeLaterDoesNotWait(t *testing.T) { onEach(t, onlyWhatMayComeLaterDoesNotWait) }

func onlyWhatMayComeLaterDoesNotWait(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	waits := func(tx *store.Tx, want bool) error {
		got, err := tx.Waits()
		if err == nil && got != want {
			err = fmt.Errorf("the commit waits for the disk: %v, want %v", got, want)
		}
		return err
	}
	for range 3 {
		later := s.WriteLater(t.Context(), func(w audit.Writer) error {
			return errors.Join(w.PutCheckpoint(1, []byte("note")), waits(w.(*store.Tx), false))
		})
		now := s.Update(t.Context(), func(tx *store.Tx) error { return waits(tx, true) })
		if err := errors.Join(later, now); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatMayComeLaterMakesNobodyElseHasty has both kinds share transactions.
func TestWhatMayComeLaterMakesNobodyElseHasty(t *testing.T) {
	onEach(t, whatMayComeLaterMakesNobodyElseHasty)
}

func whatMayComeLaterMakesNobodyElseHasty(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			err := s.Update(t.Context(), func(tx *store.Tx) error {
				if waits, err := tx.Waits(); !waits || err != nil {
					return fmt.Errorf("it may be lost: %w", err)
				}
				_, err := tx.Append(entry(taffrail.LogStarted{}))
				return err
			})
			later := s.WriteLater(t.Context(), func(w audit.Writer) error { return w.PutCheckpoint(int64(i), []byte("note")) })
			if err := errors.Join(err, later); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := size(t, s); n != 100 {
		t.Errorf("%d entries", n)
	}
}

// TestReadingGoesOnWhereWhatComesLaterFails has the disk be full for what was to be written later: nobody who reads is told of that.
func TestReadingGoesOnWhereWhatComesLaterFails(t *testing.T) {
	s := inFolder(t.TempDir()).store(t, store.Create)
	if err := s.LimitPages(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteLater(t.Context(), func(w audit.Writer) error { return w.PutCheckpoint(1, make([]byte, 1<<20)) }); err != nil {
		t.Fatal(err)
	}
	err := s.View(t.Context(), func(r audit.Reader) error {
		if note, err := r.CheckpointAt(1); note != nil || err != nil {
			t.Errorf("it was written after all, with %d bytes: %v", len(note), err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("read: %v", err)
	}
}
