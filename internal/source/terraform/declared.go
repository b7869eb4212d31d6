package terraform

import (
	"fmt"
	"path"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

type declaredKey struct{ module, resourceType, name string }

// A declared is the code of a resource. All its instances share it.
type declared struct {
	module.Declaration
	file string

	mu       sync.Mutex
	of       *schema.Resource // for which handling was worked out
	handling []taffrail.Handling
}

// declaration finds the code of an instance; nil where it is not at hand.
func (r *reading) declaration(i *state.Instance) *declared {
	m, err := addr.ParseModule(i.Module)
	if err != nil {
		return nil
	}
	key := declaredKey{m.Path(), i.Type, i.Name}
	d, known := r.declared[key]
	if !known {
		if found, file, ok := r.tree.Declaration(m, i.Type, i.Name); ok {
			d = &declared{Declaration: found, file: file}
		}
		r.declared[key] = d
	}
	return d
}

// handlingFor is how differences of a resource are to be taken: by its type, and by what its code wants ignored.
func (d *declared) handlingFor(t *schema.Resource) []taffrail.Handling {
	if d == nil || !d.IgnoreAll && len(d.Ignore) == 0 {
		return t.Handling
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == t {
		return d.handling
	}
	d.of = t
	d.handling = append([]taffrail.Handling{}, t.Handling...)
	if d.IgnoreAll {
		d.ignore(taffrail.Path{}, d.IgnoreAt)
	}
	for _, ignored := range d.Ignore {
		if p, ok := ignoredPath(ignored.Path, t.Type); ok {
			d.ignore(p, ignored.Range)
		}
	}
	return d.handling
}

func (d *declared) ignore(p taffrail.Path, at hcl.Range) {
	d.handling = append(d.handling, taffrail.Handling{
		Path: p, Treatment: taffrail.Suppressed,
		Why: fmt.Sprintf("ignore_changes at %s:%d", path.Join(path.Dir(d.file), at.Filename), at.Start.Line),
	})
}

// ignoredPath translates a path of the code. Which steps are keys and which are attributes is known by the type alone. A path that
// the type does not have ignores nothing.
func ignoredPath(steps hcl.Traversal, t cty.Type) (taffrail.Path, bool) {
	var p taffrail.Path
	for _, s := range steps {
		step, below, ok := ignoredStep(s, t)
		if !ok {
			return p, false
		}
		p, t = p.Append(step), below
	}
	return p, len(steps) > 0
}

func ignoredStep(s hcl.Traverser, t cty.Type) (taffrail.Step, cty.Type, bool) {
	name, index, isName := traverserKey(s)
	switch {
	case t.IsObjectType() && isName && t.HasAttribute(name):
		return taffrail.Attr(name), t.AttributeType(name), true
	case t.IsMapType() && isName:
		return taffrail.Key(name), t.ElementType(), true
	case t.IsListType() && !isName && index >= 0:
		return taffrail.Index(index), t.ElementType(), true
	case t.IsSetType():
		return taffrail.Any(), t.ElementType(), true
	case t == cty.DynamicPseudoType && isName:
		return taffrail.Attr(name), t, true
	case t == cty.DynamicPseudoType && index >= 0:
		return taffrail.Index(index), t, true
	}
	return taffrail.Step{}, cty.NilType, false
}

// traverserKey gives what a step names: a name, or an index.
func traverserKey(s hcl.Traverser) (name string, index int, isName bool) {
	switch s := s.(type) {
	case hcl.TraverseRoot:
		return s.Name, 0, true
	case hcl.TraverseAttr:
		return s.Name, 0, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String {
			return s.Key.AsString(), 0, true
		}
		if s.Key.Type() == cty.Number {
			n, _ := s.Key.AsBigFloat().Int64()
			return "", int(n), false
		}
	}
	return "", -1, false
}
