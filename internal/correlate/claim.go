package correlate

import (
	"math/big"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A claim is what a deed does to an attribute, as far as can be told.
type claim struct {
	deed   *deed
	to     string // the state that it leaves
	delta  *big.Rat
	grade  grade
	kind   taffrail.EvidenceKind
	detail string
	at     []string // where in the request the value stands, if it was found by its name
	away   bool     // it cannot be seen what it does, but not that it brings what was found: it may have taken it away
}

// claims are what the deeds do to an attribute, in the order of time.
func (s *scene) claims(v *view, deeds []*deed) []claim {
	var all []claim
	for _, d := range deeds {
		if c, ok := s.claimOf(v, d); ok && !(len(all) == 0 && restates(v, d)) {
			c.deed = d
			all = append(all, c)
		}
	}
	return likewise(v, deeds, all)
}

// likewise adds what other events of the same name have at a place where one of them has what was found: that one has shown what the place is, though
// its name fits loosely, or does not tell that it is the set.
func likewise(v *view, deeds []*deed, all []claim) []claim {
	for _, shown := range slices.Clone(all) {
		if len(shown.at) == 0 || !v.element && shown.to != v.to {
			continue
		}
		for _, d := range deeds {
			if d.Action == shown.deed.Action && !slices.ContainsFunc(all, func(c claim) bool { return c.deed == d }) {
				if c, ok := v.at(d, shown); ok {
					all = append(all, c)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b claim) int { return slices.Index(deeds, a.deed) - slices.Index(deeds, b.deed) })
	return all
}

// at is the claim of what stands where another event has shown the attribute to stand. A list that replaces the set does not have the element, or the
// element would be there.
func (v *view) at(d *deed, shown claim) (claim, bool) {
	for _, n := range d.nodes {
		if !slices.Equal(n.names, shown.at) || n.value.IsUnknown() {
			continue
		}
		c := claim{deed: d, grade: shown.grade, kind: taffrail.EvidenceValue, detail: "the request has another value at " + strings.Join(n.names, ".")}
		if v.element {
			return c, d.verb == verbSet
		}
		c.to = v.known(canon(n.value))
		return c, true
	}
	return claim{}, false
}

func (s *scene) claimOf(v *view, d *deed) (claim, bool) {
	effects, known := s.models.of(d.Action, s.Type, v.names)
	for _, e := range effects {
		if c, ok := s.modelled(v, d, e); ok {
			return c, true
		}
	}
	switch {
	case known && len(effects) > 0 && !d.hidden():
		return claim{}, false // it may change the attribute, and did not name it
	case known && len(effects) > 0 && (d.Truncated || lacks(d.Request)):
		away := !slices.ContainsFunc(effects, func(e effect) bool { return v.canCome(e.op) })
		return claim{grade: gradeOpaque, kind: taffrail.EvidenceFamily, detail: d.Action + " may change it, and what it asked for cannot be seen", away: away}, true
	}
	c, ok := s.general(v, d)
	if known && ok && !v.gone {
		byName := !v.element && (c.grade == gradeNamed || c.grade == gradeWhole)
		c.grade = gradeStray // it is known to do other things than this
		return c, byName && c.to == v.to
	}
	return c, ok
}

// canCome says whether what was found can come of an effect of a sort, whatever the request says: what only takes away brings nothing. An element that
// others may be grouped with goes by an addition, too, and comes by a removal.
func (v *view) canCome(o op) bool {
	switch {
	case v.element && v.isGrouped():
		return true
	case o == opRemove || o == opUnset:
		return v.to == "" || !informs(v.to)
	case o == opAdd:
		return v.to != ""
	}
	return true
}

// modelled is what a model says.
func (s *scene) modelled(v *view, d *deed, e effect) (claim, bool) {
	c := claim{grade: gradeModel, kind: taffrail.EvidenceReplay, detail: d.Action + " is known to " + string(e.op) + " " + strings.Join(e.path, ".")}
	switch e.op {
	case opUnset:
		return c, true
	case opOpaque:
		c.grade, c.kind, c.detail = gradeOpaque, taffrail.EvidenceFamily, d.Action+" may change it to what cannot be seen"
		return c, true
	}
	if e.fixed && e.op == opDelta {
		return stated(v, c, []taffrail.Value{taffrail.String(e.literal)}, e.op)
	}
	if e.fixed {
		c.to = plainText(e.literal)
		return c, true
	}
	if e.op == opReplace && !v.element && len(v.names) == len(e.path) {
		return replaced(v, c, lookup(d.body, e.from))
	}
	if v.element || e.op == opReplace || e.op == opAdd || e.op == opRemove {
		return s.modelledMember(v, d, e, c)
	}
	values := lookup(d.body, e.from)
	for _, name := range v.names[len(e.path):] {
		if slices.ContainsFunc(values, taffrail.Value.IsUnknown) {
			break // what holds it is hidden
		}
		values = eachNamed(values, name)
	}
	if len(values) == 0 {
		return c, false
	}
	if slices.ContainsFunc(values, taffrail.Value.IsUnknown) {
		c.grade, c.kind, c.detail = gradeOpaque, taffrail.EvidenceFamily, d.Action+" hides what it sets at "+e.from
		return c, true
	}
	return stated(v, c, values, e.op)
}

func eachNamed(values []taffrail.Value, name string) (found []taffrail.Value) {
	for _, v := range values {
		found = append(found, fieldsNamed(v, name)...)
	}
	return found
}

// stated is the state that values leave.
func stated(v *view, c claim, values []taffrail.Value, o op) (claim, bool) {
	c.to = v.known(canon(values[0]))
	if len(values) > 1 {
		c.to = canon(taffrail.List(values...))
	}
	if o == opDelta {
		by, ok := new(big.Rat).SetString(c.to)
		c.delta = by
		return c, ok
	}
	if c.to != v.to && len(v.atoms) > 1 && sameContent(v, values) {
		c.to = v.to
	}
	return c, true
}

// replaced is what an event does to an attribute, all of whose elements it puts in the place of those that were. What may be the value that was found,
// written in another way, is not taken for another.
func replaced(v *view, c claim, values []taffrail.Value) (claim, bool) {
	if len(values) == 0 || slices.ContainsFunc(values, taffrail.Value.IsUnknown) {
		return c, false
	}
	if len(items(values)) == 0 {
		return c, true // it leaves none
	}
	c, _ = stated(v, c, values, opSet)
	return c, c.to == v.to || v.to == "" || !mostly(v.atoms, atoms(taffrail.List(values...)))
}

// sameContent says whether a document of another form has all that is there now, and nothing of what went.
func sameContent(v *view, values []taffrail.Value) bool {
	got := atoms(taffrail.List(values...))
	return len(v.plus)+len(v.minus) > 0 && within(v.atoms, got) && common(v.minus, got) == 0
}

// modelledMember is what an event does to an element or a key.
func (s *scene) modelledMember(v *view, d *deed, e effect, c claim) (claim, bool) {
	found := lookup(d.body, e.from)
	if len(found) == 0 {
		return c, false
	}
	state, ok := memberState(v, d, items(found), e.op)
	c.to = state
	return c, ok
}

// items are the members of lists, and all else as it is.
func items(values []taffrail.Value) (all []taffrail.Value) {
	for _, v := range values {
		v = document(v)
		if v.Shape() != taffrail.ShapeList {
			all = append(all, v)
			continue
		}
		for e := range v.Elems() {
			all = append(all, e)
		}
	}
	return all
}

// memberState is the state of an element or a key after what stands in a request was added, removed, or put in the place of all.
func memberState(v *view, d *deed, given []taffrail.Value, o op) (state string, ok bool) {
	if v.element {
		if o == opAdd && v.to == "" && slices.ContainsFunc(given, func(item taffrail.Value) bool { return besideElement(v, item) }) {
			return grows, true
		}
		has := slices.ContainsFunc(given, func(item taffrail.Value) bool { return holdsElement(v, item, o) })
		state, ok = elementState(v, has, o)
		if !ok && slices.ContainsFunc(given, func(item taffrail.Value) bool { return besideElement(v, item) }) {
			return map[op]string{opAdd: grows, opRemove: shrinks}[o], o == opAdd || o == opRemove
		}
		return state, ok
	}
	if len(v.names) == 0 {
		return "", false
	}
	return keyState(v.names[len(v.names)-1], given, o)
}

func elementState(v *view, has bool, o op) (string, bool) {
	switch {
	case o == opReplace && !has:
		return "", true
	case !has:
		return "", false
	case o == opRemove:
		return removedState(v), true
	}
	return addedState(v), true
}

// addedState is the state of an element after something of it was added: an element that was there turned into another by it.
func addedState(v *view) string {
	if v.to == "" && len(v.plus) > 0 && len(v.minus) == 0 {
		return ""
	}
	return present
}

// removedState is the state of an element after something was removed: what is left of it is an element, too.
func removedState(v *view) string {
	if v.to != "" && len(v.minus) > 0 && len(v.plus) == 0 {
		return present
	}
	return ""
}

// holdsElement says whether an item of a request has what tells an element from its like, and enough of the rest.
func holdsElement(v *view, item taffrail.Value, o op) bool {
	own := v.After
	if own.IsNull() {
		own = v.Before
	}
	if contradicts(own, item, nil) || switchedApart(own, item) {
		return false
	}
	got := atoms(item)
	tell := v.plus
	if o == opRemove {
		tell = v.minus
	}
	if v.isIn(item) {
		return true
	}
	if len(v.plus) == 0 || len(v.minus) == 0 {
		tell = slices.Concat(v.plus, v.minus)
	}
	if o == opReplace {
		return within(v.atoms, got) || mostly(v.atoms, got) && v.element && within(without(v.plus, nil), got)
	}
	if len(tell) == 0 {
		tell = v.atoms
	}
	return len(tell) > 0 && within(tell, got) && (mostly(v.atoms, got) || mostly(got, slices.Concat(v.atoms, tell)))
}

// isIn says whether an item of a request has all that an element has.
func (v *view) isIn(item taffrail.Value) bool {
	own := v.After
	if own.IsNull() {
		own = v.Before
	}
	return len(v.atoms) > 0 && within(v.atoms, atoms(item)) && !contradicts(own, item, nil) && !switchedApart(own, item)
}

// besideElement says whether an item has all that an element has outside of its lists, and other members for these: providers group such
// items into one element, which is another one for as long.
func besideElement(v *view, item taffrail.Value) bool {
	if v.alone {
		return false
	}
	own := v.After
	if own.IsNull() {
		own = v.Before
	}
	fixed, listed := parted(own)
	got := atoms(item)
	return len(fixed) > 0 && len(listed) > 0 && within(fixed, got) && len(without(got, fixed)) > 0 && common(got, listed) == 0
}

// parted are the scalars of an element outside of its lists, and in them.
func parted(element taffrail.Value) (fixed, listed []string) {
	for _, field := range element.Fields() {
		if field.Shape() == taffrail.ShapeList || field.Shape() == taffrail.ShapeSet {
			listed = append(listed, atoms(field)...)
		} else {
			fixed = append(fixed, atoms(field)...)
		}
	}
	return fixed, listed
}

// isGrouped says whether an element may be one that providers made of several things, by their lists.
func (v *view) isGrouped() bool {
	_, before := parted(v.Before)
	_, after := parted(v.After)
	return !v.alone && len(before)+len(after) > 0
}

// ungrouped says whether a set has elements that only their lists tell apart: then nothing groups them.
func ungrouped(set taffrail.Value) bool {
	var seen [][]string
	for e := range set.Elems() {
		fixed, listed := parted(e)
		if len(listed) > 0 && slices.ContainsFunc(seen, func(other []string) bool { return slices.Equal(fixed, other) }) {
			return true
		}
		if len(listed) > 0 {
			seen = append(seen, fixed)
		}
	}
	return false
}

// mostly says whether at least six in ten of some texts are among others.
func mostly(some, others []string) bool { return 10*common(some, others) >= 6*len(some) }

// keyState is the value of a key after a request.
func keyState(key string, given []taffrail.Value, o op) (string, bool) {
	for _, item := range given {
		for _, n := range nodes(item) {
			switch {
			case o == opRemove && (n.scalar() && n.text == key || len(n.names) > 0 && n.last() == key):
				return "", true
			case o != opRemove && len(n.names) > 0 && n.last() == key:
				return canon(n.value), true
			}
		}
	}
	return "", o == opReplace
}
