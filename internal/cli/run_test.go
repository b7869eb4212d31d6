package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// The exit status of the command is ours, and what it says is said as it is.
func TestRunEndsAsTheCommandDoes(t *testing.T) {
	for _, tc := range []struct {
		script string
		lost   error
		status int
	}{
		{"echo out; echo err >&2", nil, 0},
		{"echo out; echo err >&2; exit 3", nil, 3},
		{"echo out; echo err >&2; kill -9 $$", nil, 137},
		{"echo out; echo err >&2; kill -TERM $$", nil, 143},
		{"echo out; echo err >&2", errors.New("the disk is full"), 1}, // a success that nobody recorded is none
		{"echo out; echo err >&2; exit 3", errors.New("the disk is full"), 3},
	} {
		f := &fake{fakeRuns: fakeRuns{lost: tc.lost, report: daemon.RunReport{Run: "run-1", Log: daemon.LogPosition{First: 1, Last: 2}}}}
		got := run(t, f, "run", "--", "sh", "-c", tc.script)
		if got.status != tc.status || got.stdout != "out\n" || !strings.HasPrefix(got.stderr, "err\n") || (tc.lost != nil) != strings.Contains(got.stderr, "error: the disk is full") {
			t.Errorf("%s: %+v", tc.script, got)
		}
		if tc.lost == nil && !strings.Contains(got.stderr, "taffrail: run-1: entries 1 and 2\n") {
			t.Errorf("%s: %s", tc.script, got.stderr)
		}
	}
}

func TestRunQuietly(t *testing.T) {
	f := &fake{fakeRuns: fakeRuns{start: daemon.RunStart{Note: "no lock file"}}}
	if got := run(t, f, "run", "-q", "--", "true"); got.stderr != "" || got.status != 0 {
		t.Errorf("%+v", got)
	}
	if got := run(t, &fake{}, "-q", "run", "--", "sh", "-c", "exit 4"); got.stderr != "" || got.status != 4 {
		t.Errorf("%+v", got)
	}
	if got := run(t, f, "run", "--", "true"); !strings.Contains(got.stderr, "taffrail: the providers are not watched: no lock file\n") {
		t.Errorf("%+v", got)
	}
}

// What cannot be run, or must not be, is not run.
func TestRunOfNothing(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "ran": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\ntouch "+dir+"/touched\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args   []string
		status int
		says   string
		asked  bool
	}{
		{[]string{"run"}, 1, "there is no command", false},
		{[]string{"run", "--"}, 1, "there is no command", false},
		{[]string{"run", "--tap", "--no-tap", "--", "true"}, 1, "both", false},
		{[]string{"run", "--stack", filepath.Join(dir, "none"), "--", "true"}, 1, "is no folder", false},
		{[]string{"run", "--", filepath.Join(dir, "none")}, 127, "nothing was run", false},
		{[]string{"run", "--", filepath.Join(dir, "plain")}, 126, "nothing was run", false},
		{[]string{"run", "--", filepath.Join(dir, "ran")}, 1, "log is full", true},
	} {
		f := &fake{fakeRuns: fakeRuns{refused: errors.New("log is full")}}
		got := run(t, f, tc.args...)
		if got.status != tc.status || !strings.Contains(got.stderr, tc.says) || (f.lastAsked() != nil) != tc.asked {
			t.Errorf("%q: %+v", tc.args, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "touched")); err == nil {
		t.Error("it was run although the log refused it")
	}
}

func (f *fakeRuns) lastAsked() any { return f.asked }

