package testprovider

import (
	"context"
	"os"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"
)

// PlanResourceChange plans what is proposed, but for what the world says that a plan keeps. The old type is marked as such in
// every answer, as the old SDK does it. What cannot be read is an error, unless the world wants the question to be deadly.
func (s *server) PlanResourceChange(_ context.Context, r *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	resp := &tfprotov6.PlanResourceChangeResponse{UnsafeToUseLegacyTypeSystem: r.TypeName == "odd_legacy", PlannedPrivate: r.PriorPrivate} //nolint:staticcheck // as the old SDK does
	t := ctyType(resources[r.TypeName].ValueType())
	proposed, err := msgpack.Unmarshal(r.ProposedNewState.MsgPack, t)
	if err != nil {
		s.log("probe %s", r.TypeName)
		if s.object(r.TypeName, "probe").Fault == "crash" {
			os.Exit(3)
		}
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure(err.Error())}
		return resp, nil
	}
	prior, err := msgpack.Unmarshal(r.PriorState.MsgPack, t)
	if err != nil {
		return nil, err
	}
	id := prior.GetAttr("id").AsString()
	s.log("plan %s/%s private=%s", r.TypeName, id, r.PriorPrivate)
	o := s.object(r.TypeName, id)
	switch o.PlanFault {
	case "crash":
		os.Exit(3)
	case "error":
		resp.Diagnostics = []*tfprotov6.Diagnostic{failure("there is no plan")}
		return resp, nil
	}
	values := proposed.AsValueMap()
	for name := range values {
		switch {
		case name == o.PlanStirred && prior.GetAttr(name).AsString() != "e1":
			values[name] = cty.UnknownVal(t.AttributeType(name))
		case slices.Contains(o.PlanKeeps, name):
			values[name] = prior.GetAttr(name)
		case slices.Contains(o.PlanUnknown, name):
			values[name] = cty.UnknownVal(t.AttributeType(name))
		}
	}
	packed, err := msgpack.Marshal(cty.ObjectVal(values), t)
	resp.PlannedState = &tfprotov6.DynamicValue{MsgPack: packed}
	return resp, err
}

func (s *serverV5) PlanResourceChange(ctx context.Context, r *tfprotov5.PlanResourceChangeRequest) (*tfprotov5.PlanResourceChangeResponse, error) {
	out, err := s.v6.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{
		TypeName: r.TypeName, PriorState: (*tfprotov6.DynamicValue)(r.PriorState), ProposedNewState: (*tfprotov6.DynamicValue)(r.ProposedNewState),
		Config: (*tfprotov6.DynamicValue)(r.Config), PriorPrivate: r.PriorPrivate,
	})
	if err != nil {
		return nil, err
	}
	return &tfprotov5.PlanResourceChangeResponse{
		PlannedState: (*tfprotov5.DynamicValue)(out.PlannedState), PlannedPrivate: out.PlannedPrivate, Diagnostics: diagnosticsV5(out.Diagnostics),
		UnsafeToUseLegacyTypeSystem: out.UnsafeToUseLegacyTypeSystem, //nolint:staticcheck // as the old SDK does
	}, nil
}
