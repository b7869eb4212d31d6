package module

import (
	"maps"

	"github.com/hashicorp/hcl/v2"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

// A repetition is what makes many of one block. Both are nil where there is one.
type repetition struct{ count, forEach hcl.Expression }

// A call is the block that calls a module.
type call struct {
	repetition
	arguments map[string]hcl.Expression
}

// An output is a value that a module gives to whoever calls it.
type output struct {
	value  hcl.Expression // nil where the code is broken
	secret bool           // the code says that it is sensitive
}

// A reference names a resource or data in the code of one module.
type reference struct{ mode, kind, name string }

var repetitionSchema = []hcl.AttributeSchema{{Name: "count"}, {Name: "for_each"}}

var callSchema = &hcl.BodySchema{Attributes: append([]hcl.AttributeSchema{
	{Name: "source"}, {Name: "version"}, {Name: "providers"}, {Name: "depends_on"},
}, repetitionSchema...)}

// addCall takes a call. An override file changes the arguments that it gives.
func (m *Module) addCall(block *hcl.Block) error {
	name := block.Labels[0]
	content, rest, diags := block.Body.PartialContent(callSchema)
	if diags.HasErrors() {
		return diag.First(diags)
	}
	if source := content.Attributes["source"]; source != nil {
		m.Calls[name] = literal(source.Expr)
	}
	c, again := m.calls[name]
	if !again {
		c.arguments = map[string]hcl.Expression{}
	}
	c.take(content)
	given, _ := rest.JustAttributes() // a block in it is none of ours to refuse
	for key, attr := range given {
		c.arguments[key] = attr.Expr
	}
	m.calls[name] = c
	return nil
}

func (r *repetition) take(content *hcl.BodyContent) {
	if attr := content.Attributes["count"]; attr != nil {
		r.count = attr.Expr
	}
	if attr := content.Attributes["for_each"]; attr != nil {
		r.forEach = attr.Expr
	}
}

func (m *Module) addRepetition(ref reference, block *hcl.Block) error {
	content, _, diags := block.Body.PartialContent(&hcl.BodySchema{Attributes: repetitionSchema})
	if diags.HasErrors() {
		return diag.First(diags)
	}
	r := m.repeated[ref]
	r.take(content)
	m.repeated[ref] = r
	return nil
}

func (m *Module) addLocals(block *hcl.Block) error {
	attrs, diags := block.Body.JustAttributes()
	if diags.HasErrors() {
		return diag.First(diags)
	}
	values := map[string]hcl.Expression{}
	for name, attr := range attrs {
		values[name] = attr.Expr
	}
	maps.Copy(m.locals, values)
	return nil
}

func (m *Module) addOutput(block *hcl.Block) error {
	content, _, diags := block.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "value"}, {Name: "sensitive"}}})
	if diags.HasErrors() {
		return diag.First(diags)
	}
	o := m.outputs[block.Labels[0]]
	if attr := content.Attributes["value"]; attr != nil {
		o.value = attr.Expr
	}
	if attr := content.Attributes["sensitive"]; attr != nil {
		o.secret = isSensitive(attr.Expr)
	}
	m.outputs[block.Labels[0]] = o
	return nil
}
