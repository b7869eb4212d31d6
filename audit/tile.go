package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is that of C2SP tlog-tiles: 256 hashes a tile.
const tileHeight = 8

// TileWidth is how many hashes or entries a full tile has.
const TileWidth = 1 << tileHeight

// maxLevel is the highest level that a path can name.
const maxLevel = 63

// entriesLevel stands for the level of entry bundles, where [tlog.Tile] has -1.
const entriesLevel = -1

// A Tile names a tile of hashes, or a bundle of entries, of C2SP tlog-tiles.
type Tile struct {
	Level int   // 0 for the hashes of leaves; -1 for entries
	N     int64 // index in its level
	Width int   // 1 to 256; less than 256 for a partial one
}

// Entries is the tile of entries n.
func Entries(n int64, width int) Tile { return Tile{Level: entriesLevel, N: n, Width: width} }

func (t Tile) tlog() tlog.Tile { return tlog.Tile{H: tileHeight, L: t.Level, N: t.N, W: t.Width} }

// Path is where the tile is served: tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>].
func (t Tile) Path() string {
	path := strings.TrimPrefix(t.tlog().Path(), "tile/8/")
	if t.Level == entriesLevel {
		path = strings.Replace(path, "data/", "entries/", 1)
	}
	return "tile/" + path
}

// ParseTile is the inverse of [Tile.Path]. It accepts nothing that Path would write otherwise.
func ParseTile(path string) (Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if ok && strings.HasPrefix(rest, "entries/") {
		rest = "data/" + rest[len("entries/"):]
	}
	parsed, err := tlog.ParseTilePath("tile/8/" + rest)
	t := Tile{Level: parsed.L, N: parsed.N, Width: parsed.W}
	if !ok || err != nil || t.Level > maxLevel || t.Path() != path {
		return Tile{}, fmt.Errorf("%.120q is no path of a tile", path)
	}
	return t, nil
}

// of says whether a tree of this size has this tile of hashes: a full one, or the partial one at its end.
func (t Tile) of(size int64) bool {
	hashes := size >> (tileHeight * t.Level)
	if t.Width == TileWidth {
		return t.N < hashes>>tileHeight
	}
	return t.N == hashes>>tileHeight && int64(t.Width) == hashes%TileWidth
}

// Tiles calls f with each tile of hashes that a tree of this size has, level by level from the leaves, partial ones last in
// their level. An error of f ends it and is returned as it is.
func Tiles(size int64, f func(Tile) error) error {
	for level := 0; size > 0; level, size = level+1, size>>tileHeight {
		for n := int64(0); n < size>>tileHeight; n++ {
			if err := f(Tile{Level: level, N: n, Width: TileWidth}); err != nil {
				return err
			}
		}
		if w := int(size % TileWidth); w > 0 {
			if err := f(Tile{Level: level, N: size >> tileHeight, Width: w}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReadTile gives the content of a tile of hashes or of entries. Of entries that were pruned, the error is an [ErrPruned].
func ReadTile(r Reader, t Tile) ([]byte, error) {
	if t.Level != entriesLevel {
		data, err := tlog.ReadTileData(t.tlog(), r)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.Path(), err)
		}
		return data, nil
	}
	from := t.N * TileWidth
	pruned, err := r.Pruned()
	if err == nil && from < pruned {
		err = prunedError(from, from+int64(t.Width), pruned)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Path(), err)
	}
	var data []byte
	err = r.Entries(from, from+int64(t.Width), func(index int64, body []byte) error {
		if len(body) > math.MaxUint16 {
			return fmt.Errorf("entry %d: %w", index, ErrTooLarge)
		}
		data = binary.BigEndian.AppendUint16(data, uint16(len(body)))
		data = append(data, body...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Path(), err)
	}
	return data, nil
}

// prunedError says what is there of a range that reaches into what was pruned.
func prunedError(from, to, pruned int64) error {
	return fmt.Errorf("of the entries from %d to %d, those before %d are not there any more, only their hashes are: %w", from, to-1, pruned, ErrPruned)
}

var errBundle = errors.New("it is no bundle of entries, each behind its length in two bytes")

// ParseEntries takes a tile of entries apart. The entries share the memory of data.
func ParseEntries(data []byte) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(entries) == TileWidth {
			return nil, errBundle
		}
		n := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; len(data) < n {
			return nil, errBundle
		}
		entries = append(entries, data[:n:n])
		data = data[n:]
	}
	return entries, nil
}
