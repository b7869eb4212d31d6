package plugtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/taffrail-dev/taffrail"
)

// An EventReaderCase is a source with records in it.
type EventReaderCase struct {
	// New makes the source anew, with the same records each time.
	New func(t *testing.T) EventWorld
	// Want is how many records it has. There must be more than one batch of them.
	Want int
}

// An EventWorld is one source, that can be read again and again.
type EventWorld struct {
	Open func() taffrail.EventReader
	// Acknowledged is of how many records the source was told that they have been taken; nil if it is told of none.
	Acknowledged func() int
}

// EventReader tests what [taffrail.EventReader] promises.
func EventReader(t *testing.T, c EventReaderCase) {
	t.Helper()
	keeps(t, c, eventReaderPromises)
}

var eventReaderPromises = []promise[EventReaderCase]{
	{"every record is emitted, in batches within bounds", checkAllRecords},
	{"what was emitted stays as it was", checkRecordsStay},
	{"never two emits at once", checkEmitsApart},
	{"after the last cursor there is nothing more", checkNothingMore},
	{"a cursor is where it goes on", checkEachCursor},
	{"an error of emit stops it, and comes back as it is", checkEmitFails},
	{"cancelled before, nothing is emitted", checkReadCancelled},
	{"cancelled at each emit, nothing is lost", checkReadCancelledDuring},
	{"the source is told of nothing that is not in the log", checkAcknowledged},
}

// An intake is what was taken of a source so far.
type intake struct {
	batches []taffrail.Batch
	records [][]byte // as they were when they were emitted
	cursor  taffrail.Cursor
}

func (k *intake) take(b taffrail.Batch) {
	k.batches = append(k.batches, b)
	for _, r := range b.Records {
		k.records = append(k.records, bytes.Clone(r.Raw))
	}
	if b.Next != "" {
		k.cursor = b.Next
	}
}

// readAll reads until nothing comes any more.
func (k *intake) readAll(ctx context.Context, r taffrail.EventReader) error {
	return r.ReadEvents(ctx, k.cursor, func(b taffrail.Batch) error {
		k.take(b)
		return nil
	})
}

func takeAll(t *testing.T, c EventReaderCase) (*intake, EventWorld, error) {
	w := c.New(t)
	var k intake
	if err := k.readAll(t.Context(), w.Open()); err != nil {
		return nil, w, err
	}
	return &k, w, nil
}

func checkAllRecords(t *testing.T, c EventReaderCase) error {
	k, _, err := takeAll(t, c)
	if err != nil {
		return err
	}
	if len(k.records) != c.Want {
		return fmt.Errorf("%d records, want %d", len(k.records), c.Want)
	}
	filled := 0
	for i, b := range k.batches {
		if err := checkBatch(b); err != nil {
			return fmt.Errorf("batch %d: %w", i, err)
		}
		if len(b.Records) > 0 {
			filled++
		}
	}
	if filled < 2 {
		return fmt.Errorf("the case has %d batches of records, which tests too little", filled)
	}
	return nil
}

func checkBatch(b taffrail.Batch) error {
	size := 0
	for i, r := range b.Records {
		size += len(r.Raw)
		if r.Format == "" || r.Raw == nil && r.Fault == "" {
			return fmt.Errorf("record %d has no format, or neither bytes nor a fault", i)
		}
	}
	switch {
	case len(b.Records) > taffrail.MaxBatchRecords, size > taffrail.MaxBatchBytes && len(b.Records) > 1:
		return fmt.Errorf("%d records and %d bytes are too many", len(b.Records), size)
	case len(b.Next) > taffrail.MaxCursor || !utf8.ValidString(string(b.Next)):
		return errors.New("the cursor is too long, or no text")
	case b.Origin == "" && len(b.Records) > 0:
		return errors.New("it does not say what delivered it")
	}
	return nil
}

func checkRecordsStay(t *testing.T, c EventReaderCase) error {
	k, _, err := takeAll(t, c)
	if err != nil {
		return err
	}
	i := 0
	for _, b := range k.batches {
		for _, r := range b.Records {
			if !bytes.Equal(r.Raw, k.records[i]) {
				return fmt.Errorf("record %d was changed after it was emitted", i)
			}
			i++
		}
	}
	return nil
}

func checkEmitsApart(t *testing.T, c EventReaderCase) error {
	var inside atomic.Int32
	var two atomic.Bool
	err := c.New(t).Open().ReadEvents(t.Context(), "", func(taffrail.Batch) error {
		inside.Add(1)
		for range 1000 {
			runtime.Gosched() // so that whoever else is about to emit gets here
			if inside.Load() > 1 {
				two.Store(true)
			}
		}
		inside.Add(-1)
		return nil
	})
	if two.Load() {
		return errors.New("two batches were emitted at once")
	}
	return err
}

