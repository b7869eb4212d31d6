package action

import (
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// A Call is an action with its request.
type Call struct {
	Action     string
	Attributes map[string]any
}

// Split gives the calls that bring a patch about: only what changes is called
// for, sets by what comes and what goes, maps by their keys. What no action can
// change is left over.
func Split(kind string, before, patch map[string]any) (calls []Call, left map[string]any) {
	left = map[string]any{}
	set := map[string]map[string]any{} // one call of an action for all that it sets
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		v := patch[name]
		if api.Equal(before[name], v) {
			continue
		}
		own, ok := forAttribute(Kinds[kind].Actions, name, before[name], v)
		if !ok {
			left[name] = v
			continue
		}
		for _, c := range own {
			if a, _ := Find(kind, c.Action); a.Op == Set {
				if set[c.Action] != nil {
					maps.Copy(set[c.Action], c.Attributes)
					continue
				}
				set[c.Action] = c.Attributes
			}
			calls = append(calls, c)
		}
	}
	return calls, left
}

// forAttribute gives the calls that change one attribute.
func forAttribute(all []Action, name string, before, after any) (calls []Call, ok bool) {
	for _, a := range all {
		if !slices.Contains(a.Attributes, name) {
			continue
		}
		switch a.Op {
		case Fix:
			if api.Equal(a.Value, after) {
				return []Call{{a.Name, map[string]any{}}}, true
			}
		case Clear:
			if after == nil {
				return []Call{{a.Name, map[string]any{}}}, true
			}
		case Set:
			if after != nil || !cleared(all, name) {
				return []Call{{a.Name, map[string]any{name: after}}}, true
			}
		case Add:
			return membersOf(all, name, before, after), true
		case Merge:
			return keysOf(all, name, before, after), true
		}
	}
	return nil, false
}

func cleared(all []Action, name string) bool {
	return slices.ContainsFunc(all, func(a Action) bool { return a.Op == Clear && slices.Contains(a.Attributes, name) })
}

// one gives the action with an op on an attribute. Ops of sets and maps come in
// pairs, which a test says.
func one(all []Action, op Op, attribute string) Action {
	return all[slices.IndexFunc(all, func(a Action) bool { return a.Op == op && slices.Contains(a.Attributes, attribute) })]
}

// callsFor are the calls of an action for some elements, and callsOf for some keys.
func callsFor(a Action, attribute string, elements []any) (calls []Call) {
	switch {
	case len(elements) == 0:
		return nil
	case !a.Single:
		return []Call{{a.Name, map[string]any{attribute: elements}}}
	}
	for _, e := range elements {
		calls = append(calls, Call{a.Name, map[string]any{attribute: []any{e}}})
	}
	return calls
}

func callsOf(a Action, attribute string, keys map[string]any) (calls []Call) {
	switch {
	case len(keys) == 0:
		return nil
	case !a.Single:
		return []Call{{a.Name, map[string]any{attribute: keys}}}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		calls = append(calls, Call{a.Name, map[string]any{attribute: map[string]any{k: keys[k]}}})
	}
	return calls
}

func membersOf(all []Action, name string, before, after any) []Call {
	was, _ := before.([]any)
	is, _ := after.([]any)
	return append(callsFor(one(all, Add, name), name, without(is, was)), callsFor(one(all, Remove, name), name, without(was, is))...)
}

func without(a, b []any) []any {
	return slices.DeleteFunc(slices.Clone(a), func(e any) bool { return contains(b, e) })
}

func keysOf(all []Action, name string, before, after any) []Call {
	was, _ := before.(map[string]any)
	is, _ := after.(map[string]any)
	come, gone := map[string]any{}, map[string]any{}
	for k, v := range is {
		if !api.Equal(was[k], v) {
			come[k] = v
		}
	}
	for k := range was {
		if _, ok := is[k]; !ok {
			gone[k] = nil
		}
	}
	return append(callsOf(one(all, Merge, name), name, come), callsOf(one(all, Drop, name), name, gone)...)
}
