package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func TestRenderValue(t *testing.T) {
	for _, c := range []struct {
		name string
		v    taffrail.Value
		want string
	}{
		{"unknown", taffrail.Unknown(), "(unknown)"},
		{"null", taffrail.Null(), "null"},
		{"bool", taffrail.Bool(true), "true"},
		{"number", num("9007199254740993"), "9007199254740993"},
		{"string", str(`say "hi" \ bye`), `"say \"hi\" \\ bye"`},
		{"text that looks like null", str("null"), `"null"`},
		{"lines", str("a\nb\tc\r"), `"a\nb\tc\r"`},
		{"a document", str(" {\n \"a\": [1, 2] }\n"), `jsonencode({"a":[1,2]})`},
		{"no document", str("{a}"), `"{a}"`},
		{"a number is no document", str("12"), `"12"`},
		{"an evil document", str("[\"\u009b2J\u202e\"]"), `jsonencode(["\u009b2J\u202e"])`},
		{"secret", secret("1a2b3c4d"), "(secret hmac:1a2b3c4d…)"},
		{"malformed secret", taffrail.Secret("\x1b"), "(secret hmac:\\u001b…)"},
		{"list", taffrail.List(str("b"), str("a")), `["b", "a"]`},
		{"set", taffrail.Set(num("2"), num("10")), `[10, 2]`},
		{"empty", taffrail.List(taffrail.Map(nil), taffrail.Object(nil), taffrail.List()), `[{}, {}, []]`},
		{"map", taffrail.Map(map[string]taffrail.Value{"k": str("v"), "a.b": taffrail.Null()}), `{"a.b" = null, "k" = "v"}`},
		{"object", taffrail.Object(map[string]taffrail.Value{"port": num("22"), "evil\n": taffrail.Bool(false)}), `{evil\n = false, port = 22}`},
	} {
		if diff := cmp.Diff(c.want, renderValue(c.v)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestRenderPath(t *testing.T) {
	for _, c := range []struct {
		path taffrail.Path
		want string
	}{
		{taffrail.Path{}, "(all)"},
		{pathOf(`a.b[0]["k.l"]."odd name"`), `a.b[0]["k.l"]."odd name"`},
		{taffrail.NewPath(taffrail.Attr("a"), taffrail.Key("\x1b\u202e")), `a["\u001b\u202e"]`},
		{pathOf("rules").Append(taffrail.Element(rule("22", taffrail.Null(), "10.0.0.0/8")), taffrail.Attr("etag")), `rules{{cidrs = ["10.0.0.0/8"], d…to_port = 22}}.etag`},
		{pathOf("list").Append(taffrail.Index(3), taffrail.Attr("宿")), `list[3]."宿"`},
	} {
		if got := renderPath(c.path); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// Two values that differ never look the same.
func TestRenderPairDiffers(t *testing.T) {
	for _, p := range [][2]taffrail.Value{
		{str(`{"a":1}`), str(`{"a": 1}`)},
		{taffrail.List(str("a")), taffrail.Set(str("a"))},
		{taffrail.Map(nil), taffrail.Object(nil)},
		{str("T\u00fcr"), str("Tu\u0308r")},
		{taffrail.List(str(`{"a":1}`)), taffrail.List(str(`{"a": 1}`))},
		{taffrail.Secret("hmac:0a1b2c3d:" + taffrail.SecretDigest(strings.Repeat("0", 64))), taffrail.Secret("hmac:0a1b2c3d:" + taffrail.SecretDigest(strings.Repeat("0", 63)+"1"))},
	} {
		if b, a := renderPair(p[0], p[1]); b == a {
			t.Errorf("%s and %s both look like %s", p[0].AppendCanonical(nil), p[1].AppendCanonical(nil), b)
		}
	}
}

// values are seeds: canonical encodings.
var values = []string{
	`null`, `true`, `{"unknown":true}`, `"text"`, `{"num":"1.5"}`, `["a",{"set":[null]}]`, `{"map":{"k":"v"}}`, `{"obj":{"a":{"num":"22"}}}`,
	`"\u001b[31m"`, `"\u009b2J\u202eabc"`, `"{\"a\":1}"`, `"👩‍👩‍👧 宿主"`, `"a\r\nb\u0000\u007f"`,
}

// FuzzRender: whatever a cloud says, it stays on its line and is text.
func FuzzRender(f *testing.F) {
	for _, s := range values {
		f.Add([]byte(s), []byte(`"other"`), "path", 80)
	}
	f.Add([]byte(`{"obj":{"a\u001b":"x"}}`), []byte(`{"obj":{"a\u001b":"y"}}`), "\u202e\n", 60)
	f.Fuzz(func(t *testing.T, before, after []byte, name string, width int) {
		var b, a taffrail.Value
		if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
			return
		}
		texts := []string{renderValue(b), renderValue(a), renderPath(taffrail.NewPath(taffrail.Attr(name), taffrail.Key(name), taffrail.Element(b))), safe(name), quote(name)}
		x, y := renderPair(b, a)
		u, v := clipPair(x, y, max(20, width%100))
		texts = append(texts, x, y, u, v, clipMiddle(x, width%100))
		for _, text := range append(texts, foldValue(b, max(30, width%100))...) {
			printable(t, text)
		}
		if !b.Equal(a) && x == y {
			t.Errorf("%s and %s both look like %s", before, after, x)
		}
		if w := max(20, width%100); cells(u) > w || cells(v) > w {
			t.Errorf("%q and %q are wider than %d", u, v, w)
		}
	})
}

// FuzzTable: what a report holds never ends a line or begins one, and no line of the table is another's.
func FuzzTable(f *testing.F) {
	for _, s := range values {
		f.Add([]byte(s), "cloud_a.a", "detail")
	}
	f.Add([]byte(`"{\"a\":[\"\\u001b\",1]}"`), "cloud_a.a", `{"a":["\u202e",1]}`)
	f.Add([]byte(`"x"`), "a\n- cloud_b.b  deleted", "403\x1b[2K\u2028In sync.")
	f.Fuzz(func(t *testing.T, value []byte, address, detail string) {
		var v taffrail.Value
		if json.Unmarshal(value, &v) != nil {
			return
		}
		d := modified(address, drifted("a", v, taffrail.Null()), drifted("d", v, str(detail)), gained("s", v), lost("s", str(detail)))
		d.Finding.Resource.ID, d.Finding.Resource.File = taffrail.ResourceID(detail), detail
		r := withGaps(reportOf(d), gapOf(address, taffrail.Reason(detail), detail, detail))
		r.Stack.Name, r.Stack.Tool, r.Log.Origin = detail, address, detail
		p := &page{width: 80}
		p.report(r, view{all: true})
		text := p.b.String()
		for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			printable(t, l)
		}
		if n := strings.Count(text, "\nIn sync."); n > 0 {
			t.Errorf("the report says that all is in sync:\n%s", text)
		}
	})
}

func printable(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%q is not UTF-8", text)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Errorf("%q holds %U", text, r)
		}
	}
}

func TestSafeShowsWhatItHides(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü 宿": "plain ü 宿", "a\x1bb": `a\u001bb`, "a\xffb": `a\xffb`, "\uFFFD": "\uFFFD", "\U000e0041": `\U000e0041`, "a\u00a0b": `a\u00a0b`,
	} {
		if got := safe(in); got != want {
			t.Errorf("safe(%q) = %s, want %s", in, got, want)
		}
	}
}

// Escaping JSON changes its bytes and not what it says.
func FuzzEscapeJSON(f *testing.F) {
	f.Add("plain")
	f.Add("\u009b2J\u202e\U000e0041\x7f\xff宿<&>")
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		if err := writeJSON(&b, map[string]string{s: s}); err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
			printable(t, l)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
			t.Fatal(err)
		}
		want := strings.ToValidUTF8(s, "\uFFFD")
		if utf8.ValidString(s) && got[want] != want {
			t.Errorf("%q became %q", s, got)
		}
	})
}
