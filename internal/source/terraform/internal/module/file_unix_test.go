//go:build unix

package module

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe may stand under any name of a file; nothing waits for what comes out of it.
func TestPipesHoldNothingUp(t *testing.T) {
	for _, name := range []string{
		"main.tf", "x.tf.json", "terraform.tfvars", "x.auto.tfvars", "given.tfvars", "note.txt", ".terraform/modules/modules.json",
		".terraform/environment", ".terraform/terraform.tfstate", "net/net.tf",
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{
				"code.tf":    "module \"net\" { source = \"./net\" }\nprovider \"cloud\" {\n  region = \"${file(\"note.txt\")}${one(fileset(\".\", \"*.txt\"))}${module.net.out}\"\n}\n",
				"net/out.tf": "output \"out\" { value = 1 }\n", ".terraform/x": "", ".terraform/modules/x": "",
			})
			if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- readAll(dir) }()
			select {
			case err := <-done:
				if err == nil || strings.Contains(err.Error(), "panic") {
					t.Errorf("error %v", err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("nothing came of it")
			}
		})
	}
}

// readAll does all that reads files, and gives the first error.
func readAll(dir string) error {
	m, err := Load(dir)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, ".terraform")
	if _, err := m.Locate(data, "", os.Getenv); err != nil {
		return err
	}
	tree, err := NewTree(m, data)
	if err != nil {
		return err
	}
	s := Scope{VarFiles: []string{"given.tfvars"}}
	_ = tree.SensitiveValues(s)
	_, err = tree.Configure(cloudConfig, cloudSpec, s)
	return err
}
