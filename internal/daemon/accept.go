package daemon

import (
	"fmt"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/detect"
)

// rules are the rules of acceptance that are about the stack of a scan, at the time at which it began.
type rules struct {
	stack taffrail.StackInfo
	at    time.Time
	hold  []taffrail.AcceptRule
	over  []overdueRule
}

// An overdueRule has expired.
type overdueRule struct {
	taffrail.AcceptRule
	missed int              // resources that it would have been asked about
	first  taffrail.Address // of them
}

func rulesOf(all []taffrail.AcceptRule, stack taffrail.StackInfo, at time.Time) *rules {
	r := &rules{stack: stack, at: at}
	for _, rule := range all {
		switch {
		case !rule.About(stack):
		case at.Before(rule.Expires):
			r.hold = append(r.hold, rule)
		default:
			r.over = append(r.over, overdueRule{AcceptRule: rule})
		}
	}
	return r
}

// compare gives the finding of an observation under the rules. A rule changes how differences are taken, or that a resource is unmanaged;
// it cannot reach a deletion or a gap, which have no differences.
func (r *rules) compare(o taffrail.Observation) taffrail.Finding {
	for _, rule := range r.hold {
		if accepts(rule, taffrail.Modified) && rule.Covers(r.stack, o.Resource, r.at) {
			o.Handling = append(slices.Clip(o.Handling), handling(rule))
		}
	}
	f := detect.Compare(o)
	if f.Status == taffrail.Unmanaged {
		for _, rule := range r.hold {
			if accepts(rule, taffrail.Unmanaged) && rule.Covers(r.stack, o.Resource, r.at) {
				return ignored(f, why(rule))
			}
		}
	}
	if f.Status.IsDrift() {
		r.miss(o, f)
	}
	return f
}

// miss notes which expired rules would have changed a finding.
func (r *rules) miss(o taffrail.Observation, f taffrail.Finding) {
	for i := range r.over {
		rule := &r.over[i]
		if !rule.Covers(r.stack, o.Resource, rule.Expires.Add(-1)) || !wouldChange(rule.AcceptRule, o, f) {
			continue
		}
		if rule.missed++; rule.missed == 1 {
			rule.first = o.Resource.Address
		}
	}
}

func wouldChange(rule taffrail.AcceptRule, o taffrail.Observation, f taffrail.Finding) bool {
	if accepts(rule, taffrail.Unmanaged) {
		return f.Status == taffrail.Unmanaged
	}
	o.Handling = append(slices.Clip(o.Handling), handling(rule))
	return len(drifted(detect.Compare(o))) < len(drifted(f))
}

// expired tells of each rule that holds no more and would have changed the report.
func (r *rules) expired() []string {
	lines := []string{}
	for _, rule := range r.over {
		if rule.missed == 0 {
			continue
		}
		others := ""
		if rule.missed > 1 {
			others = fmt.Sprintf(" and %d more", rule.missed-1)
		}
		lines = append(lines, fmt.Sprintf("%s: ended %s, and would have accepted %s%s: %s (owner: %s)", rule.From, lastDay(rule.Expires), rule.first, others, rule.Reason, rule.Owner))
	}
	return lines
}

func accepts(rule taffrail.AcceptRule, s taffrail.Status) bool {
	return rule.Status == s || rule.Status == "" && s == taffrail.Modified
}

func handling(rule taffrail.AcceptRule) taffrail.Handling {
	return taffrail.Handling{Path: rule.Path, Treatment: taffrail.Suppressed, Why: why(rule), Pinned: rule.Pinned}
}

func why(rule taffrail.AcceptRule) string {
	return fmt.Sprintf("accepted by %s until %s: %s (%s)", rule.Owner, lastDay(rule.Expires), rule.Reason, rule.From)
}

// lastDay gives an end as a person would write it: the last day, if it is the end of a day.
func lastDay(end time.Time) string {
	end = end.UTC()
	if end.Equal(end.Truncate(24 * time.Hour)) {
		return end.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return end.Format(time.RFC3339)
}

// ignored takes a finding for one that is left out on purpose.
func ignored(f taffrail.Finding, why string) taffrail.Finding {
	f.Status, f.Changes = taffrail.NotChecked, []taffrail.Change{}
	f.Gap = &taffrail.Gap{Address: f.Resource.Address, Type: f.Resource.Type, Reason: taffrail.ReasonIgnored, Detail: why}
	return f
}
