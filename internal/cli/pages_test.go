package cli

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// The pages in the reference name every field of their forms, and every word of a fixed list.
func TestPages(t *testing.T) {
	words := func(all []eventType) (texts []string) {
		for _, w := range all {
			texts = append(texts, string(w))
		}
		return texts
	}
	var results []string
	for _, r := range checkResults {
		results = append(results, string(r))
	}
	var rules []string
	for _, r := range sarifRules {
		rules = append(rules, r.id)
	}
	for _, c := range []struct {
		page  string
		forms []reflect.Type
		words []string
	}{
		{"scan-outputs.md", []reflect.Type{reflect.TypeFor[scansForm](), reflect.TypeFor[scanForm](), reflect.TypeFor[total](), reflect.TypeFor[event](), reflect.TypeFor[eventOfEnd]()},
			slices.Concat(words(eventTypes), rules, []string{scansSchema, eventSchema})},
		{"doctor-json.md", []reflect.Type{reflect.TypeFor[doctorForm](), reflect.TypeFor[doctorForm]().Field(4).Type.Elem()}, append(results, doctorSchema)},
		{"runs-json.md", []reflect.Type{reflect.TypeFor[runsForm](), reflect.TypeFor[taffrail.Run](), reflect.TypeFor[taffrail.Applied](), reflect.TypeFor[taffrail.AppliedChange](), reflect.TypeFor[taffrail.RunTap]()}, []string{runsSchema}},
		{"stacks-json.md", []reflect.Type{reflect.TypeFor[stacksForm](), reflect.TypeFor[stacksForm]().Field(2).Type.Elem()}, []string{"place", stacksSchema}},
	} {
		page, err := os.ReadFile("../../docs/reference/" + c.page)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, w := range c.words {
			names[w] = true
		}
		for _, form := range c.forms {
			for i := range form.NumField() {
				names[nameOf(form.Field(i))] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s says nothing of `%s`", c.page, name)
			}
		}
	}
}
