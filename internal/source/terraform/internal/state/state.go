// Package state reads the state files of Terraform and OpenTofu, format version 4.
//
// Nothing of what a file holds is interpreted here that needs a provider's schema: attributes stay the JSON that they are.
// A file that cannot be read is refused with the place and what to do about it; it is never read in part.
package state

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A Header says which version of which state a file holds.
type Header struct {
	Lineage string
	Serial  int64
	Tool    string // version of Terraform or OpenTofu that wrote it
}

// A State is a state file.
type State struct {
	Header
	Instances []Instance // managed resources only, in the order of the file

	seen map[string]bool
}

// An Instance is one object of one managed resource.
type Instance struct {
	Module  string // address of the module instance; empty for the root
	Type    string
	Name    string
	Key     addr.Key
	Deposed string // key of an object that waits to be destroyed; empty for the current one
	Tainted bool

	Provider        addr.ProviderConfig
	SchemaVersion   int64
	Attributes      json.RawMessage
	Flat            map[string]string // attributes, in states from before Terraform 0.12
	Marks           []value.Mark      // sensitive
	Private         []byte
	Identity        json.RawMessage // nil where there is none
	IdentityVersion int64
}

// Address is the address of the instance, without its deposed key.
func (i *Instance) Address() string { return addr.Instance(i.Module, i.Type, i.Name, i.Key) }

// Read reads a state file.
func Read(path string) (*State, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	s, err := Parse(data)
	return s, named(err, path)
}

// ReadHeader reads which version a file holds, and checks no more than that needs.
func ReadHeader(path string) (Header, error) {
	data, err := readFile(path)
	if err != nil {
		return Header{}, err
	}
	h, err := ParseHeader(data)
	return h, named(err, path)
}

// ParseHeader is [ReadHeader] for the bytes of a state file.
func ParseHeader(data []byte) (Header, error) {
	f, err := parseTop(data)
	return f.header(), err
}

// named puts the file's name before what is wrong with it.
func named(err error, path string) error {
	var e *taffrail.Error
	if errors.As(err, &e) {
		e.Err = fmt.Errorf("%s: %w", path, e.Err)
	}
	return err
}

func invalid(hint, format string, args ...any) error {
	return &taffrail.Error{Op: "read state", Kind: taffrail.KindInvalid, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// Parse reads the bytes of a state file.
func Parse(data []byte) (*State, error) {
	f, err := parseTop(data)
	if err != nil {
		return nil, err
	}
	s := &State{Header: f.header(), seen: map[string]bool{}}
	for i, raw := range f.Resources {
		var r resourceJSON
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, invalid(hintBroken, "resource %d (%s): %w", i, addr.Clip(r.Type+"."+r.Name), err)
		}
		if err := s.add(r); err != nil {
			return nil, invalid(hintBroken, "resource %d (%s): %w", i, addr.Clip(r.Type+"."+r.Name), err)
		}
		f.Resources[i] = nil
	}
	s.seen = nil
	return s, nil
}

func (s *State) add(r resourceJSON) error {
	switch {
	case r.Mode == "data":
		return nil // read anew by every plan, and managed by someone else
	case r.Mode != "managed":
		return fmt.Errorf("its mode is %q", addr.Clip(r.Mode))
	case r.Type == "" || r.Name == "":
		return errors.New("it has no type or no name")
	}
	if _, err := addr.ParseModule(r.Module); err != nil {
		return err
	}
	for i, raw := range r.Instances {
		instance, err := raw.instance()
		if err == nil { // OpenTofu names the provider with the instance where they differ
			instance.Provider, err = addr.ParseProviderConfig(cmp.Or(raw.Provider, r.Provider))
		}
		if err != nil {
			return fmt.Errorf("instance %d: %w", i, err)
		}
		instance.Module, instance.Type, instance.Name = r.Module, r.Type, r.Name
		key := instance.Address() + " " + instance.Deposed
		if s.seen[key] {
			return fmt.Errorf("%s stands twice", addr.Clip(instance.Address()))
		}
		s.seen[key] = true
		s.Instances = append(s.Instances, instance)
	}
	return nil
}

func (raw instanceJSON) instance() (Instance, error) {
	i := Instance{
		Deposed: raw.Deposed, Tainted: raw.Status == "tainted", SchemaVersion: raw.SchemaVersion,
		Attributes: raw.Attributes, Flat: raw.Flat, IdentityVersion: raw.IdentityVersion,
	}
	if raw.Status != "" && !i.Tainted {
		return i, fmt.Errorf("its status is %q", addr.Clip(raw.Status))
	}
	if string(raw.Attributes) == "null" {
		i.Attributes = nil
	}
	if string(raw.Identity) != "null" {
		i.Identity = raw.Identity
	}
	var err error
	if i.Key, err = parseKey(raw.Key); err != nil {
		return i, err
	}
	if i.Private, err = base64.StdEncoding.DecodeString(raw.Private); err != nil {
		return i, fmt.Errorf("private: %w", err)
	}
	i.Marks, err = value.ParseMarks(raw.Sensitive)
	return i, err
}

func parseKey(raw json.RawMessage) (addr.Key, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return addr.Key{}, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return addr.StringKey(text), nil
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil {
		return addr.Key{}, fmt.Errorf("index_key %s is neither a whole number nor a text", addr.Clip(string(raw)))
	}
	return addr.IntKey(n), nil
}
