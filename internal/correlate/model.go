package correlate

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// An op says what an effect does to an attribute.
type op string

const (
	opSet     op = "set"            // to what stands in the request, if it does
	opUnset   op = "unset"          // to nothing
	opAdd     op = "add"            // elements of a set, or keys of a map
	opRemove  op = "remove"         // likewise
	opReplace op = "replace-family" // elements or keys that are not in the request go
	opDelta   op = "delta"          // a number grows by what stands in the request
	opOpaque  op = "opaque"         // to something that cannot be seen
)

var ops = []op{opSet, opUnset, opAdd, opRemove, opReplace, opDelta, opOpaque}

// An effect is what an event does to one attribute of a resource.
type effect struct {
	path    []string // from the top of the resource
	op      op
	from    string // where in the request it stands, dotted; empty: the whole request
	literal string // what it is set to, if that does not stand in the request
	fixed   bool
	types   []string // types of resources that it is about; none: all that have the attribute
}

// Models are what events are known to do, as data.
type Models struct {
	effects  map[string][]effect
	services []prefixed
	words    map[string][]string
	grouped  map[string][]string
	grades   map[grade]graded
}

type prefixed struct{ prefix, service string }

//go:embed models.json
var builtin []byte

//go:embed confidence.json
var confidence []byte

// modelFile is the form of a file of models. An effect is one line: path, op, and either where in the request the value stands, or
// =value. An event that is null is not known any more. The types it is about may follow in brackets: `ingress add ipPermissions [aws_security_group]`.
type modelFile struct {
	Services map[string]string   `json:"services"` // the first words of a type -> the service of its API
	Words    map[string]string   `json:"words"`    // a type -> what its API calls it, where the type's name has other words
	Grouped  map[string][]string `json:"grouped"`  // a type -> the sets in whose elements its provider groups what requests name one by one
	Events   map[string][]string `json:"events"`
}

// LoadModels gives the models that are built in, and those of files of the same form, which win.
func LoadModels(files ...[]byte) (*Models, error) {
	m := &Models{effects: map[string][]effect{}, words: map[string][]string{}, grouped: map[string][]string{}}
	for i, text := range append([][]byte{builtin}, files...) {
		if err := m.add(text); err != nil {
			return nil, fmt.Errorf("models, file %d: %w", i, err)
		}
	}
	slices.SortFunc(m.services, func(a, b prefixed) int { return len(b.prefix) - len(a.prefix) })
	var err error
	m.grades, err = loadGrades(confidence)
	return m, err
}

func (m *Models) add(text []byte) error {
	var file modelFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return fmt.Errorf("read models: %w", err)
	}
	for _, prefix := range slices.Sorted(maps.Keys(file.Services)) {
		m.services = append(m.services, prefixed{prefix, file.Services[prefix]})
	}
	for kind, called := range file.Words {
		m.words[kind] = strings.Fields(called)
	}
	maps.Copy(m.grouped, file.Grouped)
	for _, event := range slices.Sorted(maps.Keys(file.Events)) {
		if service, operation, ok := strings.Cut(event, ":"); !ok || service == "" || operation == "" {
			return fmt.Errorf("event %q is not service:Operation", event)
		}
		if file.Events[event] == nil {
			delete(m.effects, event)
			continue
		}
		effects, err := parseEffects(file.Events[event])
		if err != nil {
			return fmt.Errorf("event %s: %w", event, err)
		}
		m.effects[event] = effects
	}
	return nil
}

func parseEffects(lines []string) ([]effect, error) {
	var all []effect
	for _, line := range lines {
		e, err := parseEffect(line)
		if err != nil {
			return nil, fmt.Errorf("effect %q: %w", line, err)
		}
		all = append(all, e)
	}
	return all, nil
}

func parseEffect(line string) (effect, error) {
	var e effect
	if head, types, ok := strings.Cut(line, " ["); ok {
		if !strings.HasSuffix(types, "]") {
			return e, fmt.Errorf("the types are not closed by ]")
		}
		e.types = strings.Fields(strings.TrimSuffix(types, "]"))
		line = head
	}
	parts := strings.Fields(line)
	if len(parts) < 2 || len(parts) > 3 {
		return e, fmt.Errorf("it is not: path op [where]")
	}
	if parts[0] != "." {
		e.path = strings.Split(parts[0], ".")
	}
	e.op = op(parts[1])
	if !slices.Contains(ops, e.op) {
		return e, fmt.Errorf("%q is none of %v", parts[1], ops)
	}
	if len(parts) == 3 {
		e.literal, e.fixed = strings.CutPrefix(parts[2], "=")
		if !e.fixed {
			e.from, e.literal = parts[2], ""
		}
	}
	return e, e.check()
}

func (e effect) check() error {
	valueless := e.op == opUnset || e.op == opOpaque
	switch {
	case valueless && (e.fixed || e.from != ""):
		return fmt.Errorf("%s takes no value", e.op)
	case !valueless && !e.fixed && e.from == "" && e.op != opRemove && e.op != opAdd && e.op != opSet:
		return fmt.Errorf("%s needs to know where the value stands", e.op)
	}
	return nil
}

// serviceOf is the service that has the resources of a type, as actions name it; empty if that is not known.
func (m *Models) serviceOf(kind string) string {
	for _, p := range m.services {
		if rest, ok := strings.CutPrefix(kind, p.prefix); ok && (rest == "" || rest[0] == '_') {
			return p.service
		}
	}
	if rest, ok := strings.CutPrefix(kind, "aws_"); ok {
		service, _, _ := strings.Cut(rest, "_")
		return service
	}
	return ""
}

// of are the effects that an event has on an attribute of a resource, and whether the event is known at all.
func (m *Models) of(action string, kind taffrail.ResourceType, names []string) (effects []effect, known bool) {
	all, known := m.effects[action]
	for _, e := range all {
		if (len(e.types) == 0 || slices.Contains(e.types, string(kind))) && leads(e.path, names) {
			effects = append(effects, e)
		}
	}
	return effects, known
}

// leads says whether an attribute is the one that an effect is about, or stands below it. tags_all is tags and what the provider adds.
func leads(path, names []string) bool {
	if len(path) > len(names) || len(path) == 0 && len(names) > 0 {
		return false
	}
	for i, name := range path {
		got := plain(names[i])
		if plain(name) != got && (plain(name) != "tags" || got != "tagsall") {
			return false
		}
	}
	return true
}
