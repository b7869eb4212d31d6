package audit_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
)

// subtree is MTH(D[lo:hi]) of RFC 6962, section 2.1.
func subtree(lo, hi int64) tlog.Hash {
	switch n := hi - lo; n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, body(lo)...))
	default:
		k := int64(1)
		for k*2 < n {
			k *= 2
		}
		left, right := subtree(lo, lo+k), subtree(lo+k, hi)
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}

// TestRandomLives appends, signs, reopens and verifies in random order, and compares each signed tree with the
// definition, and with transparency-dev/merkle as a second opinion.
func TestRandomLives(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t)
			l := w.begin()
			oracle := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
			last := audit.EmptyHead(origin)
			var size int64
			for range 60 {
				switch random.IntN(6) {
				case 0, 1:
					n := random.IntN(1 << random.IntN(8))
					w.append(n)
					for range n {
						if err := oracle.Append(rfc6962.DefaultHasher.HashLeaf(body(size)), nil); err != nil {
							t.Fatal(err)
						}
						size++
					}
				case 2, 3:
					cp := w.sign(l)
					checkSecond(t, w, oracle, cp, last)
					last = cp.Head
				case 4:
					l = w.open()
				case 5:
					if r := w.verify(); r.Size != size {
						t.Fatalf("verified %d entries, want %d", r.Size, size)
					}
				}
			}
			if cp := w.sign(l); cp.Size != size || cp.Root != reference(size) {
				t.Fatalf("signed %+v, want size %d", cp.Head, size)
			}
		})
	}
}

func checkSecond(t *testing.T, w *world, oracle *compact.Range, cp audit.Checkpoint, last audit.Head) {
	t.Helper()
	want, err := oracle.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	if cp.Size == 0 {
		want = rfc6962.DefaultHasher.EmptyRoot()
	}
	if cp.Root != tlog.Hash(want) || cp.Root != reference(cp.Size) {
		t.Fatalf("root of size %d is %v", cp.Size, cp.Root)
	}
	if last.Size == 0 || last.Size == cp.Size {
		return
	}
	var hashes [][]byte
	err = w.storage.View(t.Context(), func(r audit.Reader) error {
		p, err := tlog.ProveTree(cp.Size, last.Size, r)
		for _, h := range p {
			hashes = append(hashes, h[:])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(last.Size), uint64(cp.Size), hashes, last.Root[:], cp.Root[:])
	if err != nil {
		t.Fatalf("from %d to %d: %v", last.Size, cp.Size, err)
	}
}

// reference is the root of the first n entries, computed from the definition alone.
func reference(n int64) tlog.Hash { return subtree(0, n) }