// What stands after the command is the command's, with -- or without.
func TestRunTakesTheCommandAsItIs(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		args []string
		want daemon.RunRequest
	}{
		{[]string{"run", "--", "true", "--tap", "-o", "json", "--"}, daemon.RunRequest{Command: taffrail.Command{Args: []string{"true", "--tap", "-o", "json", "--"}}}},
		{[]string{"run", "true", "-auto-approve"}, daemon.RunRequest{Command: taffrail.Command{Args: []string{"true", "-auto-approve"}}}},
		{[]string{"run", "--stack", dir, "--tap", "true"}, daemon.RunRequest{Command: taffrail.Command{Args: []string{"true"}}, Stack: dir, Tap: daemon.TapOn}},
		{[]string{"run", "--no-tap", "--by", "ada", "true"}, daemon.RunRequest{Command: taffrail.Command{Args: []string{"true"}}, Tap: daemon.TapOff, By: "ada"}},
	} {
		f := &fake{}
		if got := run(t, f, tc.args...); got.status != 0 || got.stdout != "" {
			t.Errorf("%q: %+v", tc.args, got)
		}
		asked := f.lastAsked().(daemon.RunRequest)
		if tc.want.By == "" {
			tc.want.By = person()
		}
		got := daemon.RunRequest{Command: taffrail.Command{Args: asked.Command.Args}, Stack: asked.Stack, Tap: asked.Tap, By: asked.By}
		if diff := cmp.Diff(tc.want, got); diff != "" || !filepath.IsAbs(asked.Command.Dir) || len(asked.Command.Env) == 0 {
			t.Errorf("%q: %s", tc.args, diff)
		}
	}
}

func TestWhoRuns(t *testing.T) {
	for _, tc := range []struct {
		name     string
		env      map[string]string
		terminal bool
		class    taffrail.ActorClass
		ci       string
		fields   map[string]string
	}{
		{name: "nobody knows", class: taffrail.ActorUnknown},
		{name: "a person", terminal: true, class: taffrail.ActorPerson},
		{
			"GitHub", map[string]string{
				"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ada", "GITHUB_TRIGGERING_ACTOR": "bob", "GITHUB_REPOSITORY": "o/r", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "7",
				"GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "apply", "GITHUB_WORKFLOW": "w", "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": "abc",
			}, true, taffrail.ActorPipeline, "github_actions", map[string]string{
				"ci_actor": "bob", "ci_author": "ada", "ci_repository": "o/r", "ci_run": "https://github.com/o/r/actions/runs/7/attempts/2", "ci_job": "apply", "ci_workflow": "w", "ci_ref": "refs/heads/main", "ci_commit": "abc",
			},
		},
		{
			"Atlantis inside of something else", map[string]string{"CI": "true", "GITHUB_ACTIONS": "true", "ATLANTIS_TERRAFORM_VERSION": "1.5.0", "USER_NAME": "ada", "PULL_URL": "https://h/p/3", "PULL_AUTHOR": "bob"}, false,
			taffrail.ActorPipeline, "atlantis", map[string]string{"ci_actor": "ada", "ci_author": "bob", "ci_run": "https://h/p/3"},
		},
		{
			"Buildkite with a token in an address", map[string]string{"BUILDKITE": "true", "BUILDKITE_REPO": "https://x-access-token:ghs_secret@github.com/o/r.git", "BUILDKITE_BUILD_CREATOR": "Ada Lovelace"}, false,
			taffrail.ActorPipeline, "buildkite", map[string]string{"ci_actor": "Ada Lovelace", "ci_repository": "https://github.com/o/r.git"},
		},
		{"GitLab", map[string]string{"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ada", "CI_PIPELINE_URL": "https://g/p/1"}, false, taffrail.ActorPipeline, "gitlab_ci", map[string]string{"ci_actor": "ada", "ci_run": "https://g/p/1"}},
		{"Jenkins", map[string]string{"JENKINS_URL": "https://j/", "BUILD_URL": "https://j/1", "JOB_NAME": "infra"}, false, taffrail.ActorPipeline, "jenkins", map[string]string{"ci_run": "https://j/1", "ci_job": "infra"}},
		{"Azure", map[string]string{"TF_BUILD": "True", "BUILD_REQUESTEDFOR": "Ada"}, false, taffrail.ActorPipeline, "azure_pipelines", map[string]string{"ci_actor": "Ada"}},
		{"another", map[string]string{"CI": "true"}, true, taffrail.ActorPipeline, "unknown", nil},
		{"none", map[string]string{"CI": "false", "GITHUB_ACTIONS": "no"}, true, taffrail.ActorPerson, "", nil},
	} {
		got := whoRuns(func(name string) string { return tc.env[name] }, tc.terminal)
		fields := map[string]string{}
		for _, f := range got.Fields {
			fields[f.Name] = f.Value
		}
		if tc.fields == nil {
			tc.fields = map[string]string{}
		}
		if diff := cmp.Diff(tc.fields, fields); diff != "" || got.Class != tc.class || got.CI != tc.ci || len(got.Features) == 0 {
			t.Errorf("%s: %+v: %s", tc.name, got, diff)
		}
	}
}

