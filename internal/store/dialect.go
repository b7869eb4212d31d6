package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/taffrail-dev/taffrail"
)

// A dialect is what one kind of database says otherwise than the others. All SQL beside it is written once, in what both understand, with
// `?` for arguments.
type dialect struct {
	goose        goose.Dialect
	folder       string                    // of the migrations
	bind         func(query string) string // writes arguments as the database does
	word         func(string) string       // gives a text of the index as the database can hold it
	turn         string                    // has a transaction wait until it is the one that writes; empty: to begin is to wait
	wait, hasten string                    // has the commits of a connection wait for the disk, or not
	later        string                    // has the commit of a transaction not wait for the disk
	snapshot     sql.TxOptions
	begun        string                                                                        // counts the tables that are there if any of ours are
	index        string                                                                        // lists the tables of the index
	shadow       func(tx *Tx, table string) error                                              // makes the empty shadow of a table of the index
	growing      string                                                                        // has tables that begin empty and grow be read by their indexes
	grown        string                                                                        // ends that
	textColumns  string                                                                        // of text_entry
	dropText     string                                                                        // takes the words of an entry out, which it is given; empty: as any row
	clearText    string                                                                        // takes all words out
	prepareWords []string                                                                      // what is needed to ask for all words
	words        string                                                                        // gives all words with the indexes of their entries
	findText     func(q *question, all [][]string, from, to int64, limit int) ([]int64, error) // finds entries of a span that have one of each
	together     bool                                                                          // findText ends with the span also where several are looked for
	scrub        func(context.Context, *sql.DB) error                                          // has the files forget what was erased; nil: they do so by themselves
	send         func(context.Context, *sql.Conn, []call) error                                // runs many statements, up to the first that fails
	source       func(table string, width int, rows []any) (string, []any)                     // writes rows as a part of a statement; nil: as VALUES
	settles      bool                                                                          // one statement that fails spoils a transaction
	classify     func(error) (taffrail.Kind, string)
}

var sqliteDialect = dialect{
	goose:        goose.DialectSQLite3,
	folder:       "migrations/sqlite",
	bind:         func(query string) string { return query },
	word:         func(s string) string { return s },
	wait:         "PRAGMA synchronous = FULL",
	hasten:       "PRAGMA synchronous = NORMAL", // of what is committed the last may be lost; the next that waits has all before it on the disk
	begun:        "SELECT count(*) FROM sqlite_schema",
	index:        `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'index\_%' ESCAPE '\' ORDER BY name`,
	shadow:       shadowSQLite,
	scrub:        scrubSQLite,
	send:         sendSQLite,
	findText:     findTextSQLite,
	textColumns:  "rowid, words",
	dropText:     "INSERT INTO text_entry (text_entry, rowid, words) VALUES ('delete', ?, ?)",
	clearText:    "INSERT INTO text_entry (text_entry) VALUES ('delete-all')",
	prepareWords: []string{"CREATE VIRTUAL TABLE IF NOT EXISTS temp.text_word USING fts5vocab(main, text_entry, instance)"},
	words:        "SELECT term, doc FROM temp.text_word",
	classify:     classifySQLite,
}

var postgresDialect = dialect{
	goose:    goose.DialectPostgres,
	folder:   "migrations/postgres",
	bind:     numbered,
	word:     postgresWord,
	turn:     "SELECT pg_advisory_xact_lock(" + writerLock + ")",
	later:    "SET LOCAL synchronous_commit = off",
	snapshot: sql.TxOptions{Isolation: sql.LevelRepeatableRead},
	begun: `SELECT CASE WHEN current_schema() IS NULL THEN -1 ELSE
		(SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relname = 'goose_db_version') END`,
	index:       `SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r' AND relname LIKE 'index\_%' ORDER BY relname COLLATE "C"`,
	shadow:      shadowPostgres,
	growing:     "SET LOCAL enable_seqscan = off", // what is planned while a table is small is kept
	grown:       "SET LOCAL enable_seqscan = on",
	send:        sendPostgres,
	settles:     true,
	source:      arrays,
	findText:    findTextPostgres,
	together:    true,
	textColumns: "idx, words",
	clearText:   "DELETE FROM text_entry",
	words:       "SELECT unnest(tsvector_to_array(words)), idx FROM text_entry",
	classify:    classifyPostgres,
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

// maxWord is how long a text may be so that an index of Postgres over a few of them holds it, in bytes.
const maxWord = 1000

// postgresWord replaces the one character that Postgres cannot hold, and what is too much of a text by a digest of all of it. Whatever the
// world calls its resources must be possible to log; the entry has the name as it was.
func postgresWord(s string) string {
	if len(s) > maxWord {
		sum := sha256.Sum256([]byte(s))
		s = strings.ToValidUTF8(s[:maxWord-2*len(sum)], "") + hex.EncodeToString(sum[:])
	}
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}
