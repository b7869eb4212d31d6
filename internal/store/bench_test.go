package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// envEntries is how many entries [BenchmarkSearch] makes; the figures in docs/benchmarks.md are of 1,000,000. Where envFolder or envPostgres
// says, the log stays for the next run.
const (
	envEntries  = "TAFFRAIL_BENCH_ENTRIES"
	envFolder   = "TAFFRAIL_BENCH_FOLDER"   // of SQLite
	envPostgres = "TAFFRAIL_BENCH_POSTGRES" // an address
)

// benchPlace is where the log of [BenchmarkSearch] is.
func benchPlace(b *testing.B, kind string) *place {
	folder, address := os.Getenv(envFolder), os.Getenv(envPostgres)
	switch {
	case kind == "sqlite" && folder != "":
		return inFolder(folder)
	case kind == "sqlite":
		return inFolder(b.TempDir())
	case address != "":
		return inPostgres(address)
	}
	return inSchema(b)
}

// BenchmarkSearch measures pages of a large log, which it makes once for each kind of database. An hour has 1,000 entries; the first half
// has words and outcomes that the second half has not.
func BenchmarkSearch(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv(envEntries))
	if err != nil {
		n = 10_000
	}
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			p := benchPlace(b, kind)
			s := p.store(b, store.Create)
			if began := time.Now(); read(b, s, (*store.Tx).Size) == 0 {
				fill(b, s, n)
				if kind == "postgres" {
					p.tamper(b, "VACUUM ANALYZE")
				}
				b.Logf("%d entries in %v", n, time.Since(began))
			}
			for _, c := range searches(n) {
				b.Run(c.name, func(b *testing.B) {
					found := 0
					var took []time.Duration
					for b.Loop() {
						began := time.Now()
						found = len(read(b, s, func(tx *store.Tx) ([]store.Match, error) { page, _, err := tx.Search(c.r); return page, err }))
						took = append(took, time.Since(began))
					}
					slices.Sort(took)
					for _, q := range []struct {
						name string
						at   int
					}{{"p50-ms", len(took) / 2}, {"p95-ms", len(took) * 95 / 100}, {"worst-ms", len(took) - 1}} {
						b.ReportMetric(float64(took[q.at].Microseconds())/1000, q.name)
					}
					b.ReportMetric(float64(found), "found")
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
	case i%50_000 == 17:
		e.Body, e.Resource, e.Outcome = taffrail.Heartbeat{Alarms: []string{"the disk of barge-7.example.org is full"}}, "", taffrail.OutcomeFailed
	case i%20 == 3:
		e.Request = "watch" // of one that goes on for years
		e.Body, e.Resource = taffrail.DriftChanged{DriftSeen: seen}, "module.buoy.aws_lb.busy"
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
		{"common word, rare type", store.SearchRequest{Text: "taffrail", Types: types(taffrail.EntryHeartbeat)}},
		{"common word that a rare type never has", store.SearchRequest{Text: "modified", Types: types(taffrail.EntryHeartbeat)}},
		{"rare word, common type", store.SearchRequest{Text: "barge", Types: types(taffrail.EntryDriftEnded)}},
		{"rare outcome, common type", store.SearchRequest{Types: types(taffrail.EntryHeartbeat, taffrail.EntryDriftFound), Outcomes: failed}},
		{"name with punctuation", store.SearchRequest{Text: "module.net[7].aws_instance.web7"}},
		{"half of a name", store.SearchRequest{Text: "aws_instance.web7"}},
		{"pasted line", store.SearchRequest{Text: "observed drift.changed terraform/stack007/default module.net[7].aws_instance.web7 deleted modified"}},
		{"many common words that never meet", store.SearchRequest{Text: "aws instance modified deleted ended terraform"}},
		{"common words, oldest page", store.SearchRequest{Text: "aws_instance modified", OldestFirst: true}},
		{"common words that meet in the newest only, oldest page", store.SearchRequest{Text: "taffrail 3 modified", OldestFirst: true}},
		{"common word, deep page", store.SearchRequest{Text: "modified", Before: new(int64(n / 3))}},
		{"common word, empty span", store.SearchRequest{Text: "modified", Since: middle.Add(time.Second), Until: middle.Add(2 * time.Second)}},
		{"busy resource", store.SearchRequest{Resource: "module.buoy.aws_lb.busy"}},
		{"busy resource, type that it never has", store.SearchRequest{Resource: "module.buoy.aws_lb.busy", Types: types(taffrail.EntryDriftEnded)}},
		{"busy resource, outcome that it never has", store.SearchRequest{Resource: "module.buoy.aws_lb.busy", Outcomes: failed}},
		{"busy request, other resource", store.SearchRequest{Request: "watch", Resource: "module.net[7].aws_instance.web7"}},
		{"outcome of a scope", store.SearchRequest{Scope: new(taffrail.StackID("terraform/stack007/default")), Outcomes: failed}},
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

// BenchmarkRebuild measures how long it takes to derive the index of so many entries anew, for each of them: it must not grow with the log.
func BenchmarkRebuild(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, n := range []int{5_000, 20_000, 80_000} {
			b.Run(fmt.Sprint(kind, "/entries=", n), func(b *testing.B) {
				s := benchPlace(b, kind).store(b, store.Create)
				fill(b, s, n)
				for b.Loop() {
					err := s.Update(b.Context(), func(tx *store.Tx) error {
						_, _, err := tx.RebuildIndex()
						return err
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/entry")
			})
		}
	}
}
