package publish

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

// ErrUnsigned says that there is nothing to publish, because nothing is signed yet.
var ErrUnsigned = errors.New("nothing is signed yet")

const (
	tileHeight = 8
	hintEdited = "what is stored was changed outside of taffrail: run `taffrail log verify`, and publish nothing until it holds"
)

// A Keys gives the keys of a log as they are at the moment, such as [audit.GuardedSigner.Keys] does.
type Keys func(context.Context) (audit.Keys, error)

// newest opens the newest checkpoint that is stored. One that counts for nothing, because its key was revoked, is [audit.ErrKeyRange]: the
// log signs its size anew.
func newest(r audit.Reader, keys audit.Keys) (audit.Checkpoint, error) {
	msg, err := r.Checkpoint()
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if msg == nil {
		return audit.Checkpoint{}, ErrUnsigned
	}
	cp, err := keys.Open(msg)
	if err == nil || errors.Is(err, audit.ErrKeyRange) {
		return cp, err
	}
	return cp, &audit.CorruptError{
		Part: audit.PartCheckpoints, What: "the newest stored checkpoint is not one that this log signed",
		Hint: "check that the data folder and the key belong to one another", Err: err,
	}
}

// covered says whether a tree of so many entries has a tile, in full or in a width that it once had.
func covered(t audit.Tile, size int64) bool {
	hashes := size >> (tileHeight * max(t.Level, 0))
	return t.N <= hashes/audit.TileWidth && t.N*audit.TileWidth+int64(t.Width) <= hashes
}

// entriesOf gives the range of entries of a bundle.
func entriesOf(t audit.Tile) (from, to int64) {
	from = t.N * audit.TileWidth
	return from, from + int64(t.Width)
}

// A place is where a tile stands, whatever its width.
type place struct {
	level int
	n     int64
}

// hashTiles reads tiles of hashes, as wide as the checkpoint's tree has them, together with those that tie them to its root. All that it
// gives leads to the root.
func hashTiles(r audit.Reader, cp audit.Checkpoint, tiles []audit.Tile) (map[place][]byte, error) {
	s := storedTiles{r: r, cp: cp, data: map[place][]byte{}}
	var ids []int64
	for _, t := range tiles {
		ids = append(ids, tlog.StoredHashIndex(tileHeight*t.Level, t.N*audit.TileWidth))
	}
	if _, err := s.tied().ReadHashes(ids); err != nil {
		return nil, s.explain(err)
	}
	return s.data, nil
}

// storedTiles are the tiles of a checkpoint's tree in a snapshot, for [tlog.TileHashReader].
type storedTiles struct {
	r    audit.Reader
	cp   audit.Checkpoint
	data map[place][]byte // that were read
	err  error            // of the reader
}

// tied reads hashes that lead to the root.
func (s *storedTiles) tied() tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: s.cp.Size, Hash: s.cp.Root}, s)
}

// explain says what it means that tied hashes could not be read.
func (s *storedTiles) explain(err error) error {
	if s.err != nil && !errors.Is(s.err, audit.ErrMissing) {
		return s.err
	}
	return &audit.CorruptError{
		Part: audit.PartHashes, What: fmt.Sprintf("the stored hashes do not lead to the root that was signed for %d entries", s.cp.Size),
		From: 0, To: s.cp.Size, Hint: hintEdited, Err: err,
	}
}

// Height implements [tlog.TileReader].
func (*storedTiles) Height() int { return tileHeight }

// SaveTiles implements [tlog.TileReader].
func (*storedTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements [tlog.TileReader].
func (s *storedTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := audit.ReadTile(s.r, audit.Tile{Level: t.L, N: t.N, Width: t.W})
		if err != nil {
			s.err = err
			return nil, err
		}
		all[i], s.data[place{t.L, t.N}] = data, data
	}
	return all, nil
}

// bundle reads a bundle of entries, and holds each against the hash of its leaf. Leaves is the tile of hashes at its place.
func bundle(r audit.Reader, t audit.Tile, leaves []byte) ([]byte, error) {
	from, to := entriesOf(t)
	data, err := audit.ReadTile(r, t)
	if errors.Is(err, audit.ErrMissing) {
		return nil, badEntry(err, from, to, "an entry in [%d, %d) is missing", from, to)
	}
	if err != nil {
		return nil, err
	}
	entries, err := audit.ParseEntries(data)
	if err != nil || len(entries) != t.Width {
		return nil, badEntry(err, from, to, "[%d, %d) was asked for, and the storage gave %d entries", from, to, len(entries))
	}
	for i, entry := range entries {
		if tlog.RecordHash(entry) != tlog.Hash(leaves[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			at := from + int64(i)
			return nil, badEntry(nil, at, at+1, "entry %d: its bytes are not those that were signed", at)
		}
	}
	return data, nil
}

func badEntry(err error, from, to int64, format string, args ...any) error {
	return &audit.CorruptError{Part: audit.PartEntries, What: fmt.Sprintf(format, args...), From: from, To: to, Hint: hintEdited, Err: err}
}
