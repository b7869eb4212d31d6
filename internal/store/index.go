package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A Stamp is what an entry gets when it is appended.
type Stamp struct {
	Index int64
	Time  time.Time
}

// Append writes an entry into the log and its rows into the index. The rows are derived from the bytes of the leaf, as a rebuild does
// it. Time, Clock and Counter are settled here: the counter is the entry's index, and the time never goes back; where the clock did, the
// entry says what it showed. What is to be disclosed is salted, and stored beside the entry in this transaction.
func (tx *Tx) Append(e taffrail.Entry) (Stamp, error) {
	last, size, err := tx.last()
	if err != nil {
		return Stamp{}, err
	}
	e.Counter = size
	if e.Time = e.Time.UTC(); e.Time.Before(last) {
		e.Time, e.Clock = last, e.Time
	}
	disclosed, err := disclose(&e)
	if err != nil {
		return Stamp{}, err
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return Stamp{}, fmt.Errorf("write entry: %w", err)
	}
	leaf, err := audit.Canonical(raw)
	if err != nil {
		return Stamp{}, fmt.Errorf("write entry: %w", err)
	}
	index, err := audit.Append(tx, leaf)
	if err != nil {
		return Stamp{}, err
	}
	tx.known.latest = &e.Time
	for _, d := range disclosed {
		if err := tx.insert("disclosure", "idx, field, salt, value", index, d.Name, d.Salt, d.Value); err != nil {
			return Stamp{}, err
		}
	}
	return Stamp{index, e.Time}, tx.derive(index, leaf)
}

// last gives the time of the newest entry, and the size of the log.
func (tx *Tx) last() (at time.Time, size int64, err error) {
	size, err = tx.Size()
	if err != nil || size == 0 {
		return time.Time{}, size, err
	}
	if tx.known.latest != nil {
		return *tx.known.latest, size, nil
	}
	err = tx.Entries(size-1, size, func(_ int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		at = e.Time
		return err
	})
	return at, size, err
}

// derivation is the version of the rules by which the index follows from the log. It grows with each change of them, also of the tables.
const derivation = 2

// derive writes the rows that follow from one leaf. It depends on nothing else but the rows of earlier leaves, and takes every order of
// entries: what was appended once, with whatever index, must be possible to read again.
func (tx *Tx) derive(index int64, leaf []byte) error {
	e, err := taffrail.ParseEntry(leaf)
	if err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	if err := tx.deriveEntry(index, e); err != nil {
		return err
	}
	if err := tx.deriveIntent(index, e); err != nil {
		return err
	}
	words, err := tx.deriveText(index, leaf, e)
	if err != nil {
		return err
	}
	if err := tx.deriveBlock(index, words); err != nil {
		return err
	}
	if e.Outcome == taffrail.OutcomeOK {
		if err := tx.deriveDeed(index, e.Body); err != nil {
			return err
		}
	}
	return tx.deriveBody(index, e)
}

// deriveEntry writes the rows that every entry has.
func (tx *Tx) deriveEntry(index int64, e taffrail.Entry) error {
	group, err := tx.group(index, e)
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, ref := range e.Body.Payloads() {
		if ref.SHA256 == "" || named[ref.SHA256] {
			continue
		}
		named[ref.SHA256] = true
		if err := tx.insert("index_payload", "sha256, idx", ref.SHA256, index); err != nil {
			return err
		}
	}
	return tx.insert("index_entry", "idx, nanos, grp, resource, request", index, nanos(e.Time), group, e.Resource, e.Request)
}

// An entryGroup is what entries share that are many of a kind. There are few groups, so that entries can be found by any of its fields.
type entryGroup struct {
	entryType taffrail.EntryType
	outcome   taffrail.Outcome
	actor     string
	scope     taffrail.StackID
}

// group gives the ID of an entry's group, which is the index of the group's first entry.
func (tx *Tx) group(index int64, e taffrail.Entry) (id int64, err error) {
	entryType, _ := e.Body.Kind()
	g := entryGroup{entryType, e.Outcome, e.Actor, e.Scope}
	if id, ok := tx.known.groups[g]; ok {
		return id, nil
	}
	err = tx.get("SELECT id FROM index_group WHERE scope = ? AND type = ? AND outcome = ? AND actor = ?", []any{g.scope, g.entryType, g.outcome, g.actor}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		id = index
		err = tx.insert("index_group", "id, type, outcome, actor, scope", id, g.entryType, g.outcome, g.actor, g.scope)
	}
	if err != nil {
		return 0, err
	}
	tx.known.learnGroup(g, id)
	tx.began.added = append(tx.began.added, g)
	return id, nil
}

