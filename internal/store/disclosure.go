package store

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// disclose salts the fields of an entry that can be erased, and has it hold their digests.
func disclose(e *taffrail.Entry) ([]audit.Disclosure, error) {
	all := make([]audit.Disclosure, 0, len(e.Disclosed))
	digests := slices.Clone(e.Digests)
	for i, f := range e.Disclosed {
		again := slices.ContainsFunc(e.Disclosed[:i], func(o taffrail.Field) bool { return o.Name == f.Name })
		if again || f.Name == "_sd" || f.Name == "..." { // names that RFC 9901 keeps for itself, section 4.2.1
			return nil, &taffrail.Error{Op: "write entry", Kind: taffrail.KindInvalid, Err: fmt.Errorf("the disclosed field %q is there twice, or has a name of its encoding", f.Name)}
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, fmt.Errorf("write entry: field %q: %w", f.Name, err)
		}
		d := audit.Disclosure{Salt: newSalt(), Name: f.Name, Value: string(value)}
		text, err := d.Text()
		if err != nil {
			return nil, fmt.Errorf("write entry: %w", err)
		}
		all, digests = append(all, d), append(digests, audit.DisclosureDigest(text))
	}
	slices.Sort(digests)
	e.Digests, e.Disclosed = digests, nil
	return all, nil
}

// newSalt is 128 random bits.
func newSalt() string {
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(salt[:])
}

// Disclosures gives the fields of an entry that can be erased and were not, by name.
func (tx *Tx) Disclosures(index int64) (all []audit.Disclosure, err error) {
	rows, err := tx.query("SELECT field, salt, value FROM disclosure WHERE idx = ? ORDER BY field", index)
	if err != nil {
		return nil, err
	}
	err = tx.eachRow(rows, func() error {
		var d audit.Disclosure
		err := tx.scan(rows, &d.Name, &d.Salt, &d.Value)
		all = append(all, d)
		return err
	})
	return all, err
}

// PutReceipt stores what an authority gave for a checkpoint. The first of one authority for one size stays: it dates the checkpoint
// earliest, and the same is shown again after a crash.
func (tx *Tx) PutReceipt(r audit.Receipt) error {
	return tx.exec("INSERT INTO receipt (size, kind, anchor, at, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		r.Size, r.Kind, r.Anchor, r.At.UTC().Format(time.RFC3339Nano), bytes.Clone(r.Data))
}

// Receipts calls f with every receipt, by increasing size. An error of f ends the reading and is returned as it is.
func (tx *Tx) Receipts(f func(audit.Receipt) error) error {
	last := audit.Receipt{Size: -1}
	for {
		page, err := tx.receipts(last)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			if err := f(r); err != nil {
				return err
			}
		}
		last = page[len(page)-1]
	}
}

func (tx *Tx) receipts(after audit.Receipt) ([]audit.Receipt, error) {
	return tx.pageOfReceipts("> (?, ?, ?) ORDER BY size, anchor, kind LIMIT ?", after, pageSize)
}

// pageOfReceipts gives the receipts on one side of another.
func (tx *Tx) pageOfReceipts(side string, of audit.Receipt, most int) (page []audit.Receipt, err error) {
	rows, err := tx.query("SELECT size, kind, anchor, at, data FROM receipt WHERE (size, anchor, kind) "+side, of.Size, of.Anchor, of.Kind, most)
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
