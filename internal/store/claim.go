package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// claimsFolder lies in the data folder, and holds a file for each process that is in the middle of something.
const claimsFolder = "claims"

// claimKey is the advisory lock of a claim in Postgres.
const claimKey = "hashtextextended('taffrail claim ' || current_schema() || ' ' || ?, 0)"

// Claim says of a name, for as long as this process lives or until release is called, that whatever bears it is being worked on. The
// end of the process ends the claim, however it ends.
func (s *Store) Claim(ctx context.Context, name string) (release func(), err error) {
	if s.dialect == &postgresDialect {
		return s.claimLock(ctx, name)
	}
	path := s.claimPath(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, s.boundary("claim", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, s.boundary("claim", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, s.boundary("claim", errors.Join(err, f.Close()))
	}
	return sync.OnceFunc(func() {
		_ = os.Remove(path)
		_ = f.Close() // ends the lock
	}), nil
}

// claimLock keeps a connection for as long as the claim lasts.
func (s *Store) claimLock(ctx context.Context, name string) (release func(), err error) {
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return nil, s.boundary("claim", err)
	}
	if _, err := conn.ExecContext(ctx, s.dialect.bind("SELECT pg_advisory_lock("+claimKey+")"), name); err != nil {
		return nil, s.boundary("claim", errors.Join(err, conn.Close()))
	}
	return sync.OnceFunc(func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), s.dialect.bind("SELECT pg_advisory_unlock("+claimKey+")"), name)
		_ = conn.Close()
	}), nil
}

// Claimed says whether a process that lives claims a name. The file of one that is dead is removed.
func (s *Store) Claimed(ctx context.Context, name string) (bool, error) {
	if name == "" || name != filepath.Base(name) {
		return false, nil
	}
	if s.dialect == &postgresDialect {
		return s.lockClaimed(ctx, name)
	}
	path := s.claimPath(name)
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, s.boundary("look for a claim", err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, s.boundary("look for a claim", err)
	}
	return false, nil
}

func (s *Store) lockClaimed(ctx context.Context, name string) (claimed bool, err error) {
	tx, err := s.readers.BeginTx(ctx, nil)
	if err != nil {
		return false, s.boundary("look for a claim", err)
	}
	defer tx.Rollback() // ends the lock
	var free bool
	if err := tx.QueryRowContext(ctx, s.dialect.bind("SELECT pg_try_advisory_xact_lock("+claimKey+")"), name).Scan(&free); err != nil {
		return false, s.boundary("look for a claim", err)
	}
	return !free, nil
}

func (s *Store) claimPath(name string) string {
	return filepath.Join(filepath.Dir(s.name), claimsFolder, name)
}
