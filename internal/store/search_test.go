package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// TestSearchAgreesWithALookAtEach asks at random, and compares with what a look at every entry finds, page by page.
func TestSearchAgreesWithALookAtEach(t *testing.T) { onEach(t, searchAgrees) }

func searchAgrees(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	all := manyKinds(t, s, 400)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the test must be the same each time
	hits := 0
	for range 300 {
		r := randomRequest(random)
		var want []int64
		for i, e := range all {
			if fitsRequest(r, int64(i), e) {
				want = append(want, int64(i))
			}
		}
		if !r.OldestFirst {
			slices.Reverse(want)
		}
		got := pages(t, s, r)
		hits += len(got)
		if !slices.Equal(want, got) {
			t.Fatalf("%+v: found %v, want %v", r, got, want)
		}
	}
	if hits < 1000 {
		t.Errorf("hardly anything was found: %d", hits)
	}
}

// pages reads all pages of a search.
func pages(t *testing.T, s *store.Store, r store.SearchRequest) (found []int64) {
	t.Helper()
	for {
		var more bool
		page := read(t, s, func(tx *store.Tx) (page []store.Match, err error) { page, more, err = tx.Search(r); return page, err })
		for _, m := range page {
			found = append(found, m.Index)
		}
		if !more {
			return found
		}
		last := found[len(found)-1]
		if r.OldestFirst {
			r.From = last + 1
		} else {
			r.Before = &last
		}
	}
}

var (
	someTypes    = []taffrail.EntryBody{taffrail.LogStarted{Origin: "harbour"}, taffrail.Heartbeat{Alarms: []string{"Disk FULL, näher"}}, taffrail.DriftEnded{Drift: "d"}}
	someOutcomes = []taffrail.Outcome{taffrail.OutcomeOK, taffrail.OutcomeFailed, taffrail.OutcomeObserved}
	someWords    = []string{"", "harbour", "disk full", "näher NÄHER", "observed", "other", `"`, "a' OR 1=1 --", "harbour) OR (disk", "*", "r1", "text:disk", "NEAR(a b)"}
	morning      = time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)
)

// manyKinds appends entries of many kinds, and gives them.
func manyKinds(t *testing.T, s *store.Store, n int) (all []taffrail.Entry) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the test must be the same each time
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for i := range n {
			e := entry(someTypes[random.IntN(3)])
			e.Time = morning.Add(time.Duration(i/3) * 500 * time.Millisecond)
			e.Outcome, e.Scope, e.Request = someOutcomes[random.IntN(3)], taffrail.StackID([]string{"", "s1", "s2"}[random.IntN(3)]), []string{"", "q1"}[random.IntN(2)]
			e.Actor, e.Resource = fmt.Sprint("actor/", random.IntN(2)), taffrail.Address([]string{"", "a.r1", "a.r2"}[random.IntN(3)])
			if _, err := tx.Append(e); err != nil {
				return err
			}
			all = append(all, e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func randomRequest(random *rand.Rand) (r store.SearchRequest) {
	maybe := func(f func()) {
		if random.IntN(3) == 0 {
			f()
		}
	}
	maybe(func() { r.Since = morning.Add(time.Duration(random.IntN(80)-5) * time.Second) })
	maybe(func() { r.Until = morning.Add(time.Duration(random.IntN(80)) * time.Second) })
	maybe(func() { r.From = random.Int64N(400) })
	maybe(func() { r.Before = new(random.Int64N(400)) })
	maybe(func() { r.Types = []taffrail.EntryType{taffrail.EntryHeartbeat} })
	maybe(func() { r.Types = append(r.Types, taffrail.EntryLogStarted, "none") })
	maybe(func() { r.Outcomes = []taffrail.Outcome{taffrail.OutcomeFailed, taffrail.OutcomeOK} })
	maybe(func() { r.Actor = "actor/1" })
	maybe(func() { r.Scope = new(taffrail.StackID([]string{"", "s1", "s9"}[random.IntN(3)])) })
	maybe(func() { r.Resource = taffrail.Address([]string{"a.r1", "a.r3"}[random.IntN(2)]) })
	maybe(func() { r.Request = "q1" })
	maybe(func() { r.Text = someWords[random.IntN(len(someWords))] })
	r.OldestFirst, r.Limit = random.IntN(2) == 0, []int{0, 1, 7, 100}[random.IntN(4)]
	return r
}

// fitsRequest says the same without an index.
func fitsRequest(r store.SearchRequest, index int64, e taffrail.Entry) bool {
	entryType, _ := e.Body.Kind()
	text := strings.ToLower(fmt.Sprint(entryType, " ", e.Outcome, " ", e.Actor, " ", e.Scope, " ", e.Resource, " ", e.Request, " ", e.Body))
	words := strings.FieldsFunc(strings.ToLower(r.Text), func(c rune) bool { return strings.ContainsRune("\"'=-)(* :.", c) })
	have := strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune("/{}[],._ ", c) })
	for _, w := range words {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return (r.Text == "" || len(words) > 0) && (r.Since.IsZero() || !e.Time.Before(r.Since)) && (r.Until.IsZero() || e.Time.Before(r.Until)) &&
		index >= r.From && (r.Before == nil || index < *r.Before) &&
		(len(r.Types) == 0 || slices.Contains(r.Types, entryType)) && (len(r.Outcomes) == 0 || slices.Contains(r.Outcomes, e.Outcome)) &&
		(r.Actor == "" || r.Actor == e.Actor) && (r.Scope == nil || *r.Scope == e.Scope) &&
		(r.Resource == "" || r.Resource == e.Resource) && (r.Request == "" || r.Request == e.Request)
}

func TestSearchGivesWhatAListShows(t *testing.T) { onEach(t, searchShows) }

func searchShows(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	live(t, s)
	page := read(t, s, func(tx *store.Tx) ([]store.Match, error) {
		page, more, err := tx.Search(store.SearchRequest{Types: []taffrail.EntryType{taffrail.EntryDriftChanged}})
		if more {
			t.Error("there are no more")
		}
		return page, err
	})
	want := []store.Match{{
		Index: 3, Type: taffrail.EntryDriftChanged, Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Scope: "terraform/l/default",
		Actor: "taffrail/test", Resource: "a.b", Outcome: taffrail.OutcomeObserved, Request: "scan-1",
	}}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Error(diff)
	}
}

// FuzzSearchText: whatever a person types is words, and never syntax.
func FuzzSearchText(f *testing.F) {
	for _, text := range someWords {
		f.Add(text)
	}
	f.Add("\x00\xff é ﬁ ﷺ 日本語 Ǆ ß İ " + strings.Repeat("w", 500))
	p := inFolder(f.TempDir())
	s := p.store(f, store.Create)
	update(f, s, entry(taffrail.LogStarted{}))
	f.Fuzz(func(t *testing.T, text string) {
		e := entry(taffrail.LogStarted{Origin: text})
		var found []store.Match
		undone := fmt.Errorf("undone")
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			stamp, err := tx.Append(e)
			if err != nil {
				return err
			}
			found, _, err = tx.Search(store.SearchRequest{Text: text, From: stamp.Index})
			if err != nil {
				return err
			}
			return undone
		})
		if err != undone { //nolint:errorlint // it is returned as it is
			t.Skip(err) // the entry is too large
		}
		if len(store.WordsOf(text)) > 0 && len(found) != 1 {
			t.Errorf("%q is not found by its own words %q", text, store.WordsOf(text))
		}
	})
}
