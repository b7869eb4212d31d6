package taffrail_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

func TestFromJSON(t *testing.T) {
	v, err := taffrail.FromJSON([]byte(` {"n": 9007199254740993, "f": 1.50, "t": "é", "l": [true, null], "o": {}} `))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"obj":{"f":{"num":"1.5"},"l":[true,null],"n":{"num":"9007199254740993"},"o":{"obj":{}},"t":"é"}}`
	if got := string(v.AppendCanonical(nil)); got != want {
		t.Errorf("got %s", got)
	}
	if got := string(v.AppendJSON(nil)); got != `{"f":1.5,"l":[true,null],"n":9007199254740993,"o":{},"t":"é"}` {
		t.Errorf("got %s", got)
	}
}

func TestFromJSONRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "half": `{"a": [1`, "two": `{} {}`, "no JSON": "name: x", "deep": strings.Repeat("[", 600) + strings.Repeat("]", 600),
		"very deep": strings.Repeat("[", 1_000_000), "a number to expand": "1e999999999",
	} {
		if _, err := taffrail.FromJSON([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAppendJSONIsJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		v := randomValue(r, 3)
		if text := v.AppendJSON(nil); !json.Valid(text) {
			t.Fatalf("%s is not JSON", text)
		}
	}
}

func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,"x",null,true]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := taffrail.FromJSON(text)
		if err != nil {
			return
		}
		again, err := taffrail.FromJSON(v.AppendJSON(nil))
		if err != nil || !again.Equal(v) {
			t.Errorf("%q came back as %s: %v", text, again.AppendCanonical(nil), err)
		}
	})
}
