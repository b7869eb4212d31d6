package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func TestFailOn(t *testing.T) {
	fresh, old, changed := modified("cloud_a.a"), modified("cloud_a.b"), modified("cloud_a.c")
	old.New, changed.New, changed.Changed = false, false, true
	waits := modified("cloud_a.d")
	waits.New, waits.Finding.Pending = false, true
	pending := reportOf()
	pending.Pending = []taffrail.Finding{driftOf(taffrail.InSync, "cloud_a.a").Finding}
	gaps := withGaps(reportOf(), gapOf("cloud_b.b", taffrail.ReasonDenied, "403", ""))
	stopped := withGaps(reportOf(), gapOf("cloud_b.b", taffrail.ReasonCancelled, "stopped", ""))
	for _, c := range []struct {
		on     string
		report daemon.ScanReport
		want   int
	}{
		{"drift", reportOf(old), 2}, {"drift", gaps, 1}, {"drift", pending, 0}, {"drift", reportOf(driftOf(taffrail.Unmanaged, "x.y")), 2},
		{"new", reportOf(old), 0}, {"new", reportOf(old, fresh), 2}, {"new", reportOf(changed), 2}, {"new", gaps, 1},
		{"deleted", reportOf(fresh), 0}, {"deleted", reportOf(driftOf(taffrail.Deleted, "x.y")), 2},
		{"modified", reportOf(driftOf(taffrail.Deleted, "x.y")), 0}, {"modified, unmanaged", reportOf(driftOf(taffrail.Unmanaged, "x.y")), 2},
		{"pending", pending, 2}, {"pending", reportOf(waits), 2}, {"pending", reportOf(fresh), 0},
		{"none", reportOf(fresh), 0}, {"none", gaps, 1}, {"none", stopped, 1}, {"drift", stopped, 1},
	} {
		if got := run(t, answering(c.report), "scan", "--fail-on", c.on); got.status != c.want {
			t.Errorf("--fail-on %s: status %d, want %d:\n%s%s", c.on, got.status, c.want, got.stdout, got.stderr)
		} else if strings.Contains(got.stdout, "In sync.") && len(c.report.Drifts) > 0 {
			t.Errorf("--fail-on %s calls a drift in sync:\n%s", c.on, got.stdout)
		}
	}
	for _, bad := range []string{"", "drfit", "none,drift", "drift,,new", "gaps"} {
		if got := run(t, answering(reportOf()), "scan", "--fail-on", bad); got.status != 1 || got.stdout != "" {
			t.Errorf("--fail-on %q is taken", bad)
		}
	}
}

// However long each takes and however many are scanned at once, answers come in the order of the arguments.
func TestStacksInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		f := &fake{scan: func(_ context.Context, r daemon.ScanRequest, _ func(daemon.ScanProgress)) (daemon.ScanReport, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			var s sourceSettings
			if err := json.Unmarshal(r.Settings, &s); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Duration('z'-s.Target[0]) * time.Second)
			report := reportOf()
			report.Stack.Name = s.Target
			return report, nil
		}}
		for _, parallel := range []int64{1, 3} {
			most.Store(0)
			got := run(t, f, "scan", "-q", "a", "b", "c", "d", "e", "--parallel", fmt.Sprint(parallel))
			var order []string
			for line := range strings.Lines(got.stdout) {
				if name, ok := strings.CutPrefix(line, "Stack "); ok {
					order = append(order, name[:1])
				}
			}
			if strings.Join(order, "") != "abcde" || most.Load() != parallel || got.status != 0 {
				t.Errorf("--parallel %d: order %v, %d at once, status %d", parallel, order, most.Load(), got.status)
			}
		}
	})
}

// The worst of all stacks is the exit status.
func TestStatusOfStacks(t *testing.T) {
	reports := map[string]daemon.ScanReport{
		"ok": reportOf(), "drift": reportOf(modified("cloud_a.a")), "gap": withGaps(reportOf(), gapOf("cloud_b.b", taffrail.ReasonDenied, "403", "")),
	}
	for stacks, want := range map[string]int{"ok ok": 0, "ok gap": 1, "ok error": 1, "error drift": 2, "drift gap ok": 2, "error gap": 1} {
		for _, form := range []string{"table", "json", "ndjson", "sarif", "junit", "markdown"} {
			if got := run(t, failing(t, reports), append([]string{"scan", "-o", form}, strings.Fields(stacks)...)...); got.status != want {
				t.Errorf("%s as %s: status %d, want %d", stacks, form, got.status, want)
			}
		}
	}
	corrupt := &fake{scan: func(context.Context, daemon.ScanRequest, func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		return daemon.ScanReport{}, &taffrail.Error{Kind: taffrail.KindCorrupt, Err: fmt.Errorf("no")}
	}}
	if got := run(t, corrupt, "scan", "a", "b"); got.status != 3 {
		t.Errorf("a log that does not verify gives %d", got.status)
	}
}

// Stacks that a stopped command did not come to are named, and make it fail.
func TestStoppedBetweenStacks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	f := &fake{scan: func(context.Context, daemon.ScanRequest, func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		asked++
		cancel()
		return reportOf(), nil
	}}
	got := runWith(t, ctx, f, nil, "scan", "a", "b")
	if asked != 1 || got.status != 1 || !strings.Contains(got.stdout, "b was not scanned") || !strings.Contains(got.stdout, "1 could not be scanned") {
		t.Errorf("asked %d times, status %d:\n%s", asked, got.status, got.stdout)
	}
}

