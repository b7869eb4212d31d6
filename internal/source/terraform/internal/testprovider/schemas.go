package testprovider

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

func attr(name string, t tftypes.Type, set ...func(*tfprotov6.SchemaAttribute)) *tfprotov6.SchemaAttribute {
	a := &tfprotov6.SchemaAttribute{Name: name, Type: t, Optional: true}
	for _, f := range set {
		f(a)
	}
	return a
}

func computed(a *tfprotov6.SchemaAttribute)  { a.Computed, a.Optional = true, false }
func also(a *tfprotov6.SchemaAttribute)      { a.Computed = true }
func sensitive(a *tfprotov6.SchemaAttribute) { a.Sensitive = true }
func writeOnly(a *tfprotov6.SchemaAttribute) { a.WriteOnly = true }

func nested(name string, mode tfprotov6.SchemaObjectNestingMode, attrs ...*tfprotov6.SchemaAttribute) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{Name: name, Optional: true, NestedType: &tfprotov6.SchemaObject{Nesting: mode, Attributes: attrs}}
}

func block(name string, mode tfprotov6.SchemaNestedBlockNestingMode, attrs ...*tfprotov6.SchemaAttribute) *tfprotov6.SchemaNestedBlock {
	return &tfprotov6.SchemaNestedBlock{TypeName: name, Nesting: mode, Block: &tfprotov6.SchemaBlock{Attributes: attrs}}
}

// Thing is a type of every shape that version 6 of the protocol knows.
var Thing = &tfprotov6.Schema{Version: 2, Block: &tfprotov6.SchemaBlock{
	Attributes: []*tfprotov6.SchemaAttribute{
		attr("id", tftypes.String, computed),
		attr("name", tftypes.String),
		attr("size", tftypes.Number),
		attr("on", tftypes.Bool),
		attr("tags", tftypes.Map{ElementType: tftypes.String}),
		attr("labels", tftypes.Set{ElementType: tftypes.String}),
		attr("items", tftypes.List{ElementType: tftypes.String}),
		attr("shape", tftypes.Object{AttributeTypes: map[string]tftypes.Type{"w": tftypes.Number, "h": tftypes.Number}}),
		attr("anything", tftypes.DynamicPseudoType),
		attr("password", tftypes.String, sensitive),
		attr("token_wo", tftypes.String, writeOnly),
		attr("etag", tftypes.String, computed),
		attr("region", tftypes.String, also),
		nested("inner", tfprotov6.SchemaObjectNestingModeSingle, attr("a", tftypes.String), attr("secret", tftypes.String, sensitive)),
		nested("steps", tfprotov6.SchemaObjectNestingModeList, attr("do", tftypes.String), attr("seen", tftypes.String, computed)),
		nested("users", tfprotov6.SchemaObjectNestingModeSet, attr("name", tftypes.String), attr("token", tftypes.String, sensitive)),
		nested("zones", tfprotov6.SchemaObjectNestingModeMap, attr("n", tftypes.Number)),
	},
	BlockTypes: []*tfprotov6.SchemaNestedBlock{
		block("disk", tfprotov6.SchemaNestedBlockNestingModeList, attr("gb", tftypes.Number), attr("key", tftypes.String, sensitive)),
		block("rule", tfprotov6.SchemaNestedBlockNestingModeSet, attr("port", tftypes.Number)),
		block("settings", tfprotov6.SchemaNestedBlockNestingModeSingle, attr("mode", tftypes.String)),
		block("route", tfprotov6.SchemaNestedBlockNestingModeMap, attr("to", tftypes.String)),
		block("limits", tfprotov6.SchemaNestedBlockNestingModeGroup, attr("cpu", tftypes.Number)),
		block("timeouts", tfprotov6.SchemaNestedBlockNestingModeSingle, attr("create", tftypes.String)),
	},
}}

// Legacy is a type as the old SDK makes them.
var Legacy = &tfprotov6.Schema{Version: 0, Block: &tfprotov6.SchemaBlock{
	Attributes: []*tfprotov6.SchemaAttribute{
		attr("id", tftypes.String, also),
		attr("name", tftypes.String),
		attr("note", tftypes.String),
		attr("password", tftypes.String, sensitive),
		attr("token_wo", tftypes.String, writeOnly),
		attr("tags", tftypes.Map{ElementType: tftypes.String}),
	},
	BlockTypes: []*tfprotov6.SchemaNestedBlock{
		block("disk", tfprotov6.SchemaNestedBlockNestingModeList, attr("gb", tftypes.Number)),
		block("timeouts", tfprotov6.SchemaNestedBlockNestingModeSingle, attr("create", tftypes.String)),
	},
}}

// Config is the schema of the provider's own configuration.
var Config = &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{
	Attributes: []*tfprotov6.SchemaAttribute{
		attr("region", tftypes.String),
		attr("token", tftypes.String, sensitive),
		attr("retries", tftypes.Number),
	},
	BlockTypes: []*tfprotov6.SchemaNestedBlock{
		block("endpoint", tfprotov6.SchemaNestedBlockNestingModeList, attr("url", tftypes.String)),
		block("assume", tfprotov6.SchemaNestedBlockNestingModeGroup, attr("role", tftypes.String)),
	},
}}

// identity is the identity schema of odd_thing.
var identity = &tfprotov6.ResourceIdentitySchema{
	Version: 1, IdentityAttributes: []*tfprotov6.ResourceIdentitySchemaAttribute{{Name: "key", Type: tftypes.String, RequiredForImport: true}},
}

// resources of version 6; version 5 has the last alone.
var resources = map[string]*tfprotov6.Schema{"odd_thing": Thing, "odd_legacy": Legacy}
