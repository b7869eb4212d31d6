package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// safe makes foreign text harmless: one line, and nothing in it that a terminal would obey or that would change the order
// in which a person reads it. Each such character becomes a visible escape.
func safe(s string) string {
	if isSafe(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			fmt.Fprintf(&b, `\x%02x`, s[i])
			continue
		}
		b.WriteString(escapeRune(r))
	}
	return b.String()
}

func isSafe(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// escapeRune writes a rune as it is, if it can be seen, and else as an escape. Controls, marks that turn the direction of
// writing, joiners, and line and paragraph separators cannot.
func escapeRune(r rune) string {
	switch {
	case unicode.IsPrint(r):
		return string(r)
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// quote writes a string as HCL and Go do, on one line. A byte order or a direction mark shows as an escape.
func quote(s string) string {
	return `"` + safe(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)) + `"`
}

// cells is how many columns of a terminal a text takes.
func cells(s string) int { return ansi.StringWidth(s) }

// pad fills a text up with spaces.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-cells(s)))
}

const ellipsis = "…"

// clipMiddle shortens a text to so many cells by leaving out its middle.
func clipMiddle(s string, width int) string {
	if cells(s) <= width {
		return s
	}
	if width < 2 {
		return ellipsis
	}
	head := (width - 1) * 2 / 3
	tail := width - 1 - head
	return ansi.Truncate(s, head, "") + ellipsis + takeEnd(s, tail)
}

// takeEnd is the longest end of a text that fits into so many cells.
func takeEnd(s string, width int) string {
	end := ansi.TruncateLeft(s, max(0, cells(s)-width), "")
	for cells(end) > width { // it began within a wide character
		end = end[len(firstRunes(end, 1)):]
	}
	return end
}

// clipPair shortens two texts to so many cells each, in a way that shows where they part.
func clipPair(a, b string, width int) (string, string) {
	if cells(a) <= width && cells(b) <= width {
		return a, b
	}
	head, tail := common(a, b)
	room := width - max(cells(a[head:len(a)-tail]), cells(b[head:len(b)-tail]))
	context := min(max(room/2-1, 8), 40)
	cut, end := 0, 0
	if cells(a[:head]) > width/3 {
		cut = len(a[:head]) - len(lastRunes(a[:head], context))
	}
	if cells(a[len(a)-tail:]) > width/3 {
		end = tail - len(firstRunes(a[len(a)-tail:], context))
	}
	window := func(s string) string {
		w := s[cut : len(s)-end]
		if cut > 0 {
			w = ellipsis + w
		}
		if end > 0 {
			w += ellipsis
		}
		return clipMiddle(w, width)
	}
	return window(a), window(b)
}

// common is how many bytes two texts share at either end, whole runes only and none of them twice.
func common(a, b string) (head, tail int) {
	for head < len(a) && head < len(b) {
		r, n := utf8.DecodeRuneInString(a[head:])
		s, m := utf8.DecodeRuneInString(b[head:])
		if r != s || n != m {
			break
		}
		head += n
	}
	for tail < len(a)-head && tail < len(b)-head {
		r, n := utf8.DecodeLastRuneInString(a[head : len(a)-tail])
		s, m := utf8.DecodeLastRuneInString(b[head : len(b)-tail])
		if r != s || n != m {
			break
		}
		tail += n
	}
	return head, tail
}

func lastRunes(s string, n int) string {
	from := len(s)
	for ; n > 0 && from > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:from])
		from -= size
	}
	return s[from:]
}

func firstRunes(s string, n int) string {
	to := 0
	for ; n > 0 && to < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[to:])
		to += size
	}
	return s[:to]
}

// wrap breaks a text of words into lines of so many cells. A longer word has a line of its own.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case cells(line)+1+cells(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// count writes a number and its noun: "1 entry", "12 entries".
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// list joins the parts that are not empty.
func list(separator string, parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, separator)
}

// spanText names a half-open range, whose end may be open.
func spanText(from, to int64) string {
	if to == 0 {
		return fmt.Sprintf("entries %d and all after", from)
	}
	return fmt.Sprintf("entries %d-%d", from, to-1)
}
