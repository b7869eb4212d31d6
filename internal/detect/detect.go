// Package detect says what drifted: it compares what was recorded of a resource with what is live.
//
// It is a function of its arguments. It knows values and how paths are to be taken, and no provider: whatever is peculiar to
// one was said by the source in the observation's Handling.
package detect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail"
)

// Compare gives the finding of one observation. A resource is deleted only if its live side was read and is null; what was not
// read, or cannot be compared, is not_checked.
func Compare(o taffrail.Observation) taffrail.Finding {
	f := taffrail.Finding{Resource: o.Resource, ObservedAt: o.At.UTC(), Changes: []taffrail.Change{}}
	f.Action, f.Wanted = o.Action, wanted(o)
	f.Pending = f.Action != "" || len(f.Wanted) > 0
	switch {
	case o.Gap != nil:
		return notChecked(f, *o.Gap)
	case o.Live.IsUnknown():
		return notChecked(f, blind(o, "the live side was not read"))
	case o.Recorded.IsUnknown():
		return notChecked(f, blind(o, "what the tool recorded was not read"))
	}
	switch {
	case o.Live.IsNull() && o.Recorded.IsNull():
		f.Status = taffrail.InSync
	case o.Live.IsNull():
		f.Status = taffrail.Deleted
	case o.Recorded.IsNull():
		f.Status = taffrail.Unmanaged
	default:
		return compareSides(f, o)
	}
	return f
}

func compareSides(f taffrail.Finding, o taffrail.Observation) taffrail.Finding {
	f.Changes = append(f.Changes, Diff(o.Recorded, o.Live, o.Handling)...)
	foresee(f.Changes, o)
	f.Status = taffrail.InSync
	for _, c := range f.Changes {
		if c.Class == taffrail.ClassDrift {
			f.Status = taffrail.Modified
			return f
		}
	}
	for _, c := range f.Changes {
		if c.Class == taffrail.ClassUnverifiable && c.Why != whyWriteOnly {
			return notChecked(f, blind(o, fmt.Sprintf("%v cannot be compared: %s", c.Path, c.Why)))
		}
	}
	return f
}

// wanted is how what the code wants differs from what was recorded, as far as both are known. What is to be made or destroyed as a
// whole differs in nothing by itself.
func wanted(o taffrail.Observation) []taffrail.Change {
	if o.Desired.IsUnknown() || o.Recorded.IsUnknown() || o.Desired.IsNull() != o.Recorded.IsNull() && o.Action != "" {
		return nil
	}
	var changes []taffrail.Change
	for _, c := range Diff(o.Recorded, o.Desired, o.Handling) {
		unsettled := c.Class == taffrail.ClassUnverifiable && o.Action != "" && c.After.HasUnknown()
		if c.Class == taffrail.ClassDrift || unsettled {
			changes = append(changes, c)
		}
	}
	return changes
}

func notChecked(f taffrail.Finding, g taffrail.Gap) taffrail.Finding {
	f.Status, f.Gap = taffrail.NotChecked, &g
	return f
}

func blind(o taffrail.Observation, detail string) taffrail.Gap {
	return taffrail.Gap{Address: o.Resource.Address, Type: o.Resource.Type, Reason: taffrail.ReasonError, Detail: detail}
}

// Diff lists what differs between two values, sorted by path, each difference at the deepest path that names it: attributes of
// objects, keys of maps, elements of lists of equal length. A set gives one change for each element that it lost or gained. A list
// that became longer or shorter is one change, since its elements have no names but their places.
//
// An attribute that an object lacks is null. Apply all changes to before, whatever their class, and it is after.
func Diff(before, after taffrail.Value, handling []taffrail.Handling) []taffrail.Change {
	d := differ{handling: handling, after: after}
	d.walk(taffrail.Path{}, before, after)
	slices.SortStableFunc(d.changes, func(a, b taffrail.Change) int {
		return cmp.Compare(a.Path.String(), b.Path.String())
	})
	return d.changes
}

type differ struct {
	handling []taffrail.Handling
	after    taffrail.Value // the whole
	changes  []taffrail.Change
}

func (d *differ) walk(p taffrail.Path, before, after taffrail.Value) {
	if before.Equal(after) {
		return
	}
	if before.Shape() == after.Shape() {
		switch before.Shape() {
		case taffrail.ShapeObject:
			d.walkObject(p, before, after)
			return
		case taffrail.ShapeMap:
			d.walkMap(p, before, after)
			return
		case taffrail.ShapeSet:
			d.walkSet(p, before, after)
			return
		case taffrail.ShapeList:
			if before.Len() == after.Len() {
				d.walkList(p, before, after)
				return
			}
		}
	}
	d.report(p, before, after)
}

func (d *differ) walkObject(p taffrail.Path, before, after taffrail.Value) {
	for _, name := range names(before, after) {
		d.walk(p.Append(taffrail.Attr(name)), fieldOrNull(before, name), fieldOrNull(after, name))
	}
}

// walkMap goes key by key, where a null side means that the key is absent. A map that holds null itself, and has it on one side
// only, is one change: there the two could not be told apart.
func (d *differ) walkMap(p taffrail.Path, before, after taffrail.Value) {
	all := names(before, after)
	for _, name := range all {
		b, inBefore := before.Field(name)
		a, inAfter := after.Field(name)
		if (inBefore && b.IsNull()) != (inAfter && a.IsNull()) {
			d.report(p, before, after)
			return
		}
	}
	for _, name := range all {
		d.walk(p.Append(taffrail.Key(name)), fieldOrNull(before, name), fieldOrNull(after, name))
	}
}

