package terraform

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func set(attributes ...string) testprovider.Object {
	o := testprovider.Object{Set: map[string]json.RawMessage{}}
	for i := 0; i < len(attributes); i += 2 {
		o.Set[attributes[i]] = raw(attributes[i+1])
	}
	return o
}

// full has a value at every shape of the schema.
var full = map[string]any{
	"size": json.Number("9007199254740993"), "on": true, "tags": map[string]any{"cost/center": "7"}, "labels": []any{"b", "a"},
	"items": []any{"x", "y"}, "shape": map[string]any{"w": 0.1, "h": 2}, "anything": map[string]any{"type": "string", "value": "v"},
	"inner": map[string]any{"a": "A", "secret": nil}, "steps": []any{map[string]any{"do": "s1", "seen": "t1"}},
	"users": []any{map[string]any{"name": "u", "token": nil}}, "zones": map[string]any{"eu": map[string]any{"n": 1}},
	"disk": []any{map[string]any{"gb": 10, "key": nil}}, "rule": []any{map[string]any{"port": 443}}, "settings": map[string]any{"mode": "m"},
	"route": map[string]any{"r1": map[string]any{"to": "t"}}, "timeouts": map[string]any{"create": "5m"},
}

// What nobody touched does not differ, whatever its shape.
func TestTrap40_NothingChangedIsNothing(t *testing.T) {
	for _, protocol := range []string{"5", "6"} {
		r := newRig(t)
		r.protocol = protocol
		r.install()
		resources := []res{legacy("old", map[string]any{"tags": map[string]any{"k": ""}, "disk": []any{map[string]any{"gb": 0.25}}})}
		if protocol == "6" {
			resources = append(resources, thing("empty", nil), thing("full", full))
		}
		r.state(resources...)
		got := r.scan()
		if want := (taffrail.Coverage{Total: len(resources), Checked: len(resources)}); !cmp.Equal(want, got.coverage) {
			t.Errorf("protocol %s: coverage %+v", protocol, got.coverage)
		}
		for _, o := range got.all {
			if diff := changes(o); len(diff) > 0 || o.Live.IsUnknown() {
				t.Errorf("protocol %s: %s: %v", protocol, o.Resource.Address, diff)
			}
		}
	}
}

func TestEachChangeIsSeenAtItsPath(t *testing.T) {
	cases := []struct{ attribute, live, want string }{
		{"name", `"x"`, `name: "n-r0" -> "x"`},
		{"name", `null`, `name: "n-r1" -> null`},
		{"size", `9007199254740992`, `size: {"num":"9007199254740993"} -> {"num":"9007199254740992"}`},
		{"on", `false`, `on: true -> false`},
		{"tags", `{"cost/center":"8","new":"1"}`, `tags["cost/center"]: "7" -> "8"; tags["new"]: {"unknown":true} -> "1"`},
		{"labels", `["a"]`, `labels: {"set":["a","b"]} -> {"set":["a"]}`},
		{"items", `["y","x"]`, `items[0]: "x" -> "y"; items[1]: "y" -> "x"`},
		{"shape", `{"w":0.2,"h":2}`, `shape.w: {"num":"0.1"} -> {"num":"0.2"}`},
		{"anything", `{"type":"number","value":1}`, `anything: "v" -> {"num":"1"}`},
		{"inner", `{"a":"B","secret":null}`, `inner.a: "A" -> "B"`},
		{"steps", `[{"do":"s1","seen":"t2"}]`, `steps[0].seen: "t1" -> "t2"`},
		{"users", `[]`, `users: {"set":[{"obj":{"name":"u","token":null}}]} -> {"set":[]}`},
		{"zones", `{"eu":{"n":2}}`, `zones["eu"].n: {"num":"1"} -> {"num":"2"}`},
		{"disk", `[{"gb":11,"key":null}]`, `disk[0].gb: {"num":"10"} -> {"num":"11"}`},
		{"rule", `[{"port":80}]`, `rule: {"set":[{"obj":{"port":{"num":"443"}}}]} -> {"set":[{"obj":{"port":{"num":"80"}}}]}`},
		{"settings", `null`, `settings: {"obj":{"mode":"m"}} -> null`},
		{"route", `{}`, `route["r1"]: {"obj":{"to":"t"}} -> {"unknown":true}`},
		{"limits", `{"cpu":2}`, `limits.cpu: null -> {"num":"2"}`},
	}
	r := newRig(t)
	r.install()
	world := testprovider.World{}
	var resources []res
	for i, tc := range cases {
		name := fmt.Sprintf("r%d", i)
		resources = append(resources, thing(name, full).with("name", name))
		world["odd_thing/"+name] = set(tc.attribute, tc.live)
	}
	r.state(resources...)
	r.live(world)
	got := r.scan()
	for i, tc := range cases {
		o := got.by[taffrail.Address(fmt.Sprintf("odd_thing.r%d", i))]
		if diff := cmp.Diff(tc.want, strings.Join(changes(o), "; ")); diff != "" {
			t.Errorf("%s: %s", tc.attribute, diff)
		}
	}
}

