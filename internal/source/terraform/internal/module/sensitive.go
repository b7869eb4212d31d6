package module

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
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

// SensitiveValues are the values of the sensitive variables of all modules. Those of the root module are taken from wherever one is given:
// the default, the environment (TF_VAR_name), every file of values and the settings, also where another goes before it. What cannot be
// worked out is left out, for it reaches nobody. They are worked out once.
func (t *Tree) SensitiveValues(s Scope) (values []cty.Value) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Root == nil || t.learned {
		return t.sensitive
	}
	t.learned = true
	defer func() {
		_ = recover() // whatever cannot be worked out reaches nobody
		values = t.sensitive
	}()
	t.sensitive = t.Root.sensitiveValues(s)
	e := t.evaluator(s)
	e.learnCalls(e.frames[""], &t.sensitive)
	return t.sensitive
}

// maxFrames bounds of how many instances of modules the variables are looked at.
const maxFrames = 2_000

// learnCalls adds what the calls of a module give to sensitive variables, and the calls of these modules.
func (e *evaluator) learnCalls(f *frame, values *[]cty.Value) {
	enough := func() bool { return len(e.frames) > maxFrames || len(f.at) > maxNesting }
	for name, c := range f.module.calls {
		if enough() {
			return
		}
		e.instances(f, name, c.repetition).shape(func(key addr.Key, each map[string]cty.Value) cty.Value {
			if enough() {
				return cty.True
			}
			if inner := e.frame(f, name, key, each); inner != nil {
				e.learnVariables(inner, values)
				e.learnCalls(inner, values)
			}
			return cty.True
		})
	}
}

func (e *evaluator) learnVariables(f *frame, values *[]cty.Value) {
	for name, v := range f.module.variables {
		if !v.secret {
			continue
		}
		if given, _ := e.variable(f, name, lang.Unknown{}).UnmarkDeep(); given.IsWhollyKnown() {
			*values = append(*values, given)
		}
	}
}

func (m *Module) sensitiveValues(s Scope) []cty.Value {
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
	for _, file := range append(m.variableFiles(), s.VarFiles...) {
		given := map[string]hcl.Expression{}
		if m.addValues(file, given, false) != nil {
			continue // whoever configures a provider says so
		}
		for name, expr := range given {
			if m.variables[name].secret {
				add(expr)
			}
		}
	}
	for _, entry := range s.Environ {
		name, text, _ := strings.Cut(entry, "=")
		if name, ours := strings.CutPrefix(name, "TF_VAR_"); ours {
			values = append(values, m.sensitiveText(name, text)...)
		}
	}
	for name, text := range s.Vars {
		values = append(values, m.sensitiveText(name, text)...)
	}
	return values
}

// sensitiveText gives a text as it is, and what it means to a variable of another type.
func (m *Module) sensitiveText(name, text string) []cty.Value {
	v := m.variables[name]
	if !v.secret {
		return nil
	}
	values := []cty.Value{cty.StringVal(text)}
	if expr, err := v.parse(text); err == nil {
		if meant, diags := expr.Value(nil); !diags.HasErrors() {
			values = append(values, meant)
		}
	}
	return values
}
