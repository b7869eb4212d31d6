package correlate

import (
	"slices"

	"github.com/taffrail-dev/taffrail"
)

// contradicts says whether what stands in a request is about another thing than the one that is known: a field that both have, by its name, holds
// another value. Of lists it is enough that they share a member: providers group what requests name one by one.
func contradicts(own, given taffrail.Value) bool {
	for name, held := range own.Fields() {
		if name == "id" || held.IsNull() || held.IsUnknown() {
			continue
		}
		for other, g := range given.Fields() {
			if sameField(name, other) && apartFrom(held, g) {
				return true
			}
		}
	}
	return false
}

// fieldEndings may end the name of a field on one side alone: policy and policyArn.
var fieldEndings = []string{"arn", "id", "name", "identifier", "url"}

// sameField says whether two names mean the same field, whatever they are written like.
func sameField(a, b string) bool {
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

// apartFrom says whether two values have nothing in common.
func apartFrom(a, b taffrail.Value) bool {
	x, y := forms(a), forms(b)
	return len(x) > 0 && len(y) > 0 && common(x, y) == 0
}

// forms are the texts of a value, and the names in those that are ARNs or URLs.
func forms(v taffrail.Value) (all []string) {
	for _, text := range atoms(v) {
		all = append(all, eventForms(text)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
