package terraform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// listConfig makes the configuration of a list, in msgpack, of what the settings say. A required attribute that is missing is an error that
// names it.
func listConfig(given map[string]any, s *tfwire.Schema) ([]byte, error) {
	v, err := fitBlock(given, s.GetBlock())
	if err != nil {
		return nil, err
	}
	return msgpack.Marshal(v, v.Type())
}

// fitBlock makes the value of a block of what is written in YAML.
func fitBlock(given map[string]any, b *tfwire.Schema_Block) (cty.Value, error) {
	t, err := schema.BlockType(b)
	if err != nil {
		return cty.NilVal, err
	}
	if err := known(given, t); err != nil {
		return cty.NilVal, err
	}
	values := map[string]cty.Value{}
	var missing []string
	for _, a := range b.GetAttributes() {
		name := a.GetName()
		if values[name], err = fit(given[name], t.AttributeType(name)); err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", name, err)
		}
		if a.GetRequired() && values[name].IsNull() {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return cty.NilVal, fmt.Errorf("it needs %s", strings.Join(missing, ", "))
	}
	for _, nested := range b.GetBlockTypes() {
		name := nested.GetTypeName()
		if values[name], err = fitNested(given[name], nested, t.AttributeType(name)); err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", name, err)
		}
	}
	return cty.ObjectVal(values), nil
}

func known(given map[string]any, t cty.Type) error {
	for name := range given {
		if !t.HasAttribute(name) {
			has := slices.Sorted(maps.Keys(t.AttributeTypes()))
			return fmt.Errorf("there is no %q, only: %s", name, strings.Join(has, ", "))
		}
	}
	return nil
}

// fitNested makes the value of a nested block. Blocks that are not written are no null, but none.
func fitNested(raw any, nested *tfwire.Schema_NestedBlock, t cty.Type) (cty.Value, error) {
	block := func(raw any) (cty.Value, error) {
		fields, ok := raw.(map[string]any)
		if !ok && raw != nil {
			return cty.NilVal, unfit(raw, "a map of settings")
		}
		return fitBlock(fields, nested.GetBlock())
	}
	switch nested.GetNesting() {
	case tfwire.Schema_NestedBlock_GROUP:
		return block(raw)
	case tfwire.Schema_NestedBlock_SINGLE:
		if raw == nil {
			return cty.NullVal(t), nil
		}
		return block(raw)
	case tfwire.Schema_NestedBlock_LIST, tfwire.Schema_NestedBlock_SET:
		if one, ok := raw.(map[string]any); ok { // as in code, where one block is written without brackets
			raw = []any{one}
		}
		return fitElements(raw, t, block)
	}
	return fitMembers(raw, t, block)
}

// fit makes a value of a type of what is written in YAML.
func fit(raw any, t cty.Type) (cty.Value, error) {
	each := func(raw any) (cty.Value, error) { return fit(raw, t.ElementType()) }
	switch {
	case raw == nil:
		return cty.NullVal(t), nil
	case t.IsListType() || t.IsSetType():
		return fitElements(raw, t, each)
	case t.IsMapType():
		return fitMembers(raw, t, each)
	case t.IsObjectType():
		return fitObject(raw, t)
	}
	v, err := scalar(raw)
	if err != nil {
		return cty.NilVal, err
	}
	return convert.Convert(v, t)
}

func fitObject(raw any, t cty.Type) (cty.Value, error) {
	fields, ok := raw.(map[string]any)
	if !ok {
		return cty.NilVal, unfit(raw, "a map of settings")
	}
	if err := known(fields, t); err != nil {
		return cty.NilVal, err
	}
	values := map[string]cty.Value{}
	for name, at := range t.AttributeTypes() {
		var err error
		if values[name], err = fit(fields[name], at); err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", name, err)
		}
	}
	return cty.ObjectVal(values), nil
}

func fitElements(raw any, t cty.Type, each func(any) (cty.Value, error)) (cty.Value, error) {
	list, ok := raw.([]any)
	if !ok && raw != nil {
		return cty.NilVal, unfit(raw, "a list")
	}
	elems := make([]cty.Value, len(list))
	for i, e := range list {
		var err error
		if elems[i], err = each(e); err != nil {
			return cty.NilVal, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return convert.Convert(cty.TupleVal(elems), t)
}

func fitMembers(raw any, t cty.Type, each func(any) (cty.Value, error)) (cty.Value, error) {
	members, ok := raw.(map[string]any)
	if !ok && raw != nil {
		return cty.NilVal, unfit(raw, "a map")
	}
	values := make(map[string]cty.Value, len(members))
	for name, m := range members {
		var err error
		if values[name], err = each(m); err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", name, err)
		}
	}
	return convert.Convert(cty.ObjectVal(values), t)
}

func scalar(raw any) (cty.Value, error) {
	switch raw := raw.(type) {
	case string:
		return cty.StringVal(raw), nil
	case bool:
		return cty.BoolVal(raw), nil
	case int, int64, uint64, float64:
		return cty.ParseNumberVal(fmt.Sprint(raw))
	}
	return cty.NilVal, unfit(raw, "a text, a number or a boolean")
}

func unfit(raw any, want string) error { return fmt.Errorf("%s is wanted, and this is %T", want, raw) }
