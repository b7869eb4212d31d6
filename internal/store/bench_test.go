package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// envEntries is how many entries [BenchmarkSearch] makes; the figures in the decision record are of 1,000,000.
const envEntries = "TAFFRAIL_BENCH_ENTRIES"

// BenchmarkSearch measures pages of a large log, which it makes once for each kind of database. An hour has 1,000 entries; the first half
// has words and outcomes that the second half has not.
func BenchmarkSearch(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv(envEntries))
	if err != nil {
		n = 10_000
	}
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			p := inFolder(b.TempDir())
			if kind == "postgres" {
				p = inSchema(b)
			}
			s := p.store(b, store.Create)
			began := time.Now()
			fill(b, s, n)
			if kind == "postgres" {
				p.tamper(b, "VACUUM ANALYZE")
			}
			b.Logf("%d entries in %v", n, time.Since(began))
			for _, c := range searches(n) {
				b.Run(c.name, func(b *testing.B) {
					found, worst := 0, time.Duration(0)
					for b.Loop() {
						began := time.Now()
						found = len(read(b, s, func(tx *store.Tx) ([]store.Match, error) { page, _, err := tx.Search(c.r); return page, err }))
						worst = max(worst, time.Since(began))
					}
					b.ReportMetric(float64(found), "found")
					b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
				})
			}
		})
	}
}

