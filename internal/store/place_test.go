package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// A place is where a log can be, and the way to it behind the store's back.
type place struct {
	kind    string
	address string // a folder, or that of a database
	driver  string
	source  string
}

func (p *place) open(t testing.TB, mode store.Mode) (*store.Store, error) {
	return p.openIn(t.Context(), mode)
}

func (p *place) openIn(ctx context.Context, mode store.Mode) (*store.Store, error) {
	if p.kind == "sqlite" {
		return store.Open(ctx, p.address, mode)
	}
	return store.OpenPostgres(ctx, p.address, mode)
}

func (p *place) store(t testing.TB, mode store.Mode) *store.Store {
	t.Helper()
	s, err := p.open(t, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tamper changes the database behind the store's back.
func (p *place) tamper(t testing.TB, statements string) {
	t.Helper()
	db, err := sql.Open(p.driver, p.source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for statement := range strings.SplitSeq(statements, ";") {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

// rows gives the rows of a query, each as text.
func (p *place) rows(t testing.TB, query string) (lines []string) {
	t.Helper()
	db, err := sql.Open(p.driver, p.source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(values...))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// indexTables are the tables of the index.
var indexTables = []string{
	"index_block", "index_drift", "index_entry", "index_group", "index_hold", "index_intent", "index_payload", "index_redaction", "index_scan", "index_stack", "index_version",
}

// dump gives every row of the index.
func (p *place) dump(t testing.TB) (lines []string) {
	t.Helper()
	for _, table := range indexTables {
		for _, row := range p.rows(t, "SELECT * FROM "+table+" ORDER BY 1, 2") {
			lines = append(lines, table+" "+row)
		}
	}
	return append(lines, p.words(t)...)
}

// words gives every word of the free text.
func (p *place) words(t testing.TB) []string {
	t.Helper()
	if p.kind == "postgres" {
		return p.rows(t, `SELECT 'word', idx, unnest(tsvector_to_array(words)) COLLATE "C" AS w FROM text_entry ORDER BY w, idx`)
	}
	p.tamper(t, "CREATE VIRTUAL TABLE IF NOT EXISTS vocabulary USING fts5vocab(text_entry, instance)")
	defer p.tamper(t, "DROP TABLE vocabulary")
	return p.rows(t, "SELECT 'word', doc, term FROM vocabulary ORDER BY term, doc")
}

func inFolder(folder string) *place {
	return &place{kind: "sqlite", address: folder, driver: "sqlite", source: filepath.Join(folder, store.FileName)}
}

func inPostgres(address string) *place {
	return &place{kind: "postgres", address: address, driver: "pgx", source: address}
}

// onEach runs a test on every kind of database.
func onEach(t *testing.T, test func(*testing.T, *place)) {
	t.Run("sqlite", func(t *testing.T) { test(t, inFolder(t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { test(t, inSchema(t)) })
}

// fresh gives another place of the same kind.
func (p *place) fresh(t *testing.T) *place {
	if p.kind == "sqlite" {
		return inFolder(t.TempDir())
	}
	return inSchema(t)
}

// inSchema makes an empty schema in the one database of the shared server, which takes less time than a database.
func inSchema(t testing.TB) *place {
	t.Helper()
	s := server(t)
	shared.database.Do(func() { shared.address = s.Database(t) })
	name := fmt.Sprintf("log%d", shared.schemas.Add(1))
	inPostgres(shared.address).tamper(t, "CREATE SCHEMA "+name)
	return inPostgres(shared.address + "&search_path=" + name)
}

// server gives the one server that most tests share. It does not wait for disks: tests in which a server is lost have their own.
func server(t testing.TB) *pgtest.Server {
	t.Helper()
	shared.start.Do(func() {
		ended := make(chan struct{})
		go func() { // Skip and Fatal end the goroutine
			defer close(ended)
			shared.server = pgtest.Start(&shared, "fsync=off", "max_connections=200")
		}()
		<-ended
	})
	switch {
	case shared.skipped != "":
		t.Skip(shared.skipped)
	case shared.server == nil:
		t.Fatal(shared.failed)
	}
	return shared.server
}

// shared stands for all tests, in the place of one of them.
var shared sharedServer

type sharedServer struct {
	testing.TB
	start, database sync.Once
	address         string // of the database
	schemas         atomic.Int64
	server          *pgtest.Server
	skipped, failed string
	cleanups        []func()
}

func (s *sharedServer) Helper()          {}
func (s *sharedServer) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *sharedServer) Log(args ...any)  { fmt.Fprintln(os.Stderr, args...) }
func (s *sharedServer) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (s *sharedServer) Skip(args ...any)  { s.skipped = fmt.Sprint(args...); runtime.Goexit() }
func (s *sharedServer) Fatal(args ...any) { s.failed = fmt.Sprint(args...); runtime.Goexit() }
func (s *sharedServer) Fatalf(format string, args ...any) {
	s.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestMain(m *testing.M) {
	if os.Getenv(envVictim) != "" {
		fmt.Fprintln(os.Stderr, victim())
		os.Exit(1)
	}
	status := m.Run()
	for i := len(shared.cleanups) - 1; i >= 0; i-- {
		shared.cleanups[i]()
	}
	os.Exit(status)
}

// update appends entries, one at a time.
func update(t testing.TB, s *store.Store, entries ...taffrail.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(e); return err }); err != nil {
			t.Fatal(err)
		}
	}
}
