package cli

import (
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail"
)

// A row shows one path of a resource and what became of it: two values side by side, or lines below one another.
type row struct {
	path          string
	before, after string // if there are no lines
	pair          [2]taffrail.Value
	lines         []line
	note          string
	dim           bool // no drift
}

// A line is one value that is there no more ("-"), that is new ("+"), or that is another in some rows ("~").
type line struct {
	sign  string
	value taffrail.Value
	text  string // instead of the value
	rows  []row
}

// rowsOf gives the rows of the changes of one resource, with the effect of an apply on each if that is wanted. Elements that one set lost
// or gained share a row.
func rowsOf(changes []taffrail.Change, effects bool) []row {
	var rows []row
	sets := map[string]int{} // place in rows, by class and path of the set
	members := map[int][]taffrail.Change{}
	for _, c := range changes {
		set, ok := setOf(c)
		if !ok {
			rows = append(rows, rowOf(c, effects))
			continue
		}
		key := string(c.Class) + " " + string(c.Effect) + " " + set.String()
		at, known := sets[key]
		if !known {
			at = len(rows)
			sets[key] = at
			rows = append(rows, row{path: renderPath(set), note: noteOf(c, effects), dim: c.Class != taffrail.ClassDrift})
		}
		members[at] = append(members[at], c)
	}
	for at, changes := range members {
		rows[at].lines = elementLines(changes)
	}
	return rows
}

// setOf is the path of the set that lost or gained an element by a change.
func setOf(c taffrail.Change) (taffrail.Path, bool) {
	steps := c.Path.Steps()
	if len(steps) == 0 || steps[len(steps)-1].Kind() != taffrail.ElemStep || c.Before.IsNull() == c.After.IsNull() {
		return taffrail.Path{}, false
	}
	return taffrail.NewPath(steps[:len(steps)-1]...), true
}

func rowOf(c taffrail.Change, effects bool) row {
	r := row{path: renderPath(c.Path), pair: [2]taffrail.Value{c.Before, c.After}, note: noteOf(c, effects), dim: c.Class != taffrail.ClassDrift}
	if rows := documentRows(c.Before, c.After); rows != nil {
		r.lines = []line{{sign: "~", text: "JSON", rows: rows}}
		return r
	}
	r.before, r.after = renderPair(c.Before, c.After)
	if steps := c.Path.Steps(); len(steps) > 0 && steps[len(steps)-1].Kind() == taffrail.KeyStep {
		r.before, r.after = orAbsent(c.Before, r.before), orAbsent(c.After, r.after)
	}
	if c.Class == taffrail.ClassDrift && c.Before.Shape() == taffrail.ShapeSecret && c.After.Shape() == taffrail.ShapeSecret {
		r.note = list("; ", "secret changed", r.note)
	}
	return r
}

// orAbsent is for keys of maps, which come and go; attributes are always there and may be null.
func orAbsent(v taffrail.Value, text string) string {
	if v.IsNull() {
		return "(absent)"
	}
	return text
}

func noteOf(c taffrail.Change, effects bool) string {
	switch {
	case c.Class == taffrail.ClassDrift && effects && c.Effect != "":
		return effectNote(c.Effect, 1)
	case c.Class == taffrail.ClassDrift:
		return ""
	}
	return list(": ", string(c.Class), safe(c.Why))
}

// elementLines shows what a set lost and gained. Two elements that are alike are shown as one that changed.
func elementLines(changes []taffrail.Change) []line {
	var lost, gained []taffrail.Value
	for _, c := range changes {
		if c.After.IsNull() {
			lost = append(lost, c.Before)
		} else {
			gained = append(gained, c.After)
		}
	}
	var lines []line
	for _, b := range lost {
		i := mostAlike(b, gained)
		if i < 0 {
			lines = append(lines, line{sign: "-", value: b})
			continue
		}
		lines = append(lines, line{sign: "~", value: shared(b, gained[i]), rows: rowsOf(differences(taffrail.Path{}, b, gained[i]), false)})
		gained = slices.Delete(gained, i, i+1)
	}
	for _, a := range gained {
		lines = append(lines, line{sign: "+", value: a})
	}
	return lines
}

// mostAlike is the place of the candidate that shares the most fields with v, if it shares at least half of them.
func mostAlike(v taffrail.Value, candidates []taffrail.Value) int {
	best, most := -1, 0
	for i, c := range candidates {
		if v.Shape() != taffrail.ShapeObject || c.Shape() != taffrail.ShapeObject {
			continue
		}
		same := shared(v, c).Len()
		if n := len(fieldNames(v, c)); same > most && 2*same >= n && same < n {
			best, most = i, same
		}
	}
	return best
}

// shared is an object of the fields in which two objects agree and that say something.
func shared(v, w taffrail.Value) taffrail.Value {
	same := map[string]taffrail.Value{}
	for name, field := range v.Fields() {
		if other, ok := w.Field(name); ok && field.Equal(other) && !field.IsNull() && !field.IsUnknown() {
			same[name] = field
		}
	}
	return taffrail.Object(same)
}

func fieldNames(v, w taffrail.Value) []string {
	all := map[string]bool{}
	for _, side := range []taffrail.Value{v, w} {
		for name, field := range side.Fields() {
			if !field.IsNull() {
				all[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// differences takes two values apart for the eye, as far down as they have the same shape. What is drift was decided before.
func differences(p taffrail.Path, before, after taffrail.Value) []taffrail.Change {
	if before.Equal(after) {
		return nil
	}
	var all []taffrail.Change
	switch {
	case before.Shape() != after.Shape():
	case before.Shape() == taffrail.ShapeObject:
		for _, name := range fieldNames(before, after) {
			all = append(all, differences(p.Append(taffrail.Attr(name)), field(before, name), field(after, name))...)
		}
	case before.Shape() == taffrail.ShapeList && before.Len() == after.Len():
		for i := range before.Len() {
			all = append(all, differences(p.Append(taffrail.Index(i)), before.Elem(i), after.Elem(i))...)
		}
	case before.Shape() == taffrail.ShapeSet:
		for _, b := range without(before, after) {
			all = append(all, change(p.Append(taffrail.Element(b)), b, taffrail.Null()))
		}
		for _, a := range without(after, before) {
			all = append(all, change(p.Append(taffrail.Element(a)), taffrail.Null(), a))
		}
	}
	if len(all) == 0 {
		return []taffrail.Change{change(p, before, after)}
	}
	return all
}

func change(p taffrail.Path, before, after taffrail.Value) taffrail.Change {
	return taffrail.Change{Path: p, Before: before, After: after, Class: taffrail.ClassDrift}
}

func field(v taffrail.Value, name string) taffrail.Value {
	if f, ok := v.Field(name); ok {
		return f
	}
	return taffrail.Null()
}

// without gives the elements of v that w lacks.
func without(v, w taffrail.Value) []taffrail.Value {
	var left []taffrail.Value
	for e := range v.Elems() {
		if !slices.ContainsFunc(slices.Collect(w.Elems()), e.Equal) {
			left = append(left, e)
		}
	}
	return left
}
