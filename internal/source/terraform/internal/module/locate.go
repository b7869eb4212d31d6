package module

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// A Place says where a root module keeps its state: in a file, or with a backend.
type Place struct {
	Workspace string
	State     string   // path of the state file; empty if a backend has it
	Backend   *Backend // nil for a file
}

// A Backend is a backend's settings, as init recorded them: the block of the code with what was given on init's command line.
type Backend struct {
	Type       string
	Attributes map[string]any // numbers are [json.Number]
}

// DataDir is the folder in which init keeps providers, modules and settings.
func DataDir(root string, getenv func(string) string) string {
	dir := cmp.Or(getenv("TF_DATA_DIR"), ".terraform")
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(root, dir)
}

// Locate finds the state of a root module in a workspace; an empty name means the one that is selected.
func (m *Module) Locate(dataDir, workspace string, getenv func(string) string) (Place, error) {
	if workspace == "" {
		workspace = selectedWorkspace(dataDir, getenv)
	}
	if strings.ContainsAny(workspace, `/\`) || strings.Trim(workspace, ".") == "" {
		return Place{}, &taffrail.Error{Op: "find state", Kind: taffrail.KindInvalid, Err: fmt.Errorf("workspace %q has no valid name", addr.Clip(workspace))}
	}
	backend, remote, err := m.backend(dataDir)
	if err != nil || remote != nil {
		return Place{Workspace: workspace, Backend: remote}, err
	}
	path := cmp.Or(backend.Path, "terraform.tfstate")
	if workspace != "default" {
		path = filepath.Join(cmp.Or(backend.WorkspaceDir, "terraform.tfstate.d"), workspace, "terraform.tfstate")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(m.Dir, path)
	}
	return Place{Workspace: workspace, State: path}, nil
}

func selectedWorkspace(dataDir string, getenv func(string) string) string {
	if name := getenv("TF_WORKSPACE"); name != "" {
		return name
	}
	data, err := regular.ReadFile(filepath.Join(dataDir, "environment"), regular.MaxCode)
	if err != nil {
		return "default"
	}
	return cmp.Or(strings.TrimSpace(string(data)), "default")
}

// local is the configuration of the backend "local".
type local struct{ Path, WorkspaceDir string }

// backend gives the settings of the local backend, as init recorded them or else as the code has them; or those of another one, which
// only init knows as a whole.
func (m *Module) backend(dataDir string) (local, *Backend, error) {
	recorded, err := recordedBackend(dataDir)
	if err != nil {
		return local{}, nil, &taffrail.Error{Op: "find state", Kind: taffrail.KindInvalid, Err: err, Hint: "run `terraform init` or `tofu init`"}
	}
	kind, at := "local", ""
	switch {
	case m.Cloud != nil:
		kind, at = "cloud", diag.Place(m.Cloud.Range)
	case m.Backend != nil:
		kind, at = m.Backend.Type, diag.Place(m.Backend.Range)
	case recorded != nil:
		kind = recorded.Type
	}
	switch {
	case recorded != nil && recorded.Type == kind && kind != "local":
		return local{}, recorded, nil
	case kind != "local":
		return local{}, nil, &taffrail.Error{
			Op: "find state", Kind: taffrail.KindInvalid, Hint: "run `terraform init` or `tofu init`, which records the settings of the backend",
			Err: fmt.Errorf("%s: the state is kept by %q, and init has not been run for it", at, addr.Clip(kind)),
		}
	case recorded != nil && recorded.Type == "local":
		return local{Path: recorded.text("path"), WorkspaceDir: recorded.text("workspace_dir")}, nil, nil
	case m.Backend == nil:
		return local{}, nil, nil
	}
	l, err := m.writtenBackend()
	return l, nil, err
}

// text is a setting that is a string, and empty if it is none.
func (b *Backend) text(name string) string {
	s, _ := b.Attributes[name].(string)
	return s
}

// recordedBackend reads what init wrote down; nil where it wrote nothing.
func recordedBackend(dataDir string) (*Backend, error) {
	path := filepath.Join(dataDir, "terraform.tfstate")
	data, err := regular.ReadFile(path, regular.MaxCode)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f struct {
		Backend *struct {
			Type   string         `json:"type"`
			Config map[string]any `json:"config"`
		} `json:"backend"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Backend == nil {
		return nil, nil
	}
	return &Backend{Type: f.Backend.Type, Attributes: f.Backend.Config}, nil
}

// writtenBackend takes the settings from the code, where they can only be literals.
func (m *Module) writtenBackend() (local, error) {
	content, _, diags := m.Backend.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "path"}, {Name: "workspace_dir"}}})
	if diags.HasErrors() {
		return local{}, &taffrail.Error{Op: "find state", Kind: taffrail.KindInvalid, Err: diag.First(diags)}
	}
	var l local
	for name, target := range map[string]*string{"path": &l.Path, "workspace_dir": &l.WorkspaceDir} {
		attr := content.Attributes[name]
		if attr == nil {
			continue
		}
		if *target = literal(attr.Expr); *target == "" {
			return local{}, &taffrail.Error{
				Op: "find state", Kind: taffrail.KindInvalid, Hint: "run init, which records the value",
				Err: fmt.Errorf("%s: %s is no literal", diag.Place(attr.Range), name),
			}
		}
	}
	return l, nil
}
