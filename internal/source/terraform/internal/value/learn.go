package value

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
)

// Secrets are all that the converter knows of: what it learned, and what it knew before.
func (c *Converter) Secrets() *Secrets { return Join(c.Known, &c.secrets) }

// Holds says whether a text is a secret, or holds one.
func (c *Converter) Holds(text string) bool { return c.Known.In(text) || c.secrets.In(text) }

// Learn takes note of the secrets of a value.
func (c *Converter) Learn(v cty.Value) { c.learn(v, c.Resource.Root, c.Marks) }

func (c *Converter) learn(v cty.Value, n *schema.Node, marks []Mark) {
	switch t := v.Type(); {
	case !v.IsKnown() || v.IsNull() || n == nil && len(marks) == 0:
	case n != nil && n.Sensitive || marksWhole(marks):
		c.secrets.AddAll(v)
	case t.IsObjectType():
		for it := v.ElementIterator(); it.Next(); {
			key, elem := it.Element()
			c.learn(elem, n.Field(key.AsString()), below(marks, key.AsString()))
		}
	case t.IsMapType():
		for it := v.ElementIterator(); it.Next(); {
			key, elem := it.Element()
			c.learn(elem, n.Each(), below(marks, key.AsString()))
		}
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		for it := v.ElementIterator(); it.Next(); {
			_, elem := it.Element()
			c.learn(elem, n.Each(), belowAny(marks))
		}
	}
}

// LearnStored takes note of the secrets of attributes as a state holds them. They may be of an older schema, so that
// they are matched by their names, as far as those lead. An upgrade may give them other names, which no mark leads to any more: their
// texts stay known.
func (c *Converter) LearnStored(attributes json.RawMessage, flat map[string]string) {
	if c.Resource.Root == nil && len(c.Marks) == 0 {
		return
	}
	var stored any
	decoder := json.NewDecoder(bytes.NewReader(attributes))
	decoder.UseNumber() // a double may not hold every digit
	if decoder.Decode(&stored) == nil {
		c.learnStored(stored, c.Resource.Root, c.Marks)
	}
	for path, text := range flat {
		name, rest, _ := strings.Cut(path, ".")
		isCount := strings.HasSuffix(rest, "#") || strings.HasSuffix(rest, "%")
		if !isCount && (c.Resource.Root.Field(name) != nil || c.Marked(name)) {
			c.secrets.Add(text)
		}
	}
}

func (c *Converter) learnStored(v any, n *schema.Node, marks []Mark) {
	whole := n != nil && n.Sensitive || marksWhole(marks)
	if n == nil && len(marks) == 0 {
		return
	}
	switch v := v.(type) {
	case string:
		if whole {
			c.secrets.Add(v)
		}
	case json.Number:
		if f, err := cty.ParseNumberVal(v.String()); whole && err == nil {
			c.secrets.AddAll(f)
		}
	case []any:
		for _, e := range v {
			c.learnStored(e, inherit(whole, n.Each()), belowAny(open(whole, marks)))
		}
	case map[string]any:
		for name, e := range v {
			if whole && !isName(name) {
				c.secrets.addKey(name)
			}
			below := below(open(whole, marks), name)
			c.learnStored(e, inherit(whole, cmp.Or(n.Field(name), n.Each())), below)
		}
	}
}

// isName says whether a key in a state can be the name of an attribute, which is no secret.
func isName(key string) bool {
	return strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// inherit gives the node of something in a secret: it is one as well.
func inherit(whole bool, inner *schema.Node) *schema.Node {
	if whole {
		return &schema.Node{Sensitive: true}
	}
	return inner
}

// open leaves out marks that have come to their end.
func open(whole bool, marks []Mark) []Mark {
	if whole {
		return nil
	}
	return marks
}
