package planfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

func plan(t *testing.T, body string) *Plan {
	t.Helper()
	p, err := Parse(strings.NewReader(`{"format_version":"1.2","terraform_version":"1.11.4",`+body+`"errored":false}`), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func change(address, actions, more string) string {
	return fmt.Sprintf(`{"address":%q,"mode":"managed","type":"t","name":"n","provider_name":"r.example/a/b","change":{"actions":[%s],"before":{"a":1},"after":{"a":2}}%s}`, address, actions, more)
}

func TestActions(t *testing.T) {
	for _, tc := range []struct {
		actions, more string
		want          taffrail.Action
	}{
		{`"create"`, "", taffrail.ActionCreate},
		{`"update"`, "", taffrail.ActionUpdate},
		{`"delete"`, "", taffrail.ActionDelete},
		{`"delete","create"`, "", taffrail.ActionReplace},
		{`"create","delete"`, "", taffrail.ActionReplace},
		{`"create","forget"`, "", taffrail.ActionReplace},
		{`"forget"`, "", taffrail.ActionForget},
		{`"no-op"`, `,"previous_address":"t.old"`, taffrail.ActionMove},
		{`"update"`, `,"previous_address":"t.old"`, taffrail.ActionUpdate},
	} {
		p := plan(t, `"resource_changes":[`+change("t.n", tc.actions, tc.more)+`],`)
		if len(p.Changes) != 1 || p.Changes[0].Action != tc.want {
			t.Errorf("%s: %+v", tc.actions, p.Changes)
			continue
		}
		wantOld := "t.n"
		if tc.more != "" {
			wantOld = "t.old"
		}
		if got := p.Changes[0].Recorded(); got != wantOld {
			t.Errorf("%s: recorded at %s", tc.actions, got)
		}
	}
	imported := strings.Replace(change("t.n", `"no-op"`, ""), `"after"`, `"importing":{"id":"x"},"after"`, 1)
	if p := plan(t, `"resource_changes":[`+imported+`],`); p.Changes[0].Action != taffrail.ActionImport {
		t.Errorf("%+v", p.Changes)
	}
	same := change("t.n", `"no-op"`, "")
	if p := plan(t, `"resource_changes":[`+same+`],`); len(p.Changes) != 0 || !p.Unchanged["t.n"] {
		t.Errorf("%+v", p)
	}
}

// The tools plan updates that update nothing, where only their notes of what is sensitive differ.
func TestTrap40_AnUpdateOfNothingIsNone(t *testing.T) {
	update := func(before, after, unknown string) string {
		return fmt.Sprintf(`{"address":"t.n","mode":"managed","type":"t","name":"n","change":{"actions":["update"],"before":%s,"after":%s,"after_unknown":%s}}`, before, after, unknown)
	}
	for _, tc := range []struct {
		before, after, unknown string
		want                   int
	}{
		{`{"a":1,"b":[null]}`, `{"b":[null],"a":1}`, `{"b":[false]}`, 0},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, `{}`, 1},
		{`{"a":1}`, `{"a":1}`, `{"b":[{"c":true}]}`, 1},
	} {
		text := update(tc.before, tc.after, tc.unknown)
		p := plan(t, `"resource_drift":[`+text+`],"resource_changes":[`+text+`],`)
		if len(p.Changes) != tc.want || len(p.Drift) != tc.want || p.Unchanged["t.n"] == (tc.want == 1) {
			t.Errorf("%s: %+v", text, p)
		}
	}
}

// Drift and what code wants are two things; data sources and outputs are neither.
func TestTrap37_DriftIsNotPendingAndDataIsNeither(t *testing.T) {
	data := strings.Replace(change("data.t.n", `"read"`, ""), `"managed"`, `"data"`, 1)
	p := plan(t, `"resource_drift":[`+change("t.drifted", `"update"`, "")+`,`+change("t.n", `"no-op"`, `,"previous_address":"t.o"`)+`],
		"resource_changes":[`+change("t.wanted", `"update"`, "")+`,`+data+`],
		"output_changes":{"o":{"actions":["create"],"after":"]}"}},`)
	if len(p.Drift) != 1 || p.Drift[0].Address != "t.drifted" || len(p.Changes) != 1 || p.Changes[0].Address != "t.wanted" || len(p.Unchanged) != 0 {
		t.Errorf("%+v", p)
	}
}

// A plan says itself whether it is whole.
func TestTrap2_APlanThatWasGivenUpSaysSo(t *testing.T) {
	for _, tc := range []struct {
		text             string
		errored, partial bool
	}{
		{`{"format_version":"1.2","errored":true}`, true, false},
		{`{"format_version":"1.2","complete":false,"errored":false}`, false, true},
		{`{"format_version":"1.2","complete":true,"errored":false}`, false, false},
		{`{"format_version":"1.0"}`, false, false},
	} {
		p, err := Parse(strings.NewReader(tc.text), DefaultLimits())
		if err != nil || p.Errored != tc.errored || p.Partial != tc.partial {
			t.Errorf("%s: %+v, %v", tc.text, p, err)
		}
	}
	p := plan(t, `"deferred_changes":[{"reason":"unknown","resource_change":{"address":"t.later"}}],`)
	if diff := cmp.Diff([]Deferred{{Address: "t.later", Reason: "unknown"}}, p.Deferred); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", ``, "unexpected EOF"},
		{"cut", `{"format_version":"1.2","resource_changes":[{"address":"a`, "unexpected EOF"},
		{"no version", `{"errored":false}`, `format version ""`},
		{"other version", `{"format_version":"2.0"}`, `format version "2.0"`},
		{"no object", `[]`, `'[' stands where '{'`},
		{"more after the end", `{"format_version":"1.2"} {}`, "after the end"},
		{"no comma", `{"format_version":"1.2" "errored":true}`, "between two fields"},
		{"unknown action", `{"format_version":"1.2","resource_changes":[` + change("t.n", `"explode"`, "") + `]}`, "explode"},
		{"unknown mode", `{"format_version":"1.2","resource_changes":[{"address":"a","mode":"odd"}]}`, "odd"},
		{"wrong form", `{"format_version":"1.2","resource_changes":{}}`, "where a list should"},
		{"wrong element", `{"format_version":"1.2","resource_changes":[3]}`, "element 0"},
		{"brackets", `{"format_version":"1.2","x":]}`, "closes nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(tc.text), DefaultLimits())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v", err)
			}
			if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("kind %v, hint %q", taffrail.KindOf(err), taffrail.HintOf(err))
			}
		})
	}
}

