package taffrail_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// TestTrap31_FailedAndRehearsedEventsAreNoChanges holds what may have changed something to what did.
func TestTrap31_FailedAndRehearsedEventsAreNoChanges(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    taffrail.Event
		want bool
	}{
		{"a write", taffrail.Event{}, true},
		{"refused", taffrail.Event{Error: "AccessDenied"}, false},
		{"read", taffrail.Event{Read: true}, false},
		{"rehearsed", taffrail.Event{DryRun: true}, false},
	} {
		if got := tc.e.Changes(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestTiersThatNameAnEvent(t *testing.T) {
	var naming []taffrail.Tier
	for _, tier := range taffrail.Tiers() {
		if tier.Names() {
			naming = append(naming, tier)
		}
	}
	want := []taffrail.Tier{taffrail.TierProved, taffrail.TierExplained, taffrail.TierLikely, taffrail.TierPossible}
	if diff := cmp.Diff(want, naming); diff != "" {
		t.Error(diff)
	}
	if taffrail.Tier("").Names() {
		t.Error("a tier that was not set names an event")
	}
}

func TestBehindLeavesTheActorAsItWas(t *testing.T) {
	a := taffrail.Actor{ID: "a", Chain: make([]taffrail.Link, 1, 8)}
	b, c := a.Behind(taffrail.Link{Kind: "role", ID: "b"}), a.Behind(taffrail.Link{Kind: "role", ID: "c"})
	if len(a.Chain) != 1 || b.Chain[1].ID != "b" || c.Chain[1].ID != "c" {
		t.Errorf("chains share memory: %v %v %v", a, b, c)
	}
}

// An event is kept beside the log as JSON, and what was not carried must not come back as null.
func TestEventComesBackFromJSON(t *testing.T) {
	e := taffrail.Event{ID: "1", Request: taffrail.Null(), State: &taffrail.Snapshot{Object: taffrail.Object(nil)}}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var again taffrail.Event
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if !again.Request.IsNull() || !again.Response.IsUnknown() || !again.State.Asserts.IsUnknown() {
		t.Errorf("%s", text)
	}
}
