package score

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func TestTally(t *testing.T) {
	s := New("here", "some (5)")
	a, b, c := Spot{"x.a", "one"}, Spot{"x.b", "two"}, Spot{"x.b", "three"}
	s.Fresh("poor", []Spot{c})
	s.Deed([]Spot{a})
	s.Deed([]Spot{b})
	s.Round("poor", []Spot{a}, []Spot{c})
	s.Round("poor", []Spot{b}, []Spot{b, c})
	want := Tally{Noise: []Spot{c}, Missed: []Spot{a}, False: []Spot{c}}
	if diff := cmp.Diff(want, s.Tally("poor")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got := strings.Join(s.row(Judge{"poor", "1.2"}), "|")
	if want := "here|poor|1.2|some (5)|2|2|1 in 1 resources|1 in 1 resources|1 resources"; got != want {
		t.Errorf("row %s, want %s", got, want)
	}
	s.Clean(t, "good")
}

func TestPlan(t *testing.T) {
	got, err := Plan([]byte(`{"resource_drift": [
		{"address": "x.a[\"b c\"]", "change": {"before": {"same": 1, "other": {"k": 1}, "lost": 2}, "after": {"same": 1, "other": {"k": 2}, "won": null}}},
		{"address": "x.gone", "change": {"before": {"same": 1}, "after": null}}
	]}`))
	want := []Spot{{`x.a["b c"]`, "lost"}, {`x.a["b c"]`, "other"}, {"x.gone", Gone}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, broken := range []string{"", "no JSON", `{"resource_drift": 1}`} {
		if got, err := Plan([]byte(broken)); err == nil {
			t.Errorf("Plan(%q) = %v, want an error", broken, got)
		}
	}
}

func TestTaffrail(t *testing.T) {
	change := func(class taffrail.Class, path ...taffrail.Step) taffrail.Change {
		return taffrail.Change{Path: taffrail.NewPath(path...), Before: taffrail.String("a"), After: taffrail.String("b"), Class: class}
	}
	answer, err := json.Marshal(map[string]any{"drifts": []taffrail.Drift{
		{Finding: taffrail.Finding{Resource: taffrail.Resource{Address: "x.a"}, Status: taffrail.Modified, Changes: []taffrail.Change{
			change(taffrail.ClassDrift, taffrail.Attr("one"), taffrail.Attr("two"), taffrail.Index(0)),
			change(taffrail.ClassDrift, taffrail.Attr("one"), taffrail.Attr("three")),
			change(taffrail.ClassVolatile, taffrail.Attr("etag")),
		}}},
		{Finding: taffrail.Finding{Resource: taffrail.Resource{Address: "x.gone"}, Status: taffrail.Deleted}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Taffrail(answer)
	want := []Spot{{"x.a", "one"}, {"x.gone", Gone}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "truth.md")
	if err := os.WriteFile(page, []byte("# Truth\n\n"+table{after: "\nmore\n"}.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	b, a := New("b", "x (5)"), New("a", "x (6)")
	for _, s := range []*Sheet{b, a, b} {
		if err := change(page, s.row(Taffrails)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := tableOf(string(text))
	if want := [][]string{a.row(Taffrails), b.row(Taffrails)}; !cmp.Equal(want, found.rows) {
		t.Errorf("rows %q, want %q", found.rows, want)
	}
	if found.before != "# Truth\n\n" || found.after != "\nmore\n" {
		t.Errorf("around the table stands %q and %q", found.before, found.after)
	}
	b.Check(t, page, Taffrails, Judge{"unknown", "1"})
}

func TestParseSpot(t *testing.T) {
	for line, want := range map[string]Spot{
		`a_b.c["x y"] tags`: {`a_b.c["x y"]`, "tags"},
		`a_b.c`:             {`a_b.c`, ""},
	} {
		if got := ParseSpot(line); got != want {
			t.Errorf("ParseSpot(%q) = %v, want %v", line, got, want)
		}
	}
}
