package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
// entry says what it showed.
func (tx *Tx) Append(e taffrail.Entry) (Stamp, error) {
	last, size, err := tx.last()
	if err != nil {
		return Stamp{}, err
	}
	e.Counter = size
	if e.Time = e.Time.UTC(); e.Time.Before(last) {
		e.Time, e.Clock = last, e.Time
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
	return Stamp{index, e.Time}, tx.derive(index, leaf)
}

// last gives the time of the newest entry, and the size of the log.
func (tx *Tx) last() (at time.Time, size int64, err error) {
	size, err = tx.Size()
	if err != nil || size == 0 {
		return time.Time{}, size, err
	}
	err = tx.Entries(size-1, size, func(_ int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		at = e.Time
		return err
	})
	return at, size, err
}

// derive writes the rows that follow from one leaf. It depends on nothing else but the rows of earlier leaves, and takes every order of
// entries: what was appended once, with whatever index, must be possible to read again.
func (tx *Tx) derive(index int64, leaf []byte) error {
	e, err := taffrail.ParseEntry(leaf)
	if err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	at := e.Time.UTC().Format(time.RFC3339Nano)
	entryType, _ := e.Body.Kind()
	err = tx.exec(`INSERT INTO index_entry (idx, type, time, scope, actor, resource, outcome, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		index, entryType, at, e.Scope, e.Actor, e.Resource, e.Outcome, e.Request)
	if err != nil {
		return err
	}
	switch body := e.Body.(type) {
	case taffrail.ScanStarted:
		return errors.Join(tx.deriveStack(index, body.Stack), tx.exec(
			`INSERT OR REPLACE INTO index_scan (id, stack, started_idx, outcome, total, checked, incomplete, commit_hash) VALUES (?, ?, ?, ?, 0, 0, 0, ?)`,
			e.Request, e.Scope, index, e.Outcome, commitOf(body.Stack)))
	case taffrail.ScanFinished:
		return errors.Join(tx.deriveStack(index, body.Stack), tx.deriveVersions(index, e.Scope, body.Versions), tx.exec(
			`UPDATE index_scan SET finished_idx = ?, outcome = ?, total = ?, checked = ?, incomplete = ?, commit_hash = ? WHERE id = ?`,
			index, e.Outcome, body.Coverage.Total, body.Coverage.Checked, body.Coverage.Incomplete, commitOf(body.Stack), e.Request))
	case taffrail.DriftFound:
		// A drift of a resource that has one already takes its place.
		return errors.Join(tx.exec(`UPDATE index_drift SET ended_idx = ? WHERE stack = ? AND address = ? AND ended_idx IS NULL`, index, e.Scope, e.Resource), tx.exec(
			`INSERT OR REPLACE INTO index_drift (id, stack, address, type, status, finding, since, found_idx, changed_idx) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			body.Drift, e.Scope, e.Resource, body.Type, body.Status, body.Finding.SHA256, at, index, index))
	case taffrail.DriftChanged:
		return tx.exec(`UPDATE index_drift SET type = ?, status = ?, finding = ?, changed_idx = ? WHERE id = ?`,
			body.Type, body.Status, body.Finding.SHA256, index, body.Drift)
	case taffrail.DriftEnded:
		return tx.exec(`UPDATE index_drift SET ended_idx = ? WHERE id = ?`, index, body.Drift)
	}
	return nil
}

