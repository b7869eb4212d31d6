package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/taffrail-dev/taffrail/audit"
)

func TestCanonical(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"empty", ` { } `, `{}`},
		{"sorted, no space", "{\n \"b\": [1, 2],\t\"a\": {\"y\": null, \"x\": true} }", `{"a":{"x":true,"y":null},"b":[1,2]}`},
		{"by UTF-16 code units", `{"\ufb33":1,"\ud83d\ude00":2,"é":3}`, `{"é":3,"😀":2,"` + "\ufb33" + `":1}`},
		{"shortest strings", `{"a":"\u0041\/\u000a\u001f\u20ac\""}`, `{"a":"A/\n\u001f€\""}`},
		{"digits in strings are no numbers", `{"1.5":"9007199254740993 \" 1e400"}`, `{"1.5":"9007199254740993 \" 1e400"}`},
		{"largest integers", `{"a":9007199254740991,"b":-9007199254740991,"c":0}`, `{"a":9007199254740991,"b":-9007199254740991,"c":0}`},
		{"nested", `{"a":[[{"b":[-1]}]]}`, `{"a":[[{"b":[-1]}]]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := audit.Canonical([]byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, test := range []struct{ name, in, why string }{
		{"nothing", "", "EOF"},
		{"array", `[]`, "want a JSON object"},
		{"string", `"a"`, "want a JSON object"},
		{"null", `null`, "want a JSON object"},
		{"trailing data", `{} {}`, "terminated"},
		{"trailing comma", `{"a":1,}`, ""},
		{"unfinished", `{"a":1`, "EOF"},
		{"duplicate name", `{"a":1,"a":1}`, "Duplicate"},
		{"duplicate name, other spelling", `{"a":1,"\u0061":1}`, "Duplicate"},
		{"duplicate name, deep", `{"x":[{"a":1,"a":2}]}`, "Duplicate"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "UTF-8"},
		{"lone surrogate", `{"a":"\ud800"}`, "surrogate"},
		{"control character", "{\"a\":\"\x01\"}", ""},
		{"fraction", `{"a":1.5}`, "number 1.5 at byte 5"},
		{"float with integer value", `{"a":1.0}`, "number 1.0 at byte 5"},
		{"exponent", `{"a":[1e3]}`, "number 1e3 at byte 6"},
		{"negative zero", `{"a":-0}`, "number -0 at byte 5"},
		{"above 2^53-1", `{"a":9007199254740992}`, "number 9007199254740992"},
		{"below -(2^53-1)", `{"a":-9007199254740992}`, "number -9007199254740992"},
		{"would be rounded", `{"a":9007199254740993}`, "write it as a string"},
		{"beyond int64", `{"a":99999999999999999999}`, "write it as a string"},
		{"number after escaped quote", `{"a":"\\","b":2.5}`, "number 2.5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := audit.Canonical([]byte(test.in))
			if err == nil {
				t.Fatalf("accepted as %s", got)
			}
			if !strings.Contains(err.Error(), test.why) {
				t.Errorf("error %q does not say %q", err, test.why)
			}
		})
	}
}

func TestCanonicalSize(t *testing.T) {
	object := func(n int) []byte { return []byte(`{"a":"` + strings.Repeat("x", n-8) + `"}`) }
	if _, err := audit.Canonical(object(audit.MaxEntry)); err != nil {
		t.Errorf("an entry of MaxEntry bytes: %v", err)
	}
	if _, err := audit.Canonical(object(audit.MaxEntry + 1)); !errors.Is(err, audit.ErrTooLarge) {
		t.Errorf("an entry of MaxEntry+1 bytes: error is %v, want ErrTooLarge", err)
	}
	spaced := append(bytes.Repeat([]byte(" "), audit.MaxEntry), object(audit.MaxEntry)...)
	if _, err := audit.Canonical(spaced); err != nil {
		t.Errorf("white space counts: %v", err)
	}
}

// FuzzCanonical holds it against encoding/json: what is accepted is JSON, means the same afterwards, and is a fixed point.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		`{"a":1}`, `{"b":[true,null,"\u00e9"],"a":{"c":-5}}`, `{"a":1.5}`, `{"a":"\ud83d\ude00"}`, `{} `, `[1]`, "{\"\xff\":1}",
		`{"a":9007199254740993}`, `{"a":"\\\""}`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		body, err := audit.Canonical(in)
		if err != nil {
			return
		}
		if !json.Valid(in) {
			t.Fatalf("accepted %q, which is not JSON", in)
		}
		if again, err := audit.Canonical(body); err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%q becomes %q becomes %q, %v", in, body, again, err)
		}
		if diff := cmp.Diff(decode(t, in), decode(t, body)); diff != "" {
			t.Fatalf("%q has changed: %s", in, diff)
		}
	})
}

func decode(t *testing.T, in []byte) any {
	d := json.NewDecoder(bytes.NewReader(in))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %q: %v", in, err)
	}
	return v
}
