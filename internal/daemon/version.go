package daemon

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// versions are the digests of what a scan saw live. The values themselves are let go at once.
type versions struct {
	print taffrail.Fingerprinter
	key   string
	seen  []seenVersion
}

type seenVersion struct {
	address taffrail.Address
	digest  [32]byte
	gone    bool
	id      taffrail.ResourceID
}

func (v seenVersion) version() taffrail.Version {
	return taffrail.Version{Address: v.address, Digest: v.text(), ID: v.id}
}

func (v seenVersion) text() string {
	if v.gone {
		return ""
	}
	return base64.StdEncoding.EncodeToString(v.digest[:])
}

// add takes the version of a resource, if its live side was read. Of what the code is yet to create there was nothing to read.
func (v *versions) add(o taffrail.Observation) {
	if o.Live.IsUnknown() || o.Gap != nil || o.Live.IsNull() && o.Recorded.IsNull() {
		return
	}
	seen := seenVersion{address: o.Resource.Address, gone: o.Live.IsNull(), id: taffrail.ResourceID(strings.Clone(string(o.Resource.ID)))}
	v.key, seen.digest = v.print.Fingerprint(o.Live)
	v.seen = append(v.seen, seen)
}

// record writes down those that are other than when their resources were seen last. Nothing is written if there are none.
func (v *versions) record(tx *store.Tx, stack taffrail.StackID) (*taffrail.Versions, error) {
	if len(v.seen) == 0 {
		return nil, nil
	}
	slices.SortFunc(v.seen, func(a, b seenVersion) int { return cmp.Compare(a.address, b.address) })
	changed, err := v.changed(tx, stack)
	if err != nil {
		return nil, err
	}
	r := &taffrail.Versions{Key: v.key, Count: len(v.seen), All: v.all(sha256.New()), Changed: len(changed)}
	if len(changed) > 0 {
		r.Blob, err = putPayload(tx, changed)
	}
	return r, err
}

// changed goes through what was seen now and what was seen last side by side, both sorted by address.
func (v *versions) changed(tx *store.Tx, stack taffrail.StackID) ([]taffrail.Version, error) {
	var changed []taffrail.Version
	rest := v.seen
	upTo := func(address taffrail.Address) {
		for ; len(rest) > 0 && rest[0].address < address; rest = rest[1:] {
			changed = append(changed, rest[0].version())
		}
	}
	err := tx.Versions(stack, func(last store.SeenVersion) error {
		upTo(last.Address)
		for ; len(rest) > 0 && rest[0].address == last.Address; rest = rest[1:] {
			if rest[0].text() != last.Digest {
				changed = append(changed, rest[0].version())
			}
		}
		return nil
	})
	for _, left := range rest {
		changed = append(changed, left.version())
	}
	return changed, err
}

func (v *versions) all(h hash.Hash) string {
	for _, seen := range v.seen {
		fmt.Fprintf(h, "%s %s\n", seen.text(), seen.address)
	}
	return hex.EncodeToString(h.Sum(nil))
}
