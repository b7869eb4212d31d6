package cli

import (
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// result prints the verdict of a scan on one line, and what the exit status makes of it where that is not the same.
func (p *page) result(r daemon.ScanReport, v view) {
	status := scanStatus(r, v)
	switch {
	case len(r.Drifts) > 0:
		p.verdict("Drift:", driftCounts(r)+gapCounts(r, "; incomplete: "), p.alarm)
	case status == taffrail.ExitError:
		p.verdict("Incomplete:", incompleteNote(r, v), func(s string) string { return p.paint("1;33", s) })
	default:
		p.verdict("In sync.", strings.TrimSpace(inSyncNote(r)), func(s string) string { return p.paint("1;32", s) })
	}
	if n := waiting(r); n > 0 {
		p.line(p.yellow("Pending: "), fmt.Sprintf("the code of %s is not applied yet", count(int64(n), "resource", "resources")))
	}
	if usual := scanStatus(r, view{counts: defaultConditions(), allowGaps: v.allowGaps, targets: v.targets}); status != usual && len(r.Drifts)+waiting(r) > 0 {
		p.line(p.dim(fmt.Sprintf("Exit status %d: what counts is %s.", status, v.counts.String())))
	}
}

// verdict prints a word and what it means.
func (p *page) verdict(word, text string, paint func(string) string) {
	lines := wrap(text, max(40, p.width-cells(word)-1))
	if len(lines) == 0 {
		p.line(paint(word))
		return
	}
	p.line(paint(word), " ", lines[0])
	for _, l := range lines[1:] {
		p.line(spaces(cells(word)+1), l)
	}
}

// waiting counts the resources whose code is not applied yet.
func waiting(r daemon.ScanReport) int {
	n := len(r.Pending)
	for _, d := range r.Drifts {
		if d.Finding.Pending {
			n++
		}
	}
	return n
}

func driftCounts(r daemon.ScanReport) string {
	var parts []string
	fresh, changed := 0, 0
	for _, group := range statuses {
		n := 0
		for _, d := range r.Drifts {
			if d.Finding.Status != group.status {
				continue
			}
			n++
			switch {
			case d.New:
				fresh++
			case d.Changed:
				changed++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, group.status))
		}
	}
	text := fmt.Sprintf("%s (%d new", strings.Join(parts, ", "), fresh)
	if changed > 0 {
		text += fmt.Sprintf(", %d changed", changed)
	}
	text += ")"
	if n := len(r.Ended); n > 0 {
		text += fmt.Sprintf(", %d ended", n)
	}
	return text
}

func inSyncNote(r daemon.ScanReport) string {
	text := ""
	if r.Coverage.Total == 0 {
		text += " The stack records no resources."
	}
	if n := len(r.Ended); n > 0 {
		text += fmt.Sprintf(" %s ended.", count(int64(n), "drift", "drifts"))
	}
	return text + gapCounts(r, " Gaps were allowed: ")
}

func incompleteNote(r daemon.ScanReport, v view) string {
	switch {
	case interrupted(r):
		return "the scan was stopped; no drift in what was checked" + gapCounts(r, ", ")
	case r.Coverage.Total < v.targets && r.Coverage.Complete():
		return "not every --target names a resource of the stack; no drift in what was checked"
	}
	return "no drift in what was checked" + gapCounts(r, ", ")
}