func TestLimits(t *testing.T) {
	text := `{"format_version":"1.2","skipped":"` + strings.Repeat("x", 5000) + `","resource_changes":[` + change("t.n", `"create"`, "") + `]}`
	for _, l := range []Limits{{Total: 4000, Element: 4000}, {Total: 10000, Element: 100}} {
		if _, err := Parse(strings.NewReader(text), l); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if _, err := Parse(strings.NewReader(text), Limits{Total: 10000, Element: 4000}); err != nil {
		t.Error(err)
	}
}

func TestValue(t *testing.T) {
	typ := cty.Object(map[string]cty.Type{
		"n": cty.Number, "s": cty.String, "m": cty.Map(cty.String), "l": cty.List(cty.Object(map[string]cty.Type{"x": cty.String, "y": cty.String})),
		"set": cty.Set(cty.String), "d": cty.DynamicPseudoType, "gone": cty.String,
	})
	got, err := Value(
		[]byte(`{"n":9007199254740993,"m":{"a":"1"},"l":[{"x":"p"}],"set":["a",null],"d":{"k":[1,"z"]},"gone":null}`),
		[]byte(`{"s":true,"m":{"b":true,"a":false},"l":[{"y":true}],"set":[false,true]}`), typ)
	if err != nil {
		t.Fatal(err)
	}
	want := cty.ObjectVal(map[string]cty.Value{
		"n": cty.MustParseNumberVal("9007199254740993"), "s": cty.UnknownVal(cty.String), "gone": cty.NullVal(cty.String),
		"m":   cty.MapVal(map[string]cty.Value{"a": cty.StringVal("1"), "b": cty.UnknownVal(cty.String)}),
		"l":   cty.ListVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("p"), "y": cty.UnknownVal(cty.String)})}),
		"set": cty.SetVal([]cty.Value{cty.StringVal("a"), cty.UnknownVal(cty.String)}),
		"d":   cty.ObjectVal(map[string]cty.Value{"k": cty.TupleVal([]cty.Value{cty.NumberIntVal(1), cty.StringVal("z")})}),
	})
	if !got.RawEquals(want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
	for _, bad := range []string{`{"odd":1}`, `{"n":"x"}`, `{"m":3}`, `{"l":{}}`, `{"s":[]}`, `nonsense`} {
		if v, err := Value([]byte(bad), nil, typ); err == nil {
			t.Errorf("%s became %#v", bad, v)
		}
	}
	if v, err := Value(nil, nil, typ); err != nil || !v.RawEquals(cty.NullVal(typ)) {
		t.Errorf("%#v, %v", v, err)
	}
}

