package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taffrail-dev/taffrail"
)

// Sequence brings what is queued into the log, until ctx ends. It may run in any number of processes: one does it, and the others wait for
// that one to end, or its connection or its process. What is queued stays queued while none does.
//
// That there is one is for the sake of speed alone. Each batch is one [Store.Update], and takes out of the outbox what it appends: so no
// entry is left out and none comes twice, whoever stops wherever, and also while two believe that they are the one. What this program is
// too old to read stays for a newer one, and is an error.
func (s *Store) Sequence(ctx context.Context) error {
	if s.outbox == nil {
		<-ctx.Done()
		return nil
	}
	for {
		err := s.lead(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && taffrail.KindOf(err) != taffrail.KindUnavailable:
			return err
		}
		pause(ctx, pollEvery)
	}
}

// lead waits to be the one, and is until ctx ends or something fails. The server gives the lock free when the connection ends.
func (s *Store) lead(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.outbox.config.Copy())
	if err != nil {
		return s.boundary("sequence entries", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock("+sequencerLock+")"); err != nil {
		return s.boundary("sequence entries", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channelQueued); err != nil {
		return s.boundary("sequence entries", err)
	}
	s.outbox.leading.Store(true)
	defer s.outbox.leading.Store(false)
	var swept time.Time
	for {
		moved, err := s.move(ctx)
		if err != nil {
			return err
		}
		if now := time.Now(); now.Sub(swept) > sweepEvery {
			swept = now
			if err := s.sweep(ctx); err != nil {
				return err
			}
		}
		if moved > 0 {
			continue
		}
		if err := hearOn(ctx, conn, s.outbox.near); err != nil {
			return s.boundary("sequence entries", err)
		}
	}
}

// maxBatch is how many calls of [Store.Enqueue] are brought into the log in one transaction.
const maxBatch = 512

// move brings the next of what is queued into the log. If we stop before the commit it is queued as before; after it, it has its indexes,
// and whoever waits for them finds them.
func (s *Store) move(ctx context.Context) (moved int, err error) {
	var all []movedTicket
	err = s.Update(ctx, func(tx *Tx) error {
		queued, err := tx.queued()
		if moved = len(queued); err != nil || moved == 0 {
			return err
		}
		ids, firsts := make([]int64, moved), make([]int64, moved)
		for i, q := range queued {
			ids[i] = q.id
			if firsts[i], err = tx.Size(); err != nil {
				return err
			}
			entries, err := decodeQueued(q.entries)
			if err != nil {
				return err
			}
			m := movedTicket{ticket: q.ticket, stamps: make([]Stamp, len(entries))}
			for i, e := range entries {
				if m.stamps[i], err = tx.Append(e); err != nil {
					return err
				}
			}
			all = append(all, m)
		}
		if err := tx.exec(`UPDATE outbox SET entries = NULL, first_idx = moved.first_idx
			FROM (SELECT unnest(CAST(? AS BIGINT[])) AS id, unnest(CAST(? AS BIGINT[])) AS first_idx) AS moved WHERE outbox.id = moved.id`, ids, firsts); err != nil {
			return err
		}
		return tx.exec("SELECT pg_notify('" + channelSequenced + "', '')")
	})
	if err == nil && moved > 0 {
		select {
		case s.outbox.moved <- all:
		case <-s.outbox.ctx.Done():
		}
	}
	return moved, err
}

type queuedRow struct {
	id      int64
	ticket  Ticket
	entries []byte
}

func (tx *Tx) queued() (all []queuedRow, err error) {
	rows, err := tx.query("SELECT id, ticket, entries FROM outbox WHERE first_idx IS NULL ORDER BY id LIMIT ?", maxBatch)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var q queuedRow
		err := tx.scan(rows, &q.id, &q.ticket, &q.entries)
		all = append(all, q)
		return err
	})
	return all, err
}

// Tickets of entries that are in the log are kept for a while.
const (
	sweepEvery = time.Minute
	sweepAfter = "15 minutes"
)

// sweep drops old tickets.
func (s *Store) sweep(ctx context.Context) error {
	return s.Update(ctx, func(tx *Tx) error {
		return tx.exec("DELETE FROM outbox WHERE first_idx IS NOT NULL AND queued_at < now() - INTERVAL '" + sweepAfter + "'")
	})
}
