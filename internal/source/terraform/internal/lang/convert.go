package lang

import (
	"errors"
	"maps"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// to makes a function that converts to a type.
func to(want cty.Type) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			have := args[0].Type()
			if !have.Equals(want) && convert.GetConversionUnsafe(have, want) == nil {
				return cty.NilType, function.NewArgErrorf(0, "a value of this type cannot be converted")
			}
			return want, nil
		},
		Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
			v, err := convert.Convert(args[0], t)
			if err != nil {
				return cty.NilVal, errors.New("the value cannot be converted") // the reason may quote it
			}
			return v, nil
		},
	})
}

var sensitive = function.New(&function.Spec{
	Params: []function.Parameter{whatever("value")},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(Sensitive), nil },
})

var nonsensitive = function.New(&function.Spec{
	Params: []function.Parameter{whatever("value")},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		marks = maps.Clone(marks)
		delete(marks, Sensitive)
		return v.WithMarks(marks), nil
	},
})

var isSensitive = function.New(&function.Spec{
	Params: []function.Parameter{whatever("value")},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.BoolVal(args[0].HasMark(Sensitive)), nil
	},
})
