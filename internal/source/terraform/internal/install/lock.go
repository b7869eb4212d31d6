// Package install finds the providers that a stack was locked to: in the folder that init filled, in mirrors, in the plugin
// cache. Nothing is downloaded by us, and nothing is given out to be run whose content the lock file does not vouch for.
package install

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// LockFile is the name of the dependency lock file in a root module.
const LockFile = ".terraform.lock.hcl"

// A Lock says which version of each provider a stack is locked to, and by which digests its package is known.
type Lock map[addr.Provider]Locked

// A Locked is one entry of a lock file. Hashes are of the schemes "h1:" (golang.org/x/mod/sumdb/dirhash over the unpacked
// package) and "zh:" (SHA-256 of the packed one).
type Locked struct {
	Version string
	Hashes  []string
}

// ReadLock reads a lock file. A file that is not there is an empty lock, and an error that is [fs.ErrNotExist].
func ReadLock(path string) (Lock, error) {
	data, err := regular.ReadFile(path, regular.MaxCode)
	if err != nil {
		e := &taffrail.Error{Op: "read lock file", Kind: taffrail.KindInvalid, Err: err, Hint: hintInit}
		if errors.Is(err, fs.ErrNotExist) {
			e.Kind = taffrail.KindNotFound
		}
		return nil, e
	}
	lock, err := ParseLock(data, path)
	if err != nil {
		return nil, &taffrail.Error{Op: "read lock file", Kind: taffrail.KindInvalid, Err: err, Hint: hintInit}
	}
	return lock, nil
}

// ParseLock reads the bytes of a lock file. The name is for messages.
func ParseLock(data []byte, name string) (Lock, error) {
	if err := lang.CheckNesting(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	file, diags := hclsyntax.ParseConfig(data, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diag.First(diags)
	}
	// Other blocks and attributes are of newer versions, and none of them takes back what a provider block says.
	content, _, diags := file.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "provider", LabelNames: []string{"source"}}}})
	if diags.HasErrors() {
		return nil, diag.First(diags)
	}
	lock := Lock{}
	for _, block := range content.Blocks {
		p, locked, err := parseLocked(block)
		if err != nil {
			return nil, err
		}
		if _, double := lock[p]; double {
			return nil, fmt.Errorf("%s: %s is locked twice", diag.Place(block.DefRange), p)
		}
		lock[p] = locked
	}
	return lock, nil
}

func parseLocked(block *hcl.Block) (addr.Provider, Locked, error) {
	p, err := addr.ParseProvider(block.Labels[0])
	if err != nil {
		return p, Locked{}, fmt.Errorf("%s: %w", diag.Place(block.DefRange), err)
	}
	var body struct {
		Version string   `hcl:"version"`
		Hashes  []string `hcl:"hashes,optional"`
		Rest    hcl.Body `hcl:",remain"`
	}
	if diags := gohcl.DecodeBody(block.Body, nil, &body); diags.HasErrors() {
		return p, Locked{}, diag.First(diags)
	}
	if !isVersion(body.Version) {
		return p, Locked{}, fmt.Errorf("%s: version %q is none", diag.Place(block.DefRange), addr.Clip(body.Version))
	}
	return p, Locked{Version: body.Version, Hashes: body.Hashes}, nil
}

// isVersion keeps out whatever could lead out of a folder: the version becomes a folder's name.
func isVersion(s string) bool {
	const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+"
	return s != "" && strings.Trim(s, allowed) == "" && strings.Trim(s, ".") != ""
}