func (d *differ) walkList(p taffrail.Path, before, after taffrail.Value) {
	for i := range before.Len() {
		d.walk(p.Append(taffrail.Index(i)), before.Elem(i), after.Elem(i))
	}
}

// walkSet reports elements that are on one side only. Two of them that differ in nothing that counts are one element, of which
// something volatile or suppressed changed.
func (d *differ) walkSet(p taffrail.Path, before, after taffrail.Value) {
	lost, gained := subtract(before, after), subtract(after, before)
	for _, b := range lost {
		at := p.Append(taffrail.Element(b))
		i := slices.IndexFunc(gained, func(a taffrail.Value) bool { return d.harmless(at, b, a) })
		if i < 0 {
			d.report(at, b, taffrail.Null())
			continue
		}
		d.walk(at, b, gained[i])
		gained = slices.Delete(gained, i, i+1)
	}
	for _, a := range gained {
		d.report(p.Append(taffrail.Element(a)), taffrail.Null(), a)
	}
}

// harmless says whether two elements are the same by meaning, or differ only below p and only in what is no drift.
func (d *differ) harmless(p taffrail.Path, before, after taffrail.Value) bool {
	probe := differ{handling: d.handling, after: d.after}
	probe.walk(p, before, after)
	return !slices.ContainsFunc(probe.changes, func(c taffrail.Change) bool {
		return c.Class == taffrail.ClassDrift || c.Class != taffrail.ClassEquivalent && c.Path.Equal(p)
	})
}

// report adds a change, with the class that it has at that path.
func (d *differ) report(p taffrail.Path, before, after taffrail.Value) {
	c := taffrail.Change{Path: p, Before: before, After: after, Class: taffrail.ClassDrift}
	if why := incomparable(before, after); why != "" {
		c.Class, c.Why = taffrail.ClassUnverifiable, why
	} else if why := sameMeaning(before, after); why != "" {
		c.Class, c.Why = taffrail.ClassEquivalent, why
	}
	for _, h := range d.handling {
		if !h.Path.Covers(p) || !d.fitsPin(h, p, after) {
			continue
		}
		switch h.Treatment {
		case taffrail.EmptyIsNull:
			if before.IsEmpty() && after.IsEmpty() && !isMember(p, before, after) {
				c.Class, c.Why = taffrail.ClassEquivalent, h.Why
			}
		case taffrail.Volatile:
			c.Class, c.Why = taffrail.ClassVolatile, h.Why
		case taffrail.Suppressed:
			c.Class, c.Why = taffrail.ClassSuppressed, h.Why
		case taffrail.WriteOnly:
			c.Class, c.Why = taffrail.ClassUnverifiable, whyWriteOnly
		}
	}
	d.changes = append(d.changes, c)
}

const whyWriteOnly = "write-only: it is never given back"

// incomparable says why two values that differ may yet be the same.
func incomparable(before, after taffrail.Value) string {
	if before.HasUnknown() || after.HasUnknown() {
		return "a value is not known"
	}
	if b, a := keyIDs(before, nil), keyIDs(after, nil); len(b) > 0 && len(a) > 0 && !maps.Equal(b, a) {
		return "secrets were sealed with different keys"
	}
	return ""
}

// keyIDs collects the keys that sealed the secrets in a value.
func keyIDs(v taffrail.Value, found map[string]bool) map[string]bool {
	if v.Shape() == taffrail.ShapeSecret {
		if found == nil {
			found = map[string]bool{}
		}
		found[taffrail.SecretDigest(v.Text()).KeyID()] = true
	}
	for e := range v.Elems() {
		found = keyIDs(e, found)
	}
	return found
}

func names(before, after taffrail.Value) []string {
	var all []string
	for name := range before.Fields() {
		all = append(all, name)
	}
	for name := range after.Fields() {
		if _, ok := before.Field(name); !ok {
			all = append(all, name)
		}
	}
	return all
}

func fieldOrNull(v taffrail.Value, name string) taffrail.Value {
	if field, ok := v.Field(name); ok {
		return field
	}
	return taffrail.Null()
}

// subtract gives the elements of a that b lacks, counting doubles.
func subtract(a, b taffrail.Value) []taffrail.Value {
	have := map[string]int{}
	for e := range b.Elems() {
		have[string(e.AppendCanonical(nil))]++
	}
	var left []taffrail.Value
	for e := range a.Elems() {
		key := string(e.AppendCanonical(nil))
		if have[key] == 0 {
			left = append(left, e)
			continue
		}
		have[key]--
	}
	return left
}

// isMember says whether a key of a map or an element of a set came or went: null is then absence, which no SDK confuses with "" or 0.
func isMember(p taffrail.Path, before, after taffrail.Value) bool {
	steps := p.Steps()
	if len(steps) == 0 || before.IsNull() == after.IsNull() {
		return false
	}
	kind := steps[len(steps)-1].Kind()
	return kind == taffrail.KeyStep || kind == taffrail.ElemStep
}
