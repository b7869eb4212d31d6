package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/detect"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// Scan implements [Queries]: the first half of the life of a drift.
func (d *Daemon) Scan(ctx context.Context, r ScanRequest, progress func(ScanProgress)) (ScanReport, error) {
	stack, err := d.openStack(ctx, r)
	if err != nil {
		return ScanReport{}, err
	}
	defer stack.Close()
	return d.scan(ctx, stack, r, progress)
}

// scan is one scan of an open stack.
func (d *Daemon) scan(ctx context.Context, stack taffrail.Stack, r ScanRequest, progress func(ScanProgress)) (ScanReport, error) {
	info, err := stack.Describe(ctx)
	if err != nil {
		return ScanReport{}, err
	}
	// A first use: if we stop after it there is a log that says nothing but its name.
	began, err := d.ensure(ctx, "")
	if err != nil {
		return ScanReport{}, err
	}
	s := &scan{daemon: d, id: "scan-" + randomHex(8), began: began, stack: info, selection: r.Selection, startedAt: d.now()}
	// If we stop after this, the log holds a scan that has no end, and says so.
	if err := s.start(ctx); err != nil {
		return ScanReport{}, boundary("log the scan", err)
	}
	s.read(ctx, stack, progress)
	// What was seen is written down even if the person who asked has left, and then signed. If we stop between the two, the next
	// start signs it.
	report, err := s.finish(context.WithoutCancel(ctx))
	if err == nil {
		err = s.fatal
	}
	if err != nil {
		return ScanReport{}, boundary("scan", err)
	}
	return report, nil
}

func (d *Daemon) openStack(ctx context.Context, r ScanRequest) (taffrail.Stack, error) {
	sealer, err := d.sealer(ctx)
	if err != nil {
		return nil, err
	}
	return plug.Open[taffrail.Stack](ctx, d.options.Plugins, r.System, d.env(sealer), plug.Settings{File: "the command line", YAML: r.Settings})
}

func (d *Daemon) now() time.Time { return d.options.Now().UTC() }

// A scan is one reading of one stack, from its first log entry to its last.
type scan struct {
	daemon    *Daemon
	id        string
	began     bool // the log, too
	stack     taffrail.StackInfo
	selection taffrail.Selection
	startedAt time.Time
	first     int64 // entry

	findings []taffrail.Finding                      // all but those that are in sync and have nothing to show
	seen     map[taffrail.Address]taffrail.EndReason // how a drift of a resource that was seen has ended; empty: it has not
	statuses map[taffrail.Status]int
	coverage taffrail.Coverage
	fatal    error // what ended the reading early and was no cancellation
	cut      bool  // the reading was cancelled
}

func (s *scan) start(ctx context.Context) error {
	l, err := s.daemon.current()
	if err != nil {
		return err
	}
	return l.store.Update(ctx, func(tx *store.Tx) error {
		body := taffrail.ScanStarted{Stack: s.stack, Selection: s.selection}
		stamp, err := tx.Append(s.entry(body, "", taffrail.OutcomeStarted))
		s.first = stamp.Index
		return err
	})
}

func (s *scan) entry(body taffrail.EntryBody, resource taffrail.Address, outcome taffrail.Outcome) taffrail.Entry {
	return s.daemon.entry(body, entryContext{scope: s.stack.ID, resource: resource, outcome: outcome, request: s.id})
}

