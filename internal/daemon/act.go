package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// An effect does what was intended, in the transaction that will say so if it is the log's own database that it changes, and gives the body
// of the outcome. With an error it has done nothing.
type effect func(tx *store.Tx) (taffrail.EntryBody, error)

// act is the one way in which anything privileged is done: what is intended is in the log, signed, before anything happens, and what came of
// it after. Who asks for it stands beside the entries, in a field that can be erased. Where the log cannot be written, nothing is done.
//
// If we stop after the intent, the next start finds it without an outcome, and writes that nobody knows how it went. Do is run between
// the two, outside of any transaction, and may be nil; then the effect and the outcome are one transaction, so that either both are
// there or neither. Settle gets what do has found out.
func (d *Daemon) act(ctx context.Context, by string, intent taffrail.EntryBody, do func(context.Context) error, settle effect) (LogPosition, error) {
	l, err := d.current()
	if err != nil {
		return LogPosition{}, err
	}
	request, err := d.claim(ctx, l)
	if err != nil {
		return LogPosition{}, err
	}
	first, err := d.appendOne(ctx, l, d.entry(intent, entryContext{outcome: taffrail.OutcomeIntended, request: request, by: by}))
	if err == nil {
		_, err = l.log.Sign(ctx)
	}
	if err != nil { // fail closed
		return LogPosition{}, boundary("log what is intended", err)
	}
	if do != nil {
		err = do(ctx)
	}
	// How it went is written down even if the person who asked has left.
	ctx = context.WithoutCancel(ctx)
	outcome := entryContext{outcome: taffrail.OutcomeOK, request: request, by: by, intent: &first}
	var last int64
	if err == nil {
		err = l.store.Update(ctx, func(tx *store.Tx) error {
			body, err := settle(tx)
			if err != nil {
				return err
			}
			stamp, err := tx.Append(d.entry(body, outcome))
			last = stamp.Index
			return err
		})
	}
	if err != nil {
		outcome.outcome, outcome.err = taffrail.OutcomeFailed, err
		_, failed := d.appendOne(ctx, l, d.entry(intent, outcome))
		_, unsigned := l.log.Sign(ctx)
		return LogPosition{}, boundary("act", errors.Join(err, failed, unsigned))
	}
	return d.positionOf(ctx, l, first, last)
}

// appendOne appends one entry, in a transaction of its own.
func (d *Daemon) appendOne(ctx context.Context, l *openLog, e taffrail.Entry) (index int64, err error) {
	err = l.store.Update(ctx, func(tx *store.Tx) error {
		stamp, err := tx.Append(e)
		index = stamp.Index
		return err
	})
	return index, err
}

// positionOf has entries signed, and says where they stand.
func (d *Daemon) positionOf(ctx context.Context, l *openLog, first, last int64) (LogPosition, error) {
	cp, err := l.log.Sign(ctx)
	if err != nil {
		return LogPosition{}, boundary("sign log", err)
	}
	return LogPosition{
		Origin: l.origin, Key: l.key, First: first, Last: last, Level: audit.LevelSigned, Size: cp.Size, Root: cp.Root.String(),
	}, nil
}

// claim names a request after this process, which is known to be alive as long as it holds its claim.
func (d *Daemon) claim(ctx context.Context, l *openLog) (request string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.claim == "" {
		name := randomHex(8)
		if l.release, err = l.store.Claim(ctx, name); err != nil {
			return "", err
		}
		l.claim = name
	}
	l.acts++
	return fmt.Sprintf("act-%s-%d", l.claim, l.acts), nil
}

// settleIntents writes, of each intent without an outcome whose process is gone, that nobody knows how it went. Of several processes that
// start at once one does so: the others find it done.
func (d *Daemon) settleIntents(ctx context.Context, l *openLog) error {
	var open []store.Intent
	err := l.store.Read(ctx, func(tx *store.Tx) (err error) { open, err = tx.OpenIntents(); return err })
	if err != nil || len(open) == 0 {
		return err
	}
	for _, intent := range open {
		if alive, err := l.store.Claimed(ctx, claimOf(intent.Request)); err != nil || alive {
			if err != nil {
				return err
			}
			continue
		}
		if err := l.store.Update(ctx, func(tx *store.Tx) error { return d.settleIntent(tx, intent) }); err != nil {
			return err
		}
	}
	_, err = l.log.Sign(ctx)
	return err
}

func (d *Daemon) settleIntent(tx *store.Tx, intent store.Intent) error {
	open, err := tx.OpenIntents()
	if err != nil || !slices.ContainsFunc(open, func(i store.Intent) bool { return i.Index == intent.Index }) {
		return err
	}
	e, err := entryAt(tx, intent.Index)
	if err != nil {
		return err
	}
	_, err = tx.Append(d.entry(e.Body, entryContext{scope: e.Scope, resource: e.Resource, outcome: taffrail.OutcomeUnknown, request: e.Request, intent: &intent.Index}))
	return err
}

// claimOf is the name of the process in a request that [Daemon.claim] made.
func claimOf(request string) string {
	const prefix, length = "act-", 16
	if len(request) < len(prefix)+length {
		return ""
	}
	return request[len(prefix) : len(prefix)+length]
}
