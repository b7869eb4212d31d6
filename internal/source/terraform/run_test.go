package terraform

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tap"
)

func TestParseLine(t *testing.T) {
	for _, tc := range []struct {
		args string
		want line
	}{
		{"", line{}},
		{"make apply", line{}},
		{"/usr/bin/tofu apply", line{tool: "tofu", verb: "apply"}},
		{"terraform.exe -chdir=a/b apply -auto-approve plan.out", line{tool: "terraform", chdir: "a/b", verb: "apply", plan: "plan.out"}},
		{"tofu apply -lock-timeout 10s -parallelism=3 -input=false p", line{tool: "tofu", verb: "apply", plan: "p"}},
		{"tofu destroy -target a.b -var x=y -var=z=1=2 --var-file f -var-file=g", line{
			tool: "tofu", verb: "destroy", vars: map[string]string{"x": "y", "z": "1=2"}, varFiles: []string{"f", "g"},
		}},
		{"tofu -version", line{tool: "tofu"}},
		{"tofu plan -out p q", line{tool: "tofu", verb: "plan"}},
	} {
		if tc.want.vars == nil {
			tc.want.vars = map[string]string{}
		}
		got := parseLine(strings.Fields(tc.args))
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(line{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
	}
}

func TestRecognise(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	r.write("plan.out", "a plan")
	env := plug.Env{Now: time.Now, Sealer: sealer{}}
	w := newRunWatcher(env, RunConfig{}, r.host)
	command := func(dir string, args ...string) taffrail.Command {
		return taffrail.Command{Args: args, Dir: dir, Env: r.host.environ}
	}
	got := w.Recognise(t.Context(), command(r.dir, "tofu", "apply", "plan.out"))
	const ofPlan = "46f65b74fbf77e8c7ff8dd8ed1e0ed2bcd4d8e0a9f3d29bfc3b7c3a0c3c6f0a9"
	if got.Stack == nil || got.Stack.ID != "terraform/b6b1/default" || got.Stack.Serial != 7 || !got.Tap || got.Verb != "apply" || len(got.Plan) != len(ofPlan) || got.Dir != r.dir {
		t.Errorf("%+v", got)
	}
	got = w.Recognise(t.Context(), command(filepath.Dir(r.dir), "terraform", "-chdir="+filepath.Base(r.dir), "refresh"))
	if got.Stack == nil || got.Stack.ID != "terraform/b6b1/default" || got.Tap || got.Why == "" || got.Plan != "" {
		t.Errorf("%+v", got)
	}
	if got = w.Recognise(t.Context(), command(r.dir, "make", "apply")); got.Known {
		t.Errorf("%+v", got)
	}
	if got = w.Recognise(t.Context(), command(t.TempDir(), "tofu", "apply")); !got.Known || got.Stack != nil || !got.Tap {
		t.Errorf("%+v", got)
	}
	named := newRunWatcher(env, RunConfig{Stack: r.dir}, r.host)
	if got = named.Recognise(t.Context(), command(t.TempDir(), "make", "apply")); !got.Known || got.Stack == nil || got.Tap || got.Why == "" {
		t.Errorf("%+v", got)
	}
}

func (h *harbor) watcher() *runWatcher {
	logger := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return newRunWatcher(plug.Env{Logger: logger, Now: time.Now, Sealer: sealer{}}, RunConfig{}, h.host)
}

func (h *harbor) line(args ...string) taffrail.Command {
	return taffrail.Command{Args: append([]string{h.tool}, args...), Dir: h.dir, Env: h.host.environ}
}

// toolName gives the tool the name that it is known by, whatever the file is called.
func (h *harbor) named() *harbor {
	h.t.Helper()
	if base := filepath.Base(h.tool); base != "tofu" && base != "terraform" {
		link := filepath.Join(h.t.TempDir(), "tofu")
		if err := os.Symlink(h.tool, link); err != nil {
			h.t.Fatal(err)
		}
		h.tool = link
	}
	return h
}

// tapped runs the tool under a tap, and gives what that saw.
func (h *harbor) tapped(status int, args ...string) (taffrail.TapReport, string) {
	h.t.Helper()
	return h.tappedWhile(status, nil, args...)
}

// tappedWhile does something while the tool runs.
func (h *harbor) tappedWhile(want int, meanwhile func(*os.Process), args ...string) (taffrail.TapReport, string) {
	h.t.Helper()
	c := h.line(args...)
	t, err := h.watcher().Tap(h.t.Context(), c)
	if err != nil {
		h.t.Fatal(err)
	}
	defer t.Close()
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(slices.Clone(c.Env), t.Env()...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile(cmd.Process)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != want {
		h.t.Fatalf("%v: exit status %d\n%s", args, got, said.String())
	}
	report, err := t.Finish(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if left := h.providers(); len(left) > 0 {
		h.t.Errorf("processes of providers are left: %v", left)
	}
	return report, said.String()
}

// providers lists the processes of this harbor's providers.
func (h *harbor) providers() (left []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, path := range all {
		if exe, err := os.Readlink(path); err == nil && strings.HasPrefix(exe, filepath.Dir(h.dir)) && strings.Contains(exe, "terraform-provider-") {
			left = append(left, path)
		}
	}
	return left
}

func (h *harbor) apply(args ...string) []string {
	return append([]string{"apply", "-input=false", "-auto-approve", "-no-color"}, args...)
}

// stateOf gives the state, without what each apply makes anew.
func (h *harbor) stateOf() string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, "terraform.tfstate"))
	if err != nil {
		h.t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(data, &s); err != nil {
		h.t.Fatal(err)
	}
	delete(s, "lineage")
	delete(s, "serial")
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// brief says what a tap saw, a line for each resource, sorted.
func brief(r taffrail.TapReport) (lines []string) {
	for _, t := range r.Tapped {
		line := fmt.Sprintf("%s %s", t.Action, t.Address)
		if t.Address == "" {
			line = fmt.Sprintf("%s (%s)", t.Action, t.Type)
		}
		if t.Error != "" {
			line += " failed"
		}
		if t.Withheld {
			line += " withheld"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func find(t *testing.T, r taffrail.TapReport, address string) taffrail.Tapped {
	t.Helper()
	for _, one := range r.Tapped {
		if string(one.Address) == address {
			return one
		}
	}
	t.Fatalf("%s is not among %v", address, brief(r))
	return taffrail.Tapped{}
}

// What is applied under a tap is what is applied without one, in both versions of the protocol, and the tap saw each resource.
func TestTapChangesNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		plugin, stack, update string
		resources             int
	}{
		{"harbor", "../../../examples/harbor/stack", "", 0},
		{"harborlegacy", "../../../examples/harbor/legacy/stack", "", 0},
	} {
		t.Run(tc.plugin, func(t *testing.T) {
			h := startHarbor(t, tc.plugin, tc.stack).named()
			report, _ := h.tapped(0, h.apply()...)
			made := brief(report)
			if report.Connections == 0 || len(report.Others) != 0 || report.LeftOut != 0 || report.Withheld != "" || len(made) < 5 {
				t.Fatalf("%+v: %v", report, made)
			}
			for _, line := range made {
				if !strings.HasPrefix(line, "create ") || strings.Contains(line, "withheld") || strings.Contains(line, "(") {
					t.Errorf("seen: %s", line)
				}
			}
			tappedState := shape(t, h.stateOf())
			h.run(h.tool, "plan", "-input=false", "-detailed-exitcode") // fails the test if anything is to be done
			if again, _ := h.tapped(0, h.apply()...); len(again.Tapped) != 0 || again.Connections == 0 {
				t.Errorf("nothing was to be done, and seen was %v", brief(again))
			}
			gone, _ := h.tapped(0, "destroy", "-input=false", "-auto-approve", "-no-color")
			want := slices.Clone(made)
			for i, line := range want {
				want[i] = strings.Replace(line, "create", "delete", 1)
			}
			if diff := cmp.Diff(want, brief(gone)); diff != "" {
				t.Errorf("destroyed (-want +got):\n%s", diff)
			}
			h.run(h.tool, h.apply()...)
			if diff := cmp.Diff(shape(t, h.stateOf()), tappedState); diff != "" {
				t.Errorf("the state of an apply without a tap, and with one (-want +got):\n%s", diff)
			}
		})
	}
}

// shape replaces what the cloud makes up anew each time: identities, times and etags.
func shape(t *testing.T, state string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(state), &v); err != nil {
		t.Fatal(err)
	}
	var walk func(name string, v any) any
	walk = func(name string, v any) any {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "sensitive_attributes") // in no order
			for k, e := range v {
				v[k] = walk(k, e)
			}
		case []any:
			for i, e := range v {
				v[i] = walk(name, e)
			}
		case string:
			if madeUp(name, v) {
				return "*"
			}
		}
		return v
	}
	text, err := json.MarshalIndent(walk("", v), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func madeUp(name, text string) bool {
	if _, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return true
	}
	for _, prefix := range []string{"bkt-", "db-", "dns-", "fw-", "rec-"} {
		if strings.Contains(text, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"id", "etag", "arn", "host", "private", "revision", "endpoint", "database_host", "shop_bucket"}, name)
}

// An update is told by its paths, and no secret is told: neither one by the schema nor one by the code.
func TestTapOfAnUpdate(t *testing.T) {
	t.Parallel()
	h := newHarbor(t).named()
	code := filepath.Join(h.dir, "more.tf")
	writeFile(t, code, "variable \"hidden\" {\n  sensitive = true\n  default   = \"hidden-7f3a9\"\n}\n\nresource \"harbor_bucket\" \"marked\" {\n  name = \"marked\"\n  tags = { note = var.hidden, more = sensitive(\"marked-5c1e2\") }\n}\n")
	report, _ := h.tapped(0, h.apply("-var", "database_password=another-4711", "-var=worker_count=1", "-var", "environment=other")...)
	want := []string{
		"create harbor_bucket.marked", "delete harbor_firewall.worker[1]", "update harbor_bucket.logs", "update harbor_database.main", "update harbor_firewall.web",
	}
	lines := slices.DeleteFunc(brief(report), func(l string) bool { return strings.Contains(l, "module.shop") })
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	logs := find(t, report, "harbor_bucket.logs")
	before, _ := logs.Before.Field("tags")
	after, _ := logs.After.Field("tags")
	was, _ := before.Field("environment")
	is, _ := after.Field("environment")
	if was.Text() != "practice" || is.Text() != "other" || logs.ID == "" || !logs.Started.Before(logs.Finished) {
		t.Errorf("%s -> %s: %+v", was.AppendCanonical(nil), is.AppendCanonical(nil), logs)
	}
	password := func(v taffrail.Value) taffrail.Value { f, _ := v.Field("password"); return f }
	if main := find(t, report, "harbor_database.main"); password(main.Before).Shape() != taffrail.ShapeSecret || password(main.After).Equal(password(main.Before)) {
		t.Errorf("a password that was changed: %s", password(main.After).AppendCanonical(nil))
	}
	told, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"another-4711", "practice-only", "hidden-7f3a9", "marked-5c1e2", harborToken, "practice-token-app"} {
		if bytes.Contains(told, []byte(secret)) || strings.Contains(h.log.String(), secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

// Two configurations of one provider do not come in each other's way: each has a process of its own.
func TestTapOfAliases(t *testing.T) {
	t.Parallel()
	h := startHarbor(t, "harbor", "../../../examples/harbor/stack").named()
	code, _ := filepath.Glob(filepath.Join(h.dir, "*.tf"))
	for _, name := range code {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	other := (&harbor{t: t, command: h.command}).serve(t.TempDir())
	writeFile(t, filepath.Join(h.dir, "main.tf"), fmt.Sprintf(`terraform {
  required_providers {
    harbor = { source = "taffrail.example/practice/harbor" }
  }
  backend "local" {}
}

provider "harbor" {}

provider "harbor" {
  alias = "other"
  url   = %q
}

resource "harbor_bucket" "here" {
  count = 8
  name  = "near-${count.index}"
}

resource "harbor_bucket" "there" {
  count    = 8
  provider = harbor.other
  name     = "far-${count.index}"
}
`, other))
	h.run(h.tool, "init", "-input=false", "-reconfigure")
	report, _ := h.tapped(0, h.apply()...)
	if len(report.Tapped) != 16 {
		t.Errorf("%v", brief(report))
	}
	list := func(url string) string {
		cmd := exec.Command(h.command, "list", "bucket")
		cmd.Env = append(slices.Clone(h.host.environ), "HARBOR_URL="+url)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	here, there := list(h.host.getenv("HARBOR_URL")), list(other)
	if strings.Count(here, "near-") != 8 || strings.Contains(here, "far-") || strings.Count(there, "far-") != 8 || strings.Contains(there, "near-") {
		t.Errorf("here:\n%s\nthere:\n%s", here, there)
	}
	h.run(h.tool, "plan", "-input=false", "-detailed-exitcode")
}

// A plan that was made without a tap is applied under one, and the other way round.
func TestTapOfSavedPlans(t *testing.T) {
	t.Parallel()
	h := startHarbor(t, "harbor", "../../../examples/harbor/stack").named()
	h.run(h.tool, "plan", "-input=false", "-out=p1")
	if report, _ := h.tapped(0, "apply", "-input=false", "-no-color", "p1"); len(report.Tapped) < 5 {
		t.Errorf("%v", brief(report))
	}
	h.tapped(0, "plan", "-input=false", "-no-color", "-out=p2", "-var=environment=other")
	h.run(h.tool, "apply", "-input=false", "p2")
}

// A change that fails is told as one that failed, and the tool ends as it would.
func TestTapOfAFailure(t *testing.T) {
	t.Parallel()
	h := startHarbor(t, "harbor", "../../../examples/harbor/stack").named()
	h.by("fault", "set", "bucket", "deny")
	report, said := h.tapped(1, h.apply()...)
	if !strings.Contains(said, "403") {
		t.Errorf("the tool said %s", said)
	}
	failed := 0
	for _, one := range report.Tapped {
		if one.Error != "" {
			failed++
			if one.Type != "harbor_bucket" || one.Action != taffrail.ActionCreate || strings.Contains(one.Error, harborToken) {
				t.Errorf("%+v", one)
			}
		}
	}
	if failed == 0 || failed == len(report.Tapped) {
		t.Errorf("%v", brief(report))
	}
	h.by("fault", "clear")
	h.tapped(0, h.apply()...)
}

// Where the state does not say what is sensitive, no value is told.
func TestTapWithoutTheStateAfterwards(t *testing.T) {
	t.Parallel()
	h := startHarbor(t, "harbor", "../../../examples/harbor/stack").named()
	c := h.line(h.apply()...)
	opened, err := h.watcher().Tap(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(slices.Clone(c.Env), opened.Env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Remove(filepath.Join(h.dir, "terraform.tfstate")); err != nil {
		t.Fatal(err)
	}
	report, err := opened.Finish(t.Context())
	if err != nil || report.Withheld == "" || len(report.Tapped) < 5 {
		t.Fatalf("%+v, %v", report, err)
	}
	for _, one := range report.Tapped {
		if !one.Withheld {
			t.Errorf("the values of %s %s are told", one.Type, one.ID)
		}
	}
}

// A provider under a tap has the environment of the run, by which it knows what to add to its user agent.
func TestTapEnviron(t *testing.T) {
	got := tapEnviron([]string{"TF_APPEND_USER_AGENT=taffrail/run-1", "TAFFRAIL_RUN=run-1", "PLUGIN_MIN_PORT=1", "TF_REATTACH_PROVIDERS={}", "TF_VAR_x=y"})
	want := append([]string{"TF_APPEND_USER_AGENT=taffrail/run-1", "TAFFRAIL_RUN=run-1", "TF_VAR_x=y"}, quiet...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A provider that dies ends the apply with the tool's own message, and nothing hangs.
func TestTapOfAProviderThatDies(t *testing.T) {
	t.Parallel()
	h := newHarbor(t).named()
	h.by("fault", "set", "bucket/logs", "crash")
	_, said := h.tapped(1, h.apply("-var=environment=other")...)
	if !strings.Contains(said, "lugin did not respond") {
		t.Errorf("the tool said %s", said)
	}
	h.by("fault", "clear")
	h.tapped(0, h.apply("-var=environment=other")...)
}

// A SIGINT to the tool ends the apply gracefully: what is under way is told to stop, and the state is written.
func TestTapOfAnInterruptedApply(t *testing.T) {
	t.Parallel()
	h := startHarbor(t, "harbor", "../../../examples/harbor/stack").named()
	h.by("fault", "set", "database", "latency=5s")
	cloud := filepath.Join(filepath.Dir(h.dir), "cloud.json.journal")
	_, said := h.tappedWhile(1, func(p *os.Process) {
		await(t, func() (string, bool) {
			data, err := os.ReadFile(cloud)
			return "", err == nil && bytes.Contains(data, []byte("worker-0"))
		})
		if err := p.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}, h.apply()...)
	if !strings.Contains(said, "Interrupt received") || !strings.Contains(said, "Gracefully shutting down") && !strings.Contains(said, "Stopping operation") {
		t.Errorf("the tool said %s", said)
	}
	h.by("fault", "clear")
	h.tapped(0, h.apply()...)
	h.run(h.tool, "plan", "-input=false", "-detailed-exitcode")
}

// Where there can be no tap, it is said why, and no process is left.
func TestNoTap(t *testing.T) {
	r := newRig(t)
	r.install()
	with := func(env ...string) taffrail.Command {
		return taffrail.Command{Args: []string{"tofu", "apply"}, Dir: r.dir, Env: append(slices.Clone(r.host.environ), env...)}
	}
	rc := filepath.Join(t.TempDir(), "rc")
	writeFile(t, rc, "provider_installation {\n  dev_overrides {\n    \"a/b\" = \"/x\"\n  }\n}\n")
	for _, tc := range []struct {
		says    string
		command taffrail.Command
	}{
		{"TF_LOG is set", with("TF_LOG=trace")},
		{"is set already", with(tap.Variable + "={}")},
		{"dev_overrides", with("TF_CLI_CONFIG_FILE=" + rc)},
	} {
		if _, err := newRunWatcher(plug.Env{Sealer: sealer{}}, RunConfig{}, r.host).Tap(t.Context(), tc.command); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.says, err)
		}
	}
	w := newRunWatcher(plug.Env{Sealer: sealer{}}, RunConfig{}, r.host)
	opened, err := w.Tap(t.Context(), with())
	if err != nil {
		t.Fatal(err)
	}
	_ = opened.Close()
	r.lock("h1:another=")
	if _, err := w.Tap(t.Context(), with()); err == nil {
		t.Error("a provider that the lock file does not vouch for was run")
	}
	if err := os.Remove(filepath.Join(r.dir, ".terraform.lock.hcl")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Tap(t.Context(), with()); err == nil {
		t.Error("providers were run without a lock file")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Tap(ctx, with()); err == nil {
		t.Error("it was opened after the end")
	}
}
