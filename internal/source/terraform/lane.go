package terraform

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/planfile"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A job is one resource to read.
type job struct {
	instance    *state.Instance
	observation taffrail.Observation
	declared    *declared
	witness     bool             // nobody asked for it: it is read to make sure of others
	wanted      *planfile.Change // what the code wants of it, if that differs from what is recorded
	asWanted    bool             // it does not differ

	// What the first read learned, for the second.
	recalled  bool
	converter *value.Converter
	request   provider.Request
	prior     cty.Value
	guessed   bool      // prior is what the state holds, and no provider's word
	careful   bool      // nothing is to be guessed
	mended    bool      // prior is not, to the last digit, what the request holds
	missed    bool      // a read found nothing
	doubted   bool      // a read found a difference, a moment after the state was written
	notBefore time.Time // when it may be read again

	refusals   int               // how often the system asked for fewer calls instead of an answer
	refusal    *provider.Failure // the last of them
	unforeseen bool              // whether the next apply is to be asked about no more
}

// A lane reads the resources of one provider configuration, some at once. A provider may die of one of them: then those that were
// under way are read again, one at a time, so that only the culprit is blamed.
type lane struct {
	reading *reading
	config  addr.ProviderConfig
	session *session
	jobs    []*job
	kinds   map[string]bool // resource types in the state, selected or not
	kind    string          // the one that was added last
	leftOut *taffrail.Gap   // why nobody is asked for any of its resources; nil if somebody is
	bulk    bulk
	spare   map[string][]*state.Instance // by type, some that were not selected; see remember
}

// An outcome is what came of a job.
type outcome uint8

const (
	settled    outcome = iota // an observation was sent
	unsure                    // nothing was found, or in a fresh stack something else, for the first time: to be read again, later
	lost                      // the provider died
	refused                   // the system asks for fewer calls: to be read again
	turnedDown                // it did so once too often: an observation was sent
)

// run settles every job.
func (l *lane) run(ctx context.Context, out chan<- taffrail.Observation) {
	l.bulk.confirmed, l.bulk.codeless = l.reading.stack.config.ConfirmMassDeletion, !l.reading.stack.target.code
	jobs := l.jobs
	l.jobs = nil
	l.readAll(ctx, jobs, out)
	if !l.bulk.confirmed {
		l.testify(ctx, out)
	}
	for _, o := range l.bulk.end() {
		out <- o
	}
}

// readAll settles jobs.
func (l *lane) readAll(ctx context.Context, queue []*job, out chan<- taffrail.Observation) {
	var again []*job
	for len(queue) > 0 {
		p := l.pass(ctx, queue, out)
		again = append(again, p.unsure...)
		for _, j := range p.lost {
			again = append(again, l.alone(ctx, j, out)...)
		}
		queue = p.left()
		if len(queue) == 0 {
			queue, again = again, nil
			l.await(ctx, queue)
		}
	}
}

// pass reads jobs, many at once, until none is left or the provider dies.
func (l *lane) pass(ctx context.Context, jobs []*job, out chan<- taffrail.Observation) *pass {
	failure := l.session.ensure(ctx)
	if failure != nil {
		jobs, failure = l.fallBack(ctx, failure, jobs, out)
	}
	p := newPass(l.session.limits, jobs)
	p.full = l.session.full
	defer context.AfterFunc(ctx, p.wake)()
	var workers sync.WaitGroup
	for range min(l.reading.stack.config.Concurrency, len(jobs)) {
		workers.Go(func() {
			for t, ok := p.next(ctx); ok; t, ok = p.next(ctx) {
				p.note(t, l.settle(ctx, t, failure, out))
			}
		})
	}
	workers.Wait()
	switch {
	case p.dead:
		l.session.lost()
	case p.tired:
		l.session.end() // nothing is under way, and the next pass starts it
	}
	return p
}

// alone reads a job with no other beside it. If the provider dies again, it is this one's doing.
func (l *lane) alone(ctx context.Context, j *job, out chan<- taffrail.Observation) []*job {
	p := l.pass(ctx, []*job{j}, out)
	for _, j := range p.lost {
		l.send(j, &provider.Failure{
			Reason: taffrail.ReasonCrashed, Detail: "the provider dies when it reads this resource",
			Hint: "see the provider's own messages with debug logging on",
		}, out)
	}
	return p.unsure
}

// settle reads a job, unless there is a reason not to, and sends its observation, unless it is to be read again.
func (l *lane) settle(ctx context.Context, t turn, failure *provider.Failure, out chan<- taffrail.Observation) outcome {
	switch {
	case failure != nil:
	case !t.ask:
		failure = cmp.Or(t.refusal, givenUp(t.instance.Type))
	default:
		var found outcome
		if found, failure = l.guarded(ctx, t.job); found != settled {
			return found
		}
	}
	if failure != nil && (ctx.Err() != nil || failure.Reason == taffrail.ReasonTimeout && ending(ctx)) {
		failure = stopped() // whatever the call made of it
	}
	done := settled
	if t.ask && failure != nil && failure.Reason == taffrail.ReasonThrottled {
		if t.refusals++; t.refusals <= maxRefused {
			t.refusal = failure
			return refused
		}
		done = turnedDown
	}
	l.send(t.job, failure, out)
	return done
}

// guarded reads a job. A mistake of ours with one resource must not end the scan of all others.
func (l *lane) guarded(ctx context.Context, j *job) (found outcome, failure *provider.Failure) {
	defer func() {
		if r := recover(); r != nil {
			l.reading.stack.env.Logger.Error("a read panicked", slog.String("type", j.instance.Type), slog.String("stack", string(debug.Stack())))
			found, failure = settled, &provider.Failure{
				Reason: taffrail.ReasonError, Detail: fmt.Sprintf("internal: %v", r), Hint: "this is a bug in Taffrail: please report it with the operational log",
			}
		}
	}()
	return l.session.read(ctx, j)
}

func givenUp(resourceType string) *provider.Failure {
	return &provider.Failure{
		Reason: taffrail.ReasonThrottled,
		Detail: fmt.Sprintf("the system refused %d rounds of calls in a row, with longer and longer pauses, so that no more of %q was asked for", maxRounds, serviceOf(resourceType)),
		Hint:   "scan again later, or with a lower concurrency",
	}
}

// ending says whether the caller's own time is up, or is about to be: a provider knows the deadline of its call, and may end it a
// moment before the context does.
func ending(ctx context.Context) bool {
	const moment = time.Second
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < moment
}

// send sends what is known of a job, with the failure as its gap, unless it is held back. The job is of no use afterwards.
func (l *lane) send(j *job, failure *provider.Failure, out chan<- taffrail.Observation) {
	o := j.observation
	o.At = l.reading.stack.env.Now().UTC()
	if failure != nil {
		o = withGap(o, taffrail.Gap{Reason: failure.Reason, Detail: l.session.message(j, failure.Detail), Hint: failure.Hint})
	}
	witness := j.witness
	*j = job{}
	if witness {
		l.bulk.hear(o)
		return
	}
	for _, o := range l.bulk.pass(o) {
		out <- o
	}
}

// await waits until the last of the jobs may be read again.
func (l *lane) await(ctx context.Context, jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	last := slices.MaxFunc(jobs, func(a, b *job) int { return a.notBefore.Compare(b.notBefore) })
	timer := time.NewTimer(last.notBefore.Sub(l.reading.stack.env.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
