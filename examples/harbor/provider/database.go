package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// databaseKind has secrets of four sorts: a password that the cloud never
// answers, a write-only one, a sensitive leaf of a computed object, and a
// sensitive leaf of the elements of a set. Databases cannot be listed.
func databaseKind() resourceKind {
	return resourceKind{
		name:      "database",
		unlisted:  true,
		echoed:    []string{"password"},
		local:     []string{"admin_password_wo_version"},
		writeOnly: map[string]string{"admin_password_wo": "admin_password"},
		schema: schema.Schema{
			Description: "A database server.",
			Attributes: map[string]schema.Attribute{
				"id":     idAttribute(),
				"name":   nameAttribute(),
				"engine": schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
				"size":   schema.StringAttribute{Required: true},
				"password": schema.StringAttribute{Optional: true, Sensitive: true,
					Description: "The cloud never answers it; the state keeps what was set."},
				"admin_password_wo":         schema.StringAttribute{Optional: true, WriteOnly: true, Description: "Never in the state."},
				"admin_password_wo_version": schema.Int64Attribute{Optional: true, Description: "Raise it to send admin_password_wo again."},
				"parameters":                schema.MapAttribute{Optional: true, ElementType: types.StringType},
				"endpoint": schema.SingleNestedAttribute{
					Computed:      true,
					PlanModifiers: []planmodifier.Object{objectplanmodifier.UseStateForUnknown()},
					Attributes: map[string]schema.Attribute{
						"host": schema.StringAttribute{Computed: true},
						"port": schema.Int64Attribute{Computed: true},
						"uri":  schema.StringAttribute{Computed: true, Sensitive: true},
					}},
				"users": schema.SetNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{
					Attributes: map[string]schema.Attribute{
						"name":  schema.StringAttribute{Required: true},
						"role":  schema.StringAttribute{Optional: true},
						"token": schema.StringAttribute{Optional: true, Sensitive: true},
					}}},
			},
		},
	}
}
