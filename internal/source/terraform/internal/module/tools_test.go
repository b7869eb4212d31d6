package module

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// wholeStack has everything that the configuration of a provider may be built of.
var wholeStack = map[string]string{
	"main.tf": `
variable "region" { default = "north" }
variable "env" { type = string }
variable "size" {
  type    = number
  default = "5"
}
variable "shape" {
  type = object({ a = string, b = optional(number, 7), c = optional(object({ d = optional(bool, true) }), {}) })
  default = { a = "x" }
}
variable "never_null" {
  type     = string
  default  = "fallback"
  nullable = false
}
variable "from_file" {}
variable "from_auto" {}
variable "list" {
  type    = list(string)
  default = ["a", "b"]
}
variable "secret" {
  default   = "s3cret"
  sensitive = true
}

resource "terraform_data" "one" { input = { host = "h1", port = 80 } }
resource "terraform_data" "counted" {
  count = 2
  input = "c${count.index}"
}
resource "terraform_data" "each" {
  for_each = toset(["x.y", "z\"q"])
  input    = "e-${each.key}"
}
resource "terraform_data" "none" {
  count = 0
  input = "n"
}
data "terraform_remote_state" "other" {
  backend = "local"
  config  = { path = "${path.module}/other.tfstate" }
}

module "plain" {
  source = "./net"
  name   = "p-${var.region}"
  nested = { deep = var.list }
}
module "many" {
  source   = "./net"
  for_each = { a = 1, "b.c" = 2 }
  name     = "${each.key}-${each.value}"
}
module "sets" {
  source   = "./net"
  for_each = toset(["s1", "s2"])
  name     = "${each.key}=${each.value}"
  filled   = null
}
module "counted" {
  source = "./net"
  count  = 2
  name   = "n${count.index}"
}

locals {
  literal   = "x"
  sum       = var.size + 1
  chain     = "${local.literal}-${local.sum}"
  choice    = var.env == "prod" ? "p" : "q"
  listed    = [for i, s in var.list : "${i}${upper(s)}"]
  mapped    = { for s in var.list : s => length(s) if s != "a" }
  grouped   = { for s in ["a1", "a2", "b1"] : substr(s, 0, 1) => s... }
  splat     = [for m in module.counted : m.out][*]
  heredoc   = <<-EOT
    a
      ${var.region}
  EOT
  shape     = var.shape
  null_var  = var.never_null
  file      = var.from_file
  auto      = var.from_auto
  read      = file("${path.module}/note.txt")
  paths     = [path.module, path.root]
  cwd       = path.cwd
  workspace = terraform.workspace
  res       = terraform_data.one.output.host
  whole     = terraform_data.one.output
  id_is     = terraform_data.one.id != ""
  counted   = terraform_data.counted[1].output
  all       = terraform_data.counted[*].output
  each      = terraform_data.each["x.y"].output
  eachs     = { for k, v in terraform_data.each : k => v.output }
  nothing   = one(terraform_data.none[*].output)
  remote    = data.terraform_remote_state.other.outputs.endpoint
  remote_l  = data.terraform_remote_state.other.outputs.list[1]
  mod       = module.plain.out
  mod_res   = module.plain.stored
  mod_deep  = module.plain.inner_path
  many      = module.many["b.c"].out
  manys     = { for k, m in module.many : k => m.out }
  sets      = module.sets["s2"].out
  filled    = module.sets["s1"].filled
  cnt       = module.counted[1].out
  cnts      = module.counted[*].out
  tried     = try(terraform_data.one.output.absent, "none")
  maybe     = can(terraform_data.one.output.absent)
  coalesced = coalesce(var.never_null, "x")
  over      = "base"
  json      = local.from_json
}
`,
	"main_override.tf":  "locals {\n  over = \"overridden\"\n}\n",
	"j.tf.json":         `{"locals": {"from_json": "${upper(var.region)}-x", "obj": {"k": "${var.size}"}}}`,
	"terraform.tfvars":  "from_file = \"f\"\nfrom_auto = \"f\"\n",
	"z.auto.tfvars":     "from_auto = \"auto\"\nnever_null = null\n",
	"note.txt":          "a note\n",
	"other.tfstate":     `{"version":4,"terraform_version":"1.9.0","serial":1,"lineage":"x","outputs":{"endpoint":{"value":"https://e","type":"string"},"list":{"value":["a","b"],"type":["list","string"]}},"resources":[]}`,
	"net/net.tf":        "variable \"name\" {}\nvariable \"nested\" {\n  type    = any\n  default = {}\n}\nlocals {\n  up = upper(var.name)\n}\nresource \"terraform_data\" \"r\" { input = local.up }\nmodule \"inner\" { source = \"./inner\" }\noutput \"out\" { value = local.up }\noutput \"stored\" { value = terraform_data.r.output }\noutput \"inner_path\" { value = \"${path.module} ${module.inner.at}\" }\noutput \"nested\" { value = var.nested }\nvariable \"filled\" {\n  default  = \"f\"\n  nullable = false\n}\noutput \"filled\" { value = var.filled }\n",
	"net/inner/main.tf": "output \"at\" { value = path.module }\n",
}

