package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func instanceKind() resourceKind {
	return resourceKind{name: "instance", schema: schema.Schema{
		Description: "A machine.",
		Attributes: map[string]schema.Attribute{
			"id":                     idAttribute(),
			"arn":                    arnAttribute(),
			"name":                   nameAttribute(),
			"tags":                   tagsAttribute(),
			"instance_type":          schema.StringAttribute{Required: true},
			"state":                  schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString("running"), Description: "running or stopped."},
			"user_data":              schema.StringAttribute{Optional: true},
			"firewall_ids":           schema.SetAttribute{Optional: true, ElementType: types.StringType},
			"termination_protection": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false)},
			"private_ip":             schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}},
			"metadata_options": schema.SingleNestedAttribute{Optional: true, Attributes: map[string]schema.Attribute{
				"http_tokens": schema.StringAttribute{Required: true, Description: "required or optional."},
				"hop_limit":   schema.Int64Attribute{Optional: true},
			}},
		},
	}}
}

func templateKind() resourceKind {
	return resourceKind{name: "template", schema: schema.Schema{
		Description: "What the machines of a scaling group are like.",
		Attributes: map[string]schema.Attribute{
			"id":            idAttribute(),
			"arn":           arnAttribute(),
			"name":          nameAttribute(),
			"tags":          tagsAttribute(),
			"image":         schema.StringAttribute{Required: true},
			"instance_type": schema.StringAttribute{Required: true},
		},
	}}
}

// scalingGroupKind has a number that a controller of the cloud moves, and
// attributes that come from another object.
func scalingGroupKind() resourceKind {
	return resourceKind{name: "scaling_group", schema: schema.Schema{
		Description: "A number of machines, which the cloud's autoscaler changes.",
		Attributes: map[string]schema.Attribute{
			"id":               idAttribute(),
			"arn":              arnAttribute(),
			"name":             nameAttribute(),
			"tags":             tagsAttribute(),
			"min_size":         schema.Int64Attribute{Required: true},
			"max_size":         schema.Int64Attribute{Required: true},
			"desired_capacity": schema.Int64Attribute{Optional: true, Computed: true, PlanModifiers: []planmodifier.Int64{int64planmodifier.UseStateForUnknown()}, Description: "Moved by the autoscaler."},
			"cooldown_seconds": schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(300)},
			"template_id":      schema.StringAttribute{Optional: true},
			"image":            schema.StringAttribute{Computed: true, Description: "That of the template."},
			"instance_type":    schema.StringAttribute{Computed: true, Description: "That of the template."},
		},
	}}
}
