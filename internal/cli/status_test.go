package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func TestScanStatus(t *testing.T) {
	drift := modified("cloud_a.a", drifted("x", num("1"), num("2")))
	denied := gapOf("cloud_b.b", taffrail.ReasonDenied, "403", "")
	cancelled := gapOf("cloud_b.b", taffrail.ReasonCancelled, "stopped", "")
	unsupported := gapOf("random_id.a", taffrail.ReasonUnsupported, "state alone", "")
	ignored := gapOf("cloud_old.a", taffrail.ReasonIgnored, "deposed", "")
	raced := gapOf("", taffrail.ReasonRaced, "moved", "")
	unfinished := reportOf()
	unfinished.Outcome = taffrail.OutcomeIncomplete
	small := reportOf()
	small.Coverage = taffrail.Coverage{Total: 1, Checked: 1}
	for _, c := range []struct {
		name   string
		report daemon.ScanReport
		view   view
		want   int
	}{
		{"in sync", reportOf(), view{counts: defaultConditions()}, 0},
		{"drift", reportOf(drift), view{counts: defaultConditions()}, 2},
		{"drift and gaps", withGaps(reportOf(drift), denied), view{counts: defaultConditions()}, 2},
		{"drift and gaps allowed", withGaps(reportOf(drift), denied), view{counts: defaultConditions(), allowGaps: true}, 2},
		{"gaps", withGaps(reportOf(), denied), view{counts: defaultConditions()}, 1},
		{"gaps allowed", withGaps(reportOf(), denied), view{counts: defaultConditions(), allowGaps: true}, 0},
		{"a gap of the stack", withGaps(reportOf(), raced), view{counts: defaultConditions()}, 1},
		{"a gap of the stack allowed", withGaps(reportOf(), raced), view{counts: defaultConditions(), allowGaps: true}, 0},
		{"known limits", withGaps(reportOf(), unsupported, ignored), view{counts: defaultConditions()}, 0},
		{"stopped", withGaps(reportOf(), cancelled), view{counts: defaultConditions()}, 1},
		{"stopped is not allowed", withGaps(reportOf(), cancelled), view{counts: defaultConditions(), allowGaps: true}, 1},
		{"stopped with drift", withGaps(reportOf(drift), cancelled), view{counts: defaultConditions()}, 2},
		{"incomplete without a gap", unfinished, view{counts: defaultConditions(), allowGaps: true}, 1},
		{"a target that is not there", small, view{targets: 2, counts: defaultConditions(), allowGaps: true}, 1},
		{"targets", small, view{targets: 1, counts: defaultConditions()}, 0},
	} {
		if got := scanStatus(c.report, c.view); got != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got, c.want)
		}
		// The words say what the status says.
		p := &page{width: 100}
		p.result(c.report, c.view)
		word := map[int]string{0: "In sync.", 1: "Incomplete: ", 2: "Drift: "}[c.want]
		if !strings.HasPrefix(p.b.String(), word) {
			t.Errorf("%s: the result is %q, want one that begins with %q", c.name, p.b.String(), word)
		}
	}
}

func TestScanTargetThatIsNotThere(t *testing.T) {
	r := reportOf()
	r.Coverage = taffrail.Coverage{}
	golden(t, "scan/target_missing", run(t, answering(r), "scan", "--target", "cloud_a.a", "--target", "cloud_a.a"))
}

func TestEveryKindOfErrorHasItsStatus(t *testing.T) {
	for _, kind := range taffrail.Kinds() {
		err := &taffrail.Error{Op: "read state", Kind: kind, Err: errors.New("a.tfstate:3: no"), Hint: "do this"}
		f := &fake{scan: func(context.Context, daemon.ScanRequest, func(daemon.ScanProgress)) (daemon.ScanReport, error) {
			return daemon.ScanReport{}, fmt.Errorf("scan: %w", err)
		}}
		got := run(t, f, "scan")
		if got.status != kind.ExitStatus() {
			t.Errorf("%s: status %d, want %d", kind, got.status, kind.ExitStatus())
		}
		if want := "error: scan: read state: a.tfstate:3: no\nhint: do this\n"; got.stderr != want || got.stdout != "" {
			t.Errorf("%s: stderr %q, want %q; stdout %q", kind, got.stderr, want, got.stdout)
		}
		if f.stopped != 1 {
			t.Errorf("%s: stopped %d times", kind, f.stopped)
		}
	}
}

