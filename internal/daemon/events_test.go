package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Lock and Unlock implement [taffrail.Vault], badly.
func (testSealer) Lock(plain []byte) ([]byte, error) {
	return bytes.Map(func(r rune) rune { return r + 1 }, plain), nil
}

func (testSealer) Unlock(locked []byte) ([]byte, error) {
	return bytes.Map(func(r rune) rune { return r - 1 }, locked), nil
}

// deliveries is an audit source that delivers what a test puts there. Its records are JSON: id, at (seconds), who, what, on, text, secret.
type deliveries struct {
	batches []taffrail.Batch
	after   []taffrail.Cursor // that it was asked for
	taken   int               // batches that were acknowledged
	fail    error             // after the batches
	called  chan struct{}     // if not nil, told of each call
}

// ReadEvents implements [taffrail.EventReader].
func (s *deliveries) ReadEvents(_ context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) error {
	s.after = append(s.after, after)
	if s.called != nil {
		defer func() { s.called <- struct{}{} }()
	}
	for _, b := range s.batches {
		if after != "" && b.Next != "" && b.Next <= after {
			continue
		}
		if err := emit(b); err != nil {
			return err
		}
		s.taken++
	}
	return s.fail
}

type delivered struct {
	ID, Who, What, On, Text, Secret string
	At                              int
	Read                            bool
}

func (d delivered) record() taffrail.Record {
	raw, _ := json.Marshal(d)
	return taffrail.Record{Format: "audit", Raw: raw, Where: "record " + d.ID}
}

type auditDecoder struct{ sealer taffrail.Sealer }

func (c auditDecoder) Decode(raw []byte) (taffrail.Event, error) {
	var d delivered
	if err := json.Unmarshal(raw, &d); err != nil || d.ID == "" {
		return taffrail.Event{}, errors.New("it is no record")
	}
	secret, sealed := taffrail.ParseSealedText(d.Secret)
	if !sealed {
		secret = c.sealer.Seal(taffrail.String(d.Secret))
	}
	return taffrail.Event{
		ID: taffrail.EventID(d.ID), Source: "audit", Time: time.Date(2026, 1, 1, 0, 0, d.At, 0, time.UTC), Action: "thing:" + d.What, Read: d.Read,
		Actor:   taffrail.Actor{ID: d.Who, Class: taffrail.ActorPerson, Name: d.Who, Features: []string{"its name"}},
		Request: taffrail.Object(fields{"thingId": taffrail.String(d.On), "text": taffrail.String(d.Text), "secret": secret}), Response: taffrail.Null(), Digest: sha256.Sum256(raw),
	}, nil
}

func (c auditDecoder) Keep(raw []byte) (taffrail.Kept, error) {
	e, err := c.Decode(raw)
	if err != nil {
		return taffrail.Kept{}, err
	}
	var d delivered
	_ = json.Unmarshal(raw, &d)
	secret, _ := e.Request.Field("secret")
	d.Secret = taffrail.SealedText(secret)
	record, err := json.Marshal(d)
	return taffrail.Kept{Record: record, Digest: e.Digest, EventHead: taffrail.HeadOf(e)}, err
}

type auditSettings struct {
	Path string `yaml:"path"`
}

// addAudit registers the source.
func addAudit(r *plug.Registry, s *site) {
	plug.Add(r, "audit", func(_ context.Context, env plug.Env, _ nothing) (taffrail.Decoder, error) {
		return auditDecoder{env.Sealer}, nil
	})
	plug.Add(r, "audit", func(_ context.Context, _ plug.Env, c auditSettings) (taffrail.EventReader, error) {
		if s.deliveries == nil {
			return nil, errors.New("there is nothing")
		}
		return s.deliveries, nil
	})
	plug.Add(r, "door", func(context.Context, plug.Env, nothing) (taffrail.EventReceiver, error) { return door{}, nil })
}

// A door hears one record, and then nothing until it is closed.
type door struct{}

func (door) Receive(ctx context.Context, ready func(string), emit func(context.Context, taffrail.Batch) error) error {
	ready("here")
	err := emit(ctx, taffrail.Batch{Records: []taffrail.Record{delivered{ID: "1", Who: "carol", What: "Update", On: "a"}.record()}})
	<-ctx.Done()
	return err
}

