package daemon

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// lastVersions gives what the newest scan says of versions, and those that it saw changed.
func lastVersions(t *testing.T, d *Daemon) (*taffrail.Versions, []taffrail.Version) {
	t.Helper()
	finished := bodies[taffrail.ScanFinished](t, d)
	v := finished[len(finished)-1].Versions
	if v == nil || v.Changed == 0 {
		return v, nil
	}
	return v, payload[[]taffrail.Version](t, d, v.Blob)
}

func addressesOf(versions []taffrail.Version) (all []taffrail.Address) {
	for _, v := range versions {
		all = append(all, v.Address)
	}
	return all
}

func TestEachVersionIsInTheLogOnce(t *testing.T) {
	w := newWorld("a", "b", "c")
	w.gap("c", taffrail.ReasonDenied)
	s := newSite(t, w)
	d := s.start(t)
	for _, tc := range []struct {
		name   string
		change func()
		count  int
		want   []taffrail.Address
	}{
		{"the first", func() {}, 2, []taffrail.Address{"thing.a", "thing.b"}},
		{"nothing new", func() {}, 2, nil},
		{"one moved", func() { *w.find("a") = observe("a", "moved") }, 2, []taffrail.Address{"thing.a"}},
		{"what is volatile is a version, too", func() {
			w.find("b").Live = taffrail.Object(fields{"text": taffrail.String("as recorded"), "etag": taffrail.String("2")})
		}, 2, []taffrail.Address{"thing.b"}},
		{"one is gone", func() { w.find("b").Live = taffrail.Null() }, 2, []taffrail.Address{"thing.b"}},
		{"one can be read", func() { *w.find("c") = observe("c", "as recorded") }, 3, []taffrail.Address{"thing.c"}},
		{"one cannot be read any more", func() { w.gap("a", taffrail.ReasonTimeout) }, 2, nil},
		{"one is yet to be created", func() { w.find("b").Live, w.find("b").Recorded = taffrail.Null(), taffrail.Null() }, 1, nil},
		{"nothing can be read", func() { w.gap("b", taffrail.ReasonTimeout); w.gap("c", taffrail.ReasonTimeout) }, 0, nil},
	} {
		tc.change()
		scanOnce(t, d)
		v, changed := lastVersions(t, d)
		if tc.count == 0 {
			if v != nil {
				t.Errorf("%s: %+v", tc.name, v)
			}
			continue
		}
		if diff := cmp.Diff(tc.want, addressesOf(changed)); diff != "" || v.Count != tc.count || v.Changed != len(tc.want) {
			t.Errorf("%s: %+v\n%s", tc.name, v, diff)
		}
		for _, c := range changed {
			if gone := c.Digest == ""; gone != (tc.name == "one is gone") || !gone && len(c.Digest) != 44 {
				t.Errorf("%s: %+v", tc.name, c)
			}
		}
	}
	wellAt(t, s)
}

// All is what anyone can compute who has the versions of every scan.
func TestAllVersions(t *testing.T) {
	s := newSite(t, newWorld("b", "a"))
	d := s.start(t)
	scanOnce(t, d)
	v, changed := lastVersions(t, d)
	h := sha256.New()
	for _, c := range changed {
		fmt.Fprintf(h, "%s %s\n", c.Digest, c.Address)
	}
	if want := fmt.Sprintf("%x", h.Sum(nil)); v.All != want || changed[0].Address != "thing.a" || v.Key != "00000000" {
		t.Errorf("%+v, want %s", v, want)
	}
	scanOnce(t, d)
	if again, _ := lastVersions(t, d); again.All != v.All {
		t.Errorf("%+v", again)
	}
}

func TestAScanOfOneResourceKnowsItsVersionAlone(t *testing.T) {
	w := newWorld("a", "b")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	*w.find("a"), *w.find("b") = observe("a", "moved"), observe("b", "moved")
	scanAs(t, d, ScanRequest{Selection: taffrail.Selection{Addresses: []taffrail.Address{"thing.b"}}})
	if v, changed := lastVersions(t, d); v.Count != 1 || len(changed) != 1 || changed[0].Address != "thing.b" {
		t.Errorf("%+v %+v", v, changed)
	}
	scanOnce(t, d)
	if _, changed := lastVersions(t, d); len(changed) != 1 || changed[0].Address != "thing.a" {
		t.Errorf("%+v", changed)
	}
	wellAt(t, s)
}

// TestTrap38_AnAbsorbedDriftStaysInTheHistory: an apply or a refresh takes a drift into the state, and the state knows of no drift. The log
// does, with what was before and after, and it knows that the resource did not move back.
func TestTrap38_AnAbsorbedDriftStaysInTheHistory(t *testing.T) {
	w := newWorld("a")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	*w.find("a") = observe("a", "moved")
	found := scanOnce(t, d).Drifts[0]
	w.find("a").Recorded = w.find("a").Live // the refresh
	w.info.Serial++
	r := scanOnce(t, d)
	if len(r.Drifts) != 0 || len(r.Ended) != 1 || r.Ended[0].ID != found.ID {
		t.Fatalf("%+v %+v", r.Drifts, r.Ended)
	}
	if v, _ := lastVersions(t, d); v.Changed != 0 {
		t.Errorf("the resource is said to have moved: %+v", v)
	}
	seen := bodies[taffrail.DriftFound](t, d)
	finding := payload[taffrail.Finding](t, d, seen[0].Finding)
	if c := finding.Changes[0]; !c.Before.Equal(taffrail.String("as recorded")) || !c.After.Equal(taffrail.String("moved")) || seen[0].Serial != 7 {
		t.Errorf("%+v %+v", seen, finding)
	}
	var versions int
	for _, f := range bodies[taffrail.ScanFinished](t, d) {
		versions += f.Versions.Changed
	}
	if versions != 2 {
		t.Errorf("%d versions of the resource are known", versions)
	}
	wellAt(t, s)
}

