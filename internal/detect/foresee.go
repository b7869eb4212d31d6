package detect

import (
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// foresee says of each drift what the next apply would do to it, by what the provider plans from the live side on. It hides none, with
// one exception: where the provider leaves the live value and both values are known spellings of the same, the change is equivalent.
func foresee(changes []taffrail.Change, o taffrail.Observation) {
	if o.Next.IsUnknown() {
		return
	}
	for i := range changes {
		c := &changes[i]
		if c.Class != taffrail.ClassDrift {
			continue
		}
		c.Effect = effect(*c, o)
		if c.Effect == taffrail.EffectKept && !covered(o.Unset, c.Path) && respelled(c.Before, c.After) {
			c.Class, c.Why, c.Effect = taffrail.ClassEquivalent, "the provider takes both spellings for the same", ""
		}
	}
}

func effect(c taffrail.Change, o taffrail.Observation) taffrail.Effect {
	if covered(o.Unset, c.Path) {
		return taffrail.EffectKept
	}
	steps := c.Path.Steps()
	var reverts, kept bool
	if n := len(steps); n > 0 && steps[n-1].Kind() == taffrail.ElemStep && c.Before.IsNull() != c.After.IsNull() {
		set, ok := at(o.Next, steps[:n-1])
		if !ok || set.Shape() != taffrail.ShapeSet || set.HasUnknown() {
			return taffrail.EffectUnknown
		}
		has := slices.ContainsFunc(slices.Collect(set.Elems()), steps[n-1].Element().Equal)
		reverts = has == c.After.IsNull() // what was lost is there again, or what was gained is not
		kept = !reverts
	} else {
		next, ok := at(o.Next, steps)
		if !ok || next.HasUnknown() {
			return taffrail.EffectUnknown
		}
		reverts, kept = sameBut(c.Path, c.Before, next, o.Handling), sameBut(c.Path, c.After, next, o.Handling)
	}
	switch {
	case reverts == kept:
		return taffrail.EffectUnknown
	case kept:
		return taffrail.EffectKept
	case covered(o.Guessed, c.Path):
		return taffrail.EffectIfConfigured
	}
	return taffrail.EffectReverts
}

func covered(patterns []taffrail.Path, p taffrail.Path) bool {
	return slices.ContainsFunc(patterns, func(pattern taffrail.Path) bool { return pattern.Covers(p) })
}

// sameBut says whether two values at a path differ in nothing that counts.
func sameBut(p taffrail.Path, a, b taffrail.Value, handling []taffrail.Handling) bool {
	d := differ{handling: handling, after: b}
	d.walk(p, a, b)
	return !slices.ContainsFunc(d.changes, func(c taffrail.Change) bool {
		return c.Class == taffrail.ClassDrift || c.Class == taffrail.ClassUnverifiable
	})
}

// at follows steps down from a value. What an object lacks is null, and so is a key that a map does not have.
func at(v taffrail.Value, steps []taffrail.Step) (taffrail.Value, bool) {
	for _, s := range steps {
		switch s.Kind() {
		case taffrail.AttrStep, taffrail.KeyStep:
			if v.Shape() != taffrail.ShapeObject && v.Shape() != taffrail.ShapeMap && !v.IsNull() {
				return v, false
			}
			v = fieldOrNull(v, s.Name())
		case taffrail.IndexStep:
			if v.Shape() != taffrail.ShapeList || s.Index() >= v.Len() {
				return v, false
			}
			v = v.Elem(s.Index())
		case taffrail.ElemStep:
			if v.Shape() != taffrail.ShapeSet || !slices.ContainsFunc(slices.Collect(v.Elems()), s.Element().Equal) {
				return v, false
			}
			v = s.Element()
		default:
			return v, false
		}
	}
	return v, true
}

// fitsPin says whether a handling that is pinned to a value holds for a change: what is live at the handling's own path is that value.
func (d *differ) fitsPin(h taffrail.Handling, p taffrail.Path, after taffrail.Value) bool {
	if h.Pinned.IsUnknown() {
		return true
	}
	depth := len(h.Path.Steps())
	if depth < len(p.Steps()) {
		var ok bool
		if after, ok = at(d.after, p.Steps()[:depth]); !ok {
			return false
		}
	}
	return meant(h.Pinned, after)
}

// meant says whether a value is what a person wrote down, who has no way to write a set or an object in another way than a list or a map.
func meant(written, v taffrail.Value) bool {
	switch {
	case written.Shape() == taffrail.ShapeList && v.Shape() == taffrail.ShapeSet:
		left := slices.Collect(v.Elems())
		for e := range written.Elems() {
			i := slices.IndexFunc(left, func(have taffrail.Value) bool { return meant(e, have) })
			if i < 0 {
				return false
			}
			left = slices.Delete(left, i, i+1)
		}
		return len(left) == 0
	case written.Shape() == taffrail.ShapeList && v.Shape() == taffrail.ShapeList:
		return slices.EqualFunc(slices.Collect(written.Elems()), slices.Collect(v.Elems()), meant)
	case written.Shape() == taffrail.ShapeMap && (v.Shape() == taffrail.ShapeObject || v.Shape() == taffrail.ShapeMap):
		return !slices.ContainsFunc(names(written, v), func(name string) bool {
			return !meant(fieldOrNull(written, name), fieldOrNull(v, name))
		})
	}
	return written.Equal(v)
}

// respelled says whether two texts are known spellings of one thing: case, a last dot or slash, space around it or other ends of lines, a
// length of time, a moment, an amount. It is a hint: only a provider can say that they are the same to it.
func respelled(before, after taffrail.Value) bool {
	if before.Shape() != taffrail.ShapeString || after.Shape() != taffrail.ShapeString {
		return false
	}
	b, a := before.Text(), after.Text()
	if b == "" || a == "" {
		return false
	}
	same := trimmed(b) != "" && strings.EqualFold(trimmed(b), trimmed(a))
	return same || sameDuration(b, a) || sameMoment(b, a) || sameAmount(b, a)
}

func trimmed(text string) string {
	return strings.TrimRight(strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), "./")
}

func sameDuration(b, a string) bool {
	x, errX := time.ParseDuration(b)
	y, errY := time.ParseDuration(a)
	return errX == nil && errY == nil && x == y
}

func sameMoment(b, a string) bool {
	x, errX := time.Parse(time.RFC3339Nano, b)
	y, errY := time.Parse(time.RFC3339Nano, a)
	return errX == nil && errY == nil && x.Equal(y)
}

// sameAmount compares decimal numbers, with Kubernetes' suffix for thousandths: "100m" is "0.1".
func sameAmount(b, a string) bool {
	x, okX := amount(b)
	y, okY := amount(a)
	return okX && okY && x.Equal(y)
}

func amount(text string) (taffrail.Value, bool) {
	if digits, ok := strings.CutSuffix(text, "m"); ok {
		text = digits + "e-3"
	}
	v, err := taffrail.Number(text)
	return v, err == nil
}
