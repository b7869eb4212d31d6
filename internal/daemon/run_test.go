package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// A fakeWatcher knows the command "tool", and taps it as a test wants.
type fakeWatcher struct {
	config   fakeRunConfig
	serial   int64
	tapError error
	report   taffrail.TapReport
	finish   error
	tapped   []taffrail.Command
	closed   int
}

type fakeRunConfig struct {
	Stack string `yaml:"stack"`
}

func addWatcher(r *plug.Registry, s *site) {
	if s.runs == nil {
		return
	}
	plug.Add(r, "fake", func(_ context.Context, _ plug.Env, c fakeRunConfig) (taffrail.RunWatcher, error) {
		s.runs.config = c
		return s.runs, nil
	})
}

func (w *fakeWatcher) Recognise(_ context.Context, c taffrail.Command) taffrail.RunSubject {
	s := taffrail.RunSubject{Known: c.Args[0] == "tool" || w.config.Stack != "", Verb: "apply", Tap: c.Args[0] == "tool", Why: "another program"}
	if s.Known {
		w.serial++
		s.Stack = &taffrail.StackInfo{ID: "fake/lineage/default", System: "fake", Name: "here", Serial: w.serial}
	}
	return s
}

func (w *fakeWatcher) Tap(_ context.Context, c taffrail.Command) (taffrail.Tap, error) {
	if w.tapError != nil {
		return nil, w.tapError
	}
	w.tapped = append(w.tapped, c)
	return w, nil
}

func (w *fakeWatcher) Env() []string       { return []string{"REATTACH=x"} }
func (w *fakeWatcher) Providers() []string { return w.report.Providers }
func (w *fakeWatcher) Close() error        { w.closed++; return nil }
func (w *fakeWatcher) Finish(context.Context) (taffrail.TapReport, error) {
	return w.report, w.finish
}

// request is one that a person could make.
func runRequest(args ...string) RunRequest {
	return RunRequest{
		Command: taffrail.Command{Args: args, Dir: "/work", Env: []string{"A=b", "TF_APPEND_USER_AGENT=mine"}},
		By:      "ada@host", Class: taffrail.ActorPipeline, CI: "gitlab_ci", Features: []string{"GITLAB_CI is set"}, Fields: []taffrail.Field{{Name: "ci_actor", Value: "ada.lovelace"}},
		Commit: &taffrail.Commit{Hash: "abc", Dirty: true},
	}
}

func ok(end RunEnd) func(RunStart) (RunEnd, error) {
	return func(RunStart) (RunEnd, error) { return end, nil }
}

func tapReport() taffrail.TapReport {
	at := time.Date(2026, 1, 1, 0, 0, 9, 0, time.UTC)
	return taffrail.TapReport{
		Providers: []string{"p"}, Connections: 3,
		Tapped: []taffrail.Tapped{
			{
				Type: "thing", ID: "1", Address: "thing.a", Action: taffrail.ActionUpdate, Started: at, Finished: at.Add(time.Second),
				Before: taffrail.Object(fields{"x": taffrail.String("1"), "y": taffrail.Null()}), After: taffrail.Object(fields{"x": taffrail.String("2"), "y": taffrail.String("")}),
				Handling: []taffrail.Handling{{Treatment: taffrail.EmptyIsNull}},
			},
			{Type: "thing", ID: "2", Action: taffrail.ActionCreate, Before: taffrail.Null(), After: taffrail.Object(fields{"x": taffrail.String("n")}), Started: at, Finished: at},
			{Type: "thing", ID: "3", Action: taffrail.ActionDelete, Before: taffrail.Object(fields{"x": taffrail.String("o")}), After: taffrail.Null(), Started: at, Finished: at},
			{Type: "thing", Action: taffrail.ActionCreate, Before: taffrail.Unknown(), After: taffrail.Unknown(), Started: at, Finished: at, Error: "denied"},
			{
				Type: "thing", ID: "5", Action: taffrail.ActionUpdate, Withheld: true, Started: at, Finished: at,
				Before: taffrail.Object(fields{"m": taffrail.Map(fields{"a secret key": taffrail.String("1")})}), After: taffrail.Object(fields{"m": taffrail.Map(fields{"a secret key": taffrail.String("2")})}),
			},
		},
		LeftOut: 2,
	}
}

