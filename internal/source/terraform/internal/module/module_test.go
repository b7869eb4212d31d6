package module

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
)

// folder writes files into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, files map[string]string) *Module {
	t.Helper()
	m, err := Load(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func none(string) string { return "" }

func TestLoadFiles(t *testing.T) {
	m := load(t, map[string]string{
		"main.tf":          `resource "t" "shadowed" {}`,
		"main.tofu":        `resource "t" "main" {}`,
		"b.tf.json":        `{"resource": {"t": {"json": {"lifecycle": {"ignore_changes": ["a"]}}}}}`,
		"override.tf":      "resource \"t\" \"main\" {\n  lifecycle {\n    ignore_changes = all\n  }\n}",
		".hidden.tf":       `resource "t" "hidden" {}`,
		"backup.tf~":       "{{{",
		"notes.txt":        "{{{",
		"modules/x/sub.tf": `resource "t" "sub" {}`,
	})
	got := map[string]string{}
	for key, d := range m.Resources {
		got[key] = d.Range.Filename
	}
	if diff := cmp.Diff(map[string]string{"t.main": "main.tofu", "t.json": "b.tf.json"}, got); diff != "" {
		t.Error(diff)
	}
	if d := m.Resources["t.main"]; !d.IgnoreAll || d.IgnoreAt.Filename != "override.tf" || d.IgnoreAt.Start.Line != 3 {
		t.Errorf("declaration %+v", d)
	}
	if d := m.Resources["t.json"]; len(d.Ignore) != 1 || d.Ignore[0].Path.RootName() != "a" {
		t.Errorf("declaration %+v", d)
	}
}

func TestLoadRefuses(t *testing.T) {
	_, err := Load(t.TempDir())
	if taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("a folder without code: %v", err)
	}
	if _, err = Load(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("no folder, no error")
	}
	for text, want := range map[string]string{
		"resource \"t\" \"n\" {\n": "a.tf:", "resource \"t\" {}": "a.tf:1", "variable \"v\" {\n type = strin\n}": "a.tf:2",
		"locals {\n  n = 1e999999999\n}": "a.tf:2: A number has too many digits", "locals {\n  n = " + strings.Repeat("[", 5000): "a.tf: line 2: the code nests too deep",
		"resource \"t\" \"n\" {\n lifecycle {\n ignore_changes = [x()]\n}\n}": "a.tf:3",
	} {
		if _, err := Load(folder(t, map[string]string{"a.tf": text})); taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLocate(t *testing.T) {
	for _, tc := range []struct {
		name, workspace string
		files           map[string]string
		env             map[string]string
		want            string // path of the state, workspace
		fails           string
	}{
		{name: "plain", want: "terraform.tfstate default"},
		{name: "selected", files: map[string]string{".terraform/environment": "dev\n"}, want: "terraform.tfstate.d/dev/terraform.tfstate dev"},
		{name: "from the environment", files: map[string]string{".terraform/environment": "dev"}, env: map[string]string{"TF_WORKSPACE": "prod"}, want: "terraform.tfstate.d/prod/terraform.tfstate prod"},
		{name: "asked for", workspace: "qa", env: map[string]string{"TF_WORKSPACE": "prod"}, want: "terraform.tfstate.d/qa/terraform.tfstate qa"},
		{name: "another data folder", files: map[string]string{"data/environment": "dev"}, env: map[string]string{"TF_DATA_DIR": "data"}, want: "terraform.tfstate.d/dev/terraform.tfstate dev"},
		{name: "backend with a path", files: map[string]string{"b.tf": `terraform {
  backend "local" {
    path = "x/y.tfstate"
  }
}`}, want: "x/y.tfstate default"},
		{name: "backend with workspaces", workspace: "w", files: map[string]string{"b.tf": `terraform {
  backend "local" {
    workspace_dir = "ws"
  }
}`}, want: "ws/w/terraform.tfstate w"},
		{name: "recorded by init", files: map[string]string{
			"b.tf":                         "terraform {\n  backend \"local\" {}\n}",
			".terraform/terraform.tfstate": `{"version": 3, "backend": {"type": "local", "config": {"path": "z.tfstate", "workspace_dir": null}, "hash": 1}}`,
		}, want: "z.tfstate default"},
		{name: "no literal", files: map[string]string{"b.tf": "terraform {\n  backend \"local\" {\n    path = var.x\n  }\n}"}, fails: "b.tf:3"},
		{name: "remote before init", files: map[string]string{"b.tf": "terraform {\n  backend \"s3\" {}\n}"}, fails: `b.tf:2: the state is kept by "s3"`},
		{name: "another backend than at init", files: map[string]string{
			"b.tf":                         "terraform {\n  backend \"s3\" {}\n}",
			".terraform/terraform.tfstate": `{"backend": {"type": "gcs", "config": {"bucket": "b"}}}`,
		}, fails: `kept by "s3", and init has not been run`},
		{name: "cloud", files: map[string]string{"b.tf": "terraform {\n  cloud {}\n}"}, fails: `kept by "cloud"`},
		{name: "remote by init", files: map[string]string{".terraform/terraform.tfstate": `{"backend": {"type": "gcs", "config": {"bucket": "b", "n": 9007199254740993}}}`}, want: `gcs map[bucket:b n:9007199254740993] default`},
		{name: "broken record", files: map[string]string{".terraform/terraform.tfstate": `{`}, fails: "unexpected EOF"},
		{name: "leading out", workspace: "../x", fails: "no valid name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := map[string]string{"main.tf": ""}
			for name, text := range tc.files {
				files[name] = text
			}
			m := load(t, files)
			getenv := func(name string) string { return tc.env[name] }
			got, err := m.Locate(DataDir(m.Dir, getenv), tc.workspace, getenv)
			if tc.fails != "" {
				if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), tc.fails) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Backend != nil {
				if found := fmt.Sprint(got.Backend.Type, " ", got.Backend.Attributes, " ", got.Workspace); found != tc.want || got.State != "" {
					t.Errorf("got %s, want %s", found, tc.want)
				}
				return
			}
			rel, err := filepath.Rel(m.Dir, got.State)
			if err != nil || filepath.ToSlash(rel)+" "+got.Workspace != tc.want {
				t.Errorf("got %s %s, want %s", rel, got.Workspace, tc.want)
			}
		})
	}
}

