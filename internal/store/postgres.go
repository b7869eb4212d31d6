package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/taffrail-dev/taffrail"
)

// The advisory locks, two numbers each: what is locked, and in which schema of the database.
const (
	writerLock    = "1952540262, hashtext(current_schema())" // held by the one transaction that writes
	migrationLock = "1952540263, hashtext(current_schema())"
	sequencerLock = "1952540264, hashtext(current_schema())"
)

// OpenPostgres opens the log in a database of Postgres 15 or newer, which must exist. The address is a URL or a list of settings as libpq
// takes it; no error repeats it, since it may hold a password. A database that was never begun is [taffrail.KindNotFound] without
// [Create]. For writing, a server that confirms commits before they are on the disk is refused.
func OpenPostgres(ctx context.Context, address string, mode Mode) (*Store, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, &taffrail.Error{
			Op: "open log database", Kind: taffrail.KindInvalid, Err: errors.New("the address of the database cannot be read"),
			Hint: "write it as postgres://user@host:5432/database?sslmode=verify-full",
		}
	}
	config.RuntimeParams["application_name"] = "taffrail"
	config.RuntimeParams["jit"] = "off" // no question is so large, and to compile one takes longer than to answer it
	for name, value := range keepAlive {
		config.RuntimeParams[name] = value
	}
	s := &Store{name: databaseName(config), dialect: &postgresDialect}
	s.alone = s.aloneInDatabase
	s.readers = stdlib.OpenDB(*config)
	s.readers.SetMaxOpenConns(8)
	if mode != ReadOnly {
		s.outbox = newOutbox(config, s.appendQueued)
		s.writer = stdlib.OpenDB(*config, stdlib.OptionAfterConnect(prepareWriter))
		s.writer.SetMaxOpenConns(1)
	}
	return start(ctx, s, mode)
}

// keepAlive has the server notice within half a minute that a process is gone with its machine, and give its locks free.
var keepAlive = map[string]string{"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4"}

func databaseName(c *pgx.ConnConfig) string {
	return fmt.Sprintf("database %s at %s", c.Database, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))))
}

// prepareWriter settles what a connection must be like that writes. A writer that stands still in its turn, or waits for one that does, is
// ended by the server.
func prepareWriter(ctx context.Context, conn *pgx.Conn) error {
	err := durable(ctx, conn)
	if err == nil {
		_, err = conn.Exec(ctx, "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; "+
			// A bitmap visits all rows that have left the outbox, again and again; who walks the index marks them.
			"SET enable_bitmapscan = off; "+
			// The plan of a statement is kept, and is made while the tables are small: by their indexes from the first day.
			"SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off")
	}
	if err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	return nil
}

// durable refuses a server that would acknowledge what it may yet lose.
func durable(ctx context.Context, conn *pgx.Conn) error {
	var commit string
	if err := conn.QueryRow(ctx, "SHOW synchronous_commit").Scan(&commit); err != nil || commit != "off" {
		return err
	}
	return &taffrail.Error{
		Op: "open log database", Kind: taffrail.KindInvalid, Err: errors.New("synchronous_commit is off: a crash of the server could lose entries that were acknowledged"),
		Hint: "set synchronous_commit to on for the log's role: ALTER ROLE name SET synchronous_commit = on",
	}
}

// aloneInDatabase runs f while no other process does so. If we stop in between, the server gives the lock free.
func (s *Store) aloneInDatabase(ctx context.Context, f func() error) error {
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock("+migrationLock+")"); err != nil {
		return err
	}
	err = f()
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock("+migrationLock+")")
	return errors.Join(err, unlock)
}

// sendPostgres runs statements on a connection whose transaction is under way. After one that fails none is run.
func sendPostgres(ctx context.Context, conn *sql.Conn, calls []call) error {
	return conn.Raw(func(raw any) error {
		var batch pgx.Batch
		for _, c := range calls {
			batch.Queue(c.statement, c.args...)
		}
		return raw.(*stdlib.Conn).Conn().SendBatch(ctx, &batch).Close()
	})
}

// arrays gives rows by their columns, so that statements are short and few, however many rows there are. All values of a column are of one
// type: integers, texts or bytes.
func arrays(table string, width int, rows []any) (source string, args []any) {
	var names, wanted, types []string
	for c := range width {
		name := "c" + strconv.Itoa(c)
		column, of := columnOf(width, rows[c:])
		names, wanted, types, args = append(names, name), append(wanted, name), append(types, "CAST(? AS "+of+"[])"), append(args, column)
	}
	if table == "text_entry" {
		wanted[1] = "CAST(c1 AS TSVECTOR)"
	}
	return "SELECT " + strings.Join(wanted, ", ") + " FROM unnest(" + strings.Join(types, ", ") + ") AS r (" + strings.Join(names, ", ") + ")", args
}

// columnOf gives the first value of each row as one argument, and what its values are.
func columnOf(width int, rows []any) (column any, of string) {
	switch rows[0].(type) {
	case int64:
		return every[int64](width, rows), "BIGINT"
	case []byte:
		return every[[]byte](width, rows), "BYTEA"
	}
	return every[string](width, rows), "TEXT"
}

func every[T any](width int, rows []any) []T {
	column := make([]T, 0, len(rows)/width+1)
	for i := 0; i < len(rows); i += width {
		column = append(column, rows[i].(T))
	}
	return column
}

// classifyPostgres maps what Postgres and the way to it say to a kind and a hint.
func classifyPostgres(err error) (taffrail.Kind, string) {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return classifyState(said.Code)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return taffrail.KindNotFound, ""
	case errors.As(err, &connect), errors.As(err, &network), isLost(err):
		return taffrail.KindUnavailable, hintUnreachable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return taffrail.KindUnavailable, ""
	}
	return taffrail.KindInternal, ""
}

const hintUnreachable = "look whether the database server runs and can be reached; what was not acknowledged may be tried again"

// classifyState maps a SQLSTATE, which has five characters of which the first two are a class.
func classifyState(code string) (taffrail.Kind, string) {
	switch code {
	case "42501", "25006": // insufficient privilege, read-only transaction
		return taffrail.KindDenied, "the role must own the log's tables, or be granted them, on a server that takes writes"
	case "3D000", "3F000": // invalid catalog name, invalid schema name
		return taffrail.KindNotFound, "make the database first: taffrail makes the tables in it, not the database"
	case "53100": // disk full
		return taffrail.KindUnavailable, hintFull
	case "55P03": // lock not available
		return taffrail.KindUnavailable, "another process has held the log's database for half a minute; try again"
	case "XX001", "XX002": // data corrupted, index corrupted
		return taffrail.KindCorrupt, "the database is damaged; keep it and restore a copy"
	}
	switch code[:min(len(code), 2)] {
	case "28": // invalid authorization
		return taffrail.KindDenied, "look at role and password of the database"
	case "08", "53", "57", "58", "40": // connection, resources, operator, system, rollback
		return taffrail.KindUnavailable, hintUnreachable
	}
	return taffrail.KindInternal, ""
}

// isLost says whether a connection ended under way.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || pgconn.SafeToRetry(err)
}