func TestMarks(t *testing.T) {
	got, err := Marks([]byte(`{"a":true,"b":{"c":true,"d":false},"l":[{"p":true},{"p":true},false]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, m := range []value.Mark{{{Name: "a"}}, {{Name: "b"}, {Name: "c"}}, {{Name: "l"}, {Any: true}, {Name: "p"}}} {
		want[fmt.Sprint(m)] = true
	}
	have := map[string]bool{}
	for _, m := range got {
		have[fmt.Sprint(m)] = true
	}
	if diff := cmp.Diff(want, have); diff != "" || len(got) != 3 {
		t.Errorf("%s %v", diff, got)
	}
	if whole, err := Marks([]byte(`true`)); err != nil || len(whole) != 1 || len(whole[0]) != 0 {
		t.Errorf("%v, %v", whole, err)
	}
}

func TestParseRefreshed(t *testing.T) {
	text := `{"format_version":"1.2","prior_state":{"format_version":"1.0","values":{"outputs":{"o":{"value":[1]}},"root_module":{
		"resources":[{"address":"t.a","mode":"managed","type":"t","values":{"n":9007199254740993},"sensitive_values":{"n":true}},{"address":"data.t.d","mode":"data","type":"t","values":{}}],
		"child_modules":[{"address":"module.m","resources":[{"address":"module.m.t.b[0]","mode":"managed","type":"t","deposed_key":"0a","values":{}}],"child_modules":[]}]}}}}`
	var got []string
	if _, err := ParseRefreshed(strings.NewReader(text), DefaultLimits(), func(o Object) error {
		got = append(got, o.Address+" "+o.Deposed+" "+string(o.Values)+" "+string(o.Sensitive))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`t.a  {"n":9007199254740993} {"n":true}`, "module.m.t.b[0] 0a {} "}, got); diff != "" {
		t.Error(diff)
	}
	deep := `{"format_version":"1.2","prior_state":{"values":{"root_module":` + strings.Repeat(`{"child_modules":[`, 300)
	if _, err := ParseRefreshed(strings.NewReader(deep), DefaultLimits(), func(Object) error { return nil }); err == nil || !strings.Contains(err.Error(), "too deep") {
		t.Error(err)
	}
}

func TestRelocate(t *testing.T) {
	body := func(address, before, after, unknown string) string {
		return fmt.Sprintf(`{"address":%q,"mode":"managed","type":"t","name":"n","change":{"actions":["delete","create"],"before":%s,"after":%s,"after_unknown":%s}}`, address, before, after, unknown)
	}
	p := plan(t, `"resource_changes":[`+strings.Join([]string{
		body("t.path", `{"p":"/real/x","id":"1"}`, `{"p":"/copy/x"}`, `{"id":true}`),
		body("t.both", `{"p":"/real/x","q":"old","id":"1"}`, `{"p":"/copy/x","q":"new"}`, `{"id":true}`),
		body("t.none", `{"p":"/real/x","id":"1"}`, `{"p":"/elsewhere/x"}`, `{"id":true}`),
	}, ",")+`],`)
	p.Relocate("/copy", "/real")
	var left []string
	for _, c := range p.Changes {
		left = append(left, c.Address+" "+string(c.After))
	}
	want := []string{`t.both {"p":"/real/x","q":"new"}`, `t.none {"p":"/elsewhere/x"}`}
	if diff := cmp.Diff(want, left); diff != "" || !p.Unchanged["t.path"] {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"format_version":"1.2","resource_changes":[` + change("t.n", `"update"`, "") + `],"x":[{"y":"\""}],"errored":false}`))
	f.Add([]byte(`{"format_version":"1.2","prior_state":{"values":{"root_module":{"resources":[{"mode":"managed"}],"child_modules":[{}]}}}}`))
	f.Add([]byte(`{"format_version":"1.2","complete":null,"deferred_changes":null}`))
	typ := cty.Object(map[string]cty.Type{"a": cty.Set(cty.Number), "d": cty.DynamicPseudoType})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseRefreshed(strings.NewReader(string(data)), Limits{Total: 1 << 20, Element: 1 << 16}, func(Object) error { return nil })
		if err != nil {
			return
		}
		p.Relocate("/a", "/b")
		for _, c := range p.Changes {
			for _, typ := range []cty.Type{typ, cty.DynamicPseudoType} {
				_, _ = Value(c.After, c.Unknown, typ)
			}
			_, _ = Marks(c.AfterSensitive)
		}
	})
}
