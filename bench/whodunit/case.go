package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A resource is one as a case has it.
type resource struct {
	Address string         `json:"address"`
	Type    string         `json:"type"`
	IDs     []string       `json:"ids"`
	Before  map[string]any `json:"before"`
	After   map[string]any `json:"after"`
	Sets    []string       `json:"sets"`
}

// A whodunitCase is one line of a file of cases.
type whodunitCase struct {
	Format    string     `json:"format"`
	ID        string     `json:"id"`
	Window    window     `json:"window"`
	Resources []resource `json:"resources"`
	Events    []events   `json:"events"`
	Now       time.Time  `json:"now"`
	LogHealth []health   `json:"log_health,omitempty"`
}

// health says until when a source has delivered all that it will.
type health struct {
	Source        string    `json:"source"`
	CompleteUntil time.Time `json:"complete_until"`
}

type window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

type events struct {
	Source  string           `json:"source"`
	Records []map[string]any `json:"records"`
}

// A label is the truth about one change. It is never in a case.
type label struct {
	Case    string          `json:"case"`
	Address string          `json:"address"`
	Path    string          `json:"path"`
	Element json.RawMessage `json:"element"`
	Event   string          `json:"event"`
	Actor   string          `json:"actor"`
	Present bool            `json:"present"`
	Kind    string          `json:"kind"`   // of resource, for the table
	Person  bool            `json:"person"` // the actor is a person
}

// An item is a case with its labels, and what it belongs to.
type item struct {
	c       whodunitCase
	labels  []label
	corpus  string
	seed    int
	missing float64
}

// log names the log that a case is from, and its state.
func (it item) log() string { return fmt.Sprintf("%s, %.0f %% missing", it.corpus, it.missing*100) }

// flat lists the values of a resource by the path that the format gives them; elements of sets have keys of their own.
func flat(attributes map[string]any, sets []string) map[string]string {
	out := map[string]string{}
	flatten(out, nil, attributes, sets)
	return out
}

// between parts the path of a set from the element in a key.
const between = "\x00"

func flatten(out map[string]string, path []string, v any, sets []string) {
	name := strings.Join(path, ".")
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			flatten(out, append(slices.Clone(path), k), e, sets)
		}
	case []any:
		for i, e := range v {
			if slices.Contains(sets, name) {
				out[name+between+text(e)] = "present"
				continue
			}
			if key := mergeKey(path, e); key != "" {
				flatten(out, append(slices.Clone(path[:len(path)-1]), path[len(path)-1]+key), e, sets)
				continue
			}
			flatten(out, append(slices.Clone(path), fmt.Sprint(i)), e, sets)
		}
	case nil:
	default:
		if s := text(v); s != `""` {
			out[name] = s
		}
	}
}

// mergeKey names the element of a list of Kubernetes that merges by name.
func mergeKey(path []string, e any) string {
	m, ok := e.(map[string]any)
	list := ""
	if len(path) > 0 {
		list, _, _ = strings.Cut(path[len(path)-1], "[")
	}
	if !ok || !slices.Contains([]string{"containers", "env", "volumes", "initContainers"}, list) {
		return ""
	}
	name, _ := m["name"].(string)
	return "[name=" + name + "]"
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// changed lists the keys at which two flat resources differ.
func changed(a, b map[string]string) (keys []string) {
	for k, v := range a {
		if b[k] != v {
			keys = append(keys, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// labelOf is the label of a change, without its truth.
func labelOf(c, address, key string) label {
	path, element, ok := strings.Cut(key, between)
	l := label{Case: c, Address: address, Path: path}
	if ok {
		l.Element = json.RawMessage(element)
	}
	return l
}

func clone(v map[string]any) map[string]any {
	var out map[string]any
	if err := json.Unmarshal([]byte(text(v)), &out); err != nil {
		panic(err)
	}
	return out
}
