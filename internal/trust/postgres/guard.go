package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A guard is an [audit.Guard] in one row. Calls take turns on one connection; across processes the row's lock serialises them.
type guard struct {
	name          string
	table         pgx.Identifier
	settings, log *pgx.ConnConfig // log is nil where the log's database is not known to be Postgres
	logger        *slog.Logger
	turn          chan struct{} // holds one while someone works
	conn          *pgx.Conn     // nil until it is needed
	steps         steps
}

// steps lets a test fail at each step that changes the database. Nil lets all succeed.
type steps func(step string) error

func (s steps) at(step string) error {
	if s == nil {
		return nil
	}
	return s(step)
}

// undefinedTable is what Postgres answers where there is no such table.
const undefinedTable = "42P01"

func isUndefinedTable(err error) bool {
	var told *pgconn.PgError
	return errors.As(err, &told) && told.Code == undefinedTable
}

// Load implements [audit.Guard].
func (g *guard) Load(ctx context.Context) (audit.Head, error) {
	var held audit.Head
	err := g.within(ctx, func(tx pgx.Tx) (err error) {
		held, err = g.held(ctx, tx)
		return err
	})
	if isUndefinedTable(err) {
		err = g.none()
	}
	if err != nil {
		return audit.Head{}, g.failed(ctx, "load guard state", err)
	}
	return held, nil
}

func (g *guard) none() error {
	return &taffrail.Error{
		Kind: taffrail.KindNotFound, Err: fmt.Errorf("%v: %w", g, audit.ErrNoHead),
		Hint: "if there was a log, bring the row back from where it was kept",
	}
}

// within runs f in a transaction, and commits where f gives no error.
func (g *guard) within(ctx context.Context, f func(pgx.Tx) error) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	tx, err := g.begin(ctx)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		// What cannot be rolled back is closed by the driver, and so comes to the same.
		_ = tx.Rollback(ctx)
		return err
	}
	return tx.Commit(ctx)
}

// held gives what the row says.
func (g *guard) held(ctx context.Context, tx pgx.Tx) (held audit.Head, err error) {
	rows, err := tx.Query(ctx, "SELECT origin::text, size::bigint, root::bytea FROM "+g.table.Sanitize()+" WHERE log = $1 LIMIT 2", g.name)
	if err != nil {
		return audit.Head{}, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	switch {
	case err != nil:
		return audit.Head{}, err
	case len(found) == 0:
		return audit.Head{}, g.none()
	case len(found) > 1:
		return audit.Head{}, g.corrupt("there is more than one row of this name")
	}
	if held, err = found[0].head(); err != nil {
		return audit.Head{}, g.corrupt("%w", err)
	}
	return held, nil
}

// A row is what the table says of one log. What is null was not written by us.
type row struct {
	Origin *string
	Size   *int64
	Root   []byte
}

func (r row) head() (audit.Head, error) {
	if r.Origin == nil || r.Size == nil || len(r.Root) != tlog.HashSize {
		return audit.Head{}, errors.New("origin, size or root is missing or of another length")
	}
	h := audit.Head{Origin: *r.Origin, Size: *r.Size, Root: tlog.Hash(r.Root)}
	_, err := audit.FormatCheckpoint(h)
	return h, err
}

// Swap implements [audit.Guard].
//
// If we stop before the commit, the old state is held: the server undoes what it did not commit. If we stop while it commits, either is
// held once the server has seen that we are gone; a later Swap waits for that, since the row is locked until then. After the commit
// the new state is held, durably.
func (g *guard) Swap(ctx context.Context, old, new audit.Head) error {
	const op = "swap guard state"
	if _, err := audit.FormatCheckpoint(new); err != nil {
		return &taffrail.Error{Op: op, Kind: taffrail.KindInternal, Err: fmt.Errorf("guard state: %w", err)}
	}
	err := g.within(ctx, func(tx pgx.Tx) error { return g.swap(ctx, tx, old, new) })
	if isUndefinedTable(err) {
		err = g.conflict(old, audit.Head{})
		if old == (audit.Head{}) {
			err = g.within(ctx, func(tx pgx.Tx) error {
				if err := g.makeTable(ctx, tx); err != nil {
					return err
				}
				return g.swap(ctx, tx, old, new)
			})
		}
	}
	if err == nil {
		err = g.steps.at("answer")
	}
	return g.failed(ctx, op, err)
}

func (g *guard) conflict(old, held audit.Head) error {
	return &taffrail.Error{
		Kind: taffrail.KindConflict,
		Err:  fmt.Errorf("%v: size %d of %q is held, not %d: %w", g, held.Size, held.Origin, old.Size, audit.ErrConflict),
	}
}

// makeTable is for one at a time, since the statement alone fails where two run it at once.
func (g *guard) makeTable(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", g.table.Sanitize()); err != nil {
		return err
	}
	if err := g.steps.at("make table"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+g.table.Sanitize()+` (
		log     text COLLATE "C" PRIMARY KEY,
		origin  text COLLATE "C" NOT NULL,
		size    bigint NOT NULL,
		root    bytea NOT NULL,
		changed timestamptz NOT NULL)`)
	return err
}

