package cli

import (
	"strings"
)

// What the layout of rows leaves at least, in cells.
const (
	minValue = 20 // for a value beside another
	arrow    = " → "
	gap      = "  "
)

// A page prints rows and lines of text within a width.
type page struct {
	style
	width int
	b     strings.Builder
}

func (p *page) line(parts ...string) {
	p.b.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
	p.b.WriteByte('\n')
}

// columns says how wide the parts of rows side by side are.
type columns struct{ path, before, after int }

// rows prints rows in columns as far as they fit. The values of a row that does not are set below one another.
func (p *page) rows(rows []row, indent int) {
	c := p.columnsOf(rows, indent)
	for _, r := range rows {
		switch {
		case r.lines != nil:
			p.block(r, c, indent)
		case c.fits(r):
			p.sideBySide(r, c, indent)
		default:
			p.stacked(r, c, indent)
		}
	}
}

// columnsOf fits the columns to all rows that can stand side by side at all.
func (p *page) columnsOf(rows []row, indent int) columns {
	var c columns
	for _, r := range rows {
		if w := cells(r.path); w <= p.width*2/5 {
			c.path = max(c.path, w)
		}
	}
	room := max(2*minValue, p.width-indent-c.path-len(gap)-cells(arrow))
	for _, r := range rows {
		before, after := cells(r.before), cells(r.after)
		if r.lines == nil && before <= room/2 && max(c.before, before)+max(c.after, after) <= room {
			c.before, c.after = max(c.before, before), max(c.after, after)
		}
	}
	return c
}

func (c columns) fits(r row) bool {
	return cells(r.path) <= c.path && cells(r.before) <= c.before && cells(r.after) <= c.after
}

func (p *page) sideBySide(r row, c columns, indent int) {
	text := spaces(indent) + pad(r.path, c.path) + gap
	values := p.red(r.before) + spaces(c.before-cells(r.before)) + p.dim(arrow) + p.green(r.after)
	if r.dim {
		text = p.dim(text)
		values = p.dim(pad(r.before, c.before) + arrow + r.after)
	}
	if r.note == "" {
		p.line(text, values)
		return
	}
	used := indent + c.path + len(gap) + c.before + cells(arrow) + cells(r.after) + len(gap) + cells(r.note)
	if used <= p.width {
		p.line(text, values, gap, p.dim(r.note))
		return
	}
	p.line(text, values)
	p.notes(r, indent+c.path+len(gap))
}

// stacked sets the two values of a row below one another, cut to where they part if even that is too narrow.
func (p *page) stacked(r row, c columns, indent int) {
	at := p.head(r, c, indent)
	before, after := clipPair(r.before, r.after, max(minValue, p.width-at-len("- ")-minValue))
	if before != r.before || after != r.after {
		before += measure(r.pair[0])
		after += measure(r.pair[1])
	}
	first := p.lead(r, c, indent)
	p.signed("-", "- "+before, first, r.dim)
	p.signed("+", "+ "+after, spaces(at), r.dim)
	p.notes(r, at)
}

// block prints a row of lines.
func (p *page) block(r row, c columns, indent int) {
	at := p.head(r, c, indent)
	lead := p.lead(r, c, indent)
	for _, l := range r.lines {
		start := l.sign + " "
		for _, text := range l.fold(max(minValue, p.width-at-len("- "))) {
			p.signed(l.sign, start+text, lead, r.dim)
			lead, start = spaces(at), "  "
		}
		p.rows(l.rows, at+4)
	}
	p.notes(r, at)
}

func (l line) fold(width int) []string {
	if l.text != "" {
		return []string{l.text}
	}
	return foldValue(l.value, width)
}

// head prints a path that is too long to stand before its values, and gives the place where the values begin.
func (p *page) head(r row, c columns, indent int) int {
	if cells(r.path) <= c.path {
		return indent + c.path + len(gap)
	}
	p.line(spaces(indent), r.path)
	return indent + 4
}

// lead is what stands before the first value of a row.
func (p *page) lead(r row, c columns, indent int) string {
	if cells(r.path) > c.path {
		return spaces(indent + 4)
	}
	return spaces(indent) + pad(r.path, c.path) + gap
}

// signed prints text in the colour of its sign.
func (p *page) signed(sign, text, lead string, dim bool) {
	if dim {
		p.line(p.dim(lead + text))
		return
	}
	p.line(lead, p.mark(sign, text))
}

func (p *page) notes(r row, indent int) {
	if r.note != "" {
		p.paragraph(r.note, indent, p.dim)
	}
}

// paragraph prints words within the width.
func (p *page) paragraph(text string, indent int, paint func(string) string) {
	for _, l := range wrap(text, max(40, p.width-indent)) {
		p.line(spaces(indent), paint(l))
	}
}

func spaces(n int) string { return strings.Repeat(" ", max(0, n)) }
