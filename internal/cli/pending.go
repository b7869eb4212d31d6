package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// effects say what the next apply would do to one change, and to several.
var effects = map[taffrail.Effect][2]string{
	taffrail.EffectReverts:      {"the next apply reverts it", "the next apply reverts all of it"},
	taffrail.EffectKept:         {"the next apply keeps it", "the next apply keeps all of it"},
	taffrail.EffectIfConfigured: {"the next apply reverts it if the code sets it", "the next apply reverts what of it the code sets"},
	taffrail.EffectUnknown:      {"what the next apply does to it is not known", "what the next apply does to it is not known"},
}

// effectNote says what the next apply would do to so many changes.
func effectNote(e taffrail.Effect, changes int) string {
	words, ok := effects[e]
	switch {
	case !ok:
		return "next apply: " + safe(string(e))
	case changes > 1:
		return words[1]
	}
	return words[0]
}

// commonEffect is the effect that all drifted changes of a resource share, if it has some.
func commonEffect(changes []taffrail.Change) (taffrail.Effect, bool) {
	var common taffrail.Effect
	for _, c := range changes {
		if c.Class != taffrail.ClassDrift {
			continue
		}
		if c.Effect == "" || common != "" && c.Effect != common {
			return "", false
		}
		common = c.Effect
	}
	return common, common != ""
}

// actions say what applying the code would do, with the sign that stands for it.
var actions = map[taffrail.Action]struct{ sign, words string }{
	taffrail.ActionCreate:  {"+", "to be created"},
	taffrail.ActionUpdate:  {"~", "to be updated"},
	taffrail.ActionReplace: {"±", "to be replaced"},
	taffrail.ActionDelete:  {"-", "to be deleted"},
	taffrail.ActionMove:    {"→", "to be moved in the state"},
	taffrail.ActionImport:  {"←", "to be imported into the state"},
	taffrail.ActionForget:  {"×", "to be forgotten by the state"},
}

func actionWords(a taffrail.Action) (sign, words string) {
	known, ok := actions[a]
	switch {
	case a == "":
		return "~", "to be applied"
	case !ok:
		return "~", "to be applied: " + safe(string(a))
	}
	return known.sign, known.words
}

// pending prints the code that is not applied yet, of resources that are no drift.
func (p *page) pending(findings []taffrail.Finding) {
	if len(findings) == 0 {
		return
	}
	p.line()
	p.line(p.bold("Code not applied yet"))
	for _, f := range findings {
		sign, words := actionWords(f.Action)
		p.heading(sign, f, words, statusNote(f))
		p.wantedRows(f, 4)
	}
}

// statusNote says of code that is not applied yet if nobody could look at what is live.
func statusNote(f taffrail.Finding) string {
	if f.Status == taffrail.NotChecked {
		return "what is live was not checked"
	}
	return ""
}

// wanted prints the code of a drifted resource that is not applied yet.
func (p *page) wanted(f taffrail.Finding) {
	if !f.Pending {
		return
	}
	_, words := actionWords(f.Action)
	p.line("    ", p.yellow("Code not applied yet: "+words))
	p.wantedRows(f, 8)
}

// wantedRows prints what the code would change. That a plan changes a resource and shows nothing of it is said, or it would look like a
// mistake of ours.
func (p *page) wantedRows(f taffrail.Finding, indent int) {
	if len(f.Wanted) == 0 && (f.Action == taffrail.ActionUpdate || f.Action == taffrail.ActionReplace) {
		p.paragraph("the plan shows no attribute that would change: it can be a write-only value, or one that is known at the apply alone", indent, p.dim)
		return
	}
	p.rows(rowsOf(asDrift(f.Wanted), false), indent)
}

// asDrift gives changes that are shown as such, whatever their class.
func asDrift(changes []taffrail.Change) []taffrail.Change {
	all := slices.Clone(changes)
	for i := range all {
		all[i].Class = taffrail.ClassDrift
	}
	return all
}

// listed says where resources were looked for that no stack declares: without it, that none was found means nothing.
func (p *page) listed(r daemon.ScanReport) {
	if len(r.Listed) == 0 {
		return
	}
	const most = 8
	var names []string
	for _, t := range r.Listed {
		names = append(names, safe(string(t)))
	}
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	found := "none found"
	if n := r.Statuses[taffrail.Unmanaged]; n > 0 {
		found = fmt.Sprintf("%d found", n)
	}
	p.paragraph(fmt.Sprintf("Unmanaged: %s; looked for every live %s%s", found, strings.Join(names, ", "), more), 0, func(s string) string { return s })
}

// expired prints the rules that accept nothing any more.
func (p *page) expired(rules []string) {
	if len(rules) == 0 {
		return
	}
	p.line()
	p.line(p.bold("Rules of acceptance that have expired"))
	for _, rule := range rules {
		p.paragraph(safe(rule), 2, p.yellow)
	}
}
