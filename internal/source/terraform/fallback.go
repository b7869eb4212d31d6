package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/planfile"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/usercli"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

const (
	// maxTargets is how many resources are named to the tool; more do not fit on a command line, and then it refreshes all.
	maxTargets = 200
	// maxAlone is how many resources are read one by one, where one of them voids a plan of all.
	maxAlone = 20
)

// fallBack reads jobs of a session that failed through the user's own tool, if the code configures the provider with what only the tool
// can work out. It gives back those that are still to be settled, and why they fail.
func (l *lane) fallBack(ctx context.Context, failure *provider.Failure, jobs []*job, out chan<- taffrail.Observation) ([]*job, *provider.Failure) {
	s, config := l.session, l.reading.stack.config
	if config.Fallback == fallbackNever || !s.isUnresolved() || ctx.Err() != nil {
		return jobs, failure
	}
	l.reading.fallback.Lock() // lanes would plan the same modules at once
	defer l.reading.fallback.Unlock()
	s.stack.env.Logger.Info("read through the user's own tool", slog.String("provider", s.config.String()))
	inner, cancel := context.WithTimeout(ctx, config.PlanTimeout)
	defer cancel()
	run, err := l.reading.openCLI(inner)
	if err == nil {
		jobs, err = l.readThrough(inner, run, jobs, out)
		err = errors.Join(err, run.copy.Close())
	}
	if err != nil {
		both := *failure
		both.Detail += "; nor could the user's own tool read it: " + err.Error()
		failure = &both
	}
	return jobs, failure
}

// isUnresolved says whether it is the code's configuration of the provider that nobody here can work out.
func (s *session) isUnresolved() bool {
	if s.spec == nil {
		return false // the provider did not even say what it wants
	}
	_, err := s.reading.tree.Configure(s.config, s.spec, s.reading.scope())
	var e *taffrail.Error
	return errors.As(err, &e) && e.Op == "provider configuration unknown"
}

// readThrough settles what the tool can read. A resource that it cannot read fails the plan as a whole: then each is asked for alone.
func (l *lane) readThrough(ctx context.Context, run *cliRun, jobs []*job, out chan<- taffrail.Observation) ([]*job, error) {
	found, err := run.refresh(ctx, jobs)
	if err != nil && len(jobs) > 1 && len(jobs) <= maxAlone && ctx.Err() == nil {
		found = map[taffrail.Address]refreshed{}
		for _, j := range jobs {
			one, oneErr := run.refresh(ctx, []*job{j})
			if oneErr == nil {
				found[j.observation.Resource.Address] = one[j.observation.Resource.Address]
			}
		}
	}
	if len(found) == 0 {
		return jobs, err
	}
	if confirmed := l.confirm(ctx, run, jobs, found); confirmed != nil {
		err = errors.Join(err, confirmed)
	}
	var left []*job
	for _, j := range jobs {
		seen, ok := found[j.observation.Resource.Address]
		if !ok || l.takeRefreshed(j, seen) != nil {
			left = append(left, j)
			continue
		}
		l.send(j, nil, out)
	}
	return left, err
}

// confirm reads again what was gone, after a delay, and forgets what was not gone twice.
func (l *lane) confirm(ctx context.Context, run *cliRun, jobs []*job, found map[taffrail.Address]refreshed) error {
	gone := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool {
		seen, ok := found[j.observation.Resource.Address]
		return !ok || !seen.gone
	})
	if len(gone) == 0 {
		return nil
	}
	timer := time.NewTimer(l.reading.stack.config.ConfirmDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	again, err := run.refresh(ctx, gone)
	for _, j := range gone {
		at := j.observation.Resource.Address
		delete(found, at)
		if second, ok := again[at]; ok && err == nil {
			found[at] = second
		}
	}
	return err
}

// A refreshed is what the tool read of a resource.
type refreshed struct {
	gone      bool
	live      json.RawMessage
	recorded  json.RawMessage // what the state holds, at the provider's present schema; nil if that is the same as live
	sensitive []json.RawMessage
}

// refresh has the tool refresh resources of the copy. Whatever the plan does not speak of is not in the answer.
func (c *cliRun) refresh(ctx context.Context, jobs []*job) (map[taffrail.Address]refreshed, error) {
	var targets []string
	wanted := map[taffrail.Address]bool{}
	for _, j := range jobs {
		wanted[j.observation.Resource.Address] = true
		targets = append(targets, "-target="+string(j.observation.Resource.Address))
	}
	if len(targets) > maxTargets {
		targets = nil
	}
	found := map[taffrail.Address]refreshed{}
	var plan *planfile.Plan
	err := c.run(ctx, usercli.OfLive, targets, func(shown io.Reader) (err error) {
		plan, err = planfile.ParseRefreshed(shown, planfile.DefaultLimits(), func(o planfile.Object) error {
			if at := taffrail.Address(o.Address); o.Deposed == "" && wanted[at] {
				found[at] = refreshed{live: o.Values, sensitive: []json.RawMessage{o.Sensitive}}
			}
			return nil
		})
		return err
	})
	if err == nil && plan.Errored {
		err = errors.New("the plan was given up half way")
	}
	if err != nil {
		return nil, err
	}
	for _, d := range plan.Drift {
		at := taffrail.Address(d.Recorded())
		if d.Deposed != "" || !wanted[at] {
			continue
		}
		seen := found[at]
		seen.gone, seen.recorded = d.Action == taffrail.ActionDelete, d.Before
		seen.sensitive = append(seen.sensitive, d.BeforeSensitive, d.AfterSensitive)
		found[at] = seen
	}
	return found, nil
}

// takeRefreshed fills a job's observation. An error says that the answer makes no sense to the schema.
func (l *lane) takeRefreshed(j *job, seen refreshed) error {
	s, i := l.session, j.instance
	known := s.resources[i.Type]
	if known.schema == nil {
		return errors.New("the provider has no such type")
	}
	c := &value.Converter{Resource: known.schema, Marks: i.Marks, Sealer: s.stack.env.Sealer, Known: s.secrets.Load()}
	for _, sensitive := range seen.sensitive {
		marks, err := planfile.Marks(sensitive)
		if err != nil {
			return err
		}
		c.Marks = append(slices.Clip(c.Marks), marks...)
	}
	live, err := planfile.Value(seen.live, nil, known.schema.Type)
	if err != nil {
		return err
	}
	if seen.gone {
		live = cty.NullVal(known.schema.Type)
	}
	if j.prior = live; seen.recorded != nil {
		if j.prior, err = planfile.Value(seen.recorded, nil, known.schema.Type); err != nil {
			return err
		}
	}
	if j.prior.IsNull() {
		return errors.New("what is recorded is empty")
	}
	j.converter = c
	j.observation.Handling = j.declared.handlingFor(known.schema)
	c.LearnStored(i.Attributes, i.Flat)
	c.Learn(j.prior)
	j.identify()
	if f := j.observe(&live); f != nil {
		return f
	}
	return nil
}
