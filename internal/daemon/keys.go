package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// RotateKey implements [LogKeeper]. That there will be another key is signed by the present one, before there is one. If we stop after it
// was made, it signs beside the present one as it should, and the outcome of the intent is unknown.
func (d *Daemon) RotateKey(ctx context.Context, r RotateRequest) (KeyReport, error) {
	if r.Overlap < 1 {
		return KeyReport{}, &taffrail.Error{
			Op: "rotate key", Kind: taffrail.KindInvalid, Err: fmt.Errorf("an overlap of %d entries is none", r.Overlap), Hint: "the entry that says so must be signed by both keys: give at least 1",
		}
	}
	l, err := d.current()
	if err != nil {
		return KeyReport{}, err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return KeyReport{}, boundary("rotate key", err)
	}
	body := taffrail.KeyRotated{Old: keys.Newest().VKey}
	do := func(ctx context.Context) error {
		head, err := l.signer.Head(ctx)
		if err != nil {
			return err
		}
		body.From, body.Until = head.Size+1, head.Size+1+r.Overlap
		keys, err = l.control.Rotate(ctx, body.From, body.Until)
		return err
	}
	return d.changeKeys(ctx, l, r.By, body, do, func() taffrail.EntryBody {
		body.New = keys.Newest().VKey
		return body
	})
}

// RevokeKey implements [LogKeeper]. The intent is the last thing that the key signs.
func (d *Daemon) RevokeKey(ctx context.Context, r RevokeRequest) (KeyReport, error) {
	if err := stated("revoke key", "reason", strings.TrimSpace(r.Reason)); err != nil {
		return KeyReport{}, err
	}
	l, err := d.current()
	if err != nil {
		return KeyReport{}, err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return KeyReport{}, boundary("revoke key", err)
	}
	body := taffrail.KeyRevoked{Key: r.Key, Reason: strings.TrimSpace(r.Reason)}
	if body.Key == "" {
		body.Key = keys.Newest().VKey
	}
	if _, known := keys.Find(body.Key); !known {
		return KeyReport{}, &taffrail.Error{Op: "revoke key", Kind: taffrail.KindNotFound, Err: errors.New("the log has no such key"), Hint: "`taffrail log status` lists its keys"}
	}
	do := func(ctx context.Context) error {
		head, err := l.signer.Head(ctx)
		if err != nil {
			return err
		}
		body.At = head.Size
		keys, err = l.control.Revoke(ctx, body.Key, body.At)
		return err
	}
	return d.changeKeys(ctx, l, r.By, body, do, func() taffrail.EntryBody {
		body.New = keys.Newest().VKey
		return body
	})
}

func (d *Daemon) changeKeys(ctx context.Context, l *openLog, by string, intent taffrail.EntryBody, do func(context.Context) error, outcome func() taffrail.EntryBody) (KeyReport, error) {
	position, err := d.act(ctx, by, intent, do, func(*store.Tx) (taffrail.EntryBody, error) { return outcome(), nil })
	if err != nil {
		return KeyReport{}, err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return KeyReport{}, boundary("read keys", err)
	}
	return KeyReport{Keys: keyInfos(keys), Log: position}, nil
}

// checkpoint gives the newest signed checkpoint. Where nothing can be written, it is the one that is stored, and that is an alarm: reading
// goes on.
func (l *openLog) checkpoint(ctx context.Context) (audit.Checkpoint, error) {
	cp, err := l.log.Sign(ctx)
	kind := taffrail.KindOf(boundary("sign log", err))
	if err == nil || kind != taffrail.KindUnavailable && kind != taffrail.KindDenied {
		return cp, err
	}
	return l.stored(ctx, err)
}

// stored gives the newest stored checkpoint, if its tree is the one that is stored.
func (l *openLog) stored(ctx context.Context, why error) (cp audit.Checkpoint, err error) {
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return cp, errors.Join(why, err)
	}
	err = l.store.View(ctx, func(r audit.Reader) error {
		msg, err := r.Checkpoint()
		if err == nil && msg == nil {
			err = why
		}
		if err != nil {
			return err
		}
		cp, err = audit.OpenStored(r, keys, msg)
		return err
	})
	return cp, err
}
