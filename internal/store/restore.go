package store

import (
	"errors"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// Restore appends the bytes of a leaf that was in the log before and was lost, and derives its rows. It says how many of the payloads that
// the leaf names are missing.
func (tx *Tx) Restore(leaf []byte) (missing int64, err error) {
	index, err := audit.Append(tx, leaf)
	if err != nil {
		return 0, err
	}
	if err := tx.derive(index, leaf); err != nil {
		return 0, err
	}
	e, err := taffrail.ParseEntry(leaf)
	if err != nil {
		return 0, err
	}
	for _, ref := range e.Body.Payloads() {
		switch _, err := tx.Blob(ref); {
		case errors.Is(err, audit.ErrMissing):
			missing++
		case err != nil:
			return missing, err
		}
	}
	return missing, nil
}
