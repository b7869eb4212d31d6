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
// between, the next start goes on with the one that is missing.
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
		return nil
	case mode == ReadOnly:
		return &taffrail.Error{
			Kind: taffrail.KindInvalid, Err: fmt.Errorf("the tables are of version %d, and this program's of version %d", has, known),
			Hint: "run `taffrail index rebuild` once, where the log can be written: it brings them up to date",
		}
	}
	return s.alone(ctx, func() error { return s.up(ctx, p) })
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

// up makes what migrations are missing. Of several processes that begin one SQLite database at once, all but one find a table made that
// they were about to make. Once that one has committed they find nothing left to do.
func (s *Store) up(ctx context.Context, p *goose.Provider) (err error) {
	for range migrationTries {
		if _, err = p.Up(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

const migrationTries = 5

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
