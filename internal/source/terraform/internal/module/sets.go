package module

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
)

// Sets says whether the code of the resource gives a value to what is at the path: an attribute, a nested block, a part of either. It
// looks at what is written and works nothing out. Where that does not tell, known is false: a value that may turn out to be null, a
// dynamic block, an element of a set that cannot be told from its neighbours.
func (d Declaration) Sets(p taffrail.Path) (set, known bool) {
	steps := p.Steps()
	if len(d.bodies) == 0 {
		return false, false
	}
	if len(steps) == 0 {
		return true, true
	}
	for _, body := range slices.Backward(d.bodies) { // an override takes the place of what it mentions
		if answerBody(body, steps[:1]) != absent {
			a := answerBody(body, steps)
			return a == written, a != undecided
		}
	}
	return false, true
}

// An answer is what a piece of code says of a path.
type answer uint8

const (
	absent    answer = iota // it does not mention it
	written                 // it gives it a value
	unwritten               // it gives it none, by saying null
	undecided               // it may
)

// both is what two pieces of code say if either may be meant.
func (a answer) both(b answer) answer {
	if a != b {
		return undecided
	}
	return a
}

func answerBody(body hcl.Body, steps []taffrail.Step) answer {
	if native, ok := body.(*hclsyntax.Body); ok {
		return answerNative(native, steps)
	}
	attrs, _ := body.JustAttributes() // JSON: blocks are properties, too
	if dynamic := attrs["dynamic"]; dynamic != nil && mentions(dynamic.Expr, steps[0].Name()) {
		return undecided
	}
	attr := attrs[steps[0].Name()]
	if attr == nil {
		return absent
	}
	return answerExpr(attr.Expr, steps[1:])
}

// mentions says whether a JSON object, or one of a list of them, may have the property.
func mentions(expr hcl.Expression, name string) bool {
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		return slices.ContainsFunc(items, func(e hcl.Expression) bool { return mentions(e, name) })
	}
	return answerExpr(expr, []taffrail.Step{taffrail.Attr(name)}) != absent
}

func answerNative(body *hclsyntax.Body, steps []taffrail.Step) answer {
	name := steps[0].Name()
	if attr := body.Attributes[name]; attr != nil {
		return answerExpr(attr.Expr, steps[1:])
	}
	var blocks []*hclsyntax.Block
	for _, block := range body.Blocks {
		switch {
		case block.Type == "dynamic" && len(block.Labels) > 0 && block.Labels[0] == name:
			return undecided
		case block.Type == name:
			blocks = append(blocks, block)
		}
	}
	if len(blocks) == 0 {
		return absent
	}
	return answerBlocks(blocks, steps[1:])
}

// answerBlocks follows a path into the blocks of one type. How they nest is seen by the path's next step alone.
func answerBlocks(blocks []*hclsyntax.Block, steps []taffrail.Step) answer {
	if len(steps) == 0 {
		return written
	}
	step, rest := steps[0], steps[1:]
	switch step.Kind() {
	case taffrail.AttrStep: // a single block
		return answerEach(blocks, steps)
	case taffrail.IndexStep:
		if step.Index() >= len(blocks) {
			return absent
		}
		return answerEach(blocks[step.Index():step.Index()+1], rest)
	case taffrail.KeyStep:
		labelled := func(b *hclsyntax.Block) bool { return len(b.Labels) > 0 && b.Labels[0] == step.Name() }
		if i := slices.IndexFunc(blocks, labelled); i >= 0 {
			return answerEach(blocks[i:i+1], rest)
		}
		return absent
	}
	if len(rest) == 0 { // whether one of the blocks makes this very element
		return undecided
	}
	return answerEach(blocks, rest)
}

// answerEach is what all the blocks say, if they agree.
func answerEach(blocks []*hclsyntax.Block, steps []taffrail.Step) answer {
	if len(steps) == 0 {
		return written
	}
	a := answerNative(blocks[0].Body, steps)
	for _, block := range blocks[1:] {
		a = a.both(answerNative(block.Body, steps))
	}
	return a
}

func answerExpr(expr hcl.Expression, steps []taffrail.Step) answer {
	if len(steps) == 0 {
		return answerValue(expr)
	}
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		return answerPairs(pairs, expr, steps)
	}
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		return answerItems(items, steps)
	}
	if v, diags := expr.Value(nil); !diags.HasErrors() && v.IsNull() {
		return unwritten
	}
	return undecided
}

