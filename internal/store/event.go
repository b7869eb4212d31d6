package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// deriveEvents writes the rows that follow from a batch of events. A payload that was erased, or is not what the entry names, gives no rows of
// its records, as with versions.
func (tx *Tx) deriveEvents(index int64, b taffrail.EventsReceived) error {
	if err := tx.deriveBatch(index, b); err != nil {
		return err
	}
	data, err := tx.Blob(b.Payload)
	if errors.Is(err, audit.ErrMissing) || taffrail.KindOf(err) == taffrail.KindCorrupt {
		tx.unread = append(tx.unread, unread{index, fmt.Sprintf("index_event: entry %d: %d events", index, b.Events), b.Payload.SHA256, err})
		return nil
	}
	if err != nil {
		return err
	}
	var rows []eventRow
	err = eachIndexed(data, func(nanos, at int64, _ byte, keys []byte) error {
		for ; len(keys) >= 8; keys = keys[8:] {
			rows = append(rows, eventRow{int64(binary.LittleEndian.Uint64(keys)), nanos, at})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("entry %d: payload %s: %w", index, b.Payload.SHA256, err)
	}
	// In the order of the table, which is by far the fastest one; a record is found by a text once.
	slices.SortFunc(rows, func(a, b eventRow) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.nanos, b.nanos), cmp.Compare(a.at, b.at))
	})
	for _, r := range slices.Compact(rows) {
		if err := tx.insert("index_event", "key, nanos, idx, at", r.key, r.nanos, index, r.at); err != nil {
			return err
		}
	}
	return nil
}

// An eventRow says that an event is found by a key.
type eventRow struct{ key, nanos, at int64 }

func (tx *Tx) deriveBatch(index int64, b taffrail.EventsReceived) error {
	var first, last, settled int64
	if b.First != nil && b.Last != nil {
		first, last = nanos(*b.First), nanos(*b.Last)
	}
	if b.Settled != nil {
		settled = nanos(*b.Settled)
	}
	err := tx.put(`INSERT INTO index_batch (idx, source, sha256, events, changes, dead, first_ns, last_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		index, b.Source, b.Payload.SHA256, b.Events, b.Changes, b.Dead, first, last)
	if err != nil {
		return err
	}
	for n, notice := range b.Notices {
		err := tx.put(`INSERT INTO index_notice (idx, n, source, kind, start_ns, end_ns, what) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			index, n, b.Source, notice.Kind, nanos(notice.Start), nanos(notice.End), notice.What)
		if err != nil {
			return err
		}
	}
	return tx.put(`INSERT INTO index_source (source, idx, cursor, settled_ns, first_ns, last_ns, events, changes, dead) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source) DO UPDATE SET idx = excluded.idx, events = index_source.events + excluded.events,
		changes = index_source.changes + excluded.changes, dead = index_source.dead + excluded.dead, cursor = CASE WHEN excluded.cursor <> '' THEN excluded.cursor ELSE index_source.cursor END,
		settled_ns = CASE WHEN excluded.settled_ns > index_source.settled_ns THEN excluded.settled_ns ELSE index_source.settled_ns END,
		last_ns = CASE WHEN excluded.last_ns > index_source.last_ns THEN excluded.last_ns ELSE index_source.last_ns END,
		first_ns = CASE WHEN index_source.first_ns = 0 OR excluded.first_ns <> 0 AND excluded.first_ns < index_source.first_ns THEN excluded.first_ns ELSE index_source.first_ns END`,
		b.Source, index, b.Cursor, settled, first, last, b.Events, b.Changes, b.Dead)
}

// deriveCause writes the row that says where the newest causes of a drift stand.
func (tx *Tx) deriveCause(index int64, b taffrail.CauseFound) error {
	settled := 0
	if b.Settled {
		settled = 1
	}
	return tx.put(`INSERT INTO index_cause (drift, idx, entry, settled) VALUES (?, ?, ?, ?)
		ON CONFLICT (drift) DO UPDATE SET idx = excluded.idx, entry = excluded.entry, settled = excluded.settled`, b.Drift, index, b.Entry, settled)
}
