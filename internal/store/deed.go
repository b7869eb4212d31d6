package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// deriveIntent writes the rows that tell which intents have no outcome.
func (tx *Tx) deriveIntent(index int64, e taffrail.Entry) error {
	if e.Outcome == taffrail.OutcomeIntended {
		entryType, _ := e.Body.Kind()
		return tx.put(`INSERT INTO index_intent (idx, type, nanos, scope, actor, resource, request) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			index, entryType, nanos(e.Time), e.Scope, e.Actor, e.Resource, e.Request)
	}
	if e.Intent == nil {
		return nil
	}
	return tx.put("UPDATE index_intent SET outcome_idx = ? WHERE idx = ? AND outcome_idx IS NULL", index, *e.Intent)
}

// deriveDeed writes the rows that follow from what was done to the log.
func (tx *Tx) deriveDeed(index int64, body taffrail.EntryBody) error {
	switch b := body.(type) {
	case taffrail.Held:
		return tx.exec("INSERT INTO index_hold (idx, from_idx, to_idx, reason) VALUES (?, ?, ?, ?)", index, b.From, b.To, b.Reason)
	case taffrail.Released:
		return tx.exec("UPDATE index_hold SET released_idx = ? WHERE idx = ? AND released_idx IS NULL", index, b.Hold)
	case taffrail.Redacted:
		return tx.exec("INSERT INTO index_redaction (idx, entry, field, digest, payload) VALUES (?, ?, ?, ?, ?)", index, b.Entry, b.Field, b.Digest, b.Payload)
	}
	return nil
}

// An Intent is an entry that says what is about to be done.
type Intent struct {
	Index    int64
	Type     taffrail.EntryType
	Time     time.Time
	Scope    taffrail.StackID
	Actor    string
	Resource taffrail.Address
	Request  string
}

// OpenIntents gives the intents that no entry names as the one that it is the outcome of, in their order.
func (tx *Tx) OpenIntents() (open []Intent, err error) {
	rows, err := tx.query("SELECT idx, type, nanos, scope, actor, resource, request FROM index_intent WHERE outcome_idx IS NULL ORDER BY idx")
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var i Intent
		var at int64
		err := tx.scan(rows, &i.Index, &i.Type, &at, &i.Scope, &i.Actor, &i.Resource, &i.Request)
		i.Time = time.Unix(0, at).UTC()
		open = append(open, i)
		return err
	})
	return open, err
}

// A Hold keeps entries as they are, with all that belongs to them.
type Hold struct {
	Index    int64 // of the entry that says so
	From, To int64 // To is the first entry that it does not cover; 0: without end
	Reason   string
}

// Covers says whether a hold covers any of the entries from ≤ index < to.
func (h Hold) Covers(from, to int64) bool { return h.From < to && (h.To == 0 || h.To > from) }

// Holds gives the holds that were not released, in their order.
func (tx *Tx) Holds() (holds []Hold, err error) {
	rows, err := tx.query("SELECT idx, from_idx, to_idx, reason FROM index_hold WHERE released_idx IS NULL ORDER BY idx")
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var h Hold
		err := tx.scan(rows, &h.Index, &h.From, &h.To, &h.Reason)
		holds = append(holds, h)
		return err
	})
	return holds, err
}

// refuseHeld is an error if a hold covers any of the entries from ≤ index < to.
func (tx *Tx) refuseHeld(op string, from, to int64) error {
	holds, err := tx.Holds()
	if err != nil {
		return err
	}
	for _, h := range holds {
		if h.Covers(from, to) {
			return &taffrail.Error{
				Op: op, Kind: taffrail.KindConflict, Err: fmt.Errorf("entry %d holds what is to be erased: %s", h.Index, h.Reason),
				Hint: "have the hold released first",
			}
		}
	}
	return nil
}

// A Redaction is a part of an entry that was erased.
type Redaction struct {
	Entry   int64
	Field   string // the name of a field, with the digest that the entry holds of it
	Digest  string
	Payload string // or the SHA-256 of a payload
	By      int64  // the entry that says so
}

// Redactions gives what was erased of an entry, in its order.
func (tx *Tx) Redactions(index int64) ([]Redaction, error) {
	return tx.redactions("WHERE entry = ? ORDER BY idx", index)
}

// AllRedactions gives all that was ever erased, in its order.
func (tx *Tx) AllRedactions() ([]Redaction, error) { return tx.redactions("ORDER BY idx") }

func (tx *Tx) redactions(which string, args ...any) (all []Redaction, err error) {
	rows, err := tx.query("SELECT entry, field, digest, payload, idx FROM index_redaction "+which, args...)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var r Redaction
		err := tx.scan(rows, &r.Entry, &r.Field, &r.Digest, &r.Payload, &r.By)
		all = append(all, r)
		return err
	})
	return all, err
}

// ErrErased says that what is missing was erased, and that an entry of the log says so.
var ErrErased = errors.New("erased")

// missing is the error for a payload that is not there.
func (tx *Tx) missing(ref taffrail.BlobRef) error {
	var by int64
	err := tx.get("SELECT idx FROM index_redaction WHERE payload = ? AND payload <> '' ORDER BY idx LIMIT 1", []any{ref.SHA256}, &by)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("payload %s: %w", ref.SHA256, audit.ErrMissing)
	case err != nil:
		return err
	}
	return fmt.Errorf("payload %s: %w, as entry %d says: %w", ref.SHA256, ErrErased, by, audit.ErrMissing)
}
