package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
	"github.com/taffrail-dev/taffrail/internal/trust/file"
)

// A ledger is our log: store, guard and keys as the product has them by default.
type ledger struct {
	store  *store.Store
	log    *audit.Log
	signer audit.Signer
	steps  *steps
}

// steps are how long each part of the signatures took, added up.
type steps struct {
	mu  sync.Mutex
	sum map[string]time.Duration
}

func (s *steps) measure(name string, f func() error) error {
	began := time.Now()
	err := f()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sum == nil {
		s.sum = map[string]time.Duration{}
	}
	s.sum[name] += time.Since(began)
	return err
}

// openLedger opens the log in a folder, or begins it.
func openLedger(ctx context.Context, dir string, s *store.Store) (*ledger, error) {
	var plugins plug.Registry
	file.Register(&plugins)
	env := plug.Env{Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	settings := plug.Settings{File: "bench", YAML: fmt.Appendf(nil, "folder: %q\n", filepath.Join(dir, "trust"))}
	guard, err := plug.Open[audit.Guard](ctx, &plugins, "file", env, settings)
	if err != nil {
		return nil, err
	}
	keys, err := plug.Open[audit.Keyring](ctx, &plugins, "file", env, settings)
	if err != nil {
		return nil, err
	}
	if _, err := keys.Create(ctx, origin); err != nil && !errors.Is(err, audit.ErrExists) {
		return nil, err
	}
	l := &ledger{store: s, steps: &steps{}}
	l.signer = audit.NewSigner(timedKeys{keys, l.steps}, timedGuard{guard, l.steps})
	storage := timedStorage{s, l.steps}
	l.log, err = audit.Open(ctx, storage, l.signer)
	if errors.Is(err, audit.ErrNoLog) {
		l.log, err = audit.Begin(ctx, storage, l.signer)
	}
	return l, err
}

// openSQLite opens the log on SQLite, in a folder of its own.
func openSQLite(ctx context.Context, dir string) (*ledger, error) {
	s, err := store.Open(ctx, filepath.Join(dir, "data"), store.Create)
	if err != nil {
		return nil, err
	}
	l, err := openLedger(ctx, dir, s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return l, nil
}

// commit appends a leaf and nothing else, durably.
func (l *ledger) commit(ctx context.Context, leaf []byte) error {
	return l.store.Update(ctx, func(tx *store.Tx) error {
		_, err := audit.Append(tx, leaf)
		return err
	})
}

// sign has everything signed that is committed.
func (l *ledger) sign(ctx context.Context) error {
	_, err := l.log.Sign(ctx)
	return err
}

func (l *ledger) commitAndSign(ctx context.Context, leaf []byte) error {
	return errors.Join(l.commit(ctx, leaf), l.sign(ctx))
}

// record appends an entry by its type, with the rows that follow from it.
func (l *ledger) record(ctx context.Context) error {
	return l.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Append(newEntry())
		return err
	})
}

// newEntry is an entry of now.
func newEntry() taffrail.Entry {
	e := driftEntry(rand.Uint64())
	e.Time, e.Nonce, e.Actor = time.Now(), fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()), "taffrail/bench"
	return e
}

// queue puts a drift into the outbox, and waits until it has its index.
func (l *ledger) queue(ctx context.Context, _ []byte) error {
	return l.enqueue(ctx, newEntry())
}

// queuePlain does the same with an entry that has no rows but those of every entry.
func (l *ledger) queuePlain(ctx context.Context, _ []byte) error {
	e := newEntry()
	e.Body = taffrail.Verified{}
	return l.enqueue(ctx, e)
}

func (l *ledger) enqueue(ctx context.Context, e taffrail.Entry) error {
	ticket, err := l.store.Enqueue(ctx, []taffrail.Entry{e})
	if err == nil {
		_, err = l.store.Await(ctx, ticket)
	}
	return err
}

// recordAndSign takes nothing of a leaf but the occasion.
func (l *ledger) recordAndSign(ctx context.Context, _ []byte) error {
	return errors.Join(l.record(ctx), l.sign(ctx))
}

// timedGuard notes how long the guard takes.
type timedGuard struct {
	audit.Guard
	steps *steps
}

func (g timedGuard) Swap(ctx context.Context, old, new audit.Head) error {
	return g.steps.measure("the guard's swap", func() error { return g.Guard.Swap(ctx, old, new) })
}

func (g timedGuard) Load(ctx context.Context) (h audit.Head, err error) {
	err = g.steps.measure("reading the guard", func() error {
		h, err = g.Guard.Load(ctx)
		return err
	})
	return h, err
}

// timedKeys notes how long it takes to load the keys.
type timedKeys struct {
	audit.KeySource
	steps *steps
}

func (k timedKeys) Load(ctx context.Context) (r audit.Ring, err error) {
	err = k.steps.measure("reading the keys", func() error {
		r, err = k.KeySource.Load(ctx)
		return err
	})
	return r, err
}

// timedStorage notes how long the log's own reading and writing takes. All that it writes is checkpoints.
type timedStorage struct {
	audit.Storage
	steps *steps
}

func (s timedStorage) Write(ctx context.Context, f func(audit.Writer) error) error {
	return s.steps.measure("storing the checkpoint", func() error { return s.Storage.Write(ctx, f) })
}

func (s timedStorage) WriteLater(ctx context.Context, f func(audit.Writer) error) error {
	return s.steps.measure("storing the checkpoint", func() error {
		if later, ok := s.Storage.(audit.LaterWriter); ok {
			return later.WriteLater(ctx, f)
		}
		return s.Storage.Write(ctx, f)
	})
}

func (s timedStorage) Committed(ctx context.Context, from int64) (leaves []tlog.Hash, ok bool) {
	_ = s.steps.measure("asking what was added", func() error {
		if t, is := s.Storage.(audit.Teller); is {
			leaves, ok = t.Committed(ctx, from)
		}
		return nil
	})
	return leaves, ok
}

func (s timedStorage) View(ctx context.Context, f func(audit.Reader) error) error {
	return s.steps.measure("looking at the log (with what is read of guard and keys meanwhile)", func() error { return s.Storage.View(ctx, f) })
}
