package store

import (
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A KnownDrift is a drift of any time, open or over.
type KnownDrift struct {
	OpenDrift
	Stack taffrail.StackID
	Found int64 // index of its first entry
	Ended int64 // and of that of its end; -1: it is open
}

// DriftsOf gives the drifts of an address in any stack, those that are open first, the newest first. One by its ID, where that is given.
func (tx *Tx) DriftsOf(address taffrail.Address, id taffrail.DriftID) (all []KnownDrift, err error) {
	rows, err := tx.query(`SELECT id, stack, address, type, status, since, changed_idx, finding, found_idx, coalesce(ended_idx, -1) FROM index_drift
		WHERE (address = ? OR ? = '') AND (id = ? OR ? = '') ORDER BY CASE WHEN ended_idx IS NULL THEN 0 ELSE 1 END, found_idx DESC LIMIT ?`, address, address, id, id, MaxPage)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var d KnownDrift
		var since string
		if err := tx.scan(rows, &d.ID, &d.Stack, &d.Address, &d.Type, &d.Status, &since, &d.Entry, &d.Finding, &d.Found, &d.Ended); err != nil {
			return err
		}
		d.Since, err = time.Parse(time.RFC3339Nano, since)
		all = append(all, d)
		return err
	})
	return all, err
}
