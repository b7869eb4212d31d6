package store

import (
	"database/sql"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/taffrail-dev/taffrail"
)

// A dialect is what one kind of database says otherwise than the others. All SQL beside it is written once, in what both understand, with
// `?` for arguments.
type dialect struct {
	goose    goose.Dialect
	folder   string                    // of the migrations
	bind     func(query string) string // writes arguments as the database does
	text     func(string) string       // gives a text that the database can hold
	turn     string                    // has a transaction wait until it is the one that writes; empty: to begin is to wait
	snapshot sql.TxOptions
	begun    string                           // counts the tables that are there if any of ours are
	index    string                           // lists the tables of the index
	shadow   func(tx *Tx, table string) error // makes the empty shadow of a table of the index
	classify func(error) (taffrail.Kind, string)
}

var sqliteDialect = dialect{
	goose:    goose.DialectSQLite3,
	folder:   "migrations/sqlite",
	bind:     func(query string) string { return query },
	text:     func(s string) string { return s },
	begun:    "SELECT count(*) FROM sqlite_schema",
	index:    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'index\_%' ESCAPE '\' ORDER BY name`,
	shadow:   shadowSQLite,
	classify: classifySQLite,
}

var postgresDialect = dialect{
	goose:    goose.DialectPostgres,
	folder:   "migrations/postgres",
	bind:     numbered,
	text:     func(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }, // the one character that it cannot hold
	turn:     "SELECT pg_advisory_xact_lock(" + writerLock + ")",
	snapshot: sql.TxOptions{Isolation: sql.LevelRepeatableRead},
	begun: `SELECT CASE WHEN current_schema() IS NULL THEN -1 ELSE
		(SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relname = 'goose_db_version') END`,
	index:    `SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r' AND relname LIKE 'index\_%' ORDER BY relname COLLATE "C"`,
	shadow:   shadowPostgres,
	classify: classifyPostgres,
}

// numbered writes the n-th `?` as `$n`. No statement has one in a literal.
func numbered(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}
