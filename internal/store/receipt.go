package store

import (
	"fmt"
	"math"
	"time"

	"github.com/taffrail-dev/taffrail"
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

func (tx *Tx) receiptsBelow(r audit.Receipt, most int) (page []audit.Receipt, err error) {
	rows, err := tx.query("SELECT size, kind, anchor, at, data FROM receipt WHERE (size, anchor, kind) < (?, ?, ?) ORDER BY size DESC, anchor DESC, kind DESC LIMIT ?",
		r.Size, r.Anchor, r.Kind, most)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var r audit.Receipt
		var at string
		if err := tx.scan(rows, &r.Size, &r.Kind, &r.Anchor, &at, &r.Data); err != nil {
			return err
		}
		if r.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return &taffrail.Error{Op: "read receipts", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("size %d, %s: %w", r.Size, r.Anchor, err)}
		}
		page = append(page, r)
		return nil
	})
	return page, err
}
