package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// HoldLog implements [LogKeeper].
func (d *Daemon) HoldLog(ctx context.Context, r HoldRequest) (LogPosition, error) {
	body := taffrail.Held{From: r.From, To: r.To, Reason: strings.TrimSpace(r.Reason)}
	if err := stated("hold log", "reason", body.Reason); err != nil {
		return LogPosition{}, err
	}
	if r.From < 0 || r.To != 0 && r.To <= r.From {
		return LogPosition{}, &taffrail.Error{
			Op: "hold log", Kind: taffrail.KindInvalid, Err: fmt.Errorf("there are no entries from %d to before %d", r.From, r.To), Hint: "a hold without an end has no --to",
		}
	}
	return d.act(ctx, r.By, body, nil, func(*store.Tx) (taffrail.EntryBody, error) { return body, nil })
}

// ReleaseLog implements [LogKeeper].
func (d *Daemon) ReleaseLog(ctx context.Context, r ReleaseRequest) (LogPosition, error) {
	body := taffrail.Released{Hold: r.Hold, Reason: strings.TrimSpace(r.Reason)}
	if err := stated("release log", "reason", body.Reason); err != nil {
		return LogPosition{}, err
	}
	check := func(tx *store.Tx) error {
		holds, err := tx.Holds()
		if err != nil {
			return err
		}
		for _, h := range holds {
			if h.Index == r.Hold {
				return nil
			}
		}
		return &taffrail.Error{
			Op: "release log", Kind: taffrail.KindNotFound, Err: fmt.Errorf("entry %d is no hold that holds", r.Hold), Hint: "`taffrail log status` lists the holds by their entries",
		}
	}
	if err := d.look(ctx, check); err != nil {
		return LogPosition{}, err
	}
	return d.act(ctx, r.By, body, nil, func(tx *store.Tx) (taffrail.EntryBody, error) { return body, check(tx) })
}

// RedactLog implements [LogKeeper].
func (d *Daemon) RedactLog(ctx context.Context, r RedactRequest) (LogPosition, error) {
	body := taffrail.Redacted{Entry: r.Entry, Field: r.Field, Payload: r.Payload, Reason: strings.TrimSpace(r.Reason), Basis: strings.TrimSpace(r.Basis)}
	for name, text := range map[string]string{"reason": body.Reason, "basis": body.Basis} {
		if err := stated("redact log", name, text); err != nil {
			return LogPosition{}, err
		}
	}
	if (r.Field == "") == (r.Payload == "") {
		return LogPosition{}, &taffrail.Error{
			Op: "redact log", Kind: taffrail.KindInvalid, Err: fmt.Errorf("one thing is erased at a time: a field or a payload"), Hint: "`taffrail log show` of the entry lists both",
		}
	}
	return d.act(ctx, r.By, body, nil, func(tx *store.Tx) (_ taffrail.EntryBody, err error) {
		if r.Field != "" {
			body.Digest, err = tx.EraseField(r.Entry, r.Field)
		} else {
			err = tx.ErasePayload(r.Entry, r.Payload)
		}
		return body, err
	})
}

// PruneLog implements [LogKeeper]. What the index says of the entries that are dropped is kept as a payload of the outcome, so that the index
// can still be built again.
func (d *Daemon) PruneLog(ctx context.Context, r PruneRequest) (PruneReport, error) {
	body := taffrail.Pruned{Before: r.Before, Reason: strings.TrimSpace(r.Reason)}
	if err := stated("prune log", "reason", body.Reason); err != nil {
		return PruneReport{}, err
	}
	err := d.look(ctx, func(tx *store.Tx) (err error) {
		if !r.OlderThan.IsZero() {
			if body.Before, err = tx.FirstSince(r.OlderThan); err == nil {
				body.Before -= body.Before % audit.TileWidth
			}
		}
		if err != nil {
			return err
		}
		return prunable(tx, body.Before)
	})
	if err != nil {
		return PruneReport{}, err
	}
	report := PruneReport{Before: body.Before}
	report.Log, err = d.act(ctx, r.By, body, nil, func(tx *store.Tx) (taffrail.EntryBody, error) {
		snapshot, err := tx.Snapshot(body.Before)
		if err != nil {
			return nil, err
		}
		if body.Dropped, err = tx.Prune(body.Before); err != nil {
			return nil, err
		}
		ref, err := tx.PutBlob(snapshot)
		body.Snapshot, report.Payloads = &ref, body.Dropped
		return body, err
	})
	return report, err
}

// prunable refuses what cannot be pruned, before anything is intended: whole tiles alone, and never the last entry.
func prunable(tx *store.Tx, before int64) error {
	size, err := tx.Size()
	if err != nil {
		return err
	}
	pruned, err := tx.Pruned()
	if err != nil {
		return err
	}
	var why string
	most := max(0, size-1) / audit.TileWidth * audit.TileWidth
	switch {
	case most <= pruned:
		why = fmt.Sprintf("of the %d entries from %d on, whole tiles of %d alone can be dropped, and never the last entry", size-pruned, pruned, audit.TileWidth)
	case before <= pruned:
		why = fmt.Sprintf("there are no entries before %d to be dropped", before)
	case before > most, before%audit.TileWidth != 0:
		why = fmt.Sprintf("%d is no multiple of %d from %d to %d", before, audit.TileWidth, pruned+audit.TileWidth, most)
	default:
		return nil
	}
	return &taffrail.Error{Op: "prune log", Kind: taffrail.KindInvalid, Err: errors.New(why), Hint: "nothing was dropped; `taffrail log status` says how many entries there are"}
}

// look runs a check on a snapshot of the log, before anything is intended.
func (d *Daemon) look(ctx context.Context, f func(*store.Tx) error) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	return boundary("look at log", l.store.Read(ctx, f))
}

// stated refuses what must be said and was not.
func stated(op, what, text string) error {
	if text != "" {
		return nil
	}
	return &taffrail.Error{Op: op, Kind: taffrail.KindInvalid, Err: fmt.Errorf("no %s is given", what), Hint: "give --" + what + ": it stands in the log, in clear, for good"}
}

// A HoldRequest asks that entries be kept.
type HoldRequest struct {
	From, To int64 // half-open; To 0 is without end
	Reason   string
	By       string // who asks
}

// A ReleaseRequest asks that a hold be over.
type ReleaseRequest struct {
	Hold   int64 // entry that is the outcome of the hold
	Reason string
	By     string
}

// A RedactRequest asks that a field or a payload of an entry be erased.
type RedactRequest struct {
	Entry         int64
	Field         string
	Payload       string // SHA-256, hexadecimal
	Reason, Basis string
	By            string
}

// A PruneRequest asks that the bodies of old entries be dropped: of those before an index, or of those from before a time, in whole tiles.
type PruneRequest struct {
	Before    int64
	OlderThan time.Time
	Reason    string
	By        string
}

// A PruneReport says what was dropped.
type PruneReport struct {
	Before   int64       `json:"before"`
	Payloads int64       `json:"payloads"`
	Log      LogPosition `json:"log"`
}
