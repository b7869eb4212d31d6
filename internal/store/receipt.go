package store

import (
	"math"

	"github.com/taffrail-dev/taffrail/audit"
)

// NewestReceipts calls f with receipts by decreasing size, at most so many, until f wants no more. An error of f is returned as it is.
func (tx *Tx) NewestReceipts(most int, f func(audit.Receipt) (more bool, err error)) error {
	last := audit.Receipt{Size: math.MaxInt64}
	for most > 0 {
		page, err := tx.receiptsBelow(last, min(most, pageSize))
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			if more, err := f(r); err != nil || !more {
				return err
			}
		}
		last, most = page[len(page)-1], most-len(page)
	}
	return nil
}

func (tx *Tx) receiptsBelow(r audit.Receipt, most int) ([]audit.Receipt, error) {
	return tx.pageOfReceipts("< (?, ?, ?) ORDER BY size DESC, anchor DESC, kind DESC LIMIT ?", r, most)
}
