package audittest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// Guard tests an [audit.Guard] against its contract. Open gives a guard without state, another one at each call, and
// cleans up behind itself.
func Guard(t *testing.T, open func(t *testing.T) audit.Guard) {
	for _, part := range []struct {
		name string
		test func(*testing.T, audit.Guard)
	}{
		{"None", guardNone},
		{"Create", guardCreate},
		{"Swap", guardSwap},
		{"StaleIsRefused", guardStale},
		{"Cancelled", guardCancelled},
		{"OneWins", guardOneWins},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

const guardOrigin = "taffrail.local/contract"

func head(size int64) audit.Head {
	if size == 0 {
		return audit.EmptyHead(guardOrigin)
	}
	return audit.Head{Origin: guardOrigin, Size: size, Root: tlog.RecordHash([]byte{byte(size)})}
}

func swap(t *testing.T, g audit.Guard, old, new audit.Head) {
	t.Helper()
	if err := g.Swap(t.Context(), old, new); err != nil {
		t.Fatalf("swap size %d for %d: %v", old.Size, new.Size, err)
	}
}

func loads(t *testing.T, g audit.Guard, want audit.Head) {
	t.Helper()
	got, err := g.Load(t.Context())
	if err != nil || got != want {
		t.Fatalf("held is %+v, %v, want %+v", got, err, want)
	}
}

func conflicts(t *testing.T, g audit.Guard, old, new audit.Head) {
	t.Helper()
	if err := g.Swap(t.Context(), old, new); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("swap %+v for %+v: %v, want ErrConflict", old, new, err)
	}
}

func guardNone(t *testing.T, g audit.Guard) {
	for range 2 {
		if h, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
			t.Errorf("held is %+v, %v, want ErrNoHead", h, err)
		}
		conflicts(t, g, head(0), head(1))
		conflicts(t, g, head(3), head(4))
	}
}

func guardCreate(t *testing.T, g audit.Guard) {
	swap(t, g, audit.Head{}, head(0))
	loads(t, g, head(0))
	conflicts(t, g, audit.Head{}, head(0))
	conflicts(t, g, audit.Head{}, head(1))
	loads(t, g, head(0))
}

func guardSwap(t *testing.T, g audit.Guard) {
	swap(t, g, audit.Head{}, head(0))
	for size := range int64(20) {
		swap(t, g, head(size), head(size+1))
		loads(t, g, head(size+1))
	}
	far := head(20)
	far.Size = 1 << 53 // more than a JSON number holds exactly in some readers, and plus one
	far.Size++
	swap(t, g, head(20), far)
	loads(t, g, far)
}

func guardStale(t *testing.T, g audit.Guard) {
	swap(t, g, audit.Head{}, head(0))
	swap(t, g, head(0), head(5))
	root, origin := head(5), head(5)
	root.Root[31] ^= 1
	origin.Origin += "x"
	for _, old := range []audit.Head{{}, head(0), head(4), head(6), root, origin} {
		conflicts(t, g, old, head(7))
		loads(t, g, head(5))
	}
	swap(t, g, head(5), head(5))
	loads(t, g, head(5))
}

func guardCancelled(t *testing.T, g audit.Guard) {
	swap(t, g, audit.Head{}, head(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
	if err := g.Swap(ctx, head(0), head(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("swap: %v", err)
	}
	loads(t, g, head(0))
}

// guardOneWins has many ask for the same swap: each time one gets it.
func guardOneWins(t *testing.T, g audit.Guard) {
	swap(t, g, audit.Head{}, head(0))
	for size := range int64(10) {
		var wins atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				switch err := g.Swap(t.Context(), head(size), head(size+1)); {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, audit.ErrConflict):
					t.Errorf("swap: %v", err)
				}
			})
		}
		all.Wait()
		if n := wins.Load(); n != 1 {
			t.Errorf("from size %d: %d swaps went through, want 1", size, n)
		}
	}
	loads(t, g, head(10))
}
