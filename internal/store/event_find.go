package store

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// An EventAt is where an event stands.
type EventAt struct {
	Batch int64     // index of the entry
	Time  time.Time // of the event
	at    int64     // in the payload
}

// A StoredEvent is a record with where it stands.
type StoredEvent struct {
	EventAt
	Source string // as the operator calls it
	N      int64  // which of the payload's records, from 0; -1: not known
	EventRecord
}

// EventCursor gives the newest cursor of a source; empty: there is none.
func (tx *Tx) EventCursor(source string) (c taffrail.Cursor, err error) {
	err = tx.get("SELECT cursor FROM index_source WHERE source = ?", []any{source}, &c)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return c, err
}

// batchPayload gives the payload of a batch, compared with the digest that the entry has of it.
func (tx *Tx) batchPayload(index int64) ([]byte, error) {
	var sum string
	if err := tx.get("SELECT sha256 FROM index_batch WHERE idx = ?", []any{index}, &sum); err != nil {
		return nil, err
	}
	return tx.Blob(taffrail.BlobRef{SHA256: sum})
}

// KnownRecords says which of some records, by their digests in hexadecimal, are in the log already.
func (tx *Tx) KnownRecords(digests []string) (map[string]bool, error) {
	byKey := make(map[int64]string, len(digests))
	keys := make([]int64, 0, len(digests))
	for _, d := range digests {
		k := int64(recordKey(d))
		byKey[k] = d
		keys = append(keys, k)
	}
	slices.Sort(keys) // neighbours in the index
	known := map[string]bool{}
	for part := range slices.Chunk(keys, maxAsked) {
		places, args := inList(part)
		rows, err := tx.query("SELECT DISTINCT key FROM index_event WHERE key IN "+places, args...)
		if err != nil {
			return nil, err
		}
		err = tx.eachRow(rows, func() error {
			var k int64
			err := tx.scan(rows, &k)
			known[byKey[k]] = true
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

// FindEvents gives where the events stand that are found by any of some texts, from a time to another, in the order of time, at most so many, the
// latest. There may be more among them than are found by the texts themselves: what is found is to be looked at.
func (tx *Tx) FindEvents(texts []string, from, to time.Time, limit int) (found []EventAt, err error) {
	seen := map[EventAt]bool{}
	for _, text := range texts {
		at, err := tx.findKey(int64(textKey(text)), from, to, limit)
		if err != nil {
			return nil, err
		}
		for _, a := range at {
			if !seen[a] {
				seen[a] = true
				found = append(found, a)
			}
		}
	}
	slices.SortFunc(found, EventAt.compare)
	return found[max(0, len(found)-limit):], nil
}

// FindEvent gives where the records of one event stand. Of an event that changes nothing there may be none.
func (tx *Tx) FindEvent(id taffrail.EventID) ([]EventAt, error) {
	return tx.findKey(int64(eventKey(id)), time.Time{}, time.Unix(1<<33, 0), pageSize)
}

func (tx *Tx) findKey(key int64, from, to time.Time, limit int) (found []EventAt, err error) {
	rows, err := tx.query("SELECT nanos, idx, at FROM index_event WHERE key = ? AND nanos >= ? AND nanos <= ? ORDER BY nanos DESC, idx DESC, at DESC LIMIT ?", key, nanos(from), nanos(to), limit)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var a EventAt
		var at int64
		err := tx.scan(rows, &at, &a.Batch, &a.at)
		a.Time = timeOf(at)
		found = append(found, a)
		return err
	})
	return found, err
}

func (a EventAt) compare(b EventAt) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Batch, b.Batch), cmp.Compare(a.at, b.at))
}

// Events reads records. The frames that they stand in are read alone, so that a few events cost little of a large batch: whether the payload is
// the one that its entry names is for `log verify` to say, and for [Tx.EventWhole]. One whose payload is gone is left out.
func (tx *Tx) Events(at []EventAt) (all []StoredEvent, err error) {
	frames := map[[2]int64]*eventFrame{}
	for _, a := range at {
		key := [2]int64{a.Batch, a.frame()}
		f, ok := frames[key]
		if !ok {
			if f, err = tx.eventFrame(a); err != nil {
				return nil, err
			}
			frames[key] = f
		}
		if f == nil || a.n() >= int64(len(f.lines)) {
			continue
		}
		found := StoredEvent{EventAt: a, Source: f.source, N: -1}
		if err := json.Unmarshal(f.lines[a.n()], &found.EventRecord); err != nil {
			return nil, corruptEvents(a, errPayload)
		}
		all = append(all, found)
	}
	return all, nil
}

type eventFrame struct {
	source string
	lines  [][]byte // a record each
}

