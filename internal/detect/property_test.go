package detect_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/detect"
)

// random draws values of few names and few scalars, so that two draws are often alike.
func random(r *rand.Rand, depth int) taffrail.Value {
	scalars := []taffrail.Value{null, text("a"), text("b"), taffrail.Int(1), taffrail.Bool(true), secret("a", "1"), secret("a", "2")}
	if depth == 0 || r.IntN(4) == 0 {
		return scalars[r.IntN(len(scalars))]
	}
	elems := make([]taffrail.Value, r.IntN(4))
	named := fields{}
	for i := range elems {
		elems[i] = random(r, depth-1)
		named[fmt.Sprintf("k%d", r.IntN(4))] = elems[i]
	}
	return []taffrail.Value{taffrail.List(elems...), taffrail.Set(elems...), taffrail.Map(named), taffrail.Object(named)}[r.IntN(4)]
}

// apply makes before what it became, one change at a time. Elements of sets are put in and taken out.
func apply(before taffrail.Value, changes []taffrail.Change) taffrail.Value {
	for _, c := range changes {
		before = replace(before, c.Path.Steps(), c)
	}
	return before
}

func replace(v taffrail.Value, steps []taffrail.Step, c taffrail.Change) taffrail.Value {
	if len(steps) == 0 {
		return c.After
	}
	switch step := steps[0]; step.Kind() {
	case taffrail.AttrStep, taffrail.KeyStep:
		named := fields{}
		for name, field := range v.Fields() {
			named[name] = field
		}
		named[step.Name()] = replace(fieldOrNull(named, step.Name()), steps[1:], c)
		if step.Kind() == taffrail.AttrStep {
			return taffrail.Object(named)
		}
		if c.After.IsNull() && len(steps) == 1 && !c.Before.IsNull() {
			delete(named, step.Name())
		}
		return taffrail.Map(named)
	case taffrail.IndexStep:
		var elems []taffrail.Value
		for e := range v.Elems() {
			elems = append(elems, e)
		}
		elems[step.Index()] = replace(elems[step.Index()], steps[1:], c)
		return taffrail.List(elems...)
	default:
		return replaceElement(v, step.Element(), c)
	}
}

func replaceElement(set, element taffrail.Value, c taffrail.Change) taffrail.Value {
	var elems []taffrail.Value
	taken := c.Before.IsNull() && !c.After.IsNull()
	for e := range set.Elems() {
		if !taken && e.Equal(element) {
			taken = true
			continue
		}
		elems = append(elems, e)
	}
	if !c.After.IsNull() {
		elems = append(elems, c.After)
	}
	return taffrail.Set(elems...)
}

func fieldOrNull(m fields, name string) taffrail.Value {
	if v, ok := m[name]; ok {
		return v
	}
	return null
}

// withoutNulls drops attributes of objects that are null: an object that lacks one is the same.
func withoutNulls(v taffrail.Value) taffrail.Value {
	var elems []taffrail.Value
	named := fields{}
	for e := range v.Elems() {
		elems = append(elems, withoutNulls(e))
	}
	for name, field := range v.Fields() {
		if v.Shape() == taffrail.ShapeMap || !field.IsNull() {
			named[name] = withoutNulls(field)
		}
	}
	switch v.Shape() {
	case taffrail.ShapeList:
		return taffrail.List(elems...)
	case taffrail.ShapeSet:
		return taffrail.Set(elems...)
	case taffrail.ShapeMap:
		return taffrail.Map(named)
	case taffrail.ShapeObject:
		return taffrail.Object(named)
	}
	return v
}

// hasNullElement says whether a set holds null: adding and taking that away looks alike in a change.
func hasNullElement(v taffrail.Value) bool {
	for e := range v.Elems() {
		if hasNullElement(e) || v.Shape() == taffrail.ShapeSet && e.IsNull() {
			return true
		}
	}
	return false
}

func TestDiffProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		before, after := random(r, 3), random(r, 3)
		if r.IntN(2) == 0 {
			after = taffrail.Object(fields{"same": before, "other": after})
			before = taffrail.Object(fields{"same": before, "other": random(r, 3)})
		}
		if got := detect.Diff(before, before, nil); len(got) != 0 {
			t.Fatalf("%s differs from itself: %v", before.AppendCanonical(nil), lines(got))
		}
		if hasNullElement(before) || hasNullElement(after) {
			continue
		}
		changes := detect.Diff(before, after, nil)
		want, got := withoutNulls(after), withoutNulls(apply(before, changes))
		if !got.Equal(want) {
			t.Fatalf("before %s\nafter  %s\n%v\ngives  %s", before.AppendCanonical(nil), after.AppendCanonical(nil), lines(changes), got.AppendCanonical(nil))
		}
		if (len(changes) == 0) != withoutNulls(before).Equal(want) {
			t.Fatalf("%d changes from %s to %s", len(changes), before.AppendCanonical(nil), after.AppendCanonical(nil))
		}
	}
}

func TestHandlingNeverAddsDrift(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	treatments := []taffrail.Treatment{taffrail.Volatile, taffrail.Suppressed, taffrail.WriteOnly, taffrail.EmptyIsNull}
	drifts := func(changes []taffrail.Change) (n int) {
		for _, c := range changes {
			if c.Class == taffrail.ClassDrift {
				n++
			}
		}
		return n
	}
	for range 10_000 {
		before, after := object(fields{"k0": random(r, 3), "k1": random(r, 2)}), object(fields{"k0": random(r, 3), "k1": random(r, 2)})
		h := []taffrail.Handling{{Path: taffrail.NewPath(taffrail.Attr("k0")), Treatment: treatments[r.IntN(len(treatments))]}}
		plain, handled := detect.Diff(before, after, nil), detect.Diff(before, after, h)
		if drifts(handled) > drifts(plain) {
			t.Fatalf("%v became %v", lines(plain), lines(handled))
		}
		elsewhere := func(changes []taffrail.Change) []string {
			var all []taffrail.Change
			for _, c := range changes {
				if !h[0].Path.Covers(c.Path) {
					all = append(all, c)
				}
			}
			return lines(all)
		}
		if diff := cmp.Diff(elsewhere(plain), elsewhere(handled)); diff != "" {
			t.Fatalf("a handling of k0 changed what is said of k1:\n%s", diff)
		}
	}
}
