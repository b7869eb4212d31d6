package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

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

// Whatever a stack is called and holds, SARIF is valid by the schema of OASIS.
func TestSARIFIsValid(t *testing.T) {
	for name, f := range map[string]*fake{
		"in sync": answering(reportOf()), "rich": answering(richReport()), "hostile": answering(hostile()), "failed": failing(t, nil),
	} {
		got := run(t, f, "scan", "-o", "sarif")
		report, err := sarif.FromBytes([]byte(got.stdout), sarif.WithStrictValidation())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := report.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A run of SARIF says of each drift where it is and how it is known again, and of each gap that it is one.
func TestSARIFSays(t *testing.T) {
	report, err := sarif.FromBytes([]byte(run(t, answering(richReport()), "scan", "-o", "sarif").stdout))
	if err != nil {
		t.Fatal(err)
	}
	r := report.Runs[0]
	var got []string
	for _, x := range r.Results {
		line := fmt.Sprintf("%s %s %s", *x.RuleID, x.Level, *x.Locations[0].LogicalLocations[0].FullyQualifiedName)
		if region := x.Locations[0].PhysicalLocation.Region; region != nil {
			line += fmt.Sprintf(" %s:%d", *x.Locations[0].PhysicalLocation.ArtifactLocation.URI, *region.StartLine)
		}
		if x.BaselineState != nil {
			line += " " + *x.BaselineState
		}
		if rule := r.Tool.Driver.Rules[x.RuleIndex]; *rule.ID != *x.RuleID {
			t.Errorf("%s has the index of %s", *x.RuleID, *rule.ID)
		}
		got = append(got, line)
	}
	want := []string{
		"taffrail/modified warning cloud_bucket.logs infra/prod/main.tf:12 new",
		"taffrail/modified warning cloud_firewall.web infra/prod/main.tf:12 updated",
		"taffrail/deleted error module.shop.cloud_bucket.assets infra/prod/main.tf:12 unchanged",
		"taffrail/unmanaged note cloud_bucket (unmanaged bkt-0009) new",
		"taffrail/pending note cloud_queue.jobs infra/prod/main.tf:12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if *r.Invocations[0].ExecutionSuccessful {
		t.Error("an incomplete scan is called successful")
	}
	var levels []string
	for _, n := range r.Invocations[0].ToolExecutionNotifications {
		levels = append(levels, n.Level)
	}
	if diff := cmp.Diff([]string{"error", "note", "error", "warning"}, levels); diff != "" {
		t.Error(diff)
	}
}

// A drift is the same to a reader of SARIF however it looks and wherever it stands in the code, and another resource is another.
func TestSARIFFingerprints(t *testing.T) {
	of := func(d taffrail.Drift) string {
		report, err := sarif.FromBytes([]byte(run(t, answering(reportOf(d)), "scan", "-o", "sarif").stdout))
		if err != nil {
			t.Fatal(err)
		}
		return report.Runs[0].Results[0].PartialFingerprints["primaryLocationLineHash"]
	}
	d := modified("cloud_a.a", drifted("x", num("1"), num("2")))
	moved := modified("cloud_a.a", drifted("x", num("1"), num("3")))
	moved.Finding.Resource.Line, moved.New = 99, false
	if of(d) != of(moved) {
		t.Error("a drift that moved is another")
	}
	if of(d) == of(modified("cloud_b.a")) || of(d) == of(driftOf(taffrail.Deleted, "cloud_a.a")) {
		t.Error("two drifts are one")
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

// Nothing that comes from outside can be Markdown, HTML or a mention: outside of fences every line is one that we wrote.
func TestMarkdownCannotBeBrokenOutOf(t *testing.T) {
	got := run(t, answering(hostile()), "scan", "-o", "markdown").stdout
	fenced := ""
	for _, line := range strings.Split(got, "\n") {
		switch {
		case fenced == "" && strings.HasPrefix(line, "```"):
			fenced = strings.TrimRight(line, "dif")
			continue
		case fenced != "" && line == fenced:
			fenced = ""
			continue
		case fenced != "":
			if strings.HasPrefix(strings.TrimLeft(line, " "), fenced) {
				t.Errorf("a value ends its fence: %q", line)
			}
			continue
		}
		rest := line
		for _, ours := range []string{"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>", "**"} {
			rest = strings.ReplaceAll(rest, ours, "")
		}
		if strings.ContainsAny(rest, "<>@`[]*\\") {
			t.Errorf("there is markup in %q", rest)
		}
		if cells := strings.Count(line, "|"); cells > 0 && cells != 4 && cells != 5 && cells != 6 && cells != 3 {
			t.Errorf("a row has %d bars: %q", cells, line)
		}
	}
	if fenced != "" {
		t.Error("a fence is open at the end")
	}
	if rest := regexp.MustCompile("<code>[^<]*</code>|(?s)```+diff\n.*?\n```+\n").ReplaceAllString(got, ""); strings.Contains(rest, "@") || strings.Contains(rest, "&#64;") {
		t.Errorf("a mention can be made of what stands outside of code: %s", rest)
	}
}

// A comment is never longer than GitHub takes, and says what it leaves out.
func TestMarkdownIsBounded(t *testing.T) {
	var drifts []taffrail.Drift
	for i := range 2000 {
		drifts = append(drifts, modified(fmt.Sprintf("cloud_a.a[%d]", i), drifted("x", str(strings.Repeat("`", i%50)), str(strings.Repeat("é|", 900)))))
	}
	r := withGaps(reportOf(drifts...), gapOf("cloud_b.b", taffrail.ReasonDenied, "403", ""))
	got := run(t, answering(r), "scan", "-o", "markdown").stdout
	if len(got) > mostMarkdown || !strings.Contains(got, "**Cut here**: ") || !strings.Contains(got, "2000 resources have drifted") || !strings.Contains(got, "cloud&#95;b.b") {
		t.Errorf("%d bytes: %.400s", len(got), got)
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

// No text is markup once it was written as prose, and no fence is ended by what stands in it.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"", "a|b", "`````", "<!--", "&#64;", "@all", "http://x", "\\|", "www.x", "\u202e\x1b[2J\n# x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := prose(safe(s))
		if strings.ContainsAny(text, "<>@`|[]*_~\\\n\r") || html.UnescapeString(text) != safe(s) {
			t.Errorf("%q becomes %q", s, text)
		}
		mark := fence(safe(s))
		if strings.Contains(safe(s), mark) {
			t.Errorf("%q ends its fence %s", s, mark)
		}
	})
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
