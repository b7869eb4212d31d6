package module

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

func TestTrap29_SensitiveVariablesFromEverySource(t *testing.T) {
	m := load(t, map[string]string{
		"main.tf": `
variable "a" {
  sensitive = true
  default   = "a-default"
}
variable "m" {
  type      = map(string)
  sensitive = "true"
}
variable "odd" {
  sensitive = local.x
  default   = "odd-default"
}
variable "open" {
  sensitive = false
  default   = "open-default"
}
variable "later" { default = "later-default" }
variable "plain" { default = "plain-default" }
variable "null" {
  sensitive = null
  default   = "null-default"
}`,
		"x_override.tf": `variable "later" { sensitive = true }`,
		"j.tf.json":     `{"variable": {"j": {"sensitive": true, "default": "j-default"}}}`,
		"terraform.tfvars": `a = "a-file"
plain = "plain-file"`,
		"x.auto.tfvars.json": `{"a": "a-auto", "undeclared": "x"}`,
		"y.auto.tfvars":      "{{{",
	})
	tree, err := NewTree(m, "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, v := range tree.SensitiveValues(Scope{Environ: []string{"TF_VAR_a=a-env", `TF_VAR_m={k="m-env"}`, "TF_VAR_plain=plain-env", "OTHER=x", "TF_VAR_none=x"}}) {
		_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
			if v.Type() == cty.String {
				got[v.AsString()] = true
			}
			return true, nil
		})
	}
	var texts []string
	for text := range got {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	want := []string{"a-auto", "a-default", "a-env", "a-file", "j-default", "later-default", "m-env", "odd-default", `{k="m-env"}`}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Error(diff)
	}
	if none, _ := NewTree(nil, ""); none.SensitiveValues(Scope{}) != nil {
		t.Error("no module has secrets")
	}
}
