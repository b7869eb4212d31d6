package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
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
}

func (d *Daemon) entry(body taffrail.EntryBody, c entryContext) taffrail.Entry {
	return taffrail.Entry{
		Time: d.now(), Nonce: randomHex(16), Scope: c.scope, Actor: "taffrail/" + d.options.Version, Resource: c.resource,
		Outcome: c.outcome, Request: c.request, Body: body,
	}
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
	r.Log.Level, r.Log.Size, r.Log.Root = LevelSigned, checkpoint.Size, checkpoint.Root.String()
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

// recordDrift writes a drift down if it is not known in this form already.
func (s *scan) recordDrift(tx *store.Tx, f taffrail.Finding, open map[taffrail.Address]store.OpenDrift) (d taffrail.Drift, did string, err error) {
	known, isOpen := open[f.Resource.Address]
	if isOpen {
		d = taffrail.Drift{ID: known.ID, Since: known.Since, Entry: known.Entry, Finding: f}
		if same, err := sameDrift(tx, known, f); err != nil || same {
			return d, "", err
		}
		d.Changed = true
	} else {
		d = taffrail.Drift{ID: taffrail.DriftID("drift-" + randomHex(8)), New: true, Finding: f}
	}
	payload, err := putPayload(tx, f)
	if err != nil {
		return d, "", err
	}
	seen := taffrail.DriftSeen{
		Drift: d.ID, Type: f.Resource.Type, ID: f.Resource.ID, Status: f.Status, Pending: f.Pending, Serial: s.stack.Serial,
		Changes: len(drifted(f)), Finding: payload,
	}
	var body taffrail.EntryBody = taffrail.DriftFound{DriftSeen: seen}
	did = "found"
	if isOpen {
		body, did = taffrail.DriftChanged{DriftSeen: seen}, "changed"
	}
	stamp, err := tx.Append(s.entry(body, f.Resource.Address, taffrail.OutcomeObserved))
	d.Entry = stamp.Index
	if d.New {
		d.Since = stamp.Time
	}
	return d, did, err
}

// sameDrift says whether a drift is as the log has it. Volatile values do not count, nor when it was looked at. That code is said to be
// pending no more does not count either: a scan that was not asked to look for such code says so, too.
func sameDrift(tx *store.Tx, known store.OpenDrift, f taffrail.Finding) (bool, error) {
	was, err := findingOf(tx, known)
	if err != nil || was == nil { // erased: what is seen now is written down again
		return false, err
	}
	return was.Status == f.Status && (was.Pending || !f.Pending) && slices.EqualFunc(drifted(*was), drifted(f), func(a, b taffrail.Change) bool {
		return a.Path.Equal(b.Path) && a.Before.Equal(b.Before) && a.After.Equal(b.After)
	}), nil
}

// findingOf gives a drift as the log has it; nil if that was erased.
func findingOf(tx *store.Tx, known store.OpenDrift) (*taffrail.Finding, error) {
	data, err := tx.Blob(taffrail.BlobRef{SHA256: known.Finding})
	if errors.Is(err, audit.ErrMissing) {
		return nil, nil
	}
	var logged taffrail.Salted[taffrail.Finding]
	if err == nil {
		err = json.Unmarshal(data, &logged)
	}
	if err != nil {
		return nil, fmt.Errorf("drift %s: payload %s: %w", known.ID, known.Finding, err)
	}
	return &logged.Content, nil
}

func drifted(f taffrail.Finding) []taffrail.Change {
	var changes []taffrail.Change
	for _, c := range f.Changes {
		if c.Class == taffrail.ClassDrift {
			changes = append(changes, c)
		}
	}
	return changes
}

// unseen gives the drifts that were open before and are neither confirmed nor over, of what was to be looked at.
func (s *scan) unseen(left map[taffrail.Address]store.OpenDrift) []UnseenDrift {
	unseen := []UnseenDrift{}
	for _, address := range slices.Sorted(maps.Keys(left)) {
		known := left[address]
		wanted := s.request.Selection.Selects(address)
		if known.Status == taffrail.Unmanaged {
			wanted = s.inScope(known.Type)
		}
		if wanted {
			unseen = append(unseen, UnseenDrift{ID: known.ID, Address: address, Since: known.Since, Entry: known.Entry})
		}
	}
	return unseen
}

// recordEnds writes the end of each open drift that is over, and takes it out of those that are open. One that could not be looked at
// stays.
func (s *scan) recordEnds(tx *store.Tx, open map[taffrail.Address]store.OpenDrift) ([]EndedDrift, error) {
	ended := []EndedDrift{}
	for _, address := range slices.Sorted(maps.Keys(open)) {
		why, err := s.accepted(tx, open[address], s.end(open[address]))
		if err != nil {
			return nil, err
		}
		if why == "" {
			continue
		}
		id := open[address].ID
		if _, err := tx.Append(s.entry(taffrail.DriftEnded{Drift: id, Why: why}, address, taffrail.OutcomeObserved)); err != nil {
			return nil, err
		}
		ended = append(ended, EndedDrift{ID: id, Address: address, Why: why})
		delete(open, address)
	}
	return ended, nil
}

// accepted corrects an end that is said to be one by acceptance: where nothing of what had drifted is accepted now, the drift is over, and
// what is accepted is something else.
func (s *scan) accepted(tx *store.Tx, known store.OpenDrift, why taffrail.EndReason) (taffrail.EndReason, error) {
	i, found := slices.BinarySearchFunc(s.findings, known.Address, func(f taffrail.Finding, a taffrail.Address) int { return cmp.Compare(f.Resource.Address, a) })
	if why != taffrail.EndAccepted || known.Status != taffrail.Modified || !found {
		return why, nil
	}
	was, err := findingOf(tx, known)
	if err != nil || was == nil {
		return why, err
	}
	for _, now := range s.findings[i].Changes {
		if isSuppressed(now) && slices.ContainsFunc(drifted(*was), func(c taffrail.Change) bool { return c.Path.Covers(now.Path) || now.Path.Covers(c.Path) }) {
			return taffrail.EndAccepted, nil
		}
	}
	return taffrail.EndInSync, nil
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
func clip(text string) string {
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + "..."
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
