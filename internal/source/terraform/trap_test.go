package terraform

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// Whatever is wrong with one resource, all others are read.
func TestTrap13_OneUnreadableResourceVoidsNoOther(t *testing.T) {
	t.Parallel()
	for fault, reason := range map[string]taffrail.Reason{
		"diagnostic:403 Forbidden": taffrail.ReasonDenied, "diagnostic:boom": taffrail.ReasonError, "crash": taffrail.ReasonCrashed,
		"garbage": taffrail.ReasonError, "silence": taffrail.ReasonError, "status:denied": taffrail.ReasonDenied,
	} {
		t.Run(fault, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil), thing("bad", nil), thing("c", nil), legacy("d", nil))
			r.live(testprovider.World{"odd_thing/bad": {Fault: fault}, "odd_thing/c": set("name", `"x"`)})
			got := r.scan()
			if got.coverage.Checked != 3 || got.coverage.Incomplete != 1 {
				t.Errorf("coverage %+v", got.coverage)
			}
			if g := got.by["odd_thing.bad"].Gap; g == nil || g.Reason != reason {
				t.Errorf("gap %+v", g)
			}
			if diff := cmp.Diff([]string{`name: "n-c" -> "x"`}, changes(got.by["odd_thing.c"])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A provider says what it computes by itself; that is handled as volatile, and nothing else is.
func TestTrap24_ComputedOnlyIsVolatile(t *testing.T) {
	r := newRig(t)
	o := r.one(thing("a", nil), set("etag", `"e2"`, "region", `"south"`), "odd_thing/a")
	treatment := func(name string) []taffrail.Treatment {
		var all []taffrail.Treatment
		for _, h := range o.Handling {
			if h.Path.Covers(taffrail.NewPath(taffrail.Attr(name))) {
				all = append(all, h.Treatment)
			}
		}
		return all
	}
	if !slices.Contains(treatment("etag"), taffrail.Volatile) || slices.Contains(treatment("region"), taffrail.Volatile) {
		t.Errorf("etag: %v, region: %v", treatment("etag"), treatment("region"))
	}
	if diff := cmp.Diff([]string{`etag: "e1" -> "e2"`, `region: "north" -> "south"`}, changes(o)); diff != "" {
		t.Error(diff)
	}
}

// What no code declares is compared with what was recorded, also where it moved to what the provider would take by default.
func TestTrap28_UndeclaredIsComparedWithTheRecord(t *testing.T) {
	r := newRig(t)
	r.write("thing.tf", `resource "odd_thing" "a" {}`)
	o := r.one(thing("a", map[string]any{"size": 3, "on": true}), set("size", "null", "on", "null"), "odd_thing/a")
	if diff := cmp.Diff([]string{`on: true -> null`, `size: {"num":"3"} -> null`}, changes(o)); diff != "" {
		t.Error(diff)
	}
}

func TestTotalIsAnnouncedFirst(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil), thing("b", nil), thing("c", nil))
	s := r.open()
	for _, only := range [][]taffrail.Address{nil, {"odd_thing.b"}} {
		announced, emitted := -1, 0
		sel := taffrail.Selection{Addresses: only, Announce: func(total int) {
			if emitted > 0 {
				t.Error("it comes late")
			}
			announced = total
		}}
		if _, err := s.Read(t.Context(), sel, func(taffrail.Observation) error { emitted++; return nil }); err != nil {
			t.Fatal(err)
		}
		if announced != emitted || emitted == 0 {
			t.Errorf("announced %d, emitted %d", announced, emitted)
		}
	}
}