// The tool applies a stack, and says what each local value is. We say the same, from the code and the state alone.
func TestTrap17_ValuesAsTheToolsHaveThem(t *testing.T) {
	tools := 0
	for _, name := range []string{"terraform", "tofu", os.Getenv("TAFFRAIL_TEST_TOFU")} {
		if tool, err := exec.LookPath(name); err == nil {
			tools++
			t.Run(filepath.Base(tool), func(t *testing.T) { compareLocals(t, tool) })
		}
	}
	if tools == 0 {
		t.Skip("neither terraform nor tofu is on PATH")
	}
}

func compareLocals(t *testing.T, tool string) {
	files := maps.Clone(wholeStack)
	source, err := Load(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(source.locals))
	for _, name := range keys {
		files["out.tf"] += "output \"" + name + "\" {\n  value     = jsonencode(local." + name + ")\n  sensitive = true\n}\n"
	}
	dir := folder(t, files)
	environ := append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+os.DevNull, "TF_VAR_env=prod", "TF_VAR_from_file=env", "TF_IN_AUTOMATION=1")
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command(tool, args...)
		cmd.Dir, cmd.Env = dir, environ
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
		}
		return out
	}
	run("init", "-input=false")
	run("apply", "-auto-approve", "-input=false")
	var theirs map[string]struct{ Value string }
	if err := json.Unmarshal(run("output", "-json"), &theirs); err != nil {
		t.Fatal(err)
	}
	root, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := NewTree(root, filepath.Join(dir, ".terraform"))
	if err != nil {
		t.Fatal(err)
	}
	e := tree.evaluator(Scope{Environ: environ, Workspace: "default", State: everything(filepath.Join(dir, "terraform.tfstate"))})
	for _, name := range keys {
		e.unknown = nil
		ours := e.value(e.frames[""], parse(t, "jsonencode(local."+name+")"), nil)
		if got := text(ours); got != theirs[name].Value {
			t.Errorf("local.%s: %s says %s, we say %s %v", name, filepath.Base(tool), theirs[name].Value, got, e.unknown)
		}
	}
	if len(theirs) != len(keys) {
		t.Errorf("%d values of %d", len(theirs), len(keys))
	}
}

// text is a text without its marks.
func text(v cty.Value) string {
	v, _ = v.UnmarkDeep()
	if !v.IsKnown() || v.Type() != cty.String {
		return v.GoString()
	}
	return v.AsString()
}

// everything reads from a state file without asking what is wanted; what is wanted has a test of its own.
func everything(path string) func(func(module, mode, resourceType, name string) bool) ([]state.Referenced, error) {
	return func(func(module, mode, resourceType, name string) bool) ([]state.Referenced, error) {
		found, _, err := state.ReadReferences(path, func(string, string, string, string) bool { return true })
		return found, err
	}
}

func parse(t *testing.T, text string) hcl.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr
}
