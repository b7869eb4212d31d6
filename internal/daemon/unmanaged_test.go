package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// searched gives a site in which one unmanaged resource was found, of type role, and a request for that type.
func searched(t *testing.T) (*site, *listingWorld, *Daemon, ScanRequest) {
	t.Helper()
	w := &listingWorld{world: newWorld("a"), found: []taffrail.Observation{stray("role", "one")}}
	w.listing.Listed = []taffrail.ResourceType{"role"}
	s := newSite(t, w.world)
	s.stack = w
	d := s.start(t)
	request := ScanRequest{Scope: taffrail.Scope{Types: []taffrail.ResourceType{"role"}}}
	r := scanAs(t, d, request)
	if len(r.Drifts) != 1 || r.Drifts[0].Finding.Status != taffrail.Unmanaged || r.Statuses[taffrail.Unmanaged] != 1 || r.Coverage.Total != 2 {
		t.Fatalf("%+v", r)
	}
	return s, w, d, request
}

func TestTrap35_AnUnmanagedDriftEndsOnlyWhereItsTypeWasListed(t *testing.T) {
	roles := []taffrail.ResourceType{"role"}
	for _, tc := range []struct {
		name    string
		change  func(*listingWorld, *ScanRequest)
		want    taffrail.EndReason
		unseen  bool
		outcome taffrail.Outcome
	}{
		{"listed, and gone", func(*listingWorld, *ScanRequest) {}, taffrail.EndGone, false, taffrail.OutcomeOK},
		{"a scan without a scope", func(_ *listingWorld, r *ScanRequest) { r.Scope = taffrail.Scope{} }, "", false, taffrail.OutcomeOK},
		{"a scope of other types", func(w *listingWorld, r *ScanRequest) {
			r.Scope.Types, w.listing.Listed = []taffrail.ResourceType{"bucket"}, []taffrail.ResourceType{"bucket"}
		}, "", false, taffrail.OutcomeOK},
		{"listed among all", func(w *listingWorld, r *ScanRequest) {
			r.Scope.Types, w.listing.Listed = []taffrail.ResourceType{taffrail.EveryType}, []taffrail.ResourceType{"zone", "role", "bucket"}
		}, taffrail.EndGone, false, taffrail.OutcomeOK},
		{"not listed among all", func(w *listingWorld, r *ScanRequest) {
			r.Scope.Types, w.listing.Listed = []taffrail.ResourceType{taffrail.EveryType}, []taffrail.ResourceType{"bucket"}
			w.listing.Gaps = []taffrail.Gap{{Type: "role", Reason: taffrail.ReasonDenied, Detail: "403"}}
		}, "", true, taffrail.OutcomeIncomplete},
		{"denied", func(w *listingWorld, _ *ScanRequest) {
			w.listing = taffrail.Listing{Gaps: []taffrail.Gap{{Type: "role", Reason: taffrail.ReasonDenied, Detail: "403"}}}
		}, "", true, taffrail.OutcomeIncomplete},
		{"listed, and a page of it missing", func(w *listingWorld, _ *ScanRequest) {
			w.listing.Gaps = []taffrail.Gap{{Type: "role", Reason: taffrail.ReasonThrottled, Detail: "429"}}
		}, "", true, taffrail.OutcomeIncomplete},
		{"not a word", func(w *listingWorld, _ *ScanRequest) { w.listing = taffrail.Listing{} }, "", true, taffrail.OutcomeIncomplete},
		{"the listing failed", func(w *listingWorld, _ *ScanRequest) { w.failed = errors.New("the provider died") }, "", true, taffrail.OutcomeIncomplete},
		{"the state moved", func(w *listingWorld, _ *ScanRequest) { w.during = func(_ int, w *world) { w.info.Serial++ } }, "", true, taffrail.OutcomeIncomplete},
		{"a scan of one address", func(_ *listingWorld, r *ScanRequest) {
			r.Scope, r.Selection.Addresses = taffrail.Scope{}, []taffrail.Address{"thing.a"}
		}, "", false, taffrail.OutcomeOK},
		{"a gap of another type", func(w *listingWorld, r *ScanRequest) {
			r.Scope.Types = append(slices.Clone(roles), "bucket")
			w.listing.Gaps = []taffrail.Gap{{Type: "bucket", Reason: taffrail.ReasonUnsupported, Detail: "it has no list"}}
		}, taffrail.EndGone, false, taffrail.OutcomeOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, w, d, request := searched(t)
			w.found = nil
			tc.change(w, &request)
			r := scanAs(t, d, request)
			var ended taffrail.EndReason
			if len(r.Ended) == 1 {
				ended = r.Ended[0].Why
			}
			if ended != tc.want || len(r.Unseen) == 1 != tc.unseen || r.Outcome != tc.outcome || len(r.Drifts) != 0 {
				t.Errorf("ended %q, unseen %v, outcome %s", ended, r.Unseen, r.Outcome)
			}
			wellAt(t, s)
		})
	}
}