func TestGone(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil), thing("b", nil), thing("c", nil))
	r.live(testprovider.World{"odd_thing/b": {Gone: true}})
	got := r.scan()
	o := got.by["odd_thing.b"]
	if !o.Live.IsNull() || o.Gap != nil || o.Recorded.Shape() != taffrail.ShapeObject {
		t.Errorf("live %v, gap %v", o.Live, o.Gap)
	}
	reads := 0
	for _, line := range testprovider.Log(r.world) {
		if line == "read odd_thing/b" {
			reads++
		}
	}
	if reads != 2 {
		t.Errorf("it was read %d times before it was called gone", reads)
	}
}

// A system that has not caught up yet answers "not found" for a moment.
func TestTrap14_GoneOnceIsNotGone(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	r.live(testprovider.World{"odd_thing/a": {GoneOnce: true}})
	if o := r.scan().all[0]; o.Gap != nil || len(changes(o)) > 0 {
		t.Errorf("live %s, gap %v", o.Live.AppendCanonical(nil), o.Gap)
	}
}

// Whatever goes wrong while a resource is read leaves it unread: never gone, never in order. The others are read all the same.
func TestTrap12_FailureIsNotDeletion(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fault  string
		reason taffrail.Reason
		detail string
	}{
		{"diagnostic:AccessDenied: not allowed", taffrail.ReasonDenied, "AccessDenied: not allowed"},
		{"diagnostic:unexpected status 403", taffrail.ReasonDenied, "status 403"},
		{"diagnostic:HTTP 401", taffrail.ReasonDenied, "HTTP 401"},
		{"diagnostic:status 429: Rate exceeded", taffrail.ReasonThrottled, "Rate exceeded"},
		{"diagnostic:context deadline exceeded", taffrail.ReasonTimeout, "deadline"},
		{"diagnostic:internal error 500", taffrail.ReasonError, "500"},
		{"diagnostic:object 4031 is odd", taffrail.ReasonError, "4031"},
		{"status:unavailable", taffrail.ReasonError, "as requested"},
		{"status:denied", taffrail.ReasonDenied, "as requested"},
		{"status:exhausted", taffrail.ReasonThrottled, "as requested"},
		{"garbage", taffrail.ReasonError, "does not fit the schema"},
		{"silence", taffrail.ReasonError, "the answer is empty"},
		{"defer", taffrail.ReasonError, "deferred"}, // we do not allow it, and the SDK refuses then
		{"hang", taffrail.ReasonTimeout, "no answer in time"},
	}
	r := newRig(t)
	r.install()
	r.config.Timeout = 3 * time.Second
	world := testprovider.World{}
	resources := []res{thing("fine", nil), thing("also_fine", nil)}
	for i, tc := range cases {
		name := fmt.Sprintf("r%d", i)
		resources = append(resources, thing(name, nil))
		world["odd_thing/"+name] = testprovider.Object{Fault: tc.fault}
	}
	r.state(resources...)
	r.live(world)
	got := r.scan()
	if got.coverage.Checked != 2 || got.coverage.Incomplete != len(cases) {
		t.Errorf("coverage %+v", got.coverage)
	}
	for i, tc := range cases {
		o := got.by[taffrail.Address(fmt.Sprintf("odd_thing.r%d", i))]
		switch {
		case o.Gap == nil || !o.Live.IsUnknown():
			t.Errorf("%s: gap %v, live %s", tc.fault, o.Gap, o.Live.AppendCanonical(nil))
		case o.Gap.Reason != tc.reason || !strings.Contains(o.Gap.Detail, tc.detail):
			t.Errorf("%s: gap %+v, want %s with %q", tc.fault, *o.Gap, tc.reason, tc.detail)
		}
	}
}

func TestWarningsAreNoErrors(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	r.live(testprovider.World{"odd_thing/a": {Fault: "warning"}})
	if o := r.scan().all[0]; o.Gap != nil {
		t.Errorf("gap %+v", *o.Gap)
	}
}

