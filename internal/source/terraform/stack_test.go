package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

func TestContract(t *testing.T) {
	for _, protocol := range []string{"5", "6"} {
		t.Run("protocol "+protocol, func(t *testing.T) {
			r := newRig(t)
			r.protocol = protocol
			r.install()
			var resources []res
			for i := range 4 {
				resources = append(resources, legacy(fmt.Sprint(i), nil))
			}
			resources = append(resources, res{
				"mode": "managed", "type": "terraform_data", "name": "x", "provider": `provider["terraform.io/builtin/terraform"]`,
				"instances": []any{map[string]any{"attributes": map[string]any{"id": "1"}}},
			})
			r.state(resources...)
			r.live(testprovider.World{"odd_legacy/1": {Gone: true}, "odd_legacy/2": {Fault: "diagnostic:500"}, "odd_legacy/3": set("name", `"x"`)})
			r.config.Concurrency = 2
			plugtest.Stack(t, plugtest.StackCase{
				Want: len(resources), Folder: r.dir,
				Open: func(*testing.T) taffrail.Stack { return r.open() },
			})
		})
	}
}

func TestRegister(t *testing.T) {
	var registry plug.Registry
	Register(&registry)
	r := newRig(t)
	r.state()
	env := plug.Env{Now: time.Now, Sealer: sealer{}}
	s, err := plug.Open[taffrail.Stack](t.Context(), &registry, "terraform", env, plug.Settings{File: "f", YAML: []byte("target: " + r.dir + "\ntimeout: 5s\nconfirm_delay: 10ms\n")})
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := taffrail.StackInfo{
		ID: "terraform/b6b1/default", System: "terraform", Name: r.dir, Workspace: "default", Lineage: "b6b1", Serial: 7, Tool: "terraform 1.11.4",
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Error(diff)
	}
	if got := s.(*stack).config.Timeout; got != 5*time.Second {
		t.Errorf("timeout %v", got)
	}
	for _, bad := range []string{"concurrency: -1", "timeout: -5s", "confirm_delay: -1s", "targets: x"} {
		if _, err := plug.Open[taffrail.Stack](t.Context(), &registry, "terraform", env, plug.Settings{File: "f", YAML: []byte(bad)}); taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A process is kept from one read to the next, and replaced when the stack wants something else.
func TestProviderIsKeptWarm(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil), thing("b", nil))
	s := r.open()
	starts := func() int { return strings.Count(strings.Join(testprovider.Log(r.world), "\n"), "configure") }
	r.read(s, "odd_thing.a")
	r.read(s)
	if n := starts(); n != 1 {
		t.Errorf("%d starts for two reads", n)
	}
	r.write("terraform.tfvars", "")
	r.write("main.tf", required+`provider "odd" { region = "south" }`)
	r.read(s)
	if n := starts(); n != 2 {
		t.Errorf("%d starts after another configuration", n)
	}
	r.install() // the same package
	r.read(s)
	if n := starts(); n != 2 {
		t.Errorf("%d starts after the same lock file", n)
	}
	r.lock("h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	if got := r.read(s); got.coverage.Checked != 0 {
		t.Error("a provider that is no longer locked was asked")
	}
}

// Whoever kills the provider is found out, and nobody else pays for it.
func TestCrashIsBlamedOnTheCulprit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install()
	var resources []res
	for i := range 30 {
		resources = append(resources, thing(fmt.Sprintf("r%02d", i), nil))
	}
	r.state(resources...)
	r.live(testprovider.World{
		"odd_thing/r03": {Fault: "crash"}, "odd_thing/r17": {Fault: "crash"}, "odd_thing/r05": {Fault: "slow:20ms"}, "odd_thing/r29": {Gone: true},
	})
	got := r.scan()
	if got.coverage.Checked != 28 || got.coverage.Incomplete != 2 {
		t.Errorf("coverage %+v", got.coverage)
	}
	for _, a := range []taffrail.Address{"odd_thing.r03", "odd_thing.r17"} {
		if o := got.by[a]; o.Gap == nil || o.Gap.Reason != taffrail.ReasonCrashed {
			t.Errorf("%s: gap %+v", a, o.Gap)
		}
	}
	if !got.by["odd_thing.r29"].Live.IsNull() {
		t.Error("what is gone was not found to be")
	}
}

func TestProviderThatDiesAllTheTimeIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install()
	world := testprovider.World{}
	var resources []res
	for i := range 20 {
		resources = append(resources, thing(fmt.Sprint(i), nil))
		world["odd_thing/"+fmt.Sprint(i)] = testprovider.Object{Fault: "crash"}
	}
	r.state(resources...)
	r.live(world)
	r.config.Concurrency = 1
	got := r.scan()
	if got.coverage.Incomplete != 20 {
		t.Errorf("coverage %+v", got.coverage)
	}
	for _, o := range got.all {
		if o.Gap == nil || o.Gap.Reason != taffrail.ReasonCrashed {
			t.Errorf("gap %+v", o.Gap)
		}
	}
	if n := strings.Count(strings.Join(testprovider.Log(r.world), "\n"), "configure"); n > maxCrashes {
		t.Errorf("it was started %d times", n)
	}
}

func TestProviderKilledBetweenReads(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	s := r.open()
	r.read(s)
	for _, session := range s.sessions {
		session.process.Kill()
	}
	if got := r.read(s); got.coverage.Checked != 1 {
		t.Errorf("coverage %+v", got.coverage)
	}
}

// A call that hangs holds up nobody but itself.
func TestHungReadDoesNotStopOthers(t *testing.T) {
	r := newRig(t)
	r.install()
	r.config.Timeout = 3 * time.Second
	resources := []res{}
	world := testprovider.World{}
	for i := range 12 {
		resources = append(resources, thing(fmt.Sprint(i), nil))
		if i < 3 {
			world["odd_thing/"+fmt.Sprint(i)] = testprovider.Object{Fault: "hang"}
		}
	}
	r.state(resources...)
	r.live(world)
	begin := time.Now()
	got := r.scan()
	if got.coverage.Checked != 9 || got.coverage.Incomplete != 3 {
		t.Errorf("coverage %+v", got.coverage)
	}
	if took := time.Since(begin); took > 12*time.Second { // the time limit, and what closing takes
		t.Errorf("it took %v", took)
	}
}

func TestTrap11_MovedStateIsRaced(t *testing.T) {
	lockFile := ".terraform.tfstate.lock.info"
	for _, tc := range []struct {
		name   string
		before func(*rig)
		during func(*rig)
		detail string
	}{
		{"serial", nil, func(r *rig) { r.stateAt(8, thing("a", nil)) }, "from serial 7 to 8"},
		{"lineage", nil, func(r *rig) { r.write("terraform.tfstate", `{"version":4,"serial":7,"lineage":"other"}`) }, "another lineage"},
		{"forced, of the same serial", nil, func(r *rig) { r.state(thing("b", nil)) }, "another one, of the same serial 7"},
		{"gone", nil, func(r *rig) { _ = os.Remove(filepath.Join(r.dir, "terraform.tfstate")) }, "could not be read again"},
		{"locked at the start", func(r *rig) { r.write(lockFile, "{}") }, func(r *rig) { _ = os.Remove(filepath.Join(r.dir, lockFile)) }, "when the scan began"},
		{"locked at the end", nil, func(r *rig) { r.write(lockFile, "{}") }, "when the scan ended"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil))
			if tc.before != nil {
				tc.before(r)
			}
			coverage, err := r.open().Read(t.Context(), taffrail.Selection{}, func(taffrail.Observation) error {
				tc.during(r)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(coverage.Gaps) != 1 || coverage.Complete() {
				t.Fatalf("coverage %+v", coverage)
			}
			if g := coverage.Gaps[0]; g.Reason != taffrail.ReasonRaced || g.Address != "" || !strings.Contains(g.Detail, tc.detail) {
				t.Errorf("gap %+v", g)
			}
		})
	}
}

func TestSelectionOfNothingIsNoSilence(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	got := r.read(r.open(), "odd_thing.other")
	if len(got.all) > 0 || got.coverage.Complete() || got.coverage.Total != 0 {
		t.Errorf("%d observations, coverage %+v", len(got.all), got.coverage)
	}
}

func TestCloseEndsARead(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil), thing("b", nil))
	r.live(testprovider.World{"odd_thing/a": {Fault: "hang"}})
	s := r.open()
	_, err := s.Read(t.Context(), taffrail.Selection{}, func(taffrail.Observation) error {
		go s.Close()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(t.Context(), taffrail.Selection{}, nil); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("read after close: %v", err)
	}
}

