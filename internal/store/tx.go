package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A Tx is a transaction, or a snapshot. It implements [audit.Writer].
type Tx struct {
	ctx     context.Context
	conn    *sql.Conn
	sql     *sql.Tx // on conn
	dialect *dialect
	known   *knowledge
	shadow  bool           // statements mean the shadow of the index, not the index
	unread  []unread       // payloads that rows should have come from
	texts   *textSum       // of what was derived in the shadow
	erased  bool           // something that must leave the files, too
	unsent  []call         // that nobody needs an answer to yet
	waiting []*waitingRows // that no statement has asked for yet
	shared  bool           // by a group of updates
	began   marked         // the present one of them
	unsure  bool           // something was written that may not work
	first   int64          // the index of the first entry that was added
	leaves  []tlog.Hash    // of all that were added
}

var _ audit.Writer = (*Tx)(nil)

// ReadHashes implements [tlog.HashReader].
func (tx *Tx) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(ids))
	if contiguous(ids) {
		return hashes, tx.readSpan(ids, hashes)
	}
	places := make(map[int64][]int, len(ids))
	var ask []int64
	for i, id := range ids {
		if h, ok := tx.known.hash(id); ok {
			hashes[i] = h
			continue
		}
		if places[id] == nil {
			ask = append(ask, id)
		}
		places[id] = append(places[id], i)
	}
	for part := range slices.Chunk(ask, maxAsked) {
		if err := tx.readHashes(part, places, hashes); err != nil {
			return nil, err
		}
	}
	for id := range places {
		return nil, missingHash(id)
	}
	return hashes, nil
}

func missingHash(id int64) error { return fmt.Errorf("hash %d: %w", id, audit.ErrMissing) }

// contiguous says whether keys follow each other, and are more than a few.
func contiguous(ids []int64) bool {
	for i, id := range ids {
		if id != ids[0]+int64(i) {
			return false
		}
	}
	return len(ids) > 4
}

// readSpan reads hashes whose keys follow each other.
func (tx *Tx) readSpan(ids []int64, hashes []tlog.Hash) error {
	next := 0
	err := tx.each("SELECT id, hash FROM node WHERE id >= ? AND id < ? ORDER BY id", []any{ids[0], ids[0] + int64(len(ids))}, func(id int64, raw []byte) {
		if next < len(ids) && id == ids[next] && len(raw) == tlog.HashSize {
			hashes[next] = tlog.Hash(raw)
			next++
		}
	})
	if err == nil && next < len(ids) {
		err = missingHash(ids[next])
	}
	return err
}

// maxAsked is how many rows are asked for by their keys in one statement. It is a power of two, and so is the number of places in each
// statement, so that there are few statements to be prepared.
const maxAsked = 256

// inList writes keys as a list, in which the last may stand more than once.
func inList(ids []int64) (places string, args []any) {
	n := 1 << bits.Len(uint(len(ids)-1))
	for i := range n {
		args = append(args, ids[min(i, len(ids)-1)])
	}
	return "(?" + strings.Repeat(",?", n-1) + ")", args
}

// readHashes reads hashes to where they are wanted, and takes those that are found out of what is wanted.
func (tx *Tx) readHashes(ids []int64, wanted map[int64][]int, hashes []tlog.Hash) error {
	places, args := inList(ids)
	return tx.each("SELECT id, hash FROM node WHERE id IN "+places, args, func(id int64, raw []byte) {
		if len(raw) != tlog.HashSize {
			return
		}
		for _, i := range wanted[id] {
			hashes[i] = tlog.Hash(raw)
		}
		delete(wanted, id)
	})
}

// sizeQuery gives the size of the log.
const sizeQuery = "SELECT coalesce(max(idx) + 1, 0) FROM entry"

// Size implements [audit.Reader].
func (tx *Tx) Size() (int64, error) {
	if !tx.known.read {
		var size int64
		if err := tx.get(sizeQuery, nil, &size); err != nil {
			return 0, err
		}
		tx.known.learn(size)
	}
	return tx.known.size, nil
}

// Pruned implements [audit.Reader].
func (tx *Tx) Pruned() (first int64, err error) {
	err = tx.get("SELECT coalesce(min(idx), 0) FROM entry", nil, &first)
	return first, err
}

// pageSize is how many rows are read at a time, so that f may read meanwhile: Postgres answers one question at a time.
const pageSize = 256

// Entries implements [audit.Reader].
func (tx *Tx) Entries(from, to int64, f func(index int64, body []byte) error) error {
	for from < to {
		page, err := tx.entries(from, min(to, from+pageSize))
		if err != nil {
			return err
		}
		for _, body := range page {
			if err := f(from, body); err != nil {
				return err
			}
			from++
		}
		if len(page) < pageSize && from < to {
			return fmt.Errorf("entry %d: %w", from, audit.ErrMissing)
		}
	}
	return nil
}

