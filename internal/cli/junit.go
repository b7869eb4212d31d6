package cli

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// JUnit XML, as build servers read it: a suite for each stack. Its first test is the coverage, so that a suite is never empty, and green
// only if everything was looked at; each resource that is not in sync is a test that failed, or one that had an error if nobody could look.

type junitSuites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Suites   []junitSuite
}

type junitSuite struct {
	XMLName    xml.Name `xml:"testsuite"`
	Name       string   `xml:"name,attr"`
	Tests      int      `xml:"tests,attr"`
	Failures   int      `xml:"failures,attr"`
	Errors     int      `xml:"errors,attr"`
	Skipped    int      `xml:"skipped,attr"`
	Time       string   `xml:"time,attr,omitempty"`
	Timestamp  string   `xml:"timestamp,attr,omitempty"`
	Properties *junitProperties
	Cases      []junitCase
}

type junitProperties struct {
	XMLName xml.Name        `xml:"properties"`
	All     []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	XMLName xml.Name    `xml:"testcase"`
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	File    string      `xml:"file,attr,omitempty"`
	Line    int         `xml:"line,attr,omitempty"`
	Failure *junitFault `xml:"failure"`
	Error   *junitFault `xml:"error"`
	Skipped *junitFault `xml:"skipped"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (a *app) printJUnit(all []scanned, v view) error {
	suites := junitSuites{Name: "taffrail"}
	for _, s := range all {
		suite := junitSuiteOf(s, v)
		for _, c := range suite.Cases {
			suite.Tests++
			suite.Failures += one(c.Failure)
			suite.Errors += one(c.Error)
			suite.Skipped += one(c.Skipped)
		}
		suites.Tests, suites.Failures = suites.Tests+suite.Tests, suites.Failures+suite.Failures
		suites.Errors, suites.Skipped = suites.Errors+suite.Errors, suites.Skipped+suite.Skipped
		suites.Suites = append(suites.Suites, suite)
	}
	text, err := xml.MarshalIndent(suites, "", "  ")
	if err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err = io.WriteString(a.out, xml.Header+string(text)+"\n")
	return err
}

func one(f *junitFault) int {
	if f == nil {
		return 0
	}
	return 1
}

func junitSuiteOf(s scanned, v view) junitSuite {
	if s.err != nil {
		fault := &junitFault{Message: safe(s.err.Error()), Type: string(taffrail.KindOf(s.err)), Text: errorLine(s.err)}
		return junitSuite{Name: safe(s.target), Cases: []junitCase{{Name: "scan", Class: "taffrail", Error: fault}}}
	}
	r := s.report
	suite := junitSuite{
		Name: stackTitle(r.Stack), Time: fmt.Sprintf("%.3f", r.FinishedAt.Sub(r.StartedAt).Seconds()), Timestamp: r.StartedAt.UTC().Format("2006-01-02T15:04:05"),
		Properties: &junitProperties{All: []junitProperty{
			{"scan", r.Scan}, {"in_sync", fmt.Sprint(r.Statuses[taffrail.InSync])}, {"checked", fmt.Sprint(r.Coverage.Checked)}, {"total", fmt.Sprint(r.Coverage.Total)},
			{"log_origin", safe(r.Log.Origin)}, {"log_entries", fmt.Sprintf("%d-%d", r.Log.First, r.Log.Last)},
		}},
		Cases: []junitCase{coverageCase(s)},
	}
	for _, d := range r.Drifts {
		suite.Cases = append(suite.Cases, driftCase(d))
	}
	for _, g := range r.Coverage.Gaps {
		suite.Cases = append(suite.Cases, gapCase(g))
	}
	for _, f := range r.Pending {
		suite.Cases = append(suite.Cases, pendingCase(f, slices.Contains(v.counts, onPending)))
	}
	return suite
}

// coverageCase is the test that a stack was looked at as a whole.
func coverageCase(s scanned) junitCase {
	c := junitCase{Name: coverageLine(s.report.Coverage), Class: "taffrail"}
	if whole := s.report.Coverage.Complete() && s.report.Outcome == taffrail.OutcomeOK; !whole || s.status == taffrail.ExitError {
		c.Error = &junitFault{Message: "the scan is incomplete" + gapCounts(s.report, ": "), Type: "incomplete"}
	}
	return c
}

func caseOf(r taffrail.Resource) junitCase {
	return junitCase{Name: safe(string(r.Address)), Class: safe(string(r.Type)), File: safe(r.File), Line: r.Line}
}

func driftCase(d taffrail.Drift) junitCase {
	c := caseOf(d.Finding.Resource)
	lines := append(append(changeLines(d.Finding), causeLines(d.Causes)...), fmt.Sprintf("%s, %s, log entry %d", safe(string(d.ID)), sinceText(d), d.Entry))
	if d.Finding.Pending {
		lines = append(lines, pendingHeadline(d.Finding))
	}
	c.Failure = &junitFault{Message: headline(d.Finding), Type: string(d.Finding.Status), Text: strings.Join(lines, "\n")}
	return c
}

// gapCase is an error if something should have been read, and a test that was skipped if there was nothing to read.
func gapCase(g taffrail.Gap) junitCase {
	c := junitCase{Name: subjectOf(g), Class: safe(string(g.Type))}
	if c.Class == "" {
		c.Class = "taffrail"
	}
	fault := &junitFault{Message: gapLine(g), Type: safe(string(g.Reason))}
	if g.Reason.IsGap() {
		c.Error = fault
	} else {
		fault.Type = ""
		c.Skipped = fault
	}
	return c
}

// pendingCase failed only if it was asked to count.
func pendingCase(f taffrail.Finding, counts bool) junitCase {
	c := caseOf(f.Resource)
	c.Name += " (code not applied yet)"
	var lines []string
	for _, w := range f.Wanted {
		lines = append(lines, changeLine(w, 400))
	}
	fault := &junitFault{Message: pendingHeadline(f), Text: strings.Join(lines, "\n")}
	if counts {
		fault.Type = "pending"
		c.Failure = fault
	} else {
		c.Skipped = fault
	}
	return c
}