func TestTrap35_TypesThatCouldNotBeListedAreNamed(t *testing.T) {
	s, w, d, request := searched(t)
	request.Scope.Types = []taffrail.ResourceType{"role", "zone", "queue"}
	w.listing.Gaps = []taffrail.Gap{{Type: "zone", Reason: taffrail.ReasonUnsupported, Detail: "it has no list"}}
	r := scanAs(t, d, request)
	want := []taffrail.Gap{
		{Type: "queue", Reason: taffrail.ReasonError, Detail: "the listing ended without a word about it"},
		{Type: "zone", Reason: taffrail.ReasonUnsupported, Detail: "it has no list"},
	}
	if diff := cmp.Diff(want, r.Coverage.Gaps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]taffrail.ResourceType{"role"}, r.Listed); diff != "" {
		t.Error(diff)
	}
	finished := bodies[taffrail.ScanFinished](t, d)
	if last := finished[len(finished)-1]; !slices.Equal(last.Listed, r.Listed) || last.Gaps == nil {
		t.Errorf("%+v", last)
	}
	started := bodies[taffrail.ScanStarted](t, d)
	if last := started[len(started)-1]; !slices.Equal(last.Scope.Types, request.Scope.Types) {
		t.Errorf("%+v", last)
	}
	wellAt(t, s)
}

// A type that could not be listed says nothing about what the stack records.
func TestAGapOfATypeReleasesWhatTheStackNoLongerRecords(t *testing.T) {
	s, w, d, request := searched(t)
	*w.world.find("a") = observe("a", "moved")
	scanAs(t, d, request)
	w.observations = nil
	w.listing = taffrail.Listing{Gaps: []taffrail.Gap{{Type: "role", Reason: taffrail.ReasonDenied, Detail: "403"}}}
	r := scanAs(t, d, request)
	if diff := cmp.Diff([]EndedDrift{{ID: r.Ended[0].ID, Address: "thing.a", Why: taffrail.EndReleased}}, r.Ended); diff != "" {
		t.Error(diff)
	}
	wellAt(t, s)
}

func TestAStackThatCannotBeSearched(t *testing.T) {
	s := newSite(t, newWorld("a"))
	r := scanAs(t, s.start(t), ScanRequest{Scope: taffrail.Scope{Types: []taffrail.ResourceType{taffrail.EveryType}}})
	if len(r.Coverage.Gaps) != 1 || r.Coverage.Gaps[0].Type != taffrail.EveryType || r.Coverage.Gaps[0].Reason != taffrail.ReasonUnsupported {
		t.Errorf("%+v", r.Coverage.Gaps)
	}
}

