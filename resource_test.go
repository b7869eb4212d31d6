package taffrail_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func TestTrap36_CoverageIsNeverGreenWithAGap(t *testing.T) {
	var c taffrail.Coverage
	c.Count(taffrail.Observation{Live: taffrail.Null()})
	for _, r := range []taffrail.Reason{taffrail.ReasonUnsupported, taffrail.ReasonIgnored} {
		c.Count(taffrail.Observation{Gap: &taffrail.Gap{Address: "a", Reason: r}})
	}
	if !c.Complete() {
		t.Error("known limits make a scan incomplete, so no stack would ever be green")
	}
	for _, r := range taffrail.Reasons() {
		with := c
		with.Count(taffrail.Observation{Gap: &taffrail.Gap{Address: "b", Reason: r}})
		if with.Complete() == r.IsGap() {
			t.Errorf("complete is %v with a resource that is %s", with.Complete(), r)
		}
		if got := with.Checked + with.Incomplete + with.Unsupported + with.Ignored; got != with.Total {
			t.Errorf("%d of %d are counted", got, with.Total)
		}
	}
	c.Gaps = append(c.Gaps, taffrail.Gap{Reason: taffrail.ReasonRaced})
	if c.Complete() {
		t.Error("a gap of the whole stack is green")
	}
}

func TestZeroObservationIsNoAbsence(t *testing.T) {
	var o taffrail.Observation
	if !o.Live.IsUnknown() || !o.Recorded.IsUnknown() || !o.Desired.IsUnknown() {
		t.Errorf("%+v", o)
	}
}

func TestSelection(t *testing.T) {
	got := []bool{
		taffrail.Selection{}.Selects("a"),
		taffrail.Selection{Addresses: []taffrail.Address{"a"}}.Selects("a"),
		taffrail.Selection{Addresses: []taffrail.Address{"a"}}.Selects("a.b"),
	}
	if diff := cmp.Diff([]bool{true, true, false}, got); diff != "" {
		t.Error(diff)
	}
}
