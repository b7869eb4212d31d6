package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
)

// bucketKind has a list of nested objects, a single one, numbers beyond 2^53, a
// default that the cloud chooses (region), attributes that move by themselves,
// and private state without which it cannot be read.
func bucketKind() resourceKind {
	return resourceKind{name: "bucket", private: true, schema: schema.Schema{
		Description: "A place for files.",
		Attributes: map[string]schema.Attribute{
			"id":   idAttribute(),
			"name": nameAttribute(),
			"region": schema.StringAttribute{Optional: true, Computed: true, Description: "Chosen by the cloud if not given.",
				PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()}},
			"versioning":  schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false)},
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
