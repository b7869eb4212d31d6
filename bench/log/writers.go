package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// batchings are those that Tessera is tried with.
var batchings = []batching{
	{16, time.Millisecond}, {32, time.Millisecond}, {64, time.Millisecond}, {64, 5 * time.Millisecond},
	{256, time.Millisecond}, {256, 5 * time.Millisecond}, {256, 20 * time.Millisecond},
}

func tried() string {
	var all []string
	for _, b := range batchings {
		all = append(all, b.String())
	}
	return strings.Join(all, ", ")
}

// manyWriters has many writers append at once, each waiting for its own entry.
func manyWriters(ctx context.Context, o options) error {
	leaf, err := sharedMill()
	if err != nil {
		return err
	}
	best := batchings[0]
	if o.only == "" {
		if best, err = tune(ctx, o, leaf); err != nil {
			return err
		}
	}
	ours, err := openSQLite(ctx, filepath.Join(o.dir, "writers"))
	if err != nil {
		return err
	}
	peer, err := openTessera(ctx, filepath.Join(o.dir, "writers-tessera"), best)
	if err != nil {
		return err
	}
	sides := []*side{
		{name: "taffrail, until signed", do: ours.commitAndSign},
		{name: "taffrail, until committed", do: ours.commit},
		{name: "taffrail with the rows of the index, until signed", do: ours.recordAndSign},
		{name: "Tessera POSIX, until integrated", do: peer.integrate},
		{name: "Tessera POSIX, until published", do: peer.publish},
	}
	if err := byTurns(ctx, o, o.writers, leaf, sides); err != nil {
		return err
	}
	fmt.Printf("\n%d writers, %v a run, by turns; Tessera with %v, the best of %s\n\n| | entries/s | beside Tessera, integrated |\n|---|---|---|\n", o.writers, o.duration, best, tried())
	for _, s := range sides {
		fmt.Printf("| %s | %.0f | %.2fx |\n", s.name, s.median(), ratio(s.median(), sides[3].median()))
	}
	return errors.Join(ours.store.Close(), peer.Close(ctx))
}

// A side is one of those that are measured by turns.
type side struct {
	name  string
	each  int // how many entries a writer has under way at once; 0 is one
	do    func(ctx context.Context, leaf []byte) error
	rates []float64
}

func (s *side) median() float64 {
	if len(s.rates) == 0 {
		return 0
	}
	return median(s.rates)
}

// byTurns has so many writers append with each side in turn, again and again.
func byTurns(ctx context.Context, o options, writers int, leaf func(int64) []byte, sides []*side) error {
	for range o.runs {
		for _, s := range sides {
			if !strings.Contains(s.name, o.only) {
				continue
			}
			r, err := rate(ctx, writers*max(s.each, 1), o.duration, func(ctx context.Context, n int64) error { return s.do(ctx, leaf(n)) })
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			s.rates = append(s.rates, r)
		}
	}
	return nil
}

// sharedMill makes leaves for many at once.
func sharedMill() (func(int64) []byte, error) {
	m, err := newMill()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	return func(n int64) []byte {
		mu.Lock()
		defer mu.Unlock()
		return m.leaf(n)
	}, nil
}

// tune finds the batches with which Tessera integrates most.
func tune(ctx context.Context, o options, leaf func(int64) []byte) (best batching, err error) {
	most := 0.0
	for i, b := range batchings {
		peer, err := openTessera(ctx, filepath.Join(o.dir, fmt.Sprint("tune", i)), b)
		if err != nil {
			return best, err
		}
		r, err := rate(ctx, o.writers, o.duration/2, func(ctx context.Context, n int64) error { return peer.integrate(ctx, leaf(n)) })
		if err = errors.Join(err, peer.Close(ctx)); err != nil {
			return best, err
		}
		if r > most {
			most, best = r, b
		}
	}
	return best, nil
}
