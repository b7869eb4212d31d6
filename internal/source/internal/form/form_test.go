package form

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFaultQuotesNothing(t *testing.T) {
	for _, tc := range []struct{ raw, want string }{
		{`{"a":{"b":"hunter2"}}`, "field a.b holds a JSON string"},
		{`{"a":{"b":123456}}`, "field a.b holds a JSON number"},
		{`{"a":hunter2}`, "it is not JSON at byte 6"},
		{`{"a":`, "it is not JSON at byte 5"},
	} {
		var r struct {
			A struct {
				B bool `json:"b"`
			} `json:"a"`
		}
		got := Fault(json.Unmarshal([]byte(tc.raw), &r)).Error()
		if got != tc.want {
			t.Errorf("%s: %s", tc.raw, got)
		}
	}
}

func TestKind(t *testing.T) {
	for first, want := range map[byte]string{'{': "object", '[': "array", '"': "string", 't': "bool", 'f': "bool", 'n': "null", '-': "number", '0': "number"} {
		if got := Kind(first); got != want {
			t.Errorf("%c: %s", first, got)
		}
	}
}

func FuzzFault(f *testing.F) {
	f.Add([]byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r struct {
			A struct{ B bool }
			C int
		}
		if err := json.Unmarshal(raw, &r); err != nil && strings.Contains(Fault(err).Error(), "\n") {
			t.Error(err)
		}
	})
}