// A log that several scans began together is announced once.
func TestNewLogIsAnnouncedOnce(t *testing.T) {
	r := reportOf()
	r.Log.Started = true
	got := run(t, failing(t, map[string]daemon.ScanReport{"a": r, "b": r}), "scan", "a", "b", "--parallel", "2")
	if strings.Count(got.stderr, "A new log was begun") != 1 {
		t.Error(got.stderr)
	}
}

func TestScansJSON(t *testing.T) {
	got := run(t, failing(t, map[string]daemon.ScanReport{"a": reportOf(driftOf(taffrail.Deleted, "cloud_a.a"))}), "scan", "a", "b", "-o", "json")
	schema := schemaOf[scansForm](t)
	if err := validate(t, schema, got.stdout); err != nil {
		t.Error(err)
	}
	var form scansForm
	if err := json.Unmarshal([]byte(got.stdout), &form); err != nil {
		t.Fatal(err)
	}
	if form.Schema != scansSchema || form.ExitStatus != 2 || len(form.Stacks) != 2 || form.Stacks[0].Report.Scan != "scan-01" || form.Stacks[1].Error.Kind != "denied" || form.Stacks[1].ExitStatus != 1 {
		t.Errorf("got %+v", form)
	}
}

// Each stack is told of the others where that means something, and only there.
func TestRequestsOfStacks(t *testing.T) {
	requests := map[string]daemon.ScanRequest{}
	f := &fake{scan: func(_ context.Context, r daemon.ScanRequest, _ func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		var s sourceSettings
		if err := json.Unmarshal(r.Settings, &s); err != nil {
			t.Fatal(err)
		}
		requests[s.Target] = r
		return reportOf(), nil
	}}
	run(t, f, "scan", "a", "s3://bucket/key")
	if got := string(requests["s3://bucket/key"].Settings); got != `{"target":"s3://bucket/key"}` {
		t.Errorf("got %s", got)
	}
	run(t, f, "scan", "a", "b", "--unmanaged", "x_y", "--unmanaged", "x_y", "--unmanaged", "all", "--managed-by", "c", "--pending", "--allow-exec", "--var", "k=a=b", "--var", "l=")
	want := `{"target":"a","pending":true,"allow_exec":true,"vars":{"k":"a=b","l":""},"also":["b","c"]}`
	if got := requests["a"]; string(got.Settings) != want || !cmp.Equal(got.Scope, taffrail.Scope{Types: []taffrail.ResourceType{"x_y", taffrail.EveryType}}) {
		t.Errorf("got %s and %v", got.Settings, got.Scope)
	}
}

// What stands in taffrail.yaml counts, and flags count more. Its lines stay where they are as long as that is possible.
func TestConfigUnderFlags(t *testing.T) {
	for _, c := range []struct{ name, file, flags, want string }{
		{"no section", "", `{"target":"a"}`, `{"target":"a"}`},
		{"both", "\n\n  timeout: 9s\n", `{"target":"a","workspace":"w"}`, "\n\n  timeout: 9s\n  target: \"a\"\n  workspace: \"w\"\n"},
		{"flags count more", "  timeout: 9s\n  vars: {a: x, b: x}\n", `{"target":"a","timeout":"1s","vars":{"b":"y"}}`, `{"target":"a","timeout":"1s","vars":{"a":"x","b":"y"}}`},
		{"braces", "   {timeout: 9s}\n", `{"target":"a"}`, `{"target":"a","timeout":"9s"}`},
	} {
		got, err := underFlags([]byte(c.file), []byte(c.flags))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
		var parsed map[string]any
		if err := yaml.Unmarshal(got, &parsed); err != nil || parsed["target"] != "a" {
			t.Errorf("%s: %v in %s", c.name, err, got)
		}
	}
}

func TestConfigOfStack(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/taffrail.yaml": "accept:\n  - path: tags\n    reason: known\n    owner: ops\n    expires: 2030-01-01\nterraform:\n  timeout: 9s\n",
		"a/x.tfstate":     "{}", "b/main.tf": "", "bad.yaml": "acept: []\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got daemon.ScanRequest
	f := &fake{scan: func(_ context.Context, r daemon.ScanRequest, _ func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		got = r
		return reportOf(), nil
	}}
	for _, c := range []struct {
		args  []string
		rules int
	}{
		{[]string{dir + "/a"}, 1}, {[]string{dir + "/a/x.tfstate"}, 1}, {[]string{dir + "/b"}, 0}, {[]string{"https://example.org/state"}, 0},
		{[]string{dir + "/b", "--config", dir + "/a/taffrail.yaml"}, 1},
	} {
		got = daemon.ScanRequest{}
		if ran := run(t, f, append([]string{"scan"}, c.args...)...); ran.status != 0 || len(got.Accept) != c.rules || strings.Contains(string(got.Settings), "9s") != (c.rules == 1) {
			t.Errorf("%v: status %d, %d rules, settings %s; %s", c.args, ran.status, len(got.Accept), got.Settings, ran.stderr)
		}
	}
	for _, bad := range []string{dir + "/bad.yaml", dir + "/none.yaml"} {
		if ran := run(t, f, "scan", dir+"/b", "--config", bad); ran.status != 1 || !strings.Contains(ran.stderr, bad) {
			t.Errorf("%s: status %d, %s", bad, ran.status, ran.stderr)
		}
	}
}
