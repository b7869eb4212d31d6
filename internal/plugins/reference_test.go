package plugins

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/internal/plug"
)

// The page about the operator's file has a table for each plug-in that it may name, with every key of its settings and no other.
func TestReferenceOfPlugins(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/installation.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]string{"guard": "guard", "anchor": "anchors", "remotesigner": "signer", "eventreader": "sources", "eventreceiver": "sources"}
	seen := 0
	for _, d := range plug.Describe(Registry()) {
		key, ok := headings[d.Role]
		if !ok {
			continue
		}
		seen++
		_, rest, found := strings.Cut(string(page), "\n### `"+key+": "+d.Name+"`\n")
		if !found {
			t.Errorf("the page says nothing of `%s: %s`", key, d.Name)
			continue
		}
		section, _, _ := strings.Cut(rest, "\n### ")
		section, _, _ = strings.Cut(section, "\n## ")
		var want, got []string
		for _, f := range reflect.VisibleFields(d.Config) {
			if key := f.Tag.Get("yaml"); key != ",inline" {
				want = append(want, key)
			}
		}
		for line := range strings.Lines(section) {
			if name, ok := strings.CutPrefix(line, "| `"); ok {
				for _, one := range strings.Split(strings.Split(name, " |")[0], ", ") {
					got = append(got, strings.Trim(one, "`"))
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("`%s: %s` has the keys %q, and the page %q", key, d.Name, want, got)
		}
	}
	if seen < 14 {
		t.Errorf("only %d plug-ins were looked at", seen)
	}
}
