package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

var eventsBegan = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// event is a record of an event that is found by some names.
func event(id string, after time.Duration, keys ...string) store.EventRecord {
	sum := sha256.Sum256([]byte(id))
	return store.EventRecord{
		Digest: hex.EncodeToString(sum[:]), Format: "fake", Where: "record " + id, Record: json.RawMessage(`{"id":"` + id + `"}`),
		Head: &taffrail.EventHead{ID: taffrail.EventID(id), Time: eventsBegan.Add(after), Action: "s:Do", Actor: "carol", Changes: len(keys) > 0, Keys: keys},
	}
}

// batch appends records, and gives the index of the entry.
func batch(t testing.TB, s *store.Store, body taffrail.EventsReceived, records ...store.EventRecord) (index int64) {
	t.Helper()
	p, err := store.NewEventPayload("salt")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := p.Add(r); err != nil {
			t.Fatal(err)
		}
		body.Events++
		if r.Head != nil {
			if body.First == nil || r.Head.Time.Before(*body.First) {
				body.First = &r.Head.Time
			}
			if body.Last == nil || r.Head.Time.After(*body.Last) {
				body.Last = &r.Head.Time
			}
		} else {
			body.Dead++
		}
	}
	payload, digest, err := p.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	body.Digest = digest
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		if body.Payload, err = tx.PutBlob(payload); err != nil {
			return err
		}
		stamp, err := tx.Append(entry(body))
		index = stamp.Index
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// idsFound gives the IDs of the events that are found by names.
func idsFound(t testing.TB, s *store.Store, limit int, names ...string) (ids []string) {
	t.Helper()
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		at, err := tx.FindEvents(names, time.Time{}, eventsBegan.Add(24*time.Hour), limit)
		if err != nil {
			return err
		}
		found, err := tx.Events(at)
		for _, f := range found {
			ids = append(ids, string(f.Head.ID))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestEventsAreFoundByTheirNames(t *testing.T) { onEach(t, eventsAreFoundByTheirNames) }

func eventsAreFoundByTheirNames(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	body := taffrail.EventsReceived{Source: "trail", Cursor: "1", Settled: new(eventsBegan)}
	batch(t, s, body, event("a", 0, "sg-1", "web"), event("b", time.Second, "sg-2"), event("read", 2*time.Second))
	var many []store.EventRecord
	for i := range 5000 { // of more than one frame
		e := event(fmt.Sprintf("m%d", i), time.Minute+time.Duration(i)*time.Millisecond, fmt.Sprintf("x-%d", i%7))
		e.Record = json.RawMessage(`"` + strings.Repeat("filler ", 20) + `"`)
		many = append(many, e)
	}
	last := batch(t, s, taffrail.EventsReceived{Source: "trail", Cursor: "2"}, append(many, event("c", time.Hour, "sg-1"))...)
	for _, tc := range []struct {
		names []string
		want  []string
	}{
		{[]string{"sg-1"}, []string{"a", "c"}},
		{[]string{"sg-1", "web", "sg-2"}, []string{"a", "b", "c"}},
		{[]string{"sg-3"}, nil},
	} {
		if diff := cmp.Diff(tc.want, idsFound(t, s, 100, tc.names...)); diff != "" {
			t.Errorf("%v: %s", tc.names, diff)
		}
	}
	if got := idsFound(t, s, 2, "x-3"); len(got) != 2 || got[1] != "m4994" {
		t.Errorf("the latest two: %v", got)
	}
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		known, err := tx.KnownRecords([]string{event("a", 0).Digest, event("read", 0).Digest, event("other", 0).Digest})
		if want := map[string]bool{event("a", 0).Digest: true, event("read", 0).Digest: true}; !cmp.Equal(want, known) {
			t.Errorf("known: %v", known)
		}
		at, failed := tx.FindEvent("m4000")
		whole, unread := tx.EventWhole(at[0])
		if whole.N != 4000 || whole.Head.ID != "m4000" || whole.Source != "trail" {
			t.Errorf("whole: %+v", whole)
		}
		cursor, uncursed := tx.EventCursor("trail")
		if none, _ := tx.EventCursor("nobody"); cursor != "2" || none != "" {
			t.Errorf("cursors %q %q", cursor, none)
		}
		sources, unsourced := tx.EventSources()
		want := []store.EventSource{{Source: "trail", Entry: last, Settled: eventsBegan, First: eventsBegan, Last: eventsBegan.Add(time.Hour), Events: 5004}}
		if diff := cmp.Diff(want, sources); diff != "" {
			t.Error(diff)
		}
		return errors.Join(err, failed, unread, uncursed, unsourced)
	})
	if err != nil {
		t.Error(err)
	}
	rebuildsToItself(t, s)
}

