package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

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
	// separate are attributes that the cloud does not see, and that are null,
	// where the attribute "parts" says so: resources of their own have them.
	separate []string
	// writeOnly maps a write-only attribute X to the cloud's name for it. It is
	// sent on create, and on update when X_version changed.
	writeOnly map[string]string
	// private asks for the private state back on each read.
	private bool
	// identity are the string attributes that are in the identity beside "id".
	identity []string
	// unlisted types have no list.
	unlisted bool
	// listedBy are string attributes that must be given for a list.
	listedBy []string
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
	_ resource.ResourceWithIdentity     = (*object)(nil)
	_ list.ListResourceWithConfigure    = (*object)(nil)
)

func (r *object) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + r.kind.name
	resp.ResourceBehavior.MutableIdentity = len(r.kind.identity) > 0 // a person may change them
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
	resource.ImportStatePassthroughWithIdentity(ctx, path.Root("id"), path.Root("id"), req, resp)
	if r.kind.private {
		content, _ := json.Marshal(privateState{Imported: true})
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, privateKey, content)...)
	}
}

func (r *object) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	if !r.ready("create", &resp.Diagnostics) {
		return
	}
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
	o, err := r.conn.client.Make(ctx, r.kind.name, attributes)
	if err != nil {
		resp.Diagnostics.Append(r.trouble("create", o.ID, err))
	}
	if o.ID == "" {
		return
	}
	resp.Diagnostics.Append(r.settle(ctx, o, req.Plan.Raw, &resp.State, resp.Private)...)
	resp.Diagnostics.Append(r.identify(ctx, resp.State.Raw, resp.Identity)...)
}

func (r *object) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	if !r.ready("read", &resp.Diagnostics) {
		return
	}
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
		// The framework wants an identity of what is gone as well, where the state had none.
		resp.Diagnostics.Append(r.identify(ctx, req.State.Raw, resp.Identity)...)
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.Append(r.trouble("read", id, err))
	default:
		resp.Diagnostics.Append(r.settle(ctx, o, req.State.Raw, &resp.State, resp.Private)...)
		resp.Diagnostics.Append(r.identify(ctx, resp.State.Raw, resp.Identity)...)
	}
}

func (r *object) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	if !r.ready("update", &resp.Diagnostics) {
		return
	}
	id := stringAt(req.State.Raw, "id")
	attributes, err := r.payload(req.Plan.Raw)
	if err == nil {
		err = r.addRotated(attributes, req.Config.Raw, req.State.Raw, req.Plan.Raw)
	}
	if err != nil {
		resp.Diagnostics.Append(r.trouble("update", id, err))
		return
	}
	before, err := r.payload(req.State.Raw)
	if err != nil {
		resp.Diagnostics.Append(r.trouble("update", id, err))
		return
	}
	o, err := r.conn.client.Change(ctx, api.Object{Type: r.kind.name, ID: id, Attributes: before}, attributes, "")
	if err != nil {
		resp.Diagnostics.Append(r.trouble("update", id, err))
		return
	}
	resp.Diagnostics.Append(r.settle(ctx, o, req.Plan.Raw, &resp.State, resp.Private)...)
	resp.Diagnostics.Append(r.identify(ctx, resp.State.Raw, resp.Identity)...)
}

func (r *object) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	if !r.ready("delete", &resp.Diagnostics) {
		return
	}
	id := stringAt(req.State.Raw, "id")
	if err := r.conn.client.Delete(ctx, r.kind.name, id); err != nil && !client.NotFound(err) {
		resp.Diagnostics.Append(r.trouble("delete", id, err))
	}
}

// ready tells whether the provider was configured, and complains if not.
func (r *object) ready(verb string, diags *diag.Diagnostics) bool {
	if r.conn == nil {
		diags.Append(r.trouble(verb, "", errors.New("the provider is not configured")))
	}
	return r.conn != nil
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
