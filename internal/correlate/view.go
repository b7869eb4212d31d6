package correlate

import (
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// present is the state of an element that a set has; one that it lacks has none.
const present = "\x02present"

// An element to which another member was added is grown: it is not there as it was, until that member goes. Grows and shrinks are what events do
// to it, whatever its state.
const (
	grown   = "\x02grown"
	grows   = "\x02grows"
	shrinks = "\x02shrinks"
)

// A view is a change as the replay sees it: a state before, one after, and what would have to stand in a request.
type view struct {
	taffrail.Change
	names   []string          // attributes and keys on the way, without places and elements
	element bool              // an element of a set came or went
	alone   bool              // the set's elements are not grouped
	shown   []reading         // see [scene.readings]; nil: nobody has looked yet
	lost    bool              // no element of the set after can be what it grew into
	gone    bool              // the whole resource went
	from    string            // state before
	to      string            // state after
	atoms   []string          // of what came, or else of what went
	plus    []string          // what came and was not there in a like element
	minus   []string          // what went and is not there in a like element
	sealed  map[string]string // digest -> state, where the value itself is a secret in events
}

// known is a state by the name that the view has for it.
func (v *view) known(state string) string {
	if plain, ok := v.sealed[state]; ok {
		return plain
	}
	return state
}

// seal works out what the two values look like where they are taken for secrets.
func (v *view) seal(sealer taffrail.Sealer) {
	if sealer == nil || v.element {
		return
	}
	v.sealed = map[string]string{}
	for _, side := range []taffrail.Value{v.Before, v.After} {
		if side.Len() == 0 && !side.IsNull() && !side.IsUnknown() {
			v.sealed[textOf(sealer.Seal(side))] = canon(side)
		}
	}
}

func (s *scene) viewOf(c taffrail.Change) view {
	v := view{Change: c, from: canon(c.Before), to: canon(c.After)}
	steps := c.Path.Steps()
	for _, step := range steps {
		switch step.Kind() {
		case taffrail.AttrStep:
			v.names = append(v.names, step.Name())
		case taffrail.KeyStep:
			v.names = append(v.names, step.Name())
		case taffrail.ElemStep:
			v.element = true
		}
	}
	v.seal(s.Sealer)
	v.gone = len(steps) == 0 && c.After.IsNull()
	if v.element {
		v.from, v.to = presence(c.Before), presence(c.After)
		above := steps[:len(steps)-1]
		grouped := len(v.names) == 1 && slices.Contains(s.models.grouped[string(s.Type)], v.names[0])
		v.alone = ungrouped(valueAt(s.Before, above)) || ungrouped(valueAt(s.After, above)) || !grouped && s.groupsNothing()
		v.lost = v.to == "" && !hasGrown(c.Before, valueAt(s.After, above))
		s.compareLike(&v)
		return v
	}
	before, after := atoms(c.Before), atoms(c.After)
	v.plus, v.minus, v.atoms = without(after, before), without(before, after), after
	if len(after) == 0 {
		v.atoms = before
	}
	return v
}

// hasGrown says whether a set has an element with all that another has, and more members in its lists. Of a set that is not known it may be so.
func hasGrown(element, set taffrail.Value) bool {
	fixed, listed := parted(element)
	for e := range set.Elems() {
		same, more := parted(e)
		if slices.Equal(fixed, same) && within(listed, more) {
			return true
		}
	}
	return set.IsNull() || set.IsUnknown()
}

// groupsNothing says whether the resource is known on both sides, and no element of its sets has a list of several members: nothing shows then that
// its provider groups what requests name one by one.
func (s *scene) groupsNothing() bool {
	seen := false
	for _, side := range []taffrail.Value{s.Before, s.After} {
		for _, set := range side.Fields() {
			for element := range set.Elems() {
				for _, field := range element.Fields() {
					seen = true
					if field.Shape() == taffrail.ShapeList && field.Len() > 1 {
						return false
					}
				}
			}
		}
	}
	return seen
}

func presence(v taffrail.Value) string {
	if v.IsNull() || v.IsUnknown() {
		return ""
	}
	return present
}

// compareLike finds the element on the other side that this one came from or turned into, and what parts the two. Providers group rules, so
// that one more address turns one element into another.
func (s *scene) compareLike(v *view) {
	own := v.After
	if v.to == "" {
		own = v.Before
	}
	v.atoms = atoms(own)
	v.plus, v.minus = v.atoms, nil
	if v.to == "" {
		v.plus, v.minus = nil, v.atoms
	}
	best := 0.5
	for _, c := range s.Changes {
		other, like := s.likeness(v, c)
		if like < best {
			continue
		}
		best = like
		if v.to != "" {
			v.plus, v.minus = without(v.atoms, other), without(other, v.atoms)
		} else {
			v.plus, v.minus = without(other, v.atoms), without(v.atoms, other)
		}
	}
}

// likeness is how much of two elements of one set is the same, of which one came and the other went.
func (s *scene) likeness(v *view, c taffrail.Change) (other []string, like float64) {
	if !sameSet(v.Path, c.Path) || presence(c.After) == v.to {
		return nil, 0
	}
	value := c.After
	if v.to != "" {
		value = c.Before
	}
	if value.Len() == 0 {
		return nil, 0 // scalars are each their own
	}
	other = atoms(value)
	n := common(v.atoms, other)
	like = float64(n) / float64(max(1, len(v.atoms)+len(other)-n))
	if a, listed := parted(value); len(listed) > 0 && within(a, v.atoms) {
		like += 0.01 // it differs in what is grouped alone
	}
	return other, like
}

func sameSet(p, q taffrail.Path) bool {
	a, b := p.Steps(), q.Steps()
	if len(a) != len(b) || len(a) == 0 || b[len(b)-1].Kind() != taffrail.ElemStep {
		return false
	}
	return slices.EqualFunc(a[:len(a)-1], b[:len(b)-1], taffrail.Step.Equal)
}

// An alignment says how well the name of a place in a request fits that of an attribute.
type alignment uint8

const (
	alien   alignment = iota
	loosely           // the words overlap, or it stands among something else
	closely           // its words are all there
	exactly           // the same name, in the same surroundings
	wholly            // the same names all the way
)

// align compares the names of a place with those of an attribute.
func (s *scene) align(v *view, d *deed, n node) alignment {
	if len(n.names) == 0 || len(v.names) == 0 {
		return alien
	}
	if sameNames(v.names, n.names) {
		return wholly
	}
	last, want := n.last(), v.names[len(v.names)-1]
	if plain(last) == "value" && len(n.names) > 1 {
		last = n.names[len(n.names)-2]
	}
	got := closeness(words(want), words(last), d.nouns)
	if plain(last) == plain(want) {
		got = exactly
	}
	if got < closely && slices.Contains(switchWords, plain(want)) && slices.Contains(switchWords, plain(last)) && (n.text == "true" || n.text == "false") {
		got = closely
	}
	around := append(slices.Clone(d.nouns), initials(d.nouns)...)
	for _, name := range n.names {
		around = slices.Concat(around, words(name), initials(words(name)))
	}
	if got < closely && len(v.names) > 1 && within(allWords(v.names), around) && common(words(want), words(last)) > 0 {
		got = closely
	}
	if above := allWords(v.names[:len(v.names)-1]); len(above) > 0 && (common(above, around) == 0 || 3*common(above, around) < len(above)) {
		return alien // of the same name, in something else
	}
	if got > loosely && len(telling(words(want))) < 2 && s.elsewhere(v, d, n) {
		got = loosely
	}
	return got
}

// initials are what names are shortened to: ttl, of time to live.
func initials(all []string) (short []string) {
	first := ""
	for _, w := range all {
		first += w[:1]
		if len(first) > 2 {
			short = append(short, first)
		}
	}
	return short
}

func allWords(names []string) (all []string) {
	for _, name := range names {
		all = append(all, telling(words(name))...)
	}
	return all
}

func closeness(want, last, nouns []string) alignment {
	told := telling(want)
	switch n := common(told, last); {
	case n == len(told) && len(without(telling(last), want)) <= 1:
		return closely
	case n > 0 && within(told, slices.Concat(last, nouns)) && len(without(telling(last), slices.Concat(told, nouns))) <= 1:
		return closely
	case n > 0 && 2*n >= len(told):
		return loosely
	case within(told, nouns) && common(telling(last), nouns) == 0 && slices.Contains([]string{"document", "value", "policy", "config", "status"}, last[max(0, len(last)-1)]):
		return closely
	}
	return alien
}

// elsewhere says whether a place stands among something that is no part of what the attribute is called.
func (s *scene) elsewhere(v *view, d *deed, n node) bool {
	known := slices.Concat(s.ids.words, d.nouns, fillers)
	for _, name := range v.names {
		known = append(known, words(name)...)
	}
	for _, name := range n.names[:len(n.names)-1] {
		if common(words(name), known) == 0 {
			return true
		}
	}
	return false
}

// sameNames compares names from the top; names of elements, [name=c], stand for themselves or for nothing.
func sameNames(attribute, place []string) bool {
	i := 0
	for _, name := range attribute {
		if strings.Contains(name, "=") && (i >= len(place) || place[i] != name) {
			continue
		}
		if i >= len(place) || plain(place[i]) != plain(name) {
			return false
		}
		i++
		for i < len(place) && isIndex(place[i]) {
			i++
		}
	}
	return i == len(place)
}

func isIndex(name string) bool {
	return name != "" && strings.Trim(name, "0123456789") == "" || name == "-"
}
