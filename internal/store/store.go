// Package store keeps the log and the index over it in one database, SQLite or Postgres, so that an entry and the rows that belong to it
// are written in one transaction and cannot part.
//
// The log is the truth. Every row of the index is derived from an entry, by one function that serves appending as well as
// rebuilding; deleting the index and rebuilding it changes nothing.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A Mode says what may be done to a database when it is opened.
type Mode int

// The modes.
const (
	ReadOnly Mode = iota // look, change nothing
	Write                // use what is there
	Create               // begin a database if there is none
)

// A Store is an open database. All methods may be called at the same time, also by other processes on the same database.
type Store struct {
	name    string // of the database, for people
	dialect *dialect
	alone   func(context.Context, func() error) error // runs while no other process on this database does so
	readers *sql.DB
	writer  *sql.DB // one connection; nil if read-only
	outbox  *outbox // nil if read-only, or where entries need not queue
	told    told

	turn   chan struct{} // holds one token while somebody writes: what follows is theirs
	erased bool          // something that the files may still hold
	known  knowledge
	hasty  bool // the connection may not wait for the disk

	queue    chan *update
	late     atomic.Int64  // how many updates are written later and not yet
	lingered atomic.Bool   // they will be looked for
	woken    chan struct{} // holds a token when write is to look at the queue
	closing  chan struct{} // closed when nothing comes any more
	done     chan struct{} // closed when write has ended
}

// start makes a store of two pools of connections, none of which was used yet.
func start(ctx context.Context, s *Store, mode Mode) (*Store, error) {
	s.queue, s.turn = make(chan *update, maxGroup), make(chan struct{}, 1)
	s.woken, s.closing, s.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	if err := s.migrate(ctx, mode); err != nil {
		s.outbox.close()
		return nil, errors.Join(s.boundary("open log database", fmt.Errorf("%s: %w", s.name, err)), s.disconnect())
	}
	if mode == ReadOnly {
		close(s.done)
	} else {
		s.erased = true // for all that we know
		s.scrub(ctx)
		go s.write()
		s.outbox.start()
	}
	return s, nil
}

// Close waits for the transactions that are under way. It must not be called twice, nor while calls are still coming.
func (s *Store) Close() error {
	s.outbox.close()
	close(s.closing)
	<-s.done
	return s.disconnect()
}

func (s *Store) disconnect() error {
	var errs []error
	for _, db := range []*sql.DB{s.readers, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Read runs f on a snapshot. It returns f's error as it is. No update may wait for one.
func (s *Store) Read(ctx context.Context, f func(*Tx) error) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	tx, err := s.open(ctx, s.readers, &s.dialect.snapshot)
	if err != nil {
		return s.boundary("read log database", err)
	}
	defer tx.end()
	return f(tx)
}

// maxLost is how many connections may be found lost, one after the other, before that is an error: more than are kept idle.
const maxLost = 10

// open begins a transaction on a connection of its own. Connections that were kept and are lost, as after a restart of the server, are thrown
// away.
func (s *Store) open(ctx context.Context, db *sql.DB, options *sql.TxOptions) (*Tx, error) {
	for lost := 0; ; lost++ {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		tx, err := conn.BeginTx(ctx, options)
		if err == nil {
			return &Tx{ctx: ctx, conn: conn, sql: tx, dialect: s.dialect, known: &knowledge{}}, nil
		}
		gone := isLost(err)
		if gone {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // so that it does not go back to the others
		}
		if err = errors.Join(err, closed(conn)); !gone || lost == maxLost || ctx.Err() != nil {
			return nil, err
		}
	}
}

// closed closes a connection that may be thrown away already.
func closed(conn *sql.Conn) error {
	if err := conn.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

// end rolls a transaction back, unless it is over, and gives the connection free.
func (tx *Tx) end() {
	_ = tx.sql.Rollback()
	_ = tx.conn.Close() // it goes back to the others
}

// View implements [audit.Storage].
func (s *Store) View(ctx context.Context, f func(audit.Reader) error) error {
	return s.Read(ctx, func(tx *Tx) error { return f(tx) })
}

// Write implements [audit.Storage].
func (s *Store) Write(ctx context.Context, f func(audit.Writer) error) error {
	return s.Update(ctx, func(tx *Tx) error { return f(tx) })
}

func (s *Store) boundary(op string, err error) error { return s.dialect.boundary(op, err) }

// boundary gives an error of the file system or of the database its kind.
func (d *dialect) boundary(op string, err error) error {
	var known *taffrail.Error
	if errors.As(err, &known) {
		return err
	}
	kind, hint := d.classify(err)
	return &taffrail.Error{Op: op, Kind: kind, Hint: hint, Err: err}
}
