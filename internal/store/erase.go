package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// EraseField erases a field of an entry, with its words, and gives the digest that the entry keeps of it. A hold that covers the entry is a
// [taffrail.KindConflict]; a field that is not there, or not any more, is [taffrail.KindNotFound]. On SQLite it has left the files
// when the update is over; in Postgres it is gone from what can be asked, and from the files with the next VACUUM.
//
// Whoever calls it appends, in the same transaction, the entry that says so: if we stop before the commit, nothing was erased.
func (tx *Tx) EraseField(index int64, field string) (digest string, err error) {
	leaf, e, err := tx.erasable("erase field", index)
	if err != nil {
		return "", err
	}
	d := audit.Disclosure{Name: field}
	err = tx.get("SELECT salt, value FROM disclosure WHERE idx = ? AND field = ?", []any{index, field}, &d.Salt, &d.Value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", &taffrail.Error{Op: "erase field", Kind: taffrail.KindNotFound, Err: fmt.Errorf("entry %d has no field %q that can be erased, or none any more", index, field)}
	}
	if err != nil {
		return "", err
	}
	text, err := d.Text()
	if err != nil {
		return "", err
	}
	if err := tx.dropText(index, leaf, e); err != nil {
		return "", err
	}
	if err := tx.exec("DELETE FROM disclosure WHERE idx = ? AND field = ?", index, field); err != nil {
		return "", err
	}
	tx.erased = true
	if _, err := tx.deriveText(index, leaf, e); err != nil {
		return "", err
	}
	return audit.DisclosureDigest(text), tx.rewriteBlock(index)
}

// erasable gives an entry of which something is to be erased, unless it is held.
func (tx *Tx) erasable(op string, index int64) (leaf []byte, e taffrail.Entry, err error) {
	if err := tx.refuseHeld(op, index, index+1); err != nil {
		return nil, e, err
	}
	err = tx.Entries(index, index+1, func(_ int64, body []byte) error {
		leaf = slices.Clone(body)
		e, err = taffrail.ParseEntry(leaf)
		return err
	})
	if errors.Is(err, audit.ErrMissing) {
		err = &taffrail.Error{Op: op, Kind: taffrail.KindNotFound, Err: err}
	}
	return leaf, e, err
}

// ErasePayload erases a payload that an entry names, as [Tx.EraseField] does a field. One that other entries name, too, stays, and the
// [taffrail.KindConflict] says which.
func (tx *Tx) ErasePayload(index int64, sha256 string) error {
	const op = "erase payload"
	_, e, err := tx.erasable(op, index)
	if err != nil {
		return err
	}
	ref := taffrail.BlobRef{SHA256: sha256}
	if !slices.ContainsFunc(e.Body.Payloads(), func(r taffrail.BlobRef) bool { return r.SHA256 == sha256 }) {
		return &taffrail.Error{Op: op, Kind: taffrail.KindNotFound, Err: fmt.Errorf("entry %d names no payload %s", index, sha256)}
	}
	others, err := tx.integers("SELECT idx FROM index_payload WHERE sha256 = ? AND idx <> ? ORDER BY idx LIMIT 10", sha256, index)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return &taffrail.Error{Op: op, Kind: taffrail.KindConflict, Err: fmt.Errorf("payload %s is named by entries %v, too", sha256, others)}
	}
	gone, err := tx.remove("DELETE FROM blob WHERE sha256 = ?", sha256)
	if err != nil {
		return err
	}
	if gone == 0 {
		return &taffrail.Error{Op: op, Kind: taffrail.KindNotFound, Err: tx.missing(ref)}
	}
	tx.erased = true
	if b, ok := e.Body.(taffrail.ScanFinished); ok && b.Versions != nil && b.Versions.Blob.SHA256 == sha256 {
		return tx.deriveStackVersions(e.Scope)
	}
	if _, ok := e.Body.(taffrail.EventsReceived); ok {
		return tx.exec("DELETE FROM index_event WHERE idx = ?", index)
	}
	return nil
}

