package terraform

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// If all that a provider configuration was asked for is gone, then it looked in the wrong place until somebody says otherwise.
func TestAllGoneIsHeld(t *testing.T) {
	t.Parallel()
	gone, denied := testprovider.Object{Gone: true}, testprovider.Object{Fault: "diagnostic:500"}
	things := []res{thing("a", nil), thing("b", nil), thing("c", nil)}
	for _, tc := range []struct {
		name    string
		all     []res
		world   testprovider.World
		only    []taffrail.Address
		confirm bool
		held    int
		deleted int
		says    string
	}{
		{name: "all", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone, "odd_thing/c": gone}, held: 3, says: "all 3 resources"},
		{name: "all, confirmed", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone, "odd_thing/c": gone}, confirm: true, deleted: 3},
		{name: "all but one", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone}, deleted: 2},
		{name: "all that answered", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone, "odd_thing/c": denied}, held: 2, says: "all 2 resources"},
		{name: "a type", all: append(slices.Clone(things), legacy("d", nil)), world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone, "odd_thing/c": gone},
			held: 3, says: "all 3 resources of type odd_thing"},
		{name: "a type of one", all: []res{thing("a", nil), legacy("d", nil)}, world: testprovider.World{"odd_thing/a": gone}, deleted: 1},
		{name: "two types of one", all: []res{thing("a", nil), legacy("d", nil)}, world: testprovider.World{"odd_thing/a": gone, "odd_legacy/d": gone},
			held: 2, says: "all 2 resources"},
		{name: "a state of one", all: things[:1], world: testprovider.World{"odd_thing/a": gone}, deleted: 1},
		{name: "both selected", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone}, only: []taffrail.Address{"odd_thing.a", "odd_thing.b"}, deleted: 2},
		{name: "one selected", world: testprovider.World{"odd_thing/a": gone}, only: []taffrail.Address{"odd_thing.a"}, deleted: 1},
		{name: "one selected, all gone", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone, "odd_thing/c": gone},
			only: []taffrail.Address{"odd_thing.a"}, held: 1, says: "all 3 resources"},
		{name: "one selected, all gone, confirmed", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone, "odd_thing/c": gone},
			only: []taffrail.Address{"odd_thing.a"}, confirm: true, deleted: 1},
		{name: "one selected, one other answers", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": denied}, only: []taffrail.Address{"odd_thing.a"}, deleted: 1},
		{name: "one selected, no other answers", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": denied, "odd_thing/c": denied},
			only: []taffrail.Address{"odd_thing.a"}, held: 1, says: "nothing shows that this is the right account"},
		{name: "one selected, another type is there", all: []res{thing("a", nil), legacy("d", nil)}, world: testprovider.World{"odd_thing/a": gone},
			only: []taffrail.Address{"odd_thing.a"}, deleted: 1},
		{name: "one selected, another type is gone", all: []res{thing("a", nil), legacy("d", nil)}, world: testprovider.World{"odd_thing/a": gone, "odd_legacy/d": gone},
			only: []taffrail.Address{"odd_thing.a"}, held: 1, says: "all 2 resources"},
		{name: "one selected, another type is not read", all: []res{thing("a", nil), legacy("d", nil)}, world: testprovider.World{"odd_thing/a": gone, "odd_legacy/d": denied},
			only: []taffrail.Address{"odd_thing.a"}, held: 1, says: "odd_legacy.d"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			all := tc.all
			if all == nil {
				all = things
			}
			r.state(all...)
			r.live(tc.world)
			r.config.ConfirmMassDeletion = tc.confirm
			got := r.read(r.open(), tc.only...)
			held, deleted := 0, 0
			for _, o := range got.all {
				switch {
				case o.Gap == nil && o.Live.IsNull():
					deleted++
				case o.Gap != nil && o.Gap.Reason == taffrail.ReasonUnconfigured:
					held++
					if !strings.Contains(o.Gap.Detail, tc.says) || !strings.Contains(o.Gap.Hint, "confirm_mass_deletion") || !o.Live.IsUnknown() {
						t.Errorf("gap %+v, live %v", o.Gap, o.Live)
					}
					if o.Resource.ID == "" || o.At.IsZero() || o.Gap.Address != o.Resource.Address {
						t.Errorf("observation %+v", o)
					}
				}
			}
			if held != tc.held || deleted != tc.deleted {
				t.Errorf("%d held and %d deleted, want %d and %d", held, deleted, tc.held, tc.deleted)
			}
			if want := len(tc.only); want > 0 && len(got.all) != want || want == 0 && len(got.all) != len(all) {
				t.Errorf("%d observations", len(got.all))
			}
		})
	}
}