// When the caller's time is up, what was under way was stopped, and did not take too long.
func TestCallersDeadlineIsNoTimeout(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	r.live(testprovider.World{"odd_thing/a": {Fault: "hang"}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	coverage, err := r.open().Read(ctx, taffrail.Selection{}, func(taffrail.Observation) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || coverage.Incomplete != 1 || coverage.Gaps[0].Reason != taffrail.ReasonCancelled {
		t.Errorf("coverage %+v, error %v", coverage, err)
	}
}

func TestEmitErrorStopsWhatIsUnderWay(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil), thing("b", nil))
	r.live(testprovider.World{"odd_thing/a": {Fault: "hang"}})
	begin := time.Now()
	mine := errors.New("mine")
	if _, err := r.open().Read(t.Context(), taffrail.Selection{}, func(taffrail.Observation) error { return mine }); err != mine { //nolint:errorlint // as it is
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > r.config.Timeout/2 {
		t.Errorf("it took %v", took)
	}
}

func TestCancelledWhileTheProviderStarts(t *testing.T) {
	r := newRig(t)
	r.install()
	dir := filepath.Join(r.dir, ".terraform", "providers", testprovider.Name, "1.2.3", platform)
	if err := os.WriteFile(filepath.Join(dir, "terraform-provider-odd_v1.2.3"), []byte("#!/bin/sh\nsleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.lock(h1(t, dir))
	r.state(thing("a", nil))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	coverage, err := r.open().Read(ctx, taffrail.Selection{}, func(taffrail.Observation) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || coverage.Incomplete != 1 || coverage.Gaps[0].Reason != taffrail.ReasonCancelled {
		t.Errorf("coverage %+v, error %v", coverage, err)
	}
}

func TestUnsupportedAreToldApart(t *testing.T) {
	r := newRig(t)
	r.install()
	other := func(kind, provider string) res {
		return res{"mode": "managed", "type": kind, "name": "x", "provider": `provider["` + provider + `"]`,
			"instances": []any{map[string]any{"attributes": map[string]any{"id": "1"}}}}
	}
	r.state(
		other("terraform_data", "terraform.io/builtin/terraform"), other("random_id", "registry.terraform.example/hashicorp/random"),
		other("null_resource", "registry.terraform.example/hashicorp/null"), other("local_file", "registry.example/hashicorp/local"),
	)
	got := r.scan()
	if got.coverage.Unsupported != 3 || got.coverage.Incomplete != 1 { // local files are read; its provider is missing here
		t.Errorf("coverage %+v", got.coverage)
	}
}

func TestKillOfUsKillsProviders(t *testing.T) {
	if os.Getenv("ODD_CHILD") != "" {
		return
	}
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("the system does not end children with their parent")
	}
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	pidFile := filepath.Join(t.TempDir(), "pid")
	cmd := exec.Command(os.Args[0], "-test.run=TestChildHoldsAProvider$")
	cmd.Env = append(os.Environ(), "ODD_CHILD="+r.dir, "ODD_PIDFILE="+pidFile, "TMPDIR="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := await(t, func() (string, bool) {
		data, err := os.ReadFile(pidFile)
		return string(data), err == nil && len(data) > 0
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	await(t, func() (string, bool) {
		data, err := os.ReadFile("/proc/" + pid + "/stat")
		return "", err != nil || strings.Contains(string(data), ") Z ")
	})
}

// TestChildHoldsAProvider is the process that TestKillOfUsKillsProviders kills.
func TestChildHoldsAProvider(t *testing.T) {
	dir := os.Getenv("ODD_CHILD")
	if dir == "" {
		t.Skip("is a part of another test")
	}
	s, err := open(plug.Env{Sealer: sealer{}}, Config{Target: dir}, system())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), taffrail.Selection{}, func(taffrail.Observation) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, session := range s.sessions {
		temp := os.Getenv("ODD_PIDFILE") + ".new"
		if err := os.WriteFile(temp, []byte(session.process.ID()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temp, os.Getenv("ODD_PIDFILE")); err != nil {
			t.Fatal(err)
		}
	}
	select {}
}

// await polls for something that another process does.
func await(t *testing.T, done func() (string, bool)) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if text, ok := done(); ok {
			return text
		}
	}
	t.Fatal("it never came")
	return ""
}

// What a run that was killed left of a stack is removed by whoever opens one next, whatever for.
func TestOpenRemovesWhatAKilledRunLeft(t *testing.T) {
	r := newRig(t)
	r.state(thing("a", nil))
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary)
	left := filepath.Join(temporary, "taffrail-plan-1")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(left, "state"), 0o700), os.WriteFile(filepath.Join(left, "lock"), nil, 0o600),
		os.WriteFile(filepath.Join(left, "state", "terraform.tfstate"), []byte("{}"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.open()
	if exists(left) {
		t.Error("it is still there")
	}
}
