package cli

import (
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// mostMarkdown is how long a comment on GitHub may be, in characters. We count bytes, which are never fewer.
const mostMarkdown = 65536

// Markdown for a comment on a pull request. Nothing that comes from outside stands in it as it is: in a line of text each character that
// Markdown, HTML or a mention could be made of is a numeric reference in a code element, and values stand in fences that are longer than any
// run of the fence's character in them.

// A comment grows block by block, as far as it may.
type comment struct {
	b    strings.Builder
	left int // bytes that are left
	cut  int // blocks that did not fit
}

const cutNote = "\n**Cut here**: %d more did not fit into a comment. The whole is in the output of `taffrail scan`.\n"

// add writes a block if all of it fits.
func (c *comment) add(block string) bool {
	if c.cut > 0 || len(block) > c.left {
		c.cut++
		return false
	}
	c.b.WriteString(block)
	c.left -= len(block)
	return true
}

// markdown is a comment about what all stacks came to: first what must not be lost, then the details.
func markdown(all []scanned, v view) string {
	c := &comment{left: mostMarkdown - len(cutNote) - 20}
	c.add(markdownTitle(all))
	for _, s := range all {
		c.add(markdownSummary(s, v))
	}
	for _, s := range all {
		if s.err == nil {
			c.details(s, v, len(all) > 1)
		}
	}
	if c.cut > 0 {
		fmt.Fprintf(&c.b, cutNote, c.cut)
	}
	return c.b.String()
}

func markdownTitle(all []scanned) string {
	t := totalOf(all)
	verdict := "in sync"
	switch {
	case t.Drifts == 1:
		verdict = "1 resource has drifted"
	case t.Drifts > 1:
		verdict = fmt.Sprintf("%d resources have drifted", t.Drifts)
	case t.Failed > 0:
		verdict = "could not scan"
	case t.Incomplete > 0:
		verdict = "incomplete"
	}
	title := "### Taffrail: " + verdict + "\n\n"
	if len(all) > 1 {
		title += t.String() + "\n\n"
	}
	return title
}

// markdownSummary is the line of one stack, and its coverage.
func markdownSummary(s scanned, v view) string {
	if s.err != nil {
		return fmt.Sprintf("**%s could not be scanned**: %s\n\n", inline(safe(s.target)), inline(errorLine(s.err)))
	}
	r := s.report
	p := &page{width: 1 << 20}
	p.result(r, v)
	lines := strings.Split(strings.TrimSpace(p.b.String()), "\n")
	commit := ""
	if r.Stack.Commit != nil {
		commit = ", " + inline(commitText(r.Stack.Commit))
	}
	text := fmt.Sprintf("**Stack %s**%s\n\n", inline(stackTitle(r.Stack)), commit)
	for _, l := range append(lines, coverageLine(r.Coverage)) {
		text += prose(l) + "\n\n"
	}
	if n := older(r, v); n > 0 {
		text += fmt.Sprintf("Not shown: %s that %s open since before and unchanged.\n\n", count(int64(n), "drift", "drifts"), isAre(n))
	}
	return text
}

// details are the tables of one stack and what lies below them.
func (c *comment) details(s scanned, v view, named bool) {
	r := s.report
	var drifts []taffrail.Drift
	for _, d := range r.Drifts {
		if v.wants(d) {
			drifts = append(drifts, d)
		}
	}
	if named && len(drifts)+len(r.Pending)+len(r.Coverage.Gaps)+len(r.Ended) > 0 {
		c.add("#### " + inline(stackTitle(r.Stack)) + "\n\n")
	}
	c.gaps(r.Coverage.Gaps)
	c.table("| | Resource | Status | Since | Code |\n|---|---|---|---|---|\n", len(drifts), func(i int) string { return driftRow(drifts[i]) })
	moved := causeRows(drifts)
	c.table("**Who moved it**\n\n| Resource | What | Who | How | Sure |\n|---|---|---|---|---|\n", len(moved), func(i int) string { return moved[i] })
	for _, d := range drifts {
		c.add(collapsed(d.Finding.Resource, string(d.Finding.Status), shown(d.Finding.Changes, v.all)))
	}
	c.table("**Code not applied yet**\n\n| | Resource | To do | Code |\n|---|---|---|---|\n", len(r.Pending), func(i int) string { return pendingRow(r.Pending[i]) })
	for _, f := range r.Pending {
		c.add(collapsed(f.Resource, "to be applied", f.Wanted))
	}
	c.table("**Ended**\n\n| Resource | Why |\n|---|---|\n", len(r.Ended), func(i int) string { return endedRow(r.Ended[i]) })
}

// table writes a head and its rows, as many as fit.
func (c *comment) table(head string, rows int, row func(int) string) {
	if rows == 0 || !c.add(head) {
		return
	}
	for i := range rows {
		c.add(row(i))
	}
	c.add("\n")
}

func driftRow(d taffrail.Drift) string {
	sign := ""
	for _, s := range statuses {
		if s.status == d.Finding.Status {
			sign = s.sign
		}
	}
	status := statusWord(d.Finding.Status)
	if d.Finding.Pending {
		status += ", code not applied yet"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", inline(sign), inline(safe(string(d.Finding.Resource.Address))), word(status), prose(sinceText(d)), codePlace(d.Finding.Resource))
}

// causeRows say who moved what, a row for each answer.
func causeRows(drifts []taffrail.Drift) (rows []string) {
	for _, d := range drifts {
		if d.Causes == nil {
			continue
		}
		for _, g := range groupCauses(d.Causes.Changes) {
			who, how := g.Reason, ""
			if g.Event != nil {
				who, how = whoText(g.Event.Actor), g.Event.Action+", "+stamp(g.Event.Time)
			}
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s | %s |\n", inline(safe(string(d.Finding.Resource.Address))), inline(clipMiddle(strings.Join(g.paths, ", "), 80)),
				inline(safe(who)), inline(safe(how)), word(safe(string(g.Tier)))))
		}
	}
	return rows
}

