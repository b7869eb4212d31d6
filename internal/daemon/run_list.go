package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// A RunsRequest says which runs are looked for.
type RunsRequest struct {
	ID           taffrail.RunID   // just this one; empty: those that fit all else
	Stack        taffrail.StackID // empty: of any
	Since, Until time.Time        // zero is no bound
	Limit        int              // 0 is [SearchLimit]
}

// Runs implements [RunQueries]. Each entry that a run is read from was compared with the newest checkpoint.
func (d *Daemon) Runs(ctx context.Context, r RunsRequest) ([]taffrail.Run, error) {
	l, err := d.current()
	if err != nil {
		return nil, err
	}
	signed, err := l.checkpoint(ctx)
	if err != nil {
		return nil, boundary("find runs", err)
	}
	all := []taffrail.Run{}
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		reader := runReader{tx: tx, size: signed.Size, entry: func(index int64, leaf []byte) (LogEntry, error) {
			if err := included(tx, signed, index, leaf); err != nil {
				return LogEntry{}, err
			}
			return logEntry(tx, index, leaf)
		}}
		all, err = reader.list(r)
		return err
	})
	return all, boundary("find runs", err)
}

// runs gives the runs that may have been under way at any moment from ≤ t < to and may have been about a stack, the newest first. A run
// whose stack is not known may have been about any. Of a run that has no outcome, and of one whose outcome nobody knows, the end is not
// known: it may be under way still.
func (d *Daemon) runs(_ context.Context, tx *store.Tx, stack taffrail.StackID, from, to time.Time) ([]taffrail.Run, error) {
	size, err := tx.Size()
	if err != nil {
		return nil, err
	}
	reader := runReader{tx: tx, size: size, entry: func(index int64, leaf []byte) (LogEntry, error) { return logEntry(tx, index, leaf) }}
	all, err := reader.within(from, to)
	if err != nil || stack == "" {
		return all, err
	}
	return slices.DeleteFunc(all, func(r taffrail.Run) bool { return r.Stack != "" && r.Stack != stack }), nil
}

// A runReader reads runs off their entries.
type runReader struct {
	tx    *store.Tx
	size  int64 // entries from this index on are not there
	entry func(index int64, leaf []byte) (LogEntry, error)
}

// list gives what a person asked for.
func (r runReader) list(want RunsRequest) ([]taffrail.Run, error) {
	limit := cmp.Or(max(want.Limit, 0), SearchLimit)
	search := store.SearchRequest{Types: []taffrail.EntryType{taffrail.EntryRunStarted}, Outcomes: []taffrail.Outcome{taffrail.OutcomeIntended}, Text: string(want.ID), Before: &r.size}
	if want.ID == "" && want.Since.IsZero() {
		search.Until = want.Until
	} else if want.ID == "" {
		all, err := r.within(want.Since, cmp.Or(want.Until, farAway))
		all = slices.DeleteFunc(all, func(run taffrail.Run) bool { return want.Stack != "" && run.Stack != want.Stack })
		return all[:min(len(all), limit)], err
	}
	all := []taffrail.Run{}
	for more := true; more && len(all) < limit; {
		var found []store.Match
		var err error
		if found, more, err = r.tx.Search(search); err != nil {
			return nil, err
		}
		for _, match := range found {
			search.Before = &match.Index
			run, err := r.read(match.Index)
			if err != nil {
				return nil, err
			}
			if len(all) < limit && (want.ID == "" || run.ID == want.ID) && (want.Stack == "" || run.Stack == want.Stack) {
				all = append(all, run)
			}
		}
	}
	return all, nil
}

var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// within finds runs by a time: those that began in it, those that ended in it or later, and those that have no end.
func (r runReader) within(from, to time.Time) ([]taffrail.Run, error) {
	starts := map[int64]bool{}
	searches := []store.SearchRequest{
		{Types: []taffrail.EntryType{taffrail.EntryRunStarted}, Outcomes: []taffrail.Outcome{taffrail.OutcomeIntended}, Since: from, Until: to},
		{Types: []taffrail.EntryType{taffrail.EntryRunFinished}, Since: from},
		{Types: []taffrail.EntryType{taffrail.EntryRunStarted}, Outcomes: []taffrail.Outcome{taffrail.OutcomeUnknown}},
	}
	for _, search := range searches {
		if err := r.starts(search, starts); err != nil {
			return nil, err
		}
	}
	open, err := r.tx.OpenIntents()
	if err != nil {
		return nil, err
	}
	for _, intent := range open {
		if intent.Type == taffrail.EntryRunStarted && intent.Index < r.size {
			starts[intent.Index] = true
		}
	}
	var all []taffrail.Run
	for index := range starts {
		run, err := r.read(index)
		if err != nil {
			return nil, err
		}
		if run.Overlaps(from, to) {
			all = append(all, run)
		}
	}
	slices.SortFunc(all, func(a, b taffrail.Run) int { return cmp.Compare(b.Entries[0], a.Entries[0]) })
	return all, nil
}

