package value

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
)

// marker seals visibly.
type marker struct{}

func (marker) Seal(v taffrail.Value) taffrail.Value {
	if v.IsNull() || v.IsUnknown() {
		return v
	}
	return taffrail.String("SEALED " + string(v.AppendCanonical(nil)))
}

func converter(root *schema.Node, marks ...Mark) *Converter {
	return &Converter{Resource: &schema.Resource{Root: root}, Marks: marks, Sealer: marker{}}
}

func canonical(t *testing.T, c *Converter, v cty.Value) string {
	t.Helper()
	out, err := c.Convert(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out.AppendCanonical(nil))
}

// A number is the same whichever way it came: as JSON of a state, or as msgpack's integer, float or text.
func TestTrap23_NumbersAreExact(t *testing.T) {
	for _, text := range []string{
		"0", "1", "-1", "0.1", "-0.1", "1e21", "1e22", "0.30000000000000004", "2.5", "100000", "9007199254740992", "9007199254740993",
		"18446744073709551615", "1152921504606846976", "123456789012345678901234567890", "1.5e300", "3.141592653589793", "5e-324",
	} {
		want, err := taffrail.Number(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed := cty.MustParseNumberVal(text)
		forms := map[string]cty.Value{"parsed": parsed}
		packed, err := msgpack.Marshal(parsed, cty.Number)
		if err != nil {
			t.Fatal(err)
		}
		if forms["msgpack"], err = msgpack.Unmarshal(packed, cty.Number); err != nil {
			t.Fatal(err)
		}
		if f, _ := parsed.AsBigFloat().Float64(); !strings.HasSuffix(text, "3") && len(text) < 19 {
			forms["float64"] = cty.NumberFloatVal(f)
		}
		for form, v := range forms {
			if got := canonical(t, converter(nil), v); got != string(want.AppendCanonical(nil)) {
				t.Errorf("%s as %s is %s", text, form, got)
			}
		}
	}
}

func TestNumbersThatAreNear(t *testing.T) {
	for _, pair := range [][2]string{
		{"9007199254740993", "9007199254740992"}, {"1152921504606846976", "1152921504606847000"}, {"0.1", "0.10000000000000001e1"},
		{"0.1", "0.1000000000000000000000001"},
	} {
		a, b := cty.MustParseNumberVal(pair[0]), cty.MustParseNumberVal(pair[1])
		if canonical(t, converter(nil), a) == canonical(t, converter(nil), b) {
			t.Errorf("%s is %s", pair[0], pair[1])
		}
	}
}

func TestInfinityIsComparable(t *testing.T) {
	if got := canonical(t, converter(nil), cty.NumberVal(new(big.Float).SetInf(false))); got != `"+Inf"` {
		t.Errorf("infinity is %s", got)
	}
}

func TestConvert(t *testing.T) {
	for _, tc := range []struct {
		in   cty.Value
		want string
	}{
		{cty.UnknownVal(cty.String), `{"unknown":true}`},
		{cty.NullVal(cty.Number), `null`},
		{cty.True, `true`},
		{cty.StringVal("é\x00"), `"é\u0000"`},
		{cty.EmptyObjectVal, `{"obj":{}}`},
		{cty.MapValEmpty(cty.String), `{"map":{}}`},
		{cty.SetVal([]cty.Value{cty.StringVal("b"), cty.StringVal("a")}), `{"set":["a","b"]}`},
		{cty.TupleVal([]cty.Value{cty.True, cty.StringVal("x")}), `[true,"x"]`},
		{cty.ListVal([]cty.Value{cty.UnknownVal(cty.String), cty.StringVal("x")}), `[{"unknown":true},"x"]`},
		{cty.ObjectVal(map[string]cty.Value{"a": cty.MapVal(map[string]cty.Value{"k.1": cty.False})}), `{"obj":{"a":{"map":{"k.1":false}}}}`},
	} {
		if got := canonical(t, converter(nil), tc.in); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

func str(s string) cty.Value { return cty.StringVal(s) }

func TestMasks(t *testing.T) {
	sensitive := &schema.Node{Sensitive: true}
	v := cty.ObjectVal(map[string]cty.Value{
		"password": str("pw"), "none": cty.NullVal(cty.String), "plain": str("p"), "tags": cty.MapVal(map[string]cty.Value{"a": str("1"), "b": str("2")}),
		"list": cty.ListVal([]cty.Value{str("x"), str("y")}),
		"set":  cty.SetVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"n": str("n"), "t": str("t")})}),
		"dsn":  str("scheme://u:longsecret@h"), "long": str("longsecret"),
	})
	root := &schema.Node{Fields: map[string]*schema.Node{
		"password": sensitive, "none": sensitive, "long": sensitive,
		"set": {Elem: &schema.Node{Fields: map[string]*schema.Node{"t": sensitive}}},
	}}
	marks, err := ParseMarks(json.RawMessage(`[
		[{"type":"get_attr","value":"tags"},{"type":"index","value":{"type":"string","value":"b"}}],
		[{"type":"get_attr","value":"list"},{"type":"index","value":{"type":"number","value":0}}]
	]`))
	if err != nil {
		t.Fatal(err)
	}
	c := converter(root, marks...)
	c.Learn(v)
	want := `{"obj":{"dsn":"SEALED \"scheme://u:longsecret@h\"","list":["SEALED \"x\"","SEALED \"y\""],"long":"SEALED \"longsecret\"","none":null,` +
		`"password":"SEALED \"pw\"","plain":"p","set":{"set":[{"obj":{"n":"n","t":"SEALED \"t\""}}]},"tags":{"map":{"a":"1","b":"SEALED \"2\""}}}}`
	if diff := cmp.Diff(want, canonical(t, c, v)); diff != "" {
		t.Error(diff)
	}
	whole := converter(nil, Mark{})
	if got := canonical(t, whole, v); !strings.HasPrefix(got, `"SEALED`) {
		t.Errorf("a mark of the whole masks %s", got)
	}
}

