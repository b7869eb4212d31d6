package terraform

import (
	"context"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// foresee asks the provider what the next apply would make of a resource that is not as it was recorded, and notes the answer in the
// observation. It explains a drift and decides none: without an answer the observation is as good as it was. It says whether the
// provider died of the question; it is not asked again about this job.
//
// The configuration is taken to be what was recorded, but for what the provider alone computes. Where both may give a value, the code
// is looked at for whether it does.
func (s *session) foresee(ctx context.Context, j *job, answer provider.Answer, live cty.Value) (died bool) {
	o := &j.observation
	if live.IsNull() || j.unforeseen || o.Recorded.Equal(o.Live) {
		return false
	}
	j.unforeseen = true
	next, f := s.plan(ctx, j, provider.Proposal{Live: answer.State, Private: answer.Private, Identity: answer.Identity}, live)
	if f != nil || next == cty.NilVal {
		return f != nil && f.Lost
	}
	var err error
	if o.Next, err = j.converter.Convert(next); err != nil {
		o.Next = taffrail.Unknown()
		return false
	}
	j.converter.Resource.Part.Either(j.converter.Resource.Type, func(p taffrail.Path) {
		switch set, known := j.declared.sets(p); {
		case !known:
			o.Guessed = append(o.Guessed, p)
		case !set:
			o.Unset = append(o.Unset, p)
		}
	})
	return s.stir(ctx, j, live, next)
}

// stir looks at a resource of which nothing differs but what the provider computes. That is no drift, unless it makes the provider
// plan a change that it would not plan of what was recorded: some keep a digest of all that is live, and compare nothing else.
func (s *session) stir(ctx context.Context, j *job, live, next cty.Value) (died bool) {
	moved, _ := movedByItself(&j.observation, j.converter.Resource)
	if len(moved) == 0 || next.RawEquals(live) {
		return false
	}
	r := j.request
	calm, f := s.plan(ctx, j, provider.Proposal{Live: r.Prior, Private: r.Private, Identity: r.Identity}, j.prior)
	if f != nil || calm == cty.NilVal || !calm.RawEquals(j.prior) {
		return f != nil && f.Lost // it plans changes of anything
	}
	o := &j.observation
	fields := map[string]taffrail.Value{}
	for name, v := range o.Next.Fields() {
		fields[name] = v
	}
	for _, name := range moved {
		fields[name] = taffrail.Unknown() // what the provider makes of it shows at the apply
	}
	o.Next = taffrail.Object(fields)
	o.Handling = slices.DeleteFunc(slices.Clone(o.Handling), func(h taffrail.Handling) bool {
		steps := h.Path.Steps()
		return h.Treatment == taffrail.Volatile && len(steps) == 1 && slices.Contains(moved, steps[0].Name())
	})
	return false
}

// movedByItself lists the attributes that differ, if the provider alone gives them their values; alone is false if any other differs.
func movedByItself(o *taffrail.Observation, r *schema.Resource) (moved []string, alone bool) {
	for name, was := range o.Recorded.Fields() {
		is, _ := o.Live.Field(name)
		part := r.Part.Fields[name]
		switch {
		case was.Equal(is) || name == "timeouts":
		case part != nil && part.Computed && !part.Optional:
			moved = append(moved, name)
		case r.Legacy && was.IsEmpty() && is.IsEmpty():
		default:
			return nil, false
		}
	}
	return moved, true
}

// plan asks what the next apply would make of a state of the resource. There is no answer where the question cannot be put, or the answer
// makes no sense.
func (s *session) plan(ctx context.Context, j *job, p provider.Proposal, from cty.Value) (cty.Value, *provider.Failure) {
	t := j.converter.Resource.Type
	var err error
	if p.Config, p.Proposed, err = propose(j.converter.Resource.Part, t, j.prior, from); err != nil {
		return cty.NilVal, nil
	}
	p.Type, p.Meta = j.request.Type, j.request.Meta
	planned, f := s.process.Plan(ctx, p)
	if f != nil {
		return cty.NilVal, f
	}
	next, err := value.Decode(planned.GetMsgpack(), planned.GetJson(), t)
	if err != nil {
		return cty.NilVal, nil
	}
	return next, nil
}

// propose packs the configuration that may have led to what was recorded, and what the tool would propose from what is live on.
func propose(part *schema.Part, t cty.Type, recorded, live cty.Value) (config, proposed []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // cty panics where elements of one collection are of several types
			err = fmt.Errorf("propose: %v", r)
		}
	}()
	v := part.Config(recorded)
	if config, err = msgpack.Marshal(v, t); err != nil {
		return nil, nil, err
	}
	proposed, err = msgpack.Marshal(part.Propose(live, v), t)
	return config, proposed, err
}

// sets says whether the code gives a value to what is at a path, as far as the code is at hand and tells.
func (d *declared) sets(p taffrail.Path) (set, known bool) {
	if d == nil {
		return false, false
	}
	return d.Sets(p)
}
