package value

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"
)

// Pack makes of stored attributes, which must be of the type's own schema version, the value that they are and its msgpack: what a
// provider answers that has nothing to upgrade. Attributes that do not fit the type as they stand are an error.
func Pack(stored []byte, t cty.Type) (v cty.Value, packed []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // cty panics on some values that no type allows
			v, packed, err = cty.NilVal, nil, fmt.Errorf("the stored attributes have no value of their type")
		}
	}()
	if v, err = fromJSON(stored, t); err != nil {
		return cty.NilVal, nil, fmt.Errorf("the stored attributes do not fit the schema: %w", err)
	}
	if v.IsNull() {
		return cty.NilVal, nil, fmt.Errorf("the stored attributes are null")
	}
	if packed, err = msgpack.Marshal(v, t); err != nil {
		return cty.NilVal, nil, fmt.Errorf("pack the stored attributes: %w", err)
	}
	return v, packed, nil
}