func TestUnknownInAnAnswerStaysUnknown(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	r.live(testprovider.World{"odd_thing/a": {Fault: "unknown"}})
	o := r.scan().all[0]
	if name, _ := o.Live.Field("name"); !name.IsUnknown() || o.Gap != nil {
		t.Errorf("name %s, gap %v", name.AppendCanonical(nil), o.Gap)
	}
}

// A state that an older provider wrote is upgraded before anything is compared with it.
func TestTrap08_SchemaUpgradeIsNoDrift(t *testing.T) {
	r := newRig(t)
	r.install()
	old := thing("a", nil)
	attributes := old["instances"].([]any)[0].(map[string]any)["attributes"].(map[string]any)
	attributes["title"] = attributes["name"]
	delete(attributes, "name")
	r.state(old.with("schema_version", 1))
	o := r.scan().all[0]
	if diff := changes(o); len(diff) > 0 || o.Gap != nil {
		t.Errorf("%v, gap %v", diff, o.Gap)
	}
	if name, _ := o.Recorded.Field("name"); name.Text() != "n-a" {
		t.Errorf("the recorded side is not upgraded: %s", o.Recorded.AppendCanonical(nil))
	}
}

func TestOlderProviderIsAGap(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil).with("schema_version", 3), thing("b", nil))
	got := r.scan()
	o := got.by["odd_thing.a"]
	if o.Gap == nil || o.Gap.Reason != taffrail.ReasonUnconfigured || !strings.Contains(o.Gap.Detail, "newer provider") {
		t.Errorf("gap %+v", o.Gap)
	}
	if got.coverage.Checked != 1 {
		t.Errorf("coverage %+v", got.coverage)
	}
}

// Attributes that a provider dropped without a new schema version are taken out, as the tools do.
func TestRemovedAttributesAreStripped(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", map[string]any{"dropped": 1, "inner": map[string]any{"a": "A", "secret": nil, "old": true}}))
	if o := r.scan().all[0]; o.Gap != nil || len(changes(o)) > 0 {
		t.Errorf("gap %+v, %v", o.Gap, changes(o))
	}
}

func TestTypeThatTheProviderLacks(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil).with("type", "odd_other"))
	o := r.scan().all[0]
	if o.Gap == nil || o.Gap.Reason != taffrail.ReasonUnconfigured || !strings.Contains(o.Gap.Detail, "1.2.3, has no type odd_other") {
		t.Errorf("gap %+v", o.Gap)
	}
}

// What the provider stored beside the state comes back to it untouched.
func TestTrap09_PrivateAndIdentityAreEchoed(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil).with("private", "eyJrIjoxfQ==").with("identity", map[string]any{"key": "k1"}).with("identity_schema_version", 1))
	r.live(testprovider.World{"odd_thing/a": {WantPrivate: `{"k":1}`, WantIdentity: "k1"}})
	if o := r.scan().all[0]; o.Gap != nil {
		t.Errorf("gap %+v", *o.Gap)
	}
	r.live(testprovider.World{"odd_thing/a": {WantPrivate: `{"k":2}`}})
	if o := r.scan().all[0]; o.Gap == nil {
		t.Error("the provider of this test does not look at what is private")
	}
}

// Write-only values are null in states and answers alike, and said to be so.
func TestTrap27_WriteOnlyIsNotVerifiable(t *testing.T) {
	for _, protocol := range []string{"5", "6"} {
		r := newRig(t)
		r.protocol = protocol
		r.install()
		r.state(legacy("a", nil))
		o := r.scan().all[0]
		found := false
		for _, h := range o.Handling {
			found = found || h.Path.String() == "token_wo" && h.Treatment == taffrail.WriteOnly
		}
		if !found || o.Gap != nil {
			t.Errorf("protocol %s: handling %v, gap %v", protocol, o.Handling, o.Gap)
		}
	}
}

func TestTrap06_DataDeposedAndTainted(t *testing.T) {
	r := newRig(t)
	r.install()
	deposed := thing("c", nil)
	deposed["instances"] = append(deposed["instances"].([]any), map[string]any{
		"deposed": "ab12cd34", "schema_version": 2, "attributes": map[string]any{"id": "old"},
	})
	r.state(thing("a", nil).with("mode", "data"), thing("b", nil).with("status", "tainted"), deposed)
	got := r.scan()
	if want := (taffrail.Coverage{Total: 3, Checked: 2, Ignored: 1, Gaps: []taffrail.Gap{{
		Address: "odd_thing.c (deposed ab12cd34)", Type: "odd_thing", Reason: taffrail.ReasonIgnored, Detail: "deposed object: waits to be destroyed",
	}}}); !cmp.Equal(want, got.coverage) {
		t.Error(cmp.Diff(want, got.coverage))
	}
}
