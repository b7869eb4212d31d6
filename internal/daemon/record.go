package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// entryContext is what an entry says of itself beside its body.
type entryContext struct {
	scope    taffrail.StackID
	resource taffrail.Address
	outcome  taffrail.Outcome
	request  string
	by       string // who asked for it; stands beside the entry, and can be erased
	intent   *int64 // that this is the outcome of
	err      error  // why it failed
}

func (d *Daemon) entry(body taffrail.EntryBody, c entryContext) taffrail.Entry {
	e := taffrail.Entry{
		Time: d.now(), Nonce: randomHex(16), Scope: c.scope, Actor: "taffrail/" + d.options.Version, Resource: c.resource,
		Outcome: c.outcome, Request: c.request, Intent: c.intent, Body: body,
	}
	if c.by != "" {
		e.Disclosed = []taffrail.Field{{Name: fieldBy, Value: c.by}}
	}
	if c.err != nil {
		e.Error = clip(c.err.Error())
	}
	return e
}

// fieldBy is the name of the field that says who asked for something.
const fieldBy = "by"

// entryAt reads one entry.
func entryAt(tx *store.Tx, index int64) (e taffrail.Entry, err error) {
	err = tx.Entries(index, index+1, func(_ int64, leaf []byte) error {
		e, err = taffrail.ParseEntry(leaf)
		return err
	})
	if errors.Is(err, audit.ErrMissing) {
		err = &taffrail.Error{Op: "read log", Kind: taffrail.KindNotFound, Err: err, Hint: "`taffrail log status` says which entries there are"}
	}
	return e, err
}

// finish writes what the scan saw, in one transaction, has it signed, and gives the report.
func (s *scan) finish(ctx context.Context) (ScanReport, error) {
	l, err := s.daemon.current()
	if err != nil {
		return ScanReport{}, err
	}
	var r ScanReport
	err = l.store.Update(ctx, func(tx *store.Tx) (err error) {
		r, err = s.record(tx)
		return err
	})
	if err != nil {
		return ScanReport{}, err
	}
	// Everything is in the log now. If we stop here, the next start signs it.
	checkpoint, err := l.log.Sign(ctx)
	if err != nil {
		return ScanReport{}, err
	}
	r.Log.Origin, r.Log.Key, r.Log.Started = l.origin, l.key, s.began
	r.Log.Level, r.Log.Size, r.Log.Root = audit.LevelSigned, checkpoint.Size, checkpoint.Root.String()
	return r, nil
}

// record is one transaction: each drift that is new, other or over, and then the end of the scan.
func (s *scan) record(tx *store.Tx) (ScanReport, error) {
	r := s.report()
	open, err := tx.OpenDrifts(s.stack.ID)
	if err != nil {
		return r, err
	}
	counts := map[string]int{"found": 0, "changed": 0}
	if s.fatal == nil {
		for _, f := range s.findings {
			if !f.Status.IsDrift() {
				continue
			}
			drift, did, err := s.recordDrift(tx, f, open)
			if err != nil {
				return r, err
			}
			if did != "" {
				counts[did]++
			}
			r.Drifts = append(r.Drifts, drift)
			delete(open, f.Resource.Address)
		}
		if r.Ended, err = s.recordEnds(tx, open); err != nil {
			return r, err
		}
	}
	r.Unseen = s.unseen(open) // what is left of them
	counts["open"], counts["ended"] = len(r.Drifts)+len(r.Unseen), len(r.Ended)
	r.Log.First = s.first
	r.Log.Last, err = s.recordFinish(tx, r, counts)
	return r, err
}

func (s *scan) recordFinish(tx *store.Tx, r ScanReport, counts map[string]int) (int64, error) {
	body := taffrail.ScanFinished{
		Started: s.first, Stack: s.stack, Statuses: r.Statuses, Drifts: counts, Coverage: r.Coverage,
		Millis: r.FinishedAt.Sub(r.StartedAt).Milliseconds(), Reasons: map[taffrail.Reason]int{},
	}
	for _, f := range s.findings {
		if f.Pending {
			body.Pending++
		}
	}
	var err error
	if body.Versions, err = s.versions.record(tx, s.stack.ID); err != nil {
		return 0, err
	}
	if s.fatal != nil {
		body.Error, body.ErrorKind = clip(s.fatal.Error()), taffrail.KindOf(s.fatal)
	}
	for _, g := range r.Coverage.Gaps {
		body.Reasons[g.Reason]++
	}
	if len(r.Coverage.Gaps) > 0 {
		gaps, err := putPayload(tx, r.Coverage.Gaps)
		if err != nil {
			return 0, err
		}
		body.Gaps = &gaps
	}
	body.Coverage.Gaps = nil
	if err := s.recordListed(tx, &body); err != nil {
		return 0, err
	}
	stamp, err := tx.Append(s.entry(body, "", r.Outcome))
	return stamp.Index, err
}

// An entry has a bound, and what it is about must not keep it from being written.
const (
	maxListed    = 256     // types in an entry; a type is a name of a few dozen bytes
	maxErrorText = 4 << 10 // bytes
	maxSelection = 16 << 10
)

// recordListed names the types that were listed: in the entry, or beside it if they are many.
func (s *scan) recordListed(tx *store.Tx, body *taffrail.ScanFinished) error {
	if len(s.listed) <= maxListed {
		body.Listed = s.listed
		return nil
	}
	all, err := putPayload(tx, s.listed)
	body.ListedAll = &all
	return err
}

// clip bounds a foreign text.
func clip(text string) string { return clipTo(text, maxErrorText) }

func clipTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// putPayload stores a payload beside the log, salted.
func putPayload[T any](tx *store.Tx, content T) (taffrail.BlobRef, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(taffrail.Salted[T]{Nonce: randomHex(16), Content: content}); err != nil {
		return taffrail.BlobRef{}, fmt.Errorf("write payload: %w", err)
	}
	return tx.PutBlob(bytes.TrimSpace(b.Bytes()))
}

// report is what the scan saw, but for the drifts and the log.
func (s *scan) report() ScanReport {
	r := ScanReport{
		Schema: ScanSchema, Scan: s.id, Stack: s.stack, StartedAt: s.startedAt, FinishedAt: s.daemon.now(), Outcome: s.outcome(),
		Coverage: s.coverage, Statuses: map[taffrail.Status]int{},
		Drifts: []taffrail.Drift{}, Ended: []EndedDrift{}, Unseen: []UnseenDrift{}, Noise: []taffrail.Finding{}, Pending: []taffrail.Finding{},
		Listed: s.listed, Expired: s.rules.expired(),
	}
	for _, status := range []taffrail.Status{taffrail.InSync, taffrail.Modified, taffrail.Deleted, taffrail.Unmanaged, taffrail.NotChecked} {
		r.Statuses[status] = s.statuses[status]
	}
	for _, f := range s.findings {
		if f.Status == taffrail.InSync && len(f.Changes) > 0 {
			r.Noise = append(r.Noise, f)
		}
		if f.Pending && !f.Status.IsDrift() {
			r.Pending = append(r.Pending, f)
		}
	}
	return r
}
