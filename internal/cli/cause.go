package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A causeGroup is what several changes of one resource have in common: the same answer.
type causeGroup struct {
	paths []string
	taffrail.Cause
}

// groupCauses puts changes with the same answer together, in the order in which they come.
func groupCauses(causes []taffrail.Cause) (groups []causeGroup) {
	at := map[string]int{}
	for _, c := range causes {
		key := string(c.Tier) + "\n" + c.Reason + "\n" + c.Via
		if c.Event != nil {
			key += "\n" + string(c.Event.ID)
		}
		for _, candidate := range c.Candidates {
			key += "\n" + string(candidate.ID)
		}
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, causeGroup{Cause: c})
		}
		path := causePath(c.Change)
		if n := len(groups[i].paths); n == 0 || groups[i].paths[n-1] != path {
			groups[i].paths = append(groups[i].paths, path)
		}
	}
	return groups
}

// causePath is the path of a change as a table has it; of an element of a set it is the set's, and of the whole resource none.
func causePath(c taffrail.Change) string {
	if set, ok := setOf(c); ok {
		return renderPath(set)
	}
	return renderPath(c.Path)
}

// causes prints who moved a drift, a line for each answer.
func (p *page) causes(known *taffrail.Causes, indent int) {
	if known == nil {
		return
	}
	groups := groupCauses(known.Changes)
	for _, g := range groups {
		where := ""
		if len(groups) > 1 {
			where = clipMiddle(strings.Join(g.paths, ", "), 40) + ": "
		}
		lead := strings.Repeat(" ", indent) + "by  "
		if g.Event == nil {
			p.unnamed(g, where, indent)
			continue
		}
		p.line(lead, p.dim(where), p.bold(safe(whoText(g.Event.Actor))), gap, safe(g.Event.Action), gap, p.dim(stamp(g.Event.Time)), gap, p.tierWord(g.Tier, g.Confidence))
		if g.Run != nil {
			p.line(strings.Repeat(" ", indent+4), p.dim(runText(*g.Run)))
		}
	}
}

// causeLines say who moved a drift, a line for each answer.
func causeLines(known *taffrail.Causes) (lines []string) {
	if known == nil {
		return nil
	}
	for _, g := range groupCauses(known.Changes) {
		where := strings.Join(g.paths, ", ")
		if g.Event == nil {
			lines = append(lines, fmt.Sprintf("%s: %s: %s", where, safe(string(g.Tier)), safe(g.Reason)))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: moved by %s, %s, %s (%s)", where, safe(whoText(g.Event.Actor)), safe(g.Event.Action), stamp(g.Event.Time), safe(string(g.Tier))))
	}
	return lines
}

// unnamed prints an answer that names nobody, and why; and while events may still come, who it seems to be so far.
func (p *page) unnamed(g causeGroup, where string, indent int) {
	soFar := ""
	if len(g.Candidates) > 0 && g.Tier == taffrail.TierAwaiting {
		best := g.Candidates[0]
		soFar = fmt.Sprintf("so far %s  %s  %s", whoText(best.Actor), best.Action, stamp(best.Time))
	}
	p.line(strings.Repeat(" ", indent), "?   ", p.dim(where), p.tierWord(g.Tier, 0), gap, safe(soFar))
	if g.Run != nil {
		p.line(strings.Repeat(" ", indent+4), p.dim(runText(*g.Run)))
	}
	p.paragraph(safe(g.Reason), indent+4, p.dim)
}

// runText names a run.
func runText(r taffrail.RunRef) string {
	text := "in " + safe(string(r.ID)) + ", " + safe(list(" ", r.Program, r.Verb)) + " of " + safe(whoText(r.Who))
	if r.Exact {
		return text + ", as was watched"
	}
	return text + ", as the call itself says"
}

// whoText names who acted. A credential that more than one may hold is never said to be a person.
func whoText(a taffrail.Actor) string {
	name := cmp.Or(strings.TrimSpace(a.Name), a.ID)
	if a.Class == taffrail.ActorCredential {
		return "credential " + name + ", holders unknown"
	}
	return name + " (" + safe(string(a.Class)) + ")"
}

// tierWord paints the tier and, where there is one, the confidence that was fitted.
func (p *page) tierWord(t taffrail.Tier, confidence float64) string {
	text := safe(string(t))
	if confidence > 0 && t != taffrail.TierProved {
		text += fmt.Sprintf(" %.2f", confidence)
	}
	switch t {
	case taffrail.TierProved, taffrail.TierExplained:
		return p.green(text)
	case taffrail.TierLikely, taffrail.TierPossible:
		return p.yellow(text)
	}
	return p.red(text)
}