// A run stands in the log before it begins and after it has ended, with all that is known of it; what names people stands beside.
func TestRunIsRecorded(t *testing.T) {
	s := newSite(t, newWorld())
	s.runs = &fakeWatcher{report: tapReport()}
	d := s.start(t)
	var seen []taffrail.EntryType
	var start RunStart
	report, err := d.Run(t.Context(), runRequest("tool", "-var", "x=hunter2"), func(r RunStart) (RunEnd, error) {
		seen, start = types(t, d), r
		return RunEnd{Exit: 2}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]taffrail.EntryType{"log.started", "run.started"}, seen); diff != "" {
		t.Errorf("in the log when it began: %s", diff)
	}
	id := string(report.Run)
	want := []string{"A=b", "TF_APPEND_USER_AGENT=mine", "TF_APPEND_USER_AGENT=mine taffrail/" + id, "TAFFRAIL_RUN=" + id, "REATTACH=x"}
	if diff := cmp.Diff(want, start.Env); diff != "" || !start.Started || start.Note != "" || len(start.Tap) != 1 {
		t.Errorf("%+v: %s", start, diff)
	}
	if got := s.runs.tapped[0].Env; !slices.Contains(got, "TAFFRAIL_RUN="+id) {
		t.Errorf("the tap is opened with %v", got)
	}
	all, err := d.Runs(t.Context(), RunsRequest{})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	got := all[0]
	finished := *got.Finished
	wantRun := taffrail.Run{
		ID: report.Run, State: taffrail.RunEnded, Where: "/work", Program: "tool", Verb: "apply", Stack: "fake/lineage/default", Name: "here", Serial: [2]int64{1, 2},
		Commit: &taffrail.Commit{Hash: "abc", Dirty: true}, CI: "gitlab_ci", Agent: "taffrail/" + id, Started: got.Started, Finished: &finished, Exit: new(2), Error: "exit status 2", Entries: []int64{1, 2},
		Who: taffrail.Actor{
			ID: "ada@host", Name: "ada@host", Class: taffrail.ActorPipeline, Features: []string{"GITLAB_CI is set"}, Chain: []taffrail.Link{{Kind: "actor", ID: "ada.lovelace"}},
		},
		Command: got.Command, Tap: got.Tap, Applied: got.Applied,
	}
	if diff := cmp.Diff(wantRun, got); diff != "" {
		t.Error(diff)
	}
	if len(got.Command) != 3 || !strings.HasPrefix(got.Command[2], "x=taffrail-sealed:hmac:") {
		t.Errorf("%q", got.Command)
	}
	if tap := got.Tap; tap.Applied != 7 || tap.Failed != 1 || tap.LeftOut != 2 || tap.Connections != 3 {
		t.Errorf("%+v", tap)
	}
	var told []string
	for _, a := range got.Applied {
		for _, c := range a.Changes {
			told = append(told, string(a.ID)+" "+c.Path.String()+" "+string(c.Before.AppendCanonical(nil))+" "+string(c.After.AppendCanonical(nil)))
		}
	}
	wantTold := []string{`1 x "1" "2"`, `2 x null "n"`, "5 m " + string(taffrail.Unknown().AppendCanonical(nil)) + " " + string(taffrail.Unknown().AppendCanonical(nil))}
	if diff := cmp.Diff(wantTold, told); diff != "" {
		t.Error(diff)
	}
	d.Entries(t.Context(), 0, -1, func(e LogEntry) error { //nolint:errcheck // it was read before
		for _, secret := range []string{"hunter2", "ada@host", "/work", "lovelace"} {
			if strings.Contains(string(e.Leaf), secret) {
				t.Errorf("%q stands in the entry %s", secret, e.Leaf)
			}
		}
		return nil
	})
	if s.runs.closed == 0 {
		t.Error("the tap was not closed")
	}
	wellAt(t, s)
}

// Whoever is named can be erased, and the run stays.
func TestRunErased(t *testing.T) {
	s := newSite(t, newWorld())
	s.runs = &fakeWatcher{report: tapReport()}
	d := s.start(t)
	if _, err := d.Run(t.Context(), runRequest("tool"), ok(RunEnd{})); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"by", "folder", "command", "ci_actor"} {
		if _, err := d.RedactLog(t.Context(), RedactRequest{Entry: 1, Field: field, Reason: "r", Basis: "b"}); err != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
	payload := bodies[taffrail.RunFinished](t, d)[0].Tap.Resources.SHA256
	if _, err := d.RedactLog(t.Context(), RedactRequest{Entry: 2, Payload: payload, Reason: "r", Basis: "b"}); err != nil {
		t.Error(err)
	}
	all, err := d.Runs(t.Context(), RunsRequest{})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if r := all[0]; r.Who.Name != "" || r.Who.Class != taffrail.ActorPipeline || r.Where != "" || r.Command != nil || len(r.Who.Chain) != 0 || r.Applied != nil || r.Tap.Applied != 7 || r.Program != "tool" {
		t.Errorf("%+v", r)
	}
	wellAt(t, s)
}

