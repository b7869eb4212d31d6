// Package pg reads states from a table in Postgres.
//
// The tool keeps each workspace in a row of `schema_name.table_name` with the columns id, name and data, and holds the advisory lock
// whose number is the row's id for as long as it works. Such locks stand in the view pg_locks, where everyone may see them. All
// is read in transactions that Postgres itself holds to reading.
package pg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config     remote.Config
	connection *pgx.ConnConfig
	conn       *pgx.Conn // nil until it is needed, and after it broke
	table      pgx.Identifier
}

// Open takes the settings of the backend "pg". It does not connect yet.
func Open(_ context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	text := s.String("conn_str", "PG_CONN_STR")
	r := &Reader{config: c, table: pgx.Identifier{s.String("schema_name", "PG_SCHEMA_NAME"), s.String("table_name", "PG_TABLE_NAME")}}
	for i, name := range []string{"terraform_remote_state", "states"} {
		if r.table[i] == "" {
			r.table[i] = name
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	connection, err := pgx.ParseConfig(encrypted(text, c.Env("PGSSLMODE")))
	if err != nil { // its text quotes the connection string
		return nil, remote.Invalid("write it as postgres://user@host/database", `backend "pg": conn_str cannot be read`)
	}
	connection.DefaultQueryExecMode = pgx.QueryExecModeExec // works behind a pooler, too
	if connection.Password == "" {
		connection.Password = c.Env("PGPASSWORD")
	}
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = 30 * time.Second
	}
	r.connection = connection
	return r, nil
}

// encrypted asks for TLS where nothing is said, as the tool's driver does; ours would fall back to plain text.
func encrypted(text, mode string) string {
	if mode != "" || strings.Contains(text, "sslmode") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return strings.TrimSpace(text + " sslmode=require")
	}
	query := u.Query()
	query.Set("sslmode", "require")
	u.RawQuery = query.Encode()
	return u.String()
}

// Name is "postgres://host/database/schema.table/workspace".
func (r *Reader) Name() string {
	return fmt.Sprintf("postgres://%s/%s/%s/%s", r.connection.Host, r.connection.Database, strings.Join(r.table, "."), r.config.Workspace)
}

// read asks for one row.
func (r *Reader) read(ctx context.Context, query string, arguments, into []any) error {
	if r.conn == nil || r.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, r.connection)
		if err != nil {
			return err
		}
		r.conn = conn
	}
	return pgx.BeginTxFunc(ctx, r.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, query, arguments...).Scan(into...)
	})
}

// Fetch gives the state unless its digest, which Postgres works out, is the known one.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	query := `SELECT d.version, d.size, CASE WHEN d.version = $2 OR d.size > $3 THEN NULL ELSE d.data END FROM (
		SELECT data, octet_length(data)::bigint AS size, 'sha256:' || encode(sha256(convert_to(data, 'UTF8')), 'hex') AS version
		FROM ` + r.table.Sanitize() + ` WHERE name = $1) d`
	var version *string
	var size *int64
	var body []byte
	err := r.read(ctx, query, []any{r.config.Workspace, known, r.config.Limit}, []any{&version, &size, &body})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, "", remote.NotFound(r.Name())
	case err != nil:
		return nil, "", r.refused(ctx, err)
	case size == nil || *size == 0:
		return nil, "", remote.NotFound(r.Name())
	case *size > r.config.Limit:
		return nil, "", remote.TooLarge(r.Name(), r.config.Limit)
	case *version == known:
		return nil, known, nil
	}
	return body, *version, nil
}

// Locked looks for the row's advisory lock among those that are held.
func (r *Reader) Locked(ctx context.Context) (remote.Lock, error) {
	query := `SELECT concat_ws('@', a.usename, host(a.client_addr)), coalesce(a.backend_start::timestamptz(0)::text, '')
		FROM ` + r.table.Sanitize() + ` s
		JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND ((l.classid::bigint << 32) | l.objid::bigint) = s.id
		LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE s.name = $1 LIMIT 1`
	lock := remote.Lock{Held: true}
	err := r.read(ctx, query, []any{r.config.Workspace}, []any{&lock.Who, &lock.Since})
	if errors.Is(err, pgx.ErrNoRows) {
		return remote.Lock{}, nil
	}
	if err != nil {
		return remote.Lock{}, r.refused(ctx, err)
	}
	return lock, nil
}

// refused tells why Postgres did not answer, by its error codes (Postgres documentation, appendix A).
func (r *Reader) refused(ctx context.Context, err error) error {
	var told *pgconn.PgError
	if ctx.Err() != nil || !errors.As(err, &told) {
		return remote.Unreached(r.Name(), err)
	}
	reason := fmt.Errorf("%s: %s (SQLSTATE %s)", r.Name(), told.Message, told.Code)
	switch {
	case told.Code == "42501":
		return remote.Denied("grant SELECT on the table and USAGE on its schema", "%w", reason)
	case strings.HasPrefix(told.Code, "28"):
		return remote.Denied("check user and password in conn_str or PGPASSWORD", "%w", reason)
	case told.Code == "42P01", told.Code == "3F000":
		return remote.NotFound(r.Name())
	case told.Code == "3D000", told.Code == "42703":
		return remote.Invalid("check conn_str, schema_name and table_name", "%w", reason)
	}
	return remote.Unavailable("try again later", "%w", reason)
}

// Close ends the connection.
func (r *Reader) Close() error {
	if r.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r.conn.Close(ctx)
}
