package store

import (
	"context"
	"database/sql"
	"sync/atomic"
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
		moved, err := s.moveInTurn(ctx)
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

// moveInTurn brings the next of what is queued into the log, while nobody else in this process does.
func (s *Store) moveInTurn(ctx context.Context) (moved int, err error) {
	select {
	case s.outbox.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-s.outbox.turn }()
	return s.move(ctx, nil, new(atomic.Bool))
}

// appendQueued appends what callers queue to the log, behind what was queued before, unless it is too late to begin. If we stop before the
// commit nothing was queued, and nobody was told that it was; after it, it has its indexes, and whoever queues it again finds its tickets.
func (s *Store) appendQueued(group []*queuing, begun *atomic.Bool) error {
	_, err := s.move(s.outbox.ctx, group, begun)
	return err
}

// move brings the next of what is queued into the log, and behind that what callers queue now, if that is all. If we stop before the commit it
// is queued as before; after it, it has its indexes, and whoever waits for them finds them.
func (s *Store) move(ctx context.Context, group []*queuing, begun *atomic.Bool) (moved int, err error) {
	var all []movedTicket
	err = s.Update(ctx, func(tx *Tx) error {
		if !begun.CompareAndSwap(false, true) {
			return errBusy
		}
		queued, err := tx.queued()
		if moved = len(queued); err != nil || moved+len(group) == 0 {
			return err
		}
		if moved == maxBatch && len(group) > 0 {
			return errBehind
		}
		if all, err = tx.moveQueued(queued); err != nil || len(group) == 0 {
			return err
		}
		straight, err := tx.appendGroup(group)
		all = append(all, straight...)
		return err
	})
	if err == nil && len(all) > 0 {
		select {
		case s.outbox.moved <- all:
		case <-s.outbox.ctx.Done():
		}
	}
	return moved, err
}

// moveQueued appends what is queued, and takes it out of the outbox.
func (tx *Tx) moveQueued(queued []queuedRow) (all []movedTicket, err error) {
	if len(queued) == 0 {
		return nil, nil
	}
	ids, firsts := make([]int64, len(queued)), make([]int64, len(queued))
	for i, q := range queued {
		entries, err := decodeQueued(q.entries)
		if err != nil {
			return nil, err
		}
		ids[i] = q.id
		if all, firsts[i], err = tx.appendTicket(all, q.ticket, entries); err != nil {
			return nil, err
		}
	}
	if err := tx.exec(`UPDATE outbox SET entries = NULL, first_idx = moved.first_idx
		FROM (SELECT unnest(CAST(? AS BIGINT[])) AS id, unnest(CAST(? AS BIGINT[])) AS first_idx) AS moved WHERE outbox.id = moved.id`, ids, firsts); err != nil {
		return nil, err
	}
	return all, tx.exec("SELECT pg_notify('" + channelSequenced + "', '')")
}

// appendGroup appends what callers queue, with its payloads. The outbox has their tickets as if it had been there.
func (tx *Tx) appendGroup(group []*queuing) (all []movedTicket, err error) {
	_, blobs := payloadsOf(group)
	for _, data := range blobs {
		if _, err := tx.PutBlob(data); err != nil {
			return nil, err
		}
	}
	tickets, counts, firsts := make([]string, len(group)), make([]int64, len(group)), make([]int64, len(group))
	for i, q := range group {
		tickets[i], counts[i] = string(q.ticket), int64(len(q.entries))
		if all, firsts[i], err = tx.appendTicket(all, q.ticket, q.entries); err != nil {
			return nil, err
		}
	}
	return all, tx.exec(`INSERT INTO outbox (ticket, n, first_idx) SELECT * FROM unnest(CAST(? AS TEXT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]))`, tickets, counts, firsts)
}

// appendTicket appends the entries of one call, and adds it to all that were moved.
func (tx *Tx) appendTicket(all []movedTicket, ticket Ticket, entries []taffrail.Entry) (_ []movedTicket, first int64, err error) {
	if first, err = tx.Size(); err != nil {
		return nil, 0, err
	}
	m := movedTicket{ticket: ticket, stamps: make([]Stamp, len(entries))}
	for i, e := range entries {
		if m.stamps[i], err = tx.Append(e); err != nil {
			return nil, 0, err
		}
	}
	return append(all, m), first, nil
}

type queuedRow struct {
	id      int64
	ticket  Ticket
	entries []byte
}

// queued gives the next of what is queued, in order. It asks for the size of the log along with it, which comes next.
func (tx *Tx) queued() (all []queuedRow, err error) {
	rows, err := tx.query(`SELECT log.size, o.id, o.ticket, o.entries FROM (`+sizeQuery+`) AS log (size) LEFT JOIN
		(SELECT id, ticket, entries FROM outbox WHERE first_idx IS NULL ORDER BY id LIMIT ?) AS o ON true ORDER BY o.id`, maxBatch)
	if err != nil {
		return nil, err
	}
	var size int64
	err = tx.eachRow(rows, func() error {
		var id sql.NullInt64
		var ticket sql.NullString
		var q queuedRow
		err := tx.scan(rows, &size, &id, &ticket, &q.entries)
		if q.id, q.ticket = id.Int64, Ticket(ticket.String); id.Valid {
			all = append(all, q)
		}
		return err
	})
	if err == nil && !tx.known.read {
		tx.known.learn(size)
	}
	return all, err
}

// Tickets of entries that are in the log are kept for a while.
const (
	sweepEvery = time.Minute
	sweepAfter = "15 minutes"
)

// sweep drops old tickets: those before the first that is not. So it reads no more than it drops, however many there are.
func (s *Store) sweep(ctx context.Context) error {
	return s.Update(ctx, func(tx *Tx) error {
		return tx.exec(`DELETE FROM outbox WHERE first_idx IS NOT NULL AND id < coalesce(
			(SELECT id FROM outbox WHERE queued_at >= now() - INTERVAL '` + sweepAfter + `' ORDER BY id LIMIT 1), 9223372036854775807)`)
	})
}
