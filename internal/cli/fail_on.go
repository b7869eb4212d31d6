package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// A condition is something in a report that can count for the exit status.
type condition string

const (
	onDrift     condition = "drift"
	onNew       condition = "new"
	onModified  condition = "modified"
	onDeleted   condition = "deleted"
	onUnmanaged condition = "unmanaged"
	onPending   condition = "pending"
	onNothing   condition = "none"
)

var allConditions = []condition{onDrift, onNew, onModified, onDeleted, onUnmanaged, onPending, onNothing}

// conditions are those that count: the flag --fail-on. None of them is an empty list. Gaps are no condition: what could not be read is
// never green, whatever else counts, unless --allow-gaps says so.
type conditions []condition

func defaultConditions() conditions { return conditions{onDrift} }

func conditionNames() []string {
	var names []string
	for _, c := range allConditions {
		names = append(names, string(c))
	}
	return names
}

// String implements [pflag.Value].
func (c *conditions) String() string {
	if len(*c) == 0 {
		return string(onNothing)
	}
	var names []string
	for _, one := range *c {
		names = append(names, string(one))
	}
	return strings.Join(names, ",")
}

// Type implements [pflag.Value].
func (c *conditions) Type() string { return "list" }

// Set implements [pflag.Value].
func (c *conditions) Set(s string) error {
	var set conditions
	nothing := false
	for _, name := range strings.Split(s, ",") {
		one := condition(strings.TrimSpace(name))
		switch {
		case !slices.Contains(allConditions, one):
			return fmt.Errorf("%q is not one of %s", name, strings.Join(conditionNames(), ", "))
		case one == onNothing:
			nothing = true
		case !slices.Contains(set, one):
			set = append(set, one)
		}
	}
	if nothing && len(set) > 0 {
		return fmt.Errorf("%q: none cannot stand beside others", s)
	}
	*c = set
	return nil
}

// found says whether something in a report counts.
func (c conditions) found(r daemon.ScanReport) bool {
	for _, one := range c {
		if one == onPending && len(r.Pending) > 0 {
			return true
		}
		for _, d := range r.Drifts {
			if one.meets(d) {
				return true
			}
		}
	}
	return false
}

func (c condition) meets(d taffrail.Drift) bool {
	switch c {
	case onDrift:
		return true
	case onNew:
		return d.New || d.Changed
	case onPending:
		return d.Finding.Pending
	case onModified, onDeleted, onUnmanaged:
		return string(d.Finding.Status) == string(c)
	}
	return false
}

// scanStatus is the exit status of a scan. Gaps can be allowed; being stopped, or having looked for what is not there, cannot.
func scanStatus(r daemon.ScanReport, v view) int {
	whole := r.Coverage.Complete() && r.Outcome == taffrail.OutcomeOK
	switch {
	case v.counts.found(r):
		return taffrail.ExitDrift
	case interrupted(r) || r.Coverage.Total < v.targets:
		return taffrail.ExitError
	case whole, !r.Coverage.Complete() && v.allowGaps:
		return taffrail.ExitOK
	}
	return taffrail.ExitError
}

func interrupted(r daemon.ScanReport) bool {
	return slices.ContainsFunc(r.Coverage.Gaps, func(g taffrail.Gap) bool { return g.Reason == taffrail.ReasonCancelled })
}

// worse is the exit status of two stacks together: a log that does not verify counts most, then what was found, then what could not be
// looked at.
func worse(a, b int) int {
	rank := func(status int) int {
		return slices.Index([]int{taffrail.ExitOK, taffrail.ExitError, taffrail.ExitDrift, taffrail.ExitCorrupt}, status)
	}
	if rank(a) > rank(b) {
		return a
	}
	return b
}
