package value

import "github.com/zclconf/go-cty/cty"

// keyHolds says whether a key of a map, or of an object that no schema describes, holds a secret. Paths have keys in clear, so that the
// whole must be sealed then.
func (c *Converter) keyHolds(v cty.Value) bool {
	if c.Known.Empty() && c.secrets.Empty() {
		return false
	}
	if v.Type().IsMapType() {
		for it := v.ElementIterator(); it.Next(); {
			if key, _ := it.Element(); c.Holds(key.AsString()) {
				return true
			}
		}
		return false
	}
	for name := range v.Type().AttributeTypes() {
		if c.Holds(name) && !hasAttribute(c.Resource.Type, name) {
			return true
		}
	}
	return false
}

// hasAttribute says whether a type has an attribute of this name anywhere. That a schema has it makes it public.
func hasAttribute(t cty.Type, name string) bool {
	switch {
	case t == cty.NilType:
	case t.IsObjectType():
		if t.HasAttribute(name) {
			return true
		}
		for _, inner := range t.AttributeTypes() {
			if hasAttribute(inner, name) {
				return true
			}
		}
	case t.IsCollectionType():
		return hasAttribute(t.ElementType(), name)
	}
	return false
}
