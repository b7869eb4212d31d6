package module

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
)

// attribute is the name of a step of a reference; empty where it is none.
func attribute(ref hcl.Traversal, i int) string {
	if i < len(ref) {
		if step, ok := ref[i].(hcl.TraverseAttr); ok {
			return step.Name
		}
	}
	return ""
}

// resolve works out what a reference leads to, as far as the thing that has a name of its own. Of a module it takes what any of all the
// references needs.
func (e *evaluator) resolve(f *frame, ref hcl.Traversal, all []hcl.Traversal, into names) {
	u := lang.Unknown{What: f.text(ref), Place: e.place(f, ref.SourceRange())}
	root, name := ref.RootName(), attribute(ref, 1)
	switch {
	case root == "each" || root == "count" || root == "self" || root == "ephemeral":
		u.Hint = "it has no value here"
		into.put(e.refuse(u), root)
	case name == "":
		u.Hint = "name what is meant of it"
		into.put(e.refuse(u), root)
	case root == "var":
		into.put(e.variable(f, name, u), root, name)
	case root == "local":
		into.put(e.local(f, name, u), root, name)
	case root == "path" || root == "terraform" || root == "tofu":
		into.put(e.builtin(f, root+"."+name, u), root, name)
	case root == "module":
		into.put(e.module(f, name, wantedOutputs(all, name), u), root, name)
	case root == "data" || root == "resource":
		e.resolveResource(f, ref[1:], map[string]string{"data": "data", "resource": "managed"}[root], u, func(v cty.Value, kind, name string) {
			into.put(v, root, kind, name)
		})
	default:
		e.resolveResource(f, ref, "managed", u, func(v cty.Value, kind, name string) { into.put(v, kind, name) })
	}
}

func (e *evaluator) resolveResource(f *frame, ref hcl.Traversal, mode string, u lang.Unknown, put func(v cty.Value, kind, name string)) {
	kind, name := attribute(ref, 0), attribute(ref, 1)
	if !ref.IsRelative() {
		kind = ref.RootName()
	}
	if name == "" {
		name = "*" // an attribute that does not exist, so that the reference as a whole is not known
		u.Hint = "name what is meant of it"
		put(e.refuse(u), kind, name)
		return
	}
	put(e.resource(f, reference{mode, kind, name}, u), kind, name)
}

func (e *evaluator) builtin(f *frame, name string, u lang.Unknown) cty.Value {
	switch name {
	case "path.module":
		return cty.StringVal(e.folder(f))
	case "path.root":
		return cty.StringVal(".")
	case "path.cwd":
		return cty.StringVal(e.tree.Root.Dir)
	case "terraform.workspace", "tofu.workspace":
		if e.scope.Workspace != "" {
			return cty.StringVal(e.scope.Workspace)
		}
		u.Hint = "name the workspace"
	}
	return e.refuse(u)
}

func (e *evaluator) local(f *frame, name string, u lang.Unknown) cty.Value {
	expr := f.module.locals[name]
	if expr == nil {
		u.Hint = "the code has no such local value"
		return e.refuse(u)
	}
	return e.once(f, "local."+name, u, func() cty.Value { return e.value(f, expr, nil) })
}

func (e *evaluator) variable(f *frame, name string, u lang.Unknown) cty.Value {
	v, declared := f.module.variables[name]
	if !declared {
		u.Hint = "the code declares no such variable"
		return e.refuse(u)
	}
	return e.once(f, "var."+name, u, func() cty.Value {
		raw, ok := e.setting(f, name, v, u)
		if !ok {
			return raw
		}
		converted, err := v.convert(raw)
		if err != nil {
			return e.refuse(lang.Unknown{
				What: `variable "` + name + `": its value does not have its type`, Place: e.place(f, v.at),
				Hint: "see what `terraform validate` or `tofu validate` says",
			})
		}
		if v.secret {
			converted = converted.Mark(lang.Sensitive)
		}
		return converted
	})
}

