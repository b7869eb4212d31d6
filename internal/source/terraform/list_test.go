package terraform

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

func entries(keys ...string) []testprovider.Entry {
	var out []testprovider.Entry
	for _, k := range keys {
		out = append(out, testprovider.Entry{Key: k})
	}
	return out
}

func (r *rig) lists(l testprovider.Lists) {
	r.t.Helper()
	if err := l.Write(r.world); err != nil {
		r.t.Fatal(err)
	}
}

// things is a stack of one thing, "mine", beside which the lists show others.
func things(t *testing.T, l testprovider.List) *rig {
	t.Helper()
	r := newRig(t)
	r.install()
	r.state(thing("mine", nil).with("identity", map[string]any{"key": "mine"}).with("identity_schema_version", 1))
	r.live(testprovider.World{})
	r.lists(testprovider.Lists{"odd_thing": l})
	return r
}

const theirs = "odd_thing (unmanaged theirs)"

func TestList(t *testing.T) {
	r := things(t, testprovider.List{Entries: entries("mine", "theirs")})
	got := once(t, r.open(), taffrail.EveryType)
	got.want(t, "odd_thing", gapped{taffrail.EveryType: taffrail.ReasonUnsupported}, theirs)
	if g := got.gaps[taffrail.EveryType]; !strings.Contains(g.Detail, "odd_legacy") {
		t.Errorf("gap %+v", g)
	}
	o := got.by[theirs]
	if name, _ := o.Live.Field("name"); !o.Recorded.IsNull() || name.Text() != "n-theirs" || o.Resource.ID != "theirs" {
		t.Errorf("observation %+v", o)
	}
	if log := testprovider.Log(r.world); slices.ContainsFunc(log, func(l string) bool { return strings.HasPrefix(l, "read odd_thing/mine") }) {
		t.Errorf("what the state knows was read: %v", log)
	}
}

// The old way of asking has no short answer and no identity of things.
func TestListOfVersion5(t *testing.T) {
	r := newRig(t)
	r.protocol = "5"
	r.install()
	r.state(legacy("mine", nil).with("identity", map[string]any{"key": "mine"}).with("identity_schema_version", 1))
	r.lists(testprovider.Lists{"odd_legacy": {Entries: entries("mine", "theirs")}})
	once(t, r.open(), taffrail.EveryType).want(t, "odd_legacy", gapped{}, "odd_legacy (unmanaged theirs)")
}

func TestListWithoutLists(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("mine", nil))
	once(t, r.open(), taffrail.EveryType).want(t, "", gapped{"odd_thing": taffrail.ReasonUnsupported, taffrail.EveryType: taffrail.ReasonUnsupported})
	once(t, r.open(), "odd_thing").want(t, "", gapped{"odd_thing": taffrail.ReasonUnsupported})
}

func TestListMisbehaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		list   testprovider.List
		reason taffrail.Reason // empty: the type was listed as a whole
		found  bool
	}{
		{"crash", testprovider.List{Fault: "crash"}, taffrail.ReasonCrashed, false},
		{"hang", testprovider.List{Fault: "hang"}, taffrail.ReasonTimeout, false},
		{"denied in the middle", testprovider.List{Fault: "diagnostic:403 Forbidden", Entries: entries("theirs")}, taffrail.ReasonDenied, true},
		{"an error before others", testprovider.List{Entries: append([]testprovider.Entry{{Error: "cannot look at it"}}, entries("theirs")...)}, taffrail.ReasonError, true},
		{"throttled", testprovider.List{Fault: "throttle", Entries: entries("theirs")}, "", true},
		{"without an identity", testprovider.List{Entries: append(entries("theirs"), testprovider.Entry{})}, taffrail.ReasonError, true},
		{"no end", testprovider.List{Fault: "endless", Entries: entries("theirs")}, taffrail.ReasonError, true},
		{"import unsupported", testprovider.List{Fault: "no-import", Entries: entries("theirs")}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := things(t, tt.list)
			r.config.Timeout = 2 * time.Second
			if tt.list.Fault == "endless" {
				r.config.Timeout = time.Minute
			}
			got := once(t, r.open(), "odd_thing")
			want, listed := gapped{"odd_thing": tt.reason}, ""
			if tt.reason == "" {
				want, listed = gapped{}, "odd_thing"
			}
			var found []string
			if tt.found {
				found = []string{theirs}
			}
			got.want(t, listed, want, found...)
			if name, _ := got.by[theirs].Live.Field("name"); tt.found && name.Text() != "n-theirs" {
				t.Errorf("live %s", got.by[theirs].Live.AppendCanonical(nil))
			}
		})
	}
}

