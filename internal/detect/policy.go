package detect

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// isPolicy says whether a document is an access policy in the grammar of AWS IAM: statements that allow or deny.
func isPolicy(v taffrail.Value) bool {
	statements, ok := v.Field("Statement")
	if !ok {
		return false
	}
	for _, s := range many(statements) {
		effect, hasEffect := s.Field("Effect")
		_, hasAction := s.Field("Action")
		_, hasNotAction := s.Field("NotAction")
		if !hasEffect || effect.Shape() != taffrail.ShapeString || hasAction == hasNotAction {
			return false
		}
	}
	return true
}

// plainPolicy brings a policy into one form of all those that mean the same by the grammar: the order of statements and of values
// says nothing, one value stands for a list of it, actions and the names of condition keys have no case, and an account's root is the
// account. Everything else stays: a principal that became an ID of its own is one that was deleted.
//
// See "Grammar of the IAM JSON policy language" and "AWS JSON policy elements: Principal" in AWS' user guide.
func plainPolicy(v taffrail.Value) taffrail.Value {
	return mapFields(v, func(name string, field taffrail.Value) (string, taffrail.Value) {
		if name != "Statement" {
			return name, field
		}
		statements := many(field)
		for i, s := range statements {
			statements[i] = plainStatement(s)
		}
		return name, taffrail.Set(statements...)
	})
}

func plainStatement(s taffrail.Value) taffrail.Value {
	return mapFields(s, func(name string, field taffrail.Value) (string, taffrail.Value) {
		switch name {
		case "Action", "NotAction":
			return name, setOf(field, strings.ToLower)
		case "Resource", "NotResource":
			return name, setOf(field, asItIs)
		case "Principal", "NotPrincipal":
			return name, plainPrincipal(field)
		case "Condition":
			return name, plainCondition(field)
		}
		return name, field
	})
}

var accountRoot = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):root$`)

func plainPrincipal(v taffrail.Value) taffrail.Value {
	if v.Shape() == taffrail.ShapeString && v.Text() == "*" { // anyone, as {"AWS": "*"}
		return taffrail.Map(map[string]taffrail.Value{"AWS": taffrail.Set(v)})
	}
	return mapFields(v, func(kind string, who taffrail.Value) (string, taffrail.Value) {
		return kind, setOf(who, func(text string) string {
			if m := accountRoot.FindStringSubmatch(text); m != nil && kind == "AWS" {
				return m[1]
			}
			return text
		})
	})
}

func plainCondition(v taffrail.Value) taffrail.Value {
	return mapFields(v, func(operator string, keys taffrail.Value) (string, taffrail.Value) {
		return operator, mapFields(keys, func(key string, values taffrail.Value) (string, taffrail.Value) {
			return strings.ToLower(key), setOf(values, asItIs)
		})
	})
}

func asItIs(text string) string { return text }

// many gives the elements of a list, or the one value that stands for a list of it.
func many(v taffrail.Value) []taffrail.Value {
	if v.Shape() == taffrail.ShapeList {
		return slices.Collect(v.Elems())
	}
	return []taffrail.Value{v}
}

// setOf gives texts as a set, each once. A number or truth stands for its text, as conditions have it.
func setOf(v taffrail.Value, fold func(string) string) taffrail.Value {
	seen := map[string]taffrail.Value{}
	for _, e := range many(v) {
		switch e.Shape() {
		case taffrail.ShapeString, taffrail.ShapeNumber:
			e = taffrail.String(fold(e.Text()))
		case taffrail.ShapeBool:
			e = taffrail.String(map[bool]string{true: "true", false: "false"}[e.Truth()])
		}
		seen[string(e.AppendCanonical(nil))] = e
	}
	return taffrail.Set(slices.Collect(maps.Values(seen))...)
}

// mapFields gives a map anew, each field by f. What is no map stays, and so does one in which two names would become one.
func mapFields(v taffrail.Value, f func(string, taffrail.Value) (string, taffrail.Value)) taffrail.Value {
	if v.Shape() != taffrail.ShapeMap {
		return v
	}
	fields := map[string]taffrail.Value{}
	for name, field := range v.Fields() {
		name, field = f(name, field)
		fields[name] = field
	}
	if len(fields) != v.Len() {
		return v
	}
	return taffrail.Map(fields)
}
