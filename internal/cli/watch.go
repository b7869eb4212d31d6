package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// A watching prints what happens to one stack: the first report whole, later only what is not as it was.
type watching struct {
	app    *app
	flags  scanFlags
	target string
	last   *daemon.ScanReport // of the last round that had a report
	rounds int
	status int  // of the last round that was not stopped
	block  bool // what was printed last had more than one line
}

// watch scans a stack again and again until the command is stopped. The exit status is that of the last round.
func (a *app) watch(ctx context.Context, q daemon.Queries, r daemon.ScanRequest, target string, f scanFlags) error {
	w := &watching{app: a, flags: f, target: target}
	p := newProgress(1)
	p.fleeting = a.screen.terminal
	tell := p.of(target)
	tell.begin()
	stop := a.screen.follow(p.String)
	defer stop()
	err := q.Watch(ctx, r, f.watch, tell.update, func(report daemon.ScanReport, err error) error {
		tell.rest(f.watch)
		return w.round(ctx, report, err)
	})
	stop()
	switch {
	case err != nil:
		return err
	case w.rounds == 0:
		return stopped(ctx, fmt.Errorf("no round was completed: %w", context.Canceled))
	}
	a.status = w.status
	return nil
}

func (w *watching) round(ctx context.Context, r daemon.ScanReport, err error) error {
	if err != nil {
		return w.failed(err)
	}
	v := w.flags.view()
	s := scanned{target: w.target, report: r, status: scanStatus(r, v)}
	cut := ctx.Err() != nil && interrupted(r)
	if !cut || w.rounds == 0 {
		w.status = s.status
		w.rounds++
	}
	if r.Log.Started {
		w.app.announce(r.Log.Origin, r.Log.Key)
	}
	before := w.last
	w.last = &r
	if w.flags.output == outputNDJSON {
		v.sinceLast = v.sinceLast || before != nil
		return writeEvents(w.app.out, s, v)
	}
	p := w.app.page()
	block := before == nil || !cut && !quiet(*before, r)
	if w.block || block && before != nil {
		p.line()
	}
	w.block = block
	switch {
	case before == nil:
		p.report(r, v)
	case cut:
		p.line(stamp(r.FinishedAt), gap, p.yellow("stopped in the middle of a round: "), coverageLine(r.Coverage))
	case block:
		p.roundChanged(*before, r, v)
	default:
		p.line(stamp(r.FinishedAt), gap, quietText(r))
	}
	return w.app.print(p)
}

// failed tells the error of one round. One that ends the watch is told by the command.
func (w *watching) failed(err error) error {
	w.status = taffrail.KindOf(err).ExitStatus()
	w.rounds++
	if kind := taffrail.KindOf(err); kind == taffrail.KindInvalid || kind == taffrail.KindCorrupt {
		return nil
	}
	if w.flags.output == outputNDJSON {
		if err := writeEvents(w.app.out, scanned{target: w.target, err: err, status: w.status}, w.flags.view()); err != nil {
			return err
		}
	}
	fmt.Fprintf(w.app.screen, "%s  this round failed, the next follows in %v\n", stamp(time.Now()), w.flags.watch)
	printError(w.app.screen, w.app.styleOf(w.app.Stderr), err)
	return nil
}

// quiet says whether a round saw what the one before it saw.
func quiet(before, r daemon.ScanReport) bool {
	moved := slices.ContainsFunc(r.Drifts, func(d taffrail.Drift) bool { return d.New || d.Changed })
	return !moved && len(r.Ended) == 0 && sameGaps(before, r) && samePending(before, r) &&
		slices.Equal(before.Unseen, r.Unseen) && slices.Equal(before.Expired, r.Expired)
}

// sameGaps leaves the details out: they hold numbers of requests and the like.
func sameGaps(before, r daemon.ScanReport) bool {
	type what struct {
		address taffrail.Address
		kind    taffrail.ResourceType
		reason  taffrail.Reason
	}
	of := func(r daemon.ScanReport) map[what]int {
		all := map[what]int{}
		for _, g := range r.Coverage.Gaps {
			all[what{g.Address, g.Type, g.Reason}]++
		}
		return all
	}
	return maps.Equal(of(before), of(r))
}

func samePending(before, r daemon.ScanReport) bool {
	return slices.EqualFunc(before.Pending, r.Pending, func(a, b taffrail.Finding) bool {
		return a.Resource.Address == b.Resource.Address && a.Action == b.Action &&
			slices.EqualFunc(a.Wanted, b.Wanted, func(x, y taffrail.Change) bool { return x.Path.Equal(y.Path) && x.After.Equal(y.After) })
	})
}

// quietText is a round in which nothing happened, on one line.
func quietText(r daemon.ScanReport) string {
	switch n := len(r.Drifts); {
	case n > 0:
		return "no change, " + count(int64(n), "drift", "drifts") + " open, " + checkedText(r)
	case !r.Coverage.Complete():
		return "no drift in what was checked, " + checkedText(r)
	}
	return "in sync, " + checkedText(r)
}

func checkedText(r daemon.ScanReport) string {
	return fmt.Sprintf("%d of %d checked", r.Coverage.Checked, r.Coverage.Total) + gapCounts(r, ", ")
}

// roundChanged prints what a round saw that the one before it did not.
func (p *page) roundChanged(before, r daemon.ScanReport, v view) {
	v.sinceLast = true
	p.line(p.bold(stamp(r.FinishedAt)), gap, checkedText(r))
	p.drifts(r.Drifts, v)
	if !samePending(before, r) {
		p.pending(r.Pending)
	}
	p.ended(r.Ended)
	if !slices.Equal(before.Unseen, r.Unseen) {
		p.unseen(r.Unseen)
	}
	if !sameGaps(before, r) {
		p.gaps(r.Coverage.Gaps, v)
		if len(r.Coverage.Gaps) == 0 {
			p.line(p.green("Everything could be read again."))
		}
	}
	if !slices.Equal(before.Expired, r.Expired) {
		p.expired(r.Expired)
	}
	p.line()
	p.result(r, v)
	p.line(p.dim(logLine(r.Log)))
}
