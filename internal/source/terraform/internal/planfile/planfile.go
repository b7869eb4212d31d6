// Package planfile reads what `show -json` of Terraform and OpenTofu says of a saved plan: what applying the code would do to each
// resource, and what had changed outside of the code.
//
// The two are kept apart. What code wants stands in "resource_changes" and is never drift, drift stands in "resource_drift" and is never
// pending: a resource may be in both. Data sources, outputs, checks and the hints of "relevant_attributes" are passed over.
//
// A plan is some hundred megabytes for a large stack, most of which nobody here needs. So it is read as a stream: one change
// is in memory at a time, and of one that changes nothing only the address stays.
//
// The format: OpenTofu, "JSON Output Format"; versions 1.x have one meaning for all that is read.
package planfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// A Plan is what a saved plan says.
type Plan struct {
	Tool    string // version of the tool that made it
	Errored bool   // it was given up half way: what it says of some resources, it may not say of others
	Partial bool   // the tool itself calls it incomplete, as with deferred changes or targets
	// Changes are of managed resources that applying the code would touch, moves and imports included.
	Changes []Change
	// Unchanged are the managed resources that it would not touch.
	Unchanged map[string]bool
	// Drift is what a refresh found, of managed resources. A plan that was made without one has none.
	Drift []Change
	// Deferred are the resources that the tool could not plan yet.
	Deferred []Deferred
}

// A Change is of one object of one managed resource. The values are JSON as the tool wrote it, of which [Value] makes something.
type Change struct {
	Address  string
	Previous string // the address in the state, where the code moved the resource; else empty
	Deposed  string // key of an object that waits to be destroyed
	Module   string
	Type     string
	Name     string
	Provider string // "registry.example/acme/cloud"
	Action   taffrail.Action

	Before, After                   json.RawMessage
	Unknown                         json.RawMessage // which parts of After are known at the apply alone
	BeforeSensitive, AfterSensitive json.RawMessage
}

// Recorded is the address under which the state holds the resource.
func (c *Change) Recorded() string {
	if c.Previous != "" {
		return c.Previous
	}
	return c.Address
}

// A Deferred is a resource that was not planned.
type Deferred struct{ Address, Reason string }

const hint = "use a version of the tool whose plans have format version 1"

// ErrTooLarge says that a plan, or one resource in it, is larger than what is read.
var ErrTooLarge = errors.New("larger than what is read of a plan")

// Limits bound what is read, in bytes.
type Limits struct {
	Total   int64
	Element int // one resource
}

// DefaultLimits are enough for a stack of a hundred thousand resources.
func DefaultLimits() Limits { return Limits{Total: 4 << 30, Element: 64 << 20} }

// Parse reads a plan to its end. A plan of an unknown format, or one that is cut, is an error: nothing may be concluded from a part.
func Parse(r io.Reader, limits Limits) (*Plan, error) { return ParseRefreshed(r, limits, nil) }

