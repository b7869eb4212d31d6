package cli

import (
	"fmt"

	"github.com/taffrail-dev/taffrail"
)

// total is what several stacks come to together. Each of them is counted once, by the worst that is to be said of it.
type total struct {
	Stacks     int `json:"stacks"`
	InSync     int `json:"in_sync"`
	Drifted    int `json:"drifted"`    // with gaps or without
	Incomplete int `json:"incomplete"` // no drift, and something could not be read
	Failed     int `json:"failed"`     // not scanned: an error
	Drifts     int `json:"drifts"`     // resources that are out of sync, in all
	New        int `json:"new"`        // of them, first seen by this scan
	NotRead    int `json:"not_read"`   // resources that could not be read, in all
}

func totalOf(all []scanned) total {
	t := total{Stacks: len(all)}
	for _, s := range all {
		switch {
		case s.err != nil:
			t.Failed++
			continue
		case len(s.report.Drifts) > 0:
			t.Drifted++
		case s.report.Outcome != taffrail.OutcomeOK || !s.report.Coverage.Complete():
			t.Incomplete++
		default:
			t.InSync++
		}
		t.Drifts += len(s.report.Drifts)
		t.NotRead += s.report.Coverage.Incomplete
		for _, d := range s.report.Drifts {
			if d.New {
				t.New++
			}
		}
	}
	return t
}

// String is one line for people.
func (t total) String() string {
	parts := []string{fmt.Sprintf("%d in sync", t.InSync)}
	for _, p := range []struct {
		n    int
		text string
	}{
		{t.Drifted, fmt.Sprintf("%d with drift (%s, %d new)", t.Drifted, count(int64(t.Drifts), "resource", "resources"), t.New)},
		{t.Incomplete, fmt.Sprintf("%d incomplete", t.Incomplete)},
		{t.Failed, fmt.Sprintf("%d could not be scanned", t.Failed)},
	} {
		if p.n > 0 {
			parts = append(parts, p.text)
		}
	}
	return count(int64(t.Stacks), "stack", "stacks") + ": " + list(", ", parts...)
}
