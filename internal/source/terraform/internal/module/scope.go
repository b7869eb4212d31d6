package module

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// A Scope is what expressions depend on beside the code.
type Scope struct {
	Environ   []string
	Workspace string
	// Vars and VarFiles are what the tools take as -var and -var-file: the files in this order, then the single values. Relative files
	// are below the root module's folder.
	Vars     map[string]string
	VarFiles []string
	// State gives what the stored state has of those resources and data that are wanted, by the module's address, the mode ("managed"
	// or "data"), type and name. It is asked once for a tree, and only if an expression needs it. Nil is no state.
	State func(wanted func(module, mode, resourceType, name string) bool) ([]state.Referenced, error)
}

func (s Scope) getenv(name string) string {
	for _, entry := range slices.Backward(s.Environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// given collects what sets variables of the root module from outside of the code: the environment (TF_VAR_name), terraform.tfvars and
// *.auto.tfvars, then what the scope has for the command line. What else was given to the tool there is not known.
func (m *Module) given(s Scope) (map[string]hcl.Expression, error) {
	given := map[string]hcl.Expression{}
	for _, entry := range s.Environ {
		name, text, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, "TF_VAR_")
		v, declared := m.variables[name]
		if !ours || !declared {
			continue
		}
		expr, err := v.parse(text)
		if err != nil {
			return nil, fmt.Errorf("TF_VAR_%s is no value of the variable's type", name)
		}
		given[name] = expr
	}
	for _, file := range m.variableFiles() {
		if err := m.addValues(file, given, false); err != nil {
			return nil, err
		}
	}
	for _, file := range s.VarFiles {
		if err := m.addValues(file, given, true); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Vars)) {
		v, declared := m.variables[name]
		if !declared {
			return nil, fmt.Errorf("the code declares no variable %q, which the settings give a value", addr.Clip(name))
		}
		expr, err := v.parse(s.Vars[name])
		if err != nil {
			return nil, fmt.Errorf("the value for variable %q in the settings is none of its type", name)
		}
		given[name] = expr
	}
	return given, nil
}

// isFalse says whether an expression is the word false.
func isFalse(expr hcl.Expression) bool {
	if e, ok := expr.(*hclsyntax.ParenthesesExpr); ok {
		return isFalse(e.Expression)
	}
	v, diags := expr.Value(nil)
	return !diags.HasErrors() && v.Type() == cty.Bool && !v.IsNull() && v.False()
}