// entries gives the bodies from an index on, up to the first that is missing.
func (tx *Tx) entries(from, to int64) (page [][]byte, err error) {
	hole := false
	err = tx.each("SELECT idx, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", []any{from, to}, func(index int64, body []byte) {
		if hole = hole || index != from+int64(len(page)); !hole {
			page = append(page, body)
		}
	})
	return page, err
}

// Checkpoint implements [audit.Reader].
func (tx *Tx) Checkpoint() ([]byte, error) {
	return tx.note("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")
}

// CheckpointAt implements [audit.Reader].
func (tx *Tx) CheckpointAt(size int64) ([]byte, error) {
	return tx.note("SELECT note FROM checkpoint WHERE size = ?", size)
}

func (tx *Tx) note(query string, args ...any) (note []byte, err error) {
	err = tx.get(query, args, &note)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return note, err
}

// Checkpoints implements [audit.Reader].
func (tx *Tx) Checkpoints(f func(size int64, note []byte) error) error {
	type row struct {
		size int64
		note []byte
	}
	for after := int64(-1); ; {
		rows, err := tx.query("SELECT size, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT ?", after, pageSize)
		if err != nil {
			return err
		}
		var page []row
		err = tx.eachRow(rows, func() error {
			var r row
			err := tx.scan(rows, &r.size, &r.note)
			page = append(page, r)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			if err := f(r.size, r.note); err != nil {
				return err
			}
			after = r.size
		}
	}
}

// PutEntry implements [audit.Writer].
func (tx *Tx) PutEntry(index int64, body []byte) error {
	size, err := tx.Size()
	if err != nil {
		return err
	}
	if index != size {
		return fmt.Errorf("put entry %d: %d is next", index, size)
	}
	tx.known.size, tx.known.latest = index+1, nil
	return tx.insert("entry", "idx, body", index, bytes.Clone(body))
}

// PutHashes implements [audit.Writer].
func (tx *Tx) PutHashes(first int64, hashes []tlog.Hash) error {
	tx.unsure = tx.unsure || !tx.known.read || tx.known.size == 0 || first != tlog.StoredHashIndex(0, tx.known.size-1)
	if level, index := tlog.SplitStoredHashIndex(first); level == 0 && len(hashes) > 0 {
		tx.tell(index, hashes[0])
	}
	for i, h := range hashes {
		id := first + int64(i)
		if err := tx.insert("node", "id, hash", id, bytes.Clone(h[:])); err != nil {
			return err
		}
		tx.known.put(id, h)
	}
	return nil
}

// tell notes the leaf hash of an entry that is added. Entries that do not follow each other are nothing that could be told.
func (tx *Tx) tell(index int64, leaf tlog.Hash) {
	switch {
	case len(tx.leaves) == 0:
		tx.first = index
	case index != tx.first+int64(len(tx.leaves)):
		tx.first = -1
	}
	tx.leaves = append(tx.leaves, leaf)
}

// PutCheckpoint implements [audit.Writer].
func (tx *Tx) PutCheckpoint(size int64, note []byte) error {
	return tx.put("INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT (size) DO UPDATE SET note = excluded.note", size, bytes.Clone(note))
}

// PutBlob stores a payload beside the log.
func (tx *Tx) PutBlob(data []byte) (taffrail.BlobRef, error) {
	ref := refOf(data)
	return ref, tx.put("INSERT INTO blob (sha256, data) VALUES (?, ?) ON CONFLICT DO NOTHING", ref.SHA256, bytes.Clone(data))
}

func refOf(data []byte) taffrail.BlobRef {
	sum := sha256.Sum256(data)
	return taffrail.BlobRef{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}
}

// Blob gives a payload. One that is not there is an error that wraps [audit.ErrMissing], and [ErrErased] where the log says that it was
// erased; one whose bytes are not those that the reference names is [taffrail.KindCorrupt]. A reference without a size is one by digest
// alone.
func (tx *Tx) Blob(ref taffrail.BlobRef) ([]byte, error) {
	var data []byte
	err := tx.get("SELECT data FROM blob WHERE sha256 = ?", []any{ref.SHA256}, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, tx.missing(ref)
	}
	if err != nil {
		return nil, err
	}
	if is := refOf(data); is.SHA256 != ref.SHA256 || ref.Size != 0 && is.Size != ref.Size {
		return nil, &taffrail.Error{
			Kind: taffrail.KindCorrupt, Err: fmt.Errorf("payload %s: its bytes are not those that the entry names", ref.SHA256),
			Hint: "run `taffrail log verify`",
		}
	}
	return data, nil
}
