package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// roleKind knows nothing of the policies of a role: attachments and inline
// policies are resources of their own.
func roleKind() resourceKind {
	return resourceKind{name: "role", schema: schema.Schema{
		Description: "What somebody may be for a while.",
		Attributes: map[string]schema.Attribute{
			"id":                  idAttribute(),
			"arn":                 arnAttribute(),
			"name":                nameAttribute(),
			"tags":                tagsAttribute(),
			"description":         schema.StringAttribute{Optional: true},
			"trust_policy":        schema.StringAttribute{Required: true, Description: "JSON text: who may assume it."},
			"max_session_seconds": schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(3600)},
		},
	}}
}

func functionKind() resourceKind {
	return resourceKind{name: "function", schema: schema.Schema{
		Description: "Code that the cloud runs.",
		Attributes: map[string]schema.Attribute{
			"id":              idAttribute(),
			"arn":             arnAttribute(),
			"name":            nameAttribute(),
			"tags":            tagsAttribute(),
			"description":     schema.StringAttribute{Optional: true},
			"runtime":         schema.StringAttribute{Required: true},
			"role_id":         schema.StringAttribute{Optional: true},
			"code_hash":       schema.StringAttribute{Optional: true},
			"memory_mb":       schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(128)},
			"timeout_seconds": schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(3)},
			"environment":     schema.MapAttribute{Optional: true, ElementType: types.StringType},
		},
	}}
}

func queueKind() resourceKind {
	return resourceKind{name: "queue", schema: schema.Schema{
		Description: "Messages that wait.",
		Attributes: map[string]schema.Attribute{
			"id":                         idAttribute(),
			"arn":                        arnAttribute(),
			"url":                        schema.StringAttribute{Computed: true},
			"name":                       nameAttribute(),
			"tags":                       tagsAttribute(),
			"visibility_timeout_seconds": schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(30)},
			"delay_seconds":              schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(0)},
			"retention_seconds":          schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(345600)},
			"redrive_policy":             schema.StringAttribute{Optional: true, Description: "JSON text."},
		},
	}}
}
