package daemon

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/taffrail-dev/taffrail"
)

// judge settles what the findings come to, now that it is known whether the recorded side held still. If it did not, that takes the
// ground from under each difference that was found.
func (s *scan) judge(gaps []taffrail.Gap, after taffrail.StackInfo) {
	for _, g := range gaps {
		if g.Address == "" { // the others came with their resources
			s.coverage.Gaps = append(s.coverage.Gaps, g)
		}
	}
	raced := s.race(after)
	s.raced = raced != nil
	for i := range s.findings {
		f := &s.findings[i]
		if raced != nil {
			undermine(f, *raced)
		}
		s.statuses[f.Status]++
		s.coverage.Count(taffrail.Observation{Gap: f.Gap})
	}
	if after.ID != "" {
		s.stack = after
	}
	slices.SortFunc(s.findings, func(a, b taffrail.Finding) int { return cmp.Compare(a.Resource.Address, b.Resource.Address) })
	slices.SortStableFunc(s.coverage.Gaps, func(a, b taffrail.Gap) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Type, b.Type))
	})
}

// race gives the gap of the whole that says that the recorded side moved, and adds it if the source has not seen that.
func (s *scan) race(after taffrail.StackInfo) *taffrail.Gap {
	for _, g := range s.coverage.Gaps {
		if ofTheWhole(g) && g.Reason == taffrail.ReasonRaced {
			return &g
		}
	}
	if after.ID == "" || after.Serial == s.stack.Serial && after.Lineage == s.stack.Lineage {
		return nil
	}
	g := taffrail.Gap{
		Reason: taffrail.ReasonRaced, Hint: "scan again when no apply is running",
		Detail: fmt.Sprintf("the state moved from serial %d to %d during the scan", s.stack.Serial, after.Serial),
	}
	s.coverage.Gaps = append(s.coverage.Gaps, g)
	return &g
}

// undermine takes back what was concluded from a recorded side that moved.
func undermine(f *taffrail.Finding, raced taffrail.Gap) {
	f.Pending, f.Action, f.Wanted = false, "", nil
	if f.Status.IsDrift() {
		f.Status, f.Changes = taffrail.NotChecked, []taffrail.Change{}
		f.Gap = &taffrail.Gap{Address: f.Resource.Address, Type: f.Resource.Type, Reason: raced.Reason, Detail: raced.Detail, Hint: raced.Hint}
	}
}

// ofTheWhole says whether a gap is about the stack as a whole: neither one resource nor, of what no stack declares, one type.
func ofTheWhole(g taffrail.Gap) bool { return g.Address == "" && g.Type == "" }

func (s *scan) outcome() taffrail.Outcome {
	switch {
	case s.fatal != nil:
		return taffrail.OutcomeFailed
	case s.cut || !s.coverage.Complete():
		return taffrail.OutcomeIncomplete
	}
	return taffrail.OutcomeOK
}
