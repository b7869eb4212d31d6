package module

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// maxInstances bounds how many instances of one block are worked out.
const maxInstances = 10_000

// A family is how many of one block there are: one, as many as count says, or one for each key. If unknown is set, it has the reason,
// and the rest is empty.
type family struct {
	unknown cty.Value
	count   int
	counted bool
	keys    []string
	each    map[string]cty.Value // of for_each, by key; nil without
	marks   cty.ValueMarks
}

// instances works out count and for_each.
func (e *evaluator) instances(f *frame, name string, r repetition) family {
	switch {
	case r.count != nil:
		return e.counted(e.value(f, r.count, nil))
	case r.forEach != nil:
		return e.forEach(e.value(f, r.forEach, nil))
	}
	return family{unknown: cty.NilVal}
}

func (e *evaluator) counted(v cty.Value) family {
	bare, marks := v.Unmark()
	n, err := convert.Convert(bare, cty.Number)
	if err != nil || !n.IsKnown() || n.IsNull() {
		return family{unknown: cty.DynamicVal.WithMarks(marks)}
	}
	count, _ := n.AsBigFloat().Int64()
	if count < 0 || count > maxInstances {
		return family{unknown: cty.DynamicVal.WithMarks(marks)}
	}
	return family{counted: true, count: int(count), marks: marks}
}

// forEach takes a map, an object, or a set of texts.
func (e *evaluator) forEach(v cty.Value) family {
	bare, marks := v.Unmark()
	t := bare.Type()
	if !bare.IsKnown() || bare.IsNull() || !t.IsMapType() && !t.IsObjectType() && !t.IsSetType() {
		return family{unknown: cty.DynamicVal.WithMarks(marks)}
	}
	if n := bare.Length(); !n.IsKnown() || bare.LengthInt() > maxInstances {
		return family{unknown: cty.DynamicVal.WithMarks(marks)}
	}
	group := family{each: map[string]cty.Value{}, marks: marks}
	for it := bare.ElementIterator(); it.Next(); {
		key, value := it.Element() // a set's elements are their own keys
		plain, keyMarks := key.Unmark()
		if plain.Type() != cty.String || !plain.IsKnown() || plain.IsNull() {
			return family{unknown: cty.DynamicVal.WithMarks(marks, keyMarks)}
		}
		group.keys = append(group.keys, plain.AsString())
		group.each[plain.AsString()] = value
	}
	return group
}

// shape makes one value of what each instance is: the one itself, a tuple of all, or an object of them by key.
func (g family) shape(of func(key addr.Key, each map[string]cty.Value) cty.Value) cty.Value {
	switch {
	case g.unknown != cty.NilVal:
		return g.unknown
	case g.counted:
		all := make([]cty.Value, g.count)
		for i := range all {
			all[i] = of(addr.IntKey(i), map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(i))})})
		}
		return cty.TupleVal(all).WithMarks(g.marks)
	case g.each != nil:
		all := map[string]cty.Value{}
		for _, key := range g.keys {
			all[key] = of(addr.StringKey(key), eachOf(key, g.each[key]))
		}
		return cty.ObjectVal(all).WithMarks(g.marks)
	}
	return of(addr.Key{}, nil)
}

// eachOf is what "each" is for one key.
func eachOf(key string, value cty.Value) map[string]cty.Value {
	return map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": value})}
}
