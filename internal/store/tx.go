package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A Tx is a transaction, or a snapshot. It implements [audit.Writer].
type Tx struct {
	ctx    context.Context
	sql    *sql.Tx
	unread []string // payloads that rows should have come from, a line each
}

var _ audit.Writer = (*Tx)(nil)

// ReadHashes implements [tlog.HashReader].
func (tx *Tx) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(ids))
	for i, id := range ids {
		var raw []byte
		err := tx.sql.QueryRowContext(tx.ctx, "SELECT hash FROM node WHERE id = ?", id).Scan(&raw)
		if errors.Is(err, sql.ErrNoRows) || err == nil && len(raw) != tlog.HashSize {
			return nil, fmt.Errorf("hash %d: %w", id, audit.ErrMissing)
		}
		if err != nil {
			return nil, boundary("read log database", err)
		}
		hashes[i] = tlog.Hash(raw)
	}
	return hashes, nil
}

// Size implements [audit.Reader].
func (tx *Tx) Size() (size int64, err error) {
	err = tx.sql.QueryRowContext(tx.ctx, "SELECT coalesce(max(idx) + 1, 0) FROM entry").Scan(&size)
	if err != nil {
		return 0, boundary("read log database", err)
	}
	return size, nil
}

// Pruned implements [audit.Reader].
func (tx *Tx) Pruned() (int64, error) { return 0, nil }

// Entries implements [audit.Reader].
func (tx *Tx) Entries(from, to int64, f func(index int64, body []byte) error) error {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT idx, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", from, to)
	if err != nil {
		return boundary("read log database", err)
	}
	defer rows.Close()
	next := from
	for ; rows.Next(); next++ {
		var index int64
		var body sql.RawBytes
		if err := rows.Scan(&index, &body); err != nil {
			return boundary("read log database", err)
		}
		if index != next {
			break
		}
		if err := f(index, body); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return boundary("read log database", err)
	}
	if next < to {
		return fmt.Errorf("entry %d: %w", next, audit.ErrMissing)
	}
	return nil
}

// Checkpoint implements [audit.Reader].
func (tx *Tx) Checkpoint() (note []byte, err error) {
	err = tx.sql.QueryRowContext(tx.ctx, "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1").Scan(&note)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, boundary("read log database", err)
	}
	return note, nil
}

// Checkpoints implements [audit.Reader].
func (tx *Tx) Checkpoints(f func(size int64, note []byte) error) error {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT size, note FROM checkpoint ORDER BY size")
	if err != nil {
		return boundary("read log database", err)
	}
	defer rows.Close()
	for rows.Next() {
		var size int64
		var note []byte
		if err := rows.Scan(&size, &note); err != nil {
			return boundary("read log database", err)
		}
		if err := f(size, note); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return boundary("read log database", err)
	}
	return nil
}

// PutEntry implements [audit.Writer].
func (tx *Tx) PutEntry(index int64, body []byte) error {
	return tx.exec("INSERT INTO entry (idx, body) VALUES (?, ?)", index, body)
}

// PutHashes implements [audit.Writer].
func (tx *Tx) PutHashes(first int64, hashes []tlog.Hash) error {
	for i, h := range hashes {
		if err := tx.exec("INSERT INTO node (id, hash) VALUES (?, ?)", first+int64(i), h[:]); err != nil {
			return err
		}
	}
	return nil
}

// PutCheckpoint implements [audit.Writer].
func (tx *Tx) PutCheckpoint(size int64, note []byte) error {
	return tx.exec("INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT (size) DO UPDATE SET note = excluded.note", size, note)
}

// PutBlob stores a payload beside the log.
func (tx *Tx) PutBlob(data []byte) (taffrail.BlobRef, error) {
	sum := sha256.Sum256(data)
	ref := taffrail.BlobRef{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}
	return ref, tx.exec("INSERT INTO blob (sha256, data) VALUES (?, ?) ON CONFLICT DO NOTHING", ref.SHA256, data)
}

// Blob gives a payload. One that is not there is an error that wraps [audit.ErrMissing], one whose bytes are not those that the
// reference names is [taffrail.KindCorrupt]. A reference without a size is one by digest alone.
func (tx *Tx) Blob(ref taffrail.BlobRef) ([]byte, error) {
	var data []byte
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT data FROM blob WHERE sha256 = ?", ref.SHA256).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("payload %s: %w", ref.SHA256, audit.ErrMissing)
	}
	if err != nil {
		return nil, boundary("read log database", err)
	}
	sum := sha256.Sum256(data)
	if hex.EncodeToString(sum[:]) != ref.SHA256 || ref.Size != 0 && int64(len(data)) != ref.Size {
		return nil, &taffrail.Error{
			Kind: taffrail.KindCorrupt, Err: fmt.Errorf("payload %s: its bytes are not those that the entry names", ref.SHA256),
			Hint: "run `taffrail log verify`",
		}
	}
	return data, nil
}

func (tx *Tx) exec(query string, args ...any) error {
	if _, err := tx.sql.ExecContext(tx.ctx, query, args...); err != nil {
		return boundary("write log database", err)
	}
	return nil
}
