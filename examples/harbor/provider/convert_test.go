package provider

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

var deep = tftypes.Object{AttributeTypes: map[string]tftypes.Type{
	"s": tftypes.String, "n": tftypes.Number, "b": tftypes.Bool,
	"l": tftypes.List{ElementType: tftypes.Number}, "m": tftypes.Map{ElementType: tftypes.String},
	"set": tftypes.Set{ElementType: tftypes.Object{AttributeTypes: map[string]tftypes.Type{"x": tftypes.String, "y": tftypes.Bool}}},
}}

func TestDecodeAndEncode(t *testing.T) {
	for _, tt := range []struct{ name, in, want, err string }{
		{name: "empty object", in: `{}`, want: `{}`},
		{name: "nulls of an object are left out", in: `{"s":null,"l":null}`, want: `{}`},
		{name: "null in a map stays", in: `{"m":{"a":null}}`, want: `{"m":{"a":null}}`},
		{name: "empty is not null", in: `{"s":"","l":[],"m":{},"set":[]}`, want: `{"l":[],"m":{},"s":"","set":[]}`},
		{name: "exact numbers", in: `{"n":9007199254740993,"l":[0.1,-1,1e3,123456789012345678901234567890.5]}`, want: `{"l":[0.1,-1,1000,123456789012345678901234567890.5],"n":9007199254740993}`},
		{name: "a number of many digits", in: `{"n":1e999}`, want: `{"n":1e+999}`},
		{name: "a number of far too many digits", in: `{"n":1e99999999}`, err: "is not supported"},
		{name: "a number too near to zero", in: `{"n":1e-99999999}`, err: "is not supported"},
		{name: "a number that does not fit at all", in: `{"n":1e99999999999}`, err: ".n: number 1e99999999999"},
		{name: "nested set", in: `{"set":[{"x":"a","later":1},{"y":false}]}`, want: `{"set":[{"x":"a"},{"y":false}]}`},
		{name: "string for number", in: `{"l":[1,"2"]}`, err: `.l[1]: the cloud answers a string`},
		{name: "number for string", in: `{"s":1}`, err: `.s: the cloud answers a number`},
		{name: "bool for string", in: `{"m":{"a.b":true}}`, err: `.m["a.b"]: the cloud answers a bool`},
		{name: "object for list", in: `{"l":{}}`, err: `.l: the cloud answers an object`},
		{name: "list for map", in: `{"m":[]}`, err: `.m: the cloud answers a list`},
		{name: "list for object", in: `{"set":[[]]}`, err: `.set[0]: the cloud answers a list`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in any
			if err := api.Decode(strings.NewReader(tt.in), &in); err != nil {
				t.Fatal(err)
			}
			v, err := decode(in, deep, "")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %q in it", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			out, err := encode(v)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(out)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestUnknownIsNotEncoded(t *testing.T) {
	for _, v := range []tftypes.Value{
		tftypes.NewValue(tftypes.String, tftypes.UnknownValue),
		tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, []tftypes.Value{tftypes.NewValue(tftypes.String, tftypes.UnknownValue)}),
		tftypes.NewValue(deep, tftypes.UnknownValue),
	} {
		if got, err := encode(v); err == nil {
			t.Errorf("%v is encoded as %v", v, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"s":"x","n":1e9,"set":[{}]}`)
	f.Add(`{"n":1e999999999}`)
	f.Add(`{"l":[null]}`)
	f.Fuzz(func(t *testing.T, s string) {
		var in any
		if api.Decode(strings.NewReader(s), &in) != nil {
			return
		}
		v, err := decode(in, deep, "")
		if err != nil {
			return
		}
		first, err := encode(v)
		if err != nil {
			t.Fatalf("%q decodes and does not encode: %v", s, err)
		}
		again, err := decode(first, deep, "")
		if err != nil || !again.Equal(v) {
			t.Errorf("%q: %v is not %v, %v", s, again, v, err)
		}
	})
}
