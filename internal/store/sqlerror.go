package store

import (
	"errors"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/taffrail-dev/taffrail"
)

// classify maps what the file system and SQLite say to a kind and a hint.
func classify(err error) (taffrail.Kind, string) {
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
