package cli

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// documentRows takes two texts apart that are JSON documents, as policies are. Documents that say the same, and texts that are none,
// give nothing.
func documentRows(before, after taffrail.Value) []row {
	b, ok := document(before)
	if !ok {
		return nil
	}
	a, ok := document(after)
	if !ok || b.Shape() != a.Shape() {
		return nil
	}
	changes := differences(taffrail.Path{}, b, a)
	if len(changes) == 1 && len(changes[0].Path.Steps()) == 0 {
		return nil // nothing that they share
	}
	return rowsOf(changes, false)
}

// document is the object or list that a text holds as JSON.
func document(v taffrail.Value) (taffrail.Value, bool) {
	if v.Shape() != taffrail.ShapeString {
		return taffrail.Value{}, false
	}
	d := json.NewDecoder(strings.NewReader(v.Text()))
	d.UseNumber()
	var content any
	if err := d.Decode(&content); err != nil {
		return taffrail.Value{}, false
	}
	if _, err := d.Token(); err != io.EOF {
		return taffrail.Value{}, false
	}
	parsed, ok := valueOf(content)
	return parsed, ok && (parsed.Shape() == taffrail.ShapeObject || parsed.Shape() == taffrail.ShapeList)
}

func valueOf(content any) (taffrail.Value, bool) {
	switch c := content.(type) {
	case nil:
		return taffrail.Null(), true
	case bool:
		return taffrail.Bool(c), true
	case string:
		return taffrail.String(c), true
	case json.Number:
		n, err := taffrail.Number(c.String())
		return n, err == nil
	case []any:
		elems := make([]taffrail.Value, len(c))
		for i, e := range c {
			var ok bool
			if elems[i], ok = valueOf(e); !ok {
				return taffrail.Value{}, false
			}
		}
		return taffrail.List(elems...), true
	case map[string]any:
		fields := make(map[string]taffrail.Value, len(c))
		for name, e := range c {
			v, ok := valueOf(e)
			if !ok {
				return taffrail.Value{}, false
			}
			fields[name] = v
		}
		return taffrail.Object(fields), true
	}
	return taffrail.Value{}, false
}
