package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/taffrail-dev/taffrail"
)

// parse never has any of the text in an error: that may hold a password.
func parse(key, text string) (*pgx.ConnConfig, error) {
	mode := os.Getenv("PGSSLMODE")
	asked, err := verified(text, mode)
	var settings *pgx.ConnConfig
	if err == nil {
		settings, err = pgx.ParseConfig(asked)
	}
	// Where the driver reads the text otherwise than we do, what it made of it decides.
	if err != nil || mode == "" && !strings.Contains(text, "sslmode") && loose(settings) {
		return nil, invalid("write it as postgres://user@host/database", "`%s` cannot be read", key)
	}
	settings.DefaultQueryExecMode = pgx.QueryExecModeExec // works behind a pooler, too
	// What a standby server says is old, and an old guard lets a rollback pass.
	settings.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	if settings.ConnectTimeout == 0 {
		settings.ConnectTimeout = 30 * time.Second
	}
	return settings, nil
}

// saysMode finds sslmode among words of the form key=value.
var saysMode = regexp.MustCompile(`(?:^|\s)sslmode\s*=`)

// verified asks for TLS with a verified certificate where nothing is said: who stands between us and the guard is the guard.
func verified(text, mode string) (string, error) {
	if mode != "" {
		return text, nil
	}
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		if saysMode.MatchString(text) {
			return text, nil
		}
		return "sslmode=verify-full " + text, nil // before it: a last word without a value would take it for its own
	}
	u, err := url.Parse(text)
	if err != nil || u.Query().Has("sslmode") {
		return text, err
	}
	query := u.Query()
	query.Set("sslmode", "verify-full")
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// loose says whether the server could be reached without being recognized.
func loose(c *pgx.ConnConfig) bool {
	entries := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	return slices.ContainsFunc(entries, func(e *pgconn.FallbackConfig) bool {
		network, _ := pgconn.NetworkAddress(e.Host, e.Port)
		return network != "unix" && (e.TLSConfig == nil || e.TLSConfig.InsecureSkipVerify)
	})
}

// String names the row without a secret: "postgres://host/database/schema.table/name".
func (g *guard) String() string {
	return fmt.Sprintf("postgres://%s/%s/%s/%s", g.settings.Host, g.settings.Database, strings.Join(g.table, "."), g.name)
}

// begin starts a transaction that waits until it is durable, sees what was committed last, and fails where rows are hidden from it rather
// than not to see them. One that finds the connection broken since it was last used takes a new one: nothing has happened on it.
func (g *guard) begin(ctx context.Context) (pgx.Tx, error) {
	options := pgx.TxOptions{
		BeginQuery: "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on; SET LOCAL row_security = off",
	}
	if g.conn != nil && !g.conn.IsClosed() {
		tx, err := g.conn.BeginTx(ctx, options)
		if err == nil || !g.conn.IsClosed() {
			return tx, err
		}
	}
	conn, err := g.connect(ctx)
	if err != nil {
		return nil, err
	}
	g.conn = conn
	return conn.BeginTx(ctx, options)
}

func (g *guard) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, g.settings)
	if err != nil {
		return nil, err
	}
	if g.log != nil {
		if err := g.apart(ctx, conn); err != nil {
			return nil, errors.Join(err, closeQuickly(conn))
		}
	}
	return conn, nil
}

// An identity is that of a database, whatever it is called and by which way it is reached. Copies that follow a server have the
// identity of the server.
type identity struct {
	server   string
	database uint32
}

func identify(ctx context.Context, conn *pgx.Conn) (i identity, err error) {
	const query = `SELECT system_identifier::text, (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()`
	return i, conn.QueryRow(ctx, query).Scan(&i.server, &i.database)
}

// apart refuses a guard in the log's own database, which a backup of the log would bring back along with the log.
func (g *guard) apart(ctx context.Context, conn *pgx.Conn) error {
	log, err := pgx.ConnectConfig(ctx, g.log)
	if err != nil {
		return fmt.Errorf("ask the log's database who it is: %w", err)
	}
	theirs, err := identify(ctx, log)
	if err := errors.Join(err, closeQuickly(log)); err != nil {
		return fmt.Errorf("ask the log's database who it is: %w", err)
	}
	ours, err := identify(ctx, conn)
	switch {
	case err != nil:
		return fmt.Errorf("ask the guard's database who it is: %w", err)
	case ours == theirs:
		return &taffrail.Error{
			Kind: taffrail.KindInvalid, Hint: "keep the guard in another database, best on another server",
			Err: fmt.Errorf("%v: the guard's database is the log's own, so that both would go back together", g),
		}
	case ours.server == theirs.server:
		g.logger.WarnContext(ctx, "the guard is on the log's own server: a backup of that server holds both", "guard", g.String())
	}
	return nil
}

// Close ends the connection.
func (g *guard) Close() error {
	g.turn <- struct{}{}
	defer func() { <-g.turn }()
	if g.conn == nil {
		return nil
	}
	return closeQuickly(g.conn)
}

func closeQuickly(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return conn.Close(ctx)
}