func TestParseMarks(t *testing.T) {
	for _, bad := range []string{`{}`, `[[{"type":"call","value":"x"}]]`, `[[{"type":"get_attr","value":1}]]`, `[[{"type":"index","value":"x"}]]`, `[1]`} {
		if m, err := ParseMarks(json.RawMessage(bad)); err == nil {
			t.Errorf("%s was read as %v", bad, m)
		}
	}
	for _, none := range []string{"", "[]", "null"} {
		if m, err := ParseMarks(json.RawMessage(none)); err != nil || len(m) > 0 {
			t.Errorf("%q: %v, %v", none, m, err)
		}
	}
}

func TestScrub(t *testing.T) {
	var s Secrets
	for _, text := range []string{"short", "longer-secret", "longer", `with "quotes" inside`, "p@ss word/1"} {
		s.Add(text)
	}
	in := `a longer-secret, longer, short, with \"quotes\" inside, p%40ss+word%2F1`
	if got, want := s.Scrub(in), `a (sensitive), (sensitive), short, (sensitive), (sensitive)`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestMessage(t *testing.T) {
	secret := "first line\x1b[1m\n\tsecond-line-of-a-secret"
	var s Secrets
	s.Add(secret)
	if got, want := s.Message("a\n b: "+secret+" \x00 c"), "a b: (sensitive) c"; got != want {
		t.Errorf("got %q", got)
	}
	// Where the cut falls into a secret, nothing of it may stay.
	for n := range 40 {
		got := s.Message(strings.Repeat("x", maxMessage-n) + secret)
		if strings.Contains(got, "first") || len(got) > maxMessage+3 {
			t.Errorf("%d: %q", n, got[maxMessage-n:])
		}
	}
}

// Secrets are known before the provider has upgraded what is stored, for it may quote them when it fails.
func TestLearnStored(t *testing.T) {
	sensitive := &schema.Node{Sensitive: true}
	c := converter(&schema.Node{Fields: map[string]*schema.Node{
		"password": sensitive, "blob": sensitive, "list": {Elem: &schema.Node{Fields: map[string]*schema.Node{"key": sensitive}}},
	}}, Mark{{Name: "tags"}, {Name: "dsn"}})
	c.LearnStored(json.RawMessage(`{"password":"secret-1","plain":"plain-1","list":[{"key":"secret-2","x":"plain-2"}],"blob":{"deep":["secret-3"]},"tags":{"dsn":"secret-4","x":"plain-3"}}`), nil)
	c.LearnStored(nil, map[string]string{"password": "secret-5", "tags.dsn": "secret-6", "plain": "plain-4"})
	got := strings.Join(c.Secrets().Texts(), " ")
	for _, want := range []string{"secret-1", "secret-2", "secret-3", "secret-4", "secret-5", "secret-6"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s was not learned", want)
		}
	}
	if strings.Contains(got, "plain") {
		t.Errorf("learned %s", got)
	}
}

