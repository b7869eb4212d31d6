package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A selector gives values of a document: those of the first of its choices that gives any.
type selector []choice

// A choice is a path, or a text with paths in it.
type choice struct {
	path  []string
	parts []part // of a text; a constant has one
	text  bool
}

// A part is constant, or what stands at a path.
type part struct {
	constant string
	path     []string
}

var errNoPath = errors.New("there is no path")

// parseSelector gives nil for an empty text.
func parseSelector(text string) (selector, error) {
	if text == "" {
		return nil, nil
	}
	var s selector
	for one := range strings.SplitSeq(text, " | ") {
		c, err := parseChoice(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		s = append(s, c)
	}
	return s, nil
}

func parseChoice(text string) (c choice, err error) {
	constant, ok := strings.CutPrefix(text, "=")
	if !ok {
		c.path, err = parsePath(text)
		return c, err
	}
	c.text = true
	for {
		before, rest, found := strings.Cut(constant, "${")
		if before != "" {
			c.parts = append(c.parts, part{constant: before})
		}
		if !found {
			return c, nil
		}
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			return c, fmt.Errorf("%q: ${ is not closed", text)
		}
		path, err := parsePath(inside)
		if err != nil {
			return c, err
		}
		c.parts = append(c.parts, part{path: path})
		constant = after
	}
}

// maxSteps bounds how deep a path leads.
const maxSteps = 64

// parsePath reads names with dots between them. A name with dots stands in quotes.
func parsePath(text string) (steps []string, err error) {
	rest := text
	for {
		var step string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			step, rest, ok = strings.Cut(quoted, `"`)
			if !ok {
				return nil, fmt.Errorf("path %q: a quote is not closed", text)
			}
			if step == "*" {
				return nil, fmt.Errorf("path %q: * is no name", text)
			}
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			step, rest = rest[:end], rest[end:]
		}
		if step == "" || strings.ContainsAny(step, " \t") && !strings.Contains(text, `"`) || len(steps) == maxSteps {
			return nil, fmt.Errorf("path %q cannot be understood", text)
		}
		steps = append(steps, step)
		if rest == "" {
			return steps, nil
		}
		if rest[0] != '.' {
			return nil, fmt.Errorf("path %q: a dot is missing", text)
		}
		rest = rest[1:]
	}
}

// maxFound bounds how many values one path may give.
const maxFound = 1000

// find appends what stands at a path.
func find(found []taffrail.Value, v taffrail.Value, path []string) []taffrail.Value {
	if len(path) == 0 {
		if v.IsUnknown() || len(found) >= maxFound {
			return found
		}
		return append(found, v)
	}
	switch v.Shape() {
	case taffrail.ShapeObject:
		if field, ok := v.Field(path[0]); ok {
			return find(found, field, path[1:])
		}
	case taffrail.ShapeList:
		if n, err := strconv.Atoi(path[0]); err == nil && n >= 0 && n < v.Len() {
			return find(found, v.Elem(n), path[1:])
		}
	}
	if path[0] == "*" {
		for e := range v.Elems() {
			found = find(found, e, path[1:])
		}
	}
	return found
}

// values gives what a selector finds that is more than null.
func (s selector) values(document taffrail.Value) []taffrail.Value {
	for _, c := range s {
		if c.text {
			if text, ok := c.fill(document); ok {
				return []taffrail.Value{taffrail.String(text)}
			}
			continue
		}
		var some []taffrail.Value
		for _, v := range find(nil, document, c.path) {
			if !v.IsNull() && (v.Text() != "" || v.Shape() != taffrail.ShapeString) {
				some = append(some, v)
			}
		}
		if len(some) > 0 {
			return some
		}
	}
	return nil
}

// fill gives the text, and false where one of its places has none.
func (c choice) fill(document taffrail.Value) (string, bool) {
	var b strings.Builder
	for _, p := range c.parts {
		if p.path == nil {
			b.WriteString(p.constant)
			continue
		}
		found := find(nil, document, p.path)
		if len(found) == 0 || textOf(found[0]) == "" {
			return "", false
		}
		b.WriteString(textOf(found[0]))
	}
	return b.String(), true
}

// value is the first of what is found, unknown where there is nothing.
func (s selector) value(document taffrail.Value) taffrail.Value {
	if found := s.values(document); len(found) > 0 {
		return found[0]
	}
	return taffrail.Unknown()
}

// one is the first text that is found.
func (s selector) one(document taffrail.Value) string {
	for _, c := range s {
		for _, v := range (selector{c}).values(document) {
			if text := textOf(v); text != "" {
				return text
			}
		}
	}
	return ""
}

// textOf is the text of a scalar. A secret has none: it would name nobody.
func textOf(v taffrail.Value) string {
	switch v.Shape() {
	case taffrail.ShapeString, taffrail.ShapeNumber:
		return v.Text()
	case taffrail.ShapeBool:
		if v.Truth() {
			return "true"
		}
		return "false"
	}
	return ""
}

// without gives the document without what stands at the first path of a selector.
func (s selector) without(document taffrail.Value) taffrail.Value {
	for _, c := range s {
		if !c.text {
			document = cut(document, c.path)
		}
	}
	return document
}

func cut(v taffrail.Value, path []string) taffrail.Value {
	if _, ok := v.Field(path[0]); !ok || v.Shape() != taffrail.ShapeObject {
		return v
	}
	fields := make(map[string]taffrail.Value, v.Len())
	for name, field := range v.Fields() {
		switch {
		case name != path[0]:
			fields[name] = field
		case len(path) > 1:
			fields[name] = cut(field, path[1:])
		}
	}
	return taffrail.Object(fields)
}
