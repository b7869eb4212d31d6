package module

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// A recording is what the state has of all that configurations may refer to.
type recording struct {
	objects map[string]map[reference][]state.Referenced // by the address of the module instance
	err     error
}

// recorded looks something up in the state, which is read when it is first needed.
func (t *Tree) recorded(s Scope, in addr.Module, ref reference) ([]state.Referenced, error) {
	if t.stored == nil {
		w := &search{tree: t, wanted: map[wanted]bool{}, seen: map[string]bool{}}
		w.module("")
		found, err := s.State(w.wants)
		t.stored = &recording{objects: map[string]map[reference][]state.Referenced{}, err: err}
		for _, r := range found {
			if t.stored.objects[r.Module] == nil {
				t.stored.objects[r.Module] = map[reference][]state.Referenced{}
			}
			key := reference{r.Mode, r.Type, r.Name}
			t.stored.objects[r.Module][key] = append(t.stored.objects[r.Module][key], r)
		}
	}
	return t.stored.objects[in.String()][ref], t.stored.err
}

// A wanted is a resource or data of a module, whichever instance of it.
type wanted struct {
	module string // path
	reference
}

// A search finds what provider blocks and sensitive variables may refer to, by what is written: it works nothing out, and finds more
// than is needed in the end, but nothing less.
type search struct {
	tree   *Tree
	wanted map[wanted]bool
	seen   map[string]bool
}

func (w *search) wants(module, mode, resourceType, name string) bool {
	m, err := addr.ParseModule(module)
	return err == nil && w.wanted[wanted{m.Path(), reference{mode, resourceType, name}}]
}

// visit says whether something is seen for the first time.
func (w *search) visit(path, name string) bool {
	key := path + " " + name
	again := w.seen[key]
	w.seen[key] = true
	return !again && len(w.seen) <= maxSeen
}

// maxSeen bounds the search.
const maxSeen = 1_000_000

func (w *search) module(path string) {
	m := w.tree.module(path)
	if m == nil || !w.visit(path, "module") {
		return
	}
	for _, p := range m.Providers {
		w.references(path, bodyVariables(p.Body))
		w.expression(path, p.ForEach)
	}
	for name, v := range m.variables {
		if v.secret {
			w.variable(path, name)
		}
	}
	for name, c := range m.calls {
		w.expression(path, c.count)
		w.expression(path, c.forEach)
		w.module(below(path, name))
	}
}

func below(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// bodyVariables are the references of a body, without its schema.
func bodyVariables(body hcl.Body) []hcl.Traversal {
	switch body := body.(type) {
	case overridden:
		return append(bodyVariables(body.base), bodyVariables(body.over)...)
	case *hclsyntax.Body:
		var refs []hcl.Traversal
		for _, attr := range body.Attributes {
			refs = append(refs, attr.Expr.Variables()...)
		}
		for _, block := range body.Blocks {
			refs = append(refs, bodyVariables(block.Body)...)
		}
		return refs
	}
	var refs []hcl.Traversal
	attrs, _ := body.JustAttributes() // JSON: blocks are properties, too
	for _, attr := range attrs {
		refs = append(refs, attr.Expr.Variables()...)
	}
	return refs
}

func (w *search) expression(path string, expr hcl.Expression) {
	if expr != nil {
		w.references(path, expr.Variables())
	}
}

func (w *search) references(path string, refs []hcl.Traversal) {
	m := w.tree.module(path)
	for _, ref := range refs {
		name := attribute(ref, 1)
		switch root := ref.RootName(); root {
		case "var":
			w.variable(path, name)
		case "local":
			if w.visit(path, "local."+name) {
				w.expression(path, m.locals[name])
			}
		case "module":
			w.call(path, m, name)
		case "data":
			w.resource(path, m, reference{"data", name, attribute(ref, 2)})
		case "resource":
			w.resource(path, m, reference{"managed", name, attribute(ref, 2)})
		default:
			w.resource(path, m, reference{"managed", root, name})
		}
	}
}

func (w *search) resource(path string, m *Module, ref reference) {
	key := wanted{path, ref}
	if w.wanted[key] {
		return
	}
	w.wanted[key] = true
	w.expression(path, m.repeated[ref].count)
	w.expression(path, m.repeated[ref].forEach)
}

func (w *search) call(path string, m *Module, name string) {
	inner := w.tree.module(below(path, name))
	if inner == nil || !w.visit(path, "call "+name) {
		return
	}
	w.expression(path, m.calls[name].count)
	w.expression(path, m.calls[name].forEach)
	for _, o := range inner.outputs {
		w.expression(below(path, name), o.value)
	}
}

// variable follows a variable to what its module is called with.
func (w *search) variable(path, name string) {
	if path == "" || !w.visit(path, "var."+name) {
		return
	}
	parent, called := "", path
	if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
		parent, called = path[:dot], path[dot+1:]
	}
	if m := w.tree.module(parent); m != nil {
		w.expression(parent, m.calls[called].arguments[name])
		w.expression(parent, m.calls[called].forEach)
	}
}
