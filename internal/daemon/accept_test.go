package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// The clock of a site begins with the year.
var (
	later   = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	earlier = time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)
)

func ruleOf(change func(*taffrail.AcceptRule)) taffrail.AcceptRule {
	r := taffrail.AcceptRule{
		Address: "thing.*", Status: taffrail.Modified, Path: taffrail.NewPath(taffrail.Attr("text")),
		Reason: "so agreed", Owner: "team:a", Expires: later, From: "taffrail.yaml:3",
	}
	change(&r)
	return r
}

func TestAcceptedDifferencesAreNoDrift(t *testing.T) {
	for _, tc := range []struct {
		name     string
		rule     func(*taffrail.AcceptRule)
		accepted bool
	}{
		{"any value", func(*taffrail.AcceptRule) {}, true},
		{"the pinned value", func(r *taffrail.AcceptRule) { r.Pinned = taffrail.String("moved") }, true},
		{"another than the pinned value", func(r *taffrail.AcceptRule) { r.Pinned = taffrail.String("moved elsewhere") }, false},
		{"the whole resource", func(r *taffrail.AcceptRule) { r.Path = taffrail.Path{} }, true},
		{"another path", func(r *taffrail.AcceptRule) { r.Path = taffrail.NewPath(taffrail.Attr("other")) }, false},
		{"another address", func(r *taffrail.AcceptRule) { r.Address = "thing.b" }, false},
		{"another stack", func(r *taffrail.AcceptRule) { r.Stack = "elsewhere" }, false},
		{"this stack", func(r *taffrail.AcceptRule) { r.Stack = "fake/*" }, true},
		{"what is unmanaged", func(r *taffrail.AcceptRule) { r.Status, r.Path = taffrail.Unmanaged, taffrail.Path{} }, false},
		{"until yesterday", func(r *taffrail.AcceptRule) { r.Expires = earlier }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld("a")
			*w.find("a") = observe("a", "moved")
			s := newSite(t, w)
			r := scanAs(t, s.start(t), ScanRequest{Accept: []taffrail.AcceptRule{ruleOf(tc.rule)}})
			if accepted := len(r.Drifts) == 0; accepted != tc.accepted {
				t.Fatalf("%+v", r.Drifts)
			}
			if tc.accepted {
				c := r.Noise[0].Changes[0]
				if c.Class != taffrail.ClassSuppressed || c.Why != "accepted by team:a until 2026-06-30: so agreed (taffrail.yaml:3)" {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

func TestARuleEndsByTheClock(t *testing.T) {
	w := newWorld("a", "b")
	*w.find("a"), *w.find("b") = observe("a", "moved"), observe("b", "moved")
	s := newSite(t, w)
	request := ScanRequest{Accept: []taffrail.AcceptRule{
		ruleOf(func(*taffrail.AcceptRule) {}),
		ruleOf(func(r *taffrail.AcceptRule) { r.Pinned, r.From = taffrail.String("something else"), "taffrail.yaml:9" }),
	}}
	d := s.start(t)
	if r := scanAs(t, d, request); len(r.Drifts) != 0 || len(r.Expired) != 0 {
		t.Errorf("%+v %q", r.Drifts, r.Expired)
	}
	s.clock = later.Add(-time.Hour)
	if r := scanAs(t, d, request); len(r.Drifts) != 0 {
		t.Errorf("an hour before: %+v", r.Drifts)
	}
	s.clock = later
	r := scanAs(t, d, request)
	want := []string{"taffrail.yaml:3: ended 2026-06-30, and would have accepted thing.a and 1 more: so agreed (owner: team:a)"}
	if diff := cmp.Diff(want, r.Expired); diff != "" || len(r.Drifts) != 2 {
		t.Errorf("%+v\n%s", r.Drifts, diff)
	}
	wellAt(t, s)
}

// TestARuleHidesNoDeletionAndNoGap: it is about differences, and there are none.
func TestARuleHidesNoDeletionAndNoGap(t *testing.T) {
	w := newWorld("a", "b")
	w.find("a").Live = taffrail.Null()
	w.gap("b", taffrail.ReasonDenied)
	everything := ruleOf(func(r *taffrail.AcceptRule) { r.Address, r.Type, r.Path = "", "thing", taffrail.Path{} })
	unmanaged := ruleOf(func(r *taffrail.AcceptRule) { r.Status, r.Path = taffrail.Unmanaged, taffrail.Path{} })
	s := newSite(t, w)
	r := scanAs(t, s.start(t), ScanRequest{Accept: []taffrail.AcceptRule{everything, unmanaged}})
	if len(r.Drifts) != 1 || r.Drifts[0].Finding.Status != taffrail.Deleted || r.Coverage.Incomplete != 1 {
		t.Errorf("%+v %+v", r.Drifts, r.Coverage)
	}
}

// What is accepted is still there: it has not come back in sync.
func TestADriftThatIsAcceptedEndsSo(t *testing.T) {
	w := newWorld("a")
	*w.find("a") = observe("a", "moved")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	request := ScanRequest{Accept: []taffrail.AcceptRule{ruleOf(func(*taffrail.AcceptRule) {})}}
	r := scanAs(t, d, request)
	if diff := cmp.Diff([]EndedDrift{{ID: r.Ended[0].ID, Address: "thing.a", Why: taffrail.EndAccepted}}, r.Ended); diff != "" {
		t.Error(diff)
	}
	// Where something else is accepted, what had drifted is in sync again.
	other := func(live, size string) {
		w.find("a").Recorded = taffrail.Object(fields{"text": taffrail.String("as recorded"), "size": taffrail.String("1")})
		w.find("a").Live = taffrail.Object(fields{"text": taffrail.String(live), "size": taffrail.String(size)})
	}
	request.Accept[0].Path = taffrail.NewPath(taffrail.Attr("size"))
	other("moved", "2")
	if r := scanAs(t, d, request); len(r.Drifts) != 1 {
		t.Fatalf("%+v", r)
	}
	other("as recorded", "2")
	if r := scanAs(t, d, request); len(r.Ended) != 1 || r.Ended[0].Why != taffrail.EndInSync {
		t.Errorf("%+v", r.Ended)
	}
	wellAt(t, s)
}

func TestTheRulesThatHoldAreInTheLog(t *testing.T) {
	s := newSite(t, newWorld("a"))
	d := s.start(t)
	holds := ruleOf(func(r *taffrail.AcceptRule) { r.Pinned = taffrail.List(taffrail.Int(1)) })
	scanAs(t, d, ScanRequest{Accept: []taffrail.AcceptRule{
		ruleOf(func(r *taffrail.AcceptRule) { r.Expires = earlier }), holds, ruleOf(func(r *taffrail.AcceptRule) { r.Stack = "elsewhere" }),
	}})
	scanOnce(t, d)
	started := bodies[taffrail.ScanStarted](t, d)
	if started[0].Rules == nil || started[1].Rules != nil {
		t.Fatalf("%+v", started)
	}
	got := payload[[]taffrail.AcceptRule](t, d, *started[0].Rules)
	if diff := cmp.Diff([]taffrail.AcceptRule{holds}, got); diff != "" {
		t.Error(diff)
	}
	wellAt(t, s)
}

func TestAcceptedAsUnmanaged(t *testing.T) {
	w := &listingWorld{world: newWorld("a"), found: []taffrail.Observation{stray("role", "made-by-the-cloud"), stray("role", "made-by-hand")}}
	w.listing.Listed = []taffrail.ResourceType{"role"}
	s := newSite(t, w.world)
	s.stack = w
	d := s.start(t)
	request := ScanRequest{Scope: taffrail.Scope{Types: []taffrail.ResourceType{"role"}}}
	if r := scanAs(t, d, request); len(r.Drifts) != 2 {
		t.Fatalf("%+v", r.Drifts)
	}
	rule := ruleOf(func(r *taffrail.AcceptRule) {
		r.Address, r.Status, r.Path = "role (unmanaged made-by-the-*)", taffrail.Unmanaged, taffrail.Path{}
	})
	request.Accept = []taffrail.AcceptRule{rule}
	r := scanAs(t, d, request)
	if len(r.Drifts) != 1 || r.Drifts[0].Finding.Resource.ID != "made-by-hand" || r.Coverage.Ignored != 1 || r.Outcome != taffrail.OutcomeOK {
		t.Errorf("%+v %+v", r.Drifts, r.Coverage)
	}
	if len(r.Ended) != 1 || r.Ended[0].Why != taffrail.EndAccepted || !strings.HasPrefix(r.Coverage.Gaps[0].Detail, "accepted by team:a until ") {
		t.Errorf("%+v %+v", r.Ended, r.Coverage.Gaps)
	}
	request.Accept[0].Expires = earlier
	if r := scanAs(t, d, request); len(r.Drifts) != 2 || len(r.Expired) != 1 {
		t.Errorf("%+v %q", r.Drifts, r.Expired)
	}
	wellAt(t, s)
}