// starts collects the indexes of the intents that found entries are, or are outcomes of.
func (r runReader) starts(search store.SearchRequest, into map[int64]bool) error {
	search.Limit, search.Before = store.MaxPage, &r.size
	for more := true; more; {
		var found []store.Match
		var err error
		if found, more, err = r.tx.Search(search); err != nil {
			return err
		}
		for _, match := range found {
			search.Before = &match.Index
			if match.Outcome == taffrail.OutcomeIntended {
				into[match.Index] = true
				continue
			}
			e, err := entryAt(r.tx, match.Index)
			if err != nil {
				return err
			}
			if e.Intent != nil {
				into[*e.Intent] = true
			}
		}
	}
	return nil
}

// read gives the run that an intent begins.
func (r runReader) read(start int64) (taffrail.Run, error) {
	first, err := r.at(start)
	if err != nil {
		return taffrail.Run{}, err
	}
	body, ok := first.Entry.Body.(taffrail.RunStarted)
	if !ok {
		return taffrail.Run{}, &taffrail.Error{Op: "read run", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("entry %d is no start of a run", start)}
	}
	run := runOf(first, body)
	found, _, err := r.tx.Search(store.SearchRequest{Request: first.Entry.Request, From: start + 1, Before: &r.size, Limit: store.DefaultPage})
	if err != nil {
		return run, err
	}
	for _, match := range found {
		outcome, err := r.at(match.Index)
		if err != nil {
			return run, err
		}
		if outcome.Entry.Intent == nil || *outcome.Entry.Intent != start {
			continue
		}
		run.Entries = append(run.Entries, match.Index)
		return run, ended(&run, outcome)
	}
	return run, nil
}

func (r runReader) at(index int64) (e LogEntry, err error) {
	err = r.tx.Entries(index, index+1, func(index int64, leaf []byte) error {
		e, err = r.entry(index, leaf)
		return err
	})
	return e, err
}

// runOf reads the intent of a run.
func runOf(e LogEntry, b taffrail.RunStarted) taffrail.Run {
	run := taffrail.Run{
		ID: b.Run, State: taffrail.RunRunning, Program: b.Program, Verb: b.Verb, Commit: b.Commit, Plan: b.Plan, CI: b.CI, Agent: b.Agent,
		Started: e.Entry.Time, Entries: []int64{e.Index}, Who: whoOf(b, e.Fields),
	}
	if s := b.Stack; s != nil {
		run.Stack, run.Name, run.Serial[0] = s.ID, s.Name, s.Serial
	}
	for _, f := range e.Fields {
		switch f.Name {
		case fieldFolder:
			run.Where = f.Value
		case fieldCommand:
			_ = json.Unmarshal([]byte(f.Value), &run.Command) // we wrote it; if not, there is none
		}
	}
	return run
}

// whoOf puts together who ran something, as far as it was not erased.
func whoOf(b taffrail.RunStarted, fields []Field) taffrail.Actor {
	who := taffrail.Actor{Class: b.Class, Features: b.Features, Chain: []taffrail.Link{}}
	for _, f := range fields {
		switch {
		case f.Name == fieldBy:
			who.ID, who.Name = f.Value, f.Value
		case strings.HasPrefix(f.Name, FieldCI):
			who.Chain = append(who.Chain, taffrail.Link{Kind: strings.ReplaceAll(strings.TrimPrefix(f.Name, FieldCI), "_", " "), ID: f.Value})
		}
	}
	return who
}

// FieldCI begins the names of the fields that say which run of a pipeline it was, and who started that.
const FieldCI = "ci_"

// ended reads the outcome of a run.
func ended(run *taffrail.Run, e LogEntry) error {
	b, ok := e.Entry.Body.(taffrail.RunFinished)
	if !ok { // the intent again, by whoever found it without an outcome
		run.State = taffrail.RunUnknown
		return nil
	}
	run.State, run.Finished, run.Signal, run.Error, run.Tap, run.Untapped = taffrail.RunEnded, &e.Entry.Time, b.Signal, e.Entry.Error, b.Tap, b.Untapped
	if b.Exit >= 0 {
		run.Exit = &b.Exit
	}
	if s := b.Stack; s != nil {
		run.Stack, run.Name, run.Serial[1] = s.ID, s.Name, s.Serial
	}
	if b.Tap == nil {
		return nil
	}
	if b.Tap.Resources == nil {
		run.Applied = []taffrail.Applied{}
		return nil
	}
	data, there := e.Blobs[b.Tap.Resources.SHA256]
	if !there {
		return nil
	}
	var salted taffrail.Salted[[]taffrail.Applied]
	if err := json.Unmarshal(data, &salted); err != nil {
		return &taffrail.Error{Op: "read run", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("entry %d: payload: %w", e.Index, err)}
	}
	run.Applied = salted.Content
	return nil
}
