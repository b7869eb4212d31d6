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

// Update runs f in a write transaction: all or nothing, and durable when it returns nil. Updates that wait at the same time share
// one commit; one that fails takes nothing of the others with it, but for where the database itself gives way, as on a full disk. f runs on
// another goroutine, must not keep the Tx, and its error is returned as it is. An update that has begun runs to its end even if ctx ends,
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

// write is the one writer. It takes what waits, up to a bound, into one transaction.
func (s *Store) write() {
	defer close(s.done)
	for u := range s.queue {
		runtime.Gosched() // whoever was just answered, and goes on writing, comes along
		group := s.collect([]*update{u})
		if !anyWaits(group) {
			group = s.linger(group)
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
	}
}

// lingering is how long what is written later waits for something to come along with, if nobody wants to see it.
const lingering = 2 * time.Millisecond

// linger waits for an update that somebody waits for.
func (s *Store) linger(group []*update) []*update {
	end := time.NewTimer(lingering)
	defer end.Stop()
	for !anyWaits(group) && len(group) < maxGroup {
		select {
		case u, ok := <-s.queue:
			if !ok {
				return group
			}
			group = s.collect(append(group, u))
		case <-end.C:
			return group
		}
	}
	return group
}

func anyWaits(group []*update) bool {
	return slices.ContainsFunc(group, func(u *update) bool { return !u.later || u.wanted })
}

func onlyLater(group []*update) bool {
	return !slices.ContainsFunc(group, func(u *update) bool { return !u.later })
}

func (s *Store) collect(group []*update) []*update {
	for len(group) < maxGroup {
		select {
		case u, ok := <-s.queue:
			if !ok {
				return group
			}
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
