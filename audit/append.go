package audit

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Append adds one entry, whose body is canonical (see [Canonical]), and gives its index. It writes the entry and the
// hashes that it completes, nothing else, in the caller's transaction: so an entry and the rows that belong to it
// cannot part. If we stop before the transaction commits, nothing happened. Once it has committed the entry is
// sequenced, and the next [Log.Sign] or [Open], in whichever process, signs it.
//
// The hashes of complete subtrees to its left are taken as they are stored. Signing finds out if they were changed,
// for a tree that contains a changed hash is no growth of the one that was signed before.
func Append(w Writer, body []byte) (index int64, err error) {
	if len(body) == 0 {
		return 0, errors.New("append: entry is empty")
	}
	if err := checkLength(body); err != nil {
		return 0, fmt.Errorf("append: %w", err)
	}
	index, err = w.Size()
	if err != nil {
		return 0, fmt.Errorf("append: read size: %w", err)
	}
	hashes, err := tlog.StoredHashes(index, body, w)
	if err != nil {
		return 0, fmt.Errorf("append entry %d: hash: %w", index, err)
	}
	if err := w.PutEntry(index, body); err != nil {
		return 0, fmt.Errorf("append entry %d: %w", index, err)
	}
	if err := w.PutHashes(tlog.StoredHashIndex(0, index), hashes); err != nil {
		return 0, fmt.Errorf("append entry %d: store hashes: %w", index, err)
	}
	return index, nil
}
