package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

const hintBroken = "the file is damaged, or no state: compare it with its backup, or pull it anew"

// topJSON is the outermost object of format version 4.
type topJSON struct {
	Version   *json.Number      `json:"version"`
	Tool      string            `json:"terraform_version"`
	Serial    int64             `json:"serial"`
	Lineage   string            `json:"lineage"`
	Resources []json.RawMessage `json:"resources"`
	// Encrypted is what OpenTofu writes in place of everything else.
	Encrypted json.RawMessage `json:"encrypted_data"`
}

type resourceJSON struct {
	Module    string         `json:"module"`
	Mode      string         `json:"mode"`
	Type      string         `json:"type"`
	Name      string         `json:"name"`
	Provider  string         `json:"provider"`
	Instances []instanceJSON `json:"instances"`
}

type instanceJSON struct {
	Provider        string            `json:"provider"`
	Key             json.RawMessage   `json:"index_key"`
	Status          string            `json:"status"`
	Deposed         string            `json:"deposed"`
	SchemaVersion   int64             `json:"schema_version"`
	Attributes      json.RawMessage   `json:"attributes"`
	Flat            map[string]string `json:"attributes_flat"`
	Sensitive       json.RawMessage   `json:"sensitive_attributes"`
	Private         string            `json:"private"`
	Identity        json.RawMessage   `json:"identity"`
	IdentityVersion int64             `json:"identity_schema_version"`
}

func (f topJSON) header() Header { return Header{Lineage: f.Lineage, Serial: f.Serial, Tool: f.Tool} }

// parseTop reads the outermost object and makes sure that it is one that we can read.
func parseTop(data []byte) (topJSON, error) {
	var f topJSON
	if err := checkBytes(data); err != nil {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, invalid(hintBroken, "%w", located(err, data))
	}
	return f, f.check()
}

func checkBytes(data []byte) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return invalid("the stack may never have been applied; or pull the state anew", "the file is empty")
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")), bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return invalid("save it as UTF-8 without a byte order mark: a redirection in PowerShell writes one", "the file begins with a byte order mark")
	}
	return nil
}

func (f topJSON) check() error {
	version := ""
	if f.Version != nil {
		version = f.Version.String()
	}
	switch {
	case f.Encrypted != nil:
		return invalid("run `tofu state pull > FILE` where the key is at hand, and scan FILE", "the state is encrypted by OpenTofu")
	case version == "":
		return invalid("name a file that `terraform state pull` writes", "the file has no \"version\": it is no state")
	case version == "1" || version == "2" || version == "3":
		return invalid("apply the stack once with Terraform 0.13 or newer, or OpenTofu", "the state has format version %s, and 4 is what we read", version)
	case version != "4":
		return invalid("a newer Taffrail may read it", "the state has format version %s, and 4 is what we read", addr.Clip(version))
	case f.Lineage == "":
		return invalid(hintBroken, "the state has no lineage")
	case f.Serial < 0:
		return invalid(hintBroken, "the state has the serial %d", f.Serial)
	}
	return nil
}

// located says where JSON is broken, as line and byte from the start of the file.
func located(err error, data []byte) error {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return at(data, syntax.Offset, err)
	case errors.As(err, &mistyped):
		return at(data, mistyped.Offset, err)
	}
	return err
}

func at(data []byte, offset int64, err error) error {
	offset = min(max(offset, 0), int64(len(data)))
	line := 1 + bytes.Count(data[:offset], []byte("\n"))
	return fmt.Errorf("line %d, byte %d: %w", line, offset, err)
}
