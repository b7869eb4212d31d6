package taffrail_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"

	"github.com/taffrail-dev/taffrail"
)

const rounds = 5000

func number(t *testing.T, text string) taffrail.Value {
	t.Helper()
	v, err := taffrail.Number(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCanonicalEncoding(t *testing.T) {
	for _, tc := range []struct {
		name string
		v    taffrail.Value
		want string
	}{
		{"the zero value is unknown", taffrail.Value{}, `{"unknown":true}`},
		{"null", taffrail.Null(), `null`},
		{"bool", taffrail.Bool(true), `true`},
		{"text", taffrail.String("a\"\\\b\t\n\f\r\x01\x7f/<\u2028é😀"), `"a\"\\\b\t\n\f\r\u0001` + "\x7f/<\u2028é😀" + `"`},
		{"bytes that are no text", taffrail.String("a\xffb"), "\"a\uFFFDb\""},
		{"a number beyond 2^53", number(t, "9007199254740993"), `{"num":"9007199254740993"}`},
		{"list", taffrail.List(taffrail.Int(2), taffrail.Int(1)), `[{"num":"2"},{"num":"1"}]`},
		{"empty list", taffrail.List(), `[]`},
		{"set", taffrail.Set(taffrail.String("b"), taffrail.String("a"), taffrail.String("a")), `{"set":["a","a","b"]}`},
		{"map", taffrail.Map(map[string]taffrail.Value{"b": taffrail.Null(), "a": taffrail.Bool(false)}), `{"map":{"a":false,"b":null}}`},
		{"object named like a tag", taffrail.Object(map[string]taffrail.Value{"num": taffrail.String("1")}), `{"obj":{"num":"1"}}`},
		{"names sort by UTF-16", taffrail.Map(map[string]taffrail.Value{"\uE000": taffrail.Null(), "😀": taffrail.Null()}), "{\"map\":{\"😀\":null,\"\uE000\":null}}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(tc.v.AppendCanonical(nil)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestTrap23_NumbersAreExact(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.000": "0", "0e999": "0", "1.0": "1", "10e-1": "1", "100": "100", "-12.50": "-12.5",
		"9007199254740993": "9007199254740993", "9007199254740993.0": "9007199254740993",
		"0.1": "0.1", "1e-1": "0.1", "0.000001": "0.000001", "0.0000001": "1e-7", "1.5E+3": "1500", "12345678901234567890123456789012345678901234567890": "1.234567890123456789012345678901234567890123456789e49",
		"1e39": "1000000000000000000000000000000000000000", "1e40": "1e40", "-2.5e100": "-2.5e100",
	} {
		if got := number(t, in).Text(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for _, bad := range []string{"", "-", "01", "1.", ".5", "+1", "1e", "1e1000001", "NaN", "Infinity", "0x10", "1 ", "1_0", "1e1.5"} {
		if v, err := taffrail.Number(bad); err == nil {
			t.Errorf("%q was taken for %s", bad, v.Text())
		}
	}
	if !taffrail.Int(-1200).Equal(number(t, "-1.2e3")) {
		t.Error("Int and Number differ")
	}
}

func TestParseValueRefuses(t *testing.T) {
	for _, bad := range []string{
		"", " null", "nul", "1", `{"num":1}`, `{"num":"1.0"}`, `{"num":"x"}`, `{"set":["b","a"]}`, `{"set":{}}`, `{}`, `{"map":{"b":null,"a":null}}`,
		`{"map":{"a":null,"a":null}}`, `{"unknown":false}`, `{"other":true}`, `{"num":"1","x":2}`, `{"secret":"hunter2"}`, `[`, `[null`, `"a" "b"`, `"\u0061"`,
		`{"map":[]}`, `{"obj"`, strings.Repeat("[", 100_000),
	} {
		if v, err := taffrail.ParseValue([]byte(bad)); err == nil {
			t.Errorf("%q was taken for %s", bad, v.AppendCanonical(nil))
		}
	}
}

func TestValueProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		v, w := randomValue(r, 3), randomValue(r, 3)
		encoded := v.AppendCanonical(nil)
		back, err := taffrail.ParseValue(encoded)
		if err != nil || !back.Equal(v) {
			t.Fatalf("%s does not come back: %v", encoded, err)
		}
		transformed, err := jcs.Transform(encoded)
		if err != nil || !bytes.Equal(transformed, encoded) {
			t.Fatalf("%s is not its own form under RFC 8785: %s %v", encoded, transformed, err)
		}
		if same := bytes.Equal(encoded, w.AppendCanonical(nil)); same != v.Equal(w) {
			t.Fatalf("equal %v, but encodings %s and %s", v.Equal(w), encoded, w.AppendCanonical(nil))
		}
		var loose taffrail.Value
		var indented bytes.Buffer
		if err := json.Indent(&indented, encoded, "", "  "); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(indented.Bytes(), &loose); err != nil || !loose.Equal(v) {
			t.Fatalf("%s does not come back when spaced: %v", encoded, err)
		}
	}
}

func TestSetHasNoOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range rounds {
		elems := randomElems(r, 2)
		shuffled := slices.Clone(elems)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if !taffrail.Set(elems...).Equal(taffrail.Set(shuffled...)) {
			t.Fatalf("%v", taffrail.Set(elems...))
		}
	}
}

func TestFieldFindsEveryName(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range rounds {
		fields := randomFields(r, 1)
		m := taffrail.Map(fields)
		for name, want := range fields {
			if got, ok := m.Field(name); !ok || !got.Equal(want) {
				t.Fatalf("field %q of %s", name, m.AppendCanonical(nil))
			}
		}
		if _, ok := m.Field("none such"); ok {
			t.Fatal("found a name that is not there")
		}
	}
}

func TestValueIsImmutable(t *testing.T) {
	elems := []taffrail.Value{taffrail.Int(1)}
	fields := map[string]taffrail.Value{"a": taffrail.Int(1)}
	list, set, object := taffrail.List(elems...), taffrail.Set(elems...), taffrail.Object(fields)
	elems[0], fields["a"] = taffrail.Int(2), taffrail.Int(2)
	field, _ := object.Field("a")
	for _, got := range []taffrail.Value{list.Elem(0), set.Elem(0), field} {
		if !got.Equal(taffrail.Int(1)) {
			t.Errorf("changed from outside: %s", got.Text())
		}
	}
}

func TestSealInput(t *testing.T) {
	same := func(a, b taffrail.Value) bool { return bytes.Equal(taffrail.SealInput(a), taffrail.SealInput(b)) }
	if !same(taffrail.Int(5), taffrail.String("5")) || !same(taffrail.Bool(true), taffrail.String("true")) {
		t.Error("scalars of one text differ")
	}
	if same(taffrail.List(), taffrail.String("[]")) {
		t.Error("a list is taken for its text")
	}
}

func FuzzParseValue(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		f.Add(randomValue(r, 3).AppendCanonical(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := taffrail.ParseValue(b)
		if err != nil {
			return
		}
		if got := v.AppendCanonical(nil); !bytes.Equal(got, b) {
			t.Fatalf("%q came back as %q", b, got)
		}
		if c, err := jcs.Transform(b); err != nil || !bytes.Equal(c, b) {
			t.Fatalf("%q is not its own form under RFC 8785: %q %v", b, c, err)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.5e10", "9007199254740993", "1e-400", "000", "1e999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := taffrail.Number(s)
		if err != nil {
			return
		}
		again, err := taffrail.Number(v.Text())
		if err != nil || !again.Equal(v) {
			t.Fatalf("%q is %q, which is %q: %v", s, v.Text(), again.Text(), err)
		}
	})
}
