package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"html"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// richReport is a report in which everything occurs that a form has to show.
func richReport() daemon.ScanReport {
	r := fullReport()
	r.Stack.Commit = &taffrail.Commit{Hash: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d", Ref: "main", Dirty: true}
	for i := range r.Drifts {
		for j := range r.Drifts[i].Finding.Changes {
			r.Drifts[i].Finding.Changes[j].Effect = []taffrail.Effect{taffrail.EffectReverts, taffrail.EffectKept, taffrail.EffectIfConfigured, taffrail.EffectUnknown}[j%4]
		}
	}
	r.Drifts[0].Finding.Pending, r.Drifts[0].Finding.Action = true, taffrail.ActionReplace
	r.Drifts[0].Finding.Wanted = []taffrail.Change{drifted("zone", str("a"), str("b"))}
	r.Drifts[1].New, r.Drifts[1].Changed = false, true
	found := driftOf(taffrail.Unmanaged, "cloud_bucket (unmanaged bkt-0009)")
	found.ID, found.Entry, found.Finding.Resource.Line, found.Finding.Resource.File = "drift-00000000000000a9", 15, 0, ""
	r.Drifts = append(r.Drifts, found)
	r.Statuses[taffrail.Unmanaged]++
	waiting := driftOf(taffrail.InSync, "cloud_queue.jobs").Finding
	waiting.Pending, waiting.Action, waiting.Wanted = true, taffrail.ActionUpdate, []taffrail.Change{drifted("size", num("1"), num("2"))}
	r.Pending = []taffrail.Finding{waiting}
	r.Listed = []taffrail.ResourceType{"cloud_bucket"}
	r.Expired = []string{"taffrail.yaml:3: tags of cloud_firewall.web, until 2026-02-01, owner ops"}
	r.Coverage.Gaps = append(r.Coverage.Gaps, taffrail.Gap{Type: "cloud_queue", Reason: taffrail.ReasonDenied, Detail: "list: 403"})
	return r
}

// hostile is a report whose every text tries to break out of whatever it stands in.
func hostile() daemon.ScanReport {
	const evil = "a|b`c``d```e````<b>x</b>@everyone #1 [l](http://x) <!-- --> ]]> &amp; \\| \x1b[31m\u202e\r\n| x |\n```\n</details>"
	d := modified("cloud_a.a", drifted("description", str(evil), str(evil+"!")), drifted(`tags["`+"`|@x<b>"+`"]`, taffrail.Null(), str("@all")))
	d.Finding.Resource.Address, d.Finding.Resource.Type, d.Finding.Resource.ID, d.Finding.Resource.File = evil, evil, evil, evil
	d.Causes = &taffrail.Causes{Changes: []taffrail.Cause{
		{Change: d.Finding.Changes[0], Tier: evil, Reason: evil, Via: evil, Event: &taffrail.EventRef{ID: evil, Action: evil, Actor: taffrail.Actor{ID: evil, Name: evil, Class: evil}}},
		{Change: d.Finding.Changes[1], Tier: evil, Reason: evil, Candidates: []taffrail.Candidate{{EventRef: taffrail.EventRef{ID: evil, Action: evil, Actor: taffrail.Actor{ID: evil, Class: evil}}}}},
	}}
	r := withGaps(reportOf(d), taffrail.Gap{Address: evil, Type: evil, Reason: "evil|`<b>@x", Detail: evil, Hint: evil})
	r.Stack.Name, r.Stack.Workspace, r.Log.Origin = evil, evil, evil
	r.Stack.Commit = &taffrail.Commit{Hash: "12345678", Ref: evil}
	r.Ended = []daemon.EndedDrift{{Address: evil, Why: evil}}
	p := driftOf(taffrail.InSync, "cloud_b.b").Finding
	p.Resource.Address, p.Pending, p.Action, p.Wanted = evil, true, evil, []taffrail.Change{drifted("x", str(evil), str("`````"))}
	r.Pending = []taffrail.Finding{p}
	r.Expired = []string{evil}
	return r
}

// failing answers for stacks by their name: a report, or an error.
func failing(t *testing.T, reports map[string]daemon.ScanReport) *fake {
	return &fake{scan: func(_ context.Context, r daemon.ScanRequest, _ func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		var s sourceSettings
		if err := json.Unmarshal(r.Settings, &s); err != nil {
			t.Fatal(err)
		}
		report, ok := reports[s.Target]
		if !ok {
			return report, &taffrail.Error{Op: "read state", Kind: taffrail.KindDenied, Err: errors.New(s.Target + ".tfstate: permission denied"), Hint: "make it readable"}
		}
		report.Stack.Name = "infra/" + s.Target
		return report, nil
	}}
}

func TestForms(t *testing.T) {
	for _, form := range []string{"table", "ndjson", "junit", "markdown", "sarif"} {
		for _, c := range []struct {
			name string
			f    *fake
			args []string
		}{
			{"in_sync", answering(reportOf()), nil},
			{"rich", answering(richReport()), nil},
			{"since_last", answering(richReport()), []string{"--since-last", "--fail-on", "none"}},
			{"hostile", answering(hostile()), nil},
			{"several", failing(t, map[string]daemon.ScanReport{"a": reportOf(), "b": reportOf(driftOf(taffrail.Deleted, "cloud_a.a")), "d": withGaps(reportOf(), gapOf("cloud_b.b", taffrail.ReasonDenied, "403", ""))}),
				[]string{"a", "b", "c", "d", "--parallel", "3"}},
			{"failed", failing(t, nil), nil},
		} {
			t.Run(form+"/"+c.name, func(t *testing.T) {
				got := run(t, c.f, append([]string{"scan", "-o", form}, c.args...)...)
				golden(t, "forms/"+form+"_"+c.name, got)
				if strings.ContainsAny(got.stdout, "\x1b\u202e\r") {
					t.Error("a control character came through")
				}
			})
		}
	}
}

// JUnit XML is well formed, and never green where the scan is not.
func TestJUnitIsNeverGreenByOmission(t *testing.T) {
	unfinished := reportOf()
	unfinished.Outcome = taffrail.OutcomeIncomplete
	for _, c := range []struct {
		name string
		f    *fake
		bad  bool
	}{
		{"in sync", answering(reportOf()), false},
		{"drift", answering(reportOf(driftOf(taffrail.Unmanaged, "cloud_a.a"))), true},
		{"a gap", answering(withGaps(reportOf(), gapOf("cloud_a.a", taffrail.ReasonThrottled, "429", ""))), true},
		{"a gap of the stack", answering(withGaps(reportOf(), gapOf("", taffrail.ReasonRaced, "moved", ""))), true},
		{"unsupported", answering(withGaps(reportOf(), gapOf("random_id.a", taffrail.ReasonUnsupported, "state alone", ""))), false},
		{"incomplete without a gap", answering(unfinished), true},
		{"failed", failing(t, nil), true},
		{"hostile", answering(hostile()), true},
	} {
		got := run(t, c.f, "scan", "-o", "junit")
		var suites junitSuites
		if err := xml.Unmarshal([]byte(got.stdout), &suites); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if bad := suites.Failures+suites.Errors > 0; bad != c.bad || suites.Tests == 0 {
			t.Errorf("%s: %d tests, %d failures, %d errors", c.name, suites.Tests, suites.Failures, suites.Errors)
		}
		if (got.status == 0) == c.bad {
			t.Errorf("%s: the exit status is %d", c.name, got.status)
		}
	}
}

// Each line is JSON that fits its schema, the last one has the exit status, and a table hides nothing that the lines do not.
func TestEventsFitSchema(t *testing.T) {
	schema := eventsSchema(t)
	for name, f := range map[string]*fake{"rich": answering(richReport()), "hostile": answering(hostile()), "failed": failing(t, nil), "in sync": answering(reportOf())} {
		got := run(t, f, "scan", "-o", "ndjson", "--all")
		var last event
		for line := range bytes.Lines([]byte(got.stdout)) {
			if err := validate(t, schema, string(line)); err != nil && name != "hostile" { // its words are none of ours
				t.Errorf("%s: %v in %s", name, err, line)
			}
			last = event{}
			if err := json.Unmarshal(line, &last); err != nil {
				t.Fatal(err)
			}
		}
		if last.ExitStatus == nil || *last.ExitStatus != got.status {
			t.Errorf("%s: the last line is %+v, the exit status %d", name, last, got.status)
		}
	}
}

// What was not looked at is in every form, and the exit status tells it: also that which is no gap.
func TestTrap36_SkippedIsNeverGreen(t *testing.T) {
	r := withGaps(reportOf(),
		gapOf("cloud_database.main", taffrail.ReasonDenied, "403 AccessDenied", ""),
		gapOf("random_id.a", taffrail.ReasonUnsupported, "the data lives in the state alone", ""),
		gapOf("cloud_old.x", taffrail.ReasonIgnored, "deposed object", ""))
	for form, counts := range map[string]string{
		"table": "16 of 19 checked, 1 could not be read, 1 unsupported, 1 ignored", "markdown": "16 of 19 checked, 1 could not be read, 1 unsupported, 1 ignored",
		"junit": "16 of 19 checked, 1 could not be read, 1 unsupported, 1 ignored", "json": `"incomplete": 1,`, "ndjson": `"incomplete":1,`, "sarif": `"incomplete": 1`,
	} {
		got := run(t, answering(r), "scan", "-o", form)
		said := html.UnescapeString(got.stdout)
		for _, want := range []string{counts, "cloud_database.main", "denied", "random_id.a", "unsupported", "cloud_old.x"} {
			if !strings.Contains(said, want) && !(form == "junit" && want == "unsupported") {
				t.Errorf("%s says nothing of %q:\n%s", form, want, got.stdout)
			}
		}
		if got.status != taffrail.ExitError || strings.Contains(said, "In sync") {
			t.Errorf("%s: status %d:\n%s", form, got.status, said)
		}
	}
}
