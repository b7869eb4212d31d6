package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// TestDriftsOfOneTransactionAreAsThoseOfMany appends the same entries one by one and all at once: few drifts and resources, so that they come
// again and again, and names that a database cannot hold as they are.
func TestDriftsOfOneTransactionAreAsThoseOfMany(t *testing.T) {
	onEach(t, driftsOfOneTransactionAreAsThoseOfMany)
}

func driftsOfOneTransactionAreAsThoseOfMany(t *testing.T, p *place) {
	const rows = "SELECT * FROM index_drift ORDER BY id"
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // every run is the same
		entries := make([]taffrail.Entry, 150)
		for i := range entries {
			entries[i] = someDrift(random, int(seed)*4+3)
		}
		single, whole := p.fresh(t), p.fresh(t)
		one := single.store(t, store.Create)
		update(t, one, entries...)
		err := whole.store(t, store.Create).Update(t.Context(), func(tx *store.Tx) error {
			for _, e := range entries {
				if _, err := tx.Append(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(single.rows(t, rows), whole.rows(t, rows)); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
}

// someDrift is about one of a few drifts and resources.
func someDrift(random *rand.Rand, few int) taffrail.Entry {
	addresses := []taffrail.Address{"a\x00b", "a\uFFFDb", taffrail.Address(strings.Repeat("long", 400))}
	for i := range few {
		addresses = append(addresses, taffrail.Address(fmt.Sprint("a.b", i)))
	}
	seen := taffrail.DriftSeen{
		Drift: taffrail.DriftID(fmt.Sprint("drift-", random.IntN(few))), Type: "a", Status: taffrail.Modified,
		Finding: taffrail.BlobRef{SHA256: fmt.Sprint(random.IntN(1000)), Size: 1},
	}
	var e taffrail.Entry
	switch random.IntN(8) {
	case 0:
		e = entry(taffrail.DriftEnded{Drift: seen.Drift, Why: taffrail.EndInSync})
	case 1:
		e = entry(taffrail.DriftChanged{DriftSeen: seen})
	default:
		e = entry(taffrail.DriftFound{DriftSeen: seen})
	}
	e.Resource = addresses[random.IntN(len(addresses))]
	return e
}