// rebuildsToItself says that the index is what follows from the log.
func rebuildsToItself(t testing.TB, s *store.Store) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		_, changed, err := tx.RebuildIndex()
		if len(changed) > 0 {
			t.Errorf("rebuilding the index: %q", changed)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestErasedEventsAreFoundNoMore(t *testing.T) { onEach(t, erasedEventsAreFoundNoMore) }

func erasedEventsAreFoundNoMore(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	index := batch(t, s, taffrail.EventsReceived{Source: "trail", Cursor: "1"}, event("a", 0, "sg-1"))
	batch(t, s, taffrail.EventsReceived{Source: "trail"}, event("b", time.Second, "sg-1"))
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		var sum string
		err := tx.Entries(index, index+1, func(_ int64, leaf []byte) error {
			e, err := taffrail.ParseEntry(leaf)
			sum = e.Body.Payloads()[0].SHA256
			return err
		})
		if err != nil {
			return err
		}
		if err := tx.ErasePayload(index, sum); err != nil {
			return err
		}
		e := entry(taffrail.Redacted{Entry: index, Payload: sum, Reason: "r", Basis: "b"})
		e.Outcome = taffrail.OutcomeOK
		_, err = tx.Append(e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := idsFound(t, s, 10, "sg-1"); !cmp.Equal(got, []string{"b"}) {
		t.Errorf("found %v", got)
	}
	err = s.Read(t.Context(), func(tx *store.Tx) error {
		cursor, err := tx.EventCursor("trail")
		if cursor != "1" {
			t.Errorf("cursor %q", cursor)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	rebuildsToItself(t, s)
}

func TestNoticesAndCausesAreIndexed(t *testing.T) { onEach(t, noticesAndCausesAreIndexed) }

func noticesAndCausesAreIndexed(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	gap := taffrail.LogNotice{Kind: taffrail.NoticeGap, Start: eventsBegan, End: eventsBegan.Add(time.Hour), What: "a file is missing"}
	index := batch(t, s, taffrail.EventsReceived{Source: "trail", Notices: []taffrail.LogNotice{gap}})
	var causes int64
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		stamp, err := tx.Append(entry(taffrail.CauseFound{Drift: "drift-1", Entry: 7}))
		causes = stamp.Index
		if err == nil {
			stamp, err = tx.Append(entry(taffrail.CauseFound{Drift: "drift-1", Entry: 7, Settled: true}))
			causes = stamp.Index
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Read(t.Context(), func(tx *store.Tx) error {
		for _, tc := range []struct{ from, to time.Duration }{{-time.Hour, time.Minute}, {30 * time.Minute, 40 * time.Minute}} {
			notices, err := tx.SourceNotices(eventsBegan.Add(tc.from), eventsBegan.Add(tc.to))
			if diff := cmp.Diff([]store.SourceNotice{{Entry: index, Source: "trail", LogNotice: gap}}, notices); diff != "" || err != nil {
				t.Error(diff, err)
			}
		}
		if none, err := tx.SourceNotices(eventsBegan.Add(2*time.Hour), eventsBegan.Add(3*time.Hour)); len(none) > 0 || err != nil {
			t.Error(none, err)
		}
		at, err := tx.CausesOf([]taffrail.DriftID{"drift-1", "drift-2"})
		want := map[taffrail.DriftID]store.CauseAt{"drift-1": {Index: causes, Entry: 7, Settled: true}}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	rebuildsToItself(t, s)
}

func TestDamagedEventsAreRefused(t *testing.T) {
	p, _ := store.NewEventPayload("s")
	for i := range 3 {
		if err := p.Add(event(fmt.Sprint(i), 0, "k")); err != nil {
			t.Fatal(err)
		}
	}
	good, _, err := p.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for cut := range good {
		if err := store.ReadEventPayload(good[:cut], func(int64, store.EventRecord) error { return nil }); err == nil {
			t.Errorf("what was cut off at %d is read", cut)
		}
	}
	n := int64(0)
	err = store.ReadEventPayload(good, func(i int64, r store.EventRecord) error {
		if i != n || r.Head == nil || string(r.Record) != fmt.Sprintf(`{"id":"%d"}`, i) {
			t.Errorf("record %d: %+v", i, r)
		}
		n++
		return nil
	})
	if err != nil || n != 3 {
		t.Error(n, err)
	}
	if err := p.Add(store.EventRecord{Digest: "x"}); err == nil {
		t.Error("a record without a digest was taken")
	}
	two := event("z", 0)
	two.Record = json.RawMessage("{\n}")
	if err := p.Add(two); err == nil {
		t.Error("a record of two lines was taken")
	}
}

func FuzzReadEventPayload(f *testing.F) {
	p, _ := store.NewEventPayload("s")
	_ = p.Add(event("1", 0, "k"))
	good, _, _ := p.Bytes()
	f.Add(good)
	f.Add([]byte("{\"taffrail_events\":1}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = store.ReadEventPayload(data, func(n int64, r store.EventRecord) error { return nil })
		_ = store.EachIndexed(data, func(nanos, at int64, flags byte, keys []byte) error {
			if len(keys)%8 != 0 {
				t.Errorf("%d bytes of keys", len(keys))
			}
			return nil
		})
	})
}

func TestAMissingPayloadOfEventsIsNamed(t *testing.T) { onEach(t, aMissingPayloadOfEventsIsNamed) }

func aMissingPayloadOfEventsIsNamed(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	batch(t, s, taffrail.EventsReceived{Source: "trail"}, event("a", 0, "sg-1"))
	p.tamper(t, "DELETE FROM blob")
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		changed, err := tx.CheckIndex()
		if len(changed) == 0 || !strings.Contains(strings.Join(changed, "\n"), "1 events cannot be known") {
			t.Errorf("said: %q", changed)
		}
		found, failed := tx.FindEvents([]string{"sg-1"}, time.Time{}, eventsBegan.Add(time.Hour), 10)
		all, unread := tx.Events(found)
		if len(all) != 0 {
			t.Errorf("found %v", all)
		}
		return errors.Join(err, failed, unread)
	})
	if err != nil {
		t.Error(err)
	}
}