// variables are the values of the variables that have one.
func variables(m *Module, s Scope) map[string]cty.Value {
	tree, _ := NewTree(m, "")
	e := tree.evaluator(s)
	values := map[string]cty.Value{}
	for name := range m.variables {
		if v := e.variable(e.frames[""], name, lang.Unknown{}); v.IsKnown() {
			values[name] = v
		}
	}
	return values
}

func (m *Module) configure(c addr.ProviderConfig, environ ...string) (cty.Value, error) {
	tree, err := NewTree(m, "")
	if err != nil {
		return cty.NilVal, err
	}
	got, err := tree.Configure(c, spec, Scope{Environ: environ})
	return got.Value, err
}

func TestVariables(t *testing.T) {
	m := load(t, map[string]string{
		"v.tf": `
variable "unset" {}
variable "text" { default = "d" }
variable "old" {
  type    = "map"
  default = { a = "1" }
}
variable "number" {
  type    = number
  default = "5"
}
variable "object" {
  type    = object({ a = string, b = optional(number, 7) })
  default = { a = "x" }
}
variable "list" { type = list(string) }
variable "nothing" {
  type    = string
  default = null
}
variable "env" { type = string }
variable "env_list" { type = list(number) }
variable "file" { default = "default" }
variable "auto" { default = "default" }
`,
		"terraform.tfvars": "file = \"file\"\nlist = [\"a\"]\nauto = \"file\"\nundeclared = 1\n",
		"b.auto.tfvars":    `auto = "b"`, "a.auto.tfvars.json": `{"auto": "a"}`,
	})
	got := variables(m, Scope{Environ: []string{"TF_VAR_env=[1]", "TF_VAR_env_list=[1,2]", "TF_VAR_file=env", "TF_VAR_other=1", "TF_VAR_text=${x}"}})
	want := map[string]cty.Value{
		"text": cty.StringVal("${x}"), "old": cty.MapVal(map[string]cty.Value{"a": cty.StringVal("1")}), "number": cty.NumberIntVal(5),
		"object": cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("x"), "b": cty.NumberIntVal(7)}), "nothing": cty.NullVal(cty.String),
		"list": cty.ListVal([]cty.Value{cty.StringVal("a")}), "env": cty.StringVal("[1]"),
		"env_list": cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(2)}), "file": cty.StringVal("file"), "auto": cty.StringVal("b"),
	}
	for name, v := range want {
		if !got[name].RawEquals(v) {
			t.Errorf("%s is %#v", name, got[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{"TF_VAR_env_list=[1", "TF_VAR_number=many", "TF_VAR_env_list=[x]"} {
		name := strings.TrimPrefix(strings.Split(bad, "=")[0], "TF_VAR_")
		tree, _ := NewTree(m, "")
		e := tree.evaluator(Scope{Environ: []string{bad, "TF_VAR_list=[]"}})
		if v := e.variable(e.frames[""], name, lang.Unknown{}); v.IsWhollyKnown() || len(e.unknown) == 0 || strings.Contains(e.unknown[0].What, "many") {
			t.Errorf("%s: %#v, %v", bad, v, e.unknown)
		}
	}
}

var spec = hcldec.ObjectSpec{"url": &hcldec.AttrSpec{Name: "url", Type: cty.String}}

func TestConfigureFindsTheBlock(t *testing.T) {
	m := load(t, map[string]string{"main.tf": `
terraform {
  required_providers {
    mine = {
      source = "registry.example/acme/cloud"
      configuration_aliases = [mine.x]
    }
    old = "~> 1.0"
  }
}
provider "mine" { url = "mine" }
provider "mine" {
  alias = "west"
  url   = "west"
}
provider "cloud" { url = "hashicorp's" }
`})
	acme := addr.Provider{Host: "registry.example", Namespace: "acme", Type: "cloud"}
	for _, tc := range []struct {
		c    addr.ProviderConfig
		want string
	}{
		{addr.ProviderConfig{Provider: acme}, "mine"}, {addr.ProviderConfig{Provider: acme, Alias: "west"}, "west"},
		{addr.ProviderConfig{Provider: addr.Provider{Host: "any.example", Namespace: "hashicorp", Type: "cloud"}}, "hashicorp's"},
		{addr.ProviderConfig{Provider: addr.Provider{Host: "any.example", Namespace: "other", Type: "cloud"}}, ""},
	} {
		v, err := m.configure(tc.c)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if url := v.GetAttr("url"); !url.IsNull() {
			got = url.AsString()
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.c, got, tc.want)
		}
	}
	var noCode *Module
	if v, err := noCode.configure(addr.ProviderConfig{Provider: acme}); err != nil || !v.GetAttr("url").IsNull() {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := noCode.configure(addr.ProviderConfig{Provider: acme, Alias: "west"}); err == nil {
		t.Error("an alias was configured without code")
	}
}

// A message about a configuration quotes references, never what stands beside them.
func TestConfigureQuotesNoSecret(t *testing.T) {
	m := load(t, map[string]string{"main.tf": `
variable "p" {
  type    = number
  default = "secret-0"
}
provider "a" { url = "secret-1 ${data.x.y}" }
provider "b" { url = parseint("secret-2", 10) }
provider "c" { urls = "secret-3" }
provider "d" { url = var.p }
`})
	for _, name := range []string{"a", "b", "c", "d"} {
		_, err := m.configure(addr.ProviderConfig{Provider: addr.Provider{Host: "h", Namespace: "hashicorp", Type: name}})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "main.tf:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTree(t *testing.T) {
	dir := folder(t, map[string]string{
		"main.tf": `
module "net" { source = "./net" }
module "far" { source = "registry.example/acme/far/cloud" }
module "lost" { source = "registry.example/acme/lost/cloud" }
resource "t" "root" {}
`,
		"net/net.tf":                      "module \"sub\" {\n  source = \"../sub\"\n}\n\nresource \"t\" \"n\" {\n  lifecycle {\n    ignore_changes = [tags[\"a\"], size]\n  }\n}\n",
		"sub/sub.tf":                      "resource \"t\" \"s\" {}",
		".terraform/modules/modules.json": `{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"far","Source":"x","Dir":".terraform/modules/far"}]}`,
		".terraform/modules/far/f.tf":     "\nresource \"t\" \"f\" {}",
		"broken/x.tf":                     "{",
	})
	root, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := NewTree(root, filepath.Join(dir, ".terraform"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		module, name, file string
		line               int
	}{
		{"", "root", "main.tf", 5}, {`module.net["a.b"]`, "n", "net/net.tf", 5}, {"module.net.module.sub[0]", "s", "sub/sub.tf", 1},
		{"module.far", "f", ".terraform/modules/far/f.tf", 2}, {"module.lost", "x", "", 0}, {"module.none", "x", "", 0}, {"", "absent", "", 0},
	} {
		m, err := addr.ParseModule(tc.module)
		if err != nil {
			t.Fatal(err)
		}
		d, file, ok := tree.Declaration(m, "t", tc.name)
		if file != tc.file || ok != (tc.file != "") || ok && d.Range.Start.Line != tc.line {
			t.Errorf("%s t.%s: %s:%d, %t", tc.module, tc.name, file, d.Range.Start.Line, ok)
		}
	}
	m, _ := addr.ParseModule("module.net")
	if d, _, _ := tree.Declaration(m, "t", "n"); len(d.Ignore) != 2 {
		t.Errorf("declaration %+v", d)
	}
	if _, err := NewTree(root, folder(t, map[string]string{"modules/modules.json": "{"})); err == nil {
		t.Error("a broken list of modules is taken")
	}
}

func FuzzModule(f *testing.F) {
	f.Add("variable \"v\" {\n  default = \"x\"\n}\nprovider \"cloud\" {\n  region = \"${var.v}\"\n}\nresource \"t\" \"n\" {\n  lifecycle {\n    ignore_changes = [a.b[0]]\n  }\n}\n", "v = 1", false)
	f.Add(`{"terraform": {"required_providers": {"cloud": {"source": "a/b"}}}, "provider": {"cloud": {"region": "${var.v}"}}}`, "", true)
	f.Add("module \"m\" {\n  source = \"./\"\n  count = 2\n  v = local.a\n}\nlocals {\n  a = cluster.many[*].endpoint\n  b = [for k, v in data.cluster.main : { (k) = v }]\n}\nvariable \"v\" {\n  type = object({ a = optional(list(string), [\"x\"]) })\n  sensitive = true\n}\noutput \"o\" { value = var.v }\nprovider \"cloud\" {\n  tags = merge(module.m[0].o, { x = try(cluster.main.ports[0], null) })\n  dynamic \"assume_role\" {\n    for_each = local.b\n    content {\n      role = assume_role.value\n    }\n  }\n}\n", "v = { a = [\"b\"] }", false)
	f.Add("provider \"cloud\" {\n  hosts = toset(cidrsubnets(\"10.0.0.0/8\", 4, 4))\n  retry = length(fileset(path.module, \"**\"))\n  endpoints { url = templatestring(\"$${a}\", { a = jsondecode(\"[1]\")[0] }) }\n}\n", "", false)
	f.Fuzz(func(t *testing.T, code, values string, json bool) {
		name := "main.tf"
		if json {
			name += ".json"
		}
		start := time.Now()
		defer func() {
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		}()
		dir := t.TempDir()
		for file, text := range map[string]string{name: code, "terraform.tfvars": values} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Load(dir)
		if err != nil {
			return
		}
		_, _ = m.Locate(filepath.Join(dir, ".terraform"), "", none)
		for _, d := range m.Resources {
			_, _ = d.Sets(taffrail.NewPath(taffrail.Attr("a"), taffrail.Index(0), taffrail.Key("b")))
		}
		tree, err := NewTree(m, filepath.Join(dir, ".terraform"))
		if err != nil {
			return
		}
		s := Scope{Workspace: "w", State: fromCloudState}
		_ = tree.SensitiveValues(s)
		got, err := tree.Configure(cloudConfig, cloudSpec, s)
		if err == nil && (!got.Value.IsWhollyKnown() || got.Value.ContainsMarked()) {
			t.Fatalf("configured with an unknown or with marks: %#v", got.Value)
		}
	})
}
