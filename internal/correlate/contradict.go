package correlate

import (
	"iter"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// contradicts says whether what stands in a request is about another thing than the one that is known: a field that both have, by its name, holds
// another value. Of lists it is enough that they share a member: providers group what requests name one by one. Kind are the words of the type
// of what is known, if it is more than a part of a resource: its name may stand under them.
func contradicts(own, given taffrail.Value, kind []string) bool {
	for name, held := range own.Fields() {
		if name == "id" || held.IsNull() || held.IsUnknown() {
			continue
		}
		for other, g := range given.Fields() {
			if sameField(name, other, kind) && (apartFrom(held, g) || refers(held, other, g)) && !isItsName(own, other, g, kind) {
				return true
			}
		}
	}
	return false
}

// isItsName says whether a field of a request means the name of what is known: "policyName" is the name of a policy, and no policy.
func isItsName(own taffrail.Value, field string, given taffrail.Value, kind []string) bool {
	for name, held := range own.Fields() {
		if headed(name, field, kind) && !apartFrom(held, given) {
			return true
		}
	}
	return false
}

// fieldEndings may end the name of a field on one side alone: policy and policyArn.
var fieldEndings = []string{"arn", "id", "name", "identifier", "url"}

// sameField says whether two names mean the same field, whatever they are written like.
func sameField(a, b string, kind []string) bool {
	if headed(a, b, kind) {
		return true
	}
	x, y := words(a), words(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	if len(x) == 0 || !slices.Equal(x, y[:len(x)]) {
		return false
	}
	rest := y[len(x):]
	return len(rest) == 0 || len(rest) == 1 && slices.Contains(fieldEndings, rest[0])
}

// headed says whether a field of a request is a field of the resource under the resource's own word: of a role's policy, "policyName" is the name,
// and "roleName" is not.
func headed(own, field string, kind []string) bool {
	x, y := words(own), words(field)
	head := len(y) - len(x)
	if len(x) != 1 || !slices.Contains(fieldEndings, x[0]) || head < 1 || head > len(kind) || y[len(y)-1] != x[0] {
		return false
	}
	return slices.Equal(y[:head], kind[len(kind)-head:])
}

// apartFrom says whether two values have nothing in common. A document is compared with documents alone.
func apartFrom(a, b taffrail.Value) bool {
	if (document(a).Len() > 0) != (document(b).Len() > 0) && (isDocument(a) || isDocument(b)) {
		return false
	}
	x, y := forms(a), forms(b)
	return len(x) > 0 && len(y) > 0 && common(x, y) == 0
}

// refers says whether a field of a request refers to a thing of its own where the resource holds the document itself: who attaches a policy by its
// ARN leaves the policy alone that stands in the role.
func refers(held taffrail.Value, field string, given taffrail.Value) bool {
	all := words(field)
	last := all[max(0, len(all)-1):]
	return isDocument(held) && given.Len() == 0 && !isDocument(given) && within(last, []string{"arn", "id", "identifier", "url"})
}

// switchedApart says whether two things each have one switch, by whatever name, and one is on and the other off.
func switchedApart(a, b taffrail.Value) bool {
	x, y := switches(a), switches(b)
	return len(x) == 1 && len(y) == 1 && x[0] != y[0]
}

// switches are the truth values in a value.
func switches(v taffrail.Value) (all []string) {
	for _, n := range nodes(v) {
		if n.text == "true" || n.text == "false" {
			all = append(all, n.text)
		}
	}
	return all
}

// forms are the texts of a value, and the names in those that are ARNs or URLs.
func forms(v taffrail.Value) (all []string) {
	for _, text := range atoms(v) {
		all = append(all, eventForms(text)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func isDocument(v taffrail.Value) bool {
	return v.Shape() == taffrail.ShapeString && document(v).Shape() != taffrail.ShapeString
}

// another says whether an event is about another part of the object than the resource is: what the request tells parts apart by is not the
// resource's own. Such are fields of the resource that stayed as they were, and that the event is not known to write.
func (s *scene) another(e *act) bool {
	effects := s.models.effects[e.Action]
	for field, given := range e.Request.Fields() {
		if given.Len() > 0 || s.ids.names(e.Action, node{[]string{field}, given, textOf(given)}) || writes(effects, field) {
			continue
		}
		if s.inlined(field, given) {
			return true
		}
		for name, held := range s.held() {
			if !sameField(name, field, s.ids.words) || !apartFrom(held, given) || isItsName(s.constant(), field, given, s.ids.words) {
				continue
			}
			if e.verb != verbSet || headed(name, field, s.ids.words) {
				return true
			}
		}
	}
	return false
}

// inlined says whether the resource holds the document itself where a field refers to one.
func (s *scene) inlined(field string, given taffrail.Value) bool {
	for _, side := range []taffrail.Value{s.Before, s.After} {
		for name, held := range side.Fields() {
			if sameField(name, field, nil) && refers(held, field, given) {
				return true
			}
		}
	}
	return false
}

// writes says whether one of the effects takes its value from a field of the request.
func writes(effects []effect, field string) bool {
	return slices.ContainsFunc(effects, func(e effect) bool {
		top, _, _ := strings.Cut(e.from, ".")
		return plain(top) == plain(field)
	})
}

// constant is the resource as far as it was the same before and after.
func (s *scene) constant() taffrail.Value {
	if s.same == nil {
		s.same = new(sameIn(s.Before, s.After))
	}
	return *s.same
}

func sameIn(before, after taffrail.Value) taffrail.Value {
	switch {
	case before.Len() == 0:
		return after
	case after.Len() == 0:
		return before
	}
	fields := map[string]taffrail.Value{}
	for name, v := range before.Fields() {
		if now, ok := after.Field(name); ok && canon(now) == canon(v) {
			fields[name] = v
		}
	}
	return taffrail.Object(fields)
}

// held are the fields of the resource that may tell it from other parts of the same object: scalars that stayed as they were.
func (s *scene) held() iter.Seq2[string, taffrail.Value] {
	return func(yield func(string, taffrail.Value) bool) {
		for name, v := range s.constant().Fields() {
			if name != "id" && v.Len() == 0 && !v.IsNull() && !v.IsUnknown() && !isDocument(v) && !yield(name, v) {
				return
			}
		}
	}
}
