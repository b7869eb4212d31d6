package daemon

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/publish"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// PublishLog implements [LogWitnesses].
func (d *Daemon) PublishLog(ctx context.Context, folder string) (PublishReport, error) {
	l, err := d.current()
	if err != nil {
		return PublishReport{}, err
	}
	if _, err := l.log.Sign(ctx); err != nil {
		return PublishReport{}, boundary("publish log", err)
	}
	r, err := publish.Folder(ctx, l.store, l.signer.Keys, folder, publish.Options{DropPartial: true, DropPruned: true})
	return PublishReport{Folder: folder, Size: r.Head.Size, Files: r.Written}, boundary("publish log", err)
}

// RestoreLog implements [LogWitnesses]. All that is missing is appended in one transaction, and only if it gives the very tree that the guard
// knows. If we stop before it is committed, nothing has changed.
func (d *Daemon) RestoreLog(ctx context.Context, folder string) (r RestoreReport, err error) {
	t, err := d.trust(ctx)
	if err != nil {
		return r, err
	}
	defer t.close() //nolint:errcheck // nothing is under way
	signer, _, err := t.signer(ctx)
	if err != nil {
		return r, boundary("restore log", err)
	}
	head, err := signer.Head(ctx)
	if err != nil {
		return r, boundary("restore log", err)
	}
	s, err := d.openStore(ctx, d.options.DataDir, store.Create) // a database that is gone is begun anew: the guard says what belongs into it
	if err != nil {
		return r, err
	}
	err = s.Update(ctx, func(tx *store.Tx) error {
		r, err = restore(tx, head, folder)
		return err
	})
	if err == nil {
		_, err = audit.Open(ctx, s, signer)
	}
	return r, boundary("restore log", errors.Join(err, s.Close()))
}

func restore(tx *store.Tx, head audit.Head, folder string) (r RestoreReport, err error) {
	if r.From, err = tx.Size(); err != nil {
		return r, err
	}
	r.To = max(head.Size, r.From)
	if r.From < r.To {
		err = publish.Entries(folder, r.From, head.Size, func(_ int64, leaf []byte) error {
			missing, err := tx.Restore(leaf)
			r.Payloads += missing
			return err
		})
	}
	if err != nil {
		return r, err
	}
	root, err := tlog.TreeHash(head.Size, tx)
	if err != nil {
		return r, err
	}
	if root != head.Root {
		return r, &taffrail.Error{
			Op: "restore log", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("the log with these entries is not the one of %d entries that the guard knows", head.Size),
			Hint: "the folder, or what is left of the log, is not what was signed: take another copy of one of them. Nothing was changed",
		}
	}
	return r, nil
}
