package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// appendOne appends one entry at a time, in turns with the plain insert, and then with Tessera.
func appendOne(ctx context.Context, o options) error {
	m, err := newMill()
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return err
	}
	ours, err := openSQLite(ctx, filepath.Join(o.dir, "append"))
	if err != nil {
		return err
	}
	rows, err := openSQLite(ctx, filepath.Join(o.dir, "append-rows"))
	if err != nil {
		return err
	}
	base, err := openPlain(filepath.Join(o.dir, "append-plain"))
	if err != nil {
		return err
	}
	peer, err := openTessera(ctx, filepath.Join(o.dir, "append-tessera"), batching{1, time.Millisecond})
	if err != nil {
		return err
	}
	sides := single{leaf: m.leaf, ours: ours, rows: rows, base: base, peer: peer}
	ours.steps.sum = nil // without what beginning took
	for range o.runs {
		if err := sides.run(ctx, o.single); err != nil {
			return err
		}
	}
	sides.print()
	return errors.Join(ours.store.Close(), rows.store.Close(), base.Close(), peer.Close(ctx))
}

// single are the sides of what is done one at a time, and how long each took.
type single struct {
	leaf       func(int64) []byte
	next       int64
	ours, rows *ledger
	base       *plain
	peer       *tess

	signed, committed, signing, full, plainly, syncs, published times
	pausedSigned, pausedPublished                               times
}

// pause is longer than Tessera's interval, so that it need not wait for its turn.
const pause = 150 * time.Millisecond

// run appends so many entries to each, one after the other, and a tenth of that with pauses.
func (s *single) run(ctx context.Context, n int) error {
	for range n {
		leaf := s.take()
		err := errors.Join(
			s.signed.measure(func() error {
				return errors.Join(s.committed.measure(func() error { return s.ours.commit(ctx, leaf) }), s.signing.measure(func() error { return s.ours.sign(ctx) }))
			}),
			s.plainly.measure(func() error { return s.base.append(leaf) }),
			s.full.measure(func() error { return s.rows.recordAndSign(ctx, nil) }),
			s.syncs.measure(s.base.remember),
		)
		if err != nil {
			return err
		}
	}
	for range max(n/10, 2) {
		if err := s.published.measure(func() error { return s.peer.publish(ctx, s.take()) }); err != nil {
			return err
		}
	}
	for range max(n/10, 2) {
		time.Sleep(pause)
		err := errors.Join(
			s.pausedPublished.measure(func() error { return s.peer.publish(ctx, s.take()) }),
			s.pausedSigned.measure(func() error { return s.rows.recordAndSign(ctx, nil) }),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *single) take() []byte {
	s.next++
	return s.leaf(s.next)
}

func (s *single) print() {
	fmt.Printf("\nOne entry after the other, %d of each by turns, Tessera %d: %v, a checkpoint each %v\n\n| | p50 | p90 | p99 | beside the plain insert | beside Tessera |\n|---|---|---|---|---|---|\n",
		len(s.signed), len(s.published), batching{1, time.Millisecond}, tesseraInterval)
	line := func(name string, t, peer times) {
		fmt.Printf("| %s | %v | %.2fx | %.1fx faster |\n", name, t, ratio(t.at(0.5), s.plainly.at(0.5)), ratio(peer.at(0.5), t.at(0.5)))
	}
	line("taffrail, until signed", s.signed, s.published)
	line("taffrail with the rows of the index, until signed", s.full, s.published)
	line("a plain insert and a synced write", s.plainly, s.published)
	line("Tessera POSIX, until published", s.published, s.published)
	line("after a pause: taffrail with the rows of the index, until signed", s.pausedSigned, s.pausedPublished)
	line("after a pause: Tessera POSIX, until published", s.pausedPublished, s.pausedPublished)
	fmt.Printf("\nWhere the time goes: commit %s, signature %s, one synced write alone %s (p50). Of the signatures, on average:", millis(s.committed.at(0.5)), millis(s.signing.at(0.5)), millis(s.syncs.at(0.5)))
	for _, name := range slices.Sorted(maps.Keys(s.ours.steps.sum)) {
		fmt.Printf(" %s %s;", name, millis(s.ours.steps.sum[name]/time.Duration(len(s.signing))))
	}
	fmt.Println()
}
