package module

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

const hintPull = "run `terraform state pull > FILE` or `tofu state pull > FILE` in the folder, and scan FILE"

// A Place says where a root module keeps things.
type Place struct {
	Workspace string
	State     string // path of the state file
}

// DataDir is the folder in which init keeps providers, modules and settings.
func DataDir(root string, getenv func(string) string) string {
	dir := cmp.Or(getenv("TF_DATA_DIR"), ".terraform")
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(root, dir)
}

// Locate finds the state file of a root module in a workspace; an empty name means the one that is selected. A state that is not
// kept in a local file is an error that says how to scan it nevertheless.
func (m *Module) Locate(dataDir, workspace string, getenv func(string) string) (Place, error) {
	if workspace == "" {
		workspace = selectedWorkspace(dataDir, getenv)
	}
	if strings.ContainsAny(workspace, `/\`) || strings.Trim(workspace, ".") == "" {
		return Place{}, &taffrail.Error{Op: "find state", Kind: taffrail.KindInvalid, Err: fmt.Errorf("workspace %q has no valid name", addr.Clip(workspace))}
	}
	backend, err := m.localBackend(dataDir)
	if err != nil {
		return Place{}, err
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
	data, err := os.ReadFile(filepath.Join(dataDir, "environment"))
	if err != nil {
		return "default"
	}
	return cmp.Or(strings.TrimSpace(string(data)), "default")
}

// local is the configuration of the backend "local".
type local struct {
	Path         string `json:"path"`
	WorkspaceDir string `json:"workspace_dir"`
}

// localBackend gives the settings of the local backend: as init recorded them, which includes what was given on its command
// line, else as the code has them.
func (m *Module) localBackend(dataDir string) (local, error) {
	recorded, err := recordedBackend(dataDir)
	if err != nil {
		return local{}, &taffrail.Error{Op: "find state", Kind: taffrail.KindInvalid, Err: err, Hint: "run `terraform init` or `tofu init`"}
	}
	kind, at := "local", ""
	switch {
	case m.Cloud != nil:
		kind, at = "cloud", place(m.Cloud.Range)
	case m.Backend != nil:
		kind, at = m.Backend.Type, place(m.Backend.Range)
	case recorded != nil:
		kind, at = recorded.Type, filepath.Join(dataDir, "terraform.tfstate")
	}
	if kind != "local" {
		return local{}, &taffrail.Error{
			Op: "find state", Kind: taffrail.KindInvalid, Hint: hintPull,
			Err: fmt.Errorf("%s: the state is kept by %q, and only local files are read so far", at, addr.Clip(kind)),
		}
	}
	if recorded != nil && recorded.Type == "local" {
		return recorded.Config, nil
	}
	if m.Backend == nil {
		return local{}, nil
	}
	return m.writtenBackend()
}

type backendRecord struct {
	Type   string `json:"type"`
	Config local  `json:"config"`
}

// recordedBackend reads what init wrote down; nil where it wrote nothing.
func recordedBackend(dataDir string) (*backendRecord, error) {
	path := filepath.Join(dataDir, "terraform.tfstate")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f struct {
		Backend *struct {
			Type   string          `json:"type"`
			Config json.RawMessage `json:"config"`
		} `json:"backend"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Backend == nil {
		return nil, nil
	}
	r := &backendRecord{Type: f.Backend.Type}
	if r.Type == "local" && len(f.Backend.Config) > 0 {
		if err := json.Unmarshal(f.Backend.Config, &r.Config); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return r, nil
}

// writtenBackend takes the settings from the code, where they can only be literals.
func (m *Module) writtenBackend() (local, error) {
	content, _, diags := m.Backend.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "path"}, {Name: "workspace_dir"}}})
	if diags.HasErrors() {
		return local{}, &taffrail.Error{Op: "find state", Kind: taffrail.KindInvalid, Err: first(diags)}
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
				Err: fmt.Errorf("%s: %s is no literal", place(attr.Range), name),
			}
		}
	}
	return l, nil
}
