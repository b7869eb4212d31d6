package lang

import (
	"errors"
	"math/big"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var allTrue = define(cty.Bool, func(args []cty.Value) (cty.Value, error) {
	return cty.BoolVal(!slices.ContainsFunc(args[0].AsValueSlice(), func(v cty.Value) bool { return v.IsNull() || v.False() })), nil
}, cty.List(cty.Bool))

var anyTrue = define(cty.Bool, func(args []cty.Value) (cty.Value, error) {
	return cty.BoolVal(slices.ContainsFunc(args[0].AsValueSlice(), func(v cty.Value) bool { return !v.IsNull() && v.True() })), nil
}, cty.List(cty.Bool))

// coalesce gives the first argument that is neither null nor an empty text.
var coalesce = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "values", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, arg := range args {
			types[i] = arg.Type()
		}
		t, _ := convert.UnifyUnsafe(types)
		if t == cty.NilType {
			return t, errors.New("all arguments must have the same type")
		}
		return t, nil
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		var passed []cty.ValueMarks // that an argument was passed over tells something of it
		for _, arg := range args {
			v, err := convert.Convert(arg, t)
			if err != nil {
				return cty.NilVal, err
			}
			bare, marks := v.Unmark()
			passed = append(passed, marks)
			switch {
			case !bare.IsKnown():
				return cty.UnknownVal(t).WithMarks(passed...), nil
			case bare.IsNull(), t == cty.String && bare.AsString() == "":
				continue
			}
			return bare.WithMarks(passed...), nil
		}
		return cty.NilVal, errors.New("all arguments are null or empty")
	},
})

var index = define(cty.Number, func(args []cty.Value) (cty.Value, error) {
	if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
		return cty.NilVal, errors.New("the first argument must be a list")
	}
	for i, v := range args[0].AsValueSlice() {
		if same, err := stdlib.Equal(v, args[1]); err != nil {
			return cty.NilVal, err
		} else if same.True() {
			return cty.NumberIntVal(int64(i)), nil
		}
	}
	return cty.NilVal, errors.New("the list does not have the item")
}, cty.DynamicPseudoType, cty.DynamicPseudoType)

// length counts elements, attributes, or the characters that a reader sees.
var length = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		switch t := args[0].Type(); {
		case t == cty.String, t == cty.DynamicPseudoType, t.IsCollectionType(), t.IsTupleType(), t.IsObjectType():
			return cty.Number, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "must be a text or a collection")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		switch t := v.Type(); {
		case t == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case t == cty.String:
			n, err := stdlib.Strlen(v)
			return n.WithMarks(marks), err
		case t.IsTupleType():
			return cty.NumberIntVal(int64(t.Length())).WithMarks(marks), nil
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))).WithMarks(marks), nil
		}
		return v.Length().WithMarks(marks), nil
	},
})

// lookup takes an element of a map or an object, or the default. Only what it takes, and the map as a whole, mark the result.
var lookup = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true}, {Name: "key", Type: cty.String, AllowMarked: true},
	},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) > 3 {
			return cty.NilType, errors.New("two or three arguments are taken")
		}
		t := args[0].Type()
		if t.IsMapType() {
			return t.ElementType(), nil
		}
		if !t.IsObjectType() {
			return cty.NilType, function.NewArgErrorf(0, "must be a map")
		}
		key, _ := args[1].Unmark()
		switch {
		case !key.IsKnown():
			return cty.DynamicPseudoType, nil
		case t.HasAttribute(key.AsString()):
			return t.AttributeType(key.AsString()), nil
		case len(args) == 3:
			return args[2].Type(), nil
		}
		return cty.NilType, function.NewArgErrorf(0, "the object does not have the attribute")
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		from, fromMarks := args[0].Unmark()
		key, keyMarks := args[1].Unmark()
		found := cty.NilVal
		switch {
		case from.Type().IsObjectType():
			if from.Type().HasAttribute(key.AsString()) {
				found = from.GetAttr(key.AsString())
			}
		default:
			if has, _ := from.HasIndex(key).Unmark(); has.True() {
				found = from.Index(key)
			}
		}
		if found == cty.NilVal {
			if len(args) < 3 {
				return cty.NilVal, errors.New("the map does not have the key")
			}
			found = args[2]
		}
		v, err := convert.Convert(found, t)
		if err != nil {
			return cty.NilVal, err
		}
		return v.WithMarks(fromMarks, keyMarks), nil
	},
})

