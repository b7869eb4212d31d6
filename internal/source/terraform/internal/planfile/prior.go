package planfile

import (
	"encoding/json"
	"errors"
)

// An Object is a managed resource of the state that a plan starts from.
type Object struct {
	Address   string
	Deposed   string
	Type      string
	Values    json.RawMessage
	Sensitive json.RawMessage
}

// maxDepth is how deep modules nest at most.
const maxDepth = 200

// priorState goes through the modules of a state.
func (s *scanner) priorState(take func(Object) error) error {
	return s.only("values", func() error {
		return s.only("root_module", func() error { return s.module(take, 0) })
	})
}

// only reads one field of an object and passes over all others.
func (s *scanner) only(wanted string, read func() error) error {
	return s.object(func(name string) error {
		if name == wanted {
			return read()
		}
		return s.skip()
	})
}

func (s *scanner) module(take func(Object) error, depth int) error {
	if depth > maxDepth {
		return errors.New("modules nest too deep")
	}
	return s.object(func(name string) error {
		switch name {
		case "resources":
			return s.each(func(raw []byte) error { return takeObject(raw, take) })
		case "child_modules":
			return s.list(func() error { return s.module(take, depth+1) })
		}
		return s.skip()
	})
}

func takeObject(raw []byte, take func(Object) error) error {
	var w struct {
		Address   string          `json:"address"`
		Mode      string          `json:"mode"`
		Type      string          `json:"type"`
		Deposed   string          `json:"deposed_key"`
		Values    json.RawMessage `json:"values"`
		Sensitive json.RawMessage `json:"sensitive_values"`
	}
	if err := json.Unmarshal(raw, &w); err != nil || w.Mode != "managed" {
		return err
	}
	return take(Object{Address: w.Address, Deposed: w.Deposed, Type: w.Type, Values: w.Values, Sensitive: w.Sensitive})
}
