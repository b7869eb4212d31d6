package terraform

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

func (r *rig) examine() []taffrail.Check {
	r.t.Helper()
	s := r.open()
	defer s.Close()
	var checks []taffrail.Check
	if err := s.Examine(r.t.Context(), func(c taffrail.Check) error {
		checks = append(checks, c)
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return checks
}

// said looks for a check by its name, and by the beginning of its subject.
func said(checks []taffrail.Check, name, subject string) taffrail.Check {
	i := slices.IndexFunc(checks, func(c taffrail.Check) bool { return c.Name == name && strings.HasPrefix(c.Subject, subject) })
	if i < 0 {
		return taffrail.Check{}
	}
	return checks[i]
}

func TestExamine(t *testing.T) {
	t.Parallel()
	oddConfig := `provider["` + testprovider.Name + `"]`
	random := res{"mode": "managed", "type": "random_id", "name": "r", "provider": `provider["registry.terraform.io/hashicorp/random"]`,
		"instances": []any{map[string]any{"schema_version": 0, "attributes": map[string]any{"id": "x"}}}}
	for _, tc := range []struct {
		name          string
		prepare       func(*rig)
		check, about  string
		result        taffrail.CheckResult
		detail, hint  string
		thenSkipped   string // another check that was skipped for this
		notEvenLooked string // a check that is not there
	}{
		{name: "state", check: "state", result: "ok", detail: "workspace default, serial 7, lineage b6b1, written by version 1.11.4, 2 resources"},
		{name: "code", check: "code", result: "ok", detail: "0 resources, 0 modules called"},
		{name: "variables", prepare: func(r *rig) {
			r.write("v.tf", "variable \"a\" {}\nvariable \"b\" {\n  default = 1\n}\nvariable \"c\" {}\n")
			r.write("terraform.tfvars", "c = 1\n")
		},
			check: "variables", result: "warning", detail: "1 variable without a value: a at v.tf:1", hint: "TF_VAR_"},
		{name: "no tool", prepare: (*rig).noTools, check: "tool", result: "warning", detail: "neither terraform nor tofu is in PATH", hint: "cli"},
		{name: "tool", prepare: func(r *rig) { r.tool("terraform", "Terraform v1.11.4") }, check: "tool", result: "ok", detail: "terraform 1.11.4"},
		{name: "lock", check: "state lock", result: "ok", detail: "not held"},
		{name: "lock file", check: "lock file", result: "ok", detail: "1 provider locked"},
		{name: "provider", check: "provider", about: testprovider.Name, result: "ok", detail: "version 1.2.3 at "},
		{name: "configuration", check: "provider configuration", about: oddConfig, result: "ok", detail: "the provider runs, speaks protocol 6"},
		{name: "type", check: "resource type", about: "odd_thing", result: "ok", detail: "2 resources: read live"},
		{name: "held lock", prepare: func(r *rig) { r.write(".terraform.tfstate.lock.info", "{}") }, check: "state lock", result: "warning", detail: "held", hint: "when the apply is over"},
		{name: "no lock file", prepare: func(r *rig) { _ = os.Remove(filepath.Join(r.dir, ".terraform.lock.hcl")) },
			check: "lock file", result: "failed", detail: "no such file", hint: "init", thenSkipped: "provider configuration"},
		{name: "provider changed", prepare: func(r *rig) { r.lock("h1:other") }, check: "provider", result: "failed", detail: "has the hash", hint: "init", thenSkipped: "resource type"},
		{name: "unknown configuration", prepare: func(r *rig) {
			r.write("p.tf", "resource \"x\" \"y\" {}\nprovider \"odd\" {\n  region = x.y.z\n}\n")
		}, check: "provider configuration", result: "failed", detail: "unconfigured: ", thenSkipped: "resource type"},
		{name: "broken state", prepare: func(r *rig) { r.write("terraform.tfstate", "{") }, check: "state", result: "failed", detail: "line 1", hint: "damaged", thenSkipped: "provider"},
		{name: "broken state, and the code all the same", prepare: func(r *rig) { r.write("terraform.tfstate", "{") }, check: "code", result: "ok", detail: "0 resources"},
		{name: "older schema", prepare: func(r *rig) { r.state(thing("a", nil).with("schema_version", 1)) }, check: "resource type", result: "ok", detail: "version 1 of its schema, and is brought to 2 first"},
		{name: "newer schema", prepare: func(r *rig) { r.state(thing("a", nil).with("schema_version", 9)) }, check: "resource type", result: "failed",
			detail: "written with version 9 of its schema, and the provider has 2", hint: "the version of the provider that wrote the state"},
		{name: "type that the provider lacks", prepare: func(r *rig) { r.state(thing("a", nil).with("type", "odd_absent")) }, check: "resource type", about: "odd_absent", result: "failed",
			detail: "the provider does not have it", hint: "remove it"},
		{name: "data of the state alone", prepare: func(r *rig) { r.state(random) }, check: "resource type", about: "random_id", result: "warning", detail: "not checked: its data lives in the state alone",
			notEvenLooked: "provider configuration"},
		{name: "deposed and tainted", prepare: func(r *rig) {
			r.state(thing("a", nil).with("deposed", "00000001"), thing("b", nil).with("status", "tainted"))
		}, check: "deposed objects", result: "warning", detail: "1 object that wait", hint: "apply"},
		{name: "before init", prepare: func(r *rig) { r.write("b.tf", "terraform {\n  backend \"s3\" {}\n}\n") }, check: "state", result: "failed",
			detail: "init has not been run for it", hint: "init", thenSkipped: "state lock"},
		{name: "no lock file, and none needed", prepare: func(r *rig) {
			_ = os.Remove(filepath.Join(r.dir, ".terraform.lock.hcl"))
			r.state(thing("a", nil).with("type", "terraform_data").with("provider", `provider["terraform.io/builtin/terraform"]`))
		}, check: "lock file", result: "ok", detail: "no provider of the state needs one"},
		{name: "no code", prepare: func(r *rig) { _ = os.Remove(filepath.Join(r.dir, "main.tf")) }, check: "code", result: "warning", detail: "there is none", hint: "root module"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil), thing("b", nil))
			if tc.prepare != nil {
				tc.prepare(r)
			}
			before := digestOf(t, r.dir)
			checks := r.examine()
			got := said(checks, tc.check, tc.about)
			if got.Result != tc.result || !strings.Contains(got.Detail, tc.detail) || !strings.Contains(got.Hint, tc.hint) {
				t.Errorf("got %+v of\n%v", got, checks)
			}
			if tc.thenSkipped != "" && said(checks, tc.thenSkipped, "").Result != taffrail.CheckSkipped {
				t.Errorf("%s was not skipped: %v", tc.thenSkipped, checks)
			}
			if tc.notEvenLooked != "" && said(checks, tc.notEvenLooked, "").Name != "" {
				t.Errorf("%s was looked at: %v", tc.notEvenLooked, checks)
			}
			for _, line := range testprovider.Log(r.world) {
				if strings.Contains(line, "read") {
					t.Errorf("a resource was read: %s", line)
				}
			}
			if after := digestOf(t, r.dir); after != before {
				t.Error("the stack's folder changed")
			}
		})
	}
}

func TestExamineKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(*rig)
		failed  []string
	}{
		{"all well", func(*rig) {}, nil},
		{"no lock file", func(r *rig) { _ = os.Remove(filepath.Join(r.dir, ".terraform.lock.hcl")) }, []string{"lock file", "provider"}},
		{"a state that is none", func(r *rig) { r.write("terraform.tfstate", "{}") }, []string{"state"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil), thing("b", nil))
			tc.prepare(r)
			plugtest.Examiner(t, plugtest.ExaminerCase{Folder: r.dir, Failed: tc.failed, Open: func(*testing.T) taffrail.Stack { return r.open() }})
		})
	}
}

// An examination that is stopped, or whose reader gives up, ends.
func TestExamineStops(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	s := r.open()
	enough := errors.New("enough")
	calls := 0
	if err := s.Examine(t.Context(), func(taffrail.Check) error { calls++; return enough }); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Examine(ctx, func(taffrail.Check) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_ = s.Close()
	if err := s.Examine(t.Context(), func(taffrail.Check) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}
}
