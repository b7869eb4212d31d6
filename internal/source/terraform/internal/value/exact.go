package value

import (
	"math/big"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"
)

// longNumber is how many digits in a row a double may not hold.
const longNumber = 16

// Exact mends numbers that were rounded on their way through a provider: the old SDK decodes a stored state into doubles, so that
// 9007199254740993 comes back as ...992, and that would be compared with what is live. stored is the state's JSON, of the same schema.
// It says whether anything was mended. What does not fit the type is left as the provider gave it.
func Exact(upgraded cty.Value, stored []byte, t cty.Type) (cty.Value, bool) {
	if !hasLongNumber(stored) {
		return upgraded, false
	}
	kept, err := json.Unmarshal(Strip(stored, t), t)
	if err != nil {
		return upgraded, false
	}
	mended := exact(upgraded, kept)
	return mended, !mended.RawEquals(upgraded)
}

func hasLongNumber(text []byte) bool {
	run := 0
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			run++
		case c != '.':
			run = 0
		}
		if run >= longNumber {
			return true
		}
	}
	return false
}

// exact goes through both values as far as they have the same form.
func exact(upgraded, kept cty.Value) cty.Value {
	t := upgraded.Type()
	switch {
	case upgraded.IsNull() || kept.IsNull() || !upgraded.IsKnown() || !kept.IsKnown() || !t.Equals(kept.Type()):
	case t == cty.Number:
		if wasRounded(upgraded.AsBigFloat(), kept.AsBigFloat()) {
			return kept
		}
	case t.IsSetType():
		return exactSet(upgraded, kept)
	case t.IsObjectType() || t.IsMapType():
		return exactFields(upgraded, kept)
	case t.IsListType() || t.IsTupleType():
		return exactElements(upgraded, kept)
	}
	return upgraded
}

// wasRounded says whether a number is the double nearest to another.
func wasRounded(upgraded, kept *big.Float) bool {
	u, accuracy := upgraded.Float64()
	k, _ := kept.Float64()
	return accuracy == big.Exact && u == k && upgraded.Cmp(kept) != 0
}

func exactFields(upgraded, kept cty.Value) cty.Value {
	fields, stored := upgraded.AsValueMap(), kept.AsValueMap()
	for name, field := range fields {
		if s, ok := stored[name]; ok {
			fields[name] = exact(field, s)
		}
	}
	switch {
	case upgraded.Type().IsObjectType():
		return cty.ObjectVal(fields)
	case len(fields) == 0:
		return upgraded
	}
	return cty.MapVal(fields)
}

func exactElements(upgraded, kept cty.Value) cty.Value {
	elems, stored := upgraded.AsValueSlice(), kept.AsValueSlice()
	if len(elems) == 0 || len(elems) != len(stored) {
		return upgraded
	}
	for i := range elems {
		elems[i] = exact(elems[i], stored[i])
	}
	if upgraded.Type().IsTupleType() {
		return cty.TupleVal(elems)
	}
	return cty.ListVal(elems)
}

// exactSet pairs each element with the stored one that it is but for rounding, if there is one.
func exactSet(upgraded, kept cty.Value) cty.Value {
	elems, stored := upgraded.AsValueSlice(), kept.AsValueSlice()
	if len(elems) == 0 {
		return upgraded
	}
	for i, e := range elems {
		for _, s := range stored {
			if mended := exact(e, s); mended.RawEquals(s) {
				elems[i] = mended
				break
			}
		}
	}
	return cty.SetVal(elems)
}
