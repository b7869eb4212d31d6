package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A snapshot is what the index held of entries that are gone: a line of JSON that says what it is, and one for each row, sorted.
type snapshotHead struct {
	Version int   `json:"taffrail_index"`
	Before  int64 `json:"before"` // the first entry that nothing in it is from
}

type snapshotRow struct {
	Table string         `json:"table"` // without the prefix that the tables share
	Row   map[string]any `json:"row"`   // a column that is NULL is left out
}

// ofEntries are the tables with rows that go when their entry goes.
var ofEntries = []string{"entry", "payload", "event", "batch", "block"}

// Snapshot gives what the index holds of the entries before an index, and of nothing else. It is to be stored as a payload, and named by the
// [taffrail.Pruned] that says that those entries are gone: so the index can be derived again without them.
func (tx *Tx) Snapshot(before int64) (snapshot []byte, err error) {
	tables, err := tx.makeShadow()
	defer func() {
		for _, t := range tables {
			err = errors.Join(err, tx.exec("DROP TABLE shadow_"+t))
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := tx.inShadow(func() error { return tx.deriveFrom(&before) }); err != nil {
		return nil, err
	}
	var lines []string
	for _, t := range tables {
		if slices.Contains(ofEntries, t) {
			continue
		}
		more, err := tx.snapshotLines(t)
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	slices.Sort(lines)
	head, err := json.Marshal(snapshotHead{derivation, before})
	return []byte(string(head) + "\n" + strings.Join(lines, "")), err
}

func (tx *Tx) snapshotLines(table string) (lines []string, err error) {
	rows, err := tx.query("SELECT * FROM shadow_" + table)
	if err != nil {
		return nil, err
	}
	columns, err := rows.Columns()
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	err = tx.eachRow(rows, func() error {
		if err := tx.scan(rows, into...); err != nil {
			return err
		}
		row := map[string]any{}
		for i, v := range values {
			if v != nil {
				row[columns[i]] = v
			}
		}
		line, err := json.Marshal(snapshotRow{table, row})
		lines = append(lines, string(line)+"\n")
		return err
	})
	return lines, err
}

// loadSnapshot fills the shadow with what the index held of the entries that were pruned.
func (tx *Tx) loadSnapshot(pruned int64) error {
	rows, err := tx.snapshotOf(pruned)
	if err != nil {
		return err
	}
	return tx.fill(rows)
}

// snapshotOf gives what the index held of the entries that were pruned. The newest entry that says that there are such must name it.
func (tx *Tx) snapshotOf(pruned int64) ([]snapshotRow, error) {
	said, err := tx.lastPruned(pruned)
	if err != nil {
		return nil, err
	}
	if said == nil || said.Before != pruned || said.Snapshot == nil {
		return nil, &taffrail.Error{
			Op: "read index", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("entries before %d are gone, and no entry says that they were pruned and what the index held of them", pruned),
			Hint: "keep this copy as evidence and bring back one that verifies",
		}
	}
	data, err := tx.Blob(*said.Snapshot)
	if err == nil {
		var rows []snapshotRow
		if _, rows, err = parseSnapshot(data); err == nil {
			return rows, nil
		}
	}
	return nil, fmt.Errorf("snapshot of the index: %w", err)
}

func (tx *Tx) fill(rows []snapshotRow) error {
	for _, r := range rows {
		columns := make([]string, 0, len(r.Row))
		for c := range r.Row {
			columns = append(columns, c)
		}
		slices.Sort(columns)
		values := make([]any, len(columns))
		for i, c := range columns {
			values[i] = r.Row[c]
		}
		places := "?" + strings.Repeat(",?", len(columns)-1)
		if err := tx.exec("INSERT INTO index_"+r.Table+" ("+strings.Join(columns, ",")+") VALUES ("+places+")", values...); err != nil {
			return err
		}
	}
	return nil
}

// lastPruned finds the newest entry that says that entries were pruned.
func (tx *Tx) lastPruned(from int64) (said *taffrail.Pruned, err error) {
	size, err := tx.Size()
	if err != nil {
		return nil, err
	}
	mark := []byte(`"type":"` + string(taffrail.EntryPruned) + `"`) // as it stands in a canonical leaf
	err = tx.Entries(from, size, func(_ int64, leaf []byte) error {
		if !bytes.Contains(leaf, mark) {
			return nil
		}
		e, err := taffrail.ParseEntry(leaf)
		if body, ok := e.Body.(taffrail.Pruned); ok && e.Outcome == taffrail.OutcomeOK {
			said = &body
		}
		return err
	})
	return said, err
}

// name is what tables and columns are called.
var name = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// parseSnapshot reads a snapshot. Its values are integers and texts.
func parseSnapshot(data []byte) (head snapshotHead, rows []snapshotRow, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&head); err != nil || head.Version < 1 || head.Version > derivation {
		return head, nil, corruptSnapshot(0, err)
	}
	for d.More() {
		var r snapshotRow
		if err := d.Decode(&r); err != nil || !name.MatchString(r.Table) || len(r.Row) == 0 {
			return head, nil, corruptSnapshot(len(rows)+1, err)
		}
		for column, value := range r.Row {
			if r.Row[column], err = snapshotValue(value); err != nil || !name.MatchString(column) {
				return head, nil, corruptSnapshot(len(rows)+1, err)
			}
		}
		rows = append(rows, r)
	}
	return head, rows, nil
}

func snapshotValue(value any) (any, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.Int64()
	}
	return nil, fmt.Errorf("%T in the place of a text or an integer", value)
}

func corruptSnapshot(line int, err error) error {
	if err == nil {
		err = errors.New("it is not what this program writes")
	}
	return &taffrail.Error{Op: "read snapshot", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("line %d: %w", line+1, err)}
}
