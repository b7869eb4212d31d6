package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/taffrail-dev/taffrail"
)

// maxDepth bounds how deep lists and maps may stand in each other.
const maxDepth = 100

// value reads a value as JSON would have it: text, exact number, bool, null, list, map with text as keys. What YAML reads in several ways
// (0123, 1_000, 0x1f, .inf, tags, anchors) is refused.
func (d document) value(n ast.Node) (taffrail.Value, error) { return d.valueAt(n, 0) }

func (d document) valueAt(n ast.Node, depth int) (taffrail.Value, error) {
	if depth > maxDepth {
		return taffrail.Value{}, d.refuse(n.GetToken(), "write a shorter value, or leave it out to accept every one", "the value is nested deeper than %d", maxDepth)
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return taffrail.Null(), nil
	case *ast.BoolNode:
		return taffrail.Bool(n.Value), nil
	case *ast.LiteralNode:
		return taffrail.String(n.Value.Value), nil
	case *ast.StringNode:
		if n.Token.Type == token.StringType { // not in quotes: a number too long for the package is one nevertheless
			if v, err := taffrail.Number(n.Value); err == nil {
				return v, nil
			}
		}
		return taffrail.String(n.Value), nil
	case *ast.IntegerNode, *ast.FloatNode:
		return d.number(n.GetToken())
	case *ast.SequenceNode:
		return d.listValue(n, depth)
	case *ast.MappingNode:
		return d.mapValue(n, depth)
	}
	return taffrail.Value{}, d.refuse(n.GetToken(), "write the value out, with quotes around text", "a value cannot be %s", describe(n))
}

func (d document) number(t *token.Token) (taffrail.Value, error) {
	v, err := taffrail.Number(strings.TrimPrefix(t.Value, "+"))
	if err != nil {
		return v, d.refuse(t, "write the number in plain decimal digits, or in quotes if it is text", "%w", err)
	}
	return v, nil
}

func (d document) listValue(n *ast.SequenceNode, depth int) (taffrail.Value, error) {
	elems := make([]taffrail.Value, len(n.Values))
	for i, e := range n.Values {
		v, err := d.valueAt(e, depth+1)
		if err != nil {
			return v, err
		}
		elems[i] = v
	}
	return taffrail.List(elems...), nil
}

func (d document) mapValue(n *ast.MappingNode, depth int) (taffrail.Value, error) {
	fields := make(map[string]taffrail.Value, len(n.Values))
	for _, m := range n.Values {
		key, ok := m.Key.(*ast.StringNode)
		if !ok {
			return taffrail.Value{}, d.refuse(m.Key.GetToken(), "put the key in quotes", "a key of a value is not text")
		}
		if _, double := fields[key.Value]; double {
			return taffrail.Value{}, d.refuse(key.Token, "keep one of them", "%q stands twice", clip(key.Value))
		}
		v, err := d.valueAt(m.Value, depth+1)
		if err != nil {
			return v, err
		}
		fields[key.Value] = v
	}
	return taffrail.Map(fields), nil
}
