package terraform

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// notInstalled takes the provider away from the rig, into a folder from where a tool can install it.
func (r *rig) notInstalled() (elsewhere string) {
	r.t.Helper()
	r.install()
	elsewhere = filepath.Join(r.t.TempDir(), "mirror")
	if err := os.Rename(filepath.Join(r.dir, ".terraform", "providers"), elsewhere); err != nil {
		r.t.Fatal(err)
	}
	r.config.Init = initAuto
	return elsewhere
}

// installs has the rig's tool install the provider by copying it, and note how it was called.
func (r *rig) installs(elsewhere, more string) (log string) {
	r.t.Helper()
	log = r.tool("terraform", "Terraform v1.11.4")
	script := fmt.Sprintf(`#!/bin/sh
case "$1" in
version) echo 'Terraform v1.11.4' ;;
init) echo "$* in $PWD" >> %[1]s; cat main.tf.json .terraform.lock.hcl >> %[1]s; cp -r %[2]s/. "$TF_PLUGIN_CACHE_DIR"; %[3]s ;;
esac
`, log, elsewhere, more)
	if err := os.WriteFile(filepath.Join(filepath.Dir(log), "terraform"), []byte(script), 0o700); err != nil {
		r.t.Fatal(err)
	}
	return log
}

// A locked provider that is nowhere is installed by the tool, once, into our cache, never with -upgrade, and without the stack's code.
func TestTrap16_MissingProviderIsInstalledOnceAndNeverUpgraded(t *testing.T) {
	r := newRig(t)
	log := r.installs(r.notInstalled(), "")
	r.state(thing("a", nil))
	before := digestOf(t, r.dir)
	for range 2 {
		if got := r.scan(); got.coverage.Checked != 1 {
			t.Fatalf("%+v", got.coverage)
		}
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	told := string(data)
	if strings.Count(told, "init ") != 1 || strings.Contains(told, "upgrade") || !strings.Contains(told, "-lockfile=readonly") || strings.Contains(told, r.dir) {
		t.Errorf("the tool was told %s", told)
	}
	if !strings.Contains(told, `"version":"1.2.3"`) || !strings.Contains(told, `"source":"`+testprovider.Name+`"`) || !strings.Contains(told, "h1:") {
		t.Errorf("it was asked for %s", told)
	}
	if digestOf(t, r.dir) != before {
		t.Error("the stack's folder changed")
	}
	left, err := os.ReadDir(filepath.Join(r.host.cache, "installed"))
	if err != nil || len(left) != 1 {
		t.Errorf("left in the cache: %v, %v", left, err)
	}
}

func TestProviderThatIsNotInstalled(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(r *rig, elsewhere string)
		says    string
	}{
		{"nobody may", func(r *rig, elsewhere string) { r.installs(elsewhere, ""); r.config.Init = initNever }, "is neither in "},
		{"no tool", func(r *rig, _ string) { r.noTools() }, "neither terraform nor tofu is in PATH"},
		{"the tool fails", func(r *rig, elsewhere string) { r.installs(elsewhere, "exit 1") }, "terraform init could not install it"},
		{"something else came", func(r *rig, elsewhere string) {
			r.installs(elsewhere, "find \"$TF_PLUGIN_CACHE_DIR\" -type f -exec sh -c 'echo >> \"$1\"' x {} \\;")
		}, "has the hash"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.state(thing("a", nil))
			tc.prepare(r, r.notInstalled())
			got := r.scan()
			gap := got.by["odd_thing.a"].Gap
			if gap == nil || gap.Reason != taffrail.ReasonUnconfigured || !strings.Contains(gap.Detail, tc.says) || gap.Hint == "" {
				t.Errorf("%+v", gap)
			}
		})
	}
	r := newRig(t)
	log := r.installs(r.notInstalled(), "exit 1")
	r.state(thing("a", nil))
	s := r.open()
	for range 3 {
		r.read(s)
	}
	if data, _ := os.ReadFile(log); strings.Count(string(data), "init ") != 1 {
		t.Errorf("what failed was tried %d times at once", strings.Count(string(data), "init "))
	}
	if _, err := (Config{Init: "sometimes"}).withDefaults(); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("init sometimes: %v", err)
	}
}

// The real tool installs from a mirror that only its own configuration names.
func TestProviderInstalledByTheRealTool(t *testing.T) {
	tool, err := exec.LookPath("terraform")
	if err != nil {
		tool = realTofu(t)
	}
	r := newRig(t)
	elsewhere := r.notInstalled()
	r.state(thing("a", nil))
	r.config.CLI = tool
	rc := filepath.Join(t.TempDir(), "tool.rc")
	if err := os.WriteFile(rc, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", elsewhere), 0o600); err != nil {
		t.Fatal(err)
	}
	r.host.environ = append(r.host.environ, "TF_CLI_CONFIG_FILE="+rc)
	r.config.CLIConfig = filepath.Join(t.TempDir(), "ours.rc")
	if err := os.WriteFile(r.config.CLIConfig, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := digestOf(t, r.dir)
	if got := r.scan(); got.coverage.Checked != 1 {
		t.Fatalf("%+v", got.coverage)
	}
	if digestOf(t, r.dir) != before {
		t.Error("the stack's folder changed")
	}
}
