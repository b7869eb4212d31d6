package terraform

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
)

// module says of a folder of code whether it is a root module, and what can be known of its state.
func (s *search) module(f folder) taffrail.Place {
	p := taffrail.Place{Kind: kindRoot, Dir: f.dir}
	if f.broken != nil {
		p.Problem, p.Hint = reasonOf(f.broken), taffrail.HintOf(f.broken)
		if s.called[f.dir] && !s.used(f) {
			p.Kind = kindChild
		}
		return p
	}
	own := f.code.Backend != nil || f.code.Cloud != nil || s.used(f)
	if s.called[f.dir] && !own {
		return taffrail.Place{Kind: kindChild, Dir: f.dir, Problem: "it is called by other modules, and has no state of its own"}
	}
	if !own && len(f.code.Providers) == 0 {
		p.Problem = "nothing says that it was ever applied: it has no backend, no provider block, no lock file and no state"
		p.Hint = "if it is a root module, run init and apply; if it is a module for others to call, it is scanned with those"
		return p
	}
	s.locate(&p, f.code)
	return p
}

// used says whether the tools have been run in a folder.
func (s *search) used(f folder) bool {
	return f.names[".terraform"] || f.names[install.LockFile] || f.names["terraform.tfstate"] || f.names[workspacesDir]
}

// locate finds where a root module's state is, and which workspaces can be seen.
func (s *search) locate(p *taffrail.Place, root *module.Module) {
	dataDir := module.DataDir(root.Dir, s.host.getenv)
	p.Backend = backendName(root)
	place, err := root.Locate(dataDir, "", s.host.getenv)
	if err != nil {
		p.Problem, p.Hint = reasonOf(err), taffrail.HintOf(err)
		return
	}
	p.Selected, p.Target = place.Workspace, root.Dir
	if place.Backend != nil {
		p.Backend = place.Backend.Type
		if p.Backend == "cloud" || p.Backend == "remote" {
			hosted(p, place.Backend.Attributes)
		}
		return
	}
	p.Workspaces = localWorkspaces(place)
	if !exists(place.State) {
		p.Target = ""
		p.Problem, p.Hint = fmt.Sprintf("workspace %s has no state yet: %s is not there", place.Workspace, place.State), "apply it first"
		if len(p.Workspaces) > 0 {
			p.Hint = "apply it first, or select another workspace: " + strings.Join(p.Workspaces, ", ")
		}
	}
}

func backendName(m *module.Module) string {
	switch {
	case m.Cloud != nil:
		return "cloud"
	case m.Backend != nil:
		return m.Backend.Type
	}
	return localBackend
}

// localWorkspaces lists those that have a state file, the default one first.
func localWorkspaces(place module.Place) []string {
	dir, inDefault := filepath.Dir(place.State), place.State
	if place.Workspace != "default" { // it stands in DIR/terraform.tfstate.d/NAME/terraform.tfstate
		dir = filepath.Dir(filepath.Dir(filepath.Dir(place.State)))
		inDefault = filepath.Join(dir, "terraform.tfstate")
	}
	var names []string
	entries, _ := os.ReadDir(filepath.Join(dir, workspacesDir)) // without it there are none
	for _, e := range entries {
		if e.IsDir() && exists(filepath.Join(dir, workspacesDir, e.Name(), "terraform.tfstate")) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	if exists(inDefault) {
		names = append([]string{"default"}, names...)
	}
	return names
}

// hosted reads which workspaces a cloud block, or the backend "remote", means.
func hosted(p *taffrail.Place, attributes map[string]any) {
	settings := hostedSettings(attributes)
	name, _ := settings["name"].(string)
	prefix, _ := settings["prefix"].(string)
	switch {
	case name != "":
		p.Workspaces, p.Selected = []string{name}, name
	case p.Selected != "default":
		p.Workspaces = []string{prefix + p.Selected}
	default:
		chosen := "by the prefix " + prefix
		if tags := tagText(settings["tags"]); prefix == "" {
			chosen = "by the tags " + cmp.Or(tags, "of its block")
		}
		p.Selected, p.Target = "", ""
		p.Problem, p.Hint = "its workspaces are chosen "+chosen+", and none is selected", "choose one with TF_WORKSPACE or `workspace select`"
	}
}

// hostedSettings is the block that says which workspaces.
func hostedSettings(attributes map[string]any) map[string]any {
	block := attributes["workspaces"]
	if list, ok := block.([]any); ok && len(list) == 1 {
		block = list[0]
	}
	settings, _ := block.(map[string]any)
	return settings
}

func tagText(tags any) string {
	var names []string
	switch tags := tags.(type) {
	case []any:
		for _, t := range tags {
			names = append(names, fmt.Sprint(t))
		}
	case map[string]any:
		for k, v := range tags {
			names = append(names, fmt.Sprintf("%s=%v", k, v))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
