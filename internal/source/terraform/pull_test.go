package terraform

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// tool puts a program on the rig's PATH that stands for the user's own: it says who it is, and pulls what a file holds.
func (r *rig) tool(name, version string) (pulled string) {
	r.t.Helper()
	bin := r.t.TempDir()
	pulled = filepath.Join(bin, "state")
	script := fmt.Sprintf("#!/bin/sh\ncase \"$1\" in\nversion) echo '%s' ;;\nworkspace) printf '* default\\n' ;;\nstate) echo pull >> %s.log; cat %s ;;\nesac\n", version, pulled, pulled)
	if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
		r.t.Fatal(err)
	}
	for i, entry := range r.host.environ {
		if rest, ok := strings.CutPrefix(entry, "PATH="); ok {
			r.host.environ[i] = "PATH=" + bin + string(filepath.ListSeparator) + rest
		}
	}
	return pulled
}

// noTools leaves a PATH with neither tool on it.
func (r *rig) noTools() {
	for i, entry := range r.host.environ {
		if strings.HasPrefix(entry, "PATH=") {
			r.host.environ[i] = "PATH=/usr/bin:/bin"
		}
	}
}

// foreign has the rig keep its state in a backend that we do not speak; it is moved to a file that the tool's stand-in pulls.
func (r *rig) foreign(pulled string) {
	r.t.Helper()
	r.write("backend.tf", "terraform {\n  backend \"oss\" {}\n}\n")
	r.write(".terraform/terraform.tfstate", `{"version": 3, "backend": {"type": "oss", "config": {"bucket": "b", "secret_key": "hush-hush"}}}`)
	state, err := os.ReadFile(filepath.Join(r.dir, "terraform.tfstate"))
	if err == nil && pulled != "" {
		err = os.WriteFile(pulled, state, 0o600)
	}
	if err == nil {
		err = os.Remove(filepath.Join(r.dir, "terraform.tfstate"))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// A backend that only the tool speaks is read through it.
func TestPullFromForeignBackend(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	r.foreign(r.tool("terraform", "Terraform v1.11.4"))
	before := digestOf(t, r.dir)
	got := r.scan()
	if got.coverage.Checked != 1 || !got.coverage.Complete() {
		t.Errorf("%+v", got.coverage)
	}
	info, err := r.describe()
	if err != nil || info.Serial != 7 {
		t.Errorf("%+v, %v", info, err)
	}
	if check := said(r.examine(), "state", ""); check.Result != taffrail.CheckOK || !strings.Contains(check.Subject, "terraform state pull in ") {
		t.Errorf("%+v", check)
	}
	if digestOf(t, r.dir) != before {
		t.Error("the stack's folder changed")
	}
}

func TestPullRefused(t *testing.T) {
	encrypted := `{"serial": 1, "lineage": "b6b1", "meta": {"key_provider.pbkdf2.k": "eA=="}, "encrypted_data": "xx", "encryption_version": "v0"}`
	keyProgram := "terraform {\n  encryption {\n    key_provider \"external\" \"k\" {\n      command = [\"hush-hush\"]\n    }\n  }\n}\n"
	for _, tc := range []struct {
		name    string
		prepare func(*rig)
		says    string
		hint    string
	}{
		{"no tool", func(r *rig) { r.noTools(); r.foreign("") }, `the backend "oss" can be read by the tool alone, and neither terraform nor tofu is in PATH`, "state pull"},
		{"a tool that is none", func(r *rig) { r.config.CLI = "/bin/true"; r.foreign("") }, "is neither terraform nor tofu", "`cli`"},
		{"encrypted, and no tool", func(r *rig) { r.noTools(); r.write("terraform.tfstate", encrypted) }, "encrypted by OpenTofu, and neither terraform nor tofu is in PATH", "tofu state pull"},
		{"encrypted, and Terraform is asked for", func(r *rig) {
			r.config.CLI = filepath.Join(filepath.Dir(r.tool("terraform", "Terraform v1.11.4")), "terraform")
			r.write("terraform.tfstate", encrypted)
		}, "is Terraform", "OpenTofu"},
		{"encrypted, without code", func(r *rig) {
			r.write("terraform.tfstate", encrypted)
			_ = os.Remove(filepath.Join(r.dir, "main.tf"))
		}, "no code that says how to decrypt", "root module"},
		{"encrypted, of another stack", func(r *rig) {
			r.write("other.tfstate", encrypted)
			r.config.Target = filepath.Join(r.dir, "other.tfstate")
		}, "keeps its state elsewhere", "root module"},
		{"encrypted with a program's key", func(r *rig) {
			r.tool("tofu", "OpenTofu v1.10.10")
			r.write("terraform.tfstate", encrypted)
			r.write("key.tf", keyProgram)
		}, "key.tf:3: the code would run a program that gives the key", "allow_exec"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil))
			tc.prepare(r)
			_, err := r.describe()
			if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), tc.says) || !strings.Contains(taffrail.HintOf(err), tc.hint) {
				t.Errorf("error %v\nhint %s", err, taffrail.HintOf(err))
			}
			if strings.Contains(err.Error()+taffrail.HintOf(err), "hush") {
				t.Error("it tells a secret")
			}
		})
	}
}

