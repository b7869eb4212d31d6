package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// Where many gaps are alike, so many of them are named.
const (
	namedGaps   = 6
	namedGroups = 8
)

// gapGroup holds the gaps that differ in nothing but the address.
type gapGroup struct {
	gap       taffrail.Gap
	addresses []string
}

// gaps prints what was not checked, and why: failures first, known limits after them.
func (p *page) gaps(gaps []taffrail.Gap, v view) {
	if len(gaps) == 0 {
		return
	}
	p.line()
	p.line(p.bold("Not checked"))
	groups := groupGaps(gaps)
	for _, reason := range reasonsOf(groups) {
		of := slices.DeleteFunc(slices.Clone(groups), func(g gapGroup) bool { return g.gap.Reason != reason })
		rest := 0
		for i, g := range of {
			if i >= namedGroups && !v.all {
				rest += len(g.addresses)
				continue
			}
			p.gapGroup(g, i == 0, v)
		}
		if rest > 0 {
			p.line(spaces(2+reasonWidth), gap, fmt.Sprintf("and %d more (--all names them)", rest))
		}
	}
}

// reasonWidth is that of the longest reason.
const reasonWidth = len(taffrail.ReasonUnconfigured)

// gapGroup prints one group, and its reason if it is the first that has it.
func (p *page) gapGroup(g gapGroup, first bool, v view) {
	at := 2 + reasonWidth + len(gap)
	names := g.addresses
	more := ""
	if len(names) > namedGaps && !v.all {
		more = fmt.Sprintf(" and %d more (--all names them)", len(names)-namedGaps+1)
		names = names[:namedGaps-1]
	}
	reason := spaces(reasonWidth)
	if first {
		reason = pad(safe(string(g.gap.Reason)), reasonWidth)
	}
	if g.gap.Reason.IsGap() {
		reason = p.yellow(reason)
	}
	for i, l := range wrap(strings.Join(names, ", ")+more, max(40, p.width-at)) {
		if i == 0 {
			p.line("  ", reason, gap, l)
			continue
		}
		p.line(spaces(at), l)
	}
	p.paragraph(safe(g.gap.Detail), at, p.dim)
	if g.gap.Hint != "" {
		p.paragraph("hint: "+safe(g.gap.Hint), at, p.dim)
	}
}

// groupGaps puts together what is alike, in the order of the first of each group.
func groupGaps(gaps []taffrail.Gap) []gapGroup {
	type key struct {
		reason       taffrail.Reason
		detail, hint string
	}
	var groups []gapGroup
	at := map[key]int{}
	for _, g := range gaps {
		k := key{g.Reason, g.Detail, g.Hint}
		i, known := at[k]
		if !known {
			i = len(groups)
			at[k] = i
			groups = append(groups, gapGroup{gap: g})
		}
		groups[i].addresses = append(groups[i].addresses, subjectOf(g))
	}
	return groups
}

// subjectOf says what a gap is about: a resource, whatever is live of a type, or all.
func subjectOf(g taffrail.Gap) string {
	switch {
	case g.Address != "":
		return safe(string(g.Address))
	case g.Type != "":
		return "unmanaged " + safe(string(g.Type))
	}
	return "(the whole stack)"
}

// reasonsOf lists the reasons that occur: those that are known in the order in which people are shown them, then others.
func reasonsOf(groups []gapGroup) []taffrail.Reason {
	var all []taffrail.Reason
	for _, g := range groups {
		if !slices.Contains(all, g.gap.Reason) {
			all = append(all, g.gap.Reason)
		}
	}
	order := taffrail.Reasons()
	rank := func(r taffrail.Reason) int {
		if i := slices.Index(order, r); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(all, func(a, b taffrail.Reason) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// coverageLine is printed always: it is what tells clean from not looked at.
func coverageLine(c taffrail.Coverage) string {
	return fmt.Sprintf("Coverage: %d of %d checked, %d could not be read, %d unsupported, %d ignored",
		c.Checked, c.Total, c.Incomplete, c.Unsupported, c.Ignored)
}

// gapCounts says how much a scan missed, after a word that leads to it, and nothing if it missed nothing.
func gapCounts(r daemon.ScanReport, lead string) string {
	whole, kinds := 0, 0
	for _, g := range r.Coverage.Gaps {
		switch {
		case g.Address != "" || !g.Reason.IsGap():
		case g.Type != "":
			kinds++
		default:
			whole++
		}
	}
	var parts []string
	if n := r.Coverage.Incomplete; n > 0 {
		parts = append(parts, fmt.Sprintf("%d could not be read", n))
	}
	if whole > 0 {
		parts = append(parts, fmt.Sprintf("%s of the whole stack", count(int64(whole), "gap", "gaps")))
	}
	if kinds > 0 {
		parts = append(parts, fmt.Sprintf("%s could not be listed", count(int64(kinds), "type", "types")))
	}
	if len(parts) == 0 {
		return ""
	}
	return lead + strings.Join(parts, ", ")
}

// logLine says where in the log the scan stands, and how sure that is.
func logLine(l daemon.LogPosition) string {
	span := fmt.Sprintf("entries %d-%d", l.First, l.Last)
	if l.First == l.Last {
		span = fmt.Sprintf("entry %d", l.First)
	}
	if l.Level != audit.LevelSigned {
		return fmt.Sprintf("Log: %s %s, not signed yet, origin %s", span, safe(string(l.Level)), safe(l.Origin))
	}
	return fmt.Sprintf("Log: %s signed, checkpoint %d, origin %s", span, l.Size, safe(l.Origin))
}
