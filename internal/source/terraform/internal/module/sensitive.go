package module

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// isSensitive reads what a variable's "sensitive" says. Whatever is no clear no is a yes.
func isSensitive(expr hcl.Expression) bool {
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return true
	}
	yes, err := convert.Convert(v, cty.Bool)
	if err == nil && yes.IsNull() {
		return false
	}
	return err != nil || !yes.IsKnown() || yes.True()
}

// SensitiveValues are the values of the sensitive variables, from wherever one is given: the default, the environment (TF_VAR_name)
// and every file of values, also where another goes before it. What cannot be worked out is left out, for it reaches nobody. A nil
// module has none.
func (m *Module) SensitiveValues(environ []string) []cty.Value {
	if m == nil {
		return nil
	}
	var values []cty.Value
	add := func(expr hcl.Expression) {
		if expr == nil {
			return
		}
		if v, diags := expr.Value(nil); !diags.HasErrors() {
			values = append(values, v)
		}
	}
	for _, v := range m.variables {
		if v.secret {
			add(v.value)
		}
	}
	for _, file := range m.variableFiles() {
		given := map[string]hcl.Expression{}
		if m.addValues(file, given) != nil {
			continue // whoever configures a provider says so
		}
		for name, expr := range given {
			if m.variables[name].secret {
				add(expr)
			}
		}
	}
	return append(values, m.sensitiveEnviron(environ)...)
}

// sensitiveEnviron gives the texts of the environment as they are, and what they mean to variables of other types.
func (m *Module) sensitiveEnviron(environ []string) []cty.Value {
	var values []cty.Value
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, "TF_VAR_")
		v := m.variables[name]
		if !ours || !v.secret {
			continue
		}
		values = append(values, cty.StringVal(text))
		if expr, err := v.parse(text); err == nil {
			if meant, diags := expr.Value(nil); !diags.HasErrors() {
				values = append(values, meant)
			}
		}
	}
	return values
}