// If the log cannot be written nothing is run, whichever of the steps before fails.
func TestNothingIsRunThatIsNotInTheLog(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(*points)
	}{
		{"the entry cannot be written", func(p *points) {
			p.strike = func(_ int, what string) error { return errors.New("no space left on device: " + what) }
		}},
		{"it cannot be signed", func(p *points) {
			p.strike = func(_ int, what string) error {
				if what == "guard: not persisted" {
					return errors.New("no space left on device: " + what)
				}
				return nil
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, newWorld())
			s.runs = &fakeWatcher{}
			d := s.start(t)
			if _, err := d.Run(t.Context(), runRequest("tool"), ok(RunEnd{})); err != nil {
				t.Fatal(err)
			}
			p := &points{}
			broken := s.pointed(p)
			if err := broken.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer broken.Stop(context.Background()) //nolint:errcheck // it is broken
			tc.set(p)
			tapped := len(s.runs.tapped)
			_, err := broken.Run(t.Context(), runRequest("tool"), func(RunStart) (RunEnd, error) {
				t.Error("it was run")
				return RunEnd{}, nil
			})
			if err == nil || !strings.Contains(err.Error(), "no space left") || len(s.runs.tapped) != tapped {
				t.Errorf("%v, and %d taps", err, len(s.runs.tapped)-tapped)
			}
		})
	}
}

// A run that we did not see the end of is said to be unknown, by the next start.
func TestRunThatWasLost(t *testing.T) {
	s := newSite(t, newWorld())
	s.runs = &fakeWatcher{}
	d := s.daemon()
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	type stop struct{}
	func() {
		defer func() { _ = recover() }()
		d.Run(t.Context(), runRequest("tool"), func(RunStart) (RunEnd, error) { panic(stop{}) }) //nolint:errcheck // it never returns
	}()
	running, err := d.Runs(t.Context(), RunsRequest{})
	if err != nil || len(running) != 1 || running[0].State != taffrail.RunRunning || running[0].Finished != nil || running[0].Exit != nil {
		t.Fatalf("%+v, %v", running, err)
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := s.start(t)
	all, err := next.Runs(t.Context(), RunsRequest{})
	if err != nil || len(all) != 1 || all[0].State != taffrail.RunUnknown || all[0].Finished != nil || len(all[0].Entries) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	wellAt(t, s)
}

// How a command ends, and that it did not begin, is told as it was.
func TestEndsOfRuns(t *testing.T) {
	s := newSite(t, newWorld())
	d := s.start(t)
	for _, tc := range []struct {
		start   func(RunStart) (RunEnd, error)
		outcome taffrail.Outcome
		failure string
	}{
		{ok(RunEnd{}), taffrail.OutcomeOK, ""},
		{ok(RunEnd{Exit: 7}), taffrail.OutcomeFailed, "exit status 7"},
		{ok(RunEnd{Exit: -1, Signal: "killed"}), taffrail.OutcomeFailed, "signal: killed"},
		{func(RunStart) (RunEnd, error) { return RunEnd{}, errors.New("no such program") }, taffrail.OutcomeFailed, "no such program"},
	} {
		_, err := d.Run(t.Context(), runRequest("other"), tc.start)
		if (err != nil) != (tc.failure == "no such program") {
			t.Errorf("%v", err)
		}
		page, err := d.SearchLog(t.Context(), SearchRequest{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		e := page.Entries[0].Entry
		if body := e.Body.(taffrail.RunFinished); e.Outcome != tc.outcome || e.Error != tc.failure || body.Untapped == "" || e.Scope != "" {
			t.Errorf("%+v: %+v", e, body)
		}
	}
	if _, err := d.Run(t.Context(), RunRequest{}, ok(RunEnd{})); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Error(err)
	}
}

// A tap that cannot be opened, or does not tell, keeps nothing from being run, and the log says that nothing was seen.
func TestRunWithoutATap(t *testing.T) {
	for _, tc := range []struct {
		name    string
		watcher fakeWatcher
		request func(*RunRequest)
		note    string
		says    string
	}{
		{"refused", fakeWatcher{tapError: errors.New("there is no lock file")}, func(*RunRequest) {}, "there is no lock file", "there is no lock file"},
		{"silent", fakeWatcher{finish: errors.New("it broke")}, func(*RunRequest) {}, "", "it broke"},
		{"off", fakeWatcher{}, func(r *RunRequest) { r.Tap = TapOff }, "", "not asked for"},
		{"another program", fakeWatcher{}, func(r *RunRequest) { r.Command.Args[0], r.Stack = "make", "/stack" }, "", "another program"},
		{"asked for and unknown", fakeWatcher{}, func(r *RunRequest) { r.Command.Args[0], r.Tap = "make", TapOn }, "not known", "not known"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, newWorld())
			s.runs = &tc.watcher
			d := s.start(t)
			r := runRequest("tool")
			tc.request(&r)
			var start RunStart
			if _, err := d.Run(t.Context(), r, func(got RunStart) (RunEnd, error) { start = got; return RunEnd{}, nil }); err != nil {
				t.Fatal(err)
			}
			body := bodies[taffrail.RunFinished](t, d)[0]
			if (tc.note == "") != (start.Note == "") || !strings.Contains(start.Note, tc.note) || body.Tap != nil || !strings.Contains(body.Untapped, tc.says) {
				t.Errorf("note %q, %+v", start.Note, body)
			}
		})
	}
}

