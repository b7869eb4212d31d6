package terraform

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// eachTool runs a test over the practice stack, applied by each of the real tools at hand.
func eachTool(t *testing.T, do func(t *testing.T, h *harbor)) {
	t.Helper()
	var tools []string
	for _, path := range []string{os.Getenv("TAFFRAIL_TEST_TOFU"), lookPath("tofu"), lookPath("terraform")} {
		if path != "" && !slices.Contains(tools, path) {
			tools = append(tools, path)
		}
	}
	if len(tools) == 0 {
		t.Skip("neither terraform nor tofu is in PATH, and TAFFRAIL_TEST_TOFU names none: nothing was applied")
	}
	for _, tool := range tools {
		t.Run(filepath.Base(tool), func(t *testing.T) {
			t.Parallel()
			do(t, newHarborBy(t, tool))
		})
	}
}

func (h *harbor) pending(set ...func(*Config)) seen {
	h.t.Helper()
	return h.scan(append([]func(*Config){func(c *Config) { c.Pending, c.CLI = true, h.tool }}, set...)...)
}

// replace replaces text in a file of the stack, and puts it back at the end of the test.
func (h *harbor) replace(t *testing.T, name, old, text string) {
	t.Helper()
	path := filepath.Join(h.dir, name)
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writeFile(t, path, string(was)) })
	if !strings.Contains(string(was), old) {
		t.Fatalf("%s holds no %q", name, old)
	}
	writeFile(t, path, strings.Replace(string(was), old, text, 1))
}

// add writes one more file of code.
func (h *harbor) add(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(h.dir, name)
	writeFile(t, path, text)
	t.Cleanup(func() { _ = os.Remove(path) })
}

// actions lists what waits, sorted.
func actions(s seen) []string {
	var out []string
	for _, o := range s.all {
		if o.Action != "" {
			out = append(out, string(o.Resource.Address)+" "+string(o.Action))
		}
	}
	return out
}

// wholeGaps are the gaps of no one resource.
func wholeGaps(s seen) []taffrail.Gap {
	return slices.DeleteFunc(slices.Clone(s.coverage.Gaps), func(g taffrail.Gap) bool { return g.Address != "" })
}

func desired(t *testing.T, o taffrail.Observation, name string) string {
	t.Helper()
	v, ok := o.Desired.Field(name)
	if !ok {
		t.Fatalf("%s: desired has no %s: %s", o.Resource.Address, name, o.Desired.AppendCanonical(nil))
	}
	return string(v.AppendCanonical(nil))
}

func TestPending(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, h *harbor) {
		t.Run("nothing waits after an apply", h.nothingWaits)
		t.Run("code that was not applied", h.codeWaits)
		t.Run("moved and forgotten", h.moves)
		t.Run("import", h.imports)
		t.Run("no tool", h.noTool)
	})
}

func (h *harbor) nothingWaits(t *testing.T) {
	got := h.pending()
	if a := actions(got); len(a) > 0 || len(wholeGaps(got)) > 0 || got.coverage.Checked != 13 {
		t.Errorf("%v, %+v", a, got.coverage)
	}
	for _, o := range got.all {
		if !o.Desired.Equal(o.Recorded) || o.Desired.IsUnknown() {
			t.Errorf("%s: desired %s", o.Resource.Address, o.Desired.AppendCanonical(nil))
		}
	}
}