// read has every observation compared. It writes nothing.
func (s *scan) read(ctx context.Context, stack taffrail.Stack, progress func(ScanProgress)) {
	s.seen, s.statuses = map[taffrail.Address]taffrail.EndReason{}, map[taffrail.Status]int{}
	var told ScanProgress
	coverage, err := stack.Read(ctx, s.selection, func(o taffrail.Observation) error {
		f := s.take(detect.Compare(o))
		told.Stack, told.Done = s.stack, told.Done+1
		if f.Status.IsDrift() {
			told.Drifted++
		}
		if f.Gap != nil && f.Gap.Reason.IsGap() {
			told.Gaps++
		}
		if progress != nil {
			progress(told)
		}
		return nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		s.cut = true
	case err != nil:
		s.fatal = err
	}
	after, err := stack.Describe(context.WithoutCancel(ctx))
	if err != nil && s.fatal == nil {
		s.fatal = err
	}
	s.judge(coverage.Gaps, after)
}

// take keeps of a finding what will be written or shown.
func (s *scan) take(f taffrail.Finding) taffrail.Finding {
	switch address := f.Resource.Address; {
	case f.Status == taffrail.InSync:
		s.seen[address] = taffrail.EndInSync
	case f.Gap != nil && !f.Gap.Reason.IsGap():
		s.seen[address] = taffrail.EndIgnored
	default:
		s.seen[address] = ""
	}
	if f.Status != taffrail.InSync || len(f.Changes) > 0 {
		s.findings = append(s.findings, f)
	} else {
		s.statuses[taffrail.InSync]++
		s.coverage.Total++
		s.coverage.Checked++
	}
	return f
}

// judge settles what the findings come to, now that it is known whether the recorded side held still. If it did not, that takes the
// ground from under each difference that was found.
func (s *scan) judge(gaps []taffrail.Gap, after taffrail.StackInfo) {
	var raced *taffrail.Gap
	for _, g := range gaps {
		if g.Address != "" {
			continue // it came with its resource
		}
		s.coverage.Gaps = append(s.coverage.Gaps, g)
		if g.Reason == taffrail.ReasonRaced {
			raced = &g
		}
	}
	if raced == nil && after.ID != "" && (after.Serial != s.stack.Serial || after.Lineage != s.stack.Lineage) {
		raced = &taffrail.Gap{
			Reason: taffrail.ReasonRaced, Hint: "scan again when no apply is running",
			Detail: fmt.Sprintf("the state moved from serial %d to %d during the scan", s.stack.Serial, after.Serial),
		}
		s.coverage.Gaps = append(s.coverage.Gaps, *raced)
	}
	for i := range s.findings {
		f := &s.findings[i]
		if raced != nil && f.Status.IsDrift() {
			f.Status, f.Changes = taffrail.NotChecked, []taffrail.Change{}
			f.Gap = &taffrail.Gap{Address: f.Resource.Address, Type: f.Resource.Type, Reason: raced.Reason, Detail: raced.Detail, Hint: raced.Hint}
		}
		s.statuses[f.Status]++
		s.coverage.Count(taffrail.Observation{Gap: f.Gap})
	}
	if after.ID != "" {
		s.stack = after
	}
	slices.SortFunc(s.findings, func(a, b taffrail.Finding) int { return cmp.Compare(a.Resource.Address, b.Resource.Address) })
	slices.SortStableFunc(s.coverage.Gaps, func(a, b taffrail.Gap) int { return cmp.Compare(a.Address, b.Address) })
}

func (s *scan) outcome() taffrail.Outcome {
	switch {
	case s.fatal != nil:
		return taffrail.OutcomeFailed
	case s.cut || !s.coverage.Complete():
		return taffrail.OutcomeIncomplete
	}
	return taffrail.OutcomeOK
}

// end says how a drift at this address came to its end, and nothing if it did not or nobody knows. That a resource was not seen means
// that the stack records it no more only if all of the stack was seen.
func (s *scan) end(address taffrail.Address) taffrail.EndReason {
	whole := len(s.selection.Addresses) == 0 && !s.cut
	for _, g := range s.coverage.Gaps {
		if g.Address == "" && g.Reason == taffrail.ReasonRaced {
			return ""
		}
		whole = whole && g.Address != ""
	}
	why, seen := s.seen[address]
	if !seen && whole {
		return taffrail.EndReleased
	}
	return why
}
