package module

import (
	"encoding/json"
	"regexp"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// resource is what the stored state has of a resource or of data: one object, or those of count or for_each.
func (e *evaluator) resource(f *frame, ref reference, u lang.Unknown) cty.Value {
	return e.once(f, ref.mode+" "+ref.kind+"."+ref.name, u, func() cty.Value {
		if e.scope.State == nil {
			u.Hint = "there is no state to take it from: set it by a variable"
			return e.refuse(u)
		}
		found, err := e.tree.recorded(e.scope, f.at, ref)
		if err != nil {
			u.What += " (" + err.Error() + ")"
			u.Hint = "scan again, or set it by a variable"
			return e.refuse(u)
		}
		return e.collect(f, ref, found, u)
	})
}

// collect puts the objects together as their keys say. Without any, the code has to say that there are none.
func (e *evaluator) collect(f *frame, ref reference, found []state.Referenced, u lang.Unknown) cty.Value {
	byKey := map[addr.Key]state.Referenced{}
	for _, r := range found {
		byKey[r.Key] = r
	}
	single, isSingle := byKey[addr.Key{}]
	switch {
	case isSingle:
		return e.stored(single, u)
	case len(found) == 0:
		return e.none(f, ref, u)
	}
	objects := map[string]cty.Value{}
	list := make([]cty.Value, len(found))
	listed := 0
	for _, r := range found {
		v := e.stored(r, u)
		if key, ok := r.Key.Text(); ok {
			objects[key] = v
		} else if i, ok := r.Key.Int(); ok && i < len(list) {
			list[i] = v
			listed++
		}
	}
	if listed == len(found) {
		return cty.TupleVal(list)
	}
	if len(objects) == len(found) {
		return cty.ObjectVal(objects)
	}
	u.Hint = "the state has some of its objects only: apply the stack"
	return e.refuse(u)
}

// none is what a resource is of which the state has no object: nothing, if the code wants none, and otherwise not known.
func (e *evaluator) none(f *frame, ref reference, u lang.Unknown) cty.Value {
	r := f.module.repeated[ref]
	u.Hint = "the state does not have it: apply the stack, or set it by a variable"
	if r.count == nil && r.forEach == nil {
		return e.refuse(u)
	}
	return e.instances(f, ref.name, r).shape(func(addr.Key, map[string]cty.Value) cty.Value { return e.refuse(u) })
}

// stored is an object of the state. Its type is the one that its JSON implies: whoever takes it converts it.
func (e *evaluator) stored(r state.Referenced, u lang.Unknown) cty.Value {
	if r.Attributes == nil {
		u.Hint = "it was written by a Terraform from before 0.12: apply the stack with a newer one"
		return e.refuse(u)
	}
	t, err := ctyjson.ImpliedType(r.Attributes)
	if err != nil {
		return e.refuse(u)
	}
	v, err := ctyjson.Unmarshal(r.Attributes, t)
	if err != nil {
		return e.refuse(u)
	}
	dynamic := r.Type == "terraform_data" || r.Type == "terraform_remote_state"
	v, err = cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) { return undress(v, dynamic), nil })
	if err != nil {
		return e.refuse(u)
	}
	v, err = cty.Transform(v, func(p cty.Path, v cty.Value) (cty.Value, error) {
		if marked(p, r.Marks) || nameOfSecret(p) && v.Type() != cty.Bool {
			bare, _ := v.UnmarkDeep()
			e.secrets = append(e.secrets, bare)
			return v.Mark(lang.Sensitive), nil
		}
		return v, nil
	})
	if err != nil {
		return e.refuse(u)
	}
	return v
}

// undress takes a value whose type the schema leaves open out of its dress: states keep such as {"value": ..., "type": ...}. A type
// of one word may as well be someone's own attribute, so that it counts only where it is known to be none.
func undress(v cty.Value, plain bool) cty.Value {
	t := v.Type()
	if !t.IsObjectType() || len(t.AttributeTypes()) != 2 || !t.HasAttribute("type") || !t.HasAttribute("value") {
		return v
	}
	tag := v.GetAttr("type")
	if !tag.Type().IsTupleType() && (!plain || tag.Type() != cty.String) {
		return v
	}
	raw, err := ctyjson.Marshal(tag, tag.Type())
	if err != nil {
		return v
	}
	want, err := ctyjson.UnmarshalType(raw)
	if err != nil {
		return v
	}
	inner := v.GetAttr("value")
	if raw, err = ctyjson.Marshal(inner, inner.Type()); err != nil {
		return v
	}
	typed, err := ctyjson.Unmarshal(json.RawMessage(raw), want)
	if err != nil {
		return v
	}
	return typed
}

// secretWord is in the names of attributes that hold secrets, whatever the state says of them.
var secretWord = regexp.MustCompile(`(?i)(token|secret|passw|credential|private_?key|api_?key|access_?key)`)

func nameOfSecret(p cty.Path) bool {
	if len(p) == 0 {
		return false
	}
	step, ok := p[len(p)-1].(cty.GetAttrStep)
	return ok && secretWord.MatchString(step.Name)
}

// marked says whether one of the paths that a state calls sensitive is this one.
func marked(p cty.Path, marks []value.Mark) bool {
	for _, m := range marks {
		if len(m) == len(p) && fits(p, m) {
			return true
		}
	}
	return false
}

func fits(p cty.Path, m value.Mark) bool {
	for i, step := range p {
		name := ""
		switch s := step.(type) {
		case cty.GetAttrStep:
			name = s.Name
		case cty.IndexStep:
			if s.Key.Type() == cty.String {
				name = s.Key.AsString()
			}
		}
		if !m[i].Any && m[i].Name != name {
			return false
		}
	}
	return true
}
