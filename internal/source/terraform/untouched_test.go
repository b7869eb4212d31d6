package terraform

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// Whatever is asked of a stack, its folder stays as it is, to the times of its files, and so does a lock that somebody holds.
func TestTrap15_NothingIsWrittenAndNoLockIsTaken(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("lock held %v", held), func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil), thing("b", nil))
			r.live(testprovider.World{"odd_thing/a": {Gone: true}})
			if held {
				r.write(".terraform.tfstate.lock.info", `{"ID": "1", "Operation": "OperationTypeApply", "Who": "deck@hand"}`)
			}
			before := digestOf(t, r.dir)
			s := r.open()
			if _, err := s.Describe(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := r.read(s)
			if err := s.Examine(t.Context(), func(taffrail.Check) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			d, err := newDiscoverer(DiscoverConfig{}, r.host)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Discover(t.Context(), r.dir, func(taffrail.Place) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if digestOf(t, r.dir) != before {
				t.Error("the stack's folder changed")
			}
			if raced := len(got.coverage.Gaps) > 0 && got.coverage.Gaps[len(got.coverage.Gaps)-1].Reason == taffrail.ReasonRaced; raced != held {
				t.Errorf("lock held %v, and the gaps are %+v", held, got.coverage.Gaps)
			}
		})
	}
}

// A backend is asked with requests that read, and with no other.
func TestTrap15_BackendIsOnlyRead(t *testing.T) {
	r, v := newKeptRig(t, "pass-word-1")
	s := r.open()
	r.read(s)
	if err := s.Examine(t.Context(), func(taffrail.Check) error { return nil }); err != nil {
		t.Fatal(err)
	}
	v.set(func() {
		if len(v.other) > 0 {
			t.Errorf("it sent %q", v.other)
		}
	})
}

// The version in the lock file is run, though a newer one lies beside it and in a mirror, and no tool is told to init.
func TestTrap16_LockedVersionIsRunAndInitIsNot(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	for _, root := range []string{filepath.Join(r.dir, ".terraform", "providers"), filepath.Join(r.host.home, ".terraform.d", "plugins")} {
		if _, err := testprovider.Install(root, "9.9.9", platform, "6", r.world); err != nil {
			t.Fatal(err)
		}
	}
	pulled := r.tool("terraform", "Terraform v1.11.4")
	before := digestOf(t, r.dir)
	s := r.open()
	if got := r.read(s); got.coverage.Checked != 1 {
		t.Fatalf("%+v", got.coverage)
	}
	info, err := s.Describe(t.Context())
	if err != nil || len(info.Components) != 1 || info.Components[0].Version != "1.2.3" {
		t.Errorf("%+v, %v", info.Components, err)
	}
	if _, err := os.Stat(pulled + ".log"); err == nil {
		t.Error("the tool was run")
	}
	if digestOf(t, r.dir) != before {
		t.Error("the stack's folder changed")
	}
}

// Workspaces of one folder are stacks of their own: each has its state, its identity and its name in expressions.
func TestTrap11_WorkspacesAreToldApart(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	state, err := os.ReadFile(filepath.Join(r.dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("terraform.tfstate.d/dev/terraform.tfstate", strings.NewReplacer(`"b6b1"`, `"c7c2"`, `"name": "a"`, `"name": "b"`).Replace(string(state)))
	for _, tc := range []struct {
		name   string
		choose func(*rig)
		id     taffrail.StackID
		holds  taffrail.Address
	}{
		{"default", func(*rig) {}, "terraform/b6b1/default", "odd_thing.a"},
		{"by the settings", func(r *rig) { r.config.Workspace = "dev" }, "terraform/c7c2/dev", "odd_thing.b"},
		{"by the environment", func(r *rig) { r.host.environ = append(r.host.environ, "TF_WORKSPACE=dev") }, "terraform/c7c2/dev", "odd_thing.b"},
		{"selected", func(r *rig) { r.write(".terraform/environment", "dev") }, "terraform/c7c2/dev", "odd_thing.b"},
		{"the settings before the selection", func(r *rig) { r.config.Workspace = "default" }, "terraform/b6b1/default", "odd_thing.a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			one := *r
			one.t, one.log = t, &strings.Builder{}
			tc.choose(&one)
			info, err := one.describe()
			if err != nil || info.ID != tc.id {
				t.Fatalf("%s, %v", info.ID, err)
			}
			var addresses []taffrail.Address
			for _, o := range one.scan().all {
				addresses = append(addresses, o.Resource.Address)
			}
			if diff := cmp.Diff([]taffrail.Address{tc.holds}, addresses); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// While somebody holds the lock an apply is likely under way: what is read then is not believed.
func TestTrap14_WhileTheLockIsHeldNothingIsBelieved(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	r.write(".terraform.tfstate.lock.info", "{}")
	got := r.scan()
	if got.coverage.Complete() || got.coverage.Gaps[0].Reason != taffrail.ReasonRaced || !strings.Contains(got.coverage.Gaps[0].Detail, "locked") {
		t.Errorf("%+v", got.coverage)
	}
	if check := said(r.examine(), "state lock", ""); check.Result != taffrail.CheckWarning || check.Hint == "" {
		t.Errorf("%+v", check)
	}
}