func fill(b *testing.B, s *store.Store, n int) {
	b.Helper()
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // every run is the same
	for done := 0; done < n; {
		err := s.Update(b.Context(), func(tx *store.Tx) error {
			for ; done < n; done++ {
				if _, err := tx.Append(benchEntry(random, done, n)); err != nil {
					return err
				}
				if done%5000 == 4999 {
					done++
					return nil
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func benchEntry(random *rand.Rand, i, n int) taffrail.Entry {
	e := taffrail.Entry{
		Time: morning.Add(time.Duration(i) * 3600 * time.Millisecond), Nonce: fmt.Sprintf("%032x", random.Uint64()), Actor: fmt.Sprint("taffrail/1.", i*4/n),
		Scope: taffrail.StackID(fmt.Sprintf("terraform/stack%03d/default", random.IntN(200))), Outcome: taffrail.OutcomeObserved, Request: fmt.Sprint("scan-", i/20),
		Resource: taffrail.Address(fmt.Sprintf("module.net[%d].aws_instance.web%d", random.IntN(100), random.IntN(200))),
	}
	seen := taffrail.DriftSeen{
		Drift: taffrail.DriftID(fmt.Sprintf("%032x", random.Uint64())), Type: "aws_instance", ID: taffrail.ResourceID(fmt.Sprintf("i-%016x", random.Uint64())), Status: taffrail.Modified,
		Finding: taffrail.BlobRef{SHA256: fmt.Sprintf("%064x", random.Uint64()), Size: 900}, Changes: 2,
	}
	switch e.Body = (taffrail.DriftFound{DriftSeen: seen}); {
	case i%20 == 0:
		e.Body, e.Resource = taffrail.ScanStarted{Stack: taffrail.StackInfo{ID: e.Scope, System: "terraform", Name: "shop"}}, ""
		e.Outcome = taffrail.OutcomeStarted
	case i%20 == 19:
		e.Body, e.Resource, e.Outcome = taffrail.ScanFinished{Error: "the provider said that it is throttled"}, "", taffrail.OutcomeFailed
		if i > n/2 {
			e.Body, e.Outcome = taffrail.ScanFinished{}, taffrail.OutcomeOK
		}
	case i%20 > 10:
		e.Body = taffrail.DriftEnded{Drift: seen.Drift, Why: taffrail.EndInSync}
	case i%20 > 5:
		seen.Status = taffrail.Deleted
		e.Body = taffrail.DriftChanged{DriftSeen: seen}
	}
	return e
}

type search struct {
	name string
	r    store.SearchRequest
}

func searches(n int) []search {
	types := func(t ...taffrail.EntryType) []taffrail.EntryType { return t }
	failed := []taffrail.Outcome{taffrail.OutcomeFailed}
	middle := morning.Add(time.Duration(n/2) * 3600 * time.Millisecond)
	return []search{
		{"all", store.SearchRequest{}},
		{"deep page", store.SearchRequest{Before: new(int64(n / 3))}},
		{"type", store.SearchRequest{Types: types(taffrail.EntryDriftEnded)}},
		{"type of old", store.SearchRequest{Outcomes: failed}},
		{"type and outcome that never meet", store.SearchRequest{Types: types(taffrail.EntryDriftEnded, taffrail.EntryDriftFound), Outcomes: failed}},
		{"actor, oldest first", store.SearchRequest{Actor: "taffrail/1.3", OldestFirst: true}},
		{"actor of old and type", store.SearchRequest{Actor: "taffrail/1.0", Types: types(taffrail.EntryDriftChanged)}},
		{"span", store.SearchRequest{Since: middle, Until: middle.Add(time.Hour)}},
		{"scope", store.SearchRequest{Scope: new(taffrail.StackID("terraform/stack007/default"))}},
		{"no such scope", store.SearchRequest{Scope: new(taffrail.StackID("none"))}},
		{"resource", store.SearchRequest{Resource: "module.net[7].aws_instance.web7"}},
		{"resource and type", store.SearchRequest{Resource: "module.net[7].aws_instance.web7", Types: types(taffrail.EntryScanStarted)}},
		{"request", store.SearchRequest{Request: "scan-77"}},
		{"common word", store.SearchRequest{Text: "aws_instance"}},
		{"common words of old", store.SearchRequest{Text: "provider throttled"}},
		{"rare word", store.SearchRequest{Text: "web7 net shop"}},
		{"words that meet rarely", store.SearchRequest{Text: "web7 deleted"}},
		{"no such word", store.SearchRequest{Text: "barnacle"}},
		{"words that never meet", store.SearchRequest{Text: "throttled web"}},
		{"frequent words that never meet", store.SearchRequest{Text: "ended deleted"}},
		{"word and all else", store.SearchRequest{
			Text: "web7", Since: morning, Until: middle, Types: types(taffrail.EntryDriftEnded), Outcomes: []taffrail.Outcome{taffrail.OutcomeObserved}, Actor: "taffrail/1.0",
			Scope: new(taffrail.StackID("terraform/stack007/default")),
		}},
		{"common word, type that never has it", store.SearchRequest{Text: "aws_instance", Types: types(taffrail.EntryScanStarted, taffrail.EntryScanFinished)}},
	}
}

// BenchmarkSequence measures how many entries of 32 writers come into a log in Postgres, on a server that waits for its disk: where each
// writer goes on as soon as its entry is queued, and where it waits for its index.
func BenchmarkSequence(b *testing.B) {
	server := pgtest.Start(b)
	for _, waits := range []bool{false, true} {
		b.Run(fmt.Sprint("waits=", waits), func(b *testing.B) {
			s := inPostgres(server.Database(b)).store(b, store.Create)
			stop := sequence(b, s)
			random := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // every run is the same
			entries := make([]taffrail.Entry, b.N)
			for i := range entries {
				entries[i] = benchEntry(random, i, b.N)
			}
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range 32 {
				all.Go(func() {
					var last store.Ticket
					for {
						i := int(next.Add(1)) - 1
						if i >= b.N {
							break
						}
						last = enqueue(b, s, entries[i])
						if waits {
							await(b, s, last)
						}
					}
					if last != "" {
						await(b, s, last)
					}
				})
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			stop()
		})
	}
}

// BenchmarkAppend measures appends that share commits.
func BenchmarkAppend(b *testing.B) {
	server := pgtest.Start(b)
	for _, p := range []*place{inFolder(b.TempDir()), inPostgres(server.Database(b))} {
		for _, writers := range []int{1, 32} {
			b.Run(fmt.Sprint(p.kind, "/writers=", writers), func(b *testing.B) {
				s := p.store(b, store.Create)
				random := rand.New(rand.NewPCG(9, 10)) //nolint:gosec // every run is the same
				entries := make([]taffrail.Entry, b.N)
				for i := range entries {
					entries[i] = benchEntry(random, i, b.N)
				}
				var next atomic.Int64
				var all sync.WaitGroup
				b.ResetTimer()
				for range writers {
					all.Go(func() {
						for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
							update(b, s, entries[i])
						}
					})
				}
				all.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			})
		}
	}
}
