package planfile

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// Value gives a side of a change as a value of a type; the dynamic type takes what the JSON looks like. unknown marks, with true in the
// same shape, what is not known yet; nil marks nothing.
func Value(side, unknown json.RawMessage, t cty.Type) (cty.Value, error) {
	v, err := decode(side)
	if err != nil {
		return cty.NilVal, err
	}
	u, err := decode(unknown)
	if err != nil {
		return cty.NilVal, err
	}
	return build(v, u, t)
}

// decode keeps numbers as they were written. No bytes are null.
func decode(raw json.RawMessage) (v any, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return v, d.Decode(&v)
}

func build(v, unknown any, t cty.Type) (cty.Value, error) {
	if unknown == true {
		return cty.UnknownVal(t), nil
	}
	switch v := v.(type) {
	case nil:
		return cty.NullVal(t), nil
	case string:
		return scalar(cty.StringVal(v), t)
	case bool:
		return scalar(cty.BoolVal(v), t)
	case json.Number:
		n, err := cty.ParseNumberVal(v.String())
		if err != nil {
			return cty.NilVal, err
		}
		return scalar(n, t)
	case []any:
		return elements(v, unknown, t)
	case map[string]any:
		return fields(v, unknown, t)
	}
	return cty.NilVal, fmt.Errorf("a value of no known form")
}

func scalar(v cty.Value, t cty.Type) (cty.Value, error) {
	if t == cty.DynamicPseudoType || t == v.Type() {
		return v, nil
	}
	return convert.Convert(v, t)
}

// elements builds a list, a set or a tuple. An element that is not known stands as null beside its mark.
func elements(v []any, unknown any, t cty.Type) (cty.Value, error) {
	marks, _ := unknown.([]any)
	tuple := t.IsTupleType()
	if !tuple && t != cty.DynamicPseudoType && !t.IsListType() && !t.IsSetType() || tuple && len(t.TupleElementTypes()) != len(v) {
		return cty.NilVal, fmt.Errorf("a list of %d where %s should be", len(v), t.FriendlyName())
	}
	built := make([]cty.Value, len(v))
	for i, e := range v {
		inner := cty.DynamicPseudoType
		switch {
		case tuple:
			inner = t.TupleElementType(i)
		case t != cty.DynamicPseudoType:
			inner = t.ElementType()
		}
		var mark any
		if i < len(marks) {
			mark = marks[i]
		}
		var err error
		if built[i], err = build(e, mark, inner); err != nil {
			return cty.NilVal, fmt.Errorf("element %d: %w", i, err)
		}
	}
	switch {
	case tuple || t == cty.DynamicPseudoType:
		return cty.TupleVal(built), nil
	case !uniform(built):
		return cty.TupleVal(built), nil
	case t.IsListType() && len(built) == 0:
		return cty.ListValEmpty(t.ElementType()), nil
	case t.IsListType():
		return cty.ListVal(built), nil
	case len(built) == 0:
		return cty.SetValEmpty(t.ElementType()), nil
	}
	return cty.SetVal(built), nil
}

// uniform says whether all elements are of one type, as those of a collection must be. Below a dynamic type they may not be.
func uniform(elems []cty.Value) bool {
	for _, e := range elems {
		if !e.Type().Equals(elems[0].Type()) {
			return false
		}
	}
	return true
}

// fields builds an object or a map. What is not known is left out beside its mark.
func fields(v map[string]any, unknown any, t cty.Type) (cty.Value, error) {
	marks, _ := unknown.(map[string]any)
	types, err := fieldTypes(v, marks, t)
	if err != nil {
		return cty.NilVal, err
	}
	built := make(map[string]cty.Value, len(types))
	for name, inner := range types {
		if built[name], err = build(v[name], marks[name], inner); err != nil {
			return cty.NilVal, fmt.Errorf("%q: %w", name, err)
		}
	}
	elems := make([]cty.Value, 0, len(built))
	for _, e := range built {
		elems = append(elems, e)
	}
	switch {
	case !t.IsMapType() || !uniform(elems):
		return cty.ObjectVal(built), nil
	case len(built) == 0:
		return cty.MapValEmpty(t.ElementType()), nil
	}
	return cty.MapVal(built), nil
}

func fieldTypes(v, marks map[string]any, t cty.Type) (map[string]cty.Type, error) {
	if t.IsObjectType() {
		for name := range v {
			if !t.HasAttribute(name) {
				return nil, fmt.Errorf("the schema has no %q", name)
			}
		}
		return t.AttributeTypes(), nil
	}
	inner := cty.DynamicPseudoType
	switch {
	case t.IsMapType():
		inner = t.ElementType()
	case t != cty.DynamicPseudoType:
		return nil, fmt.Errorf("an object where %s should be", t.FriendlyName())
	}
	types := make(map[string]cty.Type, len(v))
	for name := range v {
		types[name] = inner
	}
	for name, mark := range marks {
		if mark == true {
			types[name] = inner
		}
	}
	return types, nil
}

// Marks are the paths of what a plan calls sensitive: true in the shape of the value.
func Marks(sensitive json.RawMessage) ([]value.Mark, error) {
	v, err := decode(sensitive)
	if err != nil {
		return nil, err
	}
	var marks []value.Mark
	seen := map[string]bool{} // the elements of a list have the same marks
	for _, m := range appendMarks(nil, nil, v) {
		if key := fmt.Sprintf("%#v", m); !seen[key] {
			seen[key] = true
			marks = append(marks, m)
		}
	}
	return marks, nil
}

func appendMarks(marks []value.Mark, at value.Mark, v any) []value.Mark {
	below := func(s value.Step) value.Mark { return append(at[:len(at):len(at)], s) }
	switch v := v.(type) {
	case bool:
		if v {
			marks = append(marks, at)
		}
	case []any:
		for _, e := range v {
			marks = appendMarks(marks, below(value.Step{Any: true}), e)
		}
	case map[string]any:
		for name, e := range v {
			marks = appendMarks(marks, below(value.Step{Name: name}), e)
		}
	}
	return marks
}
