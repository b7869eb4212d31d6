package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// An UnlockRequest names a record that could not be read.
type UnlockRequest struct {
	Batch  int64 // index of the entry
	Record int64 // in its payload, from 0
	Reason string
	By     string
}

// UnlockEvent implements [LogKeeper]. The record leaves the lock after the intent is signed.
func (d *Daemon) UnlockEvent(ctx context.Context, r UnlockRequest, to func(record []byte) error) (LogPosition, error) {
	const op = "unlock event"
	body := taffrail.EventUnlocked{Batch: r.Batch, Record: r.Record, Reason: strings.TrimSpace(r.Reason)}
	if err := stated(op, "reason", body.Reason); err != nil {
		return LogPosition{}, err
	}
	var locked []byte
	err := d.look(ctx, func(tx *store.Tx) (err error) {
		locked, body.Digest, err = lockedRecord(tx, r)
		return err
	})
	if err != nil {
		return LogPosition{}, boundary(op, err)
	}
	sealer, err := d.sealer(ctx)
	if err != nil {
		return LogPosition{}, err
	}
	vault, ok := sealer.(taffrail.Vault)
	if !ok {
		return LogPosition{}, &taffrail.Error{Op: op, Kind: taffrail.KindInternal, Err: fmt.Errorf("the sealer %q is no vault", trustName)}
	}
	return d.act(ctx, r.By, body, func(context.Context) error {
		plain, err := vault.Unlock(locked)
		if err != nil {
			return err
		}
		return to(plain)
	}, func(*store.Tx) (taffrail.EntryBody, error) { return body, nil })
}

// errFound ends a reading.
var errFound = errors.New("it was found")

// lockedRecord finds a record that is locked.
func lockedRecord(tx *store.Tx, r UnlockRequest) (locked []byte, digest string, err error) {
	e, err := entryAt(tx, r.Batch)
	if err != nil {
		return nil, "", err
	}
	none := &taffrail.Error{Op: "unlock event", Kind: taffrail.KindNotFound, Err: fmt.Errorf("entry %d has no locked record %d", r.Batch, r.Record), Hint: "`taffrail events list --dead` names those that there are"}
	b, ok := e.Body.(taffrail.EventsReceived)
	if !ok {
		return nil, "", none
	}
	payload, err := tx.Blob(b.Payload)
	if err != nil {
		return nil, "", err
	}
	err = store.ReadEventPayload(payload, func(n int64, s store.EventRecord) error {
		if n != r.Record {
			return nil
		}
		locked, digest = s.Locked, s.Digest
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return nil, "", err
	}
	if locked == nil {
		return nil, "", none
	}
	return locked, digest, nil
}
