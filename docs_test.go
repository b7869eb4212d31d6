package taffrail_test

import (
	"os"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// examples gives the lines of the block that follows a comment `<!-- examples: NAME -->` in a page.
func examples(t *testing.T, page, name string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "<!-- examples: "+name+" -->\n```\n")
	block, _, closed := strings.Cut(block, "\n```")
	if !found || !closed {
		t.Fatalf("%s has no examples of %s", page, name)
	}
	return strings.Split(block, "\n")
}

// TestDocumentedEncodings holds the page that strangers read to what the code reads.
func TestDocumentedEncodings(t *testing.T) {
	shapes := map[taffrail.Shape]bool{}
	for _, line := range examples(t, "docs/design/values.md", "values") {
		v, err := taffrail.ParseValue([]byte(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		shapes[v.Shape()] = true
	}
	if len(shapes) != 10 {
		t.Errorf("%d of 10 shapes have an example", len(shapes))
	}
	steps := map[taffrail.StepKind]bool{}
	for _, line := range examples(t, "docs/design/values.md", "paths") {
		p, err := taffrail.ParsePath(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		for _, s := range p.Steps() {
			steps[s.Kind()] = true
		}
	}
	if len(steps) != 5 {
		t.Errorf("%d of 5 kinds of step have an example", len(steps))
	}
}
