// Package value turns what providers say into [taffrail.Value]s, with every secret replaced by its keyed digest on the way.
//
// What is secret comes from three sides: the provider's schema (an attribute, or anything that holds it), the paths that the
// state calls sensitive, and the text of those secrets, wherever else it turns up. Schemas and states miss some (a password in a
// connection string), so a text that holds a known secret is a secret.
package value

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
)

// Decode reads a provider's answer, which is msgpack, or JSON from a few. An answer of no bytes is an error: silence is not taken
// for a null, which would mean that the resource is gone.
func Decode(packed, plain []byte, t cty.Type) (v cty.Value, err error) {
	defer func() {
		if r := recover(); r != nil { // cty panics on some values that no type allows
			v, err = cty.NilVal, fmt.Errorf("the answer has no value of its type")
		}
	}()
	switch {
	case len(packed) > 0:
		if err = whole(packed); err == nil {
			v, err = msgpack.Unmarshal(packed, t)
		}
	case len(plain) > 0:
		v, err = json.Unmarshal(plain, t)
	default:
		return cty.NilVal, errors.New("the answer is empty")
	}
	if err != nil {
		return cty.NilVal, fmt.Errorf("the answer does not fit the schema: %w", err)
	}
	if errs := v.Type().TestConformance(t); len(errs) > 0 { // msgpack lets attributes be missing
		return cty.NilVal, fmt.Errorf("the answer does not fit the schema: %w", errs[0])
	}
	return v, nil
}

// A Converter translates the values of one resource. It must know all secrets (see [Converter.Learn]) before it translates any
// value, so that both sides of a comparison are masked alike.
type Converter struct {
	Resource *schema.Resource
	Marks    []Mark // what the state calls sensitive
	Sealer   taffrail.Sealer
	Known    *Secrets // of the provider's configuration and the environment; nil for none
	secrets  Secrets
}

// Convert translates a whole resource.
func (c *Converter) Convert(v cty.Value) (taffrail.Value, error) {
	return c.convert(v, c.Resource.Root, c.Marks)
}

func (c *Converter) convert(v cty.Value, n *schema.Node, marks []Mark) (taffrail.Value, error) {
	if n != nil && n.Sensitive || marksWhole(marks) {
		return c.whole(v)
	}
	return c.open(v, n, marks)
}

// whole seals a value as one.
func (c *Converter) whole(v cty.Value) (taffrail.Value, error) {
	bare := &Converter{Resource: c.Resource}
	plain, err := bare.open(v, nil, nil)
	if err != nil {
		return taffrail.Value{}, err
	}
	return c.seal(plain), nil
}

// seal masks a value. The old SDK reads null where "" was written; digests of the two would differ, so they become one before.
func (c *Converter) seal(v taffrail.Value) taffrail.Value {
	if c.Resource.Legacy && v.IsEmpty() {
		return taffrail.Null()
	}
	return c.Sealer.Seal(v)
}

func (c *Converter) open(v cty.Value, n *schema.Node, marks []Mark) (taffrail.Value, error) {
	t := v.Type()
	switch {
	case !v.IsKnown():
		return taffrail.Unknown(), nil
	case v.IsNull():
		return taffrail.Null(), nil
	case t == cty.Bool:
		return taffrail.Bool(v.True()), nil
	case t == cty.String:
		return c.text(v.AsString()), nil
	case t == cty.Number:
		return c.number(v.AsBigFloat())
	case t.IsObjectType() || t.IsMapType():
		return c.fields(v, n, marks)
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		return c.elements(v, n, marks)
	}
	return taffrail.Value{}, fmt.Errorf("a value of type %s", t.FriendlyName())
}

func (c *Converter) text(s string) taffrail.Value {
	v := taffrail.String(s)
	if c.Holds(s) {
		return c.seal(v)
	}
	return v
}

func (c *Converter) number(f *big.Float) (taffrail.Value, error) {
	v, err := number(f)
	if err == nil && (c.Known.isNumber(f) || c.secrets.isNumber(f)) {
		return c.seal(v), nil
	}
	return v, err
}

func (c *Converter) fields(v cty.Value, n *schema.Node, marks []Mark) (taffrail.Value, error) {
	if c.keyHolds(v) {
		return c.whole(v)
	}
	object := v.Type().IsObjectType()
	fields := make(map[string]taffrail.Value, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		key, elem := it.Element()
		name, node := key.AsString(), n.Each()
		if object {
			node = n.Field(name)
		}
		converted, err := c.convert(elem, node, below(marks, name))
		if err != nil {
			return taffrail.Value{}, fmt.Errorf("%s: %w", strconv.Quote(name), err)
		}
		fields[name] = converted
	}
	if object {
		return taffrail.Object(fields), nil
	}
	return taffrail.Map(fields), nil
}

func (c *Converter) elements(v cty.Value, n *schema.Node, marks []Mark) (taffrail.Value, error) {
	elems := make([]taffrail.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, elem := it.Element()
		converted, err := c.convert(elem, n.Each(), belowAny(marks))
		if err != nil {
			return taffrail.Value{}, fmt.Errorf("element %d: %w", len(elems), err)
		}
		elems = append(elems, converted)
	}
	if v.Type().IsSetType() {
		return taffrail.Set(elems...), nil
	}
	return taffrail.List(elems...), nil
}

// float64Bits is the precision of a number that was a float64 on its way.
const float64Bits = 53

// number gives the decimal that a person would have written. A fraction comes as a float64 from one provider and as decimal text from
// another, or from the state: 0.1 is 0.1 in each. Whole numbers keep all their digits.
func number(f *big.Float) (taffrail.Value, error) {
	if f.IsInf() {
		return taffrail.String(f.String()), nil // of no JSON; a text can still be compared
	}
	if e := f.MantExp(nil); e > maxBits || e < -maxBits {
		return taffrail.Value{}, fmt.Errorf("a number has an exponent of %d bits, and no more than %d are followed", e, maxBits)
	}
	if f.IsInt() && f.Prec() > float64Bits {
		return taffrail.Number(integerText(f))
	}
	if short, accuracy := f.Float64(); accuracy == big.Exact {
		return taffrail.Number(strconv.FormatFloat(short, 'e', -1, 64))
	}
	return taffrail.Number(strings.ToLower(f.Text('e', -1)))
}

// maxBits bounds the exponent of numbers: to write out the digits of larger ones takes minutes, and they are an attack.
const maxBits = 1 << 18

// integerText gives every digit that the number has; one that is larger than its precision has no more than the shortest.
func integerText(f *big.Float) string {
	if f.MantExp(nil) > int(f.Prec()) {
		return f.Text('e', -1)
	}
	return f.Text('f', 0)
}