func importAll(t *testing.T, d *Daemon) EventsTaken {
	t.Helper()
	taken, err := d.ImportEvents(t.Context(), ImportRequest{Path: "/somewhere", Source: "audit"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

// listed gives a line for each event that a filter takes.
func listed(t *testing.T, d *Daemon, r EventFilter) (lines []string) {
	t.Helper()
	err := d.ListEvents(t.Context(), r, func(e LoggedEvent) error {
		if e.Event == nil {
			lines = append(lines, "dead "+e.Where+": "+e.Fault)
		} else {
			lines = append(lines, string(e.Event.ID)+" "+e.Event.Action+" "+e.Event.Actor.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestEventsAreTakenInOnce(t *testing.T) {
	s := newSite(t, newWorld("a"))
	one := delivered{ID: "1", At: 1, Who: "carol", What: "Update", On: "a", Text: "x", Secret: "hunter2"}
	two := delivered{ID: "2", At: 2, Who: "dave", What: "Get", On: "a", Read: true}
	broken := taffrail.Record{Format: "audit", Raw: []byte("password=hunter2"), Where: "line 3"}
	faulty := taffrail.Record{Format: "audit", Raw: []byte("half a rec"), Where: "line 4", Fault: "it was cut off"}
	s.deliveries = &deliveries{batches: []taffrail.Batch{
		{Origin: "f1", Records: []taffrail.Record{one.record(), two.record(), one.record(), broken, faulty}},
		{Origin: "f2", Records: []taffrail.Record{two.record()}},
	}}
	d := s.start(t)
	got := importAll(t, d)
	if got.Began == nil || got.Began.Key == "" {
		t.Errorf("the log that was begun: %+v", got.Began)
	}
	got.Began = nil
	if want := (EventsTaken{Batches: 2, Events: 4, Changes: 1, Dead: 2, Repeated: 2, Last: 1}); got != want {
		t.Errorf("taken: %+v", got)
	}
	again := importAll(t, d)
	if want := (EventsTaken{Batches: 2, Repeated: 6}); again != want {
		t.Errorf("taken again: %+v", again)
	}
	all := bodies[taffrail.EventsReceived](t, d)
	if len(all) != 1 || all[0].Source != "audit" || all[0].Events != 4 || all[0].Dead != 2 {
		t.Errorf("entries: %+v", all)
	}
	want := []string{"2 thing:Get dave", "1 thing:Update carol"}
	if diff := cmp.Diff(want, listed(t, d, EventFilter{})); diff != "" {
		t.Error(diff)
	}
	want = []string{"dead line 4: it was cut off", "dead line 3: it is no record"}
	if diff := cmp.Diff(want, listed(t, d, EventFilter{Dead: true})); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		filter EventFilter
		want   []string
	}{
		{EventFilter{Changes: true}, []string{"1 thing:Update carol"}},
		{EventFilter{Actor: "DAV"}, []string{"2 thing:Get dave"}},
		{EventFilter{Action: "upd"}, []string{"1 thing:Update carol"}},
		{EventFilter{ID: "1"}, []string{"1 thing:Update carol"}},
		{EventFilter{Source: "other"}, nil},
		{EventFilter{Limit: 1}, []string{"2 thing:Get dave"}},
		{EventFilter{Until: time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)}, []string{"1 thing:Update carol"}},
		{EventFilter{Since: time.Date(2026, 1, 1, 0, 0, 2, 0, time.UTC)}, []string{"2 thing:Get dave"}},
	} {
		if diff := cmp.Diff(tc.want, listed(t, d, tc.filter)); diff != "" {
			t.Errorf("%+v: %s", tc.filter, diff)
		}
	}
	wellAt(t, s)
}

func TestTrap29_NoSecretOfAnEventIsStored(t *testing.T) {
	s := newSite(t, newWorld("a"))
	s.deliveries = &deliveries{batches: []taffrail.Batch{{Records: []taffrail.Record{
		delivered{ID: "1", Who: "carol", What: "Update", On: "a", Secret: "hunter2"}.record(), {Format: "audit", Raw: []byte("hunter2"), Where: "line 2"},
	}}}}
	d := s.start(t)
	importAll(t, d)
	err := d.Entries(t.Context(), 0, -1, func(e LogEntry) error {
		for _, data := range append(slices.Collect(valuesOf(e.Blobs)), e.Leaf) {
			if bytes.Contains(data, []byte("hunter2")) {
				t.Errorf("entry %d holds it", e.Index)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = d.ListEvents(t.Context(), EventFilter{}, func(e LoggedEvent) error {
		if text, _ := json.Marshal(e); bytes.Contains(text, []byte("hunter2")) || !bytes.Contains(text, []byte("hmac:")) {
			t.Errorf("shown: %s", text)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeReadIsNeverLost(t *testing.T) {
	s := newSite(t, newWorld("a"))
	s.deliveries = &deliveries{batches: []taffrail.Batch{{Records: []taffrail.Record{
		delivered{ID: "1", Who: "carol", What: "Update", On: "a"}.record(), {Format: "audit", Raw: []byte("password=hunter2"), Where: "line 2"},
	}}}}
	d := s.start(t)
	importAll(t, d)
	batch := int64(1)
	var got []byte
	take := func(record []byte) error { got = record; return nil }
	for _, r := range []UnlockRequest{{Batch: batch, Record: 1}, {Batch: batch, Record: 0, Reason: "r"}, {Batch: batch, Record: 2, Reason: "r"}, {Batch: 0, Record: 0, Reason: "r"}, {Batch: 99, Reason: "r"}} {
		if _, err := d.UnlockEvent(t.Context(), r, take); err == nil || got != nil {
			t.Errorf("%+v was unlocked: %q %v", r, got, err)
		}
	}
	if n := len(bodies[taffrail.EventUnlocked](t, d)); n != 0 {
		t.Errorf("%d entries about what was not done", n)
	}
	if _, err := d.UnlockEvent(t.Context(), UnlockRequest{Batch: batch, Record: 1, Reason: "a new form?", By: "jane"}, take); err != nil || string(got) != "password=hunter2" {
		t.Errorf("%q %v", got, err)
	}
	if said := bodies[taffrail.EventUnlocked](t, d); len(said) != 2 || said[1].Reason != "a new form?" || said[1].Digest == "" {
		t.Errorf("entries: %+v", said)
	}
	wellAt(t, s)
}

// A reader's cursor is stored with the events, and with nothing else.
func TestCursorIsStoredWithTheEvents(t *testing.T) {
	s := newSite(t, newWorld("a"))
	record := func(id string) []taffrail.Record {
		return []taffrail.Record{delivered{ID: id, Who: "carol", What: "Update", On: "a"}.record()}
	}
	s.deliveries = &deliveries{called: make(chan struct{}), batches: []taffrail.Batch{{Records: record("1"), Next: "1"}, {Records: record("2"), Next: "2"}}}
	s.installation = config.Installation{
		Sources: []config.Source{{Name: "trail", Section: config.Section{Plugin: "audit"}}}, EventsEvery: time.Nanosecond, Heartbeat: time.Hour,
	}
	d := s.start(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.ReceiveEvents(ctx, nil, nil) }()
	<-s.deliveries.called
	<-s.deliveries.called
	stop()
	go func() {
		for range s.deliveries.called {
		}
	}()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := s.deliveries.after[:2]; got[0] != "" || got[1] != "2" {
		t.Errorf("asked for what is after %q", got)
	}
	if diff := cmp.Diff([]string{"2 thing:Update carol", "1 thing:Update carol"}, listed(t, d, EventFilter{Source: "trail"})); diff != "" {
		t.Error(diff)
	}
	wellAt(t, s)
}

// The heartbeats of the process that listens now come before it listens, and say nothing of the time when none did.
func TestNobodyListenedBeforeTheFirstHeartbeat(t *testing.T) {
	s := newSite(t, newWorld("a"))
	source := config.Source{Name: "door", Section: config.Section{Plugin: "door"}}
	d := s.start(t)
	if _, err := d.ensure(t.Context(), InitRequest{}); err != nil {
		t.Fatal(err)
	}
	gaps := func() (all []taffrail.LogNotice) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		f, err := d.openSource(ctx, source)
		if err == nil {
			err = d.beat(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.run(ctx, func(err error) { t.Error(err) }, nil, func(_ string, taken EventsTaken) {
			if taken.Notices == 0 {
				stop()
			}
		})
		for _, body := range bodies[taffrail.EventsReceived](t, d) {
			all = append(all, body.Notices...)
		}
		return all
	}
	if got := gaps(); len(got) != 0 {
		t.Errorf("the first time: %v", got)
	}
	left := s.clock
	s.clock = s.clock.Add(time.Hour)
	got := gaps()
	if len(got) != 1 || got[0].Kind != taffrail.NoticeGap || got[0].Start.After(left) || got[0].End.Before(left.Add(time.Hour)) {
		t.Errorf("an hour later: %v", got)
	}
}

func TestNothingIsAcknowledgedThatIsNotInTheLog(t *testing.T) {
	s := newSite(t, newWorld("a"))
	s.deliveries = &deliveries{batches: []taffrail.Batch{{Records: []taffrail.Record{delivered{ID: "1", Who: "c", What: "U", On: "a"}.record()}}}}
	d := s.start(t)
	importAll(t, d)
	s.deliveries.taken = 0
	s.deliveries.batches = []taffrail.Batch{{Next: taffrail.Cursor(strings.Repeat("x", taffrail.MaxCursor+1))}}
	if _, err := d.ImportEvents(t.Context(), ImportRequest{Source: "audit"}, nil); err != nil {
		t.Errorf("an import moved a cursor: %v", err) // it drops cursors
	}
	l, _ := d.current()
	in, err := d.newIntake(t.Context(), "audit")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.take(t.Context(), s.deliveries.batches[0]); err == nil {
		t.Error("a cursor without bound was taken")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := in.take(ctx, taffrail.Batch{Records: []taffrail.Record{delivered{ID: "2", Who: "c", What: "U", On: "a"}.record()}}); err == nil {
		t.Error("it was taken though nothing can be written")
	}
	_ = l
	if got := listed(t, d, EventFilter{}); len(got) != 1 {
		t.Errorf("in the log: %q", got)
	}
}

func valuesOf[K comparable, V any](m map[K]V) func(func(V) bool) {
	return func(yield func(V) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestScanSaysWhoMovedIt(t *testing.T) {
	w := newWorld("alpha", "beta")
	s := newSite(t, w)
	d := s.start(t)
	if r := scanOnce(t, d); len(r.Drifts) != 0 {
		t.Fatal(r.Drifts)
	}
	w.find("alpha").Live = observe("alpha", "moved").Live
	r := scanOnce(t, d)
	if len(r.Drifts) != 1 || r.Drifts[0].Causes != nil {
		t.Fatalf("no event ever came: %+v", r.Drifts)
	}
	at := int(s.clock.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds()) - 4
	s.deliveries = &deliveries{batches: []taffrail.Batch{{
		Records: []taffrail.Record{
			delivered{ID: "1", At: at, Who: "carol", What: "UpdateThing", On: "alpha", Text: "moved"}.record(),
			delivered{ID: "2", At: at, Who: "dave", What: "UpdateThing", On: "beta", Text: "moved"}.record(),
		}, Settled: s.clock.Add(time.Hour),
	}}}
	importAll(t, d)
	r = scanOnce(t, d)
	causes := r.Drifts[0].Causes
	if causes == nil || !causes.Settled || len(causes.Changes) != 1 || causes.Changes[0].Event == nil || causes.Changes[0].Event.Actor.ID != "carol" {
		t.Fatalf("causes: %+v", causes)
	}
	found := bodies[taffrail.CauseFound](t, d)
	if len(found) != 1 || len(found[0].Events) != 1 || found[0].Events[0].Event != "1" || found[0].Events[0].Record != 0 || found[0].Drift != r.Drifts[0].ID || found[0].Entry != r.Drifts[0].Entry {
		t.Errorf("entry: %+v", found)
	}
	// The next scan finds the same, and writes nothing of it.
	if again := scanOnce(t, d); again.Drifts[0].Causes == nil || again.Drifts[0].Causes.Entry != causes.Entry || len(bodies[taffrail.CauseFound](t, d)) != 1 {
		t.Errorf("again: %+v", again.Drifts[0].Causes)
	}
	answers, err := d.Why(t.Context(), WhyRequest{Address: "thing.alpha", Path: "text"})
	if err != nil || len(answers) != 1 || len(answers[0].Selected) != 1 || answers[0].Drift.Causes.Entry != causes.Entry {
		t.Errorf("why: %+v %v", answers, err)
	}
	for _, r := range []WhyRequest{{Address: "thing.beta"}, {Address: "thing.alpha", Path: "other"}, {Drift: "drift-0"}} {
		if _, err := d.Why(t.Context(), r); taffrail.KindOf(err) != taffrail.KindNotFound {
			t.Errorf("why %+v: %v", r, err)
		}
	}
	h, err := d.History(t.Context(), HistoryRequest{Address: "thing.alpha"})
	var what []string
	for _, i := range h.Items {
		what = append(what, i.What)
	}
	if diff := cmp.Diff([]string{"version", "event", "drift", "version", "cause"}, what); diff != "" || err != nil {
		t.Error(diff, err, h.Items)
	}
	wellAt(t, s)
}

func TestLateEventsReviseTheAnswer(t *testing.T) {
	w := newWorld("alpha")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	second := func() int { return int(s.clock.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds()) }
	at := second()
	w.find("alpha").Live = observe("alpha", "moved").Live
	s.deliveries = &deliveries{batches: []taffrail.Batch{{Records: []taffrail.Record{delivered{ID: "0", At: 1, Who: "eve", What: "GetThing", On: "alpha", Read: true}.record()}}}}
	importAll(t, d)
	r := scanOnce(t, d)
	if c := r.Drifts[0].Causes; c == nil || c.Settled || c.Changes[0].Tier != taffrail.TierAwaiting {
		t.Fatalf("before the event has come: %+v", c)
	}
	s.deliveries.batches = []taffrail.Batch{{
		Records: []taffrail.Record{delivered{ID: "1", At: at + 1, Who: "carol", What: "UpdateThing", On: "alpha", Text: "moved"}.record()}, Settled: s.clock.Add(time.Hour),
	}}
	importAll(t, d)
	r = scanOnce(t, d)
	if c := r.Drifts[0].Causes; c == nil || !c.Settled || c.Changes[0].Event == nil || c.Changes[0].Event.ID != "1" {
		t.Fatalf("after it has come: %+v", c)
	}
	found := bodies[taffrail.CauseFound](t, d)
	if len(found) != 2 || found[1].Before == nil || found[0].Before != nil {
		t.Errorf("entries: %+v", found)
	}
	answers, err := d.Why(t.Context(), WhyRequest{Address: "thing.alpha"})
	if err != nil || len(answers[0].Revised) != 1 {
		t.Errorf("why: %+v %v", answers, err)
	}
	wellAt(t, s)
}

func TestAKnownGapIsNeverSilent(t *testing.T) {
	w := newWorld("alpha")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	w.find("alpha").Live = observe("alpha", "moved").Live
	gap := taffrail.LogNotice{Kind: taffrail.NoticeGap, Start: s.clock.Add(-time.Hour), End: s.clock.Add(time.Hour), What: "a file is missing"}
	s.deliveries = &deliveries{batches: []taffrail.Batch{{Notices: []taffrail.LogNotice{gap}, Settled: s.clock.Add(time.Hour)}}}
	importAll(t, d)
	r := scanOnce(t, d)
	c := r.Drifts[0].Causes
	if c == nil || c.Changes[0].Tier != taffrail.TierUnexplained || !strings.Contains(c.Changes[0].Reason, "a gap in the log") {
		t.Fatalf("with a gap: %+v", c)
	}
	sources, err := d.EventSources(t.Context())
	if err != nil || len(sources) != 1 || len(sources[0].Notices) != 1 {
		t.Errorf("sources: %+v %v", sources, err)
	}
	// What was missing has come: the gap is closed.
	closed := gap
	closed.Kind = taffrail.NoticeClosed
	s.deliveries.batches = []taffrail.Batch{{Notices: []taffrail.LogNotice{closed}}}
	importAll(t, d)
	if sources, err = d.EventSources(t.Context()); err != nil || len(sources[0].Notices) != 0 {
		t.Errorf("sources: %+v %v", sources, err)
	}
}

// TestALogThatLosesEventsIsNotTrustedWhole has three things move of which no event ever comes: the answer to the fourth is the less sure for it. What
// was moved before any event came says nothing of what is lost.
func TestALogThatLosesEventsIsNotTrustedWhole(t *testing.T) {
	for _, early := range []bool{true, false} {
		w := newWorld("alpha", "beta", "gamma", "delta")
		s := newSite(t, w)
		d := s.start(t)
		scanOnce(t, d)
		second := func() int { return int(s.clock.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds()) }
		first := delivered{ID: "0", At: 1, Who: "eve", What: "GetThing", On: "alpha", Read: true}
		if !early {
			first.At = second()
		}
		s.deliveries = &deliveries{batches: []taffrail.Batch{{Records: []taffrail.Record{first.record()}, Settled: s.clock.Add(time.Hour)}}}
		importAll(t, d)
		for _, name := range []string{"alpha", "beta", "gamma"} {
			w.find(name).Live = observe(name, "moved").Live
		}
		for _, drift := range scanOnce(t, d).Drifts {
			if c := drift.Causes; c == nil || !c.Settled || c.Changes[0].Basis != "unseen" {
				t.Fatalf("causes: %+v", c)
			}
		}
		w.find("delta").Live = observe("delta", "moved").Live
		s.deliveries.batches = []taffrail.Batch{{
			Records: []taffrail.Record{delivered{ID: "1", At: second(), Who: "carol", What: "UpdateThing", On: "delta", Text: "moved"}.record()}, Settled: s.clock.Add(time.Hour),
		}}
		importAll(t, d)
		r := scanOnce(t, d)
		i := slices.IndexFunc(r.Drifts, func(d taffrail.Drift) bool { return d.Finding.Resource.Address == "thing.delta" })
		c := r.Drifts[i].Causes.Changes[0]
		if c.Event == nil || strings.HasSuffix(c.Basis, ", losing") != early || strings.Contains(c.Reason, "loses events") != early {
			t.Errorf("events before the first scan: %v: %+v", early, c)
		}
		before := len(bodies[taffrail.CauseFound](t, d))
		importAll(t, d)
		if scanOnce(t, d); len(bodies[taffrail.CauseFound](t, d)) != before {
			t.Error("the same is answered again")
		}
	}
}

// TestWhatWasAnsweredSinceIsNotMissing has three things move whose events come late, and one move by itself, again and again: no event is lost.
func TestWhatWasAnsweredSinceIsNotMissing(t *testing.T) {
	w := newWorld("alpha", "beta", "gamma", "delta", "loose")
	s := newSite(t, w)
	d := s.start(t)
	scanOnce(t, d)
	second := func() int { return int(s.clock.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds()) }
	deliver := func(records ...taffrail.Record) {
		s.deliveries = &deliveries{batches: []taffrail.Batch{{Records: records, Settled: s.clock.Add(time.Hour)}}}
		importAll(t, d)
	}
	deliver(delivered{ID: "0", At: 1, Who: "eve", What: "GetThing", On: "alpha", Read: true}.record())
	var late []taffrail.Record
	for i, name := range []string{"alpha", "beta", "gamma"} {
		w.find(name).Live = observe(name, "moved").Live
		late = append(late, delivered{ID: fmt.Sprint("late ", i), At: second(), Who: "carol", What: "UpdateThing", On: name, Text: "moved"}.record())
	}
	scanOnce(t, d)
	deliver(late...)
	still := w.find("loose").Live
	for range 4 {
		w.find("loose").Live = still
		scanOnce(t, d)
		w.find("loose").Live = observe("loose", "by itself").Live
		scanOnce(t, d)
	}
	w.find("delta").Live = observe("delta", "moved").Live
	deliver(delivered{ID: "1", At: second(), Who: "carol", What: "UpdateThing", On: "delta", Text: "moved"}.record())
	r := scanOnce(t, d)
	for _, drift := range r.Drifts {
		c := drift.Causes.Changes[0]
		if named := drift.Finding.Resource.Address != "thing.loose"; (c.Event != nil) != named || strings.Contains(c.Basis, ", ") {
			t.Errorf("%s: %+v", drift.Finding.Resource.Address, c)
		}
	}
	missing := 0
	for _, f := range bodies[taffrail.CauseFound](t, d) {
		missing += f.Missing
	}
	if missing < 7 || len(r.Drifts) != 5 {
		t.Errorf("%d were missing at a time, and %d things drift", missing, len(r.Drifts))
	}
}

func TestManyNoticesFitAnEntry(t *testing.T) {
	var all []taffrail.LogNotice
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 200 {
		all = append(all, taffrail.LogNotice{Kind: taffrail.NoticeGap, Start: at.Add(time.Duration(i) * time.Hour), End: at.Add(time.Duration(i+1) * time.Hour), What: fmt.Sprint(strings.Repeat("x", 1000), i)})
	}
	got := boundNotices(all)
	if len(got) != maxNotices || !got[maxNotices-1].End.Equal(at.Add(200*time.Hour)) || len(got[0].What) > maxNotice+3 {
		t.Errorf("%d notices, the last until %v", len(got), got[len(got)-1].End)
	}
}