// deriveStackVersions derives the versions of a stack anew, from the payloads that are left: what a rebuild would come to.
func (tx *Tx) deriveStackVersions(stack taffrail.StackID) error {
	if err := tx.exec("DELETE FROM index_version WHERE stack = ?", stack); err != nil {
		return err
	}
	if err := tx.restoreVersions(stack); err != nil {
		return err
	}
	scans, err := tx.integers(`SELECT e.idx FROM index_entry AS e JOIN index_group AS g ON g.id = e.grp
		WHERE g.scope = ? AND g.type = ? ORDER BY e.idx`, stack, taffrail.EntryScanFinished)
	if err != nil {
		return err
	}
	for _, index := range scans {
		err := tx.Entries(index, index+1, func(_ int64, leaf []byte) error {
			e, err := taffrail.ParseEntry(leaf)
			if b, ok := e.Body.(taffrail.ScanFinished); ok {
				return tx.deriveVersions(index, stack, b.Versions)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// restoreVersions takes the versions of a stack from the snapshot of what was pruned.
func (tx *Tx) restoreVersions(stack taffrail.StackID) error {
	pruned, err := tx.Pruned()
	if err != nil || pruned == 0 {
		return err
	}
	rows, err := tx.snapshotOf(pruned)
	if err != nil {
		return err
	}
	return tx.fill(slices.DeleteFunc(rows, func(r snapshotRow) bool {
		return r.Table != "version" || r.Row["stack"] != tx.dialect.word(string(stack))
	}))
}

// Prune drops the entries before an index, with their payloads, fields and words, and says how many payloads that were. Their hashes
// stay, and the checkpoints. Before is a multiple of [audit.TileWidth], less than what is signed, and not less than what was pruned before:
// else it is [taffrail.KindInvalid]. A hold that covers any of the entries is a [taffrail.KindConflict].
//
// Whoever calls it takes a [Tx.Snapshot] first, and appends, in the same transaction, the entry that names it.
func (tx *Tx) Prune(before int64) (payloads int64, err error) {
	pruned, err := tx.Pruned()
	if err != nil {
		return 0, err
	}
	if err := tx.prunable(pruned, before); err != nil {
		return 0, err
	}
	if err := tx.Entries(pruned, before, func(index int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		return tx.dropText(index, leaf, e)
	}); err != nil {
		return 0, err
	}
	payloads, err = tx.remove(`DELETE FROM blob WHERE sha256 IN (SELECT sha256 FROM index_payload WHERE idx < ?)
		AND NOT EXISTS (SELECT 1 FROM index_payload AS p WHERE p.sha256 = blob.sha256 AND p.idx >= ?)`, before, before)
	if err != nil {
		return 0, err
	}
	for _, table := range []string{"disclosure", "index_payload", "index_event", "index_batch", "index_entry", "entry"} {
		if err := tx.exec("DELETE FROM "+table+" WHERE idx < ?", before); err != nil {
			return 0, err
		}
	}
	tx.erased = true
	return payloads, tx.dropBlocks(before)
}

// prunable refuses what must not be pruned. The last entry that is signed stays, since each start compares its bytes with the guard.
func (tx *Tx) prunable(pruned, before int64) error {
	var signed int64
	if err := tx.get("SELECT coalesce(max(size), 0) FROM checkpoint", nil, &signed); err != nil {
		return err
	}
	var why string
	switch {
	case before%audit.TileWidth != 0:
		why = fmt.Sprintf("it is no multiple of %d", audit.TileWidth)
	case before <= pruned:
		why = fmt.Sprintf("entries before %d were pruned already", pruned)
	case before >= signed:
		why = fmt.Sprintf("the newest checkpoint signs %d entries, of which the last must stay", signed)
	}
	if why != "" {
		return &taffrail.Error{Op: "prune log", Kind: taffrail.KindInvalid, Err: fmt.Errorf("before entry %d: %s", before, why)}
	}
	return tx.refuseHeld("prune log", pruned, before)
}
