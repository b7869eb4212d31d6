package state

import (
	"bytes"
	"encoding/json"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

const hintBroken = "the file is damaged, or no state: compare it with its backup, or pull it anew"

// topJSON is the outermost object of format version 4, but for the resources.
type topJSON struct {
	version   *json.Number
	header    Header
	encrypted bool // OpenTofu writes so in place of everything else
}

// resourceJSON is a resource, but for its instances.
type resourceJSON struct {
	module, mode, resourceType, name, provider string
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

// checkStart looks at the first bytes.
func checkStart(start []byte) error {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(start, []byte(mark)) {
			return invalid("save it as UTF-8 without a byte order mark: a redirection in PowerShell writes one", "the file begins with a byte order mark")
		}
	}
	return nil
}

func (f topJSON) check() error {
	version := ""
	if f.version != nil {
		version = f.version.String()
	}
	switch {
	case f.encrypted:
		return invalid("run `tofu state pull > FILE` where the key is at hand, and scan FILE", "the state is encrypted by OpenTofu")
	case version == "":
		return invalid("name a file that `terraform state pull` writes", "the file has no \"version\": it is no state")
	case version == "1" || version == "2" || version == "3":
		return invalid("apply the stack once with Terraform 0.13 or newer, or OpenTofu", "the state has format version %s, and 4 is what we read", version)
	case version != "4":
		return invalid("a newer Taffrail may read it", "the state has format version %s, and 4 is what we read", addr.Clip(version))
	case f.header.Lineage == "":
		return invalid(hintBroken, "the state has no lineage")
	case f.header.Serial < 0:
		return invalid(hintBroken, "the state has the serial %d", f.header.Serial)
	}
	return nil
}
