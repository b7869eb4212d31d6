package terraform

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

// A forest is a folder with stacks in it.
type forest struct {
	t    *testing.T
	root string
	host host
}

func newForest(t *testing.T) *forest {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &forest{t: t, root: root}
}

func (f *forest) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// places discovers, with folders relative to the root.
func (f *forest) places(c DiscoverConfig) []taffrail.Place {
	f.t.Helper()
	d, err := newDiscoverer(c, f.host)
	if err != nil {
		f.t.Fatal(err)
	}
	var all []taffrail.Place
	err = d.Discover(f.t.Context(), f.root, func(p taffrail.Place) error {
		for _, s := range []*string{&p.Dir, &p.Target, &p.Problem} {
			*s = strings.ReplaceAll(*s, f.root+string(filepath.Separator), "")
			*s = strings.ReplaceAll(*s, f.root, ".")
		}
		if p.System != "terraform" {
			f.t.Errorf("system %q", p.System)
		}
		p.System = ""
		all = append(all, p)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

const (
	someState   = `{"version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "b6b1", "outputs": {}, "resources": []}`
	s3Code      = "terraform {\n  backend \"s3\" {\n    bucket = \"b\"\n  }\n}\n"
	s3Record    = `{"version": 3, "backend": {"type": "s3", "config": {"bucket": "b", "key": "k"}}}`
	cloudRecord = `{"version": 3, "backend": {"type": "cloud", "config": {"organization": "o", "workspaces": WORKSPACES}}}`
)

func TestDiscover(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []taffrail.Place
	}{
		{"nothing", map[string]string{"README.md": ""}, nil},
		{"a root module with a local state", map[string]string{"a/main.tf": "", "a/terraform.tfstate": someState},
			[]taffrail.Place{{Kind: "root module", Dir: "a", Target: "a", Backend: "local", Workspaces: []string{"default"}, Selected: "default"}}},
		{"workspaces", map[string]string{
			"a/main.tf": "", "a/terraform.tfstate": someState, "a/terraform.tfstate.d/dev/terraform.tfstate": someState,
			"a/terraform.tfstate.d/empty/other": "", "a/.terraform/environment": "dev",
		}, []taffrail.Place{{Kind: "root module", Dir: "a", Target: "a", Backend: "local", Workspaces: []string{"default", "dev"}, Selected: "dev"}}},
		{"a selected workspace without a state", map[string]string{"a/main.tf": "", "a/terraform.tfstate": someState, "a/.terraform/environment": "dev"},
			[]taffrail.Place{{Kind: "root module", Dir: "a", Backend: "local", Workspaces: []string{"default"}, Selected: "dev",
				Problem: "workspace dev has no state yet: a/terraform.tfstate.d/dev/terraform.tfstate is not there",
				Hint:    "apply it first, or select another workspace: default"}}},
		{"locked and never applied", map[string]string{"a/main.tf": "", "a/.terraform.lock.hcl": ""},
			[]taffrail.Place{{Kind: "root module", Dir: "a", Backend: "local", Selected: "default",
				Problem: "workspace default has no state yet: a/terraform.tfstate is not there", Hint: "apply it first"}}},
		{"a backend", map[string]string{"a/main.tf": s3Code, "a/.terraform/terraform.tfstate": s3Record},
			[]taffrail.Place{{Kind: "root module", Dir: "a", Target: "a", Backend: "s3", Selected: "default"}}},
		{"a backend before init", map[string]string{"a/main.tf": s3Code}, []taffrail.Place{{
			Kind: "root module", Dir: "a", Backend: "s3", Problem: `main.tf:2: the state is kept by "s3", and init has not been run for it`,
			Hint: "run `terraform init` or `tofu init`, which records the settings of the backend"}}},
		{"a named workspace on a host", map[string]string{"a/main.tf": "terraform {\n  cloud {}\n}\n",
			"a/.terraform/terraform.tfstate": strings.Replace(cloudRecord, "WORKSPACES", `{"name": "prod"}`, 1)},
			[]taffrail.Place{{Kind: "root module", Dir: "a", Target: "a", Backend: "cloud", Workspaces: []string{"prod"}, Selected: "prod"}}},
		{"workspaces by tags", map[string]string{"a/main.tf": "terraform {\n  cloud {}\n}\n",
			"a/.terraform/terraform.tfstate": strings.Replace(cloudRecord, "WORKSPACES", `{"tags": ["web", "eu"]}`, 1)},
			[]taffrail.Place{{Kind: "root module", Dir: "a", Backend: "cloud", Problem: "its workspaces are chosen by the tags eu, web, and none is selected",
				Hint: "choose one with TF_WORKSPACE or `workspace select`"}}},
		{"workspaces by tags, one selected", map[string]string{"a/main.tf": "terraform {\n  cloud {}\n}\n", "a/.terraform/environment": "eu-1",
			"a/.terraform/terraform.tfstate": strings.Replace(cloudRecord, "WORKSPACES", `{"tags": ["web"]}`, 1)},
			[]taffrail.Place{{Kind: "root module", Dir: "a", Target: "a", Backend: "cloud", Workspaces: []string{"eu-1"}, Selected: "eu-1"}}},
		{"a module and its caller", map[string]string{
			"lib/net/main.tf": "provider \"odd\" {}\n", "live/main.tf": "module \"net\" {\n  source = \"../lib/net\"\n}\n", "live/terraform.tfstate": someState,
		}, []taffrail.Place{
			{Kind: "child module", Dir: "lib/net", Problem: "it is called by other modules, and has no state of its own"},
			{Kind: "root module", Dir: "live", Target: "live", Backend: "local", Workspaces: []string{"default"}, Selected: "default"},
		}},
		{"a root module that an example calls", map[string]string{
			"main.tf": "", "terraform.tfstate": someState, "examples/x/main.tf": "module \"it\" {\n  source = \"../..\"\n}\n", "examples/x/terraform.tfstate": someState,
		}, []taffrail.Place{
			{Kind: "root module", Dir: ".", Target: ".", Backend: "local", Workspaces: []string{"default"}, Selected: "default"},
			{Kind: "root module", Dir: "examples/x", Target: "examples/x", Backend: "local", Workspaces: []string{"default"}, Selected: "default"},
		}},
		{"code that nothing marks", map[string]string{"a/main.tf": "locals {}\n"}, []taffrail.Place{{Kind: "root module", Dir: "a",
			Problem: "nothing says that it was ever applied: it has no backend, no provider block, no lock file and no state",
			Hint:    "if it is a root module, run init and apply; if it is a module for others to call, it is scanned with those"}}},
		{"broken code", map[string]string{"a/main.tf": "resource {", "b/main.tf": "", "b/terraform.tfstate": someState}, []taffrail.Place{
			{Kind: "root module", Dir: "a", Problem: "main.tf:1: ANY", Hint: "see what `terraform validate` or `tofu validate` says"},
			{Kind: "root module", Dir: "b", Target: "b", Backend: "local", Workspaces: []string{"default"}, Selected: "default"},
		}},
		{"lone states", map[string]string{"s/prod.tfstate": someState, "s/old.tfstate.backup": someState, "s/bad.tfstate": "{",
			"s/enc.tfstate": `{"encrypted_data": "x", "encryption_version": "v0"}`}, []taffrail.Place{
			{Kind: "state file", Dir: "s", Backend: "local", Problem: "s/bad.tfstate: line 1, byte 1: unexpected end of JSON input",
				Hint: "the file is damaged, or no state: compare it with its backup, or pull it anew"},
			{Kind: "state file", Dir: "s", Backend: "local", Problem: "s/enc.tfstate: the state is encrypted by OpenTofu", Hint: "ANY"},
			{Kind: "state file", Dir: "s", Backend: "local", Target: "s/prod.tfstate"},
		}},
		{"lone states of workspaces", map[string]string{"s/terraform.tfstate.d/dev/terraform.tfstate": someState}, []taffrail.Place{
			{Kind: "state file", Dir: "s/terraform.tfstate.d/dev", Backend: "local", Target: "s/terraform.tfstate.d/dev/terraform.tfstate"}}},
		{"what is not looked into", map[string]string{
			".git/main.tf": "", "a/.terraform/modules/x/main.tf": "", "node_modules/m/main.tf": "", ".hidden/terraform.tfstate": someState,
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newForest(t)
			for name, text := range tc.files {
				f.write(name, text)
			}
			compare(t, tc.want, f.places(DiscoverConfig{}))
		})
	}
}

// compare takes "ANY" in what is wanted for any text from there on.
func compare(t *testing.T, want, got []taffrail.Place) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		for _, pair := range [][2]*string{{&want[i].Problem, &got[i].Problem}, {&want[i].Hint, &got[i].Hint}} {
			if start, open := strings.CutSuffix(*pair[0], "ANY"); open && strings.HasPrefix(*pair[1], start) && *pair[1] != start {
				*pair[0] = *pair[1]
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiscoverTerragrunt(t *testing.T) {
	f := newForest(t)
	f.write("terragrunt.hcl", "remote_state {\n  backend = \"s3\"\n}\n")
	f.write("fresh/terragrunt.hcl", "include \"root\" {\n  path = find_in_parent_folders()\n}\nterraform {\n  source = \"../modules/app\"\n}\n")
	f.write("ready/terragrunt.hcl", "terraform {\n  source = \"../modules//app\"\n}\n")
	f.write("ready/.terragrunt-cache/AAA/BBB/app/main.tf", "")
	f.write("ready/.terragrunt-cache/AAA/BBB/app/backend.tf", s3Code)
	f.write("ready/.terragrunt-cache/AAA/BBB/app/.terraform/terraform.tfstate", s3Record)
	f.write("inplace/terragrunt.hcl", "include \"root\" {\n  path = find_in_parent_folders()\n}\n")
	f.write("inplace/main.tf", "")
	f.write("inplace/terraform.tfstate", someState)
	f.write("broken/terragrunt.hcl", "include \"root\" {")
	f.write("whole/terragrunt.stack.hcl", "unit \"a\" {}\n")
	f.write("whole/.terragrunt-stack/a/terragrunt.hcl", "terraform {\n  source = \".\"\n}\n")
	hint := "run `terragrunt init`: the code below .terragrunt-cache can then be scanned"
	problem := "Terragrunt makes the code that is applied, and has not done so here"
	compare(t, []taffrail.Place{
		{Kind: "terragrunt unit", Dir: "broken", Problem: "ANY", Hint: "see what `terragrunt hcl validate` says"},
		{Kind: "terragrunt unit", Dir: "fresh", Problem: problem, Hint: hint},
		{Kind: "terragrunt unit", Dir: "inplace", Target: "inplace", Backend: "local", Workspaces: []string{"default"}, Selected: "default"},
		{Kind: "terragrunt unit", Dir: "ready", Target: "ready/.terragrunt-cache/AAA/BBB/app", Backend: "s3", Selected: "default"},
		{Kind: "terragrunt stack", Dir: "whole", Problem: "it names units, and has no state of its own", Hint: "scan its units, which are listed below .terragrunt-stack"},
		{Kind: "terragrunt unit", Dir: "whole/.terragrunt-stack/a", Problem: problem, Hint: hint},
	}, f.places(DiscoverConfig{}))
}

// Links in a circle, bounds and folders that cannot be read end in an answer that says what was not looked at.
func TestDiscoverBounds(t *testing.T) {
	f := newForest(t)
	f.write("a/b/c/main.tf", "")
	f.write("a/b/c/terraform.tfstate", someState)
	if err := os.Symlink(f.root, filepath.Join(f.root, "a", "loop")); err != nil {
		t.Fatal(err)
	}
	root := taffrail.Place{Kind: "root module", Dir: "a/b/c", Target: "a/b/c", Backend: "local", Workspaces: []string{"default"}, Selected: "default"}
	compare(t, []taffrail.Place{root}, f.places(DiscoverConfig{}))
	compare(t, []taffrail.Place{{Kind: "folder", Dir: "a/b/c", Problem: "more than 2 folders deep: it was not looked into", Hint: "search from a folder further down"}},
		f.places(DiscoverConfig{Depth: 2}))
	compare(t, []taffrail.Place{{Kind: "folder", Dir: "a/b", Problem: "more than 2 folders: the search ended here", Hint: "search from a folder further down"}},
		f.places(DiscoverConfig{Folders: 2}))

	d, _ := newDiscoverer(DiscoverConfig{}, f.host)
	stop := errors.New("enough")
	if err := d.Discover(t.Context(), f.root, func(taffrail.Place) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of emit came back as %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Discover(ctx, f.root, func(taffrail.Place) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, dir := range []string{filepath.Join(f.root, "absent"), filepath.Join(f.root, "a/b/c/main.tf")} {
		if err := d.Discover(t.Context(), dir, func(taffrail.Place) error { return nil }); err == nil || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := newDiscoverer(DiscoverConfig{Depth: -1}, f.host); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("a negative depth: %v", err)
	}
}

func TestDiscoverKeepsItsPromises(t *testing.T) {
	f := newForest(t)
	for _, dir := range []string{"a", "a/b", "a-x", "c"} {
		f.write(dir+"/main.tf", "")
		f.write(dir+"/terraform.tfstate", someState)
	}
	f.write("broken/main.tf", "resource {")
	f.write("lone/x.tfstate", someState)
	f.write("unit/terragrunt.hcl", "terraform {}\n")
	plugtest.Discoverer(t, plugtest.DiscovererCase{Dir: f.root, Want: 7, Open: func(t *testing.T) taffrail.Discoverer {
		d, err := newDiscoverer(DiscoverConfig{}, f.host)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}})
}

func TestDiscoverUnreadableFolder(t *testing.T) {
	s := &search{discoverer: &discoverer{}}
	denied := folder{dir: "d", problem: &fs.PathError{Op: "open", Path: "d", Err: fs.ErrPermission}}
	compare(t, []taffrail.Place{{Kind: "folder", Dir: "d", Problem: "it cannot be looked into: open d: ANY", Hint: "run as a user that may read it"}},
		s.places(denied))
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("this user may read every folder")
	}
	f := newForest(t)
	f.write("closed/main.tf", "")
	f.write("open/main.tf", "")
	f.write("open/terraform.tfstate", someState)
	closed := filepath.Join(f.root, "closed")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	got := f.places(DiscoverConfig{})
	if len(got) != 2 || got[0].Dir != "closed" || !strings.Contains(got[0].Problem, "permission denied") || got[0].Hint == "" || got[1].Target != "open" {
		t.Errorf("%+v", got)
	}
}