// A provider that dies in one list goes on with the next.
func TestListAfterACrash(t *testing.T) {
	r := things(t, testprovider.List{})
	r.lists(testprovider.Lists{"odd_legacy": {Fault: "crash"}, "odd_thing": {Entries: entries("mine", "theirs")}})
	once(t, r.open(), taffrail.EveryType).want(t, "odd_thing", gapped{"odd_legacy": taffrail.ReasonCrashed}, theirs)
}

// T-12: nobody may look is not the same as nothing is there.
func TestTrap12_AListThatIsDeniedIsNotEmpty(t *testing.T) {
	for _, fault := range []string{"diagnostic:403 Forbidden", "status"} {
		r := things(t, testprovider.List{Fault: fault})
		once(t, r.open(), "odd_thing").want(t, "", gapped{"odd_thing": taffrail.ReasonDenied})
	}
}

// A list may show for a while what is gone.
func TestTrap14_AListThatShowsWhatIsGone(t *testing.T) {
	r := things(t, testprovider.List{Entries: entries("mine", "theirs")})
	r.live(testprovider.World{"odd_thing/theirs": {Gone: true}})
	once(t, r.open(), "odd_thing").want(t, "odd_thing", gapped{})
}

// T-26: what another address or another stack claims is managed, also if it only waits to be destroyed.
func TestTrap26_WhatAnotherStackDeclaresIsNotUnmanaged(t *testing.T) {
	r := things(t, testprovider.List{Entries: entries("mine", "old", "shared", "theirs")})
	mine := thing("mine", nil).with("identity", map[string]any{"key": "mine"}).with("identity_schema_version", 1)
	deposed := thing("mine", map[string]any{"id": "old"}).with("deposed", "ab12cd34").with("identity", map[string]any{"key": "old"}).with("identity_schema_version", 1)
	mine["instances"] = append(mine["instances"].([]any), deposed["instances"].([]any)...)
	r.state(mine)
	shared := "odd_thing (unmanaged shared)"
	once(t, r.open(), "odd_thing").want(t, "odd_thing", gapped{}, shared, theirs)

	other := newRig(t)
	other.state(thing("s", map[string]any{"id": "shared"}).with("identity", map[string]any{"key": "shared"}).with("identity_schema_version", 1))
	r.config.Also = []string{other.dir}
	once(t, r.open(), "odd_thing").want(t, "odd_thing", gapped{}, theirs)
	other.state(thing("s", map[string]any{"id": "shared"}))
	once(t, r.open(), "odd_thing").want(t, "odd_thing", gapped{}, theirs)

	other.write("terraform.tfstate", "broken")
	once(t, r.open(), "odd_thing").want(t, "", gapped{"odd_thing": taffrail.ReasonUnconfigured})
}

// T-35: what is unmanaged is said of a scope, and what was not looked at is named.
func TestTrap35_TypesThatWereNotListedAreNamed(t *testing.T) {
	r := things(t, testprovider.List{Entries: entries("mine", "theirs")})
	r.lists(testprovider.Lists{"odd_thing": {Entries: entries("theirs")}, "odd_legacy": {}})
	once(t, r.open(), "odd_thing").want(t, "odd_thing", gapped{"odd_legacy": taffrail.ReasonIgnored}, theirs)
	once(t, r.open(), "odd_legacy", "odd_nothing").want(t, "odd_legacy", gapped{"odd_thing": taffrail.ReasonIgnored, "odd_nothing": taffrail.ReasonUnsupported})
	if err := r.open().Close(); err != nil {
		t.Fatal(err)
	}
	r.write(".terraform.lock.hcl", "") // the provider is vouched for by nobody: it does not run
	got := once(t, r.open(), "odd_thing", "odd_legacy", taffrail.EveryType)
	got.want(t, "", gapped{"odd_thing": taffrail.ReasonUnconfigured, "odd_legacy": taffrail.ReasonUnconfigured, taffrail.EveryType: taffrail.ReasonUnconfigured})
}

