package cli

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// Nothing that comes from outside can be Markdown, HTML or a mention: outside of fences every line is one that we wrote.
func TestMarkdownCannotBeBrokenOutOf(t *testing.T) {
	got := run(t, answering(hostile()), "scan", "-o", "markdown").stdout
	fenced := ""
	for _, line := range strings.Split(got, "\n") {
		switch {
		case fenced == "" && strings.HasPrefix(line, "```"):
			fenced = strings.TrimRight(line, "dif")
			continue
		case fenced != "" && line == fenced:
			fenced = ""
			continue
		case fenced != "":
			if strings.HasPrefix(strings.TrimLeft(line, " "), fenced) {
				t.Errorf("a value ends its fence: %q", line)
			}
			continue
		}
		rest := line
		for _, ours := range []string{"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>", "**"} {
			rest = strings.ReplaceAll(rest, ours, "")
		}
		if strings.ContainsAny(rest, "<>@`[]*\\") {
			t.Errorf("there is markup in %q", rest)
		}
		if cells := strings.Count(line, "|"); cells > 0 && cells != 4 && cells != 5 && cells != 6 && cells != 3 {
			t.Errorf("a row has %d bars: %q", cells, line)
		}
	}
	if fenced != "" {
		t.Error("a fence is open at the end")
	}
	if rest := regexp.MustCompile("<code>[^<]*</code>|(?s)```+diff\n.*?\n```+\n").ReplaceAllString(got, ""); strings.Contains(rest, "@") || strings.Contains(rest, "&#64;") {
		t.Errorf("a mention can be made of what stands outside of code: %s", rest)
	}
}

// A comment is never longer than GitHub takes, and says what it leaves out.
func TestMarkdownIsBounded(t *testing.T) {
	var drifts []taffrail.Drift
	for i := range 2000 {
		drifts = append(drifts, modified(fmt.Sprintf("cloud_a.a[%d]", i), drifted("x", str(strings.Repeat("`", i%50)), str(strings.Repeat("é|", 900)))))
	}
	r := withGaps(reportOf(drifts...), gapOf("cloud_b.b", taffrail.ReasonDenied, "403", ""))
	got := run(t, answering(r), "scan", "-o", "markdown").stdout
	if len(got) > mostMarkdown || !strings.Contains(got, "**Cut here**: ") || !strings.Contains(got, "2000 resources have drifted") || !strings.Contains(got, "cloud&#95;b.b") {
		t.Errorf("%d bytes: %.400s", len(got), got)
	}
}

// No text is markup once it was written as prose, and no fence is ended by what stands in it.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"", "a|b", "`````", "<!--", "&#64;", "@all", "http://x", "\\|", "www.x", "\u202e\x1b[2J\n# x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := prose(safe(s))
		if strings.ContainsAny(text, "<>@`|[]*_~\\\n\r") || html.UnescapeString(text) != safe(s) {
			t.Errorf("%q becomes %q", s, text)
		}
		mark := fence(safe(s))
		if strings.Contains(safe(s), mark) {
			t.Errorf("%q ends its fence %s", s, mark)
		}
	})
}
