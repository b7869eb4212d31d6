package plugtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A ReceiverCase is a receiver of events, and a sender for it.
type ReceiverCase struct {
	// Open opens the receiver, which is to listen at a port of 127.0.0.1 that the system chooses.
	Open func(t *testing.T) taffrail.EventReceiver
	// Send delivers a few good records, and says whether it was told that they were taken.
	Send func(ctx context.Context, address string) (taken bool, err error)
	// Records is how many of them one delivery has.
	Records int
	// Silent is for protocols that answer nothing: Send says then that it has sent.
	Silent bool
}

// Receiver tests what [taffrail.EventReceiver] promises.
func Receiver(t *testing.T, c ReceiverCase) {
	t.Helper()
	keeps(t, c, receiverPromises)
}

var receiverPromises = []promise[ReceiverCase]{
	{"ready once, at an address that can be reached", checkReady},
	{"a delivery becomes records", checkDelivery},
	{"taken is said after emit, and not before", checkTakenAfterEmit},
	{"what emit refuses is not taken, and it goes on", checkRefused},
	{"many at once", checkManyAtOnce},
	{"it ends with nil", checkReceiverEnds},
	{"it ends while a delivery is taken", checkEndsDuring},
	{"cancelled before", checkReceiverCancelledBefore},
}

// patience bounds each wait of this suite: nothing in it takes that long unless a promise is broken.
var patience = 20 * time.Second

// A reception is a receiver that runs.
type reception struct {
	address string
	cancel  func()
	ended   chan error // what Receive returned
	readies atomic.Int32
	over    atomic.Bool  // Receive has returned
	late    atomic.Int32 // emits after that
}

// receive starts a receiver and waits until it is ready.
func receive(t *testing.T, c ReceiverCase, emit func(context.Context, taffrail.Batch) error) (*reception, error) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reception{cancel: cancel, ended: make(chan error, 1)}
	t.Cleanup(cancel)
	ready := make(chan string, 16)
	receiver := c.Open(t)
	go func() {
		err := receiver.Receive(ctx, func(address string) {
			r.readies.Add(1)
			ready <- address
		}, func(ctx context.Context, b taffrail.Batch) error {
			if r.over.Load() {
				r.late.Add(1)
			}
			return emit(ctx, b)
		})
		r.over.Store(true)
		r.ended <- err
	}()
	select {
	case r.address = <-ready:
		return r, nil
	case err := <-r.ended:
		return nil, fmt.Errorf("it ended before it was ready: %w", err)
	case <-time.After(patience):
		return nil, errors.New("it is never ready")
	}
}

// stop ends a receiver and says what was wrong with how it ended.
func (r *reception) stop() error {
	r.cancel()
	select {
	case err := <-r.ended:
		if err != nil {
			return fmt.Errorf("want nil when ctx ends, got: %w", err)
		}
		return nil
	case <-time.After(patience):
		return errors.New("it does not end when ctx ends")
	}
}

func acknowledging(context.Context, taffrail.Batch) error { return nil }

func checkReady(t *testing.T, c ReceiverCase) error {
	r, err := receive(t, c, acknowledging)
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("tcp", r.address, patience)
	if err != nil {
		return fmt.Errorf("it says that it is at %q: %w", r.address, err)
	}
	_ = conn.Close()
	if err := r.stop(); err != nil {
		return err
	}
	if n := r.readies.Load(); n != 1 {
		return fmt.Errorf("ready was called %d times", n)
	}
	return nil
}

// A gathering keeps what was emitted.
type gathering struct {
	mu      sync.Mutex
	batches []taffrail.Batch
	more    chan struct{} // a token for each batch
}

func newGathering() *gathering { return &gathering{more: make(chan struct{}, 1<<16)} }

func (g *gathering) emit(_ context.Context, b taffrail.Batch) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.batches = append(g.batches, b)
	g.more <- struct{}{}
	return nil
}

// await waits until that many records have been emitted.
func (g *gathering) await(records int) error {
	end := time.After(patience)
	for {
		if n := g.records(); n >= records {
			if n > records {
				return fmt.Errorf("want %d records, got %d", records, n)
			}
			return nil
		}
		select {
		case <-g.more:
		case <-end:
			return fmt.Errorf("want %d records, got %d", records, g.records())
		}
	}
}

func (g *gathering) records() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.batches {
		n += len(b.Records)
	}
	return n
}

func checkDelivery(t *testing.T, c ReceiverCase) error {
	g := newGathering()
	r, err := receive(t, c, g.emit)
	if err != nil {
		return err
	}
	if err := sent(t, c, r, true); err != nil {
		return err
	}
	if err := g.await(c.Records); err != nil {
		return err
	}
	for _, b := range g.batches {
		switch {
		case b.Origin == "":
			return errors.New("a batch does not say where it came from")
		case b.Next != "":
			return errors.New("a batch has a cursor, and nobody reads a receiver again")
		case len(b.Records) == 0 || len(b.Records) > taffrail.MaxBatchRecords:
			return fmt.Errorf("a batch has %d records", len(b.Records))
		}
		for _, rec := range b.Records {
			if rec.Format == "" || len(rec.Raw) == 0 {
				return fmt.Errorf("a record has no format or no bytes: %+v", rec)
			}
		}
	}
	return r.stop()
}

