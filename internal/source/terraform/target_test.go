package terraform

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

func TestTargets(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(*rig)
		target  string // in the rig's folder
		named   string // what the stack is called, in the rig's folder; the target unless it says otherwise
		id      taffrail.StackID
		fails   taffrail.Kind
		says    string
	}{
		{name: "folder", id: "terraform/b6b1/default"},
		{name: "state file beside its code", target: "terraform.tfstate", id: "terraform/b6b1/default"},
		{name: "folder with a state alone", prepare: func(r *rig) { _ = os.Remove(filepath.Join(r.dir, "main.tf")) },
			id: "terraform/b6b1/default", named: "terraform.tfstate"},
		{name: "selected workspace", prepare: func(r *rig) {
			r.move("terraform.tfstate", "terraform.tfstate.d/dev/terraform.tfstate")
			r.write(".terraform/environment", "dev")
		}, id: "terraform/b6b1/dev"},
		{name: "state file of a workspace", prepare: func(r *rig) { r.move("terraform.tfstate", "terraform.tfstate.d/dev/terraform.tfstate") },
			target: "terraform.tfstate.d/dev/terraform.tfstate", id: "terraform/b6b1/dev"},
		{name: "no state yet", prepare: func(r *rig) { _ = os.Remove(filepath.Join(r.dir, "terraform.tfstate")) }, fails: taffrail.KindNotFound, says: "terraform.tfstate"},
		{name: "nothing there", target: "absent", fails: taffrail.KindNotFound, says: "absent"},
		{name: "neither code nor state", prepare: func(r *rig) { r.write("sub/notes.txt", "") }, target: "sub", fails: taffrail.KindNotFound, says: "holds no Terraform"},
		{name: "remote state", prepare: func(r *rig) { r.write("b.tf", "terraform {\n  backend \"s3\" {}\n}\n") }, fails: taffrail.KindInvalid, says: `b.tf:2: the state is kept by "s3"`},
		{name: "broken code", prepare: func(r *rig) { r.write("b.tf", "resource {") }, fails: taffrail.KindInvalid, says: "b.tf:1"},
		{name: "broken code beside a state file", prepare: func(r *rig) { r.write("b.tf", "resource {") }, target: "terraform.tfstate", fails: taffrail.KindInvalid, says: "b.tf:1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil))
			if tc.prepare != nil {
				tc.prepare(r)
			}
			r.config.Target = filepath.Join(r.dir, tc.target)
			info, err := r.describe()
			if tc.fails != "" {
				if taffrail.KindOf(err) != tc.fails || !strings.Contains(err.Error(), tc.says) || taffrail.HintOf(err) == "" {
					t.Errorf("error %v, hint %q", err, taffrail.HintOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info.ID != tc.id || info.Name != filepath.Join(r.dir, cmp.Or(tc.named, tc.target)) {
				t.Errorf("info %+v", info)
			}
			if got := r.scan(); got.coverage.Checked != 1 {
				t.Errorf("coverage %+v", got.coverage)
			}
		})
	}
}

func (r *rig) move(from, to string) {
	r.t.Helper()
	target := filepath.Join(r.dir, to)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(r.dir, from), target); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) describe() (taffrail.StackInfo, error) {
	s, err := open(plug.Env{Sealer: sealer{}, Now: time.Now}, r.config, r.host)
	if err != nil {
		return taffrail.StackInfo{}, err
	}
	defer s.Close()
	return s.Describe(r.t.Context())
}

// What the code wants ignored is handed on, with the place that wants it, in the root and in modules.
func TestTrap05_IgnoreChanges(t *testing.T) {
	r := newRig(t)
	r.install()
	r.write("main.tf", required+`
resource "odd_thing" "a" {
  lifecycle {
    ignore_changes = [
      tags["x.y"], inner.a, items[1],
      users, disk[0].gb, absent, zones.eu, anything.deep,
    ]
  }
}
resource "odd_thing" "all" {
  lifecycle {
    ignore_changes = all
  }
}
module "m" {
  source = "./modules/m"
}
`)
	r.write("modules/m/x.tf", "resource \"odd_thing\" \"c\" {\n  count = 2\n  lifecycle { ignore_changes = [name] }\n}\n")
	r.state(thing("a", full), thing("all", nil), thing("plain", nil), thing("c", nil).with("module", "module.m").with("index_key", 1))
	got := r.scan()
	for address, want := range map[taffrail.Address]string{
		"odd_thing.a": `tags["x.y"] main.tf:10, inner.a main.tf:10, items[1] main.tf:10, users main.tf:11, disk[0].gb main.tf:11, ` +
			`zones["eu"] main.tf:11, anything.deep main.tf:11`,
		"odd_thing.all": " main.tf:17", "odd_thing.plain": "", "module.m.odd_thing.c[1]": "name modules/m/x.tf:3",
	} {
		var ignored []string
		for _, h := range got.by[address].Handling {
			if h.Treatment == taffrail.Suppressed {
				ignored = append(ignored, h.Path.String()+" "+strings.TrimPrefix(h.Why, "ignore_changes at "))
			}
		}
		if text := strings.Join(ignored, ", "); text != want {
			t.Errorf("%s ignores %q, want %q", address, text, want)
		}
	}
	if res := got.by["module.m.odd_thing.c[1]"].Resource; res.File != "modules/m/x.tf" || res.Line != 1 || res.Module != "module.m" || res.ID != "c" {
		t.Errorf("resource %+v", res)
	}
}
