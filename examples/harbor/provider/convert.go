package provider

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// precision is that of Terraform's numbers, in bits.
const precision = 512

// maxExponent bounds the size of numbers, in bits.
const maxExponent = 1 << 14

// encode turns a Terraform value that is known as a whole into JSON as package
// api decodes it. Attributes of objects that are null are left out.
func encode(v tftypes.Value) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	switch t := v.Type().(type) {
	case tftypes.List, tftypes.Set:
		return encodeElements(v)
	case tftypes.Map:
		return encodeMembers(v, false)
	case tftypes.Object:
		return encodeMembers(v, true)
	default:
		return encodeScalar(v, t)
	}
}

func encodeScalar(v tftypes.Value, t tftypes.Type) (any, error) {
	switch {
	case t.Is(tftypes.String):
		var s string
		err := v.As(&s)
		return s, err
	case t.Is(tftypes.Bool):
		var b bool
		err := v.As(&b)
		return b, err
	case t.Is(tftypes.Number):
		var n big.Float
		err := v.As(&n)
		if err == nil {
			err = checkSize(&n)
		}
		if err != nil {
			return nil, err
		}
		return numberText(&n), nil
	}
	return nil, fmt.Errorf("a value of type %s has no JSON form here", t)
}

// checkSize refuses numbers that would take minutes and gigabytes to be written
// in decimal, such as 1e99999999.
func checkSize(n *big.Float) error {
	if exponent := n.MantExp(nil); n.IsInf() || exponent > maxExponent || exponent < -maxExponent {
		return fmt.Errorf("a number beyond 2^%d or below 2^-%d is not supported", maxExponent, maxExponent)
	}
	return nil
}

// numberText writes a number digit by digit; one whose digits would fill a page
// gets an exponent, which is as exact.
func numberText(n *big.Float) json.Number {
	format := byte('f')
	if exponent := n.MantExp(nil); exponent > 1024 || exponent < -1024 {
		format = 'e'
	}
	return json.Number(n.Text(format, -1))
}

func encodeElements(v tftypes.Value) (any, error) {
	var elements []tftypes.Value
	if err := v.As(&elements); err != nil {
		return nil, err
	}
	out := make([]any, len(elements))
	for i, e := range elements {
		var err error
		if out[i], err = encode(e); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return out, nil
}

func encodeMembers(v tftypes.Value, skipNull bool) (any, error) {
	var members map[string]tftypes.Value
	if err := v.As(&members); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(members))
	for name, m := range members {
		if skipNull && m.IsNull() {
			continue
		}
		var err error
		if out[name], err = encode(m); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// decode turns the cloud's JSON into a Terraform value of type t. What an object
// type does not know is ignored; what the JSON lacks is null. A value of another
// shape is an error that names its path.
func decode(v any, t tftypes.Type, path string) (tftypes.Value, error) {
	if v == nil {
		return tftypes.NewValue(t, nil), nil
	}
	switch t := t.(type) {
	case tftypes.List:
		return decodeElements(v, t, t.ElementType, path)
	case tftypes.Set:
		return decodeElements(v, t, t.ElementType, path)
	case tftypes.Map:
		return decodeMap(v, t, path)
	case tftypes.Object:
		return decodeObject(v, t, path)
	default:
		return decodeScalar(v, t, path)
	}
}

func decodeScalar(v any, t tftypes.Type, path string) (tftypes.Value, error) {
	switch v := v.(type) {
	case string:
		if t.Is(tftypes.String) {
			return tftypes.NewValue(t, v), nil
		}
	case bool:
		if t.Is(tftypes.Bool) {
			return tftypes.NewValue(t, v), nil
		}
	case json.Number:
		if t.Is(tftypes.Number) {
			n, _, err := big.ParseFloat(v.String(), 10, precision, big.ToNearestEven)
			if err == nil {
				err = checkSize(n)
			}
			if err != nil {
				return tftypes.Value{}, fmt.Errorf("%s: number %s: %w", path, v, err)
			}
			return tftypes.NewValue(t, n), nil
		}
	}
	return tftypes.Value{}, shapeError(v, t, path)
}

func decodeElements(v any, t, element tftypes.Type, path string) (tftypes.Value, error) {
	list, ok := v.([]any)
	if !ok {
		return tftypes.Value{}, shapeError(v, t, path)
	}
	out := make([]tftypes.Value, len(list))
	for i, e := range list {
		var err error
		if out[i], err = decode(e, element, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return tftypes.Value{}, err
		}
	}
	return tftypes.NewValue(t, out), nil
}

func decodeMap(v any, t tftypes.Map, path string) (tftypes.Value, error) {
	members, ok := v.(map[string]any)
	if !ok {
		return tftypes.Value{}, shapeError(v, t, path)
	}
	out := make(map[string]tftypes.Value, len(members))
	for name, m := range members {
		var err error
		if out[name], err = decode(m, t.ElementType, fmt.Sprintf("%s[%q]", path, name)); err != nil {
			return tftypes.Value{}, err
		}
	}
	return tftypes.NewValue(t, out), nil
}

func decodeObject(v any, t tftypes.Object, path string) (tftypes.Value, error) {
	members, ok := v.(map[string]any)
	if !ok {
		return tftypes.Value{}, shapeError(v, t, path)
	}
	out := make(map[string]tftypes.Value, len(t.AttributeTypes))
	for name, at := range t.AttributeTypes {
		var err error
		if out[name], err = decode(members[name], at, path+"."+name); err != nil {
			return tftypes.Value{}, err
		}
	}
	return tftypes.NewValue(t, out), nil
}

func shapeError(v any, t tftypes.Type, path string) error {
	return fmt.Errorf("%s: the cloud answers %s where the schema has %s", path, shape(v), t)
}

func shape(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a bool"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("%T", v)
}
