// Package schema makes use of what a provider says of its types: the type of their values, how differences are to be taken,
// what is sensitive, and how a provider block is read from code.
package schema

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// A Resource is what is known of a resource type. It is immutable, and shared by all resources of the type.
type Resource struct {
	Version  int64
	Type     cty.Type            // of the whole resource
	Root     *Node               // what is sensitive in it
	Part     *Part               // who gives what
	Handling []taffrail.Handling // sorted as the provider lists its attributes
	Legacy   bool                // made with the old SDK, which cannot tell null from empty
}

// A Node says what is sensitive in a value, and below it. The nil Node says that nothing is.
type Node struct {
	Sensitive bool             // the value as a whole
	Fields    map[string]*Node // of an object
	Elem      *Node            // of each element of a list, set or map
}

// Field is the node of an attribute.
func (n *Node) Field(name string) *Node {
	if n == nil {
		return nil
	}
	return n.Fields[name]
}

// Each is the node of every element.
func (n *Node) Each() *Node {
	if n == nil {
		return nil
	}
	return n.Elem
}

// Compile reads the schema of a resource type, or of a provider. Whether the type was made with the old SDK is no part of a schema.
func Compile(s *tfwire.Schema, legacy bool) (*Resource, error) {
	typ, err := BlockType(s.GetBlock())
	if err != nil {
		return nil, err
	}
	r := &Resource{Version: s.GetVersion(), Type: typ, Legacy: legacy, Part: blockPart(s.GetBlock())}
	c := compiler{}
	r.Root = c.block(taffrail.Path{}, s.GetBlock())
	r.Handling = c.handling
	if r.Legacy {
		r.Handling = append(r.Handling, taffrail.Handling{
			Treatment: taffrail.EmptyIsNull, Why: "the provider's SDK cannot tell null from empty",
		})
	}
	return r, nil
}

// BlockType is the type of the values of a block.
func BlockType(b *tfwire.Schema_Block) (cty.Type, error) {
	fields := make(map[string]cty.Type, len(b.GetAttributes())+len(b.GetBlockTypes()))
	for _, nested := range b.GetBlockTypes() {
		t, err := nestedBlockType(nested)
		if err != nil {
			return cty.NilType, err
		}
		fields[nested.GetTypeName()] = t
	}
	for _, a := range b.GetAttributes() {
		t, err := attributeType(a, concrete)
		if err != nil {
			return cty.NilType, err
		}
		fields[a.GetName()] = t
	}
	return cty.Object(fields), nil
}

func nestedBlockType(nested *tfwire.Schema_NestedBlock) (cty.Type, error) {
	t, err := BlockType(nested.GetBlock())
	if err != nil {
		return cty.NilType, fmt.Errorf("block %q: %w", nested.GetTypeName(), err)
	}
	switch nested.GetNesting() {
	case tfwire.Schema_NestedBlock_SINGLE, tfwire.Schema_NestedBlock_GROUP:
		return t, nil
	case tfwire.Schema_NestedBlock_SET:
		return cty.Set(t), nil
	case tfwire.Schema_NestedBlock_LIST, tfwire.Schema_NestedBlock_MAP:
		// Elements of one list may be of several types if they hold something dynamic: the tool then has a tuple or an object.
		if t.HasDynamicTypes() {
			return cty.DynamicPseudoType, nil
		}
		if nested.GetNesting() == tfwire.Schema_NestedBlock_MAP {
			return cty.Map(t), nil
		}
		return cty.List(t), nil
	}
	return cty.NilType, fmt.Errorf("block %q: its nesting %v is not known", nested.GetTypeName(), nested.GetNesting())
}

// A typeForm says whether an object's attributes may be left out, which is so in code and not in what a provider gives.
type typeForm bool

const (
	concrete typeForm = false
	written  typeForm = true
)

func attributeType(a *tfwire.Schema_Attribute, form typeForm) (cty.Type, error) {
	if a.GetNestedType() == nil {
		t, err := ctyjson.UnmarshalType(a.GetType())
		if err != nil {
			return cty.NilType, fmt.Errorf("attribute %q: its type: %w", a.GetName(), err)
		}
		return t.WithoutOptionalAttributesDeep(), nil
	}
	t, err := nestedType(a.GetNestedType(), form)
	if err != nil {
		return cty.NilType, fmt.Errorf("attribute %q: %w", a.GetName(), err)
	}
	return t, nil
}

func nestedType(o *tfwire.Schema_Object, form typeForm) (cty.Type, error) {
	fields := make(map[string]cty.Type, len(o.GetAttributes()))
	var optional []string
	for _, a := range o.GetAttributes() {
		t, err := attributeType(a, form)
		if err != nil {
			return cty.NilType, err
		}
		fields[a.GetName()] = t
		if form == written && !a.GetRequired() {
			optional = append(optional, a.GetName())
		}
	}
	t := cty.ObjectWithOptionalAttrs(fields, optional)
	switch o.GetNesting() {
	case tfwire.Schema_Object_SINGLE:
		return t, nil
	case tfwire.Schema_Object_LIST:
		return cty.List(t), nil
	case tfwire.Schema_Object_SET:
		return cty.Set(t), nil
	case tfwire.Schema_Object_MAP:
		return cty.Map(t), nil
	}
	return cty.NilType, fmt.Errorf("its nesting %v is not known", o.GetNesting())
}
