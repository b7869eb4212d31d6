package schema

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// A Part says who gives an attribute or a block its value: the code, the provider, or either.
type Part struct {
	Optional  bool // the code may give a value, or must
	Computed  bool // the provider may give one
	WriteOnly bool
	Fields    map[string]*Part // of an object or a block, or of each of many; nil for an attribute without parts
}

func blockPart(b *tfwire.Schema_Block) *Part {
	p := &Part{Optional: true, Fields: map[string]*Part{}}
	for _, a := range b.GetAttributes() {
		p.Fields[a.GetName()] = attributePart(a)
	}
	for _, nested := range b.GetBlockTypes() {
		p.Fields[nested.GetTypeName()] = blockPart(nested.GetBlock())
	}
	return p
}

func attributePart(a *tfwire.Schema_Attribute) *Part {
	p := &Part{Optional: a.GetOptional() || a.GetRequired(), Computed: a.GetComputed(), WriteOnly: a.GetWriteOnly()}
	if o := a.GetNestedType(); o != nil {
		p.Fields = map[string]*Part{}
		for _, inner := range o.GetAttributes() {
			p.Fields[inner.GetName()] = attributePart(inner)
		}
	}
	return p
}

// Config is the configuration that may have led to a value: what the provider alone computes is not in it, and of what either may give
// it is taken that the code did.
func (p *Part) Config(v cty.Value) cty.Value {
	switch {
	case p.WriteOnly || p.Computed && !p.Optional:
		return cty.NullVal(v.Type())
	case p.Fields == nil:
		return v
	}
	return each(v, func(elem cty.Value) cty.Value {
		return withFields(elem, func(name string, field cty.Value) cty.Value {
			if inner := p.Fields[name]; inner != nil {
				return inner.Config(field)
			}
			return field
		})
	})
}

// Propose is what the tool proposes to a provider: the configuration and, where that says nothing and the provider may, what is there.
func (p *Part) Propose(prior, config cty.Value) cty.Value {
	switch {
	case p.WriteOnly:
		return config
	case config.IsNull() && p.Computed && !prior.IsNull():
		return prior
	case p.Fields == nil || config.IsNull() || !config.IsKnown():
		return config
	}
	match := matcher(p, prior)
	i := -1
	return each(config, func(elem cty.Value) cty.Value {
		i++
		was := match(i, elem)
		return withFields(elem, func(name string, field cty.Value) cty.Value {
			inner := p.Fields[name]
			if inner == nil {
				return field
			}
			before := cty.NullVal(field.Type())
			if !was.IsNull() {
				before = was.GetAttr(name)
			}
			return inner.Propose(before, field)
		})
	})
}

// matcher finds what an element of the configuration was before: by its place in a list, by its key in a map, and in a set by what the
// code says of it.
func matcher(p *Part, prior cty.Value) func(i int, elem cty.Value) cty.Value {
	none := cty.NullVal(cty.DynamicPseudoType)
	if prior.IsNull() || !prior.IsKnown() {
		return func(int, cty.Value) cty.Value { return none }
	}
	t := prior.Type()
	if t.IsObjectType() {
		return func(int, cty.Value) cty.Value { return prior }
	}
	if !t.IsListType() && !t.IsSetType() {
		return func(int, cty.Value) cty.Value { return none } // of maps, whose order is not that of places
	}
	elems := prior.AsValueSlice()
	if t.IsListType() {
		return func(i int, _ cty.Value) cty.Value {
			if i < len(elems) && elems[i].IsKnown() {
				return elems[i]
			}
			return none
		}
	}
	one := &Part{Optional: true, Fields: p.Fields}
	return func(_ int, elem cty.Value) cty.Value {
		for _, e := range elems {
			if e.IsKnown() && !e.IsNull() && one.Config(e).RawEquals(one.Config(elem)) {
				return e
			}
		}
		return none
	}
}

// each gives a value anew: the one object that it is, or each of those that it holds.
func each(v cty.Value, f func(cty.Value) cty.Value) cty.Value {
	t := v.Type()
	switch {
	case v.IsNull() || !v.IsKnown():
		return v
	case t.IsObjectType():
		return f(v)
	case !t.IsCollectionType() || v.LengthInt() == 0:
		return v
	case t.IsMapType():
		elems := v.AsValueMap()
		for key, elem := range elems {
			elems[key] = f(elem)
		}
		return cty.MapVal(elems)
	}
	elems := v.AsValueSlice()
	for i, elem := range elems {
		elems[i] = f(elem)
	}
	if t.IsSetType() {
		return cty.SetVal(elems)
	}
	return cty.ListVal(elems)
}

func withFields(v cty.Value, f func(name string, field cty.Value) cty.Value) cty.Value {
	if v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() {
		return v
	}
	fields := v.AsValueMap()
	for name, field := range fields {
		fields[name] = f(name, field)
	}
	return cty.ObjectVal(fields)
}

// Either calls f with each path at which both the code and the provider may give a value, the outermost alone.
func (p *Part) Either(t cty.Type, f func(taffrail.Path)) { p.either(taffrail.Path{}, t, f) }

func (p *Part) either(at taffrail.Path, t cty.Type, f func(taffrail.Path)) {
	if p.Optional && p.Computed {
		f(at)
		return
	}
	if t.IsCollectionType() {
		at, t = at.Append(taffrail.Any()), t.ElementType()
	}
	if !t.IsObjectType() {
		return
	}
	for name, inner := range p.Fields {
		if t.HasAttribute(name) {
			inner.either(at.Append(taffrail.Attr(name)), t.AttributeType(name), f)
		}
	}
}
