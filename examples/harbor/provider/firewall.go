package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// firewallKind has a set of nested objects, whose elements hold a set again, and
// a default that the provider plans.
func firewallKind() resourceKind {
	return resourceKind{name: "firewall", schema: schema.Schema{
		Description: "A list of what may pass.",
		Attributes: map[string]schema.Attribute{
			"id":             idAttribute(),
			"name":           nameAttribute(),
			"description":    schema.StringAttribute{Optional: true},
			"tags":           tagsAttribute(),
			"default_action": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString("deny"), Description: "allow or deny."},
			"rules": schema.SetNestedAttribute{
				Optional: true,
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"direction":   schema.StringAttribute{Required: true, Description: "in or out."},
					"protocol":    schema.StringAttribute{Required: true},
					"from_port":   schema.Int64Attribute{Required: true},
					"to_port":     schema.Int64Attribute{Required: true},
					"cidrs":       schema.SetAttribute{Required: true, ElementType: types.StringType},
					"description": schema.StringAttribute{Optional: true},
				}},
			},
		},
	}}
}
