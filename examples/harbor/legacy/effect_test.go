package legacy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// What a scan foretells of the next apply is what the stack's own program then plans with the whole configuration at hand.
func TestNextApplyAsForetold(t *testing.T) {
	t.Parallel()
	for _, stack := range []struct {
		name  string
		deeds []deed
	}{{"stack", deeds()}, {"stack-mixed", mixedDeeds()}} {
		t.Run(stack.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, stack.name)
			counts := map[taffrail.Effect]int{}
			for deeds := stack.deeds; len(deeds) > 0; {
				var round, later []deed
				for _, d := range deeds {
					if slices.ContainsFunc(round, func(other deed) bool { return other.object == d.object }) {
						later = append(later, d)
					} else {
						round = append(round, d)
					}
				}
				w.foretold(round, counts)
				deeds = later
			}
			t.Logf("foretold: %v", counts)
			if decided := counts[taffrail.EffectReverts] + counts[taffrail.EffectKept]; decided < 2*(counts[taffrail.EffectIfConfigured]+counts[taffrail.EffectUnknown]) {
				t.Errorf("most of it is left open: %v", counts)
			}
		})
	}
}

// foretold does the deeds, compares what the scan foretells with the plan, attribute by attribute, and takes the deeds back.
func (w *world) foretold(deeds []deed, counts map[taffrail.Effect]int) {
	w.t.Helper()
	for _, d := range deeds {
		defer w.edit(d.object, d.change)()
	}
	planned := w.planned()
	for _, d := range w.scan().Drifts {
		f := d.Finding
		effects := map[string][]taffrail.Effect{}
		for _, c := range f.Changes {
			if c.Class == taffrail.ClassDrift {
				counts[c.Effect]++
				name := c.Path.Steps()[0].Name()
				effects[name] = append(effects[name], c.Effect)
			}
		}
		for name, all := range effects {
			changes, known := planned.changes(f.Resource.Address, name)
			switch {
			case !known || slices.Contains(all, taffrail.EffectUnknown) || slices.Contains(all, taffrail.EffectIfConfigured):
			case slices.Contains(all, taffrail.EffectReverts) && !changes:
				w.t.Errorf("%s %s: a revert is foretold, and nothing is planned", f.Resource.Address, name)
			case !slices.Contains(all, taffrail.EffectReverts) && changes:
				w.t.Errorf("%s %s: it is foretold to be kept, and a change is planned", f.Resource.Address, name)
			}
		}
	}
}

// A plan is what the stack's own program would change, by address and attribute.
type plan map[taffrail.Address]struct {
	Before, After map[string]json.RawMessage
	Unknown       map[string]json.RawMessage `json:"after_unknown"`
}

func (w *world) planned() plan {
	w.t.Helper()
	_, complaints, status := w.run(w.program, "plan", "-input=false", "-lock=false", "-out=all.plan", "-detailed-exitcode")
	if status == 1 {
		w.t.Fatalf("plan: %s", complaints)
	}
	var shown struct {
		Changes []struct {
			Address taffrail.Address
			Change  json.RawMessage
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(w.want(0, "show", "-json", "all.plan")), &shown); err != nil {
		w.t.Fatal(err)
	}
	p := plan{}
	for _, c := range shown.Changes {
		change := p[c.Address]
		if err := json.Unmarshal(c.Change, &change); err != nil {
			w.t.Fatal(err)
		}
		p[c.Address] = change
	}
	return p
}

// changes says whether the plan changes an attribute; a part of it that is known at the apply alone settles nothing.
func (p plan) changes(a taffrail.Address, name string) (changes, known bool) {
	c, ok := p[a]
	if !ok || c.Before == nil || c.After == nil {
		return false, false
	}
	if unknown := string(c.Unknown[name]); strings.Contains(unknown, "true") {
		return false, false
	}
	return string(c.Before[name]) != string(c.After[name]), true
}
