// Package score compares what a program says of a stack with what was really done to it, and keeps the table of docs/truth.md.
//
// A suite applies a stack, asks each judge what differs (that is its noise), does its deeds in rounds, and asks again after each
// round. The truth is the suite's own list of deeds, never what another program says.
package score

import (
	"cmp"
	"maps"
	"slices"
	"testing"
)

// Gone is the attribute of a [Spot] for a resource that is not there any more.
const Gone = "(deleted)"

// A Spot is one attribute of one resource: the grain at which judges are scored. The attribute is the name at the top, since that is
// as deep as a plan's list of drift goes without a schema.
type Spot struct{ Address, Attribute string }

// A Tally is what came of one judge in one suite.
type Tally struct {
	Noise  []Spot // said right after the apply, when nothing was done; each once, sorted
	Missed []Spot // once for each round in which it was missed
	False  []Spot // said of what nobody touched; each once, however often it was said, sorted
}

// A Sheet collects the score of one suite.
type Sheet struct {
	suite, provider string
	deeds, changed  int
	judges          map[string]*judged
}

type judged struct {
	noise, wrong map[Spot]bool
	missed       []Spot
}

// New begins the sheet of a suite. The provider is named with the version of its protocol: "harbor (6)".
func New(suite, provider string) *Sheet {
	return &Sheet{suite: suite, provider: provider, judges: map[string]*judged{}}
}

func (s *Sheet) judge(name string) *judged {
	if s.judges[name] == nil {
		s.judges[name] = &judged{noise: map[Spot]bool{}, wrong: map[Spot]bool{}}
	}
	return s.judges[name]
}

// Fresh notes what a judge says right after an apply.
func (s *Sheet) Fresh(judge string, said []Spot) {
	for _, at := range said {
		s.judge(judge).noise[at] = true
	}
}

// Deed counts a deed, with the spots that it changed: none where it is no drift.
func (s *Sheet) Deed(truth []Spot) {
	s.deeds++
	s.changed += len(truth)
}

// Round notes what a judge says after a round of deeds.
func (s *Sheet) Round(judge string, truth, said []Spot) {
	j := s.judge(judge)
	for _, at := range truth {
		if !slices.Contains(said, at) {
			j.missed = append(j.missed, at)
		}
	}
	for _, at := range said {
		if !slices.Contains(truth, at) {
			j.wrong[at] = true
		}
	}
}

// Tally gives what came of a judge.
func (s *Sheet) Tally(judge string) Tally {
	j := s.judge(judge)
	return Tally{Noise: sorted(j.noise), Missed: j.missed, False: sorted(j.wrong)}
}

// Clean fails the test unless a judge missed nothing and said nothing false.
func (s *Sheet) Clean(t *testing.T, judge string) {
	t.Helper()
	got := s.Tally(judge)
	if len(got.Noise)+len(got.Missed)+len(got.False) > 0 {
		t.Errorf("%s in %s: noise %v, missed %v, false %v", judge, s.suite, got.Noise, got.Missed, got.False)
	}
}

func sorted(spots map[Spot]bool) []Spot {
	return slices.SortedFunc(maps.Keys(spots), func(a, b Spot) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Attribute, b.Attribute))
	})
}

// addresses counts the resources among spots.
func addresses(spots []Spot) int {
	seen := map[string]bool{}
	for _, at := range spots {
		seen[at.Address] = true
	}
	return len(seen)
}
