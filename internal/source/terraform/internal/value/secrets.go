package value

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
)

// minSecret is how long a text must be to be looked for elsewhere, in bytes: a shorter one is found everywhere by chance.
const minSecret = 6

// mask stands for a secret in a message to people.
const mask = "(sensitive)"

// Secrets are texts that must not be shown. The zero Secrets are none.
type Secrets []string

// In says whether a text holds one of the secrets.
func (s Secrets) In(text string) bool {
	return slices.ContainsFunc(s, func(secret string) bool { return strings.Contains(text, secret) })
}

// maxMessage bounds what is kept of a message, in bytes.
const maxMessage = 500

// Message makes someone else's text fit for people: without secrets, on one line, without control characters, not too long. It is
// cut last, or a part of a secret could stay.
func (s Secrets) Message(text string) string {
	text = s.Scrub(oneLine(s.Scrub(text)))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return text
}

func oneLine(s string) string {
	blank := func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r <= 0x9f }
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), blank), " ")
}

// Scrub replaces the secrets in a text, the longest first, since one may hold another.
func (s Secrets) Scrub(text string) string {
	longest := slices.SortedFunc(slices.Values(s), func(a, b string) int { return len(b) - len(a) })
	for _, secret := range longest {
		text = strings.ReplaceAll(text, secret, mask)
	}
	return text
}

// With adds a text, and the forms in which a message or an address would quote it.
func (s Secrets) With(text string) Secrets {
	forms := []string{
		text, strings.TrimSpace(text), oneLine(text),
		strings.Trim(strconv.Quote(text), `"`), url.QueryEscape(text), url.PathEscape(text),
	}
	for _, form := range forms {
		if len(form) >= minSecret && !slices.Contains(s, form) {
			s = append(s, form)
		}
	}
	return s
}

// All adds every text in a value.
func (s Secrets) All(v cty.Value) Secrets {
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			s = s.With(v.AsString())
		}
		return v.IsKnown() && !v.IsNull(), nil
	})
	return s
}

// Secrets are what was learned.
func (c *Converter) Secrets() Secrets { return c.secrets }

// Learn takes note of the secrets of a value.
func (c *Converter) Learn(v cty.Value) { c.learn(v, c.Resource.Root, c.Marks) }

func (c *Converter) learn(v cty.Value, n *schema.Node, marks []Mark) {
	switch t := v.Type(); {
	case !v.IsKnown() || v.IsNull() || n == nil && len(marks) == 0:
	case n != nil && n.Sensitive || marksWhole(marks):
		c.secrets = c.secrets.All(v)
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
// they are matched by their names, as far as those lead.
func (c *Converter) LearnStored(attributes json.RawMessage, flat map[string]string) {
	var stored any
	if json.Unmarshal(attributes, &stored) == nil {
		c.learnStored(stored, c.Resource.Root, c.Marks)
	}
	for path, text := range flat {
		name, _, _ := strings.Cut(path, ".")
		if c.Resource.Root.Field(name) != nil || c.Marked(name) {
			c.secrets = c.secrets.With(text)
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
			c.secrets = c.secrets.With(v)
		}
	case []any:
		for _, e := range v {
			c.learnStored(e, inherit(whole, n.Each()), belowAny(open(whole, marks)))
		}
	case map[string]any:
		for name, e := range v {
			below := below(open(whole, marks), name)
			c.learnStored(e, inherit(whole, cmp.Or(n.Field(name), n.Each())), below)
		}
	}
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
