package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// Scan implements [Queries]: the first half of the life of a drift, and who moved it.
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
	if _, err := d.models(); err != nil { // before anything is read
		return ScanReport{}, err
	}
	// A first use: if we stop after it there is a log that says nothing but its name.
	began, err := d.ensure(ctx, InitRequest{})
	if err != nil {
		return ScanReport{}, err
	}
	s, err := d.newScan(ctx, r, info, began)
	if err != nil {
		return ScanReport{}, err
	}
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
	if err == nil {
		// What was seen is in the log by now. If we stop here, the next scan says who moved it.
		err = s.explain(context.WithoutCancel(ctx), &report)
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

func (d *Daemon) newScan(ctx context.Context, r ScanRequest, info taffrail.StackInfo, began bool) (*scan, error) {
	if err := fits(r); err != nil {
		return nil, err
	}
	sealer, err := d.sealer(ctx)
	if err != nil {
		return nil, err
	}
	print, ok := sealer.(taffrail.Fingerprinter)
	if !ok {
		return nil, &taffrail.Error{Op: "scan", Kind: taffrail.KindInternal, Err: fmt.Errorf("the sealer %q gives no digests of versions", trustName)}
	}
	s := &scan{
		daemon: d, id: "scan-" + randomHex(8), began: began, stack: info, request: r, startedAt: d.now(), listed: []taffrail.ResourceType{},
		versions: versions{print: print}, sides: map[taffrail.Address]sides{}, seen: map[taffrail.Address]taffrail.EndReason{}, statuses: map[taffrail.Status]int{},
	}
	s.rules = rulesOf(r.Accept, info, s.startedAt)
	return s, nil
}

// fits says whether what is asked for can be written into the log.
func fits(r ScanRequest) error {
	size := 0
	for _, a := range r.Selection.Addresses {
		size += len(a)
	}
	for _, t := range r.Scope.Types {
		size += len(t)
	}
	if size <= maxSelection {
		return nil
	}
	return &taffrail.Error{
		Op: "scan", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%d addresses and %d types are too many for one scan", len(r.Selection.Addresses), len(r.Scope.Types)),
		Hint: "ask for fewer at once, or for everything",
	}
}

func (d *Daemon) now() time.Time { return d.options.Now().UTC() }

// A scan is one reading of one stack, from its first log entry to its last.
type scan struct {
	daemon    *Daemon
	id        string
	began     bool // the log, too
	stack     taffrail.StackInfo
	request   ScanRequest
	rules     *rules
	startedAt time.Time
	first     int64 // entry

	progress ScanProgress
	findings []taffrail.Finding                      // all but those that are in sync and have nothing to show
	sides    map[taffrail.Address]sides              // of what drifted
	seen     map[taffrail.Address]taffrail.EndReason // how a drift of a resource that was seen has ended; empty: it has not
	statuses map[taffrail.Status]int
	versions versions
	listed   []taffrail.ResourceType // of which every live resource was looked for, sorted
	coverage taffrail.Coverage
	fatal    error // what ended the reading early and was no cancellation
	cut      bool  // the reading was cancelled
	raced    bool  // the recorded side moved
}

func (s *scan) start(ctx context.Context) error {
	l, err := s.daemon.current()
	if err != nil {
		return err
	}
	return l.store.Update(ctx, func(tx *store.Tx) error {
		body := taffrail.ScanStarted{Stack: s.stack, Selection: s.request.Selection, Scope: taffrail.Scope{Types: append([]taffrail.ResourceType{}, s.request.Scope.Types...)}}
		if len(s.rules.hold) > 0 {
			rules, err := putPayload(tx, s.rules.hold)
			if err != nil {
				return err
			}
			body.Rules = &rules
		}
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
	if progress == nil {
		progress = func(ScanProgress) {}
	}
	s.progress.Stack = s.stack
	selection, announce := s.request.Selection, s.request.Selection.Announce
	selection.Announce = func(total int) {
		s.progress.Total = total
		progress(s.progress)
		if announce != nil {
			announce(total)
		}
	}
	coverage, err := stack.Read(ctx, selection, func(o taffrail.Observation) error {
		s.take(o)
		progress(s.progress)
		return nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		s.cut = true
	case err != nil:
		s.fatal = err
	}
	unlisted := s.list(ctx, stack, func(o taffrail.Observation) error {
		s.progress.Total++ // nobody could announce it
		s.take(o)
		progress(s.progress)
		return nil
	})
	after, err := stack.Describe(context.WithoutCancel(ctx))
	if err != nil && s.fatal == nil {
		s.fatal = err
	}
	s.judge(append(coverage.Gaps, unlisted...), after)
}

// take keeps of an observation what will be written or shown.
func (s *scan) take(o taffrail.Observation) {
	// The copy lets go of the text that the address may be a part of, such as a whole state.
	o.Resource.Address = taffrail.Address(strings.Clone(string(o.Resource.Address)))
	f := s.rules.compare(o)
	s.versions.add(o)
	s.count(f)
	s.seen[f.Resource.Address] = endOf(o, f)
	if f.Status.IsDrift() {
		s.sides[f.Resource.Address] = sides{o.Recorded, o.Live}
	}
	if f.Status != taffrail.InSync || f.Pending || len(f.Changes) > 0 {
		s.findings = append(s.findings, f)
		return
	}
	s.statuses[taffrail.InSync]++
	s.coverage.Total++
	s.coverage.Checked++
}

func (s *scan) count(f taffrail.Finding) {
	s.progress.Done++
	if f.Status.IsDrift() {
		s.progress.Drifted++
	}
	if f.Gap != nil && f.Gap.Reason.IsGap() {
		s.progress.Gaps++
	}
}
