package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// deriveVersions writes the rows that follow from the versions that a scan saw changed. A payload that was erased, or is not what the entry
// names, gives no rows: what is wrong with it is said by whoever reads payloads, and [Tx.RebuildIndex] names it.
func (tx *Tx) deriveVersions(index int64, stack taffrail.StackID, v *taffrail.Versions) error {
	if v == nil || v.Changed == 0 {
		return nil
	}
	data, err := tx.Blob(v.Blob)
	if errors.Is(err, audit.ErrMissing) || taffrail.KindOf(err) == taffrail.KindCorrupt {
		tx.unread = append(tx.unread, unread{index, fmt.Sprintf("index_version: entry %d: %d versions", index, v.Changed), v.Blob.SHA256, err})
		return nil
	}
	if err != nil {
		return err
	}
	rows := versionRows{tx: tx, stack: stack, index: index, taken: map[taffrail.Address]bool{}}
	if err := eachVersion(data, rows.add); err != nil {
		return fmt.Errorf("entry %d: payload %s: %w", index, v.Blob.SHA256, err)
	}
	return rows.flush()
}

// unread are rows that cannot be known.
type unread struct {
	index   int64
	what    string
	payload string // SHA-256 of what they should have come from
	err     error
}

func (u unread) String() string { return u.what + " cannot be known: " + u.err.Error() }

// eachVersion calls f for each version in a payload, of which it holds one at a time.
func eachVersion(payload []byte, f func(taffrail.Version) error) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	for _, want := range []any{json.Delim('{'), "nonce", nil, "content", json.Delim('[')} {
		t, err := d.Token()
		if err == nil && want != nil && t != want {
			err = fmt.Errorf("%v in the place of %v", t, want)
		}
		if err != nil {
			return err
		}
	}
	for d.More() {
		var v taffrail.Version
		if err := d.Decode(&v); err != nil {
			return err
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// versionRows writes rows, many in one statement.
type versionRows struct {
	tx    *Tx
	stack taffrail.StackID
	index int64
	args  []any
	taken map[taffrail.Address]bool // in args
}

// rowsPerStatement is as many as keep a statement short; SQLite takes 32,766 arguments.
const rowsPerStatement = 200

func (r *versionRows) add(v taffrail.Version) error {
	if r.taken[v.Address] { // no statement may write one row twice
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.taken[v.Address] = true
	r.args = append(r.args, r.stack, v.Address, v.Digest, r.index)
	if len(r.args) < 4*rowsPerStatement {
		return nil
	}
	return r.flush()
}

func (r *versionRows) flush() error {
	if len(r.args) == 0 {
		return nil
	}
	places := strings.TrimSuffix(strings.Repeat("(?,?,?,?),", len(r.args)/4), ",")
	err := r.tx.put("INSERT INTO index_version (stack, address, digest, idx) VALUES "+places+
		" ON CONFLICT (stack, address) DO UPDATE SET digest = excluded.digest, idx = excluded.idx", r.args...)
	r.args = nil // the statement may still be waiting with them
	clear(r.taken)
	return err
}

// A SeenVersion is the version in which a resource was seen last.
type SeenVersion struct {
	taffrail.Version
	Entry int64 // whose payload says so
}

// Versions calls f with the version in which each resource of a stack was seen last, sorted by address.
func (tx *Tx) Versions(stack taffrail.StackID, f func(SeenVersion) error) error {
	for after := taffrail.Address(""); ; {
		page, err := tx.versions(stack, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, v := range page {
			if err := f(v); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Address
	}
}

func (tx *Tx) versions(stack taffrail.StackID, after taffrail.Address) (page []SeenVersion, err error) {
	rows, err := tx.query("SELECT address, digest, idx FROM index_version WHERE stack = ? AND address > ? ORDER BY address LIMIT ?", stack, after, pageSize)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var v SeenVersion
		err := tx.scan(rows, &v.Address, &v.Digest, &v.Entry)
		page = append(page, v)
		return err
	})
	return page, err
}
