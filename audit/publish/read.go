package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/taffrail-dev/taffrail/audit"
)

// maxBundle is more than a bundle of entries has, in bytes.
const maxBundle = audit.TileWidth * (2 + 1<<16)

// Entries calls f with the entries from ≤ index < size that a folder holds, in order. They are bytes that somebody wrote into a folder:
// whether they are those of a log, the tree that they give says. A folder that does not hold all of them is an error that wraps
// [audit.ErrMissing], after f was called for those before. An error of f ends the reading and is returned as it is.
func Entries(dir string, from, size int64, f func(index int64, body []byte) error) error {
	for at := from; at < size; {
		n := at / audit.TileWidth
		entries, err := readBundle(dir, n, int(min(audit.TileWidth, size-n*audit.TileWidth)))
		if err != nil {
			return fmt.Errorf("read entries from %d: %w", at, err)
		}
		for ; at < size && at < (n+1)*audit.TileWidth; at++ {
			if err := f(at, entries[at-n*audit.TileWidth]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBundle reads a bundle of at least so many entries: of the partial ones that may stand there, any that is wide enough will do.
func readBundle(dir string, n int64, width int) ([][]byte, error) {
	for w := width; w <= audit.TileWidth; w++ {
		path := filepath.Join(dir, filepath.FromSlash(audit.Entries(n, w).Path()))
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && (!info.Mode().IsRegular() || info.Size() > maxBundle) {
			err = fmt.Errorf("%s is no bundle of entries", path)
		}
		var data []byte
		if err == nil {
			data, err = os.ReadFile(path)
		}
		if err != nil {
			return nil, err
		}
		entries, err := audit.ParseEntries(data)
		if err == nil && len(entries) != w {
			err = fmt.Errorf("it has %d entries, and %d belong there", len(entries), w)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return entries, nil
	}
	return nil, fmt.Errorf("%s: %w in %s", audit.Entries(n, width).Path(), audit.ErrMissing, dir)
}
