package legacy

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// expand makes the cloud's attributes of a plan; null is nil.
func (s aliasState) expand(ctx context.Context) (map[string]any, diag.Diagnostics) {
	o := aliasObject{
		Zone: s.Zone.ValueString(), Name: s.Name.ValueString(), Type: "CNAME", Values: []string{s.Target.ValueString()},
		Comment: s.Comment.ValueStringPointer(), Proxied: s.Proxied.ValueBoolPointer(), Score: s.Score.ValueFloat64Pointer(),
	}
	for _, p := range s.Probe {
		o.Probes = append(o.Probes, probe{Path: p.Path.ValueStringPointer(), Port: p.Port.ValueInt64Pointer()})
	}
	diags := s.Weights.ElementsAs(ctx, &o.Weights, false)
	if diags.HasError() {
		return nil, diags
	}
	attributes, err := encode(o)
	if err != nil {
		diags.AddError("The plan cannot be sent", err.Error())
	}
	return attributes, diags
}

// flatten puts the cloud's object into the state; what is not there is null.
func (s *aliasState) flatten(ctx context.Context, o aliasObject) diag.Diagnostics {
	s.Zone, s.Name, s.Target = types.StringValue(o.Zone), types.StringValue(o.Name), types.StringNull()
	if len(o.Values) > 0 {
		s.Target = types.StringValue(o.Values[0])
	}
	s.Comment, s.Proxied, s.Score = types.StringPointerValue(o.Comment), types.BoolPointerValue(o.Proxied), types.Float64PointerValue(o.Score)
	s.Probe = nil
	for _, p := range o.Probes {
		s.Probe = append(s.Probe, aliasProbe{Path: types.StringPointerValue(p.Path), Port: types.Int64PointerValue(p.Port)})
	}
	if o.Weights == nil {
		s.Weights = types.MapNull(types.Int64Type)
		return nil
	}
	var diags diag.Diagnostics
	s.Weights, diags = types.MapValueFrom(ctx, types.Int64Type, o.Weights)
	return diags
}