func pendingRow(f taffrail.Finding) string {
	sign, words := actionWords(f.Action)
	return fmt.Sprintf("| %s | %s | %s | %s |\n", inline(sign), inline(safe(string(f.Resource.Address))), word(words), codePlace(f.Resource))
}

func endedRow(e daemon.EndedDrift) string {
	return fmt.Sprintf("| %s | %s |\n", inline(safe(string(e.Address))), word(endingText(e.Why)))
}

// gaps are never cut before what they could hide: they stand first.
func (c *comment) gaps(gaps []taffrail.Gap) {
	if len(gaps) == 0 {
		return
	}
	groups := groupGaps(gaps)
	c.table("**Not checked**\n\n| Why | What | Detail |\n|---|---|---|\n", len(groups), func(i int) string {
		g := groups[i]
		names := g.addresses
		if len(names) > namedGaps {
			names = append(names[:namedGaps-1:namedGaps-1], fmt.Sprintf("and %d more", len(names)-namedGaps+1))
		}
		detail := clipMiddle(list("; hint: ", safe(g.gap.Detail), safe(g.gap.Hint)), 600)
		return fmt.Sprintf("| %s | %s | %s |\n", word(safe(string(g.gap.Reason))), inline(strings.Join(names, ", ")), inline(detail))
	})
}

func codePlace(r taffrail.Resource) string {
	if r.File == "" {
		return ""
	}
	return inline(fmt.Sprintf("%s:%d", safe(r.File), r.Line))
}

// collapsed is what can be unfolded of one resource; nothing if it has no changes.
func collapsed(r taffrail.Resource, what string, changes []taffrail.Change) string {
	const most = 1000
	if len(changes) == 0 {
		return ""
	}
	var lines []string
	for _, c := range changes {
		path, before, after := sidesOf(c, most)
		lines = append(lines, "@@ "+path+" @@"+effectSuffix(c))
		if before != "" {
			lines = append(lines, "- "+before)
		}
		if after != "" {
			lines = append(lines, "+ "+after)
		}
	}
	body := strings.Join(lines, "\n")
	mark := fence(body)
	return fmt.Sprintf("<details><summary>%s: %s, %s</summary>\n\n%sdiff\n%s\n%s\n\n</details>\n\n",
		inline(safe(string(r.Address))), word(what), count(int64(len(changes)), "change", "changes"), mark, body, mark)
}

func effectSuffix(c taffrail.Change) string {
	if note := noteOf(c, true); note != "" {
		return " " + note
	}
	return ""
}

// fence is longer than every run of backquotes in a text (CommonMark 0.31, 4.5).
func fence(text string) string {
	longest, run := 2, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return strings.Repeat("`", longest+1)
}

// inline writes a text that is safe for a terminal as code within a line of Markdown or a cell of a table.
func inline(text string) string {
	if text == "" {
		return ""
	}
	return "<code>" + prose(text) + "</code>"
}

// word writes a word of ours; one that is not stands as code, where no mention is made of it.
func word(text string) string {
	if strings.ContainsAny(text, "@#") {
		return inline(text)
	}
	return prose(text)
}

// prose writes a text so that nothing in it has a meaning for Markdown or HTML: a numeric reference never has (CommonMark 0.31, 2.5).
func prose(text string) string {
	var b strings.Builder
	for i, r := range text {
		if strings.ContainsRune("!\"#$&*<>@[\\]^_`{|}~", r) || strings.HasPrefix(text[i:], "://") {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
