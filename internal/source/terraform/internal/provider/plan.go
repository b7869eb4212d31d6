package provider

import (
	"context"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

var methodPlan = method{"PlanResourceChange", "PlanResourceChange"}

// A Proposal is what the next apply would ask for.
type Proposal struct {
	Type     string
	Live     *tfwire.DynamicValue // as Read gave it
	Proposed []byte               // msgpack: the configuration, and what is live where that says nothing
	Config   []byte               // msgpack
	Private  []byte               // as Read gave it
	Identity *tfwire.ResourceIdentityData
	Meta     *tfwire.DynamicValue
}

// Plan asks what the next apply would make of a resource. The provider changes nothing. Without an answer to be relied on, it is nil.
func (p *Process) Plan(ctx context.Context, r Proposal) (*tfwire.DynamicValue, *Failure) {
	in := &tfwire.PlanResourceChange_Request{
		TypeName: r.Type, PriorState: r.Live, ProposedNewState: &tfwire.DynamicValue{Msgpack: r.Proposed}, Config: &tfwire.DynamicValue{Msgpack: r.Config},
		PriorPrivate: r.Private, PriorIdentity: r.Identity, ProviderMeta: r.Meta, ClientCapabilities: capabilities(),
	}
	var out tfwire.PlanResourceChange_Response
	if f := p.checked(ctx, "say what the next apply would do", methodPlan, in, &out); f != nil {
		return nil, f
	}
	if out.GetDeferred() != nil {
		return nil, nil
	}
	return out.GetPlannedState(), nil
}

// IsLegacy says whether a type was made with the old SDK (terraform-plugin-sdk). That SDK marks each of its answers to
// PlanResourceChange as such, before it looks at what it was asked; no other may. So a question that nobody can answer is enough, and
// none of the provider's own code runs: the proposed state is a number where an object should be.
func (p *Process) IsLegacy(ctx context.Context, resourceType string) (bool, *Failure) {
	const packedNil, packedOne = 0xc0, 0x01
	null := &tfwire.DynamicValue{Msgpack: []byte{packedNil}}
	in := &tfwire.PlanResourceChange_Request{
		TypeName: resourceType, PriorState: null, Config: null, ProposedNewState: &tfwire.DynamicValue{Msgpack: []byte{packedOne}},
		ClientCapabilities: capabilities(),
	}
	var out tfwire.PlanResourceChange_Response
	f := p.call(ctx, "say which SDK it was made with", methodPlan, in, &out)
	if f != nil && !f.Lost && ctx.Err() == nil {
		return false, nil // an error is no mark
	}
	return out.GetLegacyTypeSystem(), f
}
