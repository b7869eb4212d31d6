package detect

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/taffrail-dev/taffrail"
)

func TestDeepJSONIsText(t *testing.T) {
	deep := strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000)
	if sameMeaning(taffrail.String(deep), taffrail.String(deep+" ")) != "" {
		t.Error("it was followed to the bottom")
	}
}

func TestHalfOfAPairIsText(t *testing.T) {
	if sameMeaning(taffrail.String(`{"a":"\ud800"}`), taffrail.String(`{"a":"\ud801"}`))+sameMeaning(taffrail.String(`{"\ud800":1}`), taffrail.String(`{"\ud801":1}`)) != "" {
		t.Error("two halves are taken for one")
	}
}

func FuzzSameJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,null,true,"x"]}`, `[]`, `{"a":1,"a":2}`, `[[[`, `{"a"`, `[1e999999999]`, "[\"\xff\"]", `{} {}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, is := parseDocument(s)
		if is && !json.Valid([]byte(s)) {
			t.Fatalf("%q is taken for JSON", s)
		}
		var spaced bytes.Buffer
		if json.Indent(&spaced, []byte(s), "", " ") != nil {
			return
		}
		if strings.ContainsRune(s, utf8.RuneError) {
			return
		}
		if got := sameMeaning(taffrail.String(s), taffrail.String(spaced.String())) != ""; got != is {
			t.Fatalf("%q is a document: %v; the same when indented: %v", s, is, got)
		}
	})
}
