package terraform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// Nothing is run that the lock file does not vouch for.
func TestTrap16_UnlockedProviderIsNotRun(t *testing.T) {
	for _, tc := range []struct {
		name   string
		spoil  func(*rig)
		detail string
	}{
		{"another hash", func(r *rig) { r.lock("h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=") }, "which .terraform.lock.hcl does not have"},
		{"no h1 hash", func(r *rig) { r.lock("zh:00") }, "no h1 hash"},
		{"no entry", func(r *rig) { r.write(".terraform.lock.hcl", "") }, "has no entry"},
		{"no lock file", func(r *rig) { _ = os.Remove(filepath.Join(r.dir, ".terraform.lock.hcl")) }, "without a lock file no provider is run"},
		{"broken lock file", func(r *rig) { r.write(".terraform.lock.hcl", "provider {") }, ".terraform.lock.hcl:1"},
		{"changed package", func(r *rig) {
			r.write(".terraform/providers/"+testprovider.Name+"/1.2.3/"+platform+"/extra", "x")
		}, "does not have"},
		{"not there", func(r *rig) { _ = os.RemoveAll(filepath.Join(r.dir, ".terraform")) }, "neither in"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil), thing("b", nil))
			tc.spoil(r)
			got := r.scan()
			for _, o := range got.all {
				if o.Gap == nil || o.Gap.Reason != taffrail.ReasonUnconfigured || !strings.Contains(o.Gap.Detail, tc.detail) {
					t.Errorf("gap %+v", o.Gap)
				} else if !strings.Contains(o.Gap.Hint, "init") {
					t.Errorf("hint %q", o.Gap.Hint)
				}
			}
			if len(got.all) != 2 {
				t.Errorf("%d observations", len(got.all))
			}
			if log := testprovider.Log(r.world); len(log) > 0 {
				t.Errorf("the provider ran: %v", log)
			}
		})
	}
}

func TestWithoutLockOnlyIfAllowed(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	if err := os.Remove(filepath.Join(r.dir, ".terraform.lock.hcl")); err != nil {
		t.Fatal(err)
	}
	r.config.AllowUnlocked = true
	if got := r.scan(); got.coverage.Checked != 1 {
		t.Errorf("coverage %+v", got.coverage)
	}
	r.write(".terraform.lock.hcl", "provider {")
	if got := r.scan(); got.coverage.Checked != 0 {
		t.Error("a broken lock file is taken for none")
	}
}

func TestProviderFromAMirror(t *testing.T) {
	r := newRig(t)
	mirror := filepath.Join(t.TempDir(), "mirror")
	dir, err := testprovider.Install(mirror, "1.2.3", platform, "6", r.world)
	if err != nil {
		t.Fatal(err)
	}
	digest := h1(t, dir)
	r.lock(digest)
	r.state(thing("a", nil))
	if got := r.scan(); got.coverage.Checked != 0 {
		t.Error("a mirror that nobody named was used")
	}
	r.config.CLIConfig = filepath.Join(t.TempDir(), "cli.tfrc")
	if err := os.WriteFile(r.config.CLIConfig, []byte("provider_installation {\n  filesystem_mirror {\n    path = \""+mirror+"\"\n  }\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := r.open()
	if got := r.read(s); got.coverage.Checked != 1 {
		t.Errorf("coverage %+v", got.coverage)
	}
	info, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Components) != 1 || info.Components[0] != (taffrail.Component{Name: testprovider.Name, Version: "1.2.3", Digest: digest}) {
		t.Errorf("components %+v", info.Components)
	}
}
