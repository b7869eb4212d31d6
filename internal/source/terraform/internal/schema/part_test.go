package schema

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

type vals = map[string]cty.Value

func str(s string) cty.Value { return cty.StringVal(s) }

var none = cty.NullVal(cty.String)

func inner(do, seen, token cty.Value) cty.Value {
	return cty.ObjectVal(vals{"do": do, "seen": seen, "token": token})
}

// whole is a value of the odd type: all null but for what is given.
func whole(t *testing.T, given vals) cty.Value {
	t.Helper()
	typ, err := BlockType(odd())
	if err != nil {
		t.Fatal(err)
	}
	all := vals{}
	for name, at := range typ.AttributeTypes() {
		all[name] = cty.NullVal(at)
		if v, ok := given[name]; ok {
			all[name] = v
		}
	}
	return cty.ObjectVal(all)
}

func TestConfigHoldsWhatTheCodeMayHaveSaid(t *testing.T) {
	r, err := Compile(&tfwire.Schema{Block: odd()}, false)
	if err != nil {
		t.Fatal(err)
	}
	recorded := whole(t, vals{
		"id": str("i"), "etag": str("e"), "wo": str("w"), "region": str("r"), "one": inner(str("d"), str("s"), none),
		"many":    cty.SetVal([]cty.Value{inner(str("a"), str("1"), none), inner(str("b"), str("2"), none)}),
		"by_name": cty.MapVal(vals{"k": inner(str("a"), str("1"), none)}), "rule": cty.SetVal([]cty.Value{cty.ObjectVal(vals{"port": str("1")})}),
	})
	want := whole(t, vals{
		"id": str("i"), "region": str("r"), "one": inner(str("d"), none, none),
		"many":    cty.SetVal([]cty.Value{inner(str("a"), none, none), inner(str("b"), none, none)}),
		"by_name": cty.MapVal(vals{"k": inner(str("a"), none, none)}), "rule": cty.SetVal([]cty.Value{cty.ObjectVal(vals{"port": str("1")})}),
	})
	if got := r.Part.Config(recorded); !got.RawEquals(want) {
		t.Errorf("%#v", got)
	}
}

// From nothing changed follows nothing: what is proposed is what is there.
func TestProposeOfWhatIsThereIsThat(t *testing.T) {
	r, err := Compile(&tfwire.Schema{Block: odd()}, false)
	if err != nil {
		t.Fatal(err)
	}
	live := whole(t, vals{
		"id": str("i"), "etag": str("e"), "region": str("r"), "one": inner(str("d"), str("s"), none),
		"many":   cty.SetVal([]cty.Value{inner(str("a"), str("1"), none), inner(str("b"), str("2"), none)}),
		"hidden": cty.ListVal([]cty.Value{inner(str("a"), str("1"), none)}),
	})
	if got := r.Part.Propose(live, r.Part.Config(live)); !got.RawEquals(live) {
		t.Errorf("%#v", got)
	}
}

func TestProposeTakesTheCodeBeforeWhatIsThere(t *testing.T) {
	r, err := Compile(&tfwire.Schema{Block: odd()}, false)
	if err != nil {
		t.Fatal(err)
	}
	config := r.Part.Config(whole(t, vals{"id": str("i"), "many": cty.SetVal([]cty.Value{inner(str("a"), none, none)})}))
	live := whole(t, vals{
		"id": str("j"), "etag": str("e"), "region": str("r"),
		"many": cty.SetVal([]cty.Value{inner(str("a"), str("1"), none), inner(str("b"), str("2"), none)}),
	})
	want := whole(t, vals{"id": str("i"), "etag": str("e"), "region": str("r"), "many": cty.SetVal([]cty.Value{inner(str("a"), str("1"), none)})})
	if got := r.Part.Propose(live, config); !got.RawEquals(want) {
		t.Errorf("%#v", got)
	}
	if got := r.Part.Propose(cty.NullVal(live.Type()), config); !got.RawEquals(config) {
		t.Errorf("from nothing: %#v", got)
	}
}

func TestEither(t *testing.T) {
	r, err := Compile(&tfwire.Schema{Block: odd()}, false)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	r.Part.Either(r.Type, func(p taffrail.Path) { got = append(got, p.String()) })
	slices.Sort(got)
	if diff := cmp.Diff([]string{"region"}, got); diff != "" {
		t.Error(diff)
	}
}
