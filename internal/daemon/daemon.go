// Package daemon composes the engines: it reads a stack, has it compared, and writes what came of it into the log. It is the only
// package that appends to the log, and everything that a command shows comes from here, through [Queries].
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// Options say what a [Daemon] is made of. All are needed.
type Options struct {
	Version   string         // of this program
	DataDir   string         // the folder of log and index
	StateDir  string         // the folder of the guard's state, which must not share backups with DataDir
	ConfigDir string         // the folder of the keys
	Plugins   *plug.Registry // what stands for the systems outside
	// Installation is how the log is kept. Zero is in the three folders, seen by nobody outside.
	Installation config.Installation
	Logger       *slog.Logger     // operational messages
	Now          func() time.Time // the time
}

// A Daemon works on one data folder. Several may do so at the same time, in one process or in several.
type Daemon struct {
	options   Options
	openStore func(ctx context.Context, folder string, mode store.Mode) (database, error)

	mu        sync.Mutex
	log       *openLog // nil: there is none yet
	witnesses *panelOf // nil: none was asked yet
}

var _ Queries = (*Daemon)(nil)

// database is what we ask of a store.
type database interface {
	audit.Storage
	Update(ctx context.Context, f func(*store.Tx) error) error
	Read(ctx context.Context, f func(*store.Tx) error) error
	Sequence(ctx context.Context) error
	Claim(ctx context.Context, name string) (release func(), err error)
	Claimed(ctx context.Context, name string) (bool, error)
	Close() error
}

// New gives a daemon. It does no I/O.
func New(o Options) *Daemon {
	return &Daemon{options: o, openStore: func(ctx context.Context, folder string, mode store.Mode) (database, error) {
		if o.Installation.Store == nil {
			return store.Open(ctx, folder, mode)
		}
		url, err := o.Installation.Store.Address()
		if err != nil {
			return nil, err
		}
		return store.OpenPostgres(ctx, url, mode)
	}}
}

// Start opens the log if there is one, compares it with the guard, and signs what a crash has left unsigned. It never begins a log. A
// log that is gone, shorter or other than the guard knows is an error of [taffrail.KindCorrupt].
func (d *Daemon) Start(ctx context.Context) error {
	l, err := d.open(ctx)
	if errors.Is(err, audit.ErrNoLog) {
		return nil
	}
	if err != nil {
		return boundary("open log", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = l
	return nil
}

// Stop closes what Start opened. No other call may be under way.
func (d *Daemon) Stop(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log == nil {
		return nil
	}
	l := d.log
	d.log = nil
	return l.close()
}

// current is the open log, and an error of [taffrail.KindNotFound] if there is none.
func (d *Daemon) current() (*openLog, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log == nil {
		return nil, boundary("open log", audit.ErrNoLog)
	}
	return d.log, nil
}

// boundary gives what the audit package says its kind and hint.
func boundary(op string, err error) error {
	var known *taffrail.Error
	var corrupt *audit.CorruptError
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.As(err, &corrupt):
		return &taffrail.Error{Op: op, Kind: taffrail.KindCorrupt, Hint: corrupt.Hint, Err: corrupt}
	case errors.Is(err, audit.ErrNoLog):
		return &taffrail.Error{Op: op, Kind: taffrail.KindNotFound, Hint: "the first scan begins a log, or `taffrail log init` does", Err: audit.ErrNoLog}
	case errors.Is(err, audit.ErrExists):
		return &taffrail.Error{Op: op, Kind: taffrail.KindConflict, Hint: "one data folder holds one log; name another folder for another log", Err: err}
	}
	return &taffrail.Error{Op: op, Kind: taffrail.KindInternal, Err: err}
}
