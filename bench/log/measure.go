package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// times are how long something took, again and again.
type times []time.Duration

// measure runs f and notes how long it took.
func (t *times) measure(f func() error) error {
	began := time.Now()
	err := f()
	*t = append(*t, time.Since(began))
	return err
}

// at is a quantile.
func (t times) at(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (t times) String() string {
	return fmt.Sprintf("%s | %s | %s", millis(t.at(0.5)), millis(t.at(0.9)), millis(t.at(0.99)))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

func median[N cmp.Ordered](all []N) N {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func ratio[N ~int64 | ~float64](a, b N) float64 { return float64(a) / float64(b) }

// rate has so many writers do something again and again, each waiting for the end of what it did, and gives how often it was done in a
// second. The numbers that do gets are those of all.
func rate(ctx context.Context, writers int, duration time.Duration, do func(ctx context.Context, n int64) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, done atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	end := began.Add(duration)
	for range writers {
		all.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				if err := do(ctx, next.Add(1)-1); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), context.Cause(ctx)
}
