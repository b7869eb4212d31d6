package terraform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// If all that a provider configuration was asked for is gone, then it looked in the wrong place until somebody says otherwise.
func TestAllGoneIsHeld(t *testing.T) {
	gone, denied := testprovider.Object{Gone: true}, testprovider.Object{Fault: "diagnostic:500"}
	all := []res{thing("a", nil), thing("b", nil), thing("c", nil)}
	for _, tc := range []struct {
		name    string
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
		{name: "both selected", world: testprovider.World{"odd_thing/a": gone, "odd_thing/b": gone},
			only: []taffrail.Address{"odd_thing.a", "odd_thing.b"}, held: 2, says: "all 2 resources"},
		{name: "one selected", world: testprovider.World{"odd_thing/a": gone}, only: []taffrail.Address{"odd_thing.a"}, deleted: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
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