// answerPairs follows a path into an object that is written out.
func answerPairs(pairs []hcl.KeyValuePair, whole hcl.Expression, steps []taffrail.Step) answer {
	step := steps[0]
	switch step.Kind() {
	case taffrail.IndexStep: // in JSON, one block of a list
		if step.Index() > 0 {
			return absent
		}
		return answerExpr(whole, steps[1:])
	case taffrail.ElemStep, taffrail.AnyStep:
		return undecided
	}
	found := absent
	for _, pair := range pairs {
		key, diags := pair.Key.Value(nil)
		if diags.HasErrors() || !key.IsKnown() || key.IsNull() {
			return undecided // it may be this one
		}
		if textOf(key) == step.Name() {
			found = answerExpr(pair.Value, steps[1:])
		}
	}
	return found
}

func answerItems(items []hcl.Expression, steps []taffrail.Step) answer {
	step, rest := steps[0], steps[1:]
	switch {
	case step.Kind() == taffrail.IndexStep && step.Index() < len(items):
		return answerExpr(items[step.Index()], rest)
	case len(items) == 0, step.Kind() == taffrail.IndexStep:
		return absent
	case step.Kind() == taffrail.ElemStep && len(rest) == 0:
		return answerElement(items, step.Element())
	case step.Kind() == taffrail.ElemStep, step.Kind() == taffrail.AnyStep:
	case len(items) > 1: // in JSON, a single block stands alone
		return undecided
	default:
		rest = steps
	}
	a := answerExpr(items[0], rest)
	for _, item := range items[1:] {
		a = a.both(answerExpr(item, rest))
	}
	return a
}

// answerElement looks for an element of a set among texts, numbers and truths that are written out.
func answerElement(items []hcl.Expression, want taffrail.Value) answer {
	found, open := false, false
	for _, item := range items {
		v, diags := item.Value(nil)
		if diags.HasErrors() || v.IsNull() || !v.IsKnown() || !v.Type().IsPrimitiveType() {
			open = true
			continue
		}
		found = found || holds(want, v)
	}
	switch {
	case found:
		return written
	case open, !isPlain(want):
		return undecided
	}
	return absent
}

func isPlain(v taffrail.Value) bool {
	return v.Shape() == taffrail.ShapeString || v.Shape() == taffrail.ShapeNumber || v.Shape() == taffrail.ShapeBool
}

// holds says whether the code's value becomes this one, whatever type the schema converts it to.
func holds(want taffrail.Value, v cty.Value) bool {
	if want.Shape() == taffrail.ShapeBool {
		return textOf(v) == textOf(cty.BoolVal(want.Truth()))
	}
	return isPlain(want) && textOf(v) == want.Text()
}

// answerValue says whether an expression stands for a value, and not for null.
func answerValue(expr hcl.Expression) answer {
	switch e := expr.(type) {
	case *hclsyntax.TemplateExpr, *hclsyntax.ObjectConsExpr, *hclsyntax.TupleConsExpr, *hclsyntax.ForExpr,
		*hclsyntax.BinaryOpExpr, *hclsyntax.UnaryOpExpr, *hclsyntax.SplatExpr:
		return written
	case *hclsyntax.ParenthesesExpr:
		return answerValue(e.Expression)
	case *hclsyntax.ConditionalExpr:
		return answerValue(e.TrueResult).both(answerValue(e.FalseResult))
	}
	if _, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		return written
	}
	if _, diags := hcl.ExprList(expr); !diags.HasErrors() {
		return written
	}
	if text := literal(expr); text != "" { // JSON: a template
		parsed, diags := hclsyntax.ParseTemplate([]byte(text), expr.Range().Filename, expr.Range().Start)
		if diags.HasErrors() {
			return undecided
		}
		return answerValue(parsed)
	}
	v, diags := expr.Value(nil)
	switch {
	case diags.HasErrors() || !v.IsKnown():
		return undecided
	case v.IsNull():
		return unwritten
	}
	return written
}

// textOf is what a key of an object is converted to.
func textOf(v cty.Value) string {
	switch v.Type() {
	case cty.String:
		return v.AsString()
	case cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case cty.Bool:
		if v.True() {
			return "true"
		}
		return "false"
	}
	return ""
}
