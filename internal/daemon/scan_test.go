package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

func TestFirstScanBeginsALogAndSaysSo(t *testing.T) {
	s := newSite(t, newWorld("a", "b"))
	d := s.start(t)
	r := scanOnce(t, d)
	if !r.Log.Started || r.Log.Key == "" || !strings.HasPrefix(r.Log.Origin, "taffrail.local/") || r.Log.Level != audit.LevelSigned {
		t.Errorf("%+v", r.Log)
	}
	if r.Outcome != taffrail.OutcomeOK || r.Statuses[taffrail.InSync] != 2 || r.Coverage.Checked != 2 || len(r.Drifts) != 0 {
		t.Errorf("%+v", r)
	}
	if again := scanOnce(t, d); again.Log.Started || again.Log.Origin != r.Log.Origin {
		t.Errorf("%+v", again.Log)
	}
	want := []taffrail.EntryType{"log.started", "scan.started", "scan.finished", "scan.started", "scan.finished"}
	if diff := cmp.Diff(want, types(t, d)); diff != "" {
		t.Error(diff)
	}
	wellAt(t, s)
}

// TestLifeOfADrift follows a drift from found to changed to ended, over restarts.
func TestLifeOfADrift(t *testing.T) {
	w := newWorld("a", "b", "c")
	s := newSite(t, w)
	*w.find("b") = observe("b", "moved")
	first := scanOnce(t, s.start(t))
	same := scanOnce(t, s.start(t))
	*w.find("b") = observe("b", "moved again")
	changed := scanOnce(t, s.start(t))
	*w.find("b") = observe("b", "as recorded")
	over := scanOnce(t, s.start(t))

	id := first.Drifts[0].ID
	for name, r := range map[string]ScanReport{"first": first, "same": same, "changed": changed} {
		if len(r.Drifts) != 1 || r.Drifts[0].ID != id || r.Drifts[0].Since != first.Drifts[0].Since || r.Drifts[0].New != (name == "first") || r.Drifts[0].Changed != (name == "changed") {
			t.Errorf("%s: %+v", name, r.Drifts)
		}
	}
	if same.Drifts[0].Entry != first.Drifts[0].Entry || changed.Drifts[0].Entry == first.Drifts[0].Entry {
		t.Errorf("entries %d, %d, %d", first.Drifts[0].Entry, same.Drifts[0].Entry, changed.Drifts[0].Entry)
	}
	if diff := cmp.Diff([]EndedDrift{{ID: id, Address: "thing.b", Why: taffrail.EndInSync}}, over.Ended); diff != "" {
		t.Error(diff)
	}
	want := []taffrail.EntryType{
		"log.started", "scan.started", "drift.found", "scan.finished", "scan.started", "scan.finished",
		"scan.started", "drift.changed", "scan.finished", "scan.started", "drift.ended", "scan.finished",
	}
	if diff := cmp.Diff(want, types(t, s.start(t))); diff != "" {
		t.Error(diff)
	}
	wellAt(t, s)
}