func someRuns(t *testing.T) []taffrail.Run {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	path, err := taffrail.ParsePath("tags[\"a\"]")
	if err != nil {
		t.Fatal(err)
	}
	digest := "taffrail-sealed:hmac:00000000:" + strings.Repeat("ab", 32)
	return []taffrail.Run{
		{
			ID: "run-0000000000000003", State: taffrail.RunEnded, Program: "tofu", Verb: "apply", Where: "/work", Command: []string{"tofu", "apply", "-var", "x=" + digest, "it's"}, Stack: "terraform/l/default", Name: "/work", Serial: [2]int64{1, 2},
			Who:    taffrail.Actor{ID: "runner@ci", Name: "runner@ci", Class: taffrail.ActorPipeline, Features: []string{"GITHUB_ACTIONS is set"}, Chain: []taffrail.Link{{Kind: "actor", ID: "ada"}, {Kind: "run", ID: "https://ci/7"}}},
			Commit: &taffrail.Commit{Hash: "abcdef", Ref: "main", Dirty: true}, Plan: strings.Repeat("0", 64), CI: "github_actions", Agent: "taffrail/run-0000000000000003", Started: at, Finished: new(at.Add(90 * time.Second)), Exit: new(0), Entries: []int64{5, 6},
			Tap: &taffrail.RunTap{Providers: []string{"p"}, Connections: 2, Applied: 3, Failed: 1, LeftOut: 1, Others: []taffrail.Untapped{{Name: "h/n/q", Why: "w"}}, Resources: &taffrail.BlobRef{SHA256: "a", Size: 1}},
			Applied: []taffrail.Applied{
				{Type: "t", ID: "1", Address: "t.a", Action: taffrail.ActionUpdate, Finished: at, Changes: []taffrail.AppliedChange{{Path: path, Before: taffrail.Null(), After: taffrail.String("b\x1b[31m")}}},
				{Type: "t", ID: "2", Action: taffrail.ActionCreate, Finished: at, Error: "denied", Withheld: true, Changes: []taffrail.AppliedChange{}},
			},
		},
		{ID: "run-0000000000000002", State: taffrail.RunUnknown, Program: "make", Who: taffrail.Actor{Class: taffrail.ActorUnknown}, Started: at.Add(-time.Hour), Entries: []int64{3, 4}},
		{ID: "run-0000000000000001", State: taffrail.RunEnded, Program: "sh", Command: []string{"sh", "-c", "exit 3"}, Who: taffrail.Actor{Name: "ada@host", Class: taffrail.ActorPerson}, Started: at.Add(-2 * time.Hour), Finished: &at, Signal: "killed", Entries: []int64{1, 2}, Untapped: "what the command runs is not known"},
	}
}

func TestRuns(t *testing.T) {
	list := someRuns(t)
	for name, tc := range map[string]struct {
		args []string
		list []taffrail.Run
	}{
		"runs/list": {[]string{"runs"}, list}, "runs/json": {[]string{"runs", "-o", "json"}, list}, "runs/one": {[]string{"runs", "run-0000000000000003"}, list[:1]},
		"runs/erased": {[]string{"runs", "run-0000000000000002"}, list[1:2]}, "runs/none": {[]string{"runs"}, []taffrail.Run{}}, "runs/unknown": {[]string{"runs", "run-9"}, []taffrail.Run{}},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, run(t, &fake{fakeRuns: fakeRuns{list: tc.list}}, tc.args...))
		})
	}
	f := &fake{}
	run(t, f, "runs", "--since", "2026-01-01", "--until", "2026-01-02T00:00:00Z", "--stack", "s", "-n", "3")
	want := daemon.RunsRequest{Stack: "s", Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Limit: 3}
	if diff := cmp.Diff(want, f.lastAsked()); diff != "" {
		t.Error(diff)
	}
}
