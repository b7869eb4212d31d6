package value

import (
	"bytes"
	"errors"
	"fmt"

	wire "github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
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

// errCut is of an answer that says that it has more than it has.
var errCut = errors.New("it is cut off")

// whole says whether msgpack has all the members that it says it has. Whoever decodes it makes room for as many, and a few bytes can say that
// there are billions. It does not go down into what it looks at, so that depth costs nothing.
func whole(packed []byte) error {
	rest := bytes.NewReader(packed)
	d := wire.NewDecoder(rest)
	for left := 1; left > 0; left-- {
		n, err := members(d)
		if err != nil {
			return errors.Join(errCut, err)
		}
		if left += n; n < 0 || left-1 > rest.Len() { // each has a byte at least
			return errCut
		}
	}
	return nil
}

// members goes past a value that has no members, or to the first of them, and says how many there are: of a map names and values.
func members(d *wire.Decoder) (n int, err error) {
	code, err := d.PeekCode()
	switch {
	case err != nil:
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		n, err = d.DecodeArrayLen()
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		n, err = d.DecodeMapLen()
		n *= 2
	default:
		err = d.Skip()
	}
	return n, err
}
