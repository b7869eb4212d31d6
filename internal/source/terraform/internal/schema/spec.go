package schema

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// Spec says how code writes a block: for hcldec.Decode, whose result has the type that [BlockType] gives.
func Spec(b *tfwire.Schema_Block) (hcldec.ObjectSpec, error) {
	spec := hcldec.ObjectSpec{}
	for _, nested := range b.GetBlockTypes() {
		s, err := nestedSpec(nested)
		if err != nil {
			return nil, err
		}
		spec[nested.GetTypeName()] = s
	}
	for _, a := range b.GetAttributes() {
		t, err := attributeType(a, written)
		if err != nil {
			return nil, err
		}
		// A required attribute that is missing is left to the provider: it may take it from the environment.
		spec[a.GetName()] = &hcldec.AttrSpec{Name: a.GetName(), Type: t}
	}
	return spec, nil
}

func nestedSpec(nested *tfwire.Schema_NestedBlock) (hcldec.Spec, error) {
	name := nested.GetTypeName()
	inner, err := Spec(nested.GetBlock())
	if err != nil {
		return nil, fmt.Errorf("block %q: %w", name, err)
	}
	typ, err := nestedBlockType(nested)
	if err != nil {
		return nil, err
	}
	dynamic := typ == cty.DynamicPseudoType
	switch nested.GetNesting() {
	case tfwire.Schema_NestedBlock_SINGLE:
		return &hcldec.BlockSpec{TypeName: name, Nested: inner}, nil
	case tfwire.Schema_NestedBlock_GROUP:
		// A group that is not written is there all the same, with nothing in it.
		empty, _ := hcldec.Decode(hcl.EmptyBody(), inner, nil)
		return &hcldec.DefaultSpec{
			Primary: &hcldec.BlockSpec{TypeName: name, Nested: inner},
			Default: &hcldec.LiteralSpec{Value: empty},
		}, nil
	case tfwire.Schema_NestedBlock_SET:
		return &hcldec.BlockSetSpec{TypeName: name, Nested: inner}, nil
	case tfwire.Schema_NestedBlock_LIST:
		if dynamic {
			return &hcldec.BlockTupleSpec{TypeName: name, Nested: inner}, nil
		}
		return &hcldec.BlockListSpec{TypeName: name, Nested: inner}, nil
	default:
		if dynamic {
			return &hcldec.BlockObjectSpec{TypeName: name, LabelNames: []string{"key"}, Nested: inner}, nil
		}
		return &hcldec.BlockMapSpec{TypeName: name, LabelNames: []string{"key"}, Nested: inner}, nil
	}
}
