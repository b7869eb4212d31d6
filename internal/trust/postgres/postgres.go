// Package postgres keeps guard state in a row of a Postgres database, which must not be the log's own.
//
// The table is made when a log begins, and holds a row for each log:
//
//	log      the name that the configuration gives the log; the key
//	origin   the log's own name
//	size     number of entries that were signed last
//	root     their tree's hash, 32 bytes
//	changed  when, by the server's clock; nobody relies on it
//
// Compare and swap are one statement, and it is durable before it counts. A row that cannot be understood is an error of
// [taffrail.KindCorrupt], never taken for none, and never repaired; nor is one that may not be read. Whoever restores the log from a backup
// must not restore this row along with it: another database of the same server is better than the log's own, and another server,
// in other hands, is better still.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says where the row is.
type Config struct {
	Name    string `yaml:"name"`     // of the log's row; logs that share a table have different ones
	URL     string `yaml:"url"`      // postgres://user@host/database; without sslmode the server's certificate is verified
	URLFile string `yaml:"url_file"` // the whole path of a file, of mode 0600, that holds the URL instead
	Table   string `yaml:"table"`    // schema.table; public.taffrail_guard if nothing is set
	LogURL  string `yaml:"log_url"`  // where the log's own database is, if that is Postgres: the guard refuses to be in it
}

// Register registers the guard.
func Register(r *plug.Registry) {
	plug.Add(r, "postgres", func(_ context.Context, env plug.Env, c Config) (audit.Guard, error) {
		c.LogURL = cmp.Or(c.LogURL, env.LogDatabase)
		return open(env, c)
	})
}

var (
	goodName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$`)
	goodTable = regexp.MustCompile(`^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$`)
)

// open connects to nothing yet.
func open(env plug.Env, c Config) (*guard, error) {
	if !goodName.MatchString(c.Name) {
		return nil, invalid("set `name` to letters, digits, dots, dashes and slashes", "the row has no name, or an impossible one")
	}
	if c.Table == "" {
		c.Table = "taffrail_guard"
	}
	if !goodTable.MatchString(c.Table) {
		return nil, invalid("write `table` as schema.table, in lower case", "table %q is no name of a table", c.Table)
	}
	schema, table, found := strings.Cut(c.Table, ".")
	if !found {
		// Where a path is searched for the table, a schema that may not be used looks like one without it.
		schema, table = "public", c.Table
	}
	url, err := c.address()
	if err != nil {
		return nil, err
	}
	g := &guard{name: c.Name, table: pgx.Identifier{schema, table}, logger: env.Logger, turn: make(chan struct{}, 1)}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	if g.settings, err = parse("url", url); err != nil {
		return nil, err
	}
	if c.LogURL != "" {
		if g.log, err = parse("log_url", c.LogURL); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (c Config) address() (string, error) {
	if (c.URL == "") == (c.URLFile == "") {
		return "", invalid("set `url` or `url_file`", "want one address of a database, have none or two")
	}
	if c.URL != "" {
		return c.URL, nil
	}
	if !filepath.IsAbs(c.URLFile) {
		return "", invalid("write the whole path", "url_file %s depends on the working directory", c.URLFile)
	}
	text, err := readSecret(c.URLFile)
	return strings.TrimSpace(text), err
}

// readSecret reads a file that nobody but its owner has access to.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not make us wait
	if err != nil {
		return "", invalid("let `url_file` name a file that can be read", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", invalid("let `url_file` name a file that can be read", "%w", err)
	case !info.Mode().IsRegular():
		return "", invalid("let `url_file` name a file", "%s is no file", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", &taffrail.Error{
			Op: "open guard", Kind: taffrail.KindDenied, Hint: "chmod 600 " + path,
			Err: fmt.Errorf("%s: its mode is %04o, so that others than its owner have access", path, info.Mode().Perm()),
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, 16<<10))
	if err != nil {
		return "", invalid("let `url_file` name a file that can be read", "read %s: %w", path, err)
	}
	return string(text), nil
}

func invalid(hint, format string, args ...any) error {
	return &taffrail.Error{Op: "open guard", Kind: taffrail.KindInvalid, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// corrupt is an error for a row that nobody of us wrote. It is the audit package's kind, too, so that a verification counts it among what
// is wrong with the log.
func (g *guard) corrupt(format string, args ...any) error {
	const hint = "bring the row back from where it was kept; it must never be written by hand"
	c := &audit.CorruptError{Part: audit.PartGuard, What: g.String() + " holds what was never written", Hint: hint, Err: fmt.Errorf(format, args...)}
	return &taffrail.Error{Kind: taffrail.KindCorrupt, Hint: hint, Err: c}
}

// refusals say what a code of Postgres means (its documentation, appendix A), the longest that fits. All others may pass.
var refusals = []struct {
	code string
	kind taffrail.Kind
	hint string
}{
	{"42501", taffrail.KindDenied, "grant SELECT, INSERT and UPDATE on the guard's table and USAGE on its schema, without row security; to begin a log, CREATE on the schema"},
	{"28", taffrail.KindDenied, "check user and password of the guard's database"},
	{"25006", taffrail.KindDenied, "let the guard's user write, on the primary server"},
	{"3D000", taffrail.KindInvalid, "make a database for the guard, or check `url`"},
	{"3F000", taffrail.KindInvalid, "make the schema that `table` names"},
	{"42", taffrail.KindInvalid, "let `table` name a table that the guard made, or none"},
	{"22", taffrail.KindInvalid, "let `table` name a table that the guard made, or none"},
}

// failed gives an error its kind, and says what it is about. What has a kind keeps it.
func (g *guard) failed(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	var known *taffrail.Error
	if errors.As(err, &known) {
		return &taffrail.Error{Op: op, Kind: known.Kind, Hint: known.Hint, Err: known.Err}
	}
	e := &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Err: fmt.Errorf("%v: %w", g, err)}
	var told *pgconn.PgError
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		e.Err = fmt.Errorf("%v: %w: %w", g, ended, err)
	} else if errors.As(err, &told) {
		e.Err = fmt.Errorf("%v: %w", g, quiet(told))
		for _, r := range refusals {
			if strings.HasPrefix(told.Code, r.code) {
				e.Kind, e.Hint = r.kind, r.hint
				break
			}
		}
	}
	return e
}

// quiet leaves out all that a server might quote of what it was sent.
func quiet(e *pgconn.PgError) *pgconn.PgError {
	return &pgconn.PgError{Severity: e.Severity, Code: e.Code, Message: e.Message}
}
