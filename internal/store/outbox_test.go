package store_test

import (
	"context"
	"errors"
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

// leads waits until the process of a store is the one that sequences.
func leads(t testing.TB, s *store.Store) {
	t.Helper()
	for !s.Leads() {
		await(t, s, enqueue(t, s, named("before")))
	}
}

// TestWhoSequencesAppendsAtOnce queues by turns in the process that sequences and in another: what the former queues is in the log when it
// is told so, and behind what the other was told is queued.
func TestWhoSequencesAppendsAtOnce(t *testing.T) {
	p := inSchema(t)
	s, other := p.store(t, store.Create), p.store(t, store.Write)
	stop := sequence(t, s)
	leads(t, s)
	var want []string
	first := int(size(t, s))
	for i := range 10 {
		a, b := fmt.Sprint(i, " a"), fmt.Sprint(i, " b")
		enqueue(t, other, named(a))
		ticket, err := s.Enqueue(t.Context(), []taffrail.Entry{named(b), named(b)}, []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, a, b, b)
		if n := int(size(t, s)); n != first+len(want) {
			t.Errorf("%d entries, want %d", n-first, len(want))
		}
		stamps := await(t, other, ticket)
		if diff := cmp.Diff(await(t, s, ticket), stamps); diff != "" || len(stamps) != 2 || int(stamps[1].Index) != first+len(want)-1 {
			t.Errorf("the other is told %v: %s", stamps, diff)
		}
	}
	if diff := cmp.Diff(want, names(t, s)[first:]); diff != "" {
		t.Error(diff)
	}
	if n := p.rows(t, "SELECT count(*) FROM blob"); n[0] != "10" {
		t.Errorf("%s payloads", n)
	}
	stop()
	enqueue(t, s, named("nobody sequences"))
	if n := int(size(t, s)); n != first+len(want) {
		t.Errorf("%d entries, though nobody sequences", n)
	}
}

// TestQueuingDoesNotWaitForALongUpdate queues while somebody else has the turn to write: it is queued, and comes once.
func TestQueuingDoesNotWaitForALongUpdate(t *testing.T) {
	p := inSchema(t)
	for _, who := range []string{"the same process", "another process"} {
		s := p.store(t, store.Create)
		stop := sequence(t, s)
		leads(t, s)
		writer := s
		if who == "another process" {
			writer = p.store(t, store.Write)
		}
		inside, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- writer.Update(t.Context(), func(*store.Tx) error {
				close(inside)
				<-leave
				return nil
			})
		}()
		<-inside
		before := len(names(t, s))
		var tickets []store.Ticket
		began := time.Now()
		for range 3 {
			tickets = append(tickets, enqueue(t, s, named(who)))
		}
		if took := time.Since(began); took > 10*time.Second { // it waits for a quarter of a second, and would wait for half a minute
			t.Errorf("it took %v while %s was in its turn", took, who)
		}
		if n := len(names(t, s)); n != before {
			t.Errorf("%d entries came while %s was in its turn", n-before, who)
		}
		close(leave)
		if err := <-done; err != nil {
			t.Error(err)
		}
		for i, ticket := range tickets {
			if stamps := await(t, s, ticket); len(stamps) != 1 || stamps[0].Index != int64(before+i) {
				t.Errorf("%s: %v", who, stamps)
			}
		}
		await(t, s, enqueue(t, s, named("the last")))
		if n := len(names(t, s)); n != before+4 {
			t.Errorf("%d entries, want 4", n-before)
		}
		stop()
	}
}

// TestAppendedAndQueuedComesOnce queues what is in the log already, as after an answer that was lost on its way.
func TestAppendedAndQueuedComesOnce(t *testing.T) {
	s := inSchema(t).store(t, store.Create)
	ticket, err := s.AppendAndQueue([]taffrail.Entry{named("a"), named("b")})
	if err != nil {
		t.Fatal(err)
	}
	sequence(t, s)
	await(t, s, enqueue(t, s, named("c")))
	if stamps := await(t, s, ticket); len(stamps) != 2 || stamps[0].Index != 0 {
		t.Errorf("%v", stamps)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names(t, s)); diff != "" {
		t.Error(diff)
	}
}

// TestTheWriterReadsNoWholeTable: what Postgres plans while tables are small is kept when they are large.
func TestTheWriterReadsNoWholeTable(t *testing.T) {
	p := inSchema(t)
	const scans = "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname IN ('entry', 'index_drift', 'node', 'outbox') ORDER BY 1"
	work := func(rounds int) []string {
		s, err := p.open(t, store.Create)
		if err != nil {
			t.Fatal(err)
		}
		other, err := p.open(t, store.Write)
		if err != nil {
			t.Fatal(err)
		}
		stop := sequence(t, s)
		leads(t, s)
		for i := range rounds { // a statement is planned anew each time until it was run a few times
			await(t, other, enqueue(t, other, named("")))
			update(t, s, entry(taffrail.DriftFound{DriftSeen: taffrail.DriftSeen{
				Drift: taffrail.DriftID(fmt.Sprint(i)), Type: "a", Status: taffrail.Modified, Finding: taffrail.BlobRef{SHA256: "a", Size: 1},
			}}))
		}
		stop()
		if err := errors.Join(s.Close(), other.Close()); err != nil {
			t.Fatal(err)
		}
		for alive := ""; alive != "0"; { // the server counts when a connection ends
			alive = p.rows(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taffrail' AND datname = current_database()")[0]
		}
		return p.rows(t, scans)
	}
	before := work(0)
	if diff := cmp.Diff(before, work(20)); diff != "" {
		t.Error(diff)
	}
}

// TestOldTicketsAreDropped: but for what is queued still, however old.
func TestOldTicketsAreDropped(t *testing.T) {
	p := inSchema(t)
	s, other := p.store(t, store.Create), p.store(t, store.Write)
	stop := sequence(t, s)
	leads(t, s)
	old := enqueue(t, s, named("old"))
	stop()
	queued := enqueue(t, s, named("queued"))
	p.tamper(t, "UPDATE outbox SET queued_at = now() - INTERVAL '16 minutes'")
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := p.rows(t, "SELECT count(*) FROM outbox"); n[0] != "1" {
		t.Errorf("%s tickets are there", n)
	}
	sequence(t, s)
	leads(t, s)
	young := enqueue(t, s, named("young"))
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, other, young)
	if _, err := other.Await(t.Context(), old); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("an old ticket: %v", err)
	}
	if !slices.Contains(names(t, s), "queued") {
		t.Errorf("%q is gone", queued)
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
