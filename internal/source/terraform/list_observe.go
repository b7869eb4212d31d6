package terraform

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// impliedID is what the identity says of the object's id: its attribute of that name, or its only one.
func (c *candidate) impliedID() string {
	if id := textOf(c.identity, "id"); id != "" {
		return id
	}
	fields := c.identity.AsValueMap()
	for name := range fields {
		if len(fields) == 1 {
			return textOf(c.identity, name)
		}
	}
	return ""
}

func textOf(v cty.Value, name string) string {
	if v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return ""
	}
	field := v.GetAttr(name)
	if field.Type() != cty.String || field.IsNull() || !field.IsKnown() {
		return ""
	}
	return field.AsString()
}

// observe makes the observation of a resource that nobody declares.
func (v *visit) observe(t string, c *candidate) (taffrail.Observation, *provider.Failure) {
	s, k := v.listing.stack, v.listable[t]
	o := taffrail.Observation{At: s.env.Now().UTC(), Recorded: taffrail.Null()}
	converter := &value.Converter{Resource: k.resource, Sealer: s.env.Sealer, Known: v.session.secrets.Load()}
	seen := c.live
	if seen == nil { // the identity is all that is known of it
		converter.Resource = &schema.Resource{Type: k.identity}
		seen = &c.identity
	} else {
		o.Handling = k.resource.Handling
	}
	converter.Learn(*seen)
	var err error
	if o.Live, err = converter.Convert(*seen); err != nil {
		return o, badAnswer(err)
	}
	name, id := c.name(), c.id
	if id == "" {
		id = c.impliedID()
	}
	o.Resource = taffrail.Resource{
		Stack: s.id(v.listing.reading.header), Type: taffrail.ResourceType(t), ID: taffrail.ResourceID(id), Provider: v.config.Provider.String(),
	}
	if converter.Holds(id) {
		o.Resource.ID = ""
	}
	if converter.Holds(name) {
		name = s.sealed(name)
	}
	o.Resource.Address = taffrail.Address(t + " (unmanaged " + name + ")")
	return o, nil
}

// sealed is a text that may be shown in place of a secret one, and is always the same for it.
func (s *stack) sealed(text string) string {
	return s.env.Sealer.Seal(taffrail.String(text)).Text()
}

// name is the identity for people: the only value that it has, else each with its name. Unlike an id, it is unique over all
// configurations of a provider.
func (c *candidate) name() string {
	var names, texts []string
	for it := c.identity.ElementIterator(); it.Next(); {
		if key, field := it.Element(); !field.IsNull() {
			names, texts = append(names, key.AsString()), append(texts, plainText(field))
		}
	}
	if c.identity.LengthInt() == 1 {
		return strings.Join(texts, "")
	}
	for i := range texts {
		texts[i] = names[i] + "=" + texts[i]
	}
	return strings.Join(texts, ",")
}

// plainText writes a value so that it fits into an address.
func plainText(v cty.Value) string {
	if v.Type() != cty.String {
		text, _ := ctyjson.Marshal(v, v.Type()) // identities have nothing that JSON has not
		return string(text)
	}
	text := v.AsString()
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(` ,="()`, r) }
	if text == "" || strings.ContainsFunc(text, odd) {
		return strconv.Quote(text)
	}
	return text
}
