package value

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// fromJSON is [ctyjson.Unmarshal], in one pass over what is usual. That one reads each byte once for every level that it is below, with
// a decoder for each value, which is most of what a resource costs that did not change. What is unusual (an attribute that says its own
// type, a text that stands for a number, an error) is left to it.
func fromJSON(text []byte, t cty.Type) (cty.Value, error) {
	if json.Valid(text) {
		p := plain{text: text}
		if v, ok := p.value(t); ok {
			return v, nil
		}
	}
	return ctyjson.Unmarshal(text, t)
}

// A plain reads JSON that is known to be valid, by a type. Its methods give false for what they leave to others.
type plain struct {
	text []byte
	at   int
}

// peek gives the next byte that is no white space.
func (p *plain) peek() byte {
	for {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
}

// take passes over the next byte if it is the one given.
func (p *plain) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *plain) value(t cty.Type) (cty.Value, bool) {
	switch first := p.peek(); {
	case t == cty.DynamicPseudoType:
	case first == 'n':
		p.at += len("null")
		return cty.NullVal(t), true
	case first == '"' && t == cty.String:
		s, ok := p.string()
		return cty.StringVal(s), ok
	case (first == 't' || first == 'f') && t == cty.Bool:
		return p.bool(), true
	case (first == '-' || '0' <= first && first <= '9') && t == cty.Number:
		v, err := cty.ParseNumberVal(p.number())
		return v, err == nil
	case first == '[' && (t.IsListType() || t.IsSetType()):
		return p.elements(t)
	case first == '{' && t.IsMapType():
		return p.entries(t)
	case first == '{' && t.IsObjectType():
		return p.object(t)
	}
	return cty.NilVal, false
}

func (p *plain) bool() cty.Value {
	if p.text[p.at] == 't' {
		p.at += len("true")
		return cty.True
	}
	p.at += len("false")
	return cty.False
}

func (p *plain) number() string {
	from := p.at
	for p.at < len(p.text) && strings.IndexByte("+-.0123456789Ee", p.text[p.at]) >= 0 {
		p.at++
	}
	return string(p.text[from:p.at])
}

// string reads a text, or the name of a member.
func (p *plain) string() (string, bool) {
	from, bare := p.at, true
	for p.at++; p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' {
			p.at++
			bare = false
		}
	}
	p.at++
	if inner := p.text[from+1 : p.at-1]; bare && utf8.Valid(inner) {
		return string(inner), true
	}
	var s string
	err := json.Unmarshal(p.text[from:p.at], &s)
	return s, err == nil
}

func (p *plain) elements(t cty.Type) (cty.Value, bool) {
	var elems []cty.Value
	p.at++
	for !p.take(']') {
		elem, ok := p.value(t.ElementType())
		if !ok {
			return cty.NilVal, false
		}
		elems = append(elems, elem)
		p.take(',')
	}
	switch {
	case t.IsSetType() && len(elems) == 0:
		return cty.SetValEmpty(t.ElementType()), true
	case t.IsSetType():
		return cty.SetVal(elems), true
	case len(elems) == 0:
		return cty.ListValEmpty(t.ElementType()), true
	}
	return cty.ListVal(elems), true
}

// members reads what is in an object of JSON. typeOf gives the type of a member.
func (p *plain) members(typeOf func(name string) (cty.Type, bool)) (map[string]cty.Value, bool) {
	members := map[string]cty.Value{}
	p.at++
	for !p.take('}') {
		name, ok := p.string()
		if !ok || !p.take(':') {
			return nil, false
		}
		t, ok := typeOf(name)
		if !ok {
			return nil, false
		}
		if members[name], ok = p.value(t); !ok {
			return nil, false
		}
		if p.take(',') {
			p.peek()
		}
	}
	return members, true
}

func (p *plain) entries(t cty.Type) (cty.Value, bool) {
	entries, ok := p.members(func(string) (cty.Type, bool) { return t.ElementType(), true })
	switch {
	case !ok:
		return cty.NilVal, false
	case len(entries) == 0:
		return cty.MapValEmpty(t.ElementType()), true
	}
	return cty.MapVal(entries), true
}

func (p *plain) object(t cty.Type) (cty.Value, bool) {
	types := t.AttributeTypes()
	attributes, ok := p.members(func(name string) (cty.Type, bool) {
		of, known := types[name]
		return of, known
	})
	if !ok {
		return cty.NilVal, false
	}
	for name, of := range types {
		if _, given := attributes[name]; !given {
			attributes[name] = cty.NullVal(of)
		}
	}
	return cty.ObjectVal(attributes), true
}