func TestPayloadHoldsBeforeAndAfter(t *testing.T) {
	w := newWorld("a")
	*w.find("a") = observe("a", "moved <&>")
	s := newSite(t, w)
	d := s.start(t)
	r := scanOnce(t, d)
	var logged taffrail.Salted[taffrail.Finding]
	err := d.Entries(t.Context(), r.Drifts[0].Entry, r.Drifts[0].Entry+1, func(e LogEntry) error {
		for _, data := range e.Blobs {
			return json.Unmarshal(data, &logged)
		}
		return errors.New("there is no payload")
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Drifts[0].Finding, logged.Content); diff != "" || len(logged.Nonce) != 32 {
		t.Errorf("nonce %q\n%s", logged.Nonce, diff)
	}
}

// TestNoGapNoAbsence is the invariant: deleted requires coverage, and what could not be read ends no drift.
func TestNoGapNoAbsence(t *testing.T) {
	for _, reason := range taffrail.Reasons() {
		t.Run(string(reason), func(t *testing.T) {
			w := newWorld("a", "b")
			*w.find("a") = observe("a", "moved")
			s := newSite(t, w)
			scanOnce(t, s.start(t))
			w.gap("a", reason)
			w.gap("b", reason)
			r := scanOnce(t, s.start(t))
			if r.Statuses[taffrail.NotChecked] != 2 || r.Statuses[taffrail.Deleted] != 0 {
				t.Errorf("%v", r.Statuses)
			}
			if got := r.Outcome == taffrail.OutcomeIncomplete; got != reason.IsGap() {
				t.Errorf("outcome %s", r.Outcome)
			}
			if ended := len(r.Ended) > 0; ended == reason.IsGap() {
				t.Errorf("ended: %v", r.Ended)
			}
			if unseen := len(r.Unseen) == 1 && r.Unseen[0].Address == "thing.a"; unseen != reason.IsGap() {
				t.Errorf("unseen: %v", r.Unseen)
			}
			wellAt(t, s)
		})
	}
}

func TestDeletedNeedsThatTheLiveSideWasRead(t *testing.T) {
	w := newWorld("a", "b")
	w.find("a").Live = taffrail.Null()
	w.find("b").Live = taffrail.Unknown()
	r := scanOnce(t, newSite(t, w).start(t))
	if len(r.Drifts) != 1 || r.Drifts[0].Finding.Status != taffrail.Deleted || r.Drifts[0].Finding.Resource.Address != "thing.a" {
		t.Errorf("%+v", r.Drifts)
	}
	if r.Statuses[taffrail.NotChecked] != 1 || r.Coverage.Checked != 1 || r.Coverage.Incomplete != 1 {
		t.Errorf("%+v", r.Coverage)
	}
}

func TestTrap11_AStateThatMovedTakesTheGroundFromUnderTheFindings(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(*world)
	}{
		{"the serial moved", func(w *world) { w.during = func(_ int, w *world) { w.info.Serial++ } }},
		{"the lineage moved", func(w *world) { w.during = func(_ int, w *world) { w.info.Lineage = "another" } }},
		{"the source says so", func(w *world) { w.gaps = []taffrail.Gap{{Reason: taffrail.ReasonRaced, Detail: "an apply is running"}} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld("a", "b", "c")
			*w.find("a") = observe("a", "moved")
			s := newSite(t, w)
			scanOnce(t, s.start(t))
			*w.find("a") = observe("a", "as recorded")
			*w.find("b") = observe("b", "moved")
			w.find("c").Live = taffrail.Null()
			tc.make(w)
			r := scanOnce(t, s.start(t))
			if len(r.Drifts) != 0 || len(r.Ended) != 0 || r.Outcome != taffrail.OutcomeIncomplete || r.Statuses[taffrail.NotChecked] != 2 {
				t.Errorf("%+v", r)
			}
			wellAt(t, s)
		})
	}
}

func TestAResourceThatTheStackNoLongerRecords(t *testing.T) {
	w := newWorld("a", "b")
	*w.find("b") = observe("b", "moved")
	s := newSite(t, w)
	scanOnce(t, s.start(t))
	w.observations = w.observations[:1]
	selected, err := s.start(t).Scan(t.Context(), ScanRequest{System: "fake", Selection: taffrail.Selection{Addresses: []taffrail.Address{"thing.a"}}}, nil)
	if err != nil || len(selected.Ended) != 0 {
		t.Errorf("a scan of one resource ended the drift of another: %v %v", err, selected.Ended)
	}
	if r := scanOnce(t, s.start(t)); len(r.Ended) != 1 || r.Ended[0].Why != taffrail.EndReleased {
		t.Errorf("%+v", r.Ended)
	}
	wellAt(t, s)
}

func TestAGapOfTheWholeStackHidesNoDriftAndReleasesNone(t *testing.T) {
	w := newWorld("a", "b", "c")
	*w.find("a") = observe("a", "moved")
	*w.find("c") = observe("c", "moved")
	s := newSite(t, w)
	scanOnce(t, s.start(t))
	w.observations = w.observations[:2]
	w.gaps = []taffrail.Gap{{Reason: taffrail.ReasonDenied, Detail: "one folder of the code could not be read"}}
	r := scanOnce(t, s.start(t))
	if len(r.Drifts) != 1 || len(r.Ended) != 0 || r.Outcome != taffrail.OutcomeIncomplete {
		t.Errorf("%+v", r)
	}
	wellAt(t, s)
}

