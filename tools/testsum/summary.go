package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// An event is one line of the stream, as `go doc cmd/test2json` and, for builds,
// `go help buildjson` describe it.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	ImportPath  string
	FailedBuild string
}

// A testID names one test or subtest; an empty Test is the package itself.
type testID struct{ Package, Test string }

// A skip is a test that did not run, with the reason it gave.
type skip struct {
	testID
	reason string
}

// A summary collects events until a package is done, then prints what matters of it.
type summary struct {
	out io.Writer

	output  map[testID][]string // of tests that have not passed, in order of arrival
	order   map[string][]testID // tests of a package in order of their start
	builds  map[string][]string // compiler output by import path
	running map[string]bool     // packages that have started and not ended

	packages, passed int
	failed           []string
	skipped          []skip
}

func newSummary(out io.Writer) *summary {
	return &summary{
		out:     out,
		output:  map[testID][]string{},
		order:   map[string][]testID{},
		builds:  map[string][]string{},
		running: map[string]bool{},
	}
}

// read takes in the stream to its end. A line that is no event is printed as it is:
// the go command mixes plain text in when it cannot start.
func (s *summary) read(r io.Reader) error {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Action == "" {
		fmt.Fprint(s.out, strings.TrimRight(line, "\n"), "\n")
		return
	}
	s.add(e)
}

func (s *summary) add(e event) {
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
	case "start":
		s.running[e.Package] = true
	case "run":
		s.order[e.Package] = append(s.order[e.Package], id)
	case "output":
		s.output[id] = append(s.output[id], e.Output)
	case "pass", "skip", "fail":
		s.end(e, id)
	}
}

func (s *summary) end(e event, id testID) {
	if e.Test == "" {
		s.endPackage(e, id)
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
		delete(s.output, id)
	case "skip":
		s.skipped = append(s.skipped, skip{id, reason(s.output[id])})
		delete(s.output, id)
	case "fail":
		s.failed = append(s.failed, e.Package+" "+e.Test)
	}
}

func (s *summary) endPackage(e event, id testID) {
	delete(s.running, e.Package)
	if e.Action != "skip" {
		s.packages++
	}
	if e.Action == "fail" {
		s.printFailure(e)
	} else {
		s.printLast(s.output[id])
	}
	for _, t := range append(s.order[e.Package], id) {
		delete(s.output, t)
	}
	delete(s.order, e.Package)
}

// printFailure prints a compiler's complaint, or else all that the package's tests
// said that did not pass: those that failed and those that a panic or a timeout cut off.
func (s *summary) printFailure(e event) {
	for _, line := range s.builds[e.FailedBuild] {
		fmt.Fprint(s.out, line)
	}
	named := false
	for _, t := range s.order[e.Package] {
		fmt.Fprint(s.out, strings.Join(s.output[t], ""))
		named = named || slices.Contains(s.failed, t.Package+" "+t.Test)
	}
	fmt.Fprint(s.out, strings.Join(s.output[testID{Package: e.Package}], ""))
	if !named {
		s.failed = append(s.failed, e.Package)
	}
}

// printLast prints the line with which go test closes a package that has tests.
func (s *summary) printLast(lines []string) {
	for _, line := range slices.Backward(lines) {
		if strings.HasPrefix(line, "ok ") {
			fmt.Fprint(s.out, line)
			return
		}
	}
}

var location = regexp.MustCompile(`^\s*\S+\.go:\d+: (.*)`)

// reason finds what a test said when it skipped itself: the last line that has a
// place in the source.
func reason(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if m := location.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			return m[1]
		}
	}
	return "no reason given"
}

// finish prints the lists and the totals and says whether all is well.
func (s *summary) finish() bool {
	for p := range s.running {
		s.failed = append(s.failed, p+" (the stream ended before the package did)")
	}
	for _, k := range s.skipped {
		fmt.Fprintf(s.out, "SKIPPED %s %s: %s\n", k.Package, k.Test, k.reason)
	}
	slices.Sort(s.failed)
	for _, name := range s.failed {
		fmt.Fprintf(s.out, "FAILED  %s\n", name)
	}
	if s.packages == 0 && len(s.failed) == 0 {
		fmt.Fprintln(s.out, "FAILED  no package with tests was seen")
		return false
	}
	fmt.Fprintf(s.out, "tests: %d passed, %d failed, %d skipped, in %d packages\n",
		s.passed, len(s.failed), len(s.skipped), s.packages)
	return len(s.failed) == 0
}
