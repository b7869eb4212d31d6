package module

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// cloudSpec is a provider's schema with what providers have: texts, numbers, maps, nested blocks.
var cloudSpec = hcldec.ObjectSpec{
	"region": &hcldec.AttrSpec{Name: "region", Type: cty.String},
	"retry":  &hcldec.AttrSpec{Name: "retry", Type: cty.Number},
	"tags":   &hcldec.AttrSpec{Name: "tags", Type: cty.Map(cty.String)},
	"hosts":  &hcldec.AttrSpec{Name: "hosts", Type: cty.Set(cty.String)},
	"assume_role": &hcldec.BlockListSpec{TypeName: "assume_role", Nested: hcldec.ObjectSpec{
		"role": &hcldec.AttrSpec{Name: "role", Type: cty.String}, "tags": &hcldec.AttrSpec{Name: "tags", Type: cty.Map(cty.String)},
	}},
	"endpoints": &hcldec.BlockSetSpec{TypeName: "endpoints", Nested: hcldec.ObjectSpec{"url": &hcldec.AttrSpec{Name: "url", Type: cty.String}}},
}

const cloud = "provider[\"registry.example/hashicorp/cloud\"]"

var cloudConfig = addr.ProviderConfig{Provider: addr.Provider{Host: "registry.example", Namespace: "hashicorp", Type: "cloud"}}

// cloudState is a state with resources and data that configurations refer to.
const cloudState = `{"version":4,"serial":3,"lineage":"l","terraform_version":"1.9.0","outputs":{"x":{"value":1}},"resources":[
{"mode":"managed","type":"cluster","name":"main","provider":"p","instances":[{"attributes":{"endpoint":"https://one","ports":[1,2],"auth":{"token":"named-secret"},"key_data":"marked-secret","size":9007199254740993},
  "sensitive_attributes":[[{"type":"get_attr","value":"key_data"}]]},{"deposed":"abc","attributes":{"endpoint":"old"}}]},
{"mode":"data","type":"cluster","name":"main","provider":"p","instances":[{"attributes":{"endpoint":"https://data"}}]},
{"mode":"managed","type":"cluster","name":"many","provider":"p","instances":[{"index_key":1,"attributes":{"endpoint":"e1"}},{"index_key":0,"attributes":{"endpoint":"e0"}}]},
{"mode":"managed","type":"cluster","name":"keyed","provider":"p","instances":[{"index_key":"a.b\"c","attributes":{"endpoint":"k"}}]},
{"mode":"managed","type":"cluster","name":"old","provider":"p","instances":[{"attributes_flat":{"endpoint":"flat"}}]},
{"module":"module.net","mode":"managed","type":"cluster","name":"main","provider":"p","instances":[{"attributes":{"endpoint":"https://net"}}]},
{"module":"module.many[\"x.y\"]","mode":"managed","type":"cluster","name":"main","provider":"p","instances":[{"attributes":{"endpoint":"https://xy"}}]}
]}`

func fromCloudState(wanted func(module, mode, resourceType, name string) bool) ([]state.Referenced, error) {
	found, _, err := state.References(strings.NewReader(cloudState), wanted)
	return found, err
}

