package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func examined(checks ...taffrail.Check) *fake {
	return &fake{doctor: func(_ context.Context, _ daemon.ScanRequest, each func(taffrail.Check) error) error {
		for _, c := range checks {
			if err := each(c); err != nil {
				return err
			}
		}
		return nil
	}}
}

func TestDoctor(t *testing.T) {
	state := taffrail.Check{Name: "state", Subject: "local", Result: taffrail.CheckOK, Detail: "13 resources, serial 14"}
	limited := taffrail.Check{Name: "resource type", Subject: "cloud_secret", Result: taffrail.CheckWarning, Detail: "3 attributes are never given back", Hint: "nothing can be done"}
	failed := taffrail.Check{
		Name: "provider", Subject: "registry.example/acme/cloud", Result: taffrail.CheckFailed,
		Detail: "the package 1.2.3 is in none of the folders that were looked at, and its \x1b[31mchecksum cannot be compared with that of the lock file", Hint: "run `tofu init` in the stack's folder",
	}
	skipped := taffrail.Check{Name: "resource type", Subject: `a_very_long_type_of_resource_that_takes_more_room_than_there_is_in_its_column`, Result: taffrail.CheckSkipped, Detail: "its provider cannot be started"}
	for _, c := range []struct {
		name   string
		f      *fake
		status int
	}{
		{"fine", examined(state), 0}, {"limits", examined(state, limited), 0}, {"failed", examined(state, failed, limited, skipped), 1}, {"nothing", examined(), 1},
	} {
		got := run(t, c.f, "doctor", "infra/prod")
		golden(t, "doctor/"+c.name, got)
		if got.status != c.status {
			t.Errorf("%s: status %d, want %d", c.name, got.status, c.status)
		}
		got = run(t, c.f, "doctor", "infra/prod", "-o", "json")
		golden(t, "doctor/"+c.name+"_json", got)
		if err := validate(t, schemaOf[doctorForm](t), got.stdout); err != nil || got.status != c.status {
			t.Errorf("%s: status %d, %v", c.name, got.status, err)
		}
	}
	broken := &fake{doctor: func(context.Context, daemon.ScanRequest, func(taffrail.Check) error) error { return errors.New("no") }}
	if got := run(t, broken, "doctor"); got.status != 1 {
		t.Errorf("an error gives status %d", got.status)
	}
}

// found is a fake that finds stacks of every sort below the folder that it is asked for.
func found() *fake {
	return &fake{stacks: func(_ context.Context, dir string, each func(taffrail.Place) error) error {
		return errors.Join(
			each(taffrail.Place{System: "terraform", Kind: "root module", Dir: dir, Target: dir, Backend: "local", Workspaces: []string{"default"}, Selected: "default"}),
			each(taffrail.Place{System: "terraform", Kind: "root module", Dir: dir + "/prod", Target: dir + "/prod", Backend: "s3", Workspaces: []string{"blue", "green"}, Selected: "green"}),
			each(taffrail.Place{System: "terraform", Kind: "child module", Dir: dir + "/modules/\x1bvpc", Problem: "it is called by other modules", Hint: "scan the module that calls it"}),
			each(taffrail.Place{System: "terraform", Kind: "state file", Dir: dir + "/old", Target: dir + "/old/x.tfstate", Backend: "local"}))
	}}
}

func TestStacks(t *testing.T) {
	dir := t.TempDir()
	for name, f := range map[string]*fake{"found": found(), "none": {stacks: func(context.Context, string, func(taffrail.Place) error) error { return nil }}} {
		for _, form := range []string{"table", "json", "ndjson"} {
			got := run(t, f, "stacks", dir, "-o", form)
			if form == "json" {
				if err := validate(t, schemaOf[stacksForm](t), got.stdout); err != nil {
					t.Error(err)
				}
			}
			if form == "ndjson" {
				for line := range bytes.Lines([]byte(got.stdout)) {
					if err := validate(t, schemaOf[placeLine](t), string(line)); err != nil {
						t.Error(err)
					}
				}
			}
			got.stdout = strings.ReplaceAll(got.stdout, dir, "/work")
			golden(t, "stacks/"+name+"_"+form, got)
			if got.status != 0 || f.started != 0 {
				t.Errorf("%s: status %d; the log was opened %d times", name, got.status, f.started)
			}
		}
	}
	if got := run(t, &fake{}, "stacks"); got.status != 1 {
		t.Errorf("an error gives status %d", got.status)
	}
}