func (h *harbor) codeWaits(t *testing.T) {
	h.replace(t, "main.tf", `description = "Front door"`, `description = "Side door"`)
	h.replace(t, "main.tf", "resource \"harbor_bucket\" \"plain\" {\n  name = \"plain\"\n}\n", "")
	h.replace(t, "main.tf", `name     = "main"`, `name     = "renamed"`)
	h.replace(t, "variables.tf", "default = 2", "default = 3")
	h.add(t, "more.tf", `resource "harbor_database" "second" {
  name     = "second"
  engine   = "postgres"
  size     = "small"
  password = "second-password-9"
}
`)
	got := h.pending()
	database := "harbor_database.main update"
	if strings.Contains(strings.Join(actions(got), "\n"), "harbor_database.main replace") {
		database = "harbor_database.main replace"
	}
	want := []string{
		"harbor_bucket.plain delete", database, "harbor_database.second create", "harbor_firewall.web update", "harbor_firewall.worker[2] create",
	}
	have := slices.DeleteFunc(actions(got), func(a string) bool { return strings.HasPrefix(a, "module.shop") }) // it refers to the database
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if d := desired(t, got.by["harbor_firewall.web"], "description"); d != `"Side door"` {
		t.Errorf("desired %s", d)
	}
	if o := got.by["harbor_bucket.plain"]; !o.Desired.IsNull() || o.Live.IsNull() || o.Gap != nil {
		t.Errorf("dropped: %+v", o)
	}
	second := got.by["harbor_database.second"]
	if !second.Recorded.IsNull() || !second.Live.IsNull() || second.Resource.File != "more.tf" || second.Resource.Line != 1 {
		t.Errorf("to be created: %+v", second)
	}
	if v, _ := second.Desired.Field("password"); v.Shape() != taffrail.ShapeSecret {
		t.Errorf("the password to be set is a %v", v.Shape())
	}
	if v, _ := second.Desired.Field("id"); !v.IsUnknown() {
		t.Error("an id is known before there is one")
	}
	if strings.Contains(got.dump()+h.log.String(), "second-password-9") {
		t.Error("a secret of the code left")
	}
	t.Run("a variable", func(t *testing.T) {
		o := h.pending(func(c *Config) { c.Vars = map[string]string{"environment": "other"} }).by["harbor_bucket.logs"]
		if tags := desired(t, o, "tags"); o.Action != taffrail.ActionUpdate || !strings.Contains(tags, `"other"`) {
			t.Errorf("%s %s", o.Action, tags)
		}
	})
	only := (&rig{t: t}).read(h.open(func(c *Config) { c.Pending, c.CLI = true, h.tool }), "harbor_database.second")
	if diff := cmp.Diff([]string{"harbor_database.second create"}, actions(only)); diff != "" || len(only.coverage.Gaps) > 0 {
		t.Error(diff, only.coverage.Gaps)
	}
}

// A move of the code is one, and neither a deletion nor a creation.
func TestTrap10_MoveIsNeitherDeleteNorCreate(t *testing.T) { newHarbor(t).moves(t) }

func (h *harbor) moves(t *testing.T) {
	h.replace(t, "main.tf", `resource "harbor_bucket" "plain" {`, `resource "harbor_bucket" "moved" {`)
	h.replace(t, "main.tf", `resource "harbor_dns_record" "mail" {
  zone           = "practice.example"
  name           = "mail"
  type           = "MX"
  ttl            = 600
  values         = ["mx1.practice.example", "mx2.practice.example"]
  priority_order = ["mx2.practice.example", "mx1.practice.example"]
}
`, "")
	forget := "removed {\n  from = harbor_dns_record.mail\n  lifecycle {\n    destroy = false\n  }\n}\n"
	h.add(t, "removed.tf", forget)
	h.add(t, "moved.tf", "moved {\n  from = harbor_bucket.plain\n  to = harbor_bucket.moved\n}\n")
	want := []string{"harbor_bucket.plain move", "harbor_dns_record.mail forget"}
	got := h.pending()
	if diff := cmp.Diff(want, actions(got)); diff != "" {
		t.Error(diff, wholeGaps(got))
	}
	if o := got.by["harbor_bucket.plain"]; !o.Desired.Equal(o.Recorded) || o.Gap != nil {
		t.Errorf("moved: desired %s", o.Desired.AppendCanonical(nil))
	}
}

func (h *harbor) imports(t *testing.T) {
	id := string(h.scan().by["harbor_bucket.plain"].Resource.ID)
	h.run(h.tool, "state", "rm", "harbor_bucket.plain")
	defer h.run(h.tool, "import", "-input=false", "harbor_bucket.plain", id)
	h.add(t, "import.tf", "import {\n  to = harbor_bucket.plain\n  id = \""+id+"\"\n}\n")
	got := h.pending()
	if diff := cmp.Diff([]string{"harbor_bucket.plain import"}, actions(got)); diff != "" {
		t.Error(diff, wholeGaps(got))
	}
	if o := got.by["harbor_bucket.plain"]; o.Gap == nil || o.Gap.Reason != taffrail.ReasonIgnored || !got.coverage.Complete() {
		t.Errorf("%+v", o.Gap)
	}
}

// What the code wants ignored does not wait.
func TestTrap5_IgnoredChangesDoNotWait(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	h.replace(t, "main.tf", `description = "Front door"`, "description = \"Side door\"\n  lifecycle {\n    ignore_changes = [description]\n  }")
	if got := h.pending(); len(actions(got)) > 0 || len(wholeGaps(got)) > 0 {
		t.Errorf("%v", actions(got))
	}
}

