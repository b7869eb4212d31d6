package correlate

import (
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A node is a place in the body of an event.
type node struct {
	names []string // from the body down, places in lists left out
	value taffrail.Value
	text  string // of a scalar
}

func (n node) last() string {
	if len(n.names) == 0 {
		return ""
	}
	return n.names[len(n.names)-1]
}

func (n node) scalar() bool { return n.value.Len() == 0 && n.text != "" }

// maxNodes bounds what is looked at in one body: it is foreign.
const maxNodes = 20_000

// nodes lists every place of a body. A pair like {"key": K, "value": V} is a place of the name K, too.
func nodes(body taffrail.Value) []node {
	w := walker{}
	w.walk(nil, body)
	return w.found
}

type walker struct{ found []node }

func (w *walker) walk(names []string, v taffrail.Value) {
	if len(w.found) >= maxNodes {
		return
	}
	w.found = append(w.found, node{names, v, textOf(v)})
	switch v.Shape() {
	case taffrail.ShapeList, taffrail.ShapeSet:
		for e := range v.Elems() {
			w.walk(names, e)
		}
	case taffrail.ShapeObject, taffrail.ShapeMap:
		if key, value, ok := pairOf(v); ok {
			w.walk(below(names, key), value)
		}
		for name, e := range v.Fields() {
			if len(names) > 0 && v.Len() == 1 && e.Shape() == taffrail.ShapeList && slices.Contains(wrappers, name) {
				w.walk(names, e)
				continue
			}
			w.walk(below(names, name), e)
		}
	}
}

// wrappers are names under which APIs hold lists that already have one.
var wrappers = []string{"items", "item", "member", "members"}

func below(names []string, name string) []string {
	return append(slices.Clip(slices.Clone(names)), name)
}

// keyNames and valueNames are how the halves of a pair are called, as endings.
var (
	keyNames   = []string{"key", "name"}
	valueNames = []string{"value"}
)

// pairOf takes {"attributeName": "DisplayName", "attributeValue": "x"} and its like for what they are.
func pairOf(v taffrail.Value) (key string, value taffrail.Value, ok bool) {
	var found bool
	for name, e := range v.Fields() {
		lower := strings.ToLower(name)
		if key == "" && endsWith(lower, keyNames) && e.Shape() == taffrail.ShapeString {
			key = e.Text()
		}
		if endsWith(lower, valueNames) {
			value, found = e, true
		}
	}
	return key, value, key != "" && found
}

func endsWith(s string, endings []string) bool {
	return slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(s, e) })
}

// lookup gives the values at a dotted name, without regard to case; lists are gone through. No name is the whole.
func lookup(body taffrail.Value, dotted string) []taffrail.Value {
	found := []taffrail.Value{body}
	if dotted == "" {
		return found
	}
	for name := range strings.SplitSeq(dotted, ".") {
		var next []taffrail.Value
		for _, v := range found {
			next = append(next, fieldsNamed(v, name)...)
		}
		found = next
	}
	return found
}

func fieldsNamed(v taffrail.Value, name string) (found []taffrail.Value) {
	if v.Shape() == taffrail.ShapeList {
		for e := range v.Elems() {
			found = append(found, fieldsNamed(e, name)...)
		}
		return found
	}
	if key, value, ok := pairOf(v); ok && plain(key) == plain(name) {
		found = append(found, value)
	}
	for field, e := range v.Fields() {
		if plain(field) == plain(name) {
			found = append(found, e)
		}
	}
	return found
}

// trim leaves out the items of lists that are about others: where some of a list's objects name the resource, those that do not are of
// no concern to it. Batches fan out so.
func trim(v taffrail.Value, mine func(taffrail.Value) bool) taffrail.Value {
	switch v.Shape() {
	case taffrail.ShapeList:
		return trimList(v, mine)
	case taffrail.ShapeObject:
		fields := make(map[string]taffrail.Value, v.Len())
		for name, e := range v.Fields() {
			fields[name] = trim(e, mine)
		}
		return taffrail.Object(fields)
	}
	return v
}

func trimList(v taffrail.Value, mine func(taffrail.Value) bool) taffrail.Value {
	var kept, all []taffrail.Value
	for e := range v.Elems() {
		e = trim(e, mine)
		all = append(all, e)
		if e.Shape() == taffrail.ShapeObject && mine(e) {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		kept = all
	}
	return taffrail.List(kept...)
}