// sent sends once, and checks what the sender was told.
func sent(t *testing.T, c ReceiverCase, r *reception, want bool) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	taken, err := c.Send(ctx, r.address)
	if err != nil && (want || ctx.Err() != nil) {
		return fmt.Errorf("send: %w", err)
	}
	if taken != want && !c.Silent {
		return fmt.Errorf("the sender was told that it was taken: %v, want %v", taken, want)
	}
	return nil
}

func checkTakenAfterEmit(t *testing.T, c ReceiverCase) error {
	if c.Silent {
		return nil
	}
	entered, release := make(chan struct{}, 64), make(chan struct{})
	var stored, early atomic.Bool
	r, err := receive(t, c, func(context.Context, taffrail.Batch) error {
		entered <- struct{}{}
		<-release
		stored.Store(true)
		return nil
	})
	if err != nil {
		return err
	}
	told := make(chan error, 1)
	go func() {
		err := sent(t, c, r, true)
		early.Store(!stored.Load())
		told <- err
	}()
	var first error
	select {
	case <-entered:
	case first = <-told:
		told <- first
	case <-time.After(patience):
		close(release)
		return errors.New("emit is never called")
	}
	// What was told too early has a moment to arrive: it was sent before emit was entered, or while it waits here.
	select {
	case err := <-told:
		told <- err
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-told; err != nil {
		return err
	}
	if early.Load() {
		return errors.New("the sender was told that it was taken before emit gave nil")
	}
	return r.stop()
}

func checkRefused(t *testing.T, c ReceiverCase) error {
	var refuse atomic.Bool
	refuse.Store(true)
	g, refused := newGathering(), make(chan struct{}, 64)
	r, err := receive(t, c, func(ctx context.Context, b taffrail.Batch) error {
		if refuse.CompareAndSwap(true, false) {
			refused <- struct{}{}
			return &taffrail.Error{Op: "append", Kind: taffrail.KindUnavailable, Err: errors.New("the disk is full")}
		}
		return g.emit(ctx, b)
	})
	if err != nil {
		return err
	}
	if err := sent(t, c, r, false); err != nil {
		return err
	}
	select {
	case <-refused:
	case <-time.After(patience):
		return errors.New("emit is never called")
	}
	if err := sent(t, c, r, true); err != nil {
		return fmt.Errorf("after a delivery that was refused: %w", err)
	}
	if c.Silent { // whom nobody tells cannot send again: what was refused is offered again
		if err := g.await(2 * c.Records); err != nil {
			return err
		}
	} else if g.records() < c.Records {
		return fmt.Errorf("want %d records, got %d", c.Records, g.records())
	}
	return r.stop()
}

func checkManyAtOnce(t *testing.T, c ReceiverCase) error {
	const senders = 8
	g := newGathering()
	r, err := receive(t, c, g.emit)
	if err != nil {
		return err
	}
	errs := make(chan error, senders)
	for range senders {
		go func() { errs <- sent(t, c, r, true) }()
	}
	for range senders {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		return err
	}
	if err := g.await(senders * c.Records); err != nil {
		return err
	}
	return r.stop()
}

func checkReceiverEnds(t *testing.T, c ReceiverCase) error {
	r, err := receive(t, c, acknowledging)
	if err != nil {
		return err
	}
	if err := sent(t, c, r, true); err != nil {
		return err
	}
	if err := r.stop(); err != nil {
		return err
	}
	if conn, err := net.DialTimeout("tcp", r.address, patience); err == nil {
		_ = conn.Close()
		return errors.New("it has returned and still listens")
	}
	return nil
}

// checkEndsDuring ends ctx while emit runs: what emit then takes is taken, and nothing is emitted once Receive has returned.
func checkEndsDuring(t *testing.T, c ReceiverCase) error {
	entered, release := make(chan struct{}, 64), make(chan struct{})
	var stored atomic.Int32
	r, err := receive(t, c, func(_ context.Context, b taffrail.Batch) error {
		entered <- struct{}{}
		<-release
		stored.Add(int32(len(b.Records)))
		return nil
	})
	if err != nil {
		return err
	}
	told := make(chan bool, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		taken, _ := c.Send(ctx, r.address)
		told <- taken
	}()
	select {
	case <-entered:
	case <-time.After(patience):
		close(release)
		return errors.New("emit is never called")
	}
	r.cancel()
	select {
	case err := <-r.ended:
		close(release)
		return errors.Join(errors.New("it has returned while emit runs"), err)
	case <-time.After(50 * time.Millisecond): // it has a moment to break the promise
	}
	close(release)
	if err := r.stop(); err != nil {
		return err
	}
	if taken := <-told; taken && int(stored.Load()) < c.Records && !c.Silent {
		return errors.New("the sender was told that all was taken")
	}
	if r.late.Load() > 0 {
		return errors.New("it emits after it has returned")
	}
	return nil
}

func checkReceiverCancelledBefore(t *testing.T, c ReceiverCase) error {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	receiver := c.Open(t)
	go func() { ended <- receiver.Receive(ctx, func(string) {}, acknowledging) }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("want nil, got: %w", err)
		}
		return nil
	case <-time.After(patience):
		return errors.New("it does not end")
	}
}
