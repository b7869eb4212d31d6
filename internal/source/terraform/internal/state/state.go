// Package state reads the state files of Terraform and OpenTofu, format version 4.
//
// Nothing of what a file holds is interpreted here that needs a provider's schema: attributes stay the JSON that they are.
// A file that cannot be read is refused with the place and what to do about it; it is never read in part.
package state

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A Header says which version of which state a file holds.
type Header struct {
	Lineage string
	Serial  int64
	Tool    string // version of Terraform or OpenTofu that wrote it
	Digest  string // of every byte: who forces a state upon a backend may give another one the same serial
}

// A State is a state file.
type State struct {
	Header
	Instances []Instance // managed resources only, in the order of the file
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
	Attributes      json.RawMessage   // without white space
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
	f, info, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	from, err := source(f, info)
	if err != nil {
		return nil, named(err, path)
	}
	s, err := parse(from)
	return s, named(err, path)
}

// ReadHeader reads which version a file holds, and makes no more sense of it than that needs.
func ReadHeader(path string) (Header, error) {
	f, info, err := openFile(path)
	if err != nil {
		return Header{}, err
	}
	defer f.Close()
	from, err := source(f, info)
	if err != nil {
		return Header{}, named(err, path)
	}
	h, err := parseHeader(from)
	return h, named(err, path)
}

// ParseHeader is [ReadHeader] for the bytes of a state file.
func ParseHeader(data []byte) (Header, error) {
	return parseHeader(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))))
}

// Parse reads the bytes of a state file.
func Parse(data []byte) (*State, error) {
	return parse(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))))
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

func (raw instanceJSON) instance() (Instance, error) {
	i := Instance{
		Deposed: raw.Deposed, Tainted: raw.Status == "tainted", SchemaVersion: raw.SchemaVersion,
		Attributes: compact(raw.Attributes), Flat: raw.Flat, IdentityVersion: raw.IdentityVersion,
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

// compact takes out white space, of which the tools write as much as of anything else.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	b.Grow(len(raw))
	if len(raw) == 0 || json.Compact(&b, raw) != nil { // it was decoded, and has no error
		return raw
	}
	return bytes.Clone(b.Bytes())
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
