package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// with gives an entry of the log itself with an outcome.
func with(body taffrail.EntryBody, outcome taffrail.Outcome, fields ...taffrail.Field) taffrail.Entry {
	e := entry(body)
	e.Scope, e.Resource, e.Outcome, e.Disclosed = "", "", outcome, fields
	return e
}

func outcomeOf(intent int64, e taffrail.Entry) taffrail.Entry {
	e.Intent = &intent
	return e
}

// read runs f on a snapshot.
func read[T any](t testing.TB, s *store.Store, f func(*store.Tx) (T, error)) (got T) {
	t.Helper()
	if err := s.Read(t.Context(), func(tx *store.Tx) (err error) { got, err = f(tx); return err }); err != nil {
		t.Fatal(err)
	}
	return got
}

// leaf gives an entry as it is stored.
func leaf(t testing.TB, s *store.Store, index int64) (e taffrail.Entry) {
	t.Helper()
	return read(t, s, func(tx *store.Tx) (taffrail.Entry, error) {
		err := tx.Entries(index, index+1, func(_ int64, body []byte) (err error) { e, err = taffrail.ParseEntry(body); return err })
		return e, err
	})
}

func TestWhatIsDisclosedStandsBesideTheEntry(t *testing.T) { onEach(t, disclosed) }

func disclosed(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	update(t, s, with(taffrail.LogStarted{}, taffrail.OutcomeOK, taffrail.Field{Name: "who", Value: "Ada <ada@example.org>\x00"}, taffrail.Field{Name: "from", Value: "192.0.2.7"}))
	update(t, s, with(taffrail.LogStarted{}, taffrail.OutcomeOK, taffrail.Field{Name: "from", Value: "192.0.2.7"}))
	all := read(t, s, func(tx *store.Tx) ([]audit.Disclosure, error) { return tx.Disclosures(0) })
	var names, digests []string
	for _, d := range all {
		text, err := d.Text()
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Salt) != 22 {
			t.Errorf("salt %q", d.Salt)
		}
		names, digests = append(names, d.Name+" "+d.Value), append(digests, audit.DisclosureDigest(text))
	}
	if diff := cmp.Diff([]string{`from "192.0.2.7"`, `who "Ada \u003cada@example.org\u003e\u0000"`}, names); diff != "" {
		t.Error(diff)
	}
	e := leaf(t, s, 0)
	slices.Sort(digests)
	if diff := cmp.Diff(e.Digests, digests); diff != "" {
		t.Error(diff)
	}
	if other := leaf(t, s, 1); slices.Contains(e.Digests, other.Digests[0]) {
		t.Error("equal fields have equal digests")
	}
	twice := with(taffrail.LogStarted{}, taffrail.OutcomeOK, taffrail.Field{Name: "a"}, taffrail.Field{Name: "a"})
	err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(twice); return err })
	if taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("a name that is there twice: %v", err)
	}
}

func TestReceipts(t *testing.T) { onEach(t, receipts) }

