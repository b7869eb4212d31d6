package store

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// Life gives the entries of a drift, from when it was found to its end, those of the scans that saw it, those that say who moved it, and what
// these point to: the events and the runs. They are in order. A drift that is not
// known is [taffrail.KindNotFound].
func (tx *Tx) Life(id taffrail.DriftID) (entries []int64, err error) {
	r := SearchRequest{Types: []taffrail.EntryType{taffrail.EntryDriftFound, taffrail.EntryDriftChanged, taffrail.EntryDriftEnded, taffrail.EntryCauseFound}, Scope: new(taffrail.StackID)}
	var ended int64
	err = tx.get("SELECT stack, address, found_idx, coalesce(ended_idx, ?) FROM index_drift WHERE id = ?", []any{int64(math.MaxInt64 - 1), id}, r.Scope, &r.Resource, &r.From, &ended)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &taffrail.Error{
			Op: "read index", Kind: taffrail.KindNotFound, Err: fmt.Errorf("there is no drift %.80q", id), Hint: "`taffrail scan` names the drifts that are open, `taffrail log search --type drift.found` all that were",
		}
	}
	if err != nil {
		return nil, err
	}
	r.Before = new(ended + 1)
	own, err := tx.searchAll(r)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, m := range own {
		more, err := tx.causing(m.Index)
		if err != nil {
			return nil, err
		}
		entries = append(append(entries, m.Index), more...)
		if m.Request == "" || seen[m.Request] {
			continue
		}
		seen[m.Request] = true
		scan, err := tx.searchAll(SearchRequest{Request: m.Request, Types: []taffrail.EntryType{taffrail.EntryScanStarted, taffrail.EntryScanFinished}})
		if err != nil {
			return nil, err
		}
		for _, m := range scan {
			entries = append(entries, m.Index)
		}
	}
	slices.Sort(entries)
	return slices.Compact(entries), nil
}

// causing gives the entries that an entry points to which says who moved a drift.
func (tx *Tx) causing(index int64) (entries []int64, err error) {
	err = tx.Entries(index, index+1, func(_ int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		if b, ok := e.Body.(taffrail.CauseFound); ok {
			entries = append(entries, b.Runs...)
			for _, call := range b.Events {
				entries = append(entries, call.Batch)
			}
		}
		return err
	})
	return entries, err
}

// searchAll gives every page of a search.
func (tx *Tx) searchAll(r SearchRequest) (all []Match, err error) {
	r.Limit, r.OldestFirst = MaxPage, true
	for more := true; more; {
		var page []Match
		if page, more, err = tx.Search(r); err != nil {
			return nil, err
		}
		all = append(all, page...)
		if more {
			r.From = page[len(page)-1].Index + 1
		}
	}
	return all, nil
}

// FirstSince is the index of the first entry from a time on, and the size of the log if there is none.
func (tx *Tx) FirstSince(at time.Time) (int64, error) {
	first, _, err := tx.Search(SearchRequest{Since: at, Limit: 1, OldestFirst: true})
	if err != nil || len(first) == 0 {
		size, failed := tx.Size()
		return size, errors.Join(err, failed)
	}
	return first[0].Index, nil
}
