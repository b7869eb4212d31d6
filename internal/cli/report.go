package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// statuses are those that a table of drift groups by, in its order, with the sign that stands for each.
var statuses = []struct {
	status taffrail.Status
	sign   string
}{
	{taffrail.Modified, "~"},
	{taffrail.Deleted, "-"},
	{taffrail.Unmanaged, "+"},
}

// A view says how much of a report is wanted, and what of it counts.
type view struct {
	all       bool // what is no drift as well
	sinceLast bool // no drift that is as it was when last seen
	counts    conditions
	allowGaps bool
	targets   int // how many addresses were asked for; 0 is all
}

// report prints what a scan saw.
func (p *page) report(r daemon.ScanReport, v view) {
	p.stack(r.Stack)
	p.drifts(r.Drifts, v)
	p.pending(r.Pending)
	if v.all {
		for _, f := range r.Noise {
			p.noise(f)
		}
	}
	p.ended(r.Ended)
	p.unseen(r.Unseen)
	p.gaps(r.Coverage.Gaps, v)
	p.expired(r.Expired)
	p.line()
	if n := older(r, v); n > 0 {
		p.paragraph(fmt.Sprintf("Not shown: %s that %s open since before and unchanged (without --since-last they are shown).", count(int64(n), "drift", "drifts"), isAre(n)), 0, p.dim)
	}
	if n := hidden(r); n > 0 && !v.all {
		p.paragraph(fmt.Sprintf("Not shown: %s that %s no drift (--all shows them).",
			count(int64(n), "difference", "differences"), isAre(n)), 0, p.dim)
	}
	p.listed(r)
	p.line(coverageLine(r.Coverage))
	p.result(r, v)
	p.line(p.dim(logLine(r.Log)))
}

func (p *page) stack(s taffrail.StackInfo) {
	workspace := ""
	if s.Workspace != "" && s.Workspace != "default" {
		workspace = "workspace " + safe(s.Workspace)
	}
	about := list(", ", workspace, fmt.Sprintf("serial %d", s.Serial), safe(s.Tool), commitText(s.Commit))
	if name := "Stack " + safe(s.Name); cells(name)+len(gap)+cells(about) > p.width {
		p.line("Stack ", p.bold(safe(s.Name)))
		p.paragraph(about, 4, p.dim)
		return
	}
	p.line("Stack ", p.bold(safe(s.Name)), gap, p.dim(about))
}

// commitText names the version of the code: "commit 1a2b3c4d (main, with changes)".
func commitText(c *taffrail.Commit) string {
	if c == nil {
		return ""
	}
	changes := ""
	if c.Dirty {
		changes = "with changes"
	}
	text := "commit " + safe(c.Hash[:min(8, len(c.Hash))])
	if about := list(", ", safe(c.Ref), changes); about != "" {
		text += " (" + about + ")"
	}
	return text
}

// drifts prints those that are wanted, by their status.
func (p *page) drifts(drifts []taffrail.Drift, v view) {
	for _, group := range statuses {
		for _, d := range drifts {
			if d.Finding.Status == group.status && v.wants(d) {
				p.drift(d, group.sign, v)
			}
		}
	}
}

func (v view) wants(d taffrail.Drift) bool { return !v.sinceLast || d.New || d.Changed }

// older counts the drifts that are not shown because they are as they were.
func older(r daemon.ScanReport, v view) int {
	n := 0
	for _, d := range r.Drifts {
		if !v.wants(d) {
			n++
		}
	}
	return n
}

func (p *page) drift(d taffrail.Drift, sign string, v view) {
	p.heading(sign, d.Finding, statusWord(d.Finding.Status), sinceText(d))
	changes := shown(d.Finding.Changes, v.all)
	effect, same := commonEffect(changes)
	p.rows(rowsOf(changes, !same), 4)
	if same {
		p.line("    ", p.dim(effectNote(effect, len(changes))))
	}
	p.causes(d.Causes, 4)
	p.wanted(d.Finding)
}

func sinceText(d taffrail.Drift) string {
	switch {
	case d.New:
		return "new"
	case d.Changed:
		return "changed, since " + stamp(d.Since)
	}
	return "since " + stamp(d.Since)
}

// noise prints a resource in sync that has differences nevertheless.
func (p *page) noise(f taffrail.Finding) {
	p.heading("=", f, statusWord(f.Status))
	p.rows(rowsOf(f.Changes, true), 4)
}

// heading names a resource: what and how on the first line, where on the same if there is room.
func (p *page) heading(sign string, f taffrail.Finding, words ...string) {
	name := sign + " " + safe(string(f.Resource.Address))
	status := list(", ", words...)
	about := whereabouts(f)
	p.line()
	painted := p.bold(p.mark(sign, name)) + gap + p.mark(sign, status)
	if cells(name)+len(gap)+cells(status)+len(gap)+cells(strings.Join(about, gap)) <= p.width {
		p.line(painted, gap, p.dim(strings.Join(about, gap)))
		return
	}
	p.line(painted)
	p.paragraph(strings.Join(about, ", "), 4, p.dim)
}

// whereabouts are identity and place of a resource.
func whereabouts(f taffrail.Finding) []string {
	var about []string
	if f.Resource.ID != "" {
		about = append(about, "id "+safe(string(f.Resource.ID)))
	}
	if f.Resource.File != "" {
		about = append(about, fmt.Sprintf("%s:%d", safe(f.Resource.File), f.Resource.Line))
	}
	return about
}

func statusWord(s taffrail.Status) string {
	if s == taffrail.InSync {
		return "in sync"
	}
	return safe(string(s))
}

// shown are the changes that a table holds: drift, and all else on request.
func shown(changes []taffrail.Change, all bool) []taffrail.Change {
	if all {
		return changes
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c taffrail.Change) bool { return c.Class != taffrail.ClassDrift })
}

// hidden counts the differences that are no drift.
func hidden(r daemon.ScanReport) int {
	n := 0
	for _, d := range r.Drifts {
		n += len(d.Finding.Changes) - len(shown(d.Finding.Changes, false))
	}
	for _, f := range r.Noise {
		n += len(f.Changes)
	}
	return n
}

var endings = map[taffrail.EndReason]string{
	taffrail.EndInSync:   "in sync again",
	taffrail.EndReleased: "the stack does not record it any more",
	taffrail.EndIgnored:  "not compared any more",
	taffrail.EndAccepted: "accepted as it is",
	taffrail.EndGone:     "it is there no more, or a stack declares it",
}

func (p *page) ended(ended []daemon.EndedDrift) {
	if len(ended) == 0 {
		return
	}
	p.line()
	for _, e := range ended {
		p.line(p.green("✓ "+safe(string(e.Address))), gap, "drift ended: "+endingText(e.Why))
	}
}

func endingText(why taffrail.EndReason) string {
	if text, ok := endings[why]; ok {
		return text
	}
	return safe(string(why))
}

// unseen keeps a drift that is known from being forgotten when its resource cannot be looked at any more.
func (p *page) unseen(unseen []daemon.UnseenDrift) {
	if len(unseen) == 0 {
		return
	}
	p.line()
	for _, u := range unseen {
		p.line(p.yellow("? "+safe(string(u.Address))), gap, fmt.Sprintf("drifted since %s, and could not be looked at now; see entry %d", stamp(u.Since), u.Entry))
	}
}

// stamp writes a moment to the second, in UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
