package daemon

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

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

// endOf says how a drift of a resource that was seen has ended; empty: it has not.
func endOf(o taffrail.Observation, f taffrail.Finding) taffrail.EndReason {
	switch {
	case f.Status == taffrail.InSync && slices.ContainsFunc(f.Changes, isSuppressed):
		return taffrail.EndAccepted
	case f.Status == taffrail.InSync:
		return taffrail.EndInSync
	case f.Gap == nil || f.Gap.Reason.IsGap():
		return ""
	case o.Recorded.IsNull() && o.Gap == nil: // unmanaged, until a rule was asked
		return taffrail.EndAccepted
	}
	return taffrail.EndIgnored
}

func isSuppressed(c taffrail.Change) bool { return c.Class == taffrail.ClassSuppressed }

// end says how a drift came to its end, and nothing if it did not or nobody knows. That a recorded resource was not seen means that the
// stack records it no more only if all of the stack was seen; that an unmanaged one was not seen means that it is gone only if its type
// was listed.
func (s *scan) end(known store.OpenDrift) taffrail.EndReason {
	if s.raced {
		return ""
	}
	if why, seen := s.seen[known.Address]; seen {
		return why
	}
	if known.Status == taffrail.Unmanaged {
		if _, listed := slices.BinarySearch(s.listed, known.Type); listed {
			return taffrail.EndGone
		}
		return ""
	}
	if len(s.request.Selection.Addresses) == 0 && !s.cut && !slices.ContainsFunc(s.coverage.Gaps, ofTheWhole) {
		return taffrail.EndReleased
	}
	return ""
}
