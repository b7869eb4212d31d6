package store

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
)

// maxGroup bounds how many updates share one commit.
const maxGroup = 256

// An update waits for its turn in the one transaction that runs at a time.
type update struct {
	ctx    context.Context
	f      func(*Tx) error
	later  bool // it need not be durable yet
	wanted bool // somebody waits for it nevertheless
	err    error
	done   chan struct{}
}

func (u *update) end(s *Store) {
	if u.later && !u.wanted {
		s.late.Add(-1)
	}
	close(u.done)
}

func (u *update) ended() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// Update runs f in a write transaction: all or nothing, and durable when it returns nil. Updates that wait at the same time share
// one commit; one that fails takes nothing of the others with it, but for where the database itself gives way, as on a full disk. f runs on
// any goroutine, must not keep the Tx, and its error is returned as it is. An update that has begun runs to its end even if ctx ends,
// so that its outcome is known.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	return s.update(&update{ctx: ctx, f: f, done: make(chan struct{})})
}

// WriteLater implements [audit.LaterWriter]: it is Update, but that it does not wait for its turn, and that what is written is durable no later
// than what is written next by Update. So most of it comes along with that, in one commit. What f gives is lost where it fails.
func (s *Store) WriteLater(ctx context.Context, f func(audit.Writer) error) error {
	u := &update{ctx: context.WithoutCancel(ctx), f: func(tx *Tx) error { return f(tx) }, later: true, done: make(chan struct{})}
	s.late.Add(1)
	if err := s.enqueue(ctx, u); err != nil {
		s.late.Add(-1)
		return err
	}
	s.lingers()
	return nil
}