func TestAScanThatIsCutShortIsHonest(t *testing.T) {
	w := newWorld("a", "b", "c")
	*w.find("a") = observe("a", "moved")
	*w.find("c") = observe("c", "moved")
	s := newSite(t, w)
	d := s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.during = func(i int, _ *world) {
		if i == 1 {
			cancel()
		}
	}
	r, err := d.Scan(ctx, ScanRequest{System: "fake"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != taffrail.OutcomeIncomplete || len(r.Drifts) != 1 || r.Coverage.Checked != 1 || r.Coverage.Incomplete != 2 || r.Log.Level != audit.LevelSigned {
		t.Errorf("%+v", r)
	}
	wellAt(t, s)
}

func TestAScanThatFails(t *testing.T) {
	w := newWorld("a")
	*w.find("a") = observe("a", "moved")
	w.fail = &taffrail.Error{Op: "read stack", Kind: taffrail.KindUnavailable, Err: errors.New("the backend is away")}
	s := newSite(t, w)
	d := s.start(t)
	r, err := d.Scan(t.Context(), ScanRequest{System: "fake"}, nil)
	if taffrail.KindOf(err) != taffrail.KindUnavailable || r.Schema != "" {
		t.Errorf("%v %+v", err, r)
	}
	var last taffrail.Entry
	if err := d.Entries(t.Context(), -1, -1, func(e LogEntry) error { last = e.Entry; return nil }); err != nil {
		t.Fatal(err)
	}
	body := last.Body.(taffrail.ScanFinished)
	if last.Outcome != taffrail.OutcomeFailed || body.Error != "read stack: the backend is away" || body.ErrorKind != taffrail.KindUnavailable {
		t.Errorf("%+v", last)
	}
	wellAt(t, s)
}

func TestAStackThatCannotBeOpenedBeginsNoLog(t *testing.T) {
	s := newSite(t, newWorld())
	s.world.describe = func() (taffrail.StackInfo, error) { return taffrail.StackInfo{}, errors.New("no state") }
	d := s.start(t)
	if _, err := d.Scan(t.Context(), ScanRequest{System: "fake"}, nil); err == nil {
		t.Error("no error")
	}
	if _, err := d.Scan(t.Context(), ScanRequest{System: "unheard of"}, nil); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("%v", err)
	}
	if err := d.Entries(t.Context(), 0, -1, nil); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("a log was begun: %v", err)
	}
}

func TestNoiseIsShownApart(t *testing.T) {
	w := newWorld("a", "b")
	w.find("a").Live = taffrail.Object(fields{"text": taffrail.String("as recorded"), "etag": taffrail.String("2")})
	r := scanOnce(t, newSite(t, w).start(t))
	if len(r.Drifts) != 0 || len(r.Noise) != 1 || r.Noise[0].Changes[0].Class != taffrail.ClassVolatile || r.Statuses[taffrail.InSync] != 2 {
		t.Errorf("%+v", r)
	}
}

func TestProgress(t *testing.T) {
	w := newWorld("a", "b", "c")
	*w.find("b") = observe("b", "moved")
	w.gap("c", taffrail.ReasonDenied)
	w.announces = true
	lw := &listingWorld{world: w, found: []taffrail.Observation{stray("role", "one")}, listing: taffrail.Listing{Listed: []taffrail.ResourceType{"role"}}}
	s := newSite(t, w)
	s.stack = lw
	announced := 0
	request := ScanRequest{System: "fake", Scope: taffrail.Scope{Types: []taffrail.ResourceType{"role"}}}
	request.Selection.Announce = func(total int) { announced = total }
	var told []ScanProgress
	if _, err := s.start(t).Scan(t.Context(), request, func(p ScanProgress) { told = append(told, p) }); err != nil {
		t.Fatal(err)
	}
	want := []ScanProgress{
		{Stack: w.info, Total: 3}, {Stack: w.info, Total: 3, Done: 1}, {Stack: w.info, Total: 3, Done: 2, Drifted: 1},
		{Stack: w.info, Total: 3, Done: 3, Drifted: 1, Gaps: 1}, {Stack: w.info, Total: 4, Done: 4, Drifted: 2, Gaps: 1},
	}
	if announced != 3 {
		t.Errorf("announced %d", announced)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}
