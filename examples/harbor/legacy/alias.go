package legacy

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// alias is a DNS record of the type CNAME, on terraform-plugin-framework. It kept
// the form that its type had on the old SDK: its id is computed and optional, and
// what is nested are blocks. Unlike that SDK it tells null from "" and from false.
type alias struct{ conn *connection }

// aliasState is both plan and state.
type aliasState struct {
	ID      types.String  `tfsdk:"id"`
	Zone    types.String  `tfsdk:"zone"`
	Name    types.String  `tfsdk:"name"`
	Target  types.String  `tfsdk:"target"`
	Comment types.String  `tfsdk:"comment"`
	Proxied types.Bool    `tfsdk:"proxied"`
	Probe   []aliasProbe  `tfsdk:"probe"`
	Weights types.Map     `tfsdk:"weights"`
	Score   types.Float64 `tfsdk:"score"`
}

type aliasProbe struct {
	Path types.String `tfsdk:"path"`
	Port types.Int64  `tfsdk:"port"`
}

// aliasObject is what the cloud keeps.
type aliasObject struct {
	Zone    string           `json:"zone"`
	Name    string           `json:"name"`
	Type    string           `json:"type"`
	Values  []string         `json:"values"`
	Comment *string          `json:"comment"`
	Proxied *bool            `json:"proxied"`
	Probes  []probe          `json:"probes"`
	Weights map[string]int64 `json:"weights"`
	Score   *float64         `json:"score"`
}

type probe struct {
	Path *string `json:"path"`
	Port *int64  `json:"port"`
}

func (*alias) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_alias"
}

func (*alias) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		Description: "Another name.",
		Attributes: map[string]schema.Attribute{
			"id":      schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}},
			"zone":    schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
			"name":    schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
			"target":  schema.StringAttribute{Required: true},
			"comment": schema.StringAttribute{Optional: true},
			"proxied": schema.BoolAttribute{Optional: true, Description: "Null is as the zone has it; false is not."},
			"weights": schema.MapAttribute{Optional: true, ElementType: types.Int64Type},
			"score":   schema.Float64Attribute{Optional: true},
		},
		Blocks: map[string]schema.Block{
			"probe": schema.ListNestedBlock{NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
				"path": schema.StringAttribute{Optional: true},
				"port": schema.Int64Attribute{Optional: true},
			}}},
		},
	}
}

func (a *alias) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	a.conn, _ = req.ProviderData.(*connection)
}

func (a *alias) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}

func (a *alias) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan aliasState
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	attributes, diags := plan.expand(ctx)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	o, err := a.conn.client.Create(ctx, "dns_record", attributes)
	if err != nil {
		resp.Diagnostics.Append(aliasTrouble("create", "", err))
		return
	}
	plan.ID = types.StringValue(o.ID)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (a *alias) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state aliasState
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	o, effect, err := a.conn.client.Get(ctx, "dns_record", id)
	if effect == api.Crash {
		a.conn.die(fmt.Sprintf("harborlegacy: crash on request while reading %salias %s", prefix, id))
	}
	switch {
	case client.NotFound(err):
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		resp.Diagnostics.Append(aliasTrouble("read", id, err))
		return
	}
	content, err := decode[aliasObject](o.Attributes)
	if err != nil {
		resp.Diagnostics.Append(aliasTrouble("understand", id, err))
		return
	}
	resp.Diagnostics.Append(state.flatten(ctx, content)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (a *alias) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan aliasState
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	attributes, diags := plan.expand(ctx)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	if _, err := a.conn.client.Patch(ctx, "dns_record", plan.ID.ValueString(), attributes, ""); err != nil {
		resp.Diagnostics.Append(aliasTrouble("update", plan.ID.ValueString(), err))
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (a *alias) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state aliasState
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	err := a.conn.client.Delete(ctx, "dns_record", state.ID.ValueString())
	if err != nil && !client.NotFound(err) {
		resp.Diagnostics.Append(aliasTrouble("delete", state.ID.ValueString(), err))
	}
}

func aliasTrouble(verb, id string, err error) diag.Diagnostic {
	what := fmt.Sprintf("Cannot %s %salias %s", verb, prefix, id)
	var refused *client.Error
	if errors.As(err, &refused) {
		return diag.NewErrorDiagnostic(fmt.Sprintf("%s: HTTP %d", what, refused.Status), refused.Code+": "+refused.Message)
	}
	return diag.NewErrorDiagnostic(what, err.Error())
}
