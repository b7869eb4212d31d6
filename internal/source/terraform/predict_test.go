package terraform

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

func paths(all []taffrail.Path) []string {
	texts := []string{}
	for _, p := range all {
		texts = append(texts, p.String())
	}
	slices.Sort(texts)
	return texts
}

// one scans a stack of one resource, and gives its observation.
func (r *rig) one(resource res, object testprovider.Object, key string) taffrail.Observation {
	r.t.Helper()
	r.install()
	r.state(resource)
	if err := (testprovider.World{key: object}).Write(r.world); err != nil {
		r.t.Fatal(err)
	}
	got := r.scan()
	if len(got.all) != 1 {
		r.t.Fatalf("%d observations", len(got.all))
	}
	return got.all[0]
}

func field(t *testing.T, v taffrail.Value, name string) taffrail.Value {
	t.Helper()
	f, ok := v.Field(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return f
}

func TestNextApplyIsForeseen(t *testing.T) {
	r := newRig(t)
	object := set("name", `"other"`, "on", "false", "region", `"south"`, "size", "3")
	object.PlanKeeps, object.PlanUnknown = []string{"on"}, []string{"size"}
	o := r.one(thing("a", map[string]any{"on": true, "size": 1}).with("private", "cHJpdmF0ZQ=="), object, "odd_thing/a")
	for name, want := range map[string]taffrail.Value{
		"name": taffrail.String("n-a"), "on": taffrail.Bool(false), "size": taffrail.Unknown(), "region": taffrail.String("north"), "etag": taffrail.String("e1"),
	} {
		if got := field(t, o.Next, name); !got.Equal(want) {
			t.Errorf("%s: %s", name, got.AppendCanonical(nil))
		}
	}
	if !slices.Contains(testprovider.Log(r.world), "plan odd_thing/a private=private") {
		t.Error("the private data was not given back")
	}
	if diff := cmp.Diff([]string{"region"}, paths(o.Guessed)); diff != "" {
		t.Errorf("without code: %s", diff)
	}
}

func TestCodeSaysWhatItSets(t *testing.T) {
	for _, tc := range []struct {
		code           string
		guessed, unset []string
	}{
		{`resource "odd_thing" "a" {}`, []string{}, []string{"region"}},
		{`resource "odd_thing" "a" { region = "north" }`, []string{}, []string{}},
		{`resource "odd_thing" "a" { region = var.region }`, []string{"region"}, []string{}},
		{`resource "odd_thing" "b" {}`, []string{"region"}, []string{}},
	} {
		r := newRig(t)
		r.write("thing.tf", tc.code)
		o := r.one(thing("a", nil), set("region", `"south"`), "odd_thing/a")
		if diff := cmp.Diff(tc.guessed, paths(o.Guessed)); diff != "" {
			t.Errorf("%s: guessed: %s", tc.code, diff)
		}
		if diff := cmp.Diff(tc.unset, paths(o.Unset)); diff != "" {
			t.Errorf("%s: not set: %s", tc.code, diff)
		}
	}
}

// Nobody is asked about what nobody touched, and a provider that knows no answer, or dies of the question, costs the explanation alone.
func TestForesightIsNoCondition(t *testing.T) {
	for _, tc := range []struct {
		name   string
		object testprovider.Object
		asked  int
	}{
		{"nothing changed", testprovider.Object{}, 0},
		{"error", testprovider.Object{Set: set("name", `"x"`).Set, PlanFault: "error"}, 1},
		{"crash", testprovider.Object{Set: set("name", `"x"`).Set, PlanFault: "crash"}, 1},
		{"answer", set("name", `"x"`), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			o := r.one(thing("a", nil), tc.object, "odd_thing/a")
			asked := 0
			for _, line := range testprovider.Log(r.world) {
				if strings.HasPrefix(line, "plan ") {
					asked++
				}
			}
			if o.Gap != nil || asked != tc.asked || o.Live.IsUnknown() {
				t.Errorf("asked %d times, gap %+v", asked, o.Gap)
			}
			if known := !o.Next.IsUnknown(); known != (tc.name == "answer") {
				t.Errorf("next: %s", o.Next.AppendCanonical(nil))
			}
		})
	}
}

// Which SDK a type was made with is asked of the provider, and does not follow from the shape of the type.
func TestTrap19_ProviderSaysWhetherItConfusesNullAndEmpty(t *testing.T) {
	for _, protocol := range []string{"5", "6"} {
		r := newRig(t)
		r.protocol = protocol
		o := r.one(legacy("a", nil), set("note", `""`), "odd_legacy/a")
		if !slices.ContainsFunc(o.Handling, func(h taffrail.Handling) bool { return h.Treatment == taffrail.EmptyIsNull }) {
			t.Errorf("protocol %s: the old type is taken for a new one", protocol)
		}
	}
	r := newRig(t)
	o := r.one(thing("a", nil), set("name", `""`), "odd_thing/a")
	if slices.ContainsFunc(o.Handling, func(h taffrail.Handling) bool { return h.Treatment == taffrail.EmptyIsNull }) {
		t.Error("the new type is taken for an old one")
	}
}

func TestProviderThatDiesOfTheQuestionIsReadAllTheSame(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	if err := (testprovider.World{"odd_thing/probe": {Fault: "crash"}}).Write(r.world); err != nil {
		t.Fatal(err)
	}
	got := r.scan()
	if got.coverage.Checked != 1 {
		t.Errorf("coverage %+v", got.coverage)
	}
}

// Some providers compare a digest of all that is live, which they compute: only their plan says that it matters.
func TestComputedChangeThatTheProviderWouldActOnIsDrift(t *testing.T) {
	volatile := func(o taffrail.Observation) bool {
		return slices.ContainsFunc(o.Handling, func(h taffrail.Handling) bool {
			return h.Treatment == taffrail.Volatile && h.Path.Equal(taffrail.NewPath(taffrail.Attr("etag")))
		})
	}
	for _, tc := range []struct {
		name     string
		object   testprovider.Object
		volatile bool
	}{
		{"it acts on it", testprovider.Object{Set: set("etag", `"e2"`).Set, PlanStirred: "etag"}, false},
		{"it does not", set("etag", `"e2"`), true},
		{"it always plans something", testprovider.Object{Set: set("etag", `"e2"`).Set, PlanUnknown: []string{"etag"}}, true},
		{"something else differs", testprovider.Object{Set: set("etag", `"e2"`, "name", `"x"`).Set, PlanStirred: "etag"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newRig(t).one(thing("a", nil), tc.object, "odd_thing/a")
			if got := volatile(o); got != tc.volatile {
				t.Errorf("volatile: %v", got)
			}
		})
	}
}
