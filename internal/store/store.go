// Package store keeps the log and the index over it in one SQLite database, so that an entry and the rows that belong to it are
// written in one transaction and cannot part.
//
// The log is the truth. Every row of the index is derived from an entry, by one function that serves appending as well as
// rebuilding; deleting the index and rebuilding it changes nothing.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// FileName is the database's name in the data folder.
const FileName = "log.sqlite"

// A Mode says what [Open] may do to the folder.
type Mode int

// The modes.
const (
	ReadOnly Mode = iota // look, change nothing
	Write                // use what is there
	Create               // begin a database if there is none
)

//go:embed migrations/*.sql
var migrations embed.FS

// A Store is an open database. All methods may be called at the same time, also by other processes on the same folder.
type Store struct {
	path    string
	readers *sql.DB
	writer  *sql.DB // one connection; nil if read-only
	queue   chan *update
	done    chan struct{} // closed when the writer has ended
}

// Open opens the database in a folder. Without [Create] a database that is not there is an error of
// [taffrail.KindNotFound]; it is never made up, since a log that is gone is an alarm. A file that is no database of ours is
// [taffrail.KindCorrupt], one of a newer program [taffrail.KindInvalid].
func Open(ctx context.Context, folder string, mode Mode) (*Store, error) {
	s := &Store{path: filepath.Join(folder, FileName), queue: make(chan *update), done: make(chan struct{})}
	if err := s.prepare(folder, mode); err != nil {
		return nil, boundary("open log database", err)
	}
	if err := s.connect(ctx, mode); err != nil {
		err = errors.Join(err, s.disconnect())
		return nil, boundary("open log database", fmt.Errorf("%s: %w", s.path, err))
	}
	if mode == ReadOnly {
		close(s.done)
	} else {
		go s.write()
	}
	return s, nil
}

// prepare makes folder and file, readable by their owner alone, or finds the file. If we stop in between, an empty folder or an empty
// file is left, which is as good as none.
func (s *Store) prepare(folder string, mode Mode) error {
	if mode == Create {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite gives the files beside it the same mode
		if err != nil {
			return err
		}
		return f.Close()
	}
	info, err := os.Stat(s.path)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", s.path)
	}
	return err
}

func (s *Store) connect(ctx context.Context, mode Mode) error {
	var err error
	if mode != ReadOnly {
		if s.writer, err = sql.Open("sqlite", s.address("rwc", "immediate")); err != nil {
			return err
		}
		s.writer.SetMaxOpenConns(1)
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", s.address("ro", "deferred")); err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(4)
	return s.readers.PingContext(ctx)
}

// address is the data source name. A committed transaction is on the disk: WAL with synchronous=FULL syncs at each commit.
func (s *Store) address(mode, lock string) string {
	q := url.Values{
		"mode":    {mode},
		"_txlock": {lock},
		"_pragma": {"busy_timeout(30000)", "synchronous(FULL)", "trusted_schema(OFF)"},
	}
	if mode != "ro" {
		q.Add("_pragma", "journal_mode(WAL)")
	} else if s.sealed() {
		q.Set("immutable", "1")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: s.path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// sealed says whether nobody can be writing: the folder does not allow it, and there is no write-ahead log to be read along. SQLite
// would otherwise want to make a file of shared memory beside the database.
func (s *Store) sealed() bool {
	_, err := os.Stat(s.path + "-wal")
	return errors.Is(err, fs.ErrNotExist) && unix.Access(filepath.Dir(s.path), unix.W_OK) != nil
}

// migrate brings the tables up to date, or only looks whether they are. Each migration is one transaction: if we stop in
// between, the next start goes on with the one that is missing.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := s.writer
	if db == nil {
		if db, err = sql.Open("sqlite", s.address("ro", "deferred")); err != nil {
			return err
		}
		defer db.Close()
		return checkVersion(ctx, db, files)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	// Of several processes that begin one database at once, all but one find a table made that they were about to make. Once that one has
	// committed they find nothing left to do.
	for range migrationTries {
		if err = up(ctx, p); err == nil || ctx.Err() != nil || taffrail.KindOf(err) == taffrail.KindInvalid {
			break
		}
	}
	return err
}

const migrationTries = 5

func up(ctx context.Context, p *goose.Provider) error {
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if known := newest(p); has > known {
		return newerError(has, known)
	}
	_, err = p.Up(ctx)
	return err
}

// checkVersion is migrate for those who may not write.
func checkVersion(ctx context.Context, db *sql.DB, files fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	var has, tables int64
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if tables == 0 {
		return fmt.Errorf("it was never begun: %w", fs.ErrNotExist)
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&has)
	if err != nil {
		return err
	}
	switch known := newest(p); {
	case has > known:
		return newerError(has, known)
	case has < known:
		return &taffrail.Error{
			Kind: taffrail.KindInvalid, Err: fmt.Errorf("the tables are of version %d, and this program's of version %d", has, known),
			Hint: "run `taffrail index rebuild` once, where the folder can be written: it brings them up to date",
		}
	}
	return nil
}

func newest(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version
}

func newerError(has, known int64) error {
	return &taffrail.Error{
		Kind: taffrail.KindInvalid, Err: fmt.Errorf("the tables are of version %d, this program knows %d", has, known),
		Hint: "use the taffrail that wrote this log, or a newer one",
	}
}

// Close waits for the transactions that are under way. It must not be called twice, nor while calls are still coming.
func (s *Store) Close() error {
	if s.writer != nil {
		close(s.queue)
	}
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

// Read runs f on a snapshot. It returns f's error as it is.
func (s *Store) Read(ctx context.Context, f func(*Tx) error) error {
	tx, err := s.readers.BeginTx(ctx, nil)
	if err != nil {
		return boundary("read log database", err)
	}
	defer tx.Rollback()
	return f(&Tx{ctx: ctx, sql: tx})
}

// View implements [audit.Storage].
func (s *Store) View(ctx context.Context, f func(audit.Reader) error) error {
	return s.Read(ctx, func(tx *Tx) error { return f(tx) })
}

// Write implements [audit.Storage].
func (s *Store) Write(ctx context.Context, f func(audit.Writer) error) error {
	return s.Update(ctx, func(tx *Tx) error { return f(tx) })
}

// boundary gives an error of the file system or of SQLite its kind.
func boundary(op string, err error) error {
	var known *taffrail.Error
	if errors.As(err, &known) {
		return err
	}
	kind, hint := classify(err)
	return &taffrail.Error{Op: op, Kind: kind, Hint: hint, Err: err}
}
