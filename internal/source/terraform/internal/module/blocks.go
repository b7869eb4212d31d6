package module

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

// topSchema lists the blocks that concern us. All others are passed over.
var topSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "terraform"},
	{Type: "provider", LabelNames: []string{"name"}},
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "module", LabelNames: []string{"name"}},
	{Type: "resource", LabelNames: []string{"type", "name"}},
	{Type: "data", LabelNames: []string{"type", "name"}},
	{Type: "locals"},
	{Type: "output", LabelNames: []string{"name"}},
}}

func (m *Module) addFile(body hcl.Body, override bool) error {
	content, _, diags := body.PartialContent(topSchema)
	if diags.HasErrors() {
		return diag.First(diags)
	}
	for _, block := range content.Blocks {
		if err := m.addBlock(block, override); err != nil {
			return err
		}
	}
	return nil
}

func (m *Module) addBlock(block *hcl.Block, override bool) error {
	switch block.Type {
	case "terraform":
		return m.addSettings(block.Body)
	case "provider":
		return m.addProvider(block, override)
	case "variable":
		return m.addVariable(block)
	case "module":
		return m.addCall(block)
	case "locals":
		return m.addLocals(block)
	case "output":
		return m.addOutput(block)
	case "data":
		return m.addRepetition(reference{mode: "data", kind: block.Labels[0], name: block.Labels[1]}, block)
	default:
		return m.addResource(block)
	}
}

var settingsSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "backend", LabelNames: []string{"type"}},
	{Type: "cloud"},
	{Type: "required_providers"},
}}

func (m *Module) addSettings(body hcl.Body) error {
	content, _, diags := body.PartialContent(settingsSchema)
	if diags.HasErrors() {
		return diag.First(diags)
	}
	for _, block := range content.Blocks {
		switch block.Type {
		case "backend":
			m.Backend = &Block{Type: block.Labels[0], Body: block.Body, Range: block.DefRange}
		case "cloud":
			m.Cloud = &Block{Type: "cloud", Body: block.Body, Range: block.DefRange}
		default:
			if err := m.addRequired(block.Body); err != nil {
				return err
			}
		}
	}
	return nil
}

// addRequired takes required_providers. The values are literals but for configuration_aliases, so only "source" is worked out.
func (m *Module) addRequired(body hcl.Body) error {
	attrs, diags := body.JustAttributes()
	if diags.HasErrors() {
		return diag.First(diags)
	}
	for name, attr := range attrs {
		pairs, diags := hcl.ExprMap(attr.Expr)
		if diags.HasErrors() {
			continue // the old form, which gives a version alone
		}
		for _, pair := range pairs {
			if key := hcl.ExprAsKeyword(pair.Key); key == "source" || literal(pair.Key) == "source" {
				m.Required[name] = literal(pair.Value)
			}
		}
	}
	return nil
}

// literal is the text of an expression that needs nothing else, or nothing.
func literal(expr hcl.Expression) string {
	v, diags := expr.Value(nil)
	if diags.HasErrors() || v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

var lifecycleSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "lifecycle"}}}

var ignoreSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "ignore_changes"}}}

func (m *Module) addResource(block *hcl.Block) error {
	key := block.Labels[0] + "." + block.Labels[1]
	d, again := m.Resources[key]
	if !again { // an override file changes the resource, and does not declare it
		d.Range = block.DefRange
	}
	content, _, diags := block.Body.PartialContent(lifecycleSchema)
	if diags.HasErrors() {
		return diag.First(diags)
	}
	for _, lifecycle := range content.Blocks {
		inner, _, diags := lifecycle.Body.PartialContent(ignoreSchema)
		if diags.HasErrors() {
			return diag.First(diags)
		}
		if attr := inner.Attributes["ignore_changes"]; attr != nil {
			if err := d.ignore(attr); err != nil {
				return err
			}
		}
	}
	d.bodies = append(d.bodies, block.Body)
	m.Resources[key] = d
	return m.addRepetition(reference{mode: "managed", kind: block.Labels[0], name: block.Labels[1]}, block)
}

// ignore takes an ignore_changes: the word all, or a list of paths.
func (d *Declaration) ignore(attr *hcl.Attribute) error {
	d.IgnoreAt, d.IgnoreAll, d.Ignore = attr.Range, false, nil
	if word := hcl.ExprAsKeyword(attr.Expr); word == "all" || literal(attr.Expr) == "all" {
		d.IgnoreAll = true
		return nil
	}
	exprs, diags := hcl.ExprList(attr.Expr)
	if diags.HasErrors() {
		return diag.First(diags)
	}
	for _, expr := range exprs {
		if text := literal(expr); text == "*" { // the form of before 0.12
			d.IgnoreAll = true
			continue
		}
		traversal, diags := relative(expr)
		if diags.HasErrors() {
			return diag.First(diags)
		}
		d.Ignore = append(d.Ignore, Ignored{Path: traversal, Range: expr.Range()})
	}
	return nil
}

// relative reads a path that begins at an attribute; in JSON and in old code it stands in quotes.
func relative(expr hcl.Expression) (hcl.Traversal, hcl.Diagnostics) {
	if text := literal(expr); text != "" {
		return hclsyntax.ParseTraversalAbs([]byte(text), expr.Range().Filename, expr.Range().Start)
	}
	return hcl.RelTraversalForExpr(expr)
}