// setting is what a variable is set to, or its default; not ok if it has neither.
func (e *evaluator) setting(f *frame, name string, v variable, u lang.Unknown) (value cty.Value, ok bool) {
	fallback := func() (cty.Value, bool) {
		if v.value == nil {
			return e.refuse(u), false
		}
		return e.literal(f, name, v.value)
	}
	if f.parent != nil {
		u.Hint = "give the variable a default, or a value where the module is called"
		expr := f.call.arguments[name]
		if expr == nil {
			return fallback()
		}
		value = e.value(f.parent, expr, f.each)
	} else {
		u.Hint = "set TF_VAR_" + name + ", or give the variable a default"
		if e.givenErr != nil {
			return e.refuse(lang.Unknown{What: e.givenErr.Error(), Hint: "mend it, or take it out"}), false
		}
		expr := e.given[name]
		if expr == nil {
			return fallback()
		}
		if value, ok = e.literal(f, name, expr); !ok {
			return value, false
		}
	}
	if bare, _ := value.Unmark(); v.required && bare.IsKnown() && bare.IsNull() {
		return fallback()
	}
	return value, true
}

// literal works out what may not refer to anything.
func (e *evaluator) literal(f *frame, name string, expr hcl.Expression) (cty.Value, bool) {
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		u := e.fault(f, diags)
		u.What = `variable "` + name + `": ` + u.What
		return e.refuse(u), false
	}
	return v, true
}

// wantedOutputs are the outputs of a module that references need, sorted; nil where it may be any.
func wantedOutputs(all []hcl.Traversal, module string) []string {
	wanted := []string{}
	for _, ref := range all {
		if ref.RootName() != "module" || attribute(ref, 1) != module {
			continue
		}
		output := attribute(ref, 2)
		if _, indexed := at(ref, 2).(hcl.TraverseIndex); indexed {
			output = attribute(ref, 3)
		}
		if output == "" {
			return nil
		}
		wanted = append(wanted, output)
	}
	slices.Sort(wanted)
	return slices.Compact(wanted)
}

func at(ref hcl.Traversal, i int) hcl.Traverser {
	if i < len(ref) {
		return ref[i]
	}
	return nil
}

// module is what a call gives: an object of outputs, or one for each instance.
func (e *evaluator) module(f *frame, name string, outputs []string, u lang.Unknown) cty.Value {
	c, ok := f.module.calls[name]
	if !ok {
		u.Hint = "the code does not call such a module"
		return e.refuse(u)
	}
	return e.once(f, "module."+name+"."+strings.Join(outputs, ","), u, func() cty.Value {
		instances := e.instances(f, "module."+name, c.repetition)
		return instances.shape(func(key addr.Key, each map[string]cty.Value) cty.Value {
			inner := e.frame(f, name, key, each)
			if inner == nil {
				u.Hint = "run `terraform init` or `tofu init`: the code of the module is not at hand"
				return e.refuse(u)
			}
			return e.outputs(inner, outputs, u)
		})
	})
}

// outputs are those outputs of a module, or all of them.
func (e *evaluator) outputs(f *frame, only []string, u lang.Unknown) cty.Value {
	values := map[string]cty.Value{}
	for name, o := range f.module.outputs {
		if o.value == nil || only != nil && !slices.Contains(only, name) {
			continue
		}
		values[name] = e.once(f, "output."+name, u, func() cty.Value {
			v := e.value(f, o.value, nil)
			if o.secret {
				v = v.Mark(lang.Sensitive)
			}
			return v
		})
	}
	return cty.ObjectVal(values)
}

// frame is an instance of a module that f calls; nil where its code is not at hand.
func (e *evaluator) frame(f *frame, name string, key addr.Key, each map[string]cty.Value) *frame {
	at := slices.Concat(f.at, addr.Module{{Name: name, Key: key}})
	if known, done := e.frames[at.String()]; done {
		return known
	}
	var inner *frame
	if m := e.tree.module(at.Path()); m != nil && !strings.Contains(name, ".") {
		inner = &frame{at: at, module: m, parent: f, call: f.module.calls[name], each: each}
	}
	e.frames[at.String()] = inner
	return inner
}
