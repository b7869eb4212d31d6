package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// bucketKind has a list of nested objects, a single one, numbers beyond 2^53, a
// default that the cloud chooses (region), attributes that move by themselves,
// and private state without which it cannot be read.
func bucketKind() resourceKind {
	return resourceKind{name: "bucket", private: true, local: []string{"parts"}, separate: []string{"policy", "versioning", "encryption"}, schema: schema.Schema{
		Description: "A place for files.",
		Attributes: map[string]schema.Attribute{
			"id":   idAttribute(),
			"name": nameAttribute(),
			"region": schema.StringAttribute{Optional: true, Computed: true, Description: "Chosen by the cloud if not given.",
				PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()}},
			"parts": schema.StringAttribute{Optional: true,
				Description: `"separate" where harbor_bucket_policy, harbor_bucket_versioning and harbor_bucket_encryption have the policy, versioning and encryption.`},
			"versioning":  schema.BoolAttribute{Optional: true, Computed: true, PlanModifiers: []planmodifier.Bool{offUnlessSeparate{}}},
			"quota_bytes": schema.NumberAttribute{Optional: true},
			"policy":      schema.StringAttribute{Optional: true, Description: "JSON text; the cloud keeps it as it is."},
			"tags":        tagsAttribute(),
			"encryption": schema.SingleNestedAttribute{Optional: true, Attributes: map[string]schema.Attribute{
				"algorithm": schema.StringAttribute{Required: true},
				"key_id":    schema.StringAttribute{Optional: true},
			}},
			"lifecycle_rules": schema.ListNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{
				Attributes: map[string]schema.Attribute{
					"id":          schema.StringAttribute{Required: true},
					"prefix":      schema.StringAttribute{Optional: true},
					"expire_days": schema.Int64Attribute{Required: true},
					"enabled":     schema.BoolAttribute{Required: true},
				}}},
			"object_count": schema.Int64Attribute{Computed: true, Description: "Grows by itself."},
			"updated_at":   schema.StringAttribute{Computed: true, Description: "Moves by itself."},
			"etag":         schema.StringAttribute{Computed: true, Description: "Moves by itself."},
		},
	}}
}

// separateParts is what "parts" is where the parts of a bucket are resources.
const separateParts = "separate"

// offUnlessSeparate plans false where nothing is configured, and nothing where
// the versioning is a resource of its own.
type offUnlessSeparate struct{}

func (offUnlessSeparate) Description(context.Context) string {
	return "false, unless a resource of its own has it"
}

func (m offUnlessSeparate) MarkdownDescription(ctx context.Context) string {
	return m.Description(ctx)
}

func (offUnlessSeparate) PlanModifyBool(ctx context.Context, req planmodifier.BoolRequest, resp *planmodifier.BoolResponse) {
	if !req.ConfigValue.IsNull() {
		return
	}
	var parts types.String
	resp.Diagnostics.Append(req.Plan.GetAttribute(ctx, path.Root("parts"), &parts)...)
	resp.PlanValue = types.BoolValue(false)
	if parts.ValueString() == separateParts {
		resp.PlanValue = types.BoolNull()
	}
}