func TestASearchThatIsCutShort(t *testing.T) {
	s, w, d, request := searched(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.during = func(int, *world) { cancel() }
	asked := w.asked
	request.System = "fake"
	r, err := d.Scan(ctx, request, nil)
	if err != nil || r.Outcome != taffrail.OutcomeIncomplete || len(r.Ended) != 0 || len(r.Unseen) != 1 || w.asked != asked {
		t.Errorf("%v %+v", err, r)
	}
	if !slices.ContainsFunc(r.Coverage.Gaps, func(g taffrail.Gap) bool { return g.Type == "role" && g.Reason == taffrail.ReasonCancelled }) {
		t.Errorf("%+v", r.Coverage.Gaps)
	}
	wellAt(t, s)
}

func TestPendingAloneIsNoDrift(t *testing.T) {
	w := newWorld("a", "b", "c", "d")
	wanted := taffrail.Object(fields{"text": taffrail.String("as the code has it now"), "etag": taffrail.String("1")})
	*w.find("b") = observe("b", "moved")
	w.find("a").Desired, w.find("a").Action = wanted, taffrail.ActionUpdate
	w.find("b").Desired, w.find("b").Action = wanted, taffrail.ActionUpdate
	w.gap("d", taffrail.ReasonDenied)
	w.find("d").Action = taffrail.ActionDelete
	s := newSite(t, w)
	d := s.start(t)
	r := scanOnce(t, d)
	if len(r.Drifts) != 1 || r.Drifts[0].Finding.Resource.Address != "thing.b" || !r.Drifts[0].Finding.Pending || len(r.Noise) != 0 {
		t.Errorf("%+v", r.Drifts)
	}
	if len(r.Pending) != 2 || r.Pending[0].Resource.Address != "thing.a" || r.Pending[1].Resource.Address != "thing.d" || r.Pending[0].Action != taffrail.ActionUpdate {
		t.Errorf("%+v", r.Pending)
	}
	if body := bodies[taffrail.ScanFinished](t, d)[0]; body.Pending != 3 || body.Statuses[taffrail.InSync] != 2 {
		t.Errorf("%+v", body)
	}
	// A scan that does not ask for what is pending changes no drift, nor does the next one that asks.
	for range 2 {
		w.find("b").Desired, w.find("b").Action = taffrail.Unknown(), ""
		if r := scanOnce(t, d); r.Drifts[0].Changed || r.Drifts[0].New {
			t.Errorf("%+v", r.Drifts)
		}
		w.find("b").Desired, w.find("b").Action = wanted, taffrail.ActionUpdate
		if r := scanOnce(t, d); r.Drifts[0].Changed {
			t.Errorf("%+v", r.Drifts)
		}
	}
	w.during = func(_ int, w *world) { w.info.Serial++ }
	if r := scanOnce(t, d); len(r.Pending) != 0 {
		t.Errorf("the state moved, and yet: %+v", r.Pending)
	}
	wellAt(t, s)
}

// What a scan is about does not keep its entries from being written.
func TestEntriesHaveABound(t *testing.T) {
	s, w, d, request := searched(t)
	var many []taffrail.ResourceType
	for i := range 3000 {
		many = append(many, taffrail.ResourceType(fmt.Sprintf("cloud_service_of_some_sort_%04d", i)))
	}
	w.listing.Listed, request.Scope.Types = many, []taffrail.ResourceType{taffrail.EveryType}
	if r := scanAs(t, d, request); len(r.Listed) != len(many) {
		t.Errorf("%d types", len(r.Listed))
	}
	finished := bodies[taffrail.ScanFinished](t, d)
	if last := finished[len(finished)-1]; len(last.Listed) != 0 || last.ListedAll == nil || len(payload[[]taffrail.ResourceType](t, d, *last.ListedAll)) != len(many) {
		t.Errorf("%+v", last)
	}
	w.fail = errors.New(strings.Repeat("the provider said much. ", 10_000))
	if _, err := d.Scan(t.Context(), ScanRequest{System: "fake"}, nil); !errors.Is(err, w.fail) {
		t.Errorf("%.200v", err)
	}
	w.fail = nil
	request.System, request.Scope.Types = "fake", many
	if _, err := d.Scan(t.Context(), request, nil); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
		t.Errorf("%.200v", err)
	}
	wellAt(t, s)
}
