package module

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// Code that would take all memory, or all time, is not worked out: it is not known.
func TestTooMuchWorkIsNotDone(t *testing.T) {
	for name, code := range map[string]string{
		"loops in loops":           `[for a in range(1000): [for b in range(1000): [for c in range(1000): 1]]]`,
		"loops over many":          `[for a in local.many: [for b in local.many: 1]]`,
		"products":                 `setproduct(range(1000), range(1000), range(1000))`,
		"what is flattened":        `flatten([for a in range(1000): local.many])`,
		"what is joined":           `join("", [for a in range(1000): jsonencode(local.many)])`,
		"a template":               `templatestring(local.template, {})`,
		"what is tried":            `try([for a in local.many: [for b in local.many: 1]], "x")`,
		"a condition in all these": `[for a in local.many: [for b in local.many: 1 if a == b]]`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := `locals {
  many = flatten([for a in range(100): range(100)])
  template = "%%{ for a in range(1000) }%%{ for b in range(1000) }%%{ for c in range(1000) }x%%{ endfor }%%{ endfor }%%{ endfor }"
  bomb = ` + code + `
}
provider "cloud" {
  url = length(local.bomb) > 0 ? "a" : "b"
}
terraform {
  required_providers {
    cloud = { source = "registry.example/test/cloud" }
  }
}
`
			if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text), 0o600); err != nil {
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
			config, err := addr.ParseProviderConfig(`provider["registry.example/test/cloud"]`)
			if err != nil {
				t.Fatal(err)
			}
			spec := hcldec.ObjectSpec{"url": &hcldec.AttrSpec{Name: "url", Type: cty.String}}
			got, err := tree.Configure(config, spec, Scope{})
			if name == "what is tried" { // as far as it goes, that is what try is for
				return
			}
			if err == nil {
				t.Errorf("it was worked out: %#v", got.Value)
			}
		})
	}
}

func TestLoopsInLoopsOfJSONAreRefused(t *testing.T) {
	one := `{"locals": {"a": "${[for x in [1]: x]}", "b": "wait for [for y in [\"q\"]: y]"}}`
	if _, err := parseFile([]byte(one), "x.tf.json"); err != nil {
		t.Error(err)
	}
	two := "{\n\"locals\": {\"a\": \"${[for x in [1]: [for y in [\\\"z\\\"]: y]]}\"}}"
	if _, err := parseFile([]byte(two), "x.tf.json"); err == nil || !strings.Contains(err.Error(), ":2") {
		t.Errorf("%v", err)
	}
}
