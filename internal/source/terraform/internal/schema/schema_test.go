package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

type (
	block  = tfwire.Schema_Block
	attr   = tfwire.Schema_Attribute
	nested = tfwire.Schema_NestedBlock
	object = tfwire.Schema_Object
)

const (
	list   = tfwire.Schema_NestedBlock_LIST
	set    = tfwire.Schema_NestedBlock_SET
	single = tfwire.Schema_NestedBlock_SINGLE
	group  = tfwire.Schema_NestedBlock_GROUP
	named  = tfwire.Schema_NestedBlock_MAP
)

func text(name string) *attr { return &attr{Name: name, Type: []byte(`"string"`), Optional: true} }

func odd() *block {
	etag, secret, wo, region := text("etag"), text("secret"), text("wo"), text("region")
	etag.Optional, etag.Computed, region.Computed = false, true, true
	secret.Sensitive, wo.WriteOnly = true, true
	inner := func() *object {
		seen := text("seen")
		seen.Optional, seen.Computed = false, true
		token := text("token")
		token.Sensitive = true
		return &object{Attributes: []*attr{text("do"), seen, token}}
	}
	one, many, byName := inner(), inner(), inner()
	one.Nesting, many.Nesting, byName.Nesting = tfwire.Schema_Object_SINGLE, tfwire.Schema_Object_SET, tfwire.Schema_Object_MAP
	hidden := &attr{Name: "hidden", Sensitive: true, NestedType: inner(), Optional: true}
	hidden.NestedType.Nesting = tfwire.Schema_Object_LIST
	return &block{
		Attributes: []*attr{
			text("id"), etag, secret, wo, region, {Name: "any", Type: []byte(`"dynamic"`), Optional: true},
			{Name: "one", NestedType: one, Optional: true}, {Name: "many", NestedType: many, Optional: true},
			{Name: "by_name", NestedType: byName, Optional: true}, hidden,
		},
		BlockTypes: []*nested{
			{TypeName: "disk", Nesting: list, Block: &block{Attributes: []*attr{text("size"), secret}}},
			{TypeName: "wild", Nesting: list, Block: &block{Attributes: []*attr{{Name: "any", Type: []byte(`"dynamic"`), Optional: true}}}},
			{TypeName: "rule", Nesting: set, Block: &block{Attributes: []*attr{text("port")}}},
			{TypeName: "conf", Nesting: single, Block: &block{Attributes: []*attr{text("mode")}}},
			{TypeName: "limits", Nesting: group, Block: &block{Attributes: []*attr{text("cpu")}}},
			{TypeName: "route", Nesting: named, Block: &block{Attributes: []*attr{text("to")}}},
			{TypeName: "timeouts", Nesting: single, Block: &block{Attributes: []*attr{text("create")}}},
		},
	}
}

func TestBlockType(t *testing.T) {
	got, err := BlockType(odd())
	if err != nil {
		t.Fatal(err)
	}
	s := cty.String
	inner := cty.Object(map[string]cty.Type{"do": s, "seen": s, "token": s})
	want := cty.Object(map[string]cty.Type{
		"id": s, "etag": s, "secret": s, "wo": s, "region": s, "any": cty.DynamicPseudoType, "one": inner, "many": cty.Set(inner), "by_name": cty.Map(inner),
		"hidden": cty.List(inner), "disk": cty.List(cty.Object(map[string]cty.Type{"size": s, "secret": s})), "wild": cty.DynamicPseudoType,
		"rule": cty.Set(cty.Object(map[string]cty.Type{"port": s})), "conf": cty.Object(map[string]cty.Type{"mode": s}),
		"limits": cty.Object(map[string]cty.Type{"cpu": s}), "route": cty.Map(cty.Object(map[string]cty.Type{"to": s})),
		"timeouts": cty.Object(map[string]cty.Type{"create": s}),
	})
	if !got.Equals(want) {
		t.Errorf("got %#v", got)
	}
}

