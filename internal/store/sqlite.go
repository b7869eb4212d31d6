package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/taffrail-dev/taffrail"
)

// FileName is the database's name in the data folder.
const FileName = "log.sqlite"

// Open opens the database in a folder. Without [Create] a database that is not there is an error of
// [taffrail.KindNotFound]; it is never made up, since a log that is gone is an alarm. A file that is no database of ours is
// [taffrail.KindCorrupt], one of a newer program [taffrail.KindInvalid].
func Open(ctx context.Context, folder string, mode Mode) (*Store, error) {
	path := filepath.Join(folder, FileName)
	s, err := openFile(ctx, path, mode, func(path string) string { return fileAddress(path, "ro", "deferred") })
	if mode == ReadOnly && lacksRoom(err) {
		if alone, failed := openFile(ctx, path, mode, aloneAddress); failed == nil {
			alone.readers.SetMaxIdleConns(0) // nobody is kept out while nobody reads
			return alone, nil
		}
	}
	return s, err
}

// openFile opens the database, with readers at an address of its file.
func openFile(ctx context.Context, path string, mode Mode, address func(path string) string) (*Store, error) {
	if err := prepareFile(path, mode); err != nil {
		return nil, sqliteDialect.boundary("open log database", err)
	}
	readers, err := openSQLiteAt(address(path))
	if err != nil {
		return nil, sqliteDialect.boundary("open log database", err)
	}
	readers.SetMaxOpenConns(4)
	s := &Store{name: path, dialect: &sqliteDialect, readers: readers}
	s.alone = func(_ context.Context, f func() error) error { return aloneInFolder(filepath.Dir(path), f) }
	if mode != ReadOnly {
		if s.writer, err = openSQLiteAt(fileAddress(path, "rwc", "immediate")); err != nil {
			return nil, sqliteDialect.boundary("open log database", errors.Join(err, s.disconnect()))
		}
		s.writer.SetMaxOpenConns(1)
		// The first connection of all turns the write-ahead log on. SQLite does not wait for others there, and they would fail.
		if err := s.alone(ctx, func() error { return s.writer.PingContext(ctx) }); err != nil {
			return nil, sqliteDialect.boundary("open log database", errors.Join(fmt.Errorf("%s: %w", path, err), s.disconnect()))
		}
	}
	return start(ctx, s, mode)
}

// prepareFile makes folder and file, readable by their owner alone, or finds the file. If we stop in between, an empty folder or an empty
// file is left, which is as good as none.
func prepareFile(path string, mode Mode) error {
	if mode == Create {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite gives the files beside it the same mode
		if err != nil {
			return err
		}
		return f.Close()
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	return err
}

// aloneInFolder runs f while no other process does so. If we stop in between, the system gives the lock free. It is not on the database's
// file: to close that would take SQLite's own locks away.
func aloneInFolder(folder string, f func() error) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		if err = unix.Flock(int(dir.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", folder, err)
	}
	return f()
}

// fileAddress is the data source name. A committed transaction is on the disk: WAL with synchronous=FULL syncs at each commit. What is
// deleted is overwritten, always: bytes that moved from page to page before they were erased would otherwise stay where they were.
func fileAddress(path, mode, lock string) string {
	q := url.Values{
		"mode":    {mode},
		"_txlock": {lock},
		"_pragma": {"busy_timeout(30000)", "synchronous(FULL)", "trusted_schema(OFF)", "secure_delete(ON)"},
	}
	if mode != "ro" {
		q.Add("_pragma", "journal_mode(WAL)")
	} else if sealed(path) {
		q.Set("immutable", "1")
	}
	return sourceName(path, q)
}

// aloneAddress is where one process alone reads, without the file of shared memory that SQLite otherwise makes beside the database: as long as it reads
// nobody writes.
func aloneAddress(path string) string {
	q := url.Values{"mode": {"rw"}, "vfs": {"unix-excl"}, "_txlock": {"deferred"}, "_pragma": {"busy_timeout(100)", "query_only(ON)", "trusted_schema(OFF)"}}
	return sourceName(path, q)
}

// sourceName is a data source name with what is asked for in it.
func sourceName(path string, q url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// lacksRoom says whether the disk has no room for the file of shared memory.
func lacksRoom(err error) bool {
	var failed *sqlite.Error
	return errors.As(err, &failed) && failed.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
}

// scrubSQLite moves all into the database, where what was deleted is overwritten, and empties the write-ahead log. It does not wait for
// those who read what was before.
func scrubSQLite(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 100"); err != nil {
		return err
	}
	var busy, pages, moved int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 {
		err = errors.New("the write-ahead log is being read")
	}
	_, again := conn.ExecContext(ctx, "PRAGMA busy_timeout = 30000")
	return errors.Join(err, again)
}

// sendSQLite runs statements one after the other.
func sendSQLite(ctx context.Context, conn *sql.Conn, calls []call) error {
	return conn.Raw(func(raw any) error {
		var args []driver.NamedValue
		for _, c := range calls {
			args = args[:0]
			for i, a := range c.args {
				value, err := driver.DefaultParameterConverter.ConvertValue(a)
				if err != nil {
					return err
				}
				args = append(args, driver.NamedValue{Ordinal: i + 1, Value: value})
			}
			if _, err := raw.(driver.ExecerContext).ExecContext(ctx, c.statement, args); err != nil {
				return err
			}
		}
		return nil
	})
}

// sealed says whether nobody can be writing: the folder does not allow it, and there is no write-ahead log to be read along. SQLite
// would otherwise want to make a file of shared memory beside the database.
func sealed(path string) bool {
	_, err := os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist) && unix.Access(filepath.Dir(path), unix.W_OK) != nil
}

// classifySQLite maps what the file system and SQLite say to a kind and a hint.
func classifySQLite(err error) (taffrail.Kind, string) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return taffrail.KindNotFound, ""
	case errors.Is(err, fs.ErrPermission):
		return taffrail.KindDenied, "the data folder must belong to you"
	case errors.Is(err, syscall.ENOSPC):
		return taffrail.KindUnavailable, hintFull
	}
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return taffrail.KindInternal, ""
	}
	switch failed.Code() & 0xff { // the primary result code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return taffrail.KindUnavailable, "another process has held the log's database for half a minute; try again"
	case sqlite3.SQLITE_FULL:
		return taffrail.KindUnavailable, hintFull
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return taffrail.KindDenied, "the data folder and the files in it must be writable for you"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return taffrail.KindCorrupt, "the file is damaged, or not a database of taffrail; keep it and restore a copy"
	case sqlite3.SQLITE_IOERR:
		return taffrail.KindUnavailable, "look at the disk that holds the data folder"
	}
	return taffrail.KindInternal, ""
}

const hintFull = "the disk is full; nothing was lost, make room and do it again"
