package store

import (
	"context"
	"fmt"
	"maps"

	"github.com/taffrail-dev/taffrail"
)

// maxGroup bounds how many updates share one commit.
const maxGroup = 256

// An update waits for its turn in the one transaction that runs at a time.
type update struct {
	ctx  context.Context
	f    func(*Tx) error
	tx   *Tx
	err  error
	done chan struct{}
}

// Update runs f in a write transaction: all or nothing, and durable when it returns nil. Updates that wait at the same time share
// one commit; one that fails takes nothing of the others with it. f runs on another goroutine, must not keep the Tx, and its error is
// returned as it is. An update that has begun runs to its end even if ctx ends, so that its outcome is known.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	if s.writer == nil {
		return s.boundary("write log database", fmt.Errorf("%s is open for reading only", s.name))
	}
	u := &update{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case s.queue <- u:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-u.done
	return u.err
}

// write is the one writer. It takes what waits, up to a bound, into one transaction.
func (s *Store) write() {
	defer close(s.done)
	for u := range s.queue {
		group := s.collect([]*update{u})
		if err := s.commit(group); err != nil {
			for _, u := range group {
				u.err = s.boundary("write log database", err)
			}
		}
		s.scrub(context.Background())
		for _, u := range group {
			close(u.done)
		}
	}
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
// and left nothing. If we stop before the commit, nothing happened; after it, everything is durable and nobody was told yet.
func (s *Store) commit(group []*update) error {
	// An interrupted statement would roll the whole group back.
	ctx := context.Background()
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.end()
	for _, u := range group {
		if u.err = u.ctx.Err(); u.err != nil {
			continue
		}
		if err := s.one(tx, u); err != nil {
			return err
		}
	}
	if err := tx.sql.Commit(); err != nil {
		return err
	}
	s.learn(group)
	return nil
}

// learn remembers what the next updates need not ask for. What was not committed is not learnt.
func (s *Store) learn(group []*update) {
	for _, u := range group {
		switch {
		case u.err != nil:
		case u.tx.rebuilt || len(s.groups) > maxGroups:
			s.groups = nil
		default:
			if s.groups == nil {
				s.groups = map[entryGroup]int64{}
			}
			maps.Copy(s.groups, u.tx.groups)
		}
	}
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

// one runs an update between savepoints, so that it can fail alone.
func (s *Store) one(tx *Tx, u *update) error {
	if _, err := tx.sql.ExecContext(tx.ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	u.tx = &Tx{ctx: tx.ctx, conn: tx.conn, sql: tx.sql, dialect: s.dialect, known: s.groups}
	if u.err = u.f(u.tx); u.err == nil {
		u.err = u.tx.flushAll()
	}
	if u.err != nil {
		if _, err := tx.sql.ExecContext(tx.ctx, "ROLLBACK TO one"); err != nil {
			if taffrail.KindOf(u.err) == taffrail.KindUnavailable { // as when a disk is full, which takes the whole transaction with it
				return u.err
			}
			return err
		}
	}
	s.erased = s.erased || u.tx.erased && u.err == nil
	_, err := tx.sql.ExecContext(tx.ctx, "RELEASE one")
	return err
}
