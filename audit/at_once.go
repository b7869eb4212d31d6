package audit

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A fetched reader is a snapshot of which some hashes were read beforehand. Of all others it asks the snapshot.
type fetched struct {
	Reader
	hashes knownHashes
}

// atOnce gives a snapshot in which all hashes that it takes to grow from one size to another were read at once: the edge of the first, the
// way from its last entry up to that edge, and what was stored since. With many new entries, or where one of the hashes is missing, it is
// the snapshot as it is: then they are read one after the other, and the one that is missing gets its name.
func atOnce(r Reader, from, to int64) Reader {
	if to-from > batch {
		return r
	}
	ids := append(edgeIDs(from), wayIDs(from)...)
	for id := tlog.StoredHashCount(from); id < tlog.StoredHashCount(to); id++ {
		ids = append(ids, id)
	}
	hashes, err := readHashes(r, ids)
	if err != nil {
		return r
	}
	f := fetched{r, make(knownHashes, len(ids))}
	for i, id := range ids {
		f.hashes[id] = hashes[i]
	}
	return f
}

// wayIDs are the stored indexes of the hashes beside the way from the last entry up to the edge: all of them on its left.
func wayIDs(size int64) (ids []int64) {
	if size == 0 {
		return nil
	}
	for level := range bits.TrailingZeros64(uint64(size)) {
		ids = append(ids, tlog.StoredHashIndex(level, (size-1)>>level-1))
	}
	return ids
}

// ReadHashes implements [tlog.HashReader].
func (f fetched) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	if hashes, err := f.hashes.ReadHashes(ids); err == nil {
		return hashes, nil
	}
	return f.Reader.ReadHashes(ids)
}
