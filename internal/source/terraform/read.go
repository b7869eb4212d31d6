package terraform

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// read fills a job's observation. A failure is why its live side stays unknown.
func (s *session) read(scan context.Context, j *job) (outcome, *provider.Failure) {
	ctx, cancel := context.WithTimeout(scan, s.stack.config.Timeout)
	defer cancel()
	if !j.recalled {
		if f := s.recall(ctx, j); f != nil {
			return fate(f)
		}
	}
	answer, f := s.process.Read(ctx, j.request)
	if answer, f = s.confirm(ctx, j, answer, f); f != nil {
		return fate(f)
	}
	packed := answer.State.GetMsgpack()
	if !j.mended && len(packed) > 0 && bytes.Equal(packed, j.request.Prior.GetMsgpack()) {
		return settled, j.observe(nil)
	}
	live, err := value.Decode(packed, answer.State.GetJson(), j.converter.Resource.Type)
	switch {
	case err != nil:
		return settled, badAnswer(err)
	case live.IsNull() && !j.missed:
		j.missed = true
		return s.later(j), nil
	}
	if f := j.observe(&live); f != nil {
		return settled, f
	}
	if s.reading.fresh && !j.missed && !j.doubted && j.differs() {
		j.doubted = true
		return s.later(j), nil
	}
	switch {
	case s.foresee(ctx, j, answer, live):
		return lost, nil
	case scan.Err() != nil:
		return settled, stopped() // what was not asked may be what makes it drift
	}
	return settled, nil
}

// fate of a job whose provider failed it: read again if the provider is dead, else a gap.
func fate(f *provider.Failure) (outcome, *provider.Failure) {
	if f.Lost {
		return lost, nil
	}
	return settled, f
}

func badAnswer(err error) *provider.Failure {
	return &provider.Failure{Reason: taffrail.ReasonError, Detail: "read the resource: " + err.Error()}
}

// recall brings what the state holds to the provider's present schema: that is what the live side is compared with.
func (s *session) recall(ctx context.Context, j *job) *provider.Failure {
	i := j.instance
	known := s.resources[i.Type]
	switch {
	case known.err != nil:
		return badAnswer(fmt.Errorf("the schema of %s: %w", i.Type, known.err))
	case known.schema == nil:
		return &provider.Failure{
			Reason: taffrail.ReasonUnconfigured, Detail: fmt.Sprintf("the provider, at version %s, has no type %s", s.pack.Version, i.Type),
			Hint: "the provider may be older or newer than the one that wrote the state: run init",
		}
	case i.SchemaVersion > known.schema.Version:
		return &provider.Failure{
			Reason: taffrail.ReasonUnconfigured,
			Detail: fmt.Sprintf("the state was written by a newer provider: its schema version is %d, that of provider version %s is %d", i.SchemaVersion, s.pack.Version, known.schema.Version),
			Hint:   "lock the provider to the version that wrote the state, and run init",
		}
	}
	c := &value.Converter{Resource: known.schema, Marks: i.Marks, Sealer: s.stack.env.Sealer, Known: s.secrets.Load()}
	j.converter = c
	j.observation.Handling = j.declared.handlingFor(known.schema)
	j.request.Type, j.request.Private, j.request.Meta = i.Type, i.Private, s.meta
	if f := s.identity(ctx, j); f != nil {
		return f
	}
	if j.guess(known.schema) {
		c.Learn(j.prior)
		j.identify()
		j.recalled = true
		return nil
	}
	prior, f := s.upgrade(ctx, j, known.schema)
	if f != nil {
		return f
	}
	return j.adopt(prior)
}

// adopt takes the provider's upgrade for the prior side.
func (j *job) adopt(prior *tfwire.DynamicValue) *provider.Failure {
	i, c := j.instance, j.converter
	var err error
	if j.prior, err = value.Decode(prior.GetMsgpack(), prior.GetJson(), c.Resource.Type); err != nil {
		return badAnswer(fmt.Errorf("the upgraded state: %w", err))
	}
	if j.prior.IsNull() {
		return badAnswer(errors.New("the upgraded state is empty"))
	}
	if i.SchemaVersion == c.Resource.Version {
		j.prior, j.mended = value.Exact(j.prior, i.Attributes, c.Resource.Type)
	}
	c.Learn(j.prior)
	j.identify()
	j.request.Prior = prior
	i.Attributes, i.Flat, j.recalled, j.guessed = nil, nil, true, false // the request has them now
	return nil
}

// upgrade has the provider upgrade the attributes.
func (s *session) upgrade(ctx context.Context, j *job, known *schema.Resource) (*tfwire.DynamicValue, *provider.Failure) {
	i := j.instance
	j.converter.LearnStored(i.Attributes, i.Flat) // the upgrade may give a secret another name, or fail and quote it
	stored := provider.Stored{Type: i.Type, Version: i.SchemaVersion, JSON: i.Attributes, Flat: i.Flat}
	if i.SchemaVersion == known.Version {
		stored.JSON = value.Strip(i.Attributes, known.Type)
	}
	return s.process.Upgrade(ctx, stored)
}

// identity has the provider upgrade the identity, if the state holds one.
func (s *session) identity(ctx context.Context, j *job) (f *provider.Failure) {
	if i := j.instance; i.Identity != nil {
		j.request.Identity, f = s.process.UpgradeIdentity(ctx, i.Type, i.IdentityVersion, i.Identity)
	}
	return f
}

// identify takes the attribute "id", if it is a text and no secret. Resources without one are known by their address alone.
func (j *job) identify() {
	c := j.converter
	if !j.prior.Type().HasAttribute("id") || c.Resource.Root.Field("id") != nil || c.Marked("id") {
		return
	}
	id := j.prior.GetAttr("id")
	if id.Type() == cty.String && id.IsKnown() && !id.IsNull() && !c.Holds(id.AsString()) {
		j.observation.Resource.ID = taffrail.ResourceID(id.AsString())
	}
}

// observe translates both sides. Without a live value it is the prior one itself.
func (j *job) observe(live *cty.Value) *provider.Failure {
	o, c := &j.observation, j.converter
	if live != nil {
		c.Learn(*live)
	}
	desired, known := j.learnWanted()
	if c.Holds(string(o.Resource.ID)) {
		o.Resource.ID = ""
	}
	var err error
	if o.Recorded, err = c.Convert(j.prior); err != nil {
		return badAnswer(fmt.Errorf("the stored state: %w", err))
	}
	j.desire(desired, known)
	if live == nil {
		o.Live = o.Recorded
		return nil
	}
	if o.Live, err = c.Convert(*live); err != nil {
		return badAnswer(err)
	}
	return nil
}

// message makes a failure's detail fit to leave the package: every secret that we know of is taken out.
func (s *session) message(j *job, text string) string {
	secrets := s.secrets.Load()
	if j.converter != nil {
		secrets = value.Join(secrets, j.converter.Secrets())
	}
	return secrets.Message(text)
}
