package legacy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// attributes are an object's, as the cloud has them: decoded JSON.
type attributes = map[string]any

// edit changes an object by hand, and returns what takes the change back. The
// object is TYPE/NAME.
func (w *world) edit(object string, change func(attributes)) (undo func()) {
	w.t.Helper()
	o := w.find(object)
	before, after := api.Clone(o.Attributes), api.Clone(o.Attributes)
	change(after)
	there, back := attributes{}, attributes{}
	for name := range before {
		w.patchFor(name, before, after, there, back)
	}
	for name := range after {
		w.patchFor(name, before, after, there, back)
	}
	w.patch(o, there)
	return func() { w.patch(o, back) }
}

// patchFor adds an attribute that changed to the patches there and back.
func (w *world) patchFor(name string, before, after, there, back attributes) {
	if !api.Equal(before[name], after[name]) {
		there[name], back[name] = after[name], before[name]
	}
}

func (w *world) patch(o api.Object, patch attributes) {
	w.t.Helper()
	if len(patch) == 0 {
		w.t.Fatalf("nothing changed in %s/%s", o.Type, o.ID)
	}
	if _, err := w.cloud.Patch(w.t.Context(), o.Type, o.ID, patch, ""); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) find(object string) api.Object {
	w.t.Helper()
	kind, name, _ := strings.Cut(object, "/")
	objects, err := w.cloud.List(w.t.Context(), kind)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range objects {
		if o.Name() == name {
			return o
		}
	}
	w.t.Fatalf("there is no %s", object)
	return api.Object{}
}

// set makes a change that gives an attribute a value.
func set(name string, value any) func(attributes) {
	return func(a attributes) { a[name] = value }
}

// unset makes a change that removes an attribute.
func unset(name string) func(attributes) {
	return func(a attributes) { delete(a, name) }
}

// setKey makes a change to a key of a map; nil removes the key.
func setKey(name, key string, value any) func(attributes) {
	return func(a attributes) {
		m, _ := a[name].(attributes)
		if m == nil {
			m = attributes{}
		}
		if m[key] = value; value == nil {
			delete(m, key)
		}
		a[name] = m
	}
}

// add makes a change that appends to a list.
func add(name string, values ...any) func(attributes) {
	return func(a attributes) {
		list, _ := a[name].([]any)
		a[name] = append(list, values...)
	}
}

// drop makes a change that removes elements of a list: for objects, those whose
// field is value; for others, those that are value.
func drop(name, field string, value any) func(attributes) {
	return func(a attributes) {
		var left []any
		for _, e := range a[name].([]any) {
			if !api.Equal(at(e, field), value) {
				left = append(left, e)
			}
		}
		a[name] = left
	}
}

// within makes a change in the element of a list of objects whose field is value.
func within(name, field string, value any, change func(attributes)) func(attributes) {
	return func(a attributes) {
		for _, e := range a[name].([]any) {
			if api.Equal(at(e, field), value) {
				change(e.(attributes))
			}
		}
	}
}

func at(element any, field string) any {
	if o, ok := element.(attributes); ok {
		return o[field]
	}
	return element
}

func number(text string) json.Number { return json.Number(text) }

// digestOf is what the state has of a banner.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
