package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// appendStep is the step that stands for the place after a list's last element.
const appendStep = "+"

// parsePath splits a dotted path: tags.team, rules.0.cidrs.+, tags."a.b". A step
// in double quotes is a JSON string.
func parsePath(s string) ([]string, error) {
	var steps []string
	for rest := s; ; {
		step, after, err := cutStep(rest)
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", s, err)
		}
		steps = append(steps, step)
		if after == "" {
			return steps, nil
		}
		if after[0] != '.' {
			return nil, fmt.Errorf("path %q: want a dot before %q", s, after)
		}
		rest = after[1:]
	}
}

func cutStep(s string) (step, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		quoted, err := quotedPrefix(s)
		if err != nil {
			return "", "", err
		}
		err = json.Unmarshal([]byte(quoted), &step)
		return step, s[len(quoted):], err
	}
	i := strings.IndexByte(s, '.')
	if i < 0 {
		i = len(s)
	}
	if i == 0 {
		return "", "", errors.New("a step is empty")
	}
	return s[:i], s[i:], nil
}

// quotedPrefix returns the JSON string that s starts with, quotes included.
func quotedPrefix(s string) (string, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i+1], nil
		}
	}
	return "", errors.New("a quote is not closed")
}

// An assignment is path=value from the command line.
type assignment struct {
	path  []string
	value any
}

// parseAssignment reads PATH=VALUE. The value is JSON; text that does not look
// like JSON is taken as a string.
func parseAssignment(s string) (assignment, error) {
	i := equalSign(s)
	if i < 0 {
		return assignment{}, fmt.Errorf("%q: want PATH=VALUE", s)
	}
	path, err := parsePath(s[:i])
	if err != nil {
		return assignment{}, err
	}
	value, err := parseValue(s[i+1:])
	if err != nil {
		return assignment{}, fmt.Errorf("%s: %w", s[:i], err)
	}
	return assignment{path: path, value: value}, nil
}

// equalSign finds the first = outside of quotes.
func equalSign(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '=' && !quoted:
			return i
		}
	}
	return -1
}

func parseValue(s string) (any, error) {
	var v any
	err := api.Decode(strings.NewReader(s), &v)
	if err == nil {
		return v, nil
	}
	if s != "" && strings.ContainsRune(`[{"`, rune(s[0])) {
		return nil, fmt.Errorf("value %s: %w", s, err)
	}
	return s, nil
}

// setAt returns v with value at path. Objects on the way are made where they are
// missing; lists are not, and grow at their end alone.
func setAt(v any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	switch v := v.(type) {
	case nil:
		return setAt(map[string]any{}, path, value)
	case map[string]any:
		inner, err := setAt(v[path[0]], path[1:], value)
		if err != nil {
			return nil, within(path[0], err)
		}
		v[path[0]] = inner
		return v, nil
	case []any:
		return setInList(v, path, value)
	}
	return nil, fmt.Errorf("%q leads into %s, which has nothing inside", path[0], encoded(v))
}

func setInList(list []any, path []string, value any) (any, error) {
	if path[0] == appendStep {
		list = append(list, nil)
		path = append([]string{strconv.Itoa(len(list) - 1)}, path[1:]...)
	}
	i, err := index(list, path[0])
	if err != nil {
		return nil, err
	}
	inner, err := setAt(list[i], path[1:], value)
	if err != nil {
		return nil, within(path[0], err)
	}
	list[i] = inner
	return list, nil
}

// unsetAt returns v without what is at path, which must be there.
func unsetAt(v any, path []string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		inner, ok := v[path[0]]
		if !ok {
			return nil, fmt.Errorf("there is no %q", path[0])
		}
		if len(path) == 1 {
			delete(v, path[0])
			return v, nil
		}
		inner, err := unsetAt(inner, path[1:])
		if err != nil {
			return nil, within(path[0], err)
		}
		v[path[0]] = inner
		return v, nil
	case []any:
		i, err := index(v, path[0])
		if err != nil {
			return nil, err
		}
		if len(path) == 1 {
			return append(v[:i], v[i+1:]...), nil
		}
		inner, err := unsetAt(v[i], path[1:])
		if err != nil {
			return nil, within(path[0], err)
		}
		v[i] = inner
		return v, nil
	}
	return nil, fmt.Errorf("%q leads into %s, which has nothing inside", path[0], encoded(v))
}

func index(list []any, step string) (int, error) {
	i, err := strconv.Atoi(step)
	if err != nil {
		return 0, fmt.Errorf("%q is no place in a list: want a number, or + for a new last element", step)
	}
	if i < 0 || i >= len(list) {
		return 0, fmt.Errorf("there is no element %d in a list of %d", i, len(list))
	}
	return i, nil
}

func within(step string, err error) error { return fmt.Errorf("in %s: %w", step, err) }

func encoded(v any) string {
	content, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(content)
}
