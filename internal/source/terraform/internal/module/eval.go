package module

import (
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
)

// maxDepth bounds how long a chain of references may be, and maxSize how large a value on it, in bytes and elements.
const (
	maxDepth = 500
	maxSize  = 16 << 20
)

// An evaluator works out expressions of a tree of modules, each when it is needed and once. What cannot be known becomes an unknown
// value that is marked by a [lang.Unknown], so that it spoils only what it is needed for.
type evaluator struct {
	tree      *Tree
	scope     Scope
	functions map[string]function.Function
	given     map[string]hcl.Expression // what variables of the root module are set to
	givenErr  error
	frames    map[string]*frame
	known     map[string]cty.Value
	active    map[string]bool
	secrets   []cty.Value    // of resources that were referred to
	unknown   []lang.Unknown // whatever was met, in this order
}

// A frame is an instance of a module: what its expressions are worked out in.
type frame struct {
	at     addr.Module
	module *Module
	parent *frame
	call   call                 // what its variables are set by; the root has none
	each   map[string]cty.Value // "each" and "count" in the call
}

func (t *Tree) evaluator(s Scope) *evaluator {
	e := &evaluator{
		tree: t, scope: s, frames: map[string]*frame{}, known: map[string]cty.Value{}, active: map[string]bool{},
		functions: lang.Functions(lang.Folder{Dir: t.Root.Dir, Home: s.getenv("HOME")}),
	}
	e.given, e.givenErr = t.Root.given(s)
	e.frames[""] = &frame{module: t.Root}
	return e
}

// value works out an expression of a module. extra are "each" and "count", where there are such.
func (e *evaluator) value(f *frame, expr hcl.Expression, extra map[string]cty.Value) cty.Value {
	v, diags := expr.Value(e.context(f, expr.Variables(), extra))
	if diags.HasErrors() {
		return e.refuse(e.fault(f, diags))
	}
	for m := range deepMarks(v) { // of a function that does not know where it stands
		if u, ok := m.(lang.Unknown); ok && u.Place == "" {
			u.Place = e.place(f, expr.Range())
			v = v.Mark(u)
			e.unknown = append(e.unknown, u)
		}
	}
	return v
}

func deepMarks(v cty.Value) cty.ValueMarks {
	_, marks := v.UnmarkDeep()
	return marks
}

// refuse is the value of what cannot be known.
func (e *evaluator) refuse(u lang.Unknown) cty.Value {
	e.unknown = append(e.unknown, u)
	return cty.DynamicVal.Mark(u)
}

// once works something out when it is first asked for. What needs itself is not known, nor what is too large.
func (e *evaluator) once(f *frame, name string, u lang.Unknown, work func() cty.Value) cty.Value {
	key := f.at.String() + " " + name
	if v, done := e.known[key]; done {
		return v
	}
	if e.active[key] || len(e.active) >= maxDepth {
		u.What += ", which needs itself"
		return e.refuse(u)
	}
	e.active[key] = true
	v := work()
	delete(e.active, key)
	if lang.Size(v, maxSize) > maxSize {
		u.What += ", which is too large"
		v = e.refuse(u)
	}
	e.known[key] = v
	return v
}

// context has the values of references, and of nothing else.
func (e *evaluator) context(f *frame, references []hcl.Traversal, extra map[string]cty.Value) *hcl.EvalContext {
	vars := names{}
	for _, ref := range references {
		if v, ok := extra[ref.RootName()]; ok {
			vars.put(v, ref.RootName())
			continue
		}
		e.resolve(f, ref, references, vars)
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: e.functions}
	for name, v := range vars {
		ctx.Variables[name] = asValue(v)
	}
	return ctx
}

// names are values by the names that lead to them: a name leads to a [cty.Value], or to further names.
type names map[string]any

func (n names) put(v cty.Value, path ...string) {
	for _, name := range path[:len(path)-1] {
		below, ok := n[name].(names)
		if !ok {
			if _, taken := n[name]; taken {
				return // as a whole
			}
			below = names{}
			n[name] = below
		}
		n = below
	}
	n[path[len(path)-1]] = v
}

func asValue(n any) cty.Value {
	if v, ok := n.(cty.Value); ok {
		return v
	}
	attrs := map[string]cty.Value{}
	for name, below := range n.(names) {
		attrs[name] = asValue(below)
	}
	return cty.ObjectVal(attrs)
}

// fault turns what HCL says is wrong into why a value is not known. Nothing is quoted but the name of a function.
func (e *evaluator) fault(f *frame, diags hcl.Diagnostics) lang.Unknown {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		u := lang.Unknown{What: lowerFirst(d.Summary), Hint: "see what `terraform validate` or `tofu validate` says"}
		if d.Subject != nil {
			u.Place = e.place(f, *d.Subject)
		}
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok {
			u.What = "the call of " + call.CalledFunctionName() + " fails"
		}
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok {
			u.What = "function " + call.CalledFunctionNamespace() + call.CalledFunctionName()
			u.Hint = "it is no function of the language"
			if strings.HasPrefix(call.CalledFunctionNamespace(), "provider::") {
				u.Hint = "functions of providers are not called: write the value in its place, or set it by a variable"
			}
		}
		return u
	}
	return lang.Unknown{}
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToLower(r)) + s[n:]
}

// place is where something stands, from the root module's folder.
func (e *evaluator) place(f *frame, r hcl.Range) string {
	r.Filename = e.tree.relative(f.module, r.Filename)
	return diag.Place(r)
}

// text is a reference as it is written. It quotes the reference alone, never what stands around it.
func (f *frame) text(ref hcl.Traversal) string {
	r := ref.SourceRange()
	if source := f.module.sources[r.Filename]; r.CanSliceBytes(source) {
		return addr.Clip(strings.TrimSpace(string(r.SliceBytes(source))))
	}
	var b strings.Builder
	for _, step := range ref {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		default:
			b.WriteString("[...]")
		}
	}
	return addr.Clip(b.String())
}

// folder is a module's folder as path.module has it: from the root module's folder, which the tool runs in.
func (e *evaluator) folder(f *frame) string {
	rel, err := filepath.Rel(e.tree.Root.Dir, f.module.Dir)
	if err != nil {
		return f.module.Dir
	}
	return path.Clean(filepath.ToSlash(rel))
}
