package terraform

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/planfile"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A pending is what the code wants and is not applied yet, by the word of the user's own tool. It says nothing of what is live: the tool
// is asked about code and state alone. The nil pending is that nobody asked; one with a gap is that there was no answer.
type pending struct {
	changes map[taffrail.Address]*planfile.Change // of what the state holds, by the address there
	same    map[string]bool                       // addresses of which the code wants what is recorded
	created []*planfile.Change                    // what the state does not hold, imports included
	gaps    []taffrail.Gap
}

// ask has the tool plan, if that is wanted, and gives each resource what the plan says of it. Where the plan fails, what is live is read
// all the same, and a gap of the whole says that it is not known whether code waits.
func (r *reading) ask(ctx context.Context, sel taffrail.Selection) {
	if !r.stack.config.Pending {
		return
	}
	r.pending = &pending{changes: map[taffrail.Address]*planfile.Change{}}
	plan, err := r.planCode(ctx)
	if err == nil && plan.Errored {
		err = errors.New("the plan was given up half way")
	}
	if err != nil {
		r.pending.gaps = []taffrail.Gap{r.unplanned(err)}
		return
	}
	r.take(plan, sel)
}

// unplanned is the gap that a failed plan leaves.
func (r *reading) unplanned(err error) taffrail.Gap {
	g := taffrail.Gap{Reason: taffrail.ReasonError, Hint: taffrail.HintOf(err)}
	var ours *taffrail.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		g.Reason, g.Hint = taffrail.ReasonTimeout, "raise plan_timeout"
		err = fmt.Errorf("no plan within %v", r.stack.config.PlanTimeout)
	case errors.Is(err, context.Canceled):
		g.Reason = taffrail.ReasonCancelled
	case taffrail.KindOf(err) == taffrail.KindDenied:
		g.Reason = taffrail.ReasonDenied
	case errors.As(err, &ours) && (ours.Kind == taffrail.KindInvalid || ours.Kind == taffrail.KindNotFound):
		g.Reason = taffrail.ReasonUnconfigured
	}
	if g.Hint == "" && g.Reason == taffrail.ReasonError {
		g.Hint = "see what `terraform plan` or `tofu plan` says in the stack's folder"
	}
	g.Detail = r.secrets().Message("what the code wants is not known: " + err.Error())
	return g
}

// secrets are those that are known before any resource is.
func (r *reading) secrets() *value.Secrets {
	known := r.stack.host.secrets()
	for _, v := range r.tree.SensitiveValues(r.scope()) {
		known.AddAll(v)
	}
	return known
}

// take gives each resource what the plan says of it.
func (r *reading) take(plan *planfile.Plan, sel taffrail.Selection) {
	p := r.pending
	p.same = plan.Unchanged
	for i := range plan.Changes {
		c := &plan.Changes[i]
		at := taffrail.Address(c.Recorded())
		if c.Deposed != "" {
			at += taffrail.Address(" (deposed " + c.Deposed + ")")
		}
		switch {
		case r.seen[at]:
			p.changes[at] = c
		case sel.Selects(at):
			p.created = append(p.created, c)
			r.seen[at] = true
		}
	}
	for i := range r.settled {
		o := &r.settled[i]
		if c := p.changes[o.Resource.Address]; c != nil {
			o.Action = c.Action
		}
	}
	for _, l := range r.lanes {
		for _, j := range l.jobs {
			j.want(p)
		}
		for _, c := range p.created {
			if l.config.Provider.String() == c.Provider {
				l.kinds[c.Type] = true // its schema is of use
			}
		}
	}
	p.gaps = r.unfinished(plan)
}

// unfinished are the gaps of a plan that the tool itself calls incomplete.
func (r *reading) unfinished(plan *planfile.Plan) []taffrail.Gap {
	var gaps []taffrail.Gap
	for _, d := range plan.Deferred {
		gaps = append(gaps, taffrail.Gap{
			Reason: taffrail.ReasonUnconfigured, Hint: "apply what it depends on first",
			Detail: r.secrets().Message(fmt.Sprintf("what the code wants of %s is not known: the tool puts it off (%s)", d.Address, d.Reason)),
		})
	}
	if plan.Partial && len(gaps) == 0 {
		gaps = append(gaps, taffrail.Gap{
			Reason: taffrail.ReasonUnconfigured, Hint: "see what `terraform plan` or `tofu plan` says in the stack's folder",
			Detail: "what the code wants is not known in full: the tool calls its plan incomplete",
		})
	}
	return gaps
}

// count is how many observations there will be of what the state does not hold.
func (p *pending) count() int {
	if p == nil {
		return 0
	}
	return len(p.created)
}

// missed are the gaps that the plan left.
func (p *pending) missed() []taffrail.Gap {
	if p == nil {
		return nil
	}
	return p.gaps
}

// want takes what the plan says of a job's resource.
func (j *job) want(p *pending) {
	at := j.observation.Resource.Address
	if j.wanted = p.changes[at]; j.wanted != nil {
		j.observation.Action = j.wanted.Action
	}
	j.asWanted = p.same[string(at)]
}

// learnWanted takes note of what the plan calls sensitive, on either side, before any side is translated: all are masked alike.
func (j *job) learnWanted() (desired cty.Value, known bool) {
	c, w := j.converter, j.wanted
	if w == nil || w.Action == taffrail.ActionDelete || w.Action == taffrail.ActionForget {
		return cty.NilVal, false
	}
	desired, err := planfile.Value(w.After, w.Unknown, c.Resource.Type)
	if err != nil {
		return cty.NilVal, false
	}
	for _, sensitive := range [][]byte{w.BeforeSensitive, w.AfterSensitive} {
		marks, err := planfile.Marks(sensitive)
		if err != nil {
			return cty.NilVal, false
		}
		c.Marks = append(slices.Clip(c.Marks), marks...)
	}
	c.Learn(j.prior)
	c.Learn(desired)
	return desired, true
}

// desire notes what the code wants. Without a plan, or where its value makes no sense to the schema, that stays unknown.
func (j *job) desire(desired cty.Value, known bool) {
	o := &j.observation
	switch {
	case j.asWanted:
		o.Desired = o.Recorded
	case known:
		if v, err := j.converter.Convert(desired); err == nil {
			o.Desired = v
		}
	case j.wanted != nil && (j.wanted.Action == taffrail.ActionDelete || j.wanted.Action == taffrail.ActionForget):
		o.Desired = taffrail.Null()
	}
}
