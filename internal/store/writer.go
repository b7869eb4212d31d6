package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxGroup bounds how many updates share one commit.
const maxGroup = 256

// An update waits for its turn in the one transaction that runs at a time.
type update struct {
	ctx  context.Context
	f    func(*Tx) error
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
	defer tx.Rollback()
	for _, u := range group {
		if u.err = u.ctx.Err(); u.err != nil {
			continue
		}
		if err := s.one(ctx, tx, u); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.scrub(ctx)
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
func (s *Store) begin(ctx context.Context) (tx *sql.Tx, err error) {
	for range 2 {
		if tx, err = s.writer.BeginTx(ctx, nil); err == nil && s.dialect.turn != "" {
			if _, err = tx.ExecContext(ctx, s.dialect.turn); err != nil {
				err = errors.Join(err, tx.Rollback())
			}
		}
		if err == nil || !isLost(err) {
			break
		}
	}
	return tx, err
}

// one runs an update between savepoints, so that it can fail alone.
func (s *Store) one(ctx context.Context, tx *sql.Tx, u *update) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	t := &Tx{ctx: ctx, sql: tx, dialect: s.dialect}
	if u.err = u.f(t); u.err == nil {
		u.err = t.flushAll()
	}
	if u.err != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
			return err
		}
	}
	s.erased = s.erased || t.erased && u.err == nil
	_, err := tx.ExecContext(ctx, "RELEASE one")
	return err
}