// A tap of a command that is no tool's own is there if it is asked for.
func TestTapThatIsAskedFor(t *testing.T) {
	s := newSite(t, newWorld())
	s.runs = &fakeWatcher{report: taffrail.TapReport{Providers: []string{"p"}}}
	d := s.start(t)
	r := runRequest("make")
	r.Stack, r.Tap = "/stack", TapOn
	if _, err := d.Run(t.Context(), r, ok(RunEnd{})); err != nil || len(s.runs.tapped) != 1 {
		t.Errorf("%v, %d taps", err, len(s.runs.tapped))
	}
	if tap := bodies[taffrail.RunFinished](t, d)[0].Tap; tap == nil || tap.Connections != 0 || tap.Resources != nil {
		t.Errorf("%+v", tap)
	}
}

// Which runs were under way in a time. The clock goes on by a second each time that it is asked.
func TestRunsOfATime(t *testing.T) {
	s := newSite(t, newWorld())
	s.runs = &fakeWatcher{}
	d := s.start(t)
	run := func(program string, took time.Duration) {
		t.Helper()
		_, err := d.Run(t.Context(), runRequest(program), func(RunStart) (RunEnd, error) { s.clock = s.clock.Add(took); return RunEnd{}, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	hour := func(n int) { s.clock = time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }
	hour(1)
	run("tool", 3*time.Hour) // 1 to 4
	hour(5)
	run("elsewhere", time.Hour) // 5 to 6, about nobody knows what
	hour(8)
	run("tool", time.Hour) // 8 to 9
	within := func(stack taffrail.StackID, from, to int) (ids []int64) {
		t.Helper()
		err := d.look(t.Context(), func(tx *store.Tx) error {
			all, err := d.runs(t.Context(), tx, stack, time.Date(2026, 1, 1, from, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, to, 0, 0, 0, time.UTC))
			for _, r := range all {
				ids = append(ids, r.Entries[0])
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	for _, tc := range []struct {
		stack    taffrail.StackID
		from, to int
		want     []int64
	}{
		{"fake/lineage/default", 0, 24, []int64{5, 3, 1}},
		{"fake/lineage/default", 2, 3, []int64{1}},
		{"fake/lineage/default", 3, 6, []int64{3, 1}},
		{"another", 0, 24, []int64{3}},
		{"", 7, 24, []int64{5}},
		{"", 10, 24, nil},
		{"", 0, 1, nil},
	} {
		if diff := cmp.Diff(tc.want, within(tc.stack, tc.from, tc.to)); diff != "" {
			t.Errorf("%q from %d to %d: %s", tc.stack, tc.from, tc.to, diff)
		}
	}
	ids := func(r RunsRequest) (ids []int64) {
		t.Helper()
		all, err := d.Runs(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			ids = append(ids, r.Entries[0])
		}
		return ids
	}
	one, err := d.Runs(t.Context(), RunsRequest{Limit: 1})
	if err != nil || len(one) != 1 || one[0].Entries[0] != 5 {
		t.Fatal(one, err)
	}
	for _, tc := range []struct {
		r    RunsRequest
		want []int64
	}{
		{RunsRequest{}, []int64{5, 3, 1}},
		{RunsRequest{ID: one[0].ID}, []int64{5}},
		{RunsRequest{ID: "run-0000000000000000"}, nil},
		{RunsRequest{Stack: "fake/lineage/default"}, []int64{5, 1}},
		{RunsRequest{Since: time.Date(2026, 1, 1, 3, 30, 0, 0, time.UTC)}, []int64{5, 3, 1}},
		{RunsRequest{Since: time.Date(2026, 1, 1, 5, 30, 0, 0, time.UTC), Limit: 1}, []int64{5}},
		{RunsRequest{Until: time.Date(2026, 1, 1, 7, 0, 0, 0, time.UTC)}, []int64{3, 1}},
	} {
		if diff := cmp.Diff(tc.want, ids(tc.r)); diff != "" {
			t.Errorf("%+v: %s", tc.r, diff)
		}
	}
}

func TestMaskCommand(t *testing.T) {
	c := taffrail.Command{Env: []string{"DB_PASSWORD=hunter2222", "TOKEN_FILE=/home/x/token", "HOME=/home/x"}}
	const sealed = "~"
	for _, tc := range []struct{ args, want string }{
		{"tofu|apply|-auto-approve|-target=a.b[\"c\"]|plan.out", "tofu|apply|-auto-approve|-target=a.b[\"c\"]|plan.out"},
		{"tofu|apply|-var|x=secret|-var=y=secret|--var=z=secret|-var-file=prod.tfvars", "tofu|apply|-var|x=~|-var=y=~|--var=z=~|-var-file=prod.tfvars"},
		{"tofu|init|-backend-config=access_key=secret|-backend-config|secret.hcl", "tofu|init|-backend-config=access_key=~|-backend-config|~"},
		{"x|--password|secret|--api-key=secret|--token=secret", "x|--password|~|--api-key=~|--token=~"},
		{"PGPASSWORD=secret|REGION=eu", "PGPASSWORD=~|REGION=eu"},
		{"curl|-H|Authorization: Bearer secret|-u|me:secret|https://me:secret@h/p?access_token=secret&a=b", "curl|-H|~|-u|~|https://~@h/p?access_token=~&a=b"},
		{"sh|-c|echo secret", "sh|-c|~"},
		{"env|A=b|bash|-c|echo secret|x", "env|A=b|bash|-c|~|x"},
		{"/usr/bin/python3|-c|secret", "/usr/bin/python3|-c|~"},
		{"grep|-c|word", "grep|-c|word"},
		{"echo|it is hunter2222!", "echo|it is ~!"},
		{"echo|/home/x/token", "echo|/home/x/token"},
		{"x|ghp_0123456789abcdefghij0123456789abcdef", "x|~"},
		{"x|wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY1", "x|~"},
		{"git|show|0123456789abcdef0123456789abcdef01234567", "git|show|0123456789abcdef0123456789abcdef01234567"},
		{"make|deploy-the-production-environment-of-the-shop", "make|deploy-the-production-environment-of-the-shop"},
		{"x|", "x|"},
		{"taffrail-sealed:hmac:no|-p", "taffrail-sealed:hmac:no|-p"},
	} {
		got := strings.Join(maskCommand(taffrail.Command{Args: strings.Split(tc.args, "|"), Env: c.Env}, testSealer{}), "|")
		for {
			at := strings.Index(got, "taffrail-sealed:hmac:0")
			if at < 0 {
				break
			}
			got = got[:at] + sealed + got[at+len("taffrail-sealed:hmac:00000000:")+64:]
		}
		if got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.args, got, tc.want)
		}
	}
}

// However long a command line is, it can be written down.
func TestLongCommand(t *testing.T) {
	s := newSite(t, newWorld())
	d := s.start(t)
	for _, args := range [][]string{slices.Repeat([]string{"word"}, 100_000), {"x", strings.Repeat("é", 1<<20)}, slices.Repeat([]string{strings.Repeat("long ", 1000)}, 50)} {
		if _, err := d.Run(t.Context(), runRequest(args...), ok(RunEnd{})); err != nil {
			t.Fatal(err)
		}
	}
	all, err := d.Runs(t.Context(), RunsRequest{})
	if err != nil || len(all) != 3 || len(all[2].Command) < 100 {
		t.Fatal(len(all), err)
	}
	wellAt(t, s)
}

// Whatever the arguments are, a secret of the environment is in none of them.
func FuzzMaskCommand(f *testing.F) {
	f.Add("tofu\x00-var\x00x=hunter2222")
	f.Add("sh\x00-c\x00https://a:b@hunter2222/?token=hunter2222")
	f.Fuzz(func(t *testing.T, line string) {
		c := taffrail.Command{Args: strings.Split(line, "\x00"), Env: []string{"DB_PASSWORD=hunter2222"}}
		got := maskCommand(c, testSealer{})
		if len(got) != len(c.Args) {
			t.Errorf("%d arguments became %d", len(c.Args), len(got))
		}
		if text, err := json.Marshal(got); err != nil || strings.Contains(string(text), "hunter2222") {
			t.Errorf("%s, %v", text, err)
		}
	})
}
