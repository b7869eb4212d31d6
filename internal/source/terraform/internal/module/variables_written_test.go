package module

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is written as a file means what -var would.
func TestWrittenVariables(t *testing.T) {
	dir := t.TempDir()
	code := `variable "text" { type = string }
variable "count_of" { type = number }
variable "any_of" {}
variable "list_of" { type = list(string) }
`
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := string(m.Written(map[string]string{
		"text": "a \"b\" ${c} %{d}\n", "count_of": "3", "any_of": "[1]", "list_of": `["x", "y"]`, "undeclared": "u",
	}))
	want := `any_of = "[1]"
count_of = "3"
list_of = ["x", "y"]
text = "a \"b\" $${c} %%{d}\n"
undeclared = "u"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parseFile([]byte(got), "x.tfvars"); err != nil {
		t.Error(err)
	}
}