// TestTrap39_AFindingSaysWhereItIs: in the log, too, where the stack's folder may be gone long since.
func TestTrap39_AFindingSaysWhereItIs(t *testing.T) {
	w := newWorld("a")
	*w.find("a") = observe("a", "moved")
	r := &w.find("a").Resource
	r.Address, r.Module, r.File, r.Line, r.Provider = "module.m.thing.a", "module.m", "m/main.tf", 3, "example.org/a/b"
	w.info.Commit = &taffrail.Commit{Hash: "c0ffee", Ref: "main"}
	w.info.Components = []taffrail.Component{{Name: "example.org/a/b", Version: "1.2.3", Digest: "h1:x"}}
	s := newSite(t, w)
	d := s.start(t)
	report := scanOnce(t, d)
	var entry taffrail.Entry
	if err := d.Entries(t.Context(), report.Drifts[0].Entry, report.Drifts[0].Entry+1, func(e LogEntry) error { entry = e.Entry; return nil }); err != nil {
		t.Fatal(err)
	}
	body := entry.Body.(taffrail.DriftFound)
	if entry.Scope != w.info.ID || entry.Resource != r.Address || body.Serial != w.info.Serial || body.Type != r.Type || body.ID != r.ID {
		t.Errorf("%+v", entry)
	}
	if diff := cmp.Diff(*r, payload[taffrail.Finding](t, d, body.Finding).Resource); diff != "" {
		t.Error(diff)
	}
	for _, info := range []taffrail.StackInfo{bodies[taffrail.ScanStarted](t, d)[0].Stack, bodies[taffrail.ScanFinished](t, d)[0].Stack, report.Stack} {
		if diff := cmp.Diff(w.info, info); diff != "" {
			t.Error(diff)
		}
	}
}

// TestTrap04_APartialScanConcludesNothing about what it did not look at, and says that it was partial.
func TestTrap04_APartialScanConcludesNothing(t *testing.T) {
	w := newWorld("a", "b")
	*w.find("b") = observe("b", "moved")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	*w.find("b") = observe("b", "as recorded")
	r := scanAs(t, d, ScanRequest{Selection: taffrail.Selection{Addresses: []taffrail.Address{"thing.a"}}})
	if len(r.Ended) != 0 || r.Coverage.Total != 1 {
		t.Errorf("%+v", r)
	}
	started := bodies[taffrail.ScanStarted](t, d)
	if got := started[1].Selection.Addresses; len(got) != 1 || got[0] != "thing.a" {
		t.Errorf("%+v", got)
	}
	if r := scanOnce(t, d); len(r.Ended) != 1 {
		t.Errorf("%+v", r.Ended)
	}
	wellAt(t, s)
}

// TestTrap36_WhatWasSkippedIsNotGreen: each reason is counted in the report and in the log, and what could not be looked at is incomplete.
func TestTrap36_WhatWasSkippedIsNotGreen(t *testing.T) {
	for _, reason := range taffrail.Reasons() {
		w := newWorld("a", "b")
		w.gap("a", reason)
		s := newSite(t, w)
		d := s.start(t)
		r := scanOnce(t, d)
		body := bodies[taffrail.ScanFinished](t, d)[0]
		if r.Statuses[taffrail.InSync] != 1 || r.Statuses[taffrail.NotChecked] != 1 || r.Coverage.Checked != 1 || len(r.Coverage.Gaps) != 1 || body.Reasons[reason] != 1 {
			t.Errorf("%s: %+v %+v", reason, r.Coverage, body)
		}
		if (r.Outcome == taffrail.OutcomeOK) == reason.IsGap() || body.Gaps == nil {
			t.Errorf("%s: %s", reason, r.Outcome)
		}
	}
}

// TestTrap12_PermissionErrorIsNotDeletion: neither of a resource that is in sync nor of one that was seen to have drifted.
func TestTrap12_PermissionErrorIsNotDeletion(t *testing.T) {
	w := newWorld("a", "b")
	*w.find("b") = observe("b", "moved")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	w.gap("a", taffrail.ReasonDenied)
	w.gap("b", taffrail.ReasonDenied)
	r := scanOnce(t, d)
	if r.Statuses[taffrail.Deleted] != 0 || len(r.Drifts) != 0 || len(r.Ended) != 0 || len(r.Unseen) != 1 || r.Outcome != taffrail.OutcomeIncomplete {
		t.Errorf("%+v", r)
	}
	wellAt(t, s)
}

// TestTrap14_NothingIsConcludedWhileAnApplyRuns: the source says that the state is locked, as a gap of the whole that raced.
func TestTrap14_NothingIsConcludedWhileAnApplyRuns(t *testing.T) {
	w := newWorld("a", "b")
	*w.find("b") = observe("b", "moved")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	w.gaps = []taffrail.Gap{{Reason: taffrail.ReasonRaced, Detail: "the state is locked by an apply"}}
	*w.find("b") = observe("b", "as recorded")
	w.find("a").Live = taffrail.Null()
	r := scanOnce(t, d)
	if len(r.Drifts) != 0 || len(r.Ended) != 0 || r.Outcome != taffrail.OutcomeIncomplete || len(r.Unseen) != 1 {
		t.Errorf("%+v", r)
	}
	wellAt(t, s)
}