// matchKeys takes the values at the places at which keys has an element of searchset.
var matchKeys = function.New(&function.Spec{
	Params: parameters([]cty.Type{cty.List(cty.DynamicPseudoType), cty.List(cty.DynamicPseudoType), cty.List(cty.DynamicPseudoType)}),
	Type: func(args []cty.Value) (cty.Type, error) {
		if t, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()}); t == cty.NilType {
			return t, errors.New("keys and searchset must be of the same type")
		}
		return args[0].Type(), nil
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
			return cty.UnknownVal(t), nil
		}
		if args[0].LengthInt() != args[1].LengthInt() {
			return cty.NilVal, errors.New("there must be as many keys as values")
		}
		common, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()})
		keys, err := convert.Convert(args[1], common)
		if err != nil {
			return cty.NilVal, err
		}
		wanted, err := convert.Convert(args[2], common)
		if err != nil {
			return cty.NilVal, err
		}
		var taken []cty.Value
		values := args[0].AsValueSlice()
		for i, key := range keys.AsValueSlice() {
			if slices.ContainsFunc(wanted.AsValueSlice(), key.RawEquals) {
				taken = append(taken, values[i])
			}
		}
		if len(taken) == 0 {
			return cty.ListValEmpty(t.ElementType()), nil
		}
		return cty.ListVal(taken), nil
	},
})

// one takes the only element, and gives null where there is none.
var one = function.New(&function.Spec{
	Params: parameters([]cty.Type{cty.DynamicPseudoType}),
	Type: func(args []cty.Value) (cty.Type, error) {
		switch t := args[0].Type(); {
		case t.IsListType() || t.IsSetType():
			return t.ElementType(), nil
		case t.IsTupleType() && t.Length() == 0:
			return cty.DynamicPseudoType, nil
		case t.IsTupleType() && t.Length() == 1:
			return t.TupleElementType(0), nil
		}
		return cty.NilType, function.NewArgErrorf(0, "must be a list or a set with one element or none")
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		if n := args[0].Length(); !n.IsKnown() {
			return cty.UnknownVal(t), nil
		}
		switch elements := args[0].AsValueSlice(); len(elements) {
		case 0:
			return cty.NullVal(t), nil
		case 1:
			return elements[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "must be a list or a set with one element or none")
	},
})

var sum = define(cty.Number, func(args []cty.Value) (cty.Value, error) {
	if t := args[0].Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() || args[0].LengthInt() == 0 {
		return cty.NilVal, function.NewArgErrorf(0, "must be a list or a set with elements")
	}
	total := cty.Zero
	for _, v := range args[0].AsValueSlice() {
		n, err := convert.Convert(v, cty.Number)
		if err != nil || n.IsNull() {
			return cty.NilVal, function.NewArgErrorf(0, "must hold numbers alone")
		}
		if n.AsBigFloat().IsInf() && total.AsBigFloat().IsInf() { // opposite ones have no sum
			return cty.NilVal, function.NewArgErrorf(0, "has no sum")
		}
		total = total.Add(n)
	}
	return total, nil
}, cty.DynamicPseudoType)

var transpose = define(cty.Map(cty.List(cty.String)), func(args []cty.Value) (cty.Value, error) {
	names := map[string][]cty.Value{} // sorted: a map's keys are, and come in turn
	for it := args[0].ElementIterator(); it.Next(); {
		key, list := it.Element()
		if list.IsNull() {
			return cty.NilVal, errors.New("a list is null")
		}
		for _, v := range list.AsValueSlice() {
			if v.IsNull() {
				return cty.NilVal, errors.New("a text is null")
			}
			names[v.AsString()] = append(names[v.AsString()], key)
		}
	}
	if len(names) == 0 {
		return cty.MapValEmpty(cty.List(cty.String)), nil
	}
	turned := map[string]cty.Value{}
	for name, keys := range names {
		turned[name] = cty.ListVal(keys)
	}
	return cty.MapVal(turned), nil
}, cty.Map(cty.List(cty.String)))

// whole is a number as an integer of at most so many bits.
func whole(v cty.Value, bits int) (*big.Int, error) {
	f := v.AsBigFloat()
	if !f.IsInt() || f.MantExp(nil) > bits {
		return nil, errors.New("a whole number is needed")
	}
	n, _ := f.Int(nil)
	return n, nil
}
