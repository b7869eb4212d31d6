package value

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"
)

func TestTrap23_RoundedNumbersAreMended(t *testing.T) {
	typ := cty.Object(map[string]cty.Type{
		"n": cty.Number, "s": cty.String, "m": cty.Map(cty.Number), "l": cty.List(cty.Number), "set": cty.Set(cty.Object(map[string]cty.Type{"n": cty.Number})),
	})
	parse := func(text string) cty.Value {
		v, err := json.Unmarshal([]byte(text), typ)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tc := range []struct{ name, upgraded, stored, want string }{
		{"everywhere",
			`{"n":9007199254740992,"s":"x","m":{"a":9007199254740992,"b":1},"l":[2,9007199254740992],"set":[{"n":9007199254740992},{"n":5}]}`,
			`{"n":9007199254740993,"s":"x","m":{"a":9007199254740993,"b":1},"l":[2,9007199254740993],"set":[{"n":5},{"n":9007199254740993}]}`,
			`{"n":9007199254740993,"s":"x","m":{"a":9007199254740993,"b":1},"l":[2,9007199254740993],"set":[{"n":9007199254740993},{"n":5}]}`},
		{"what the upgrade changed stays changed",
			`{"n":9007199254740994,"s":"new","m":null,"l":[1],"set":[{"n":7}]}`,
			`{"n":9007199254740993,"s":"old","m":{"a":9007199254740993},"l":[1,9007199254740993],"set":[{"n":9007199254740993}]}`,
			`{"n":9007199254740994,"s":"new","m":null,"l":[1],"set":[{"n":7}]}`},
		{"empty collections", `{"n":9007199254740992,"s":null,"m":{},"l":[],"set":[]}`, `{"n":9007199254740993,"s":null,"m":{},"l":[],"set":[]}`, `{"n":9007199254740993,"s":null,"m":{},"l":[],"set":[]}`},
		{"fractions", `{"n":0.1,"s":null,"m":null,"l":null,"set":null}`, `{"n":0.1,"s":"1234567890123456789","m":null,"l":null,"set":null}`, `{"n":0.1,"s":null,"m":null,"l":null,"set":null}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			upgraded, want := parse(tc.upgraded), parse(tc.want)
			got, mended := Exact(upgraded, []byte(tc.stored), typ)
			if !got.RawEquals(want) {
				t.Errorf("got %#v\nwant %#v", got, want)
			}
			if mended == want.RawEquals(upgraded) {
				t.Errorf("mended %v", mended)
			}
		})
	}
	if _, mended := Exact(parse(`{"n":1,"s":null,"m":null,"l":null,"set":null}`), []byte(`{"n":"many 9007199254740993"}`), typ); mended {
		t.Error("a state that does not fit the type mended something")
	}
}

func TestHugeNumbersAreRefused(t *testing.T) {
	for _, text := range []string{"1e100000000", "-1e-100000000"} {
		n, err := cty.ParseNumberVal(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := number(n.AsBigFloat()); err == nil {
			t.Errorf("%s was written out", text)
		}
	}
}