// swap compares and writes in one statement, which waits for whoever has written the row and not committed yet. The same is written
// again where old equals new: its commit makes durable all that was committed before.
func (g *guard) swap(ctx context.Context, tx pgx.Tx, old, new audit.Head) error {
	if err := g.steps.at("swap"); err != nil {
		return err
	}
	statement := "INSERT INTO " + g.table.Sanitize() + ` AS t (log, origin, size, root, changed) VALUES ($1, $2, $3, $4, statement_timestamp())
		ON CONFLICT (log) DO NOTHING`
	arguments := []any{g.name, new.Origin, new.Size, new.Root[:]}
	if old != (audit.Head{}) {
		statement = "UPDATE " + g.table.Sanitize() + ` AS t SET origin = $2, size = $3, root = $4, changed = statement_timestamp()
			WHERE log = $1 AND origin = $5 AND size = $6 AND root = $7`
		arguments = append(arguments, old.Origin, old.Size, old.Root[:])
	}
	rows, err := tx.Query(ctx, statement+` RETURNING current_setting('fsync'), (SELECT relpersistence::text FROM pg_class WHERE oid = t.tableoid)`, arguments...)
	if err != nil {
		return err
	}
	written, err := pgx.CollectRows(rows, pgx.RowToStructByPos[durability])
	if err != nil {
		return err
	}
	switch len(written) {
	case 0:
		return g.lost(ctx, tx, old)
	case 1:
		if err := g.durable(written[0]); err != nil {
			return err
		}
		return g.steps.at("commit")
	}
	return g.corrupt("there is more than one row of this name")
}

// lost says why nothing was written.
func (g *guard) lost(ctx context.Context, tx pgx.Tx, old audit.Head) error {
	held, err := g.held(ctx, tx)
	if err != nil && !errors.Is(err, audit.ErrNoHead) {
		return err
	}
	return g.conflict(old, held)
}

// durability is what decides whether a commit outlives a crash of the server.
type durability struct {
	Fsync       string
	Persistence string // "p" is permanent
}

func (g *guard) durable(d durability) error {
	switch {
	case d.Fsync != "on":
		return &taffrail.Error{
			Kind: taffrail.KindInvalid, Err: fmt.Errorf("%v: the server runs with fsync=%s, so that a crash may take the state back", g, d.Fsync),
			Hint: "set fsync = on in the server's configuration",
		}
	case d.Persistence != "p":
		return &taffrail.Error{
			Kind: taffrail.KindInvalid, Err: fmt.Errorf("%v: a crash empties this table, which is unlogged or temporary", g),
			Hint: "ALTER TABLE ... SET LOGGED, or let the guard make the table",
		}
	}
	return nil
}