// maxGroups bounds how many groups are remembered.
const maxGroups = 10_000

// nanos is a time since 1970, as far as it can be told so: 292 years to both sides.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// deriveBody writes the rows that follow from what scans and sources say.
func (tx *Tx) deriveBody(index int64, e taffrail.Entry) error {
	at := e.Time.UTC().Format(time.RFC3339Nano)
	switch body := e.Body.(type) {
	case taffrail.ScanStarted:
		return errors.Join(tx.deriveStack(index, body.Stack), tx.put(
			`INSERT INTO index_scan (id, stack, started_idx, outcome, total, checked, incomplete, commit_hash) VALUES (?, ?, ?, ?, 0, 0, 0, ?)
			ON CONFLICT (id) DO UPDATE SET stack = excluded.stack, started_idx = excluded.started_idx, finished_idx = NULL, outcome = excluded.outcome,
			total = 0, checked = 0, incomplete = 0, commit_hash = excluded.commit_hash`,
			e.Request, e.Scope, index, e.Outcome, commitOf(body.Stack)))
	case taffrail.ScanFinished:
		return errors.Join(tx.deriveStack(index, body.Stack), tx.deriveVersions(index, e.Scope, body.Versions), tx.put(
			`UPDATE index_scan SET finished_idx = ?, outcome = ?, total = ?, checked = ?, incomplete = ?, commit_hash = ? WHERE id = ?`,
			index, e.Outcome, body.Coverage.Total, body.Coverage.Checked, body.Coverage.Incomplete, commitOf(body.Stack), e.Request))
	case taffrail.DriftFound:
		return tx.foundDrift(string(body.Drift), string(e.Scope), string(e.Resource), string(body.Type), string(body.Status), body.Finding.SHA256, at, index)
	case taffrail.DriftChanged:
		return tx.put(`UPDATE index_drift SET type = ?, status = ?, finding = ?, changed_idx = ? WHERE id = ?`,
			body.Type, body.Status, body.Finding.SHA256, index, body.Drift)
	case taffrail.DriftEnded:
		return tx.put(`UPDATE index_drift SET ended_idx = ? WHERE id = ?`, index, body.Drift)
	case taffrail.EventsReceived:
		return tx.deriveEvents(index, body)
	case taffrail.CauseFound:
		return tx.deriveCause(index, body)
	}
	return nil
}

func (tx *Tx) deriveStack(index int64, s taffrail.StackInfo) error {
	return tx.put(`INSERT INTO index_stack (id, system, name, workspace, lineage, serial, seen_idx) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET system = excluded.system, name = excluded.name, workspace = excluded.workspace,
		lineage = excluded.lineage, serial = excluded.serial, seen_idx = excluded.seen_idx`,
		s.ID, s.System, s.Name, s.Workspace, s.Lineage, s.Serial, index)
}

// commitOf is the commit of the code, as far as it is known.
func commitOf(s taffrail.StackInfo) string {
	if s.Commit == nil {
		return ""
	}
	return s.Commit.Hash
}

// OpenDrift is a drift that has not ended.
type OpenDrift struct {
	ID      taffrail.DriftID
	Address taffrail.Address
	Type    taffrail.ResourceType
	Status  taffrail.Status
	Since   time.Time
	Entry   int64  // that holds its present form
	Finding string // SHA-256 of the payload
}

// OpenDrifts gives the open drifts of a stack by address.
func (tx *Tx) OpenDrifts(stack taffrail.StackID) (map[taffrail.Address]OpenDrift, error) {
	rows, err := tx.query(`SELECT id, address, type, status, since, changed_idx, finding FROM index_drift WHERE stack = ? AND ended_idx IS NULL`, stack)
	if err != nil {
		return nil, err
	}
	open := map[taffrail.Address]OpenDrift{}
	err = tx.eachRow(rows, func() error {
		var d OpenDrift
		var since string
		if err := tx.scan(rows, &d.ID, &d.Address, &d.Type, &d.Status, &since, &d.Entry, &d.Finding); err != nil {
			return err
		}
		if d.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return &taffrail.Error{Op: "read index", Kind: taffrail.KindCorrupt, Err: err, Hint: "run `taffrail index rebuild`"}
		}
		open[d.Address] = d
		return nil
	})
	return open, err
}
