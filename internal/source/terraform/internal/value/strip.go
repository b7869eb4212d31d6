package value

import (
	"encoding/json"

	"github.com/zclconf/go-cty/cty"
)

// Strip takes out of stored attributes what the type does not have: attributes that a provider dropped without a new schema
// version. Providers expect the tool to do this. Attributes that fit stay the bytes that they are.
func Strip(raw json.RawMessage, t cty.Type) json.RawMessage {
	if stripped, changed := strip(raw, t); changed {
		return stripped
	}
	return raw
}

func strip(raw json.RawMessage, t cty.Type) (json.RawMessage, bool) {
	switch {
	case t.IsObjectType():
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil {
			return raw, false // whoever decodes it will say what is wrong
		}
		return stripFields(fields, func(name string) (cty.Type, bool) {
			if !t.HasAttribute(name) {
				return cty.NilType, false
			}
			return t.AttributeType(name), true
		})
	case t.IsMapType() && holdsObjects(t.ElementType()):
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil {
			return raw, false
		}
		return stripFields(fields, func(string) (cty.Type, bool) { return t.ElementType(), true })
	case (t.IsListType() || t.IsSetType()) && holdsObjects(t.ElementType()):
		return stripElems(raw, t.ElementType())
	}
	return raw, false
}

func stripFields(fields map[string]json.RawMessage, typeOf func(string) (cty.Type, bool)) (json.RawMessage, bool) {
	changed := false
	for name, raw := range fields {
		t, known := typeOf(name)
		if !known {
			delete(fields, name)
			changed = true
			continue
		}
		if stripped, c := strip(raw, t); c {
			fields[name] = stripped
			changed = true
		}
	}
	return marshalIf(changed, fields)
}

func stripElems(raw json.RawMessage, t cty.Type) (json.RawMessage, bool) {
	var elems []json.RawMessage
	if json.Unmarshal(raw, &elems) != nil {
		return raw, false
	}
	changed := false
	for i, e := range elems {
		if stripped, c := strip(e, t); c {
			elems[i] = stripped
			changed = true
		}
	}
	return marshalIf(changed, elems)
}

func marshalIf(changed bool, v any) (json.RawMessage, bool) {
	if !changed {
		return nil, false
	}
	out, err := json.Marshal(v) // of raw JSON: it cannot fail
	return out, err == nil
}

func holdsObjects(t cty.Type) bool {
	return t.IsObjectType() || t.IsCollectionType() && holdsObjects(t.ElementType())
}
