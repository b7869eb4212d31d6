package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/taffrail-dev/taffrail"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// migrate brings the tables up to date, or only looks whether they are. Each migration is one transaction: if we stop in
// between, the next start goes on with the one that is missing. Of several processes that begin one database at once one makes the tables,
// and the others find them made.
func (s *Store) migrate(ctx context.Context, mode Mode) error {
	files, err := fs.Sub(migrations, s.dialect.folder)
	if err != nil {
		return err
	}
	db := s.writer
	if mode == ReadOnly {
		db = s.readers
	}
	p, err := goose.NewProvider(s.dialect.goose, db, files)
	if err != nil {
		return err
	}
	has, err := s.version(ctx, db)
	if err != nil {
		return err
	}
	switch known := newest(p); {
	case has == 0 && mode != Create:
		return fmt.Errorf("it was never begun: %w", fs.ErrNotExist)
	case has > known:
		return newerError(has, known)
	case has == known:
		return s.checkDerivation(ctx, mode)
	case mode == ReadOnly:
		return olderError("tables are", has, known)
	}
	if err := s.alone(ctx, func() error { _, err := p.Up(ctx); return err }); err != nil {
		return err
	}
	return s.checkDerivation(ctx, mode)
}

// checkDerivation has the index derived anew if it was by other rules than ours. It is one transaction: if we stop in between, the next
// start does it. What an attacker wrote into the log is not told from what is true here; that is for [audit.Verify] to say, whatever
// the index holds.
func (s *Store) checkDerivation(ctx context.Context, mode Mode) error {
	has, err := derivedBy(ctx, s.readers)
	switch {
	case err != nil || has == derivation:
		return err
	case has > derivation:
		return newerError(has, derivation)
	case mode == ReadOnly:
		return olderError("index is", has, derivation)
	}
	u := &update{ctx: ctx, f: rederive, done: make(chan struct{})}
	return errors.Join(s.commit([]*update{u}), u.err)
}

func derivedBy(ctx context.Context, db *sql.DB) (version int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM derived").Scan(&version)
	return version, err
}

func rederive(tx *Tx) error {
	var has int64
	if err := tx.get("SELECT coalesce(max(version), 0) FROM derived", nil, &has); err != nil || has >= derivation { // another process did it
		return err
	}
	if _, _, err := tx.RebuildIndex(); err != nil {
		return err
	}
	if err := tx.exec("DELETE FROM derived"); err != nil {
		return err
	}
	return tx.exec("INSERT INTO derived (version) VALUES (?)", derivation)
}

func olderError(what string, has, known int64) error {
	return &taffrail.Error{
		Kind: taffrail.KindInvalid, Err: fmt.Errorf("the %s of version %d, and this program's of version %d", what, has, known),
		Hint: "run `taffrail index rebuild` once, where the log can be written: it brings them up to date",
	}
}

// version is that of the last migration that was made; 0 where there was none.
func (s *Store) version(ctx context.Context, db *sql.DB) (has int64, err error) {
	var tables int64
	if err := db.QueryRowContext(ctx, s.dialect.begun).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	if tables < 0 { // which must not be taken for a log that was never begun
		return 0, &taffrail.Error{
			Kind: taffrail.KindDenied, Err: errors.New("there is no schema in the search path, or none that the role may use"),
			Hint: "make the schema, and grant the role usage of it",
		}
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&has)
	return has, err
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