// A state that OpenTofu encrypted is said to be so, or read through OpenTofu; the tool is asked again only when the file changed.
func TestTrap11_EncryptedStateIsReadThroughOpenTofu(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	pulled := r.tool("tofu", "OpenTofu v1.10.10")
	state, err := os.ReadFile(filepath.Join(r.dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pulled, state, 0o600); err != nil {
		t.Fatal(err)
	}
	r.write("terraform.tfstate", `{"serial": 7, "lineage": "b6b1", "meta": {}, "encrypted_data": "xx", "encryption_version": "v0"}`)
	got := r.scan()
	if got.coverage.Checked != 1 || !got.coverage.Complete() {
		t.Errorf("%+v", got.coverage)
	}
	if log, _ := os.ReadFile(pulled + ".log"); strings.Count(string(log), "pull") != 1 {
		t.Errorf("the tool was asked %d times for one version of the file", strings.Count(string(log), "pull"))
	}
}

// realTofu finds OpenTofu as it is released.
func realTofu(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("TAFFRAIL_TEST_TOFU"), "tofu"} {
		if path, err := exec.LookPath(name); err == nil && name != "" {
			if out, err := exec.Command(path, "version").Output(); err == nil && strings.HasPrefix(string(out), "OpenTofu") {
				return path
			}
		}
	}
	t.Skip("this part is skipped: OpenTofu is neither on PATH nor in TAFFRAIL_TEST_TOFU")
	return ""
}

func TestTrap11_RealEncryptedState(t *testing.T) {
	tofu := realTofu(t)
	r := newRig(t)
	r.write("main.tf", `terraform {
  encryption {
    key_provider "pbkdf2" "k" {
      passphrase = "correct-horse-battery-staple"
    }
    method "aes_gcm" "m" {
      keys = key_provider.pbkdf2.k
    }
    state {
      method = method.aes_gcm.m
    }
  }
}

resource "terraform_data" "a" {
  input = "aye"
}
`)
	for _, args := range [][]string{{"init", "-input=false"}, {"apply", "-input=false", "-auto-approve"}} {
		cmd := exec.Command(tofu, args...)
		cmd.Dir, cmd.Env = r.dir, append(os.Environ(), "CHECKPOINT_DISABLE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	raw, err := os.ReadFile(filepath.Join(r.dir, "terraform.tfstate"))
	if err != nil || !isEncrypted(raw) {
		t.Fatalf("the state is not encrypted: %v", err)
	}
	r.config.CLI = tofu
	before := digestOf(t, r.dir)
	got := r.scan()
	if got.coverage.Total != 1 || got.coverage.Unsupported != 1 {
		t.Errorf("%+v", got.coverage)
	}
	if digestOf(t, r.dir) != before {
		t.Error("the stack's folder changed")
	}
	if strings.Contains(got.dump()+r.log.String(), "correct-horse") {
		t.Error("the passphrase is told")
	}
	r.config.CLI = "/bin/false"
	if _, err := r.describe(); err == nil || !strings.Contains(err.Error(), "encrypted by OpenTofu") {
		t.Errorf("without OpenTofu: %v", err)
	}
}
