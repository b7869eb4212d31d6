package cli

import (
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A finding in words, for forms that hold text: no line of it holds a control character.

// headline says in one sentence what is the matter with a resource.
func headline(f taffrail.Finding) string {
	address := safe(string(f.Resource.Address))
	switch f.Status {
	case taffrail.Modified:
		n := len(shown(f.Changes, false))
		return fmt.Sprintf("%s was modified: %s not as recorded", address, count(int64(n), "attribute is", "attributes are"))
	case taffrail.Deleted:
		return address + " was deleted: it is recorded, and not there"
	case taffrail.Unmanaged:
		return address + " is unmanaged: it is there, and no known stack declares it"
	case taffrail.NotChecked:
		return address + " was not checked"
	}
	return address + " is in sync"
}

// pendingHeadline says in one sentence what the code wants.
func pendingHeadline(f taffrail.Finding) string {
	_, words := actionWords(f.Action)
	return fmt.Sprintf("%s is %s: its code is not applied yet", safe(string(f.Resource.Address)), words)
}

// changeLines are the drifted changes of a finding, a line each.
func changeLines(f taffrail.Finding) []string {
	const most = 400
	var lines []string
	for _, c := range shown(f.Changes, false) {
		lines = append(lines, changeLine(c, most))
	}
	return lines
}

// changeLine is one change: "path: before → after (the next apply reverts it)", or what a set lost or gained. Each value takes so many
// cells at most.
func changeLine(c taffrail.Change, most int) string {
	path, before, after := sidesOf(c, most)
	line := fmt.Sprintf("%s: %s → %s", path, before, after)
	switch {
	case before == "":
		line = fmt.Sprintf("%s: gained %s", path, after)
	case after == "":
		line = fmt.Sprintf("%s: lost %s", path, before)
	}
	if c.Effect != "" {
		line += " (" + effectNote(c.Effect, 1) + ")"
	}
	return line
}

// sidesOf gives a path and the two sides of a change. Of an element that a set gained or lost one side is empty, and the path is the set's.
func sidesOf(c taffrail.Change, most int) (path, before, after string) {
	if set, ok := setOf(c); ok {
		path = renderPath(set)
		if c.Before.IsNull() {
			return path, "", clipMiddle(renderValue(c.After), most)
		}
		return path, clipMiddle(renderValue(c.Before), most), ""
	}
	r := rowOf(c, false)
	before, after = r.before, r.after
	if r.lines != nil { // two documents
		before, after = renderPair(c.Before, c.After)
	}
	before, after = clipPair(before, after, most)
	return r.path, before, after
}

// gapLine says what was not checked, and why.
func gapLine(g taffrail.Gap) string {
	text := fmt.Sprintf("%s was not checked (%s): %s", subjectOf(g), safe(string(g.Reason)), safe(g.Detail))
	if g.Hint != "" {
		text += "; hint: " + safe(g.Hint)
	}
	return text
}

// stackTitle names a stack and its workspace, if that is not the usual one.
func stackTitle(s taffrail.StackInfo) string {
	name := safe(s.Name)
	if s.Workspace != "" && s.Workspace != "default" {
		name += " (workspace " + safe(s.Workspace) + ")"
	}
	return name
}

// errorLine is an error on one line, with its hint.
func errorLine(err error) string {
	text := safe(err.Error())
	if hint := taffrail.HintOf(err); hint != "" {
		text += "; hint: " + safe(hint)
	}
	return strings.TrimSpace(text)
}
