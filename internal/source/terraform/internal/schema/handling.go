package schema

import (
	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// A compiler walks a schema, and collects on its way how paths are to be handled.
type compiler struct{ handling []taffrail.Handling }

func (c *compiler) add(p taffrail.Path, t taffrail.Treatment, why string) {
	c.handling = append(c.handling, taffrail.Handling{Path: p, Treatment: t, Why: why})
}

func (c *compiler) block(at taffrail.Path, b *tfwire.Schema_Block) *Node {
	n := &Node{Fields: map[string]*Node{}}
	for _, nested := range b.GetBlockTypes() {
		path := at.Append(taffrail.Attr(nested.GetTypeName()))
		if c.timeouts(path) {
			continue
		}
		single := nested.GetNesting() == tfwire.Schema_NestedBlock_SINGLE || nested.GetNesting() == tfwire.Schema_NestedBlock_GROUP
		n.Fields[nested.GetTypeName()] = c.nested(path, single, func(p taffrail.Path) *Node { return c.block(p, nested.GetBlock()) })
	}
	c.attributes(n, at, b.GetAttributes())
	return n.pruned()
}

func (c *compiler) attributes(n *Node, at taffrail.Path, attributes []*tfwire.Schema_Attribute) {
	for _, a := range attributes {
		n.Fields[a.GetName()] = c.attribute(at.Append(taffrail.Attr(a.GetName())), a)
	}
}

func (c *compiler) attribute(at taffrail.Path, a *tfwire.Schema_Attribute) *Node {
	switch {
	case c.timeouts(at):
	case a.GetWriteOnly():
		c.add(at, taffrail.WriteOnly, "the provider never gives it back")
	case a.GetComputed() && !a.GetOptional():
		c.add(at, taffrail.Volatile, "the provider computes it")
	}
	n := &Node{}
	if o := a.GetNestedType(); o != nil {
		n = c.nested(at, o.GetNesting() == tfwire.Schema_Object_SINGLE, func(p taffrail.Path) *Node {
			inner := &Node{Fields: map[string]*Node{}}
			c.attributes(inner, p, o.GetAttributes())
			return inner.pruned()
		})
	}
	if a.GetSensitive() || a.GetWriteOnly() {
		return &Node{Sensitive: true} // whatever is below is sensitive with it
	}
	return n.pruned()
}

// nested goes to the one object, or to each element, of something nested.
func (c *compiler) nested(at taffrail.Path, single bool, content func(taffrail.Path) *Node) *Node {
	if single {
		return content(at)
	}
	return (&Node{Elem: content(at.Append(taffrail.Any()))}).pruned()
}

// timeouts handles what people set to bound the tool's own operations: it is kept in the state alone.
func (c *compiler) timeouts(at taffrail.Path) bool {
	if at.String() != "timeouts" {
		return false
	}
	c.add(at, taffrail.Volatile, "time limits of the tool, kept in the state alone")
	return true
}

// pruned gives nil for a node that says nothing.
func (n *Node) pruned() *Node {
	if n == nil || n.Sensitive || n.Elem != nil {
		return n
	}
	for name, f := range n.Fields {
		if f == nil {
			delete(n.Fields, name)
		}
	}
	if len(n.Fields) == 0 {
		return nil
	}
	return n
}