// Two configurations of a provider may look at one account: a resource is found once.
func TestListByEachConfiguration(t *testing.T) {
	r := things(t, testprovider.List{Entries: entries("mine", "other", "theirs")})
	r.write("providers.tf", `provider "odd" {
  alias  = "south"
  region = "south"
}
`)
	other := thing("other", nil).with("identity", map[string]any{"key": "other"}).with("identity_schema_version", 1)
	other["provider"] = `provider["` + testprovider.Name + `"].south`
	r.state(thing("mine", nil).with("identity", map[string]any{"key": "mine"}).with("identity_schema_version", 1), other)
	once(t, r.open(), "odd_thing").want(t, "odd_thing", gapped{}, theirs)
	r.stateAt(8) // nothing is declared, and the code says where to look
	once(t, r.open(), "odd_thing").want(t, "odd_thing", gapped{}, "odd_thing (unmanaged mine)", "odd_thing (unmanaged other)", theirs)
	lists := 0
	for _, l := range testprovider.Log(r.world) {
		if strings.HasPrefix(l, "list odd_thing") {
			lists++
		}
	}
	if lists != 4 {
		t.Errorf("it was listed %d times, twice by two configurations", lists)
	}
}

func TestListSeals(t *testing.T) {
	r := things(t, testprovider.List{Entries: entries("theirs")})
	r.live(testprovider.World{"odd_thing/theirs": {Set: map[string]json.RawMessage{"password": json.RawMessage(`"hunter2-and-more"`), "name": json.RawMessage(`"has hunter2-and-more inside"`)}}})
	got := once(t, r.open(), "odd_thing")
	got.want(t, "odd_thing", gapped{}, theirs)
	if text := string(got.by[theirs].Live.AppendCanonical(nil)); strings.Contains(text, "hunter2") || !strings.Contains(text, "hmac:") {
		t.Errorf("live %s", text)
	}
}

func TestListConfigured(t *testing.T) {
	t.Parallel()
	r := things(t, testprovider.List{Entries: entries("theirs")})
	for _, tt := range []struct {
		name  string
		given map[string]any
		asked string // of the provider
		say   string // by a gap
	}{
		{"nothing", nil, `{"filter":[],"most":null,"region":null}`, ""},
		{"values", map[string]any{"region": "north", "most": 5, "filter": []any{map[string]any{"values": []any{"a", 1}}}}, `{"filter":[{"values":["a","1"]}],"most":5,"region":"north"}`, ""},
		{"one block", map[string]any{"filter": map[string]any{}}, `{"filter":[{"values":null}],"most":null,"region":null}`, ""},
		{"unknown", map[string]any{"regoin": "north"}, "", `there is no "regoin", only: filter, most, region`},
		{"wrong", map[string]any{"most": "many"}, "", "most: a number is required"},
		{"wrong in a block", map[string]any{"filter": []any{map[string]any{"values": "a"}}}, "", "filter: element 0: values: a list is wanted"},
		{"refused", map[string]any{"region": "nowhere"}, "", "there is no region nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.config.List = map[string]map[string]any{"odd_thing": tt.given}
			got := once(t, r.open(), "odd_thing")
			if tt.say == "" {
				want := gapped{}
				if tt.given != nil {
					want[taffrail.EveryType] = taffrail.ReasonIgnored
				}
				got.want(t, "odd_thing", want, theirs)
				if log := testprovider.Log(r.world); !slices.Contains(log, "list odd_thing "+tt.asked+" objects=false") {
					t.Errorf("asked %v", log)
				}
				return
			}
			if g := got.gaps["odd_thing"]; g.Reason != taffrail.ReasonUnconfigured || !strings.Contains(g.Detail, tt.say) || g.Hint == "" {
				t.Errorf("gap %+v", g)
			}
		})
	}
}

func TestFitBlockNamesWhatIsMissing(t *testing.T) {
	b := &tfwire.Schema_Block{Attributes: []*tfwire.Schema_Attribute{
		{Name: "zone", Type: []byte(`"string"`), Required: true}, {Name: "account", Type: []byte(`"string"`), Required: true},
		{Name: "tags", Type: []byte(`["map","string"]`), Optional: true}, {Name: "shape", Type: []byte(`["object",{"w":"number"}]`), Optional: true},
	}}
	if _, err := fitBlock(nil, b); err == nil || err.Error() != "it needs account, zone" {
		t.Errorf("error %v", err)
	}
	v, err := fitBlock(map[string]any{"zone": "z", "account": uint64(12), "tags": map[string]any{"a": true}, "shape": map[string]any{"w": 1.5}}, b)
	want := cty.ObjectVal(map[string]cty.Value{
		"zone": cty.StringVal("z"), "account": cty.StringVal("12"), "tags": cty.MapVal(map[string]cty.Value{"a": cty.StringVal("true")}),
		"shape": cty.ObjectVal(map[string]cty.Value{"w": cty.NumberFloatVal(1.5)}),
	})
	if err != nil || !v.RawEquals(want) {
		t.Errorf("%#v, %v", v, err)
	}
}

