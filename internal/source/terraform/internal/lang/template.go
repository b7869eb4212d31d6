package lang

import (
	"errors"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxTemplates bounds how deep templates may hold each other.
const maxTemplates = 64

// templateFile renders a file with nothing but the variables that it is given.
func (f Folder) templateFile(table map[string]function.Function, depth int) function.Function {
	return template(func(path string, vars map[string]cty.Value) (cty.Value, error) {
		if depth >= maxTemplates {
			return cty.NilVal, errors.New("templates hold each other without end")
		}
		source, err := f.text(path)
		if err != nil {
			return cty.NilVal, err
		}
		inner := maps.Clone(table)
		inner["templatefile"] = f.templateFile(table, depth+1)
		inner["core::templatefile"] = inner["templatefile"]
		return render(source.AsString(), path, vars, inner)
	})
}

func templateString(table map[string]function.Function) function.Function {
	return template(func(source string, vars map[string]cty.Value) (cty.Value, error) {
		return render(source, "template", vars, table)
	})
}

// template makes a function of a text and variables. What it gives is known only when it is worked out, its type included.
func template(work func(string, map[string]cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "source", Type: cty.String}, {Name: "variables", Type: cty.DynamicPseudoType, AllowMarked: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if t := args[1].Type(); !t.IsObjectType() && !t.IsMapType() && t != cty.DynamicPseudoType {
				return cty.NilType, function.NewArgErrorf(1, "must be a map")
			}
			return cty.DynamicPseudoType, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			vars, marks := args[1].Unmark()
			v, err := work(args[0].AsString(), vars.AsValueMap())
			if err != nil {
				return cty.NilVal, err
			}
			return v.WithMarks(marks), nil
		},
	})
}

func render(source, name string, vars map[string]cty.Value, table map[string]function.Function) (cty.Value, error) {
	if err := CheckNesting([]byte(source)); err != nil {
		return cty.NilVal, err
	}
	expr, diags := hclsyntax.ParseTemplate([]byte(source), name, hcl.InitialPos)
	if !diags.HasErrors() {
		diags = CheckNumbers(expr)
	}
	if diags.HasErrors() {
		return cty.NilVal, errors.New("the template is broken")
	}
	MeterLoops(expr)
	v, diags := expr.Value(&hcl.EvalContext{Variables: vars, Functions: table})
	if diags.HasErrors() {
		return cty.NilVal, errors.New("the template cannot be rendered")
	}
	return v, nil
}
