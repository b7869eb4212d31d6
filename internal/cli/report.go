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

// A view says how much of a report is wanted.
type view struct {
	all       bool // what is no drift as well
	allowGaps bool
	targets   int // how many addresses were asked for; 0 is all
}

// report prints what a scan saw.
func (p *page) report(r daemon.ScanReport, v view) {
	p.stack(r.Stack)
	for _, group := range statuses {
		for _, d := range r.Drifts {
			if d.Finding.Status == group.status {
				p.drift(d, group.sign, v)
			}
		}
	}
	if v.all {
		for _, f := range r.Noise {
			p.noise(f)
		}
	}
	p.ended(r.Ended)
	p.unseen(r.Unseen)
	p.gaps(r.Coverage.Gaps, v)
	p.line()
	if n := hidden(r); n > 0 && !v.all {
		p.paragraph(fmt.Sprintf("Not shown: %s that %s no drift (--all shows them).",
			count(int64(n), "difference", "differences"), isAre(n)), 0, p.dim)
	}
	p.line(coverageLine(r.Coverage))
	p.result(r, v)
	p.line(p.dim(logLine(r.Log)))
}

func (p *page) stack(s taffrail.StackInfo) {
	workspace := ""
	if s.Workspace != "" && s.Workspace != "default" {
		workspace = "workspace " + safe(s.Workspace)
	}
	about := list(", ", workspace, fmt.Sprintf("serial %d", s.Serial), safe(s.Tool))
	p.line("Stack ", p.bold(safe(s.Name)), gap, p.dim(about))
}

func (p *page) drift(d taffrail.Drift, sign string, v view) {
	since := "new"
	if !d.New {
		since = "since " + stamp(d.Since)
	}
	p.heading(sign, d.Finding, since)
	p.rows(rowsOf(shown(d.Finding.Changes, v.all)), 4)
}

// noise prints a resource in sync that has differences nevertheless.
func (p *page) noise(f taffrail.Finding) {
	p.heading("=", f, "")
	p.rows(rowsOf(f.Changes), 4)
}

// heading names a resource: what and how on the first line, where on the same if there is room.
func (p *page) heading(sign string, f taffrail.Finding, since string) {
	name := sign + " " + safe(string(f.Resource.Address))
	status := list(", ", statusWord(f.Status), since)
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

// whereabouts are identity and place of a resource, and whether its code waits to be applied.
func whereabouts(f taffrail.Finding) []string {
	var about []string
	if f.Resource.ID != "" {
		about = append(about, "id "+safe(string(f.Resource.ID)))
	}
	if f.Resource.File != "" {
		about = append(about, fmt.Sprintf("%s:%d", safe(f.Resource.File), f.Resource.Line))
	}
	if f.Pending {
		about = append(about, "code not applied yet")
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
}

func (p *page) ended(ended []daemon.EndedDrift) {
	if len(ended) == 0 {
		return
	}
	p.line()
	for _, e := range ended {
		why, ok := endings[e.Why]
		if !ok {
			why = safe(string(e.Why))
		}
		p.line(p.green("✓ "+safe(string(e.Address))), gap, "drift ended: "+why)
	}
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
