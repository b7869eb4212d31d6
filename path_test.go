package taffrail_test

import (
	"math/rand/v2"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

func TestPathText(t *testing.T) {
	for want, p := range map[string]taffrail.Path{
		"":                     taffrail.NewPath(),
		"a":                    taffrail.NewPath(taffrail.Attr("a")),
		"a.b-c":                taffrail.NewPath(taffrail.Attr("a"), taffrail.Attr("b-c")),
		`."1a"."b c"`:          taffrail.NewPath(taffrail.Attr("1a"), taffrail.Attr("b c")),
		`tags["a.b/\"c\""]`:    taffrail.NewPath(taffrail.Attr("tags"), taffrail.Key(`a.b/"c"`)),
		"l[0][12].x":           taffrail.NewPath(taffrail.Attr("l"), taffrail.Index(0), taffrail.Index(12), taffrail.Attr("x")),
		`s{{"num":"1"}}`:       taffrail.NewPath(taffrail.Attr("s"), taffrail.Element(taffrail.Int(1))),
		`s{"}"}.x`:             taffrail.NewPath(taffrail.Attr("s"), taffrail.Element(taffrail.String("}")), taffrail.Attr("x")),
		"rules[*].description": taffrail.NewPath(taffrail.Attr("rules"), taffrail.Any(), taffrail.Attr("description")),
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		back, err := taffrail.ParsePath(want)
		if err != nil || !back.Equal(p) {
			t.Errorf("%s does not come back: %v", want, err)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, bad := range []string{".", ".a", "a.", "a..b", "1a", "a[", "a[]", "a[-1]", "a[01]", "a[1", "a[x]", `a["k]`, `a["k"`, `a[ "k"]`, "s{", "s{}", `s{1}`, `s{null`, `."a"`, `a b`, "é", "a[99999999999999999999]"} {
		if p, err := taffrail.ParsePath(bad); err == nil {
			t.Errorf("%q was taken for %v", bad, p)
		}
	}
}

func TestPathProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range rounds {
		p, q := randomPath(r), randomPath(r)
		back, err := taffrail.ParsePath(p.String())
		if err != nil || !back.Equal(p) {
			t.Fatalf("%s does not come back: %v", p, err)
		}
		if (p.String() == q.String()) != p.Equal(q) {
			t.Fatalf("%s and %s", p, q)
		}
		if longer := p.Append(q.Steps()...); !p.Covers(longer) {
			t.Fatalf("%s does not cover %s", p, longer)
		}
	}
}

func TestPathCovers(t *testing.T) {
	for _, tc := range []struct {
		pattern, path string
		want          bool
	}{
		{"", "a", true},
		{"a", "a", true},
		{"a", "a.b[0]", true},
		{"a.b", "a", false},
		{"a", "ab", false},
		{"a[*].b", "a[3].b.c", true},
		{"a[*].b", `a{"x"}.b`, true},
		{"a[*].b", `a["k"].b`, true},
		{"a[*]", "a.b", false},
		{"a[0]", "a[1]", false},
	} {
		pattern, err := taffrail.ParsePath(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		path, err := taffrail.ParsePath(tc.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := pattern.Covers(path); got != tc.want {
			t.Errorf("%s covers %s: %v", tc.pattern, tc.path, got)
		}
	}
}

func TestPathIsImmutable(t *testing.T) {
	base := taffrail.NewPath(taffrail.Attr("a"), taffrail.Attr("b"))
	one, two := base.Append(taffrail.Attr("c")), base.Append(taffrail.Attr("d"))
	if one.String() != "a.b.c" || two.String() != "a.b.d" {
		t.Errorf("%s and %s", one, two)
	}
}

func FuzzParsePath(f *testing.F) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 50 {
		f.Add(randomPath(r).String())
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := taffrail.ParsePath(s)
		if err == nil && p.String() != s {
			t.Fatalf("%q came back as %q", s, p)
		}
	})
}
