package store

import (
	"database/sql"
	"errors"

	"github.com/taffrail-dev/taffrail"
)

// A ScanSpan is where a scan stands that came to its end.
type ScanSpan struct{ Started, Finished int64 }

// ScansBefore gives the scans of a stack that ended before an entry, the newest first, at most so many.
func (tx *Tx) ScansBefore(stack taffrail.StackID, before int64, limit int) (all []ScanSpan, err error) {
	rows, err := tx.query("SELECT started_idx, finished_idx FROM index_scan WHERE stack = ? AND finished_idx < ? ORDER BY finished_idx DESC LIMIT ?", stack, before, limit)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var s ScanSpan
		err := tx.scan(rows, &s.Started, &s.Finished)
		all = append(all, s)
		return err
	})
	return all, err
}

// StackName gives where a stack was when it was seen last; empty: it was never seen.
func (tx *Tx) StackName(id taffrail.StackID) (name string, err error) {
	err = tx.get("SELECT name FROM index_stack WHERE id = ?", []any{id}, &name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return name, err
}
