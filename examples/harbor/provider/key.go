package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
)

// keyKind has a secret that the cloud makes anew by itself, of which the name
// alone is known.
func keyKind() resourceKind {
	return resourceKind{name: "key", schema: schema.Schema{
		Description: "A key that never leaves the cloud.",
		Attributes: map[string]schema.Attribute{
			"id":          idAttribute(),
			"arn":         arnAttribute(),
			"name":        nameAttribute(),
			"tags":        tagsAttribute(),
			"description": schema.StringAttribute{Optional: true},
			"policy":      schema.StringAttribute{Optional: true, Description: "JSON text: who may use it."},
			"enabled":     schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(true)},
			"rotation":    schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false)},
			"material":    schema.StringAttribute{Computed: true, Description: "Moves by itself where rotation is on."},
		},
	}}
}
