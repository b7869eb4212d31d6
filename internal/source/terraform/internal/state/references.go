package state

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	files "github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A Referenced is what a state has of one current object of a resource or of data that expressions refer to.
type Referenced struct {
	Module     string // address of the module instance; empty for the root
	Mode       string // "managed" or "data"
	Type, Name string
	Key        addr.Key
	Attributes json.RawMessage // null where they stand in the form of before Terraform 0.12
	Marks      []value.Mark    // sensitive
}

// References reads from the bytes of a state those objects that are wanted, and its header. It keeps nothing else, and passes over
// objects that wait to be destroyed.
func References(r io.Reader, wanted func(module, mode, resourceType, name string) bool) ([]Referenced, Header, error) {
	d := json.NewDecoder(r)
	var found []Referenced
	var h Header
	if err := expect(d, '{'); err != nil {
		return nil, h, invalid(hintBroken, "%w", err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, h, invalid(hintBroken, "%w", err)
		}
		switch key {
		case "lineage":
			err = d.Decode(&h.Lineage)
		case "serial":
			err = d.Decode(&h.Serial)
		case "terraform_version":
			err = d.Decode(&h.Tool)
		case "resources":
			found, err = references(d, wanted)
		default:
			var rest json.RawMessage
			err = d.Decode(&rest)
		}
		if err != nil {
			return nil, h, invalid(hintBroken, "%v: %w", key, err)
		}
	}
	if err := expect(d, '}'); err != nil {
		return nil, h, invalid(hintBroken, "%w", err)
	}
	return found, h, nil
}

func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		return fmt.Errorf("%v stands where %v should", t, want)
	}
	return err
}

func references(d *json.Decoder, wanted func(module, mode, resourceType, name string) bool) ([]Referenced, error) {
	var found []Referenced
	if err := expect(d, '['); err != nil {
		return nil, err
	}
	for d.More() {
		var r struct {
			Module    string          `json:"module"`
			Mode      string          `json:"mode"`
			Type      string          `json:"type"`
			Name      string          `json:"name"`
			Instances json.RawMessage `json:"instances"`
		}
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		if !wanted(r.Module, r.Mode, r.Type, r.Name) {
			continue
		}
		var instances []instanceJSON
		if err := json.Unmarshal(r.Instances, &instances); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", addr.Clip(r.Type), addr.Clip(r.Name), err)
		}
		for _, i := range instances {
			if i.Deposed != "" {
				continue
			}
			ref, err := i.referenced()
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", addr.Clip(r.Type), addr.Clip(r.Name), err)
			}
			ref.Module, ref.Mode, ref.Type, ref.Name = r.Module, r.Mode, r.Type, r.Name
			found = append(found, ref)
		}
	}
	return found, expect(d, ']')
}

func (i instanceJSON) referenced() (r Referenced, err error) {
	if r.Key, err = parseKey(i.Key); err != nil {
		return r, err
	}
	if len(i.Attributes) > 0 && string(i.Attributes) != "null" {
		r.Attributes = i.Attributes
	}
	r.Marks, err = value.ParseMarks(i.Sensitive)
	return r, err
}

// ReadReferences is [References] for a state file.
func ReadReferences(path string, wanted func(module, mode, resourceType, name string) bool) ([]Referenced, Header, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, Header{}, unreadable(err)
	}
	defer f.Close()
	found, h, err := References(f, wanted)
	return found, h, named(err, path)
}
