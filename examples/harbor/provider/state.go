package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

const privateKey = "harbor"

// privateState is what a private resource type keeps beside its state.
type privateState struct {
	ETag     string `json:"etag,omitempty"`
	Imported bool   `json:"imported,omitempty"`
}

// privateWriter is the framework's private state, whose type is internal to it.
type privateWriter interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

type privateReader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

// settle makes the state from what the cloud answered, and from prior what the
// cloud does not tell.
func (r *object) settle(ctx context.Context, o api.Object, prior tftypes.Value, state *tfsdk.State, private privateWriter) diag.Diagnostics {
	raw, err := r.stateOf(ctx, o, prior)
	if err != nil {
		return diag.Diagnostics{r.trouble("understand", o.ID, err)}
	}
	state.Raw = raw
	if !r.kind.private {
		return nil
	}
	content, err := json.Marshal(privateState{ETag: o.ETag})
	if err != nil {
		return diag.Diagnostics{r.trouble("remember", o.ID, err)}
	}
	return private.SetKey(ctx, privateKey, content)
}

func (r *object) stateOf(ctx context.Context, o api.Object, prior tftypes.Value) (tftypes.Value, error) {
	kept, err := membersOf(prior)
	if err != nil {
		return tftypes.Value{}, err
	}
	t, ok := r.kind.schema.Type().TerraformType(ctx).(tftypes.Object)
	if !ok {
		return tftypes.Value{}, errors.New("the schema is no object")
	}
	out := map[string]tftypes.Value{}
	for name, at := range t.AttributeTypes {
		if r.apart(prior, name) {
			out[name] = tftypes.NewValue(at, nil)
			continue
		}
		if out[name], err = r.attributeOf(o, name, at, kept[name]); err != nil {
			return tftypes.Value{}, err
		}
	}
	return tftypes.NewValue(t, out), nil
}

func (r *object) attributeOf(o api.Object, name string, t tftypes.Type, prior tftypes.Value) (tftypes.Value, error) {
	switch {
	case name == "id":
		return tftypes.NewValue(t, o.ID), nil
	case slices.Contains(r.kind.local, name):
		return prior, nil
	case slices.Contains(r.kind.echoed, name):
		if o.Attributes[name+"_set"] == false {
			return tftypes.NewValue(t, nil), nil
		}
		return prior, nil
	case r.kind.schema.Attributes[name].IsWriteOnly():
		return tftypes.NewValue(t, nil), nil
	}
	return decode(o.Attributes[name], t, name)
}

// checkPrivate is the error for a client that did not give the private state
// back, or nil.
func (r *object) checkPrivate(ctx context.Context, id string, private privateReader) diag.Diagnostic {
	if !r.kind.private {
		return nil
	}
	content, diags := private.GetKey(ctx, privateKey)
	var p privateState
	if diags.HasError() || len(content) == 0 || json.Unmarshal(content, &p) != nil || p.ETag == "" && !p.Imported {
		return diag.NewErrorDiagnostic(fmt.Sprintf("Cannot read harbor_%s %s: private state missing", r.kind.name, id),
			"The client did not give back the private state that this provider stored with the resource.")
	}
	return nil
}