func receipts(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	put := []audit.Receipt{
		{Size: 7, Kind: "rfc3161", Anchor: "a", At: at, Data: []byte("1")}, {Size: 7, Kind: "rfc3161", Anchor: "b", At: at, Data: []byte("2")},
		{Size: 7, Kind: "rfc3161", Anchor: "a", At: at.Add(time.Hour), Data: []byte("later")}, {Size: 3, Kind: "git", Anchor: "a", At: at, Data: []byte{0, 1}},
	}
	for i := range 600 { // more than are read at a time
		put = append(put, audit.Receipt{Size: int64(100 + i), Kind: "s3", Anchor: "c", At: at, Data: []byte("x")})
	}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range put {
			if err := tx.PutReceipt(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	read(t, s, func(tx *store.Tx) (int, error) {
		return 0, tx.Receipts(func(r audit.Receipt) error {
			if !r.At.Equal(at) {
				t.Errorf("%s of size %d is of %v", r.Anchor, r.Size, r.At)
			}
			got = append(got, fmt.Sprint(r.Size, " ", r.Anchor, " ", r.Kind, " ", string(r.Data)))
			return nil
		})
	})
	if diff := cmp.Diff([]string{"3 a git \x00\x01", "7 a rfc3161 1", "7 b rfc3161 2"}, got[:3]); diff != "" || len(got) != 603 {
		t.Errorf("%d: %s", len(got), diff)
	}
	var back []string
	read(t, s, func(tx *store.Tx) (int, error) {
		return 0, tx.NewestReceipts(1000, func(r audit.Receipt) (bool, error) {
			back = append(back, fmt.Sprint(r.Size, " ", r.Anchor, " ", r.Kind, " ", string(r.Data)))
			return true, nil
		})
	})
	if slices.Reverse(back); !slices.Equal(got, back) {
		t.Errorf("backwards there are %d others", len(back))
	}
	for most, want := range map[int]int{0: 0, 1: 1, 300: 300, 500: 400} {
		n := 0
		read(t, s, func(tx *store.Tx) (int, error) {
			return 0, tx.NewestReceipts(most, func(r audit.Receipt) (bool, error) { n++; return n < 400, nil })
		})
		if n != want {
			t.Errorf("%d of %d", n, most)
		}
	}
	stop := errors.New("stop")
	if err := s.Read(t.Context(), func(tx *store.Tx) error { return tx.Receipts(func(audit.Receipt) error { return stop }) }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestOpenIntents(t *testing.T) { onEach(t, openIntents) }

func openIntents(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	held := taffrail.Held{To: 1, Reason: "r"}
	update(t, s, with(taffrail.LogStarted{}, taffrail.OutcomeOK),
		with(held, taffrail.OutcomeIntended), with(held, taffrail.OutcomeIntended), with(held, taffrail.OutcomeIntended),
		outcomeOf(2, with(held, taffrail.OutcomeOK)), outcomeOf(3, with(held, taffrail.OutcomeUnknown)), outcomeOf(77, with(held, taffrail.OutcomeOK)))
	open := read(t, s, (*store.Tx).OpenIntents)
	want := []store.Intent{{Index: 1, Type: taffrail.EntryHeld, Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Actor: "taffrail/test", Request: "scan-1"}}
	if diff := cmp.Diff(want, open); diff != "" {
		t.Error(diff)
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

func TestHoldsCountFromTheirOutcome(t *testing.T) { onEach(t, holds) }

func holds(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	held := taffrail.Held{From: 1, To: 9, Reason: "case 7"}
	update(t, s, with(held, taffrail.OutcomeIntended), outcomeOf(0, with(held, taffrail.OutcomeFailed)), outcomeOf(0, with(held, taffrail.OutcomeOK)), // 2
		outcomeOf(0, with(taffrail.Held{Reason: "case 8"}, taffrail.OutcomeOK)),                                          // 3
		with(taffrail.Released{Hold: 2}, taffrail.OutcomeIntended), with(taffrail.Released{Hold: 3}, taffrail.OutcomeOK)) // only the last is an outcome
	want := []store.Hold{{Index: 2, From: 1, To: 9, Reason: "case 7"}}
	if diff := cmp.Diff(want, read(t, s, (*store.Tx).Holds)); diff != "" {
		t.Error(diff)
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

func TestHoldCovers(t *testing.T) {
	for _, tc := range []struct {
		h        store.Hold
		from, to int64
		want     bool
	}{
		{store.Hold{From: 3, To: 5}, 0, 3, false}, {store.Hold{From: 3, To: 5}, 0, 4, true}, {store.Hold{From: 3, To: 5}, 4, 5, true},
		{store.Hold{From: 3, To: 5}, 5, 9, false}, {store.Hold{From: 3}, 100, 101, true}, {store.Hold{From: 3}, 2, 3, false},
	} {
		if got := tc.h.Covers(tc.from, tc.to); got != tc.want {
			t.Errorf("%+v covers %d to %d: %v", tc.h, tc.from, tc.to, got)
		}
	}
}

// erase erases a field or a payload as the daemon does it: the deed and the entry that says so in one transaction.
func erase(t testing.TB, s *store.Store, r taffrail.Redacted) error {
	t.Helper()
	return s.Update(t.Context(), func(tx *store.Tx) (err error) {
		if r.Field != "" {
			r.Digest, err = tx.EraseField(r.Entry, r.Field)
		} else {
			err = tx.ErasePayload(r.Entry, r.Payload)
		}
		if err == nil {
			_, err = tx.Append(with(r, taffrail.OutcomeOK))
		}
		return err
	})
}

func TestEraseField(t *testing.T) { onEach(t, eraseField) }

func eraseField(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	update(t, s, with(taffrail.LogStarted{}, taffrail.OutcomeOK, taffrail.Field{Name: "who", Value: "Ada Lovelace"}, taffrail.Field{Name: "from", Value: "Byron House"}))
	before := leaf(t, s, 0)
	found := func(text string) int {
		page := read(t, s, func(tx *store.Tx) ([]store.Match, error) {
			page, _, err := tx.Search(store.SearchRequest{Text: text})
			return page, err
		})
		return len(page)
	}
	if found("ada lovelace") != 1 || found("byron") != 1 {
		t.Error("disclosed fields are not found")
	}
	if err := erase(t, s, taffrail.Redacted{Entry: 0, Field: "who", Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	if found("ada") != 0 || found("byron") != 1 {
		t.Errorf("after the erasure: %d and %d", found("ada"), found("byron"))
	}
	left := read(t, s, func(tx *store.Tx) ([]audit.Disclosure, error) { return tx.Disclosures(0) })
	if len(left) != 1 || left[0].Name != "from" {
		t.Errorf("%v", left)
	}
	if diff := cmp.Diff(before, leaf(t, s, 0)); diff != "" {
		t.Error(diff)
	}
	said := read(t, s, func(tx *store.Tx) ([]store.Redaction, error) { return tx.Redactions(0) })
	if len(said) != 1 || said[0].By != 1 || said[0].Field != "who" || !slices.Contains(before.Digests, said[0].Digest) {
		t.Errorf("%+v", said)
	}
	for _, again := range []taffrail.Redacted{{Entry: 0, Field: "who"}, {Entry: 0, Field: "other"}, {Entry: 9, Field: "who"}} {
		if err := erase(t, s, again); taffrail.KindOf(err) != taffrail.KindNotFound {
			t.Errorf("%+v: %v", again, err)
		}
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

func TestErasureIsRefusedByAHold(t *testing.T) { onEach(t, erasureOfWhatIsHeld) }

func erasureOfWhatIsHeld(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	ref := putBlob(t, s, "payload")
	update(t, s, with(taffrail.ScanStarted{Rules: &ref}, taffrail.OutcomeOK, taffrail.Field{Name: "who", Value: "Ada"}), with(taffrail.Held{To: 1, Reason: "case 7"}, taffrail.OutcomeOK))
	for _, r := range []taffrail.Redacted{{Entry: 0, Field: "who"}, {Entry: 0, Payload: ref.SHA256}} {
		err := erase(t, s, r)
		if taffrail.KindOf(err) != taffrail.KindConflict || !strings.Contains(fmt.Sprint(err), "entry 1") || !strings.Contains(fmt.Sprint(err), "case 7") {
			t.Errorf("%+v: %v", r, err)
		}
	}
	update(t, s, with(taffrail.Released{Hold: 1}, taffrail.OutcomeOK))
	for _, r := range []taffrail.Redacted{{Entry: 0, Field: "who"}, {Entry: 0, Payload: ref.SHA256}} {
		if err := erase(t, s, r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func putBlob(t testing.TB, s *store.Store, data string) (ref taffrail.BlobRef) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *store.Tx) (err error) { ref, err = tx.PutBlob([]byte(data)); return err }); err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestErasePayload(t *testing.T) { onEach(t, erasePayload) }

func erasePayload(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	shared, own := putBlob(t, s, "shared"), putBlob(t, s, "own")
	update(t, s, with(taffrail.ScanStarted{Rules: &shared}, taffrail.OutcomeOK), with(taffrail.ScanStarted{Rules: &shared}, taffrail.OutcomeOK),
		with(taffrail.ScanStarted{Rules: &own}, taffrail.OutcomeOK))
	err := erase(t, s, taffrail.Redacted{Entry: 0, Payload: shared.SHA256})
	if taffrail.KindOf(err) != taffrail.KindConflict || !strings.Contains(fmt.Sprint(err), "[1]") {
		t.Errorf("a payload that another entry names: %v", err)
	}
	read(t, s, func(tx *store.Tx) ([]byte, error) { return tx.Blob(shared) })
	if err := erase(t, s, taffrail.Redacted{Entry: 0, Payload: own.SHA256}); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("a payload that it does not name: %v", err)
	}
	if err := erase(t, s, taffrail.Redacted{Entry: 2, Payload: own.SHA256}); err != nil {
		t.Fatal(err)
	}
	err = s.Read(t.Context(), func(tx *store.Tx) error { _, err := tx.Blob(own); return err })
	if !errors.Is(err, store.ErrErased) || !errors.Is(err, audit.ErrMissing) || !strings.Contains(fmt.Sprint(err), "entry 3") {
		t.Errorf("%v", err)
	}
	err = s.Read(t.Context(), func(tx *store.Tx) error { _, err := tx.Blob(taffrail.BlobRef{SHA256: "other"}); return err })
	if errors.Is(err, store.ErrErased) || !errors.Is(err, audit.ErrMissing) {
		t.Errorf("what is missing without a word: %v", err)
	}
	if err := erase(t, s, taffrail.Redacted{Entry: 2, Payload: own.SHA256}); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("twice: %v", err)
	}
}

// TestErasedVersions: what a scan saw is not known any more, the one before it is, and a rebuild comes to the same.
func TestErasedVersions(t *testing.T) { onEach(t, erasedVersions) }

func erasedVersions(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	live(t, s) // seven entries
	scanned(t, s, taffrail.Version{Address: "a.b", Digest: "1"}, taffrail.Version{Address: "a.c", Digest: "1"})
	scanned(t, s, taffrail.Version{Address: "a.c", Digest: "2"}, taffrail.Version{Address: "a.d", Digest: "2"})
	payload := leaf(t, s, 8).Body.Payloads()[0]
	if err := erase(t, s, taffrail.Redacted{Entry: 8, Payload: payload.SHA256}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.b 1 7", "a.c 1 7"}, seenVersions(t, s)); diff != "" {
		t.Error(diff)
	}
	before := p.dump(t)
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("what an entry explains is named as missing: %q", changed)
	}
	if diff := cmp.Diff(before, p.dump(t)); diff != "" {
		t.Error(diff)
	}
}
