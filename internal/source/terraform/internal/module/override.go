package module

import (
	"maps"

	"github.com/hashicorp/hcl/v2"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

var providerSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "alias"}, {Name: "version"}, {Name: "for_each"}}}

// addProvider takes a provider block. One of an override file changes the block of the same name and alias.
func (m *Module) addProvider(block *hcl.Block, override bool) error {
	content, rest, diags := block.Body.PartialContent(providerSchema)
	if diags.HasErrors() {
		return diag.First(diags)
	}
	p := ProviderBlock{Name: block.Labels[0], Body: rest, Range: block.DefRange, Override: override}
	if alias := content.Attributes["alias"]; alias != nil {
		p.Alias = literal(alias.Expr)
	}
	if each := content.Attributes["for_each"]; each != nil {
		p.ForEach = each.Expr
	}
	for i := range m.Providers {
		if before := &m.Providers[i]; override && before.Name == p.Name && before.Alias == p.Alias {
			before.Body = overridden{before.Body, p.Body}
			if p.ForEach != nil {
				before.ForEach = p.ForEach
			}
			return nil
		}
	}
	m.Providers = append(m.Providers, p)
	return nil
}

// An overridden body has the attributes of both bodies, the second one's before the first one's, and of each type of block those of the
// second, if it has any.
type overridden struct{ base, over hcl.Body }

// Content implements [hcl.Body].
func (o overridden) Content(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	base, diags := o.base.Content(optional(schema))
	over, more := o.over.Content(optional(schema))
	content := merge(base, over)
	return content, append(append(diags, more...), o.missing(schema, content)...)
}

// PartialContent implements [hcl.Body].
func (o overridden) PartialContent(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	base, baseRest, diags := o.base.PartialContent(optional(schema))
	over, overRest, more := o.over.PartialContent(optional(schema))
	content := merge(base, over)
	return content, overridden{baseRest, overRest}, append(append(diags, more...), o.missing(schema, content)...)
}

// JustAttributes implements [hcl.Body].
func (o overridden) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	base, diags := o.base.JustAttributes()
	over, more := o.over.JustAttributes()
	return join(base, over), append(diags, more...)
}

// MissingItemRange implements [hcl.Body].
func (o overridden) MissingItemRange() hcl.Range { return o.base.MissingItemRange() }

// missing finds what neither body gives, though the schema wants it.
func (o overridden) missing(schema *hcl.BodySchema, content *hcl.BodyContent) (diags hcl.Diagnostics) {
	for _, attr := range schema.Attributes {
		if attr.Required && content.Attributes[attr.Name] == nil {
			subject := o.MissingItemRange()
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Missing required argument", Subject: &subject})
		}
	}
	return diags
}

// optional is the schema without the demand that anything be there.
func optional(schema *hcl.BodySchema) *hcl.BodySchema {
	relaxed := &hcl.BodySchema{Blocks: schema.Blocks}
	for _, attr := range schema.Attributes {
		relaxed.Attributes = append(relaxed.Attributes, hcl.AttributeSchema{Name: attr.Name})
	}
	return relaxed
}

func join(base, over hcl.Attributes) hcl.Attributes {
	both := hcl.Attributes{}
	maps.Copy(both, base)
	maps.Copy(both, over)
	return both
}

func merge(base, over *hcl.BodyContent) *hcl.BodyContent {
	replaced := map[string]bool{}
	for _, block := range over.Blocks {
		replaced[replacedType(block)] = true
	}
	content := &hcl.BodyContent{Attributes: join(base.Attributes, over.Attributes), MissingItemRange: base.MissingItemRange}
	for _, block := range base.Blocks {
		if !replaced[replacedType(block)] {
			content.Blocks = append(content.Blocks, block)
		}
	}
	content.Blocks = append(content.Blocks, over.Blocks...)
	return content
}

// replacedType is the type of block that a block makes: a dynamic block has it for its label.
func replacedType(block *hcl.Block) string {
	if block.Type == "dynamic" && len(block.Labels) > 0 {
		return block.Labels[0]
	}
	return block.Type
}
