package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// IdentitySchema gives each type the identity "id", and the attributes that its
// kind names beside it. What the cloud can find out by the id alone need not be
// given for an import.
func (r *object) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	attributes := map[string]identityschema.Attribute{
		"id": identityschema.StringAttribute{RequiredForImport: true, Description: "Chosen by the cloud."},
	}
	for _, name := range r.kind.identity {
		attributes[name] = identityschema.StringAttribute{OptionalForImport: true}
	}
	resp.IdentitySchema = identityschema.Schema{Attributes: attributes}
}

// identify makes the identity of a state. A framework that was not asked for one
// gives none to fill.
func (r *object) identify(ctx context.Context, state tftypes.Value, identity *tfsdk.ResourceIdentity) diag.Diagnostics {
	var diags diag.Diagnostics
	if identity == nil || state.IsNull() {
		return diags
	}
	for _, name := range append([]string{"id"}, r.kind.identity...) {
		diags.Append(identity.SetAttribute(ctx, path.Root(name), stringAt(state, name))...)
	}
	return diags
}
