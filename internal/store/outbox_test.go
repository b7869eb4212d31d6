package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// sequence runs a sequencer, until the test ends or stop is called.
func sequence(t testing.TB, s *store.Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Sequence(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func enqueue(t testing.TB, s *store.Store, entries ...taffrail.Entry) store.Ticket {
	t.Helper()
	ticket, err := s.Enqueue(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func await(t testing.TB, s *store.Store, ticket store.Ticket) []store.Stamp {
	t.Helper()
	stamps, err := s.Await(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	return stamps
}

// named gives an entry that can be told from others.
func named(name string) taffrail.Entry { return entry(taffrail.LogStarted{Origin: name}) }

// names gives what tells the entries of a log from each other, in order.
func names(t testing.TB, s *store.Store) (all []string) {
	t.Helper()
	return read(t, s, func(tx *store.Tx) ([]string, error) {
		size, err := tx.Size()
		if err != nil {
			return nil, err
		}
		err = tx.Entries(0, size, func(index int64, leaf []byte) error {
			e, err := taffrail.ParseEntry(leaf)
			if e.Counter != index {
				t.Errorf("entry %d has counter %d", index, e.Counter)
			}
			all = append(all, e.Body.(taffrail.LogStarted).Origin)
			return err
		})
		return all, err
	})
}

func TestWhatIsQueuedIsSequencedInOrder(t *testing.T) { onEach(t, queuedInOrder) }

func queuedInOrder(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	late := named("b")
	late.Time = late.Time.Add(time.Hour)
	late.Disclosed = []taffrail.Field{{Name: "who", Value: "Ada"}}
	tickets := []store.Ticket{enqueue(t, s, named("a")), enqueue(t, s, late, named("c")), enqueue(t, s), enqueue(t, s, named("d"))}
	if p.kind == "postgres" {
		if n := size(t, s); n != 0 {
			t.Errorf("%d entries before anybody sequences", n)
		}
	}
	sequence(t, s)
	hour := time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)
	want := [][]store.Stamp{{{Index: 0, Time: hour.Add(-time.Hour)}}, {{Index: 1, Time: hour}, {Index: 2, Time: hour}}, {}, {{Index: 3, Time: hour}}}
	for i, ticket := range tickets {
		if got := await(t, s, ticket); !slices.Equal(got, want[i]) {
			t.Errorf("ticket %d: %v", i, got)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, names(t, s)); diff != "" {
		t.Error(diff)
	}
	if e := leaf(t, s, 2); !e.Clock.Equal(hour.Add(-time.Hour)) {
		t.Errorf("its clock showed %v", e.Clock)
	}
	if d := read(t, s, func(tx *store.Tx) ([]audit.Disclosure, error) { return tx.Disclosures(1) }); len(d) != 1 {
		t.Errorf("disclosed: %v", d)
	}
	if _, err := s.Await(t.Context(), "nobody-gave-this"); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("an unknown ticket: %v", err)
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

func TestWhatCannotBeAppendedIsNotQueued(t *testing.T) { onEach(t, cannotBeQueued) }

func cannotBeQueued(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	for _, bad := range []taffrail.Entry{named(strings.Repeat("x", audit.MaxEntry)), with(taffrail.LogStarted{}, "ok", taffrail.Field{Name: "_sd"})} {
		if ticket, err := s.Enqueue(t.Context(), []taffrail.Entry{named("good"), bad}); err == nil {
			t.Errorf("ticket %q", ticket)
		}
	}
	sequence(t, s)
	await(t, s, enqueue(t, s, named("next")))
	if diff := cmp.Diff([]string{"next"}, names(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestPayloadsAreQueuedAlong(t *testing.T) { onEach(t, payloadsAreQueued) }

func payloadsAreQueued(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	payload := []byte("payload")
	ref := putBlob(t, p.fresh(t).store(t, store.Create), string(payload))
	for range 2 {
		if _, err := s.Enqueue(t.Context(), []taffrail.Entry{entry(taffrail.ScanStarted{Rules: &ref})}, payload, []byte("other")); err != nil {
			t.Fatal(err)
		}
	}
	if data := read(t, s, func(tx *store.Tx) ([]byte, error) { return tx.Blob(ref) }); string(data) != "payload" {
		t.Errorf("%q", data)
	}
}

// TestManyQueueAndTwoSequence has many writers of several processes' worth queue at once, while two sequencers come and go, and an Update
// appends in between: each entry comes once, those of one writer in its order, and those of one call side by side.
func TestManyQueueAndTwoSequence(t *testing.T) { onEach(t, manyQueue) }

func manyQueue(t *testing.T, p *place) {
	stores := []*store.Store{p.store(t, store.Create), p.store(t, store.Write)}
	const writers, calls = 8, 12
	done := make(chan struct{})
	var sequencers, all sync.WaitGroup
	for _, s := range stores {
		sequencers.Go(func() {
			for ended := false; !ended; {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				if err := s.Sequence(ctx); err != nil {
					t.Error(err)
				}
				cancel()
				select {
				case <-done:
					ended = true
				default:
				}
			}
		})
	}
	for w := range writers {
		all.Go(func() {
			s := stores[w%2]
			for c := range calls {
				ticket, err := s.Enqueue(t.Context(), []taffrail.Entry{named(fmt.Sprint(w, " ", c, " 0")), named(fmt.Sprint(w, " ", c, " 1"))})
				if err != nil {
					t.Error(err)
					return
				}
				stamps, err := s.Await(t.Context(), ticket)
				if err != nil || len(stamps) != 2 || stamps[1].Index != stamps[0].Index+1 {
					t.Errorf("%v, %v", stamps, err)
				}
			}
		})
	}
	all.Go(func() { update(t, stores[0], named("u 0 0"), named("u 1 0")) })
	all.Wait()
	close(done)
	sequencers.Wait()
	seen, last := map[string]bool{}, map[string]int{}
	for _, name := range names(t, stores[0]) {
		if seen[name] {
			t.Errorf("%q came twice", name)
		}
		seen[name] = true
		var writer string
		var c, i int
		if _, err := fmt.Sscanf(name, "%s %d %d", &writer, &c, &i); err != nil || 2*c+i < last[writer] {
			t.Errorf("%q came late: %v", name, err)
		}
		last[writer] = 2*c + i
	}
	if len(seen) != writers*calls*2+2 {
		t.Errorf("%d entries", len(seen))
	}
	if _, changed := rebuild(t, stores[1]); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

// TestAwaitCanBeCancelled waits where nobody sequences.
func TestAwaitCanBeCancelled(t *testing.T) {
	s := inSchema(t).store(t, store.Create)
	ticket := enqueue(t, s, named("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Await(ctx, ticket); err == nil {
		t.Error("it was not sequenced")
	}
}
