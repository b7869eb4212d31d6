package store

import (
	"context"
	"fmt"
	"runtime"
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
// one commit; one that fails takes nothing of the others with it, but for where the database itself gives way, as on a full disk. f runs on
// another goroutine, must not keep the Tx, and its error is returned as it is. An update that has begun runs to its end even if ctx ends,
// so that its outcome is known.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	if s.writer == nil {
		return s.boundary("write log database", fmt.Errorf("%s is open for reading only", s.name))
	}
	if err := ctx.Err(); err != nil {
		return err
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
		runtime.Gosched() // whoever was just answered, and goes on writing, comes along
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
func (s *Store) commit(group []*update) (err error) {
	// An interrupted statement would roll the whole group back.
	ctx := context.Background()
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.end()
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
