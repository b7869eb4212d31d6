package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/taffrail-dev/taffrail"
)

// What the tests in package store_test look at.
var (
	WordsOf       = wordsOf
	ParseSnapshot = parseSnapshot
	ClassifyState = classifyState
	OpenSQLiteAt  = openSQLiteAt
	EachIndexed   = eachIndexed
)

// LimitPages bounds how large the database may grow, as a full disk does.
func (s *Store) LimitPages(ctx context.Context, pages int64) error {
	_, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	return err
}

// Waits says whether the commit of a transaction waits for the disk, as the database has it.
func (tx *Tx) Waits() (bool, error) {
	var level string
	query := "SHOW synchronous_commit"
	if tx.dialect == &sqliteDialect {
		query = "PRAGMA synchronous"
	}
	err := tx.get(query, nil, &level)
	return level == "2" || level == "on", err
}

// Waiting is how many updates wait for their turn.
func (s *Store) Waiting() int { return len(s.queue) }

// BlockSize and BlockCommon are those of the blocks of words.
const (
	BlockSize   = blockSize
	BlockCommon = blockCommon
)

// ScansWhileDeriving says whether the database may read whole tables, while the index is derived anew and after that.
func (tx *Tx) ScansWhileDeriving() (then, after string, err error) {
	ask := func(into *string) error { return tx.get("SHOW enable_seqscan", nil, into) }
	err = tx.inShadow(func() error { return ask(&then) })
	return then, after, errors.Join(err, ask(&after))
}

// Leads says whether this process brings what is queued into the log.
func (s *Store) Leads() bool { return s.outbox.leading.Load() }

// AppendAndQueue has entries appended at once, and queues them again.
func (s *Store) AppendAndQueue(entries []taffrail.Entry) (Ticket, error) {
	queued, err := encodeQueued(entries)
	q := &queuing{ticket: "twice", entries: entries, queued: queued}
	return q.ticket, errors.Join(err, s.appendQueued([]*queuing{q}, new(atomic.Bool)), s.outbox.insert([]*queuing{q}))
}

// Sweep drops old tickets.
func (s *Store) Sweep(ctx context.Context) error { return s.sweep(ctx) }