// ParseRefreshed is [Parse], and calls for each managed resource of the state as the plan's refresh left it, unless that is nil. It calls
// before it is known whether the plan can be believed.
func ParseRefreshed(r io.Reader, limits Limits, refreshed func(Object) error) (*Plan, error) {
	p := &Plan{Unchanged: map[string]bool{}}
	var version string
	fields := map[string]func(*scanner) error{
		"format_version":    func(s *scanner) error { return s.decode(&version) },
		"terraform_version": func(s *scanner) error { return s.decode(&p.Tool) },
		"errored":           func(s *scanner) error { return s.decode(&p.Errored) },
		"complete":          p.readComplete,
		"resource_changes":  func(s *scanner) error { return s.each(p.addChange) },
		"resource_drift":    func(s *scanner) error { return s.each(p.addDrift) },
		"deferred_changes":  func(s *scanner) error { return s.each(p.addDeferred) },
	}
	if refreshed != nil {
		fields["prior_state"] = func(s *scanner) error { return s.priorState(refreshed) }
	}
	s := newScanner(r, limits)
	err := s.object(func(name string) error {
		read := fields[name]
		if read == nil {
			return s.skip()
		}
		delete(fields, name)
		if err := read(s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, invalid("read plan: %w", err)
	}
	if major, _, _ := strings.Cut(version, "."); major != "1" {
		return nil, invalid("plan of format version %q, and only 1 is known", addr.Clip(version))
	}
	return p, nil
}

func invalid(format string, args ...any) error {
	return &taffrail.Error{Op: "read plan", Kind: taffrail.KindInvalid, Hint: hint, Err: fmt.Errorf(format, args...)}
}

func (p *Plan) readComplete(s *scanner) error {
	var complete *bool
	err := s.decode(&complete)
	p.Partial = complete != nil && !*complete
	return err
}

// wireChange is one element of "resource_changes" and "resource_drift".
type wireChange struct {
	Address  string `json:"address"`
	Previous string `json:"previous_address"`
	Module   string `json:"module_address"`
	Mode     string `json:"mode"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Provider string `json:"provider_name"`
	Deposed  string `json:"deposed"`
	Change   struct {
		Actions         []string        `json:"actions"`
		Before          json.RawMessage `json:"before"`
		After           json.RawMessage `json:"after"`
		Unknown         json.RawMessage `json:"after_unknown"`
		BeforeSensitive json.RawMessage `json:"before_sensitive"`
		AfterSensitive  json.RawMessage `json:"after_sensitive"`
		Importing       json.RawMessage `json:"importing"`
	} `json:"change"`
}

// read gives no change for what is no managed resource.
func (w *wireChange) read(raw []byte) (*Change, error) {
	if err := json.Unmarshal(raw, w); err != nil {
		return nil, err
	}
	switch {
	case w.Mode == "data":
		return nil, nil
	case w.Mode != "managed":
		return nil, fmt.Errorf("%s: its mode is %q", addr.Clip(w.Address), addr.Clip(w.Mode))
	case w.Address == "" || w.Type == "" || w.Name == "":
		return nil, errors.New("a resource has no address, no type or no name")
	}
	action, err := w.action()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr.Clip(w.Address), err)
	}
	c := &Change{
		Address: w.Address, Module: w.Module, Type: w.Type, Name: w.Name, Provider: w.Provider, Deposed: w.Deposed, Action: action,
		Before: w.Change.Before, After: w.Change.After, Unknown: w.Change.Unknown,
		BeforeSensitive: w.Change.BeforeSensitive, AfterSensitive: w.Change.AfterSensitive,
	}
	if w.Previous != w.Address {
		c.Previous = w.Previous
	}
	return c, nil
}

func (w *wireChange) action() (taffrail.Action, error) {
	importing := len(w.Change.Importing) > 0 && !bytes.Equal(w.Change.Importing, []byte("null"))
	switch actions := strings.Join(w.Change.Actions, ","); actions {
	case "no-op", "read":
		switch {
		case importing:
			return taffrail.ActionImport, nil
		case w.Previous != "" && w.Previous != w.Address:
			return taffrail.ActionMove, nil
		}
		return "", nil
	case "update":
		if importing {
			return taffrail.ActionImport, nil
		}
		return taffrail.ActionUpdate, nil
	case "create":
		return taffrail.ActionCreate, nil
	case "delete":
		return taffrail.ActionDelete, nil
	case "forget":
		return taffrail.ActionForget, nil
	case "delete,create", "create,delete", "create,forget", "forget,create":
		return taffrail.ActionReplace, nil
	}
	return "", fmt.Errorf("its actions %q are not known", slices.Clip(w.Change.Actions))
}

func (p *Plan) addChange(raw []byte) error {
	c, err := new(wireChange).read(raw)
	switch {
	case err != nil || c == nil:
		return err
	case c.isNominal():
		if c.Action = ""; c.Previous != "" {
			c.Action = taffrail.ActionMove
		}
	}
	switch {
	case c.Action == "":
		p.Unchanged[c.key()] = true
	default:
		p.Changes = append(p.Changes, *c)
	}
	return nil
}

// isNominal says whether an update changes nothing: the tools plan one where they took note of what is sensitive in other words
// before. OpenTofu does so right after an apply.
func (c *Change) isNominal() bool {
	if c.Action != taffrail.ActionUpdate {
		return false
	}
	before, err := decode(c.Before)
	if err != nil {
		return false
	}
	after, err := decode(c.After)
	if err != nil {
		return false
	}
	unknown, err := decode(c.Unknown)
	return err == nil && !holdsTrue(unknown) && reflect.DeepEqual(before, after)
}

func holdsTrue(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case []any:
		return slices.ContainsFunc(v, holdsTrue)
	case map[string]any:
		for _, e := range v {
			if holdsTrue(e) {
				return true
			}
		}
	}
	return false
}

// key tells the objects of one resource apart.
func (c *Change) key() string {
	if c.Deposed == "" {
		return c.Address
	}
	return c.Address + " (deposed " + c.Deposed + ")"
}

func (p *Plan) addDrift(raw []byte) error {
	c, err := new(wireChange).read(raw)
	if err == nil && c != nil && c.Action != taffrail.ActionMove && c.Action != "" && !c.isNominal() {
		p.Drift = append(p.Drift, *c)
	}
	return err
}

func (p *Plan) addDeferred(raw []byte) error {
	var w struct {
		Reason string `json:"reason"`
		Change struct {
			Address string `json:"address"`
		} `json:"resource_change"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	p.Deferred = append(p.Deferred, Deferred{Address: w.Change.Address, Reason: w.Reason})
	return nil
}
