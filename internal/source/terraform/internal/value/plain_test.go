package value

import (
	"maps"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// stored are attributes in all the ways in which states have them, and some in which none has.
var stored = []string{
	`{"s":"x","n":0.1,"b":true,"l":[1,2],"t":[{"x":"y"},{"x":"y"}],"m":{"k":"v","k":"w"},"d":null}`,
	`{"s":null,"n":null,"b":null,"l":null,"t":null,"m":null}`,
	`{"s":"","l":[],"t":[],"m":{}}`,
	" {\n \"s\" : \"\\u00e9 \\\" \\\\ e\u0301\" , \"m\" : { \"e\u0301\\n\" : \"v\" } ,\t\"l\" : [ 1 , -2.5e3 ] }\r\n",
	`{"n":9007199254740993,"l":[1e400,-0,0.30000000000000004]}`,
	`{"n":"12","s":7,"b":"true","m":{"k":true}}`,
	`{"d":{"type":["list","number"],"value":[1]}}`,
	"{\"s\":\"\xff\"}", `{"s":"\ud800"}`, `{"other":1}`, `{"n":1e}`, `{"s":"x"} {}`, `{"l":{}}`, `{"m":[]}`, `[]`, `null`, `{`, ``,
}

// What is read in one pass is what cty reads, and what is an error is one.
func TestPlainIsAsCtyReadsIt(t *testing.T) {
	for _, text := range stored {
		samePlain(t, text)
	}
}

func samePlain(t *testing.T, text string) {
	t.Helper()
	want, wrong := ctyjson.Unmarshal([]byte(text), fuzzType)
	got, err := fromJSON([]byte(text), fuzzType)
	if (err == nil) != (wrong == nil) || err == nil && !got.RawEquals(want) {
		t.Fatalf("%q is %#v, %v, and by cty %#v, %v", text, got, err, want, wrong)
	}
}

// Without the one pass nothing would be wrong, and everything slow.
func TestUsualAttributesArePlain(t *testing.T) {
	usual := maps.Clone(fuzzType.AttributeTypes())
	usual["d"] = cty.String
	for _, text := range stored[:5] {
		p := plain{text: []byte(text)}
		if _, ok := p.value(cty.Object(usual)); !ok {
			t.Errorf("%s is left to cty", text)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, text := range stored {
		f.Add(text)
	}
	f.Fuzz(samePlain)
}
