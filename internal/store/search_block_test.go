package store_test

import (
	"errors"
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

// A blockEntry is what a search over blocks must know of an entry.
type blockEntry struct {
	index int64
	e     taffrail.Entry
	words []string
}

// fillBlocks appends entries until the log has so many. Each of 24 words is in one of 1 to 300 of them, in some stretches more often than in others:
// so that it is frequent in some blocks, rare in others, and on the edge in many.
func fillBlocks(t *testing.T, s *store.Store, all []blockEntry, size int64) []blockEntry {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(size), 11)) //nolint:gosec // the test must be the same each time
	for int64(len(all)) < size {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			for range min(300, size-int64(len(all))) {
				b := someBlockEntry(random, int64(len(all)))
				stamp, err := tx.Append(b.e)
				if err != nil {
					return err
				}
				b.index = stamp.Index
				all = append(all, b)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func someBlockEntry(random *rand.Rand, i int64) (b blockEntry) {
	for w := range 24 {
		often := []int{1, 2, 3, 5, 40, 64, 70, 300}[w%8]
		if i/1500%5 == int64(w%5) {
			often *= 4
		}
		if random.IntN(often) == 0 {
			b.words = append(b.words, fmt.Sprintf("word%d", w))
		}
	}
	text := strings.Join(b.words, ".")
	b.e = entry(taffrail.LogStarted{Origin: text})
	switch {
	case i%1000 == 77:
		b.e = entry(taffrail.DriftEnded{Drift: taffrail.DriftID(text)})
	case i%3 == 0:
		b.e = entry(taffrail.Heartbeat{Alarms: []string{text}})
	}
	b.e.Time, b.e.Nonce = morning.Add(time.Duration(i)*time.Second), fmt.Sprint(i)
	b.e.Outcome = someOutcomes[min(random.IntN(60), 2)]
	b.e.Scope, b.e.Actor = taffrail.StackID(fmt.Sprint("s", random.IntN(80))), fmt.Sprint("actor/", i/3000)
	b.e.Resource, b.e.Request = taffrail.Address([]string{"", "busy", fmt.Sprint("r", random.IntN(90))}[random.IntN(3)]), fmt.Sprint("q", i/5000)
	return b
}

// fits says the same as a search of the log, by a look at the entry.
func (b blockEntry) fits(r store.SearchRequest) bool {
	for _, w := range strings.Fields(r.Text) {
		if !slices.Contains(b.words, w) {
			return false
		}
	}
	r.Text = ""
	return fitsRequest(r, b.index, b.e)
}

func randomBlockRequest(random *rand.Rand, size int64) (r store.SearchRequest) {
	maybe := func(n int, f func()) {
		if random.IntN(n) == 0 {
			f()
		}
	}
	for range random.IntN(4) {
		r.Text = strings.TrimSpace(fmt.Sprint(r.Text, " word", random.IntN(25)))
	}
	maybe(4, func() { r.Types = []taffrail.EntryType{taffrail.EntryDriftEnded} })
	maybe(4, func() { r.Types = append(r.Types, taffrail.EntryHeartbeat, "none") })
	maybe(4, func() { r.Outcomes = []taffrail.Outcome{taffrail.OutcomeFailed, taffrail.OutcomeOK} })
	maybe(6, func() { r.Actor = fmt.Sprint("actor/", random.IntN(4)) })
	maybe(8, func() { r.Scope = new(taffrail.StackID(fmt.Sprint("s", random.IntN(81)))) })
	maybe(5, func() { r.Resource = taffrail.Address([]string{"busy", "r7"}[random.IntN(2)]) })
	maybe(5, func() { r.Request = fmt.Sprint("q", random.IntN(3)) })
	maybe(6, func() { r.From = random.Int64N(size) })
	maybe(6, func() { r.Before = new(random.Int64N(size)) })
	maybe(6, func() { r.Until = morning.Add(time.Duration(random.Int64N(size)) * time.Second) })
	r.OldestFirst, r.Limit = random.IntN(2) == 0, []int{0, 7, 1000}[random.IntN(3)]
	return r
}

// agrees asks at random, and compares every page with what a look at each entry finds.
func agrees(t *testing.T, s *store.Store, all []blockEntry, times int) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(len(all)), 12)) //nolint:gosec // the test must be the same each time
	hits := 0
	for range times {
		r := randomBlockRequest(random, int64(len(all)))
		var want []int64
		for _, b := range all {
			if b.fits(r) {
				want = append(want, b.index)
			}
		}
		if !r.OldestFirst {
			slices.Reverse(want)
		}
		if r.Limit == 7 { // a few pages of them
			last := int64(-1)
			want = want[:min(len(want), 21)]
			if len(want) == 21 {
				last = want[20]
			}
			if r.OldestFirst && last >= 0 {
				r.Before = new(last + 1)
			} else if last >= 0 {
				r.From = last
			}
		}
		got := pages(t, s, r)
		hits += len(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v: %s", r, diff)
		}
	}
	if hits < 1000 {
		t.Errorf("hardly anything was found: %d", hits)
	}
}