func TestErrorAsJSON(t *testing.T) {
	f := &fake{startErr: &taffrail.Error{Op: "open log", Kind: taffrail.KindCorrupt, Err: errors.New("the guard knows 4 entries,\nthis log has 2"), Hint: "bring it back"}}
	got := run(t, f, "scan", "-o", "json")
	if got.status != taffrail.ExitCorrupt {
		t.Errorf("status %d", got.status)
	}
	var form errorForm
	if err := json.Unmarshal([]byte(got.stdout), &form); err != nil {
		t.Fatal(err)
	}
	want := errorForm{errorSchema, errorBody{Op: "open log", Kind: "corrupt", Message: "the guard knows 4 entries,\nthis log has 2", Hint: "bring it back"}}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Error(diff)
	}
	if want := "error: open log: the guard knows 4 entries,\\nthis log has 2\nhint: bring it back\n"; got.stderr != want {
		t.Errorf("stderr %q, want %q", got.stderr, want)
	}
}

// Without a kind it is a mistake of ours, which is an error like any other.
func TestErrorWithoutKind(t *testing.T) {
	got := run(t, &fake{}, "scan", "-ojson")
	if got.status != taffrail.ExitError || !strings.Contains(got.stdout, `"kind": "internal"`) {
		t.Errorf("status %d, stdout %s", got.status, got.stdout)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"unknown_command", []string{"scna"}},
		{"unknown_command_far", []string{"frobnicate"}},
		{"unknown_subcommand", []string{"log", "verfiy"}},
		{"unknown_flag", []string{"scan", "--alow-gaps"}},
		{"unknown_flag_json", []string{"scan", "-o", "json", "--frobnicate"}},
		{"unknown_short_flag", []string{"scan", "-x"}},
		{"bad_output", []string{"scan", "-o", "xml"}},
		{"bad_number", []string{"scan", "--concurrency", "many"}},
		{"negative_number", []string{"scan", "--concurrency", "-1"}},
		{"negative_time", []string{"scan", "--timeout", "-1s"}},
		{"empty_target", []string{"scan", "--target", ""}},
		{"empty_stack", []string{"scan", ""}},
		{"two_stacks", []string{"scan", "a", "b", "--target", "x.y"}},
		{"too_many", []string{"log", "verify", "x"}},
		{"bad_entries", []string{"log", "show", "3..x"}},
		{"backward_entries", []string{"log", "show", "5..3"}},
		{"huge_entry", []string{"log", "show", "99999999999999999999"}},
		{"no_entries", []string{"log", "show", "-n", "0"}},
		{"raw_json", []string{"log", "show", "--raw", "-o", "json"}},
		{"evil", []string{"scan", "--\x1b[31m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{}
			got := run(t, f, c.args...)
			if got.status != taffrail.ExitError {
				t.Errorf("status %d, want %d", got.status, taffrail.ExitError)
			}
			if f.started != 0 {
				t.Error("the service was started")
			}
			golden(t, "usage/"+c.name, got)
		})
	}
}

func TestStoppedScanPrintsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{scan: func(ctx context.Context, _ daemon.ScanRequest, progress func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		progress(daemon.ScanProgress{Done: 1})
		cancel() // as a signal does
		<-ctx.Done()
		return withGaps(reportOf(), gapOf("cloud_a.a", taffrail.ReasonCancelled, "the scan was stopped first", "")), nil
	}}
	got := runWith(t, ctx, f, nil, "scan")
	if got.status != taffrail.ExitError || !strings.Contains(got.stdout, "Incomplete: the scan was stopped") || !strings.Contains(got.stdout, "16 of 17 checked") {
		t.Errorf("status %d, stdout:\n%s", got.status, got.stdout)
	}
}

func TestStoppedBeforeAnything(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{scan: func(ctx context.Context, _ daemon.ScanRequest, _ func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		cancel()
		return daemon.ScanReport{}, fmt.Errorf("open stack: %w", ctx.Err())
	}}
	got := runWith(t, ctx, f, nil, "scan")
	if got.status != taffrail.ExitError || !strings.HasPrefix(got.stderr, "error: run: stopped: ") {
		t.Errorf("status %d, stderr %q", got.status, got.stderr)
	}
}

// A service that cannot stop has done its work nevertheless.
func TestServiceThatCannotStop(t *testing.T) {
	f := answering(reportOf())
	f.stopErr = errors.New("a process hangs")
	got := run(t, f, "scan")
	if got.status != taffrail.ExitOK || !strings.Contains(got.stderr, "a process hangs") {
		t.Errorf("status %d, stderr %q", got.status, got.stderr)
	}
}

// A report of another version is not shown as if it were understood.
func TestReportOfAnotherVersion(t *testing.T) {
	r := reportOf()
	r.Schema = "taffrail.dev/scan/v9"
	got := run(t, answering(r), "scan")
	if got.status != taffrail.ExitError || got.stdout != "" {
		t.Errorf("status %d, stdout %q", got.status, got.stdout)
	}
}
