package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// resourceKinds lists the resource types; adding one is adding a line.
func resourceKinds() []resourceKind {
	return []resourceKind{
		firewallKind(),
		bucketKind(),
		databaseKind(),
		dnsRecordKind(),
		roleKind(),
		instanceKind(),
		functionKind(),
		queueKind(),
		keyKind(),
		templateKind(),
		scalingGroupKind(),
	}
}

func idAttribute() schema.Attribute {
	return schema.StringAttribute{
		Computed:      true,
		Description:   "Chosen by the cloud.",
		PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
	}
}

func nameAttribute() schema.Attribute {
	return schema.StringAttribute{Required: true, Description: "A name for people."}
}

func tagsAttribute() schema.Attribute {
	return schema.MapAttribute{Optional: true, ElementType: types.StringType, Description: "Free labels."}
}

func arnAttribute() schema.Attribute {
	return schema.StringAttribute{
		Computed:      true,
		Description:   "The name that audit records use.",
		PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
	}
}
