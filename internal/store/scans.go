package store

import "github.com/taffrail-dev/taffrail"

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