func TestBlockTypeRefuses(t *testing.T) {
	for name, b := range map[string]*block{
		"no type":            {Attributes: []*attr{{Name: "a"}}},
		"unknown type":       {Attributes: []*attr{{Name: "a", Type: []byte(`"strings"`)}}},
		"unknown nesting":    {BlockTypes: []*nested{{TypeName: "b", Block: &block{}}}},
		"unknown attribute":  {Attributes: []*attr{{Name: "a", NestedType: &object{}}}},
		"bad type in nested": {BlockTypes: []*nested{{TypeName: "b", Nesting: list, Block: &block{Attributes: []*attr{{Name: "a", Type: []byte("{")}}}}}},
	} {
		if _, err := Compile(&tfwire.Schema{Block: b}, false); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestHandling(t *testing.T) {
	r, err := Compile(&tfwire.Schema{Version: 3, Block: odd()}, false)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]taffrail.Treatment{}
	for _, h := range r.Handling {
		got[h.Path.String()] = h.Treatment
	}
	want := map[string]taffrail.Treatment{
		"etag": taffrail.Volatile, "wo": taffrail.WriteOnly, "one.seen": taffrail.Volatile, "many[*].seen": taffrail.Volatile,
		"by_name[*].seen": taffrail.Volatile, "hidden[*].seen": taffrail.Volatile, "timeouts": taffrail.Volatile,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Version != 3 || r.Legacy {
		t.Errorf("version %d, legacy %t", r.Version, r.Legacy)
	}
}

func TestSensitive(t *testing.T) {
	r, err := Compile(&tfwire.Schema{Block: odd()}, false)
	if err != nil {
		t.Fatal(err)
	}
	root := r.Root
	for name, n := range map[string]*Node{
		"secret": root.Field("secret"), "wo": root.Field("wo"), "hidden": root.Field("hidden"), "one.token": root.Field("one").Field("token"),
		"many[*].token": root.Field("many").Each().Field("token"), "disk[*].secret": root.Field("disk").Each().Field("secret"),
	} {
		if n == nil || !n.Sensitive {
			t.Errorf("%s is not sensitive", name)
		}
	}
	for name, n := range map[string]*Node{
		"id": root.Field("id"), "rule": root.Field("rule"), "conf": root.Field("conf"), "one.do": root.Field("one").Field("do"), "absent": root.Field("x").Each(),
	} {
		if n != nil {
			t.Errorf("%s has a node", name)
		}
	}
}

func TestLegacy(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		r, err := Compile(&tfwire.Schema{Block: &block{Attributes: []*attr{text("a")}}}, legacy)
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, h := range r.Handling {
			said = said || h.Treatment == taffrail.EmptyIsNull && h.Path.Equal(taffrail.Path{})
		}
		if r.Legacy != legacy || said != legacy {
			t.Errorf("legacy %t, handled %t", r.Legacy, said)
		}
	}
}

// What code writes has the type that the provider expects, whatever is left out.
func TestSpec(t *testing.T) {
	spec, err := Spec(odd())
	if err != nil {
		t.Fatal(err)
	}
	want, err := BlockType(odd())
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{
		"",
		`id = "x"
one = { do = "y" }
many = [{}, { do = "z" }]
any = [1]
disk { size = "1" }
disk { size = "2" }
wild { any = 1 }
wild { any = "x" }
rule { port = "1" }
conf { mode = "m" }
limits {}
route "r" { to = "t" }`,
	} {
		file, diags := hclsyntax.ParseConfig([]byte(code), "x.tf", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		v, diags := hcldec.Decode(file.Body, spec, nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if errs := v.Type().TestConformance(want); len(errs) > 0 {
			t.Errorf("%q: %v", code, errs)
		}
		if limits := v.GetAttr("limits"); limits.IsNull() {
			t.Error("a group that is not written is null")
		}
	}
}