// Live against state and code against state are two questions, and a resource may answer yes to both.
func TestTrap1_DriftAndPendingAreTwoAxes(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	h.replace(t, "main.tf", `description = "Front door"`, `description = "Side door"`)
	h.by("set", "firewall/web", "default_action=allow")
	defer h.by("set", "firewall/web", "default_action=deny")
	o := h.pending().by["harbor_firewall.web"]
	if c := changes(o); o.Action != taffrail.ActionUpdate || len(c) != 1 || !strings.HasPrefix(c[0], "default_action") {
		t.Errorf("%v, %s", c, o.Action)
	}
	if d := desired(t, o, "default_action"); d != `"deny"` {
		t.Errorf("what the code wants follows what is live: %s", d)
	}
	if got := h.scan().by["harbor_firewall.web"]; got.Action != "" || !got.Desired.IsUnknown() {
		t.Errorf("not asked, and yet: %s %s", got.Action, got.Desired.AppendCanonical(nil))
	}
}

// A plan that fails takes nothing from what is live, and is no "nothing waits".
func TestTrap2_FailedPlanIsAGap(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	h.add(t, "broken.tf", "resource \"harbor_bucket\" \"more\" {\n  name = var.nobody_declared_this\n}\n")
	got := h.pending()
	gaps := wholeGaps(got)
	if len(gaps) != 1 || gaps[0].Reason != taffrail.ReasonError || !strings.Contains(gaps[0].Detail, "broken.tf:2") || gaps[0].Hint == "" {
		t.Errorf("%+v", gaps)
	}
	if got.coverage.Checked != 13 || len(drift(got)) > 0 {
		t.Errorf("%+v", got.coverage)
	}
	for _, o := range got.all {
		if !o.Desired.IsUnknown() || o.Action != "" {
			t.Errorf("%s: %s", o.Resource.Address, o.Action)
		}
	}
}

// Code that would have a program run is not planned, unless that is allowed.
func TestTrap16_CodeRunsNoProgramUnasked(t *testing.T) {
	h := newHarbor(t)
	ran := filepath.Join(t.TempDir(), "ran")
	h.add(t, "modules/service/run.tf", "\ndata \"external\" \"x\" {\n  program = [\"touch\", \""+ran+"\"]\n}\n")
	gaps := wholeGaps(h.pending())
	if len(gaps) != 1 || gaps[0].Reason != taffrail.ReasonUnconfigured || !strings.Contains(gaps[0].Detail, "modules/service/run.tf:2") || !strings.Contains(gaps[0].Hint, "allow") {
		t.Errorf("%+v", gaps)
	}
	gaps = wholeGaps(h.pending(func(c *Config) { c.AllowExec = true })) // its provider is not locked
	if len(gaps) != 1 || strings.Contains(gaps[0].Detail, "run.tf") {
		t.Errorf("%+v", gaps)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a program ran")
	}
}

func (h *harbor) noTool(t *testing.T) {
	got := h.pending(func(c *Config) { c.CLI = "no-such-tool" })
	gaps := wholeGaps(got)
	if len(gaps) != 1 || gaps[0].Reason != taffrail.ReasonUnconfigured || got.coverage.Checked != 13 {
		t.Errorf("%+v", gaps)
	}
}

// The plan writes nothing into the stack, and neither sees nor touches a lock that somebody else holds.
func TestTrap15_PlanTouchesNeitherStackNorLock(t *testing.T) {
	h := newHarbor(t)
	t.Setenv("TMPDIR", t.TempDir()) // others leave their copies elsewhere
	lock := filepath.Join(h.dir, ".terraform.tfstate.lock.info")
	h.add(t, filepath.Base(lock), `{"ID":"someone","Operation":"OperationTypeApply"}`)
	h.replace(t, "main.tf", `description = "Front door"`, `description = "Side door"`)
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "taffrail-plan-*"))
	if err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, h.dir)
	got := h.pending()
	if diff := cmp.Diff(before, fingerprint(t, h.dir)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"harbor_firewall.web update"}, actions(got)); diff != "" {
		t.Error(diff)
	}
	if gaps := wholeGaps(got); len(gaps) != 1 || gaps[0].Reason != taffrail.ReasonRaced {
		t.Errorf("that somebody holds the lock is not told: %+v", gaps)
	}
	now, err := filepath.Glob(filepath.Join(os.TempDir(), "taffrail-plan-*"))
	if diff := cmp.Diff(left, now); diff != "" || err != nil {
		t.Error("a copy is left", diff, err)
	}
}

// fingerprint is every file below a folder, with its content and times.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	prints := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		prints[path] = fmt.Sprint(info.Mode(), info.ModTime())
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			prints[path] += fmt.Sprintf(" %x", sha256.Sum256(data))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return prints
}
