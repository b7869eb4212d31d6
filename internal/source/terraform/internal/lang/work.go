package lang

import (
	"errors"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxWork bounds what the expressions of a stack may cost altogether: the bytes and elements that loops go over and functions are given, an
// element as so many bytes. So a million elements are looked at at most. Three loops in one another over a thousand elements each are
// beyond that; people's code stays far below.
const (
	maxWork    = 64 << 20
	perElement = 64
)

// loopFunction is called with what each loop goes over. No code can call it: it is no identifier.
const loopFunction = "taffrail::each of"

var errWork = errors.New("it takes too much work")

// A meter counts work.
type meter struct{ left atomic.Int64 }

func newMeter() *meter {
	m := &meter{}
	m.left.Store(maxWork)
	return m
}

// take pays for values, and fails when nothing is left.
func (m *meter) take(values ...cty.Value) error {
	for _, v := range values {
		left := m.left.Load()
		if left <= 0 || m.left.Add(-int64(measure(v, int(left), perElement))) <= 0 {
			m.left.Store(0)
			return errWork
		}
	}
	return nil
}

// metered makes each function pay for its arguments before it is called.
func (m *meter) metered(table map[string]function.Function) map[string]function.Function {
	paying := make(map[string]function.Function, len(table)+1)
	for name, f := range table {
		paying[name] = function.New(&function.Spec{
			Description: f.Description(), Params: f.Params(), VarParam: f.VarParam(),
			Type: func(args []cty.Value) (cty.Type, error) {
				if err := m.take(args...); err != nil {
					return cty.NilType, err
				}
				if name == "setproduct" && product(args) > maxWork/perElement {
					return cty.NilType, errWork
				}
				return f.ReturnTypeForValues(args)
			},
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
		})
	}
	paying[loopFunction] = function.New(&function.Spec{
		Params: []function.Parameter{{
			Name: "collection", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0], m.take(args[0]) },
	})
	return paying
}

// product is how many elements setproduct would give, as far as that is of interest.
func product(args []cty.Value) int {
	n := 1
	for _, a := range args {
		a, _ = a.Unmark()
		if !a.IsKnown() || a.IsNull() || !a.CanIterateElements() {
			return 0
		}
		if n *= a.LengthInt(); n > maxWork {
			return n
		}
	}
	return n
}

// MeterLoops makes every loop below a node pay for what it goes over, each time it does, and ends it when nothing is left: HCL itself goes
// on after an error, to find more of them.
func MeterLoops(node hclsyntax.Node) {
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		loop, ok := n.(*hclsyntax.ForExpr)
		if !ok {
			return nil
		}
		for _, part := range []*hclsyntax.Expression{&loop.CollExpr, &loop.KeyExpr, &loop.ValExpr, &loop.CondExpr} {
			if *part != nil {
				*part = &paying{
					ParenthesesExpr: &hclsyntax.ParenthesesExpr{Expression: *part, SrcRange: (*part).Range()}, pays: part == &loop.CollExpr,
				}
			}
		}
		return nil
	})
}

// paying is an expression in a loop. It panics with an error when there is too much work.
type paying struct {
	*hclsyntax.ParenthesesExpr
	pays bool
}

// Value implements [hcl.Expression].
func (p *paying) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	pay(ctx, cty.NullVal(cty.String))
	v, diags := p.Expression.Value(ctx)
	if p.pays && !diags.HasErrors() {
		pay(ctx, v)
	}
	return v, diags
}

func pay(ctx *hcl.EvalContext, v cty.Value) {
	for ; ctx != nil; ctx = ctx.Parent() {
		if f, ok := ctx.Functions[loopFunction]; ok {
			if _, err := f.Call([]cty.Value{v}); err != nil {
				panic(errWork)
			}
			return
		}
	}
}

var loopInJSON = regexp.MustCompile(`[\[{]\s*for\s`)

// CheckJSONLoops refuses loops within loops in code in JSON, whose expressions are parsed only when they are needed, so that they cannot
// be made to pay. It takes every text of the file for an expression.
func CheckJSONLoops(data []byte, name string) hcl.Diagnostics {
	line := 1
	for text := range strings.SplitSeq(strings.ReplaceAll(string(data), `\"`, `\'`), `"`) {
		if len(loopInJSON.FindAllStringIndex(text, 2)) > 1 {
			at := hcl.Range{Filename: name, Start: hcl.Pos{Line: line, Column: 1}, End: hcl.Pos{Line: line, Column: 1}}
			return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Loops in loops are not worked out in JSON", Subject: &at}}
		}
		line += strings.Count(text, "\n")
	}
	return nil
}

// Size counts the bytes and elements of a value, as far as a limit. A number counts for the digits that it has when it is written out.
func Size(v cty.Value, limit int) int { return measure(v, limit, 1) }

func measure(v cty.Value, limit, element int) int {
	n := 0
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if n > limit {
			return false, errWork
		}
		v, _ = v.Unmark()
		n += element
		if v.IsKnown() && !v.IsNull() {
			switch v.Type() {
			case cty.String:
				n += len(v.AsString())
			case cty.Number:
				if !Writable(v) {
					n += limit
				}
			}
		}
		return n <= limit, nil
	})
	return n
}