func TestStrip(t *testing.T) {
	typ := cty.Object(map[string]cty.Type{
		"a": cty.String, "l": cty.List(cty.Object(map[string]cty.Type{"x": cty.String})), "m": cty.Map(cty.Object(map[string]cty.Type{"x": cty.String})),
		"s": cty.Map(cty.String), "d": cty.DynamicPseudoType,
	})
	for in, want := range map[string]string{
		`{"a":"1", "l":[{"x":"1"}] }`:                 `{"a":"1", "l":[{"x":"1"}] }`,
		`{"a":"1","b":2}`:                             `{"a":"1"}`,
		`{"l":[{"x":"1","y":2}],"s":{"k":"v"}}`:       `{"l":[{"x":"1"}],"s":{"k":"v"}}`,
		`{"m":{"k":{"y":9007199254740993,"x":null}}}`: `{"m":{"k":{"x":null}}}`,
		`{"d":{"value":{"y":1},"type":"string"}}`:     `{"d":{"value":{"y":1},"type":"string"}}`,
		`null`:  `null`,
		`[1,2]`: `[1,2]`,
		`{`:     `{`,
	} {
		if got := string(Strip(json.RawMessage(in), typ)); got != want {
			t.Errorf("%s became %s", in, got)
		}
	}
}

func TestDecode(t *testing.T) {
	typ := cty.Object(map[string]cty.Type{"a": cty.List(cty.DynamicPseudoType)})
	for _, tc := range []struct {
		packed, plain string
		fails         bool
	}{
		{"", "", true}, {"\xc0", "", false}, {"", `{"a":null}`, false}, {"", `{"b":1}`, true}, {"\x81\xa1", "", true}, {"\x80", "", true},
		{"\x81\xa1a\x92\x92\xa8\"string\"\xa1x\x92\xa6\"bool\"\xc3", "", true},
	} {
		if _, err := Decode([]byte(tc.packed), []byte(tc.plain), typ); (err != nil) != tc.fails {
			t.Errorf("%q, %q: %v", tc.packed, tc.plain, err)
		}
	}
}

var fuzzType = cty.Object(map[string]cty.Type{
	"s": cty.String, "n": cty.Number, "b": cty.Bool, "l": cty.List(cty.Number), "t": cty.Set(cty.Object(map[string]cty.Type{"x": cty.String})),
	"m": cty.Map(cty.String), "d": cty.DynamicPseudoType,
})

// TestAnswersThatAreCutOff has a provider say that billions of members follow.
func TestAnswersThatAreCutOff(t *testing.T) {
	for name, packed := range map[string]string{
		"list":             "\x81\xa1l\xdd\xff\xff\xff\xff\x01",
		"map":              "\x81\xa1m\xdf\x7f\xff\xff\xff\xa1k\xa1v",
		"text":             "\x81\xa1s\xdb\xff\xff\xff\xffx",
		"bytes":            "\x81\xa1s\xc6\xff\xff\xff\xffx",
		"unknown":          "\x81\xa1s\xc9\xff\xff\xff\xff\x0cx",
		"in what is known": "\x81\xa1t\x91\x81\xa1x\xdd\xff\xff\xff\xff",
		"deep":             "\x81\xa1l" + strings.Repeat("\x91", 1<<20),
	} {
		if _, err := Decode([]byte(packed), nil, fuzzType); !errors.Is(err, errCut) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a provider answers is a value or an error, and the same answer is the same value.
func FuzzAnswer(f *testing.F) {
	v, err := ctyjson.Unmarshal([]byte(`{"s":"x","n":0.1,"b":true,"l":[1,2],"t":[{"x":"y"}],"m":{"k":"v"},"d":{"type":["list","number"],"value":[1]}}`), fuzzType)
	if err != nil {
		f.Fatal(err)
	}
	packed, err := msgpack.Marshal(v, fuzzType)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed, "")
	f.Add([]byte{}, `{"s":null,"n":1e99,"b":null,"l":null,"t":null,"m":null,"d":null}`)
	f.Fuzz(func(t *testing.T, packed []byte, plain string) {
		v, err := Decode(packed, []byte(plain), fuzzType)
		if err != nil {
			return
		}
		c := converter(&schema.Node{Fields: map[string]*schema.Node{"s": {Sensitive: true}}})
		c.Learn(v)
		once, err := c.Convert(v)
		if err != nil {
			return
		}
		again, err := c.Convert(v)
		if err != nil || !once.Equal(again) {
			t.Fatalf("%s, then %s, %v", once.AppendCanonical(nil), again.AppendCanonical(nil), err)
		}
		if _, err := taffrail.ParseValue(once.AppendCanonical(nil)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzStored(f *testing.F) {
	f.Add(`{"s":"x","q":[{"a":1}],"t":[{"x":"y","z":1}]}`, `[[{"type":"get_attr","value":"q"},{"type":"index","value":{"type":"number","value":0}}]]`)
	f.Fuzz(func(t *testing.T, attributes, sensitive string) {
		stripped := Strip(json.RawMessage(attributes), fuzzType)
		if json.Valid([]byte(attributes)) && !json.Valid(stripped) {
			t.Fatalf("%s was stripped to %s", attributes, stripped)
		}
		marks, err := ParseMarks(json.RawMessage(sensitive))
		if err != nil {
			return
		}
		converter(nil, marks...).LearnStored(json.RawMessage(attributes), nil)
	})
}