// What one configuration lost says nothing of another: each is judged by its own answers.
func TestAllGoneIsHeldForEachConfiguration(t *testing.T) {
	r := newRig(t)
	r.install()
	r.write("alias.tf", "provider \"odd\" {\n  alias = \"west\"\n}\n")
	west := `provider["` + testprovider.Name + `"].west`
	r.state(thing("a", nil), thing("b", nil), thing("c", nil).with("provider", west), thing("d", nil).with("provider", west))
	r.live(testprovider.World{"odd_thing/c": {Gone: true}, "odd_thing/d": {Gone: true}})
	got := r.scan()
	if got.coverage.Checked != 2 || got.coverage.Incomplete != 2 || got.by["odd_thing.c"].Gap == nil {
		t.Errorf("coverage %+v", got.coverage)
	}
}

// Without code a provider knows of an account or region what the environment says, and the gap tells so.
func TestAllGoneWithoutCodeNamesTheEnvironment(t *testing.T) {
	r := newRig(t)
	r.install()
	r.remove("main.tf")
	r.state(thing("a", nil), thing("b", nil))
	r.live(testprovider.World{"odd_thing/a": {Gone: true}, "odd_thing/b": {Gone: true}})
	for _, o := range r.scan().all {
		if o.Gap == nil || !strings.Contains(o.Gap.Detail, "no code beside the state") {
			t.Errorf("gap %+v", o.Gap)
		}
	}
}

func (r *rig) remove(name string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
		r.t.Fatal(err)
	}
}

// Where all is well, nobody is asked but for what was wanted.
func TestWitnessesAreReadOfDeletionsAlone(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil), thing("b", nil), thing("c", nil), legacy("d", nil))
	r.live(testprovider.World{"odd_thing/b": {Gone: true}})
	s := r.open()
	r.read(s, "odd_thing.a")
	if diff := cmp.Diff([]string{"read odd_thing/a"}, r.calls()); diff != "" {
		t.Error(diff)
	}
	if got := r.read(s, "odd_thing.b"); len(got.all) != 1 || got.coverage.Total != 1 || !got.all[0].Live.IsNull() {
		t.Errorf("observations %v, coverage %+v", got.all, got.coverage)
	}
	if calls := r.calls(); !slices.Contains(calls, "read odd_thing/c") || slices.Contains(calls, "read odd_legacy/d") {
		t.Errorf("calls %v", calls)
	}
}

// In another region, what belongs to no region is there, and each other type is gone, of however few resources.
func TestMostTypesGoneAreHeld(t *testing.T) {
	for _, tc := range []struct {
		gone, there string // types, a letter each
		held        int
	}{
		{"ab", "c", 2}, {"a", "b", 0}, {"ab", "cd", 0}, {"abc", "dd", 3}, {"aab", "cd", 2}, {"ab", "bc", 0}, {"a", "", 0}, {"", "a", 0},
	} {
		b := &bulk{}
		sent := 0
		for i, live := range []taffrail.Value{taffrail.Null(), taffrail.String("there")} {
			for _, of := range []string{tc.gone, tc.there}[i] {
				sent += len(b.pass(taffrail.Observation{Resource: taffrail.Resource{Type: taffrail.ResourceType(of)}, Live: live}))
			}
		}
		held := 0
		for _, o := range b.end() {
			sent++
			if o.Gap != nil {
				held++
			}
		}
		if want := len(tc.gone) + len(tc.there); held != tc.held || sent != want {
			t.Errorf("%q gone and %q there: %d held of %d sent, want %d of %d", tc.gone, tc.there, held, sent, tc.held, want)
		}
	}
}