func configureIn(t *testing.T, files map[string]string, config string, s Scope) (Configured, error) {
	t.Helper()
	dir := folder(t, files)
	root, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := NewTree(root, filepath.Join(dir, ".terraform"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := addr.ParseProviderConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if s.State == nil {
		s.State = fromCloudState
	}
	return tree.Configure(c, cloudSpec, s)
}

func TestTrap17_Configurations(t *testing.T) {
	for _, tc := range []struct {
		name   string
		files  map[string]string
		config string // what stands after the provider's source; or a whole address
		scope  Scope
		want   string // attributes of the configuration that are set
	}{
		{name: "variables, locals, functions", files: map[string]string{"main.tf": `
variable "env" { default = "prod" }
locals { full = "${var.env}-${join("-", [for s in ["a", "b"] : upper(s)])}" }
provider "cloud" {
  region = local.full
  retry  = var.env == "prod" ? 3 : 1
  tags   = merge({ env = var.env }, { ws = terraform.workspace, at = path.module })
  hosts  = ["b", "a", "a"]
}`}, scope: Scope{Workspace: "blue"}, want: `{"hosts":["a","b"],"region":"prod-A-B","retry":3,"tags":{"at":".","env":"prod","ws":"blue"}}`},
		{name: "alias", files: map[string]string{"main.tf": `
provider "cloud" { region = "north" }
provider "cloud" {
  alias  = "west"
  region = "west"
}`}, config: ".west", want: `{"region":"west"}`},
		{name: "nested blocks", files: map[string]string{"main.tf": `
variable "account" { default = "123" }
provider "cloud" {
  assume_role {
    role = "arn:${var.account}:role"
    tags = { a = var.account }
  }
  endpoints { url = "u1" }
  endpoints { url = "u2" }
}`}, want: `{"assume_role":[{"role":"arn:123:role","tags":{"a":"123"}}],"endpoints":[{"url":"u1"},{"url":"u2"}]}`},
		{name: "dynamic blocks", files: map[string]string{"main.tf": `
variable "roles" { default = ["r1", "r2"] }
provider "cloud" {
  dynamic "assume_role" {
    for_each = var.roles
    iterator = it
    content {
      role = "${it.key}:${it.value}"
    }
  }
}`}, want: `{"assume_role":[{"role":"0:r1","tags":null},{"role":"1:r2","tags":null}]}`},
		{name: "resources and data of the state", files: map[string]string{"main.tf": `
provider "cloud" {
  region = cluster.main.endpoint
  retry  = cluster.main.ports[1]
  tags = {
    data  = data.cluster.main.endpoint
    count = cluster.many[1].endpoint
    all   = join(",", cluster.many[*].endpoint)
    key   = cluster.keyed["a.b\"c"].endpoint
    exact = cluster.main.size
    full  = resource.cluster.main.endpoint
  }
}`}, want: `{"region":"https://one","retry":2,"tags":{"all":"e0,e1","count":"e1","data":"https://data","exact":"9007199254740993","full":"https://one","key":"k"}}`},
		{name: "outputs of modules", files: map[string]string{
			"main.tf": `
module "net" {
  source = "./net"
  zone   = "z-${cluster.main.endpoint}"
}
module "many" {
  source   = "./net"
  for_each = { "x.y" = "v" }
  zone     = each.value
}
provider "cloud" {
  region = module.net.endpoint
  tags   = { zone = module.net.zone, keyed = module.many["x.y"].endpoint, each = module.many["x.y"].zone }
}`,
			"net/main.tf": "variable \"zone\" {}\noutput \"endpoint\" { value = cluster.main.endpoint }\noutput \"zone\" { value = var.zone }\noutput \"broken\" { value = nothing.at.all }\n",
		}, want: `{"region":"https://net","tags":{"each":"v","keyed":"https://xy","zone":"z-https://one"}}`},
		{name: "block in a child module", files: map[string]string{
			"main.tf":        "variable \"r\" { default = \"north\" }\nmodule \"net\" {\n  source = \"./net\"\n  region = var.r\n}\n",
			"net/main.tf":    "variable \"region\" {}\nvariable \"suffix\" { default = \"s\" }\nmodule \"inner\" {\n  source = \"./in\"\n  region = \"${var.region}-${var.suffix}\"\n}\n",
			"net/in/main.tf": "variable \"region\" { type = string }\nprovider \"cloud\" {\n  alias  = \"a\"\n  region = var.region\n  tags   = { at = path.module, state = cluster.main.endpoint }\n}\nlocals { c = cluster.main.endpoint }\n",
		}, config: "module.net.module.inner." + cloud + ".a", scope: Scope{State: func(wanted func(module, mode, resourceType, name string) bool) ([]state.Referenced, error) {
			if !wanted("module.net.module.inner", "managed", "cluster", "main") || wanted("", "managed", "cluster", "main") {
				return nil, fmt.Errorf("the wrong things are wanted")
			}
			return []state.Referenced{{Module: "module.net.module.inner", Mode: "managed", Type: "cluster", Name: "main", Attributes: []byte(`{"endpoint":"in"}`)}}, nil
		}}, want: `{"region":"north-s","tags":{"at":"net/in","state":"in"}}`},
		{name: "for_each of a provider", files: map[string]string{"main.tf": `
variable "regions" { default = { north = "n1", "eu.west" = "w1" } }
provider "cloud" {
  alias    = "by"
  for_each = var.regions
  region   = each.value
  tags     = { key = each.key }
}`}, config: `.by["eu.west"]`, want: `{"region":"w1","tags":{"key":"eu.west"}}`},
		{name: "override files", files: map[string]string{
			"main.tf":       "provider \"cloud\" {\n  region = \"base\"\n  retry = 1\n  assume_role { role = \"base\" }\n  endpoints { url = \"kept\" }\n}\n",
			"x_override.tf": "provider \"cloud\" {\n  region = \"over\"\n  assume_role { role = \"over\" }\n}\n",
		}, want: `{"assume_role":[{"role":"over","tags":null}],"endpoints":[{"url":"kept"}],"region":"over","retry":1}`},
		{name: "JSON", files: map[string]string{"main.tf.json": `{"variable": {"r": {"default": "north"}}, "locals": {"l": "${var.r}-1"},
  "provider": {"cloud": [{"region": "${local.l}", "assume_role": {"role": "${upper(var.r)}"}, "tags": {"c": "${cluster.main.endpoint}"}}]}}`},
			want: `{"assume_role":[{"role":"NORTH","tags":null}],"region":"north-1","tags":{"c":"https://one"}}`},
		{name: "what is not needed may be unknown", files: map[string]string{"main.tf": `
variable "unset" {}
locals { o = { a = "x", b = data.absent.x.y } }
provider "cloud" {
  region = true ? "known" : data.absent.x.y
  tags   = { a = local.o.a, c = coalesce("c", var.unset), t = "${false ? var.unset : "t"}" }
}`}, want: `{"region":"known","tags":{"a":"x","c":"c","t":"t"}}`},
		{name: "settings", files: map[string]string{
			"main.tf":          "variable \"a\" { default = \"code\" }\nvariable \"b\" {}\nvariable \"c\" { type = list(string) }\nprovider \"cloud\" {\n  region = var.a\n  tags = { b = var.b, c = var.c[0] }\n}\n",
			"terraform.tfvars": "a = \"file\"\nb = \"file\"\n", "prod.vars": "b = \"given file\"\na = \"given file\"\n",
		}, scope: Scope{Environ: []string{"TF_VAR_a=env"}, Vars: map[string]string{"a": "given", "c": `["c1"]`}, VarFiles: []string{"prod.vars"}},
			want: `{"region":"given","tags":{"b":"given file","c":"c1"}}`},
		{name: "count of nothing", files: map[string]string{"main.tf": `
resource "cluster" "off" { count = 0 }
provider "cloud" { region = length(cluster.off) == 0 ? "none" : cluster.off[0].endpoint }`}, want: `{"region":"none"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := tc.config
			if !strings.HasPrefix(config, "module.") {
				config = cloud + config
			}
			got, err := configureIn(t, tc.files, config, tc.scope)
			if err != nil {
				t.Fatal(err, taffrail.HintOf(err))
			}
			set := map[string]cty.Value{}
			for name, v := range got.Value.AsValueMap() {
				if !v.IsNull() && (!v.CanIterateElements() || v.LengthInt() > 0) {
					set[name] = v
				}
			}
			if diff := cmp.Diff(tc.want, asJSON(cty.ObjectVal(set))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is not known is named with its place, however long the way to it, and nothing is configured.
func TestTrap17_WhatIsUnknownIsNamed(t *testing.T) {
	for _, tc := range []struct{ name, code, config, want, hint string }{
		{"variable", `variable "v" {}` + "\n" + `provider "cloud" { region = "a${var.v}" }`, "", "var.v at main.tf:2", "TF_VAR_v"},
		{"through a local", "locals {\n  a = local.b\n  b = data.vault.x.token\n}\nprovider \"cloud\" { region = local.a }", "", "data.vault.x.token at main.tf:3", "the state does not have it"},
		{"through a module", "module \"net\" {\n  source = \"./net\"\n  v = vault.gone.token\n}\nprovider \"cloud\" { region = module.net.out }", "", "vault.gone.token at main.tf:3", "the state does not have it"},
		{"in a module", "module \"net\" {\n  source = \"./net\"\n  v = 1\n}\nprovider \"cloud\" { region = module.net.deep }", "", "vault.x at net/main.tf:3", "the state does not have it"},
		{"missing argument", "module \"net\" {\n  source = \"./net\"\n}\nprovider \"cloud\" { region = module.net.out }", "", "var.v at net/main.tf:2", "where the module is called"},
		{"no code of a module", "module \"far\" {\n  source = \"far/away/x\"\n}\nprovider \"cloud\" { region = module.far.out }", "", "module.far.out at main.tf:4", "init"},
		{"time", `provider "cloud" { region = timestamp() }`, "", "timestamp()", "write a value"},
		{"time in a local", "locals {\n  t = upper(timestamp())\n}\nprovider \"cloud\" { region = local.t }", "", "timestamp() at main.tf:2", ""},
		{"lost in try", "provider \"cloud\" {\n  region = try(data.vault.x.token, \"x\")\n}", "", "data.vault.x.token at main.tf:2", ""},
		{"in a map", "provider \"cloud\" {\n  tags = { a = \"x\", b = data.vault.x.token }\n}", "", "data.vault.x.token at main.tf:2", ""},
		{"in a set", "provider \"cloud\" {\n  hosts = [\"a\", data.vault.x.token]\n}", "", "data.vault.x.token at main.tf:2", ""},
		{"in a block", "provider \"cloud\" {\n  endpoints {\n    url = data.vault.x.token\n  }\n}", "", "data.vault.x.token at main.tf:3", ""},
		{"dynamic", "provider \"cloud\" {\n  dynamic \"assume_role\" {\n    for_each = data.vault.x.list\n    content {}\n  }\n}", "", "data.vault.x.list at main.tf:3", ""},
		{"circle", "locals {\n  a = local.b\n  b = local.a\n}\nprovider \"cloud\" { region = local.a }", "", "needs itself", ""},
		{"circle of a module", "module \"net\" {\n  source = \"./net\"\n  v = module.net.out\n}\nprovider \"cloud\" { region = module.net.out }", "", "needs itself", ""},
		{"state of an old tool", `provider "cloud" { region = cluster.old.endpoint }`, "", "cluster.old.endpoint at main.tf:1", "0.12"},
		{"no such attribute", `provider "cloud" { region = cluster.main.nothing }`, "", "unsupported attribute at main.tf:1", "validate"},
		{"no such function", `provider "cloud" { region = nothing() }`, "", "function nothing at main.tf:1", "no function"},
		{"function of a provider", `provider "cloud" { region = provider::x::y("secret") }`, "", "function provider::x::y at main.tf:1", "functions of providers"},
		{"failing function", `provider "cloud" { region = file("absent-secret") }`, "", "the call of file fails at main.tf:1", ""},
		{"ephemeral", `provider "cloud" { region = ephemeral.vault.x.token }`, "", "ephemeral.vault.x.token at main.tf:1", ""},
		{"one of many", `provider "cloud" { region = "x" }`, `.by["k"]`, "no provider block has the alias", ""},
		{"key that is gone", "provider \"cloud\" {\n  alias = \"by\"\n  for_each = toset([\"a\"])\n}", `.by["k"]`, "does not have the key", "apply"},
		{"key of a plain block", "provider \"cloud\" {\n  alias = \"by\"\n}", `.by["k"]`, "other configurations", "apply"},
		{"no key of for_each", "provider \"cloud\" {\n  alias = \"by\"\n  for_each = toset([\"a\"])\n}", `.by`, "other configurations", "apply"},
		{"for_each of a list", "provider \"cloud\" {\n  alias = \"by\"\n  for_each = [\"k\"]\n}", `.by["k"]`, "for_each at main.tf:3", "map or a set"},
		{"unknown for_each", "provider \"cloud\" {\n  alias = \"by\"\n  for_each = data.vault.x.regions\n}", `.by["k"]`, "data.vault.x.regions at main.tf:3", ""},
		{"number that grows", squares(40), "", "too large", ""},
		{"growing text", doubling(40), "", "too large", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := map[string]string{
				"main.tf": tc.code, "net/main.tf": "output \"out\" {\n  value = var.v }\noutput \"deep\" { value = vault.x[*] }\nvariable \"v\" {}\n",
			}
			files["net/main.tf"] = "output \"out\" {\n  value = var.v\n} \noutput \"deep\" { value = vault.x }\nvariable \"v\" {}\n"
			tc.want = strings.Replace(tc.want, "net/main.tf:3", "net/main.tf:4", 1)
			got, err := configureIn(t, files, cloud+tc.config, Scope{})
			if err == nil {
				t.Fatalf("it was configured: %#v", got.Value)
			}
			if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), "provider configuration unknown: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(taffrail.HintOf(err), tc.hint) || strings.Contains(err.Error()+taffrail.HintOf(err), "secret") {
				t.Errorf("error %v, hint %q", err, taffrail.HintOf(err))
			}
		})
	}
}

// doubling is code whose value is twice as large with each line.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("locals {\n  l0 = \"0123456789\"\n")
	for i := range n {
		fmt.Fprintf(&b, "  l%d = \"${local.l%d}${local.l%d}\"\n", i+1, i, i)
	}
	fmt.Fprintf(&b, "}\nprovider \"cloud\" { region = local.l%d }\n", n)
	return b.String()
}

// squares is code whose number has twice as many digits with each line.
func squares(n int) string {
	var b strings.Builder
	b.WriteString("locals {\n  l0 = 1e1000\n")
	for i := range n {
		fmt.Fprintf(&b, "  l%d = local.l%d * local.l%d\n", i+1, i, i)
	}
	fmt.Fprintf(&b, "}\nprovider \"cloud\" { region = local.l%d }\n", n)
	return b.String()
}

// What the code or the state calls sensitive comes back as a secret, from wherever it is put together; nothing else does.
func TestTrap29_SecretsOfConfigurationsAreTold(t *testing.T) {
	got, err := configureIn(t, map[string]string{
		"main.tf": `
variable "password" {
  default   = "variable-secret"
  sensitive = true
}
module "net" {
  source = "./net"
  plain  = "from-${var.password}"
}
provider "cloud" {
  region = "open"
  retry  = 3
  tags   = {
    url   = "https://u:${var.password}@h"
    named = cluster.main.auth.token
    state = cluster.main.key_data
    own   = sensitive("written-secret")
    net   = module.net.out
    out   = module.net.hidden
    open  = data.cluster.main.endpoint
  }
  assume_role { role = upper(var.password) }
}`,
		"net/main.tf": "variable \"plain\" {}\noutput \"out\" { value = var.plain }\noutput \"hidden\" {\n  value = \"output-secret\"\n  sensitive = true\n}\n",
	}, cloud, Scope{})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, v := range got.Secrets {
		_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
			if v.Type() == cty.String {
				texts = append(texts, v.AsString())
			}
			return true, nil
		})
	}
	slices.Sort(texts)
	want := []string{"VARIABLE-SECRET", "from-variable-secret", "https://u:variable-secret@h", "marked-secret", "named-secret", "output-secret", "written-secret"}
	if diff := cmp.Diff(want, slices.Compact(texts)); diff != "" {
		t.Error(diff)
	}
}

// A sensitive variable of any module is a secret, whatever gives it its value.
func TestTrap29_SensitiveVariablesOfModules(t *testing.T) {
	root := load(t, map[string]string{
		"main.tf":     "variable \"open\" { default = \"from-root\" }\nmodule \"net\" {\n  source = \"./net\"\n  for_each = toset([\"k\"])\n  token = \"${var.open}-${each.key}\"\n}\n",
		"net/main.tf": "variable \"token\" { sensitive = true }\nvariable \"other\" {\n  sensitive = true\n  default = \"own-default\"\n}\nvariable \"unset\" { sensitive = true }\n",
	})
	tree, err := NewTree(root, "")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, v := range tree.SensitiveValues(Scope{}) {
		texts = append(texts, v.AsString())
	}
	slices.Sort(texts)
	if diff := cmp.Diff([]string{"from-root-k", "own-default"}, texts); diff != "" {
		t.Error(diff)
	}
}

// A folder that calls itself ends somewhere.
func TestModulesThatCallThemselves(t *testing.T) {
	got, err := configureIn(t, map[string]string{"main.tf": `
module "a" { source = "./" }
module "b" { source = "./" }
variable "s" {
  sensitive = true
  default   = cluster.main.endpoint
}
provider "cloud" { region = cluster.main.endpoint }`}, cloud, Scope{})
	if err != nil || got.Value.GetAttr("region").AsString() != "https://one" {
		t.Errorf("%#v, %v", got, err)
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, tc := range []struct {
		scope Scope
		want  string
	}{
		{Scope{Vars: map[string]string{"nothing": "secret"}}, `no variable "nothing"`},
		{Scope{Vars: map[string]string{"l": "[secret"}}, `variable "l"`},
		{Scope{VarFiles: []string{"absent.tfvars"}}, "absent.tfvars"},
		{Scope{Environ: []string{"TF_VAR_l=[secret"}}, "TF_VAR_l"},
	} {
		_, err := configureIn(t, map[string]string{"main.tf": "variable \"l\" {\n  type = list(string)\n  default = [\"x\"]\n}\nprovider \"cloud\" { region = var.l[0] }"}, cloud, tc.scope)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", tc.scope, err)
		}
	}
}

func asJSON(v cty.Value) string { return text(must(jsonOf(v))) }

func jsonOf(v cty.Value) (cty.Value, error) {
	tree, err := NewTree(&Module{Dir: os.TempDir()}, "")
	if err != nil {
		return cty.NilVal, err
	}
	return tree.evaluator(Scope{}).functions["jsonencode"].Call([]cty.Value{v})
}

func must(v cty.Value, err error) cty.Value {
	if err != nil {
		panic(err)
	}
	return v
}
