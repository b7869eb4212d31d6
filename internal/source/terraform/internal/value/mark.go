package value

import (
	"encoding/json"
	"fmt"
)

// A Mark is the path to something that a state calls sensitive. The empty step stands for any element of a list.
type Mark []Step

// A Step is an attribute's name or a map's key, or any element of a list.
type Step struct {
	Name string
	Any  bool
}

// ParseMarks reads a state's "sensitive_attributes": a list of paths, each a list of steps
// {"type": "get_attr", "value": "name"} or {"type": "index", "value": {"type": "string", "value": "key"}}.
//
// An index in a list means every element: had the list moved by one since, the secret would stand at another index.
func ParseMarks(raw json.RawMessage) ([]Mark, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var paths [][]struct {
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(raw, &paths); err != nil {
		return nil, fmt.Errorf("sensitive_attributes: %w", err)
	}
	marks := make([]Mark, len(paths))
	for i, path := range paths {
		for _, s := range path {
			step, err := parseStep(s.Type, s.Value)
			if err != nil {
				return nil, fmt.Errorf("sensitive_attributes, path %d: %w", i, err)
			}
			marks[i] = append(marks[i], step)
		}
	}
	return marks, nil
}

func parseStep(kind string, raw json.RawMessage) (Step, error) {
	switch kind {
	case "get_attr":
		var name string
		err := json.Unmarshal(raw, &name)
		return Step{Name: name}, err
	case "index":
		var index struct {
			Type  string          `json:"type"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(raw, &index); err != nil {
			return Step{}, err
		}
		var key string
		if index.Type == "string" && json.Unmarshal(index.Value, &key) == nil {
			return Step{Name: key}, nil
		}
		return Step{Any: true}, nil
	}
	return Step{}, fmt.Errorf("a step of type %q", kind)
}

// Marked says whether the state calls an attribute of the resource sensitive, as a whole or in part.
func (c *Converter) Marked(name string) bool {
	return marksWhole(c.Marks) || len(below(c.Marks, name)) > 0
}

// marksWhole says whether one of the marks has come to its end.
func marksWhole(marks []Mark) bool {
	for _, m := range marks {
		if len(m) == 0 {
			return true
		}
	}
	return false
}

// below gives the rest of those marks that go on with this name.
func below(marks []Mark, name string) []Mark {
	var rest []Mark
	for _, m := range marks {
		if m[0].Any || m[0].Name == name {
			rest = append(rest, m[1:])
		}
	}
	return rest
}

// belowAny gives the rest of all marks: an element has no name that would tell one mark from another.
func belowAny(marks []Mark) []Mark {
	rest := make([]Mark, 0, len(marks))
	for _, m := range marks {
		rest = append(rest, m[1:])
	}
	return rest
}
