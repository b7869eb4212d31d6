package taffrail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A StepKind says how a [Step] goes down.
type StepKind uint8

// The kinds of step.
const (
	AttrStep  StepKind = iota // to an attribute of an object
	KeyStep                   // to the value of a key of a map
	IndexStep                 // to an element of a list
	ElemStep                  // to an element of a set, which has no name but itself
	AnyStep                   // to any of the last three: in patterns only
)

// A Step leads from a value to one in it.
type Step struct {
	kind  StepKind
	name  string
	index int
	elem  *Value
}

// Attr leads to an attribute of an object.
func Attr(name string) Step { return Step{kind: AttrStep, name: strings.ToValidUTF8(name, "\uFFFD")} }

// Key leads to the value of a key of a map.
func Key(key string) Step { return Step{kind: KeyStep, name: strings.ToValidUTF8(key, "\uFFFD")} }

// Index leads to element i of a list. It panics if i is negative.
func Index(i int) Step {
	if i < 0 {
		panic("taffrail: negative index")
	}
	return Step{kind: IndexStep, index: i}
}

// Element leads to an element of a set.
func Element(v Value) Step { return Step{kind: ElemStep, elem: &v} }

// Any stands for any key, index or element.
func Any() Step { return Step{kind: AnyStep} }

// Kind says how the step goes down.
func (s Step) Kind() StepKind { return s.kind }

// Name is the name of an attribute or key.
func (s Step) Name() string { return s.name }

// Index is the place in a list, from 0.
func (s Step) Index() int { return s.index }

// Element is the element of a set that the step leads to, and unknown for other steps.
func (s Step) Element() Value {
	if s.elem == nil {
		return Unknown()
	}
	return *s.elem
}

// Equal says whether two steps are the same.
func (s Step) Equal(t Step) bool {
	return s.kind == t.kind && s.name == t.name && s.index == t.index && s.Element().Equal(t.Element())
}

func (s Step) covers(t Step) bool {
	return s.Equal(t) || s.kind == AnyStep && t.kind != AttrStep
}

// A Path leads from a resource's attributes to a value in them. It is immutable; the zero Path is the whole.
//
// Its text is unique: attributes by a dot and a name, `.` before the first left out (`."odd name"` where the name is no
// identifier), keys `["k"]`, list elements `[0]`, set elements `{encoding}` by the canonical encoding of the element, and
// `[*]` for [AnyStep]:
//
//	rules{{"obj":{"port":{"num":"22"}}}}.cidrs[0]
//	tags["cost/center"]
type Path struct{ steps []Step }

// NewPath is the path of these steps.
func NewPath(steps ...Step) Path { return Path{slices.Clone(steps)} }

// Append is the path that goes these steps further.
func (p Path) Append(steps ...Step) Path { return Path{slices.Concat(p.steps, steps)} }

// Steps are the steps, in order. The caller may keep them.
func (p Path) Steps() []Step { return slices.Clone(p.steps) }

// Equal says whether two paths are the same.
func (p Path) Equal(q Path) bool { return slices.EqualFunc(p.steps, q.steps, Step.Equal) }

// Covers says whether the pattern p leads to q or to something that holds it.
func (p Path) Covers(q Path) bool {
	return len(p.steps) <= len(q.steps) && slices.EqualFunc(p.steps, q.steps[:len(p.steps)], Step.covers)
}

// String gives the unique text.
func (p Path) String() string {
	var b []byte
	for i, s := range p.steps {
		switch s.kind {
		case AttrStep:
			if i > 0 || !isIdentifier(s.name) {
				b = append(b, '.')
			}
			if isIdentifier(s.name) {
				b = append(b, s.name...)
			} else {
				b = appendText(b, s.name)
			}
		case KeyStep:
			b = append(appendText(append(b, '['), s.name), ']')
		case IndexStep:
			b = fmt.Appendf(b, "[%d]", s.index)
		case ElemStep:
			b = append(s.elem.AppendCanonical(append(b, '{')), '}')
		case AnyStep:
			b = append(b, "[*]"...)
		}
	}
	return string(b)
}

// MarshalText gives the unique text.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is [ParsePath].
func (p *Path) UnmarshalText(b []byte) error {
	parsed, err := ParsePath(string(b))
	if err == nil {
		*p = parsed
	}
	return err
}

// ParsePath reads exactly what [Path.String] writes.
func ParsePath(text string) (Path, error) {
	var p Path
	for rest := text; rest != ""; {
		step, after, err := parseStep(rest, len(p.steps) == 0)
		if err != nil {
			return Path{}, fmt.Errorf("path at byte %d: %w", len(text)-len(rest), err)
		}
		p.steps = append(p.steps, step)
		rest = after
	}
	if p.String() != text {
		return Path{}, fmt.Errorf("path %q is not in canonical form", clip(text))
	}
	return p, nil
}

func parseStep(s string, first bool) (Step, string, error) {
	switch {
	case s[0] == '[':
		return parseBracket(s[1:])
	case s[0] == '{':
		raw, rest, err := cutJSON(s[1:], "}")
		if err != nil {
			return Step{}, "", err
		}
		v, err := ParseValue(raw)
		return Element(v), rest, err
	case s[0] == '.':
		s = s[1:]
	case !first:
		return Step{}, "", fmt.Errorf("unexpected %q", s[0])
	}
	if strings.HasPrefix(s, `"`) {
		raw, rest, err := cutJSON(s, "")
		if err != nil {
			return Step{}, "", err
		}
		name, err := unquote(raw)
		return Attr(name), rest, err
	}
	name, rest := leadingIdentifier(s)
	if name == "" {
		return Step{}, "", fmt.Errorf("an attribute's name is missing")
	}
	return Attr(name), rest, nil
}

func parseBracket(s string) (Step, string, error) {
	if rest, ok := strings.CutPrefix(s, "*]"); ok {
		return Any(), rest, nil
	}
	if strings.HasPrefix(s, `"`) {
		raw, rest, err := cutJSON(s, "]")
		if err != nil {
			return Step{}, "", err
		}
		key, err := unquote(raw)
		return Key(key), rest, err
	}
	digits, rest := leadingDigits(s)
	i, err := strconv.Atoi(digits)
	if err != nil {
		return Step{}, "", fmt.Errorf("neither an index nor a key nor * in brackets")
	}
	rest, ok := strings.CutPrefix(rest, "]")
	if !ok {
		return Step{}, "", fmt.Errorf("a bracket is not closed")
	}
	return Index(i), rest, nil
}

// cutJSON splits off the JSON value that s starts with, and what closes it.
func cutJSON(s, closing string) (raw []byte, rest string, err error) {
	d := json.NewDecoder(strings.NewReader(s))
	var m json.RawMessage
	if err := d.Decode(&m); err != nil {
		return nil, "", unexpectedEOF(err)
	}
	rest, ok := strings.CutPrefix(s[d.InputOffset():], closing)
	if !ok {
		return nil, "", fmt.Errorf("%q is missing", closing)
	}
	return bytes.TrimSpace(m), rest, nil
}

func unquote(raw []byte) (string, error) {
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

func leadingIdentifier(s string) (name, rest string) {
	n := 0
	for n < len(s) && isIdentifierByte(s[n], n == 0) {
		n++
	}
	return s[:n], s[n:]
}

func isIdentifier(s string) bool {
	name, rest := leadingIdentifier(s)
	return name != "" && rest == ""
}

func isIdentifierByte(c byte, first bool) bool {
	letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	return letter || !first && (c == '-' || '0' <= c && c <= '9')
}
