package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// A resourceKind is what is particular to one resource type.
type resourceKind struct {
	name   string // in the cloud; harbor_NAME in Terraform
	schema schema.Schema
	// echoed are attributes that the cloud takes and never answers: Read keeps
	// what the state has, or null where the cloud answers NAME_set false.
	echoed []string
	// local are attributes that the cloud never sees.
	local []string
	// writeOnly maps a write-only attribute X to the cloud's name for it. It is
	// sent on create, and on update when X_version changed.
	writeOnly map[string]string
	// private asks for the private state back on each read.
	private bool
	// upgraders lead from an older schema version to this one.
	upgraders map[int64]resource.StateUpgrader
}

// object implements every resource type.
type object struct {
	kind resourceKind
	conn *connection
}

var (
	_ resource.ResourceWithConfigure    = (*object)(nil)
	_ resource.ResourceWithImportState  = (*object)(nil)
	_ resource.ResourceWithUpgradeState = (*object)(nil)
)

const privateKey = "harbor"

// privateState is what a private resource type keeps beside its state.
type privateState struct {
	ETag     string `json:"etag,omitempty"`
	Imported bool   `json:"imported,omitempty"`
}

func (r *object) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + r.kind.name
}

func (r *object) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = r.kind.schema
}

func (r *object) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if conn, ok := req.ProviderData.(*connection); ok {
		r.conn = conn
	}
}

func (r *object) UpgradeState(context.Context) map[int64]resource.StateUpgrader {
	return r.kind.upgraders
}

func (r *object) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
	if r.kind.private {
		content, _ := json.Marshal(privateState{Imported: true})
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, privateKey, content)...)
	}
}

func (r *object) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	attributes, err := r.payload(req.Plan.Raw)
	if err == nil {
		err = r.addWriteOnly(attributes, req.Config.Raw)
	}
	if err != nil {
		resp.Diagnostics.Append(r.trouble("create", "", err))
		return
	}
	for name, v := range attributes {
		if v == nil {
			delete(attributes, name)
		}
	}
	o, err := r.conn.client.Create(ctx, r.kind.name, attributes)
	if err != nil {
		resp.Diagnostics.Append(r.trouble("create", "", err))
		return
	}
	resp.Diagnostics.Append(r.settle(ctx, o, req.Plan.Raw, &resp.State, resp.Private)...)
}

func (r *object) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	id := stringAt(req.State.Raw, "id")
	if d := r.checkPrivate(ctx, id, req.Private); d != nil {
		resp.Diagnostics.Append(d)
		return
	}
	o, effect, err := r.conn.client.Get(ctx, r.kind.name, id)
	if effect == api.Crash {
		r.conn.die(fmt.Sprintf("harbor: crash on request while reading harbor_%s %s", r.kind.name, id))
	}
	switch {
	case client.NotFound(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.Append(r.trouble("read", id, err))
	default:
		resp.Diagnostics.Append(r.settle(ctx, o, req.State.Raw, &resp.State, resp.Private)...)
	}
}

func (r *object) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	id := stringAt(req.State.Raw, "id")
	attributes, err := r.payload(req.Plan.Raw)
	if err == nil {
		err = r.addRotated(attributes, req.Config.Raw, req.State.Raw, req.Plan.Raw)
	}
	if err != nil {
		resp.Diagnostics.Append(r.trouble("update", id, err))
		return
	}
	o, err := r.conn.client.Patch(ctx, r.kind.name, id, attributes, "")
	if err != nil {
		resp.Diagnostics.Append(r.trouble("update", id, err))
		return
	}
	resp.Diagnostics.Append(r.settle(ctx, o, req.Plan.Raw, &resp.State, resp.Private)...)
}

func (r *object) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	id := stringAt(req.State.Raw, "id")
	if err := r.conn.client.Delete(ctx, r.kind.name, id); err != nil && !client.NotFound(err) {
		resp.Diagnostics.Append(r.trouble("delete", id, err))
	}
}

// payload returns what the cloud is to know of a plan: null is nil, what the
// cloud will choose is left out.
func (r *object) payload(plan tftypes.Value) (map[string]any, error) {
	members, err := membersOf(plan)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for name, v := range members {
		if !v.IsFullyKnown() || !r.sent(name) {
			continue
		}
		if out[name], err = encode(v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// sent tells whether an attribute goes to the cloud with the plan.
func (r *object) sent(name string) bool {
	a := r.kind.schema.Attributes[name]
	written := a.IsRequired() || a.IsOptional()
	return written && !a.IsWriteOnly() && !slices.Contains(r.kind.local, name)
}

// addWriteOnly adds the write-only attributes, which stand in the configuration alone.
func (r *object) addWriteOnly(attributes map[string]any, config tftypes.Value) error {
	members, err := membersOf(config)
	if err != nil {
		return err
	}
	for name, remote := range r.kind.writeOnly {
		if attributes[remote], err = encode(members[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// addRotated adds the write-only attributes if one of their versions changed.
func (r *object) addRotated(attributes map[string]any, config, state, plan tftypes.Value) error {
	before, err := membersOf(state)
	if err != nil {
		return err
	}
	after, err := membersOf(plan)
	if err != nil {
		return err
	}
	for name := range r.kind.writeOnly {
		if !before[name+"_version"].Equal(after[name+"_version"]) {
			return r.addWriteOnly(attributes, config)
		}
	}
	return nil
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

// trouble is the diagnostic for an operation that did not work. It names the
// type, the id and the HTTP status, where there was one.
func (r *object) trouble(verb, id string, err error) diag.Diagnostic {
	what := "harbor_" + r.kind.name
	if id != "" {
		what += " " + id
	}
	var refused *client.Error
	if errors.As(err, &refused) {
		return diag.NewErrorDiagnostic(fmt.Sprintf("Cannot %s %s: HTTP %d", verb, what, refused.Status), refused.Code+": "+refused.Message)
	}
	return diag.NewErrorDiagnostic(fmt.Sprintf("Cannot %s %s", verb, what), err.Error())
}

func membersOf(v tftypes.Value) (map[string]tftypes.Value, error) {
	var members map[string]tftypes.Value
	err := v.As(&members)
	return members, err
}

// stringAt returns a string attribute, or "" where there is none.
func stringAt(v tftypes.Value, name string) string {
	members, err := membersOf(v)
	if err != nil {
		return ""
	}
	var s string
	if m, ok := members[name]; !ok || !m.IsKnown() || m.IsNull() || m.As(&s) != nil {
		return ""
	}
	return s
}