// eventFrame reads one frame; nil: it was erased.
func (tx *Tx) eventFrame(a EventAt) (*eventFrame, error) {
	f := &eventFrame{}
	var part []byte
	const query = "SELECT b.source, substr(p.data, ?, ?) FROM index_batch AS b JOIN blob AS p ON p.sha256 = b.sha256 WHERE b.idx = ?"
	read := func(size int64) error {
		return tx.get(query, []any{int(a.frame() + 1), int(size), a.Batch}, &f.source, &part)
	}
	err := read(frameBytes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil && len(part) >= sectionHead {
		if size := sectionSize(part); size > int64(len(part)) && size <= maxFrame {
			err = read(size)
		}
	}
	if err != nil {
		return nil, err
	}
	kind, content, _, err := sectionAt(part, 0)
	if err == nil && kind == sectionFrame {
		f.lines, err = frameLines(content)
	}
	if err != nil {
		return nil, corruptEvents(a, err)
	}
	return f, nil
}

func corruptEvents(a EventAt, err error) error {
	return &taffrail.Error{Op: "read events", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("payload of entry %d: %w", a.Batch, err), Hint: "run `taffrail log verify`"}
}

// EventWhole reads the payload that an event stands in as a whole, which must be the one that the entry names, and gives the event with its number.
func (tx *Tx) EventWhole(a EventAt) (found StoredEvent, err error) {
	payload, err := tx.batchPayload(a.Batch)
	if err != nil {
		return found, err
	}
	one, err := tx.Events([]EventAt{a})
	if err != nil || len(one) == 0 {
		return found, cmp.Or(err, fmt.Errorf("event in entry %d: %w", a.Batch, audit.ErrMissing))
	}
	found = one[0]
	err = ReadEventPayload(payload, func(n int64, r EventRecord) error {
		if r.Digest == found.Digest && found.N < 0 {
			found.N, found.EventRecord = n, r
		}
		return nil
	})
	if err == nil && found.N < 0 {
		err = errPayload
	}
	return found, err
}

// An EventBatch is what the index has of one batch.
type EventBatch struct {
	Entry                 int64
	Source                string
	Payload               taffrail.BlobRef
	Events, Changes, Dead int64
	First, Last           time.Time
}

// EventBatches gives the batches before an index that have an event in some time, the newest first, at most so many; of one source, or of all.
func (tx *Tx) EventBatches(source string, from, to time.Time, before int64, limit int) (all []EventBatch, err error) {
	query, args := "SELECT idx, source, sha256, events, changes, dead, first_ns, last_ns FROM index_batch WHERE last_ns >= ? AND first_ns <= ? AND idx < ?", []any{nanos(from), nanos(to), before}
	if source != "" {
		query, args = query+" AND source = ?", append(args, source)
	}
	rows, err := tx.query(query+" ORDER BY idx DESC LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var b EventBatch
		var first, last int64
		err := tx.scan(rows, &b.Entry, &b.Source, &b.Payload.SHA256, &b.Events, &b.Changes, &b.Dead, &first, &last)
		b.First, b.Last = timeOf(first), timeOf(last)
		all = append(all, b)
		return err
	})
	return all, err
}

// An EventSource is how far one source has come.
type EventSource struct {
	Source                string
	Entry                 int64     // its newest batch
	Settled               time.Time // zero: nothing was said
	First, Last           time.Time // of its events; zero: there is none
	Events, Changes, Dead int64
}

// EventSources gives the sources that events came from, by name.
func (tx *Tx) EventSources() (all []EventSource, err error) {
	rows, err := tx.query("SELECT source, idx, settled_ns, first_ns, last_ns, events, changes, dead FROM index_source ORDER BY source")
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var s EventSource
		var settled, first, last int64
		err := tx.scan(rows, &s.Source, &s.Entry, &settled, &first, &last, &s.Events, &s.Changes, &s.Dead)
		s.Settled, s.First, s.Last = timeOr(settled), timeOr(first), timeOr(last)
		all = append(all, s)
		return err
	})
	return all, err
}

// timeOr is a time of the index, where 0 is none.
func timeOr(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return timeOf(nanos)
}

// A SourceNotice is a notice with the source that gave it.
type SourceNotice struct {
	Entry  int64
	Source string
	taffrail.LogNotice
}

// SourceNotices gives what sources said of a time about their own completeness, in the order in which they said it.
func (tx *Tx) SourceNotices(from, to time.Time) (all []SourceNotice, err error) {
	rows, err := tx.query("SELECT idx, source, kind, start_ns, end_ns, what FROM index_notice WHERE end_ns >= ? AND start_ns <= ? ORDER BY idx, n", nanos(from), nanos(to))
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var n SourceNotice
		var start, end int64
		err := tx.scan(rows, &n.Entry, &n.Source, &n.Kind, &start, &end, &n.What)
		n.Start, n.End = timeOf(start), timeOf(end)
		all = append(all, n)
		return err
	})
	return all, err
}

// A CauseAt is where the newest causes of a drift stand.
type CauseAt struct {
	Index   int64
	Entry   int64 // that holds the form of the drift that they are about
	Settled bool
}

// CausesOf gives where the newest causes of some drifts stand.
func (tx *Tx) CausesOf(drifts []taffrail.DriftID) (map[taffrail.DriftID]CauseAt, error) {
	all := map[taffrail.DriftID]CauseAt{}
	for _, d := range drifts {
		var c CauseAt
		var settled int64
		err := tx.get("SELECT idx, entry, settled FROM index_cause WHERE drift = ?", []any{d}, &c.Index, &c.Entry, &settled)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.Settled = settled != 0
		all[d] = c
	}
	return all, nil
}