func (tx *Tx) deriveStack(index int64, s taffrail.StackInfo) error {
	return tx.exec(`INSERT INTO index_stack (id, system, name, workspace, lineage, serial, seen_idx) VALUES (?, ?, ?, ?, ?, ?, ?)
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
	rows, err := tx.sql.QueryContext(tx.ctx,
		`SELECT id, address, type, status, since, changed_idx, finding FROM index_drift WHERE stack = ? AND ended_idx IS NULL`, stack)
	if err != nil {
		return nil, boundary("read log database", err)
	}
	defer rows.Close()
	open := map[taffrail.Address]OpenDrift{}
	for rows.Next() {
		var d OpenDrift
		var since string
		if err := rows.Scan(&d.ID, &d.Address, &d.Type, &d.Status, &since, &d.Entry, &d.Finding); err != nil {
			return nil, boundary("read log database", err)
		}
		if d.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return nil, &taffrail.Error{Op: "read index", Kind: taffrail.KindCorrupt, Err: err, Hint: "run `taffrail index rebuild`"}
		}
		open[d.Address] = d
	}
	return open, rows.Err()
}

// RebuildIndex builds the index anew from the log, and says what was different before, a line for each difference. Payloads that are gone,
// and that rows would follow from, are named: the index has no such rows then.
func (tx *Tx) RebuildIndex() (rows int64, changed []string, err error) {
	tx.unread = nil
	rows, changed, err = tx.shadowIndex(func(tables []string) error {
		for _, t := range tables {
			err := tx.exec("DELETE FROM main." + t)
			if err == nil {
				err = tx.exec("INSERT INTO main." + t + " SELECT * FROM temp." + t)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return rows, append(changed, tx.unread...), err
}

// CheckIndex says how the index differs from the log. It changes nothing.
func (tx *Tx) CheckIndex() (changed []string, err error) {
	_, changed, err = tx.shadowIndex(func([]string) error { return nil })
	return changed, err
}

// shadowIndex derives all rows from the log into temporary tables, which hide the real ones of the same names while it
// lasts, and compares the two.
func (tx *Tx) shadowIndex(use func(tables []string) error) (rows int64, changed []string, err error) {
	tables, definitions, err := tx.indexTables()
	if err != nil {
		return 0, nil, err
	}
	for i, t := range tables {
		shadow := strings.Replace(definitions[i], "CREATE TABLE ", "CREATE TABLE temp.", 1)
		if err := tx.exec(shadow); err != nil {
			return 0, nil, err
		}
		defer func() { err = errors.Join(err, tx.exec("DROP TABLE temp."+t)) }()
	}
	size, err := tx.Size()
	if err != nil {
		return 0, nil, err
	}
	if err := tx.Entries(0, size, tx.derive); err != nil {
		return 0, nil, err
	}
	for _, t := range tables {
		n, lines, err := tx.compare(t)
		if err != nil {
			return 0, nil, err
		}
		rows, changed = rows+n, append(changed, lines...)
	}
	return rows, changed, use(tables)
}

func (tx *Tx) indexTables() (names, definitions []string, err error) {
	rows, err := tx.sql.QueryContext(tx.ctx, `SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name LIKE 'index\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return nil, nil, boundary("read log database", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, definition string
		if err := rows.Scan(&name, &definition); err != nil {
			return nil, nil, boundary("read log database", err)
		}
		names, definitions = append(names, name), append(definitions, definition)
	}
	return names, definitions, rows.Err()
}

// compare counts the rows that a table should have, and describes those that it has too many, too few or other.
func (tx *Tx) compare(table string) (rows int64, lines []string, err error) {
	for _, c := range []struct{ query, what string }{
		{"SELECT count(*) FROM (SELECT * FROM main.%[1]s EXCEPT SELECT * FROM temp.%[1]s)", "%s: rows that do not follow from the log: %d"},
		{"SELECT count(*) FROM (SELECT * FROM temp.%[1]s EXCEPT SELECT * FROM main.%[1]s)", "%s: rows that are missing, or other than in the log: %d"},
	} {
		var n int64
		if err := tx.sql.QueryRowContext(tx.ctx, fmt.Sprintf(c.query, table)).Scan(&n); err != nil {
			return 0, nil, boundary("read log database", err)
		}
		if n > 0 {
			lines = append(lines, fmt.Sprintf(c.what, table, n))
		}
	}
	err = tx.sql.QueryRowContext(tx.ctx, "SELECT count(*) FROM temp."+table).Scan(&rows)
	return rows, lines, err
}