func TestNames(t *testing.T) {
	text := func(m map[string]string) cty.Value {
		out := map[string]cty.Value{}
		for k, v := range m {
			out[k] = cty.StringVal(v)
		}
		return cty.ObjectVal(out)
	}
	for want, identity := range map[string]cty.Value{
		"b-1":             text(map[string]string{"bucket": "b-1"}),
		"id=x,zone=a.b":   text(map[string]string{"zone": "a.b", "id": "x"}),
		`"with \"quotes"`: text(map[string]string{"name": `with "quotes`}),
		`"a,b=c"`:         text(map[string]string{"name": "a,b=c"}),
		`"line\nbreak)"`:  text(map[string]string{"name": "line\nbreak)"}),
		`""`:              text(map[string]string{"name": ""}),
		"n=7":             cty.ObjectVal(map[string]cty.Value{"n": cty.NumberIntVal(7), "region": cty.NullVal(cty.String)}),
	} {
		if got := (&candidate{identity: identity}).name(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if diff := cmp.Diff("", identityKey(cty.ObjectVal(map[string]cty.Value{"a": cty.NullVal(cty.String)}))); diff != "" {
		t.Error(diff)
	}
}

func TestLikelyKey(t *testing.T) {
	both := cty.Object(map[string]cty.Type{"id": cty.String, "zone": cty.String})
	for _, tt := range []struct{ stored, want string }{
		{`{"id":"a","zone":"z","name":"n"}`, `{"id":"a","zone":"z"}`},
		{`{"id":"a","zone":null}`, `{"id":"a","zone":null}`},
		{`{"id":"a"}`, ``},
		{`{"id":null,"zone":null}`, ``},
		{`{"id":["a"],"zone":"z"}`, ``},
		{``, ``},
	} {
		if got := likelyKey(json.RawMessage(tt.stored), both); got != tt.want {
			t.Errorf("%s gives %s, want %s", tt.stored, got, tt.want)
		}
	}
}

// States from before identities are the rule: what was listed under an identity that the attributes make up need not be read.
func TestListReadsNoMoreThanItMust(t *testing.T) {
	l := listing{estate: &estate{records: map[kind][]*record{}}}
	v := &visit{listing: &l}
	known, other := &record{likely: "a", own: true}, &record{likely: "b", own: true}
	l.estate.records[kindOf(v.config.Provider, "t")] = []*record{known, other}
	c := &census{visit: v, kind: &listKind{identity: cty.Object(map[string]cty.Type{"id": cty.String})}, owned: map[string][]*record{`{"id":"a"}`: {known}, `{"id":"b"}`: {other}}}
	for _, id := range []string{"a", "c"} {
		packed, err := msgpack.Marshal(cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(id)}), c.kind.identity)
		if err != nil {
			t.Fatal(err)
		}
		c.add(provider.Listed{Identity: &tfwire.DynamicValue{Msgpack: packed}})
	}
	if len(c.strangers) != 1 || c.strangers[0].key != `{"id":"c"}` || !known.listed || other.listed {
		t.Errorf("strangers %v, listed %t and %t", c.strangers, known.listed, other.listed)
	}
}

func FuzzLikelyKey(f *testing.F) {
	f.Add([]byte(`{"id":"a","n":1,"l":["x"]}`))
	f.Add([]byte(`{"id":"a","n":1e99999999,"l":null}`))
	f.Add([]byte(`{"id":"a","n":1e-99999999,"l":[]}`))
	t := cty.Object(map[string]cty.Type{"id": cty.String, "n": cty.Number, "l": cty.List(cty.String)})
	f.Fuzz(func(test *testing.T, stored []byte) {
		key := likelyKey(stored, t)
		if key != "" && !json.Valid([]byte(key)) {
			test.Errorf("%s gives %s", stored, key)
		}
	})
}
