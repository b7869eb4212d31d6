package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// Serve keeps the log until ctx ends: it takes events in from the configured sources, gives entries of other processes their place, says at an interval that it is there, has the log
// witnessed and anchored, and hashes all of it again now and then, the result being an entry. What fails is told and tried again; only a
// log that is not what it was ends it, with an error of [taffrail.KindCorrupt].
func (d *Daemon) Serve(ctx context.Context) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	asked := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	in := d.options.Installation
	var duties sync.WaitGroup
	duty := func(name string, every, first time.Duration, do func(context.Context) error) {
		duties.Go(func() { d.duty(ctx, stop, name, every, first, do) })
	}
	d.runSources(ctx, stop, &duties, nil, nil) // before the first heartbeat, so that they know who was there before
	duty("heartbeat", in.Heartbeat, 0, d.beat)
	duty("verify", in.Verify, d.untilVerify(ctx, in.Verify), d.verifyAndLog)
	if in.Witnesses.Policy != "" {
		duty("witness", in.Witnesses.Every, 0, d.witnessDuty)
	}
	if len(in.Anchors) > 0 {
		duty("anchor", in.AnchorEvery, 0, d.anchorDuty)
	}
	duty("sign", signEvery, 0, func(ctx context.Context) error { _, err := l.log.Sign(ctx); return err })
	duties.Go(func() {
		if err := l.store.Sequence(ctx); err != nil {
			stop(boundary("sequence log", err))
		}
	})
	<-ctx.Done()
	duties.Wait()
	if asked.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// signEvery is how soon what other processes have queued is signed, once it has its place.
const signEvery = time.Second

// duty does something at an interval, the first time after a while.
func (d *Daemon) duty(ctx context.Context, stop context.CancelCauseFunc, name string, every, first time.Duration, do func(context.Context) error) {
	for pause := first; wait(ctx, pause); pause = every {
		err := boundary(name, do(ctx))
		switch {
		case err == nil || ctx.Err() != nil:
		case taffrail.KindOf(err) == taffrail.KindCorrupt:
			d.options.Logger.Error(name, "error", err, "hint", taffrail.HintOf(err))
			stop(err)
		default:
			d.options.Logger.Warn(name, "error", err, "hint", taffrail.HintOf(err))
		}
	}
}

// beat writes that the log is being kept, and what is wrong with that.
func (d *Daemon) beat(ctx context.Context) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	s, err := d.LogStatus(ctx)
	if err != nil {
		return err
	}
	for _, alarm := range s.Alarms {
		d.options.Logger.Warn("alarm", "what", alarm)
	}
	body := taffrail.Heartbeat{Seconds: int64(d.options.Installation.Heartbeat / time.Second), Alarms: s.Alarms}
	if _, err := d.appendOne(ctx, l, d.entry(body, entryContext{outcome: taffrail.OutcomeOK})); err != nil {
		return err
	}
	_, err = l.log.Sign(ctx)
	return err
}

// untilVerify is how long it is until the log is to be hashed again.
func (d *Daemon) untilVerify(ctx context.Context, every time.Duration) time.Duration {
	s, err := d.LogStatus(ctx)
	if err != nil || s.Verified == nil {
		return 0
	}
	return max(s.Verified.At.Add(every).Sub(d.now()), 0)
}

// maxProblems is how many problems an entry names.
const maxProblems = 20

// verifyAndLog hashes the whole log again, and writes down what came of it.
func (d *Daemon) verifyAndLog(ctx context.Context) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	began := d.now()
	report, err := d.VerifyLog(ctx, nil)
	if err != nil {
		return err
	}
	body := taffrail.Verified{Size: report.Audit.Size, Root: report.Audit.Root.String(), Signed: report.Audit.Signed, Millis: d.now().Sub(began).Milliseconds()}
	outcome := taffrail.OutcomeOK
	for _, p := range report.problems() {
		outcome = taffrail.OutcomeFailed
		if len(body.Problems) < maxProblems {
			body.Problems = append(body.Problems, clip(p))
		}
	}
	err = l.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Append(d.entry(body, entryContext{outcome: outcome}))
		return err
	})
	if err != nil {
		return err
	}
	if _, err := l.log.Sign(ctx); err != nil {
		return err
	}
	if err := report.Audit.Err(); err != nil {
		return err
	}
	return nil
}

// problems are all that a verification found, a line each.
func (r LogReport) problems() []string {
	var all []string
	for _, p := range r.Audit.Problems {
		all = append(all, p.Error())
	}
	return append(append(all, r.Blobs...), r.Index...)
}

func (d *Daemon) witnessDuty(ctx context.Context) error {
	r, err := d.WitnessLog(ctx)
	if err == nil && !r.Quorum {
		d.options.Logger.Warn("witness", "error", "too few witnesses cosigned", "size", r.Size, "answers", r.Witnesses)
	}
	return err
}

func (d *Daemon) anchorDuty(ctx context.Context) error {
	r, err := d.AnchorLog(ctx)
	for _, a := range r.Anchors {
		if a.Error != "" {
			d.options.Logger.Warn("anchor", "kind", a.Kind, "name", a.Name, "error", a.Error)
		}
	}
	return err
}
