package taffrail

import (
	"bytes"
	"iter"
	"maps"
	"slices"
	"strings"
)

// A Shape says which sort of value a [Value] holds.
type Shape uint8

// The shapes. ShapeUnknown is the zero: what was not set was not read.
const (
	ShapeUnknown Shape = iota // not read, or not decided yet
	ShapeNull                 // read, and nothing is there
	ShapeBool
	ShapeNumber // exact decimal, of any size
	ShapeString // valid UTF-8
	ShapeList   // elements in order
	ShapeSet    // elements without order
	ShapeMap    // names chosen by people
	ShapeObject // names given by a schema
	ShapeSecret // a keyed digest in place of a secret
)

var shapeNames = [...]string{"unknown", "null", "bool", "number", "string", "list", "set", "map", "object", "secret"}

// String names the shape: "list".
func (s Shape) String() string { return shapeNames[s] }

// A Value is an immutable value as systems describe their resources with. Sources translate what they read into Values,
// and nothing past a source knows JSON, cty or Kubernetes objects. The zero Value is [Unknown].
//
// Values are compared by [Value.Equal], written by [Value.AppendCanonical] and read back by [ParseValue].
type Value struct {
	shape Shape
	yes   bool     // bool
	text  string   // number in canonical form, string, secret
	names []string // map, object: sorted as RFC 8785 sorts, no doubles
	elems []Value  // list, set (sorted by canonical encoding), map and object (in the order of names)
}

// Unknown is a value that was not read.
func Unknown() Value { return Value{} }

// Null says that there is nothing.
func Null() Value { return Value{shape: ShapeNull} }

// Bool is a truth value.
func Bool(b bool) Value { return Value{shape: ShapeBool, yes: b} }

// String is a text. Bytes that are not UTF-8 become U+FFFD, since no encoding of ours could carry them.
func String(s string) Value {
	return Value{shape: ShapeString, text: strings.ToValidUTF8(s, "\uFFFD")}
}

// List is a sequence; its order counts.
func List(elems ...Value) Value { return Value{shape: ShapeList, elems: slices.Clone(elems)} }

// Set is a collection without order. Equal elements are all kept: two that differ only in a part that is unknown look
// equal, and dropping one would lose it.
func Set(elems ...Value) Value {
	return Value{shape: ShapeSet, elems: sortCanonical(elems)}
}

// Map holds values by names that people chose.
func Map(m map[string]Value) Value { return named(ShapeMap, m) }

// Object holds values by names that a schema gives.
func Object(m map[string]Value) Value { return named(ShapeObject, m) }

func named(shape Shape, m map[string]Value) Value {
	v := Value{shape: shape, names: make([]string, 0, len(m)), elems: make([]Value, 0, len(m))}
	valid := make(map[string]Value, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		valid[strings.ToValidUTF8(name, "\uFFFD")] = m[name]
	}
	v.names = slices.SortedFunc(maps.Keys(valid), compareUTF16)
	for _, name := range v.names {
		v.elems = append(v.elems, valid[name])
	}
	return v
}

// sortCanonical gives a sorted copy, and works out each element's encoding once.
func sortCanonical(elems []Value) []Value {
	type keyed struct {
		key []byte
		v   Value
	}
	all := make([]keyed, len(elems))
	for i, e := range elems {
		all[i] = keyed{e.AppendCanonical(nil), e}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return bytes.Compare(a.key, b.key) })
	sorted := make([]Value, len(all))
	for i, k := range all {
		sorted[i] = k.v
	}
	return sorted
}

// Shape says what the value holds.
func (v Value) Shape() Shape { return v.shape }

// IsNull says whether the value was read and nothing was there.
func (v Value) IsNull() bool { return v.shape == ShapeNull }

// IsUnknown says whether the value was not read.
func (v Value) IsUnknown() bool { return v.shape == ShapeUnknown }

// Truth is the value of a bool, and false for all else.
func (v Value) Truth() bool { return v.yes }

// Text is the text of a string, the canonical digits of a number, or the digest of a secret; empty for all else.
func (v Value) Text() string { return v.text }

// Len is the number of elements of a list, set, map or object.
func (v Value) Len() int { return len(v.elems) }

// Elem is element i of a list or set, or the value of name i of a map or object. It panics if there is none.
func (v Value) Elem(i int) Value { return v.elems[i] }

// Elems gives the elements of a list or set, or the values of a map or object, in canonical order.
func (v Value) Elems() iter.Seq[Value] { return slices.Values(v.elems) }

// Fields gives names and values of a map or object, in canonical order.
func (v Value) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for i, name := range v.names {
			if !yield(name, v.elems[i]) {
				return
			}
		}
	}
}

// Field is the value that a map or object has by a name.
func (v Value) Field(name string) (Value, bool) {
	i, ok := slices.BinarySearchFunc(v.names, name, compareUTF16)
	if !ok {
		return Value{}, false
	}
	return v.elems[i], true
}

// Equal says whether two values are the same, which is so exactly when their canonical encodings are. An unknown
// equals an unknown: whoever decides drift must ask for it first.
func (v Value) Equal(w Value) bool {
	return v.shape == w.shape && v.yes == w.yes && v.text == w.text &&
		slices.Equal(v.names, w.names) && slices.EqualFunc(v.elems, w.elems, Value.Equal)
}

// IsEmpty says whether old provider SDKs cannot tell the value from null: "", 0, false, and collections of nothing.
func (v Value) IsEmpty() bool {
	switch v.shape {
	case ShapeNull:
		return true
	case ShapeBool:
		return !v.yes
	case ShapeNumber:
		return v.text == "0"
	case ShapeString:
		return v.text == ""
	case ShapeList, ShapeSet, ShapeMap, ShapeObject:
		return len(v.elems) == 0
	}
	return false
}

// HasUnknown says whether the value, or anything in it, is unknown.
func (v Value) HasUnknown() bool {
	return v.shape == ShapeUnknown || slices.ContainsFunc(v.elems, Value.HasUnknown)
}