func checkNothingMore(t *testing.T, c EventReaderCase) error {
	k, w, err := takeAll(t, c)
	if err != nil {
		return err
	}
	n := len(k.records)
	for _, r := range []taffrail.EventReader{w.Open(), w.Open()} {
		if err := k.readAll(t.Context(), r); err != nil {
			return err
		}
	}
	if len(k.records) != n {
		return fmt.Errorf("%d records came again", len(k.records)-n)
	}
	return nil
}

// checkEachCursor stops after each batch that has a cursor, as a crash would, and goes on from there with another reader.
func checkEachCursor(t *testing.T, c EventReaderCase) error {
	full, _, err := takeAll(t, c)
	if err != nil {
		return err
	}
	for i, b := range full.batches {
		if b.Next == "" {
			continue
		}
		w := c.New(t)
		k, err := takeBatches(t, w, i+1)
		if err != nil {
			return err
		}
		n := len(k.records)
		if err := k.readAll(t.Context(), w.Open()); err != nil {
			return err
		}
		if len(k.records) != c.Want {
			return fmt.Errorf("after %d of %d records, %d came", n, c.Want, len(k.records)-n)
		}
		if err := sameRecords(full.records, k.records); err != nil {
			return fmt.Errorf("after batch %d: %w", i, err)
		}
	}
	return nil
}

var errEnough = errors.New("enough")

// takeBatches takes some batches, and refuses the next.
func takeBatches(t *testing.T, w EventWorld, n int) (*intake, error) {
	var k intake
	err := w.Open().ReadEvents(t.Context(), "", func(b taffrail.Batch) error {
		if len(k.batches) == n {
			return errEnough
		}
		k.take(b)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return &k, nil
}

// sameRecords says whether each record came, whatever the order.
func sameRecords(want, got [][]byte) error {
	missing := map[string]int{}
	for _, r := range want {
		missing[string(r)]++
	}
	for _, r := range got {
		missing[string(r)]--
	}
	for r, n := range missing {
		if n > 0 {
			return fmt.Errorf("a record of %d bytes did not come", len(r))
		}
	}
	return nil
}

func checkEmitFails(t *testing.T, c EventReaderCase) error {
	full, _, err := takeAll(t, c)
	if err != nil {
		return err
	}
	for at := range full.batches {
		w, mine, calls := c.New(t), errors.New("emit fails"), 0
		var k intake
		err := w.Open().ReadEvents(t.Context(), "", func(b taffrail.Batch) error {
			if calls++; calls > at {
				return mine
			}
			k.take(b)
			return nil
		})
		if err != mine { //nolint:errorlint // as it is, not wrapped
			return fmt.Errorf("emit %d: its error did not come back as it is, but: %w", at, err)
		}
		if calls != at+1 {
			return fmt.Errorf("emit %d failed, and there were %d calls", at, calls)
		}
		if err := k.readAll(t.Context(), w.Open()); err != nil {
			return fmt.Errorf("reading again after emit %d failed: %w", at, err)
		}
		if err := sameRecords(full.records, k.records); err != nil {
			return fmt.Errorf("emit %d failed, and was lost: %w", at, err)
		}
	}
	return nil
}

func checkReadCancelled(t *testing.T, c EventReaderCase) error {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var k intake
	if err := k.readAll(ctx, c.New(t).Open()); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("want the context's error, got: %w", err)
	}
	if len(k.batches) > 0 {
		return fmt.Errorf("%d batches were emitted", len(k.batches))
	}
	return nil
}

func checkReadCancelledDuring(t *testing.T, c EventReaderCase) error {
	full, _, err := takeAll(t, c)
	if err != nil {
		return err
	}
	for at := range full.batches {
		w := c.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		var k intake
		err := w.Open().ReadEvents(ctx, "", func(b taffrail.Batch) error {
			if len(k.batches) == at {
				cancel()
			}
			k.take(b)
			return nil
		})
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("cancelled at emit %d: %w", at, err)
		}
		if len(k.batches) > at+1 {
			return fmt.Errorf("cancelled at emit %d, and %d more came", at, len(k.batches)-at-1)
		}
		if err := k.readAll(t.Context(), w.Open()); err != nil {
			return fmt.Errorf("reading on after emit %d: %w", at, err)
		}
		if err := sameRecords(full.records, k.records); err != nil {
			return fmt.Errorf("cancelled at emit %d: %w", at, err)
		}
	}
	return nil
}

// checkAcknowledged looks at each emit at what the source was told until then.
func checkAcknowledged(t *testing.T, c EventReaderCase) error {
	w := c.New(t)
	if w.Acknowledged == nil {
		return nil
	}
	var k intake
	var early []int
	err := w.Open().ReadEvents(t.Context(), "", func(b taffrail.Batch) error {
		if told := w.Acknowledged(); told > len(k.records) {
			early = append(early, told-len(k.records))
		}
		k.take(b)
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(early) > 0:
		return fmt.Errorf("the source was told of %d records before they were in the log", slices.Max(early))
	case w.Acknowledged() != c.Want:
		return fmt.Errorf("in the end the source was told of %d records of %d", w.Acknowledged(), c.Want)
	}
	return nil
}
