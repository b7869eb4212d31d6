package terraform

import (
	"context"
	"fmt"

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
	part, t := j.converter.Resource.Part, j.converter.Resource.Type
	config, proposed, err := propose(part, t, j.prior, live)
	if err != nil {
		return false
	}
	planned, f := s.process.Plan(ctx, provider.Proposal{
		Type: j.request.Type, Live: answer.State, Proposed: proposed, Config: config,
		Private: answer.Private, Identity: answer.Identity, Meta: j.request.Meta,
	})
	if f != nil {
		return f.Lost
	}
	next, err := value.Decode(planned.GetMsgpack(), planned.GetJson(), t)
	if err != nil {
		return false
	}
	if o.Next, err = j.converter.Convert(next); err != nil {
		o.Next = taffrail.Unknown()
		return false
	}
	part.Either(t, func(p taffrail.Path) {
		switch set, known := j.declared.sets(p); {
		case !known:
			o.Guessed = append(o.Guessed, p)
		case !set:
			o.Unset = append(o.Unset, p)
		}
	})
	return false
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