// settle waits until all has come to its end that was to be written later when it was called, be it that it failed, or until ctx ends.
func (s *Store) settle(ctx context.Context) error {
	if s.late.Load() == 0 {
		return nil
	}
	u := &update{ctx: ctx, f: func(*Tx) error { return nil }, later: true, wanted: true, done: make(chan struct{})}
	if err := s.enqueue(ctx, u); err != nil {
		return err
	}
	s.wake() // and not this goroutine, since it may have to wait beyond the end of ctx
	select {
	case <-u.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) update(u *update) error {
	if err := s.enqueue(u.ctx, u); err != nil {
		return err
	}
	s.takeTurn(u)
	<-u.done
	return u.err
}

func (s *Store) enqueue(ctx context.Context, u *update) error {
	if s.writer == nil {
		return s.boundary("write log database", fmt.Errorf("%s is open for reading only", s.name))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.queue <- u:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeTurn takes the turn, if nobody has it, and keeps it until an update is done: to have another goroutine do it takes longer than most of our
// statements do. Whoever has the turn looks at the queue once more after giving it back, so that nothing stays there.
func (s *Store) takeTurn(u *update) {
	select {
	case s.turn <- struct{}{}:
	default:
		return
	}
	for !u.ended() && s.round() {
	}
	<-s.turn
	if len(s.queue) > 0 {
		s.wake()
	}
}

// write leads in the place of callers: for those who came when a caller's own update was done, and for what is to be written later.
func (s *Store) write() {
	defer close(s.done)
	for open := true; open; {
		select {
		case <-s.woken:
		case <-s.closing:
			open = false
		}
		for len(s.queue) > 0 {
			s.turn <- struct{}{}
			for s.round() {
			}
			<-s.turn
		}
	}
}

// wake has write look at the queue.
func (s *Store) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// lingering is how long what is written later waits for something to come along with, if nobody wants to see it.
const lingering = 2 * time.Millisecond

// lingers has write woken in a while, unless it will be in any case.
func (s *Store) lingers() {
	if s.lingered.CompareAndSwap(false, true) {
		time.AfterFunc(lingering, func() {
			s.lingered.Store(false)
			if s.late.Load() > 0 {
				s.wake()
			}
		})
	}
}

// round takes what waits, up to a bound, into one transaction. It is false where nothing waits. Whoever calls it has the turn.
func (s *Store) round() bool {
	runtime.Gosched() // whoever was just answered, and goes on writing, comes along
	group := s.collect()
	if len(group) == 0 {
		return false
	}
	if err := s.commit(group); err != nil {
		for _, u := range group {
			u.err = s.boundary("write log database", err)
		}
	}
	s.scrub(context.Background())
	for _, u := range group {
		u.end(s)
	}
	return true
}

func onlyLater(group []*update) bool {
	return !slices.ContainsFunc(group, func(u *update) bool { return !u.later })
}

// collect takes what waits, up to a bound.
func (s *Store) collect() (group []*update) {
	for len(group) < maxGroup {
		select {
		case u := <-s.queue:
			group = append(group, u)
		default:
			return group
		}
	}
	return group
}

// commit runs a group. Its own error means that nothing of the group is known to be stored; an update that failed alone has its error
// and left nothing. If we stop before the commit, nothing happened; after it, everything is durable and nobody was told yet. Where all of
// the group may be durable later, so it is.
func (s *Store) commit(group []*update) (err error) {
	// An interrupted statement would roll the whole group back.
	ctx := context.Background()
	later := onlyLater(group)
	if err := s.pace(ctx, later); err != nil {
		return err
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.end()
	if later && s.dialect.later != "" {
		tx.unsent = append(tx.unsent, call{statement: s.dialect.later})
	}
	*tx.known, s.known = s.known, knowledge{} // what is known holds if the group is committed
	tx.known.read, tx.shared = false, len(group) > 1
	for _, u := range group {
		if u.err = u.ctx.Err(); u.err != nil {
			continue
		}
		if err := s.one(tx, u); err != nil {
			return err
		}
	}
	if !tx.shared && group[0].err != nil {
		return nil
	}
	if err := tx.finish(); err != nil {
		return err
	}
	if err := tx.sql.Commit(); err != nil {
		return err
	}
	s.known = *tx.known
	s.told.add(tx.first, tx.leaves)
	return nil
}

// pace settles whether the next commit waits for the disk, where that must be settled before a transaction begins. A connection is made so
// that it waits: whatever happens to this one, none is less careful than is known here.
func (s *Store) pace(ctx context.Context, later bool) error {
	if later == s.hasty || s.dialect.wait == "" {
		return nil
	}
	statement := s.dialect.wait
	if later {
		statement, s.hasty = s.dialect.hasten, true
	}
	if _, err := s.writer.ExecContext(ctx, statement); err != nil {
		return err
	}
	s.hasty = later
	return nil
}

// scrub has the write-ahead log forget what was erased. Whoever reads an older snapshot keeps it from that; it is done after the next
// commit then, or when the database is closed. If we stop in between, the next who opens it for writing does it.
func (s *Store) scrub(ctx context.Context) {
	if !s.erased || s.dialect.scrub == nil {
		return
	}
	s.erased = s.dialect.scrub(ctx, s.writer) != nil
}

// begin waits for the turn to write, across all processes. Nothing is done by then: where a connection was lost since it was last used, as
// after a restart of the server, another is tried.
func (s *Store) begin(ctx context.Context) (tx *Tx, err error) {
	for range 2 {
		if tx, err = s.open(ctx, s.writer, nil); err == nil && s.dialect.turn != "" {
			if _, err = tx.sql.ExecContext(ctx, s.dialect.turn); err != nil {
				tx.end()
			}
		}
		if err == nil || !isLost(err) {
			break
		}
	}
	return tx, err
}

// one runs an update so that it can fail alone. What it wrote may be waiting for the end of the group, unless that could fail for a reason
// of its own.
func (s *Store) one(tx *Tx, u *update) error {
	if err := tx.mark(); err != nil {
		return err
	}
	if u.err = u.f(tx); u.err == nil && tx.settles() {
		u.err = tx.flushAll()
	}
	if u.err != nil {
		return tx.undo(u.err)
	}
	s.erased = s.erased || tx.erased
	return nil
}