// TestSearchOverBlocksAgreesWithALookAtEach also begins blocks in one process and ends them in another, takes updates back, erases and prunes.
func TestSearchOverBlocksAgreesWithALookAtEach(t *testing.T) { onEach(t, searchOverBlocksAgrees) }

func searchOverBlocksAgrees(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	follows := func(when string) {
		t.Helper()
		if changed := read(t, s, (*store.Tx).CheckIndex); len(changed) != 0 {
			t.Errorf("%s: %q", when, changed)
		}
	}
	all := fillBlocks(t, s, nil, store.BlockSize-100)
	undone := errors.New("undone")
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for range 200 {
			if _, err := tx.Append(entry(taffrail.LogStarted{Origin: "undone word1"})); err != nil {
				return err
			}
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	all = fillBlocks(t, s, all, store.BlockSize+900)
	other, err := p.open(t, store.Create)
	if err != nil {
		t.Fatal(err)
	}
	all = fillBlocks(t, other, all, store.BlockSize+1000)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	all = fillBlocks(t, s, all, 2*store.BlockSize+500)
	follows("after much was appended")
	agrees(t, s, all, 150)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutCheckpoint(2*store.BlockSize, []byte("n")) }); err != nil {
		t.Fatal(err)
	}
	if err := prune(t, s, 512); err != nil { // a part of the first block
		t.Fatal(err)
	}
	said := int64(len(all))
	all = append(all, blockEntry{index: said, e: leaf(t, s, said)})
	follows("after a prune")
	agrees(t, s, all[512:], 60)
}

// TestErasedWordsLeaveTheBlocks erases in a block that is whole and in one that is not.
func TestErasedWordsLeaveTheBlocks(t *testing.T) { onEach(t, erasedWordsLeave) }

func erasedWordsLeave(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	fill := func(size int64) {
		for n := read(t, s, (*store.Tx).Size); n < size; {
			err := s.Update(t.Context(), func(tx *store.Tx) error {
				for range min(500, size-n) {
					e := with(taffrail.LogStarted{}, taffrail.OutcomeOK, taffrail.Field{Name: "who", Value: fmt.Sprint("Xylander ", n%store.BlockCommon)})
					if _, err := tx.Append(e); err != nil {
						return err
					}
					n++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(store.BlockSize + 10)
	for _, index := range []int64{5, store.BlockSize + 5} {
		if err := erase(t, s, taffrail.Redacted{Entry: index, Field: "who"}); err != nil {
			t.Fatal(err)
		}
	}
	fill(2*store.BlockSize + 10)
	for _, index := range []int64{5, store.BlockSize + 5} {
		found, _, err := searchWords(t, s, "xylander 5", index)
		if err != nil || slices.Contains(found, index) {
			t.Errorf("%d is found by what was erased: %v", index, err)
		}
	}
	if changed := read(t, s, (*store.Tx).CheckIndex); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

func searchWords(t *testing.T, s *store.Store, text string, from int64) (found []int64, more bool, err error) {
	t.Helper()
	err = s.Read(t.Context(), func(tx *store.Tx) error {
		var page []store.Match
		page, more, err = tx.Search(store.SearchRequest{Text: text, From: from, OldestFirst: true})
		for _, m := range page {
			found = append(found, m.Index)
		}
		return err
	})
	return found, more, err
}
