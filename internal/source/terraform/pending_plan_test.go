package terraform

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// planned gives a rig with a resource "a", and a tool that shows this plan.
func planned(t *testing.T, show string) *rig {
	t.Helper()
	r := newRig(t)
	r.install()
	r.write("code.tf", "resource \"odd_thing\" \"a\" {\n  name = \"n-a\"\n}\n")
	r.state(thing("a", nil))
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "show.json"), show)
	r.config.CLI = filepath.Join(dir, "tool")
	writeFile(t, r.config.CLI, `#!/bin/sh
case "$*" in
version) echo "Terraform v1.11.4" ;;
*" show "*) cat `+filepath.Join(dir, "show.json")+` ;;
*) exec `+filepath.Join(dir, "plan")+` ;;
esac
`)
	writeFile(t, filepath.Join(dir, "plan"), "#!/bin/sh\nexit 0\n")
	for _, program := range []string{r.config.CLI, filepath.Join(dir, "plan")} {
		if err := os.Chmod(program, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.config.Pending = true
	return r
}

// planOf is a plan that changes the name of the resource "a".
func planOf(t *testing.T, name, more string) string {
	t.Helper()
	before := thing("a", nil)["instances"].([]any)[0].(map[string]any)["attributes"].(map[string]any)
	after := map[string]any{}
	for k, v := range before {
		after[k] = v
	}
	after["name"] = name
	sides, err := json.Marshal(map[string]any{"actions": []string{"update"}, "before": before, "after": after, "after_sensitive": map[string]any{"region": true}})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"format_version":"1.2","resource_changes":[{"address":"odd_thing.a","mode":"managed","type":"odd_thing","name":"a","change":%s}]%s}`, sides, more)
}

func TestPlanIsTakenAtItsWord(t *testing.T) {
	got := planned(t, planOf(t, "other", "")).scan()
	o := got.by["odd_thing.a"]
	if len(got.coverage.Gaps) > 0 || o.Action != taffrail.ActionUpdate || desired(t, o, "name") != `"other"` {
		t.Errorf("%+v", got)
	}
}

// A plan that is no whole one proves nothing of what it does not speak of.
func TestTrap4_PartialPlanIsAGap(t *testing.T) {
	for _, tc := range []struct{ name, more, want string }{
		{"incomplete", `,"complete":false`, "incomplete"},
		{"deferred", `,"complete":false,"deferred_changes":[{"reason":"provider_config_unknown","resource_change":{"address":"odd_thing.b"}}]`, "odd_thing.b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := planned(t, planOf(t, "other", tc.more)).scan()
			gaps := wholeGaps(got)
			if len(gaps) != 1 || !strings.Contains(gaps[0].Detail, tc.want) || gaps[0].Hint == "" || got.coverage.Complete() {
				t.Errorf("%+v", gaps)
			}
			if got.by["odd_thing.a"].Action != taffrail.ActionUpdate {
				t.Error("what it does say is lost")
			}
		})
	}
}

// What the plan says of itself counts, and no exit status and no text: these tools all succeed.
func TestTrap2_PlanIsReadAndNotGuessed(t *testing.T) {
	for _, tc := range []struct{ name, show, want string }{
		{"given up", planOf(t, "other", `,"errored":true`), "half way"},
		{"another format", `{"format_version":"2.0"}`, "format version"},
		{"cut", planOf(t, "other", "")[:80], "unexpected EOF"},
		{"text", "No changes. Your infrastructure matches the configuration.", "read plan"},
		{"nothing", "", "unexpected EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := planned(t, tc.show).scan()
			gaps := wholeGaps(got)
			if len(gaps) != 1 || !strings.Contains(gaps[0].Detail, tc.want) || gaps[0].Hint == "" {
				t.Errorf("%+v", gaps)
			}
			if o := got.by["odd_thing.a"]; o.Action != "" || !o.Desired.IsUnknown() || o.Gap != nil {
				t.Errorf("%+v", o)
			}
		})
	}
}

// Hints of the tool about what may have led to a change decide nothing.
func TestTrap3_HintsAreNotRead(t *testing.T) {
	plain, hinted := planned(t, planOf(t, "other", "")).scan(), planned(t, planOf(t, "other", `,"relevant_attributes":[{"resource":"odd_thing.b","attribute":["name"]}]`)).scan()
	if diff := cmp.Diff(actions(plain), actions(hinted)); diff != "" {
		t.Error(diff)
	}
}

// Neither side of the plan is taken for the other: what was found live is no change of the code.
func TestTrap37_DriftOfThePlanIsNotPending(t *testing.T) {
	show := strings.Replace(planOf(t, "other", ""), `"resource_changes"`, `"resource_drift"`, 1)
	if got := planned(t, show).scan(); len(actions(got)) > 0 || len(wholeGaps(got)) > 0 {
		t.Errorf("%v", actions(got))
	}
}

// What the code calls sensitive from now on is sealed on every side, though the state does not call it so yet.
func TestTrap29_PlanSaysWhatIsSensitive(t *testing.T) {
	o := planned(t, planOf(t, "other", "")).scan().by["odd_thing.a"]
	for side, v := range map[string]taffrail.Value{"desired": o.Desired, "recorded": o.Recorded, "live": o.Live} {
		if region, _ := v.Field("region"); region.Shape() != taffrail.ShapeSecret {
			t.Errorf("%s: the region is a %v", side, region.Shape())
		}
	}
}

func TestPlanThatHangs(t *testing.T) {
	r := planned(t, planOf(t, "other", ""))
	writeFile(t, filepath.Join(filepath.Dir(r.config.CLI), "plan"), "#!/bin/sh\nsleep 600\n")
	r.config.PlanTimeout = 500 * time.Millisecond
	got := r.scan()
	gaps := wholeGaps(got)
	if len(gaps) != 1 || gaps[0].Reason != taffrail.ReasonTimeout || gaps[0].Hint == "" || got.coverage.Checked != 1 {
		t.Errorf("%+v", got.coverage)
	}
}

func TestPlanWithoutCode(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	if err := os.Remove(filepath.Join(r.dir, "main.tf")); err != nil {
		t.Fatal(err)
	}
	r.config.Pending = true
	gaps := wholeGaps(r.scan())
	if len(gaps) != 1 || gaps[0].Reason != taffrail.ReasonUnconfigured || !strings.Contains(gaps[0].Detail, "no code") {
		t.Errorf("%+v", gaps)
	}
}
