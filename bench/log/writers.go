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
	{16, time.Millisecond}, {32, time.Millisecond}, {64, time.Millisecond}, {64, 5 * time.Millisecond}, {256, time.Millisecond}, {256, 5 * time.Millisecond}, {256, 20 * time.Millisecond},
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
	sides := []struct {
		name string
		do   func(context.Context, []byte) error
		all  []float64
	}{
		{name: "taffrail, until signed", do: func(ctx context.Context, leaf []byte) error {
			return errors.Join(ours.commit(ctx, leaf), ours.sign(ctx))
		}},
		{name: "taffrail, until committed", do: ours.commit},
		{name: "taffrail with the rows of the index, until signed", do: func(ctx context.Context, _ []byte) error { return errors.Join(ours.record(ctx), ours.sign(ctx)) }},
		{name: "Tessera POSIX, until integrated", do: peer.integrate},
		{name: "Tessera POSIX, until published", do: peer.publish},
	}
	for range o.runs {
		for i, side := range sides {
			if !strings.Contains(side.name, o.only) {
				sides[i].all = append(side.all, 0)
				continue
			}
			r, err := rate(ctx, o.writers, o.duration, func(ctx context.Context, n int64) error { return side.do(ctx, leaf(n)) })
			if err != nil {
				return fmt.Errorf("%s: %w", side.name, err)
			}
			sides[i].all = append(sides[i].all, r)
		}
	}
	integrated := median(sides[3].all)
	fmt.Printf("\n%d writers, %v a run, by turns; Tessera with %v, the best of %v\n\n| | entries/s | beside Tessera, integrated |\n|---|---|---|\n", o.writers, o.duration, best, batchings)
	for _, side := range sides {
		fmt.Printf("| %s | %.0f | %.1fx |\n", side.name, median(side.all), ratio(median(side.all), integrated))
	}
	return errors.Join(ours.store.Close(), peer.Close(ctx))
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
