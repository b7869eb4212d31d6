package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// kept gives a site with a log of one scan, and a daemon on it.
func kept(t *testing.T) (*site, *Daemon) {
	t.Helper()
	s := newSite(t, newWorld("a", "b"))
	*s.world.find("a") = observe("a", "moved")
	d := s.start(t)
	scanOnce(t, d)
	return s, d
}

// entriesOf gives the entries of some types.
func entriesOf(t *testing.T, d *Daemon, types ...taffrail.EntryType) (all []LogEntry) {
	t.Helper()
	page, err := d.SearchLog(t.Context(), SearchRequest{Types: types})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(page.Entries) - 1; i >= 0; i-- {
		all = append(all, page.Entries[i])
	}
	return all
}

func TestIntentBeforeEffect(t *testing.T) {
	s, d := kept(t)
	at, err := d.HoldLog(t.Context(), HoldRequest{From: 0, To: 3, Reason: "case 17", By: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	all := entriesOf(t, d, taffrail.EntryHeld)
	if len(all) != 2 || all[0].Index != at.First || all[1].Index != at.Last || at.Level != audit.LevelSigned || at.Size <= at.Last {
		t.Fatalf("%+v %+v", at, all)
	}
	intent, outcome := all[0].Entry, all[1].Entry
	if intent.Outcome != taffrail.OutcomeIntended || outcome.Outcome != taffrail.OutcomeOK || *outcome.Intent != at.First || intent.Request != outcome.Request {
		t.Errorf("%+v\n%+v", intent, outcome)
	}
	if diff := cmp.Diff([]Field{{"by", "jane"}}, all[0].Fields); diff != "" {
		t.Error(diff)
	}
	if bytes.Contains(all[0].Leaf, []byte("jane")) || bytes.Contains(all[1].Leaf, []byte("jane")) {
		t.Error("a person stands in clear")
	}
	wellAt(t, s)
}

// The word that a verifier knows is the word that entries have.
func TestIntentsAreWhatVerifiersKnow(t *testing.T) {
	if taffrail.OutcomeIntended != audit.OutcomeIntended {
		t.Error("they differ")
	}
}

// Nothing is done where what is intended cannot be written, or cannot be signed.
func TestPrivilegedActionsFailClosed(t *testing.T) {
	for _, name := range []string{"commit: not persisted", "guard: not persisted", "signature: not persisted"} {
		t.Run(name, func(t *testing.T) {
			s, _ := kept(t)
			p := &points{}
			d := s.pointed(p)
			if err := d.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer d.Stop(t.Context()) //nolint:errcheck // it is only looked at
			p.strike = func(_ int, at string) error {
				if at == name {
					return errStruck
				}
				return nil
			}
			if _, err := d.RedactLog(t.Context(), RedactRequest{Entry: 2, Payload: findingOfEntry(t, s, 2), Reason: "r", Basis: "b", By: "jane"}); !errors.Is(err, errStruck) {
				t.Fatal(err)
			}
			after := s.start(t)
			if e := entriesOf(t, after, taffrail.EntryDriftFound)[0]; len(e.Blobs) != 1 {
				t.Error("the payload was erased")
			}
			wellAt(t, s)
		})
	}
}

// findingOfEntry is the digest of the payload of an entry.
func findingOfEntry(t *testing.T, s *site, index int64) (digest string) {
	t.Helper()
	err := s.start(t).Entries(t.Context(), index, index+1, func(e LogEntry) error {
		digest = e.Entry.Body.Payloads()[0].SHA256
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// TestUnknownOutcome stops an action between intent and outcome, at each point, and starts again.
func TestUnknownOutcome(t *testing.T) {
	act := func(ctx context.Context, d *Daemon) error {
		_, err := d.HoldLog(ctx, HoldRequest{Reason: "case 17", By: "jane"})
		return err
	}
	s, _ := kept(t)
	calm := &points{}
	d := s.pointed(calm)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	calm.passed = nil
	if err := act(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for number, name := range calm.passed {
		t.Run(name, func(t *testing.T) {
			s, _ := kept(t)
			p := &points{}
			d := s.pointed(p)
			if err := d.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.passed, p.strike = nil, func(n int, _ string) error {
				if n >= number+1 {
					return errStruck // and nothing of this process works any more
				}
				return nil
			}
			if err := act(t.Context(), d); !errors.Is(err, errStruck) {
				t.Fatal(err)
			}
			if err := d.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			after := s.start(t)
			var outcomes []taffrail.Outcome
			for _, e := range entriesOf(t, after, taffrail.EntryHeld) {
				outcomes = append(outcomes, e.Entry.Outcome)
			}
			switch strings.Join(strings.Fields(strings.Trim(strings.ReplaceAll(joined(outcomes), ",", " "), " ")), " ") {
			case "", "intended unknown_outcome", "intended ok": // not begun, nobody knows, done
			default:
				t.Errorf("%v", outcomes)
			}
			status, err := after.LogStatus(t.Context())
			if err != nil || len(status.Intents) != 0 {
				t.Errorf("%v %v", status.Intents, err)
			}
			wellAt(t, s)
		})
	}
}

func joined(outcomes []taffrail.Outcome) string {
	var all []string
	for _, o := range outcomes {
		all = append(all, string(o))
	}
	return strings.Join(all, ",")
}

// An action that another process is in the middle of is not declared unknown.
func TestALivingProcessKeepsItsIntent(t *testing.T) {
	s, d := kept(t)
	var during error
	_, err := d.act(t.Context(), "jane", taffrail.Held{Reason: "r"}, func(ctx context.Context) error {
		other := s.daemon()
		during = other.Start(ctx)
		return errors.Join(during, other.Stop(ctx))
	}, func(*store.Tx) (taffrail.EntryBody, error) { return taffrail.Held{Reason: "r"}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if all := entriesOf(t, d, taffrail.EntryHeld); len(all) != 2 || all[1].Entry.Outcome != taffrail.OutcomeOK {
		t.Errorf("%+v", all)
	}
	wellAt(t, s)
}

func TestHoldsForbidToErase(t *testing.T) {
	s, d := kept(t)
	payload := findingOfEntry(t, s, 2)
	held, err := d.HoldLog(t.Context(), HoldRequest{From: 2, To: 3, Reason: "case 17", By: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	redact := func() error {
		_, err := d.RedactLog(t.Context(), RedactRequest{Entry: 2, Payload: payload, Reason: "asked", Basis: "GDPR Art. 17", By: "jane"})
		return err
	}
	if err := redact(); taffrail.KindOf(err) != taffrail.KindConflict || !strings.Contains(err.Error(), "case 17") {
		t.Errorf("under a hold: %v", err)
	}
	if all := entriesOf(t, d, taffrail.EntryRedacted); len(all) != 2 || all[1].Entry.Outcome != taffrail.OutcomeFailed || all[1].Entry.Error == "" {
		t.Errorf("that it was tried is not in the log: %+v", all)
	}
	if _, err := d.ReleaseLog(t.Context(), ReleaseRequest{Hold: held.Last + 1, Reason: "r"}); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("no hold: %v", err)
	}
	if _, err := d.ReleaseLog(t.Context(), ReleaseRequest{Hold: held.Last, Reason: "closed"}); err != nil {
		t.Fatal(err)
	}
	if err := redact(); err != nil {
		t.Fatal(err)
	}
	if e := entriesOf(t, d, taffrail.EntryDriftFound)[0]; len(e.Blobs) != 0 {
		t.Error("the payload is still there")
	}
	wellAt(t, s)
}

// A payload, or a field, that is missing without an entry that says why is a fault.
func TestWhatIsErasedInSilenceIsFound(t *testing.T) {
	s, d := kept(t)
	if _, err := d.HoldLog(t.Context(), HoldRequest{Reason: "r", By: "jane"}); err != nil {
		t.Fatal(err)
	}
	edit(t, s.data, "DELETE FROM disclosure")
	r, err := s.start(t).VerifyLog(t.Context(), nil)
	if found := whatIsWrong(r, err); r.Verdict == "verified" || !strings.Contains(found, "1 of its fields are missing") {
		t.Errorf("%s", found)
	}
	edit(t, s.data, "INSERT INTO disclosure (idx, field, salt, value) SELECT idx, 'by', 'AAAAAAAAAAAAAAAAAAAAAA', '\"john\"' FROM index_entry WHERE idx > 3")
	r, err = s.start(t).VerifyLog(t.Context(), nil)
	if found := whatIsWrong(r, err); !strings.Contains(found, `its field "by" is not the one that it names`) {
		t.Errorf("%s", found)
	}
	if err := s.start(t).Entries(t.Context(), -1, -1, func(LogEntry) error { return nil }); taffrail.KindOf(err) != taffrail.KindCorrupt {
		t.Errorf("it is shown: %v", err)
	}
}

// long makes a log of at least so many entries.
func long(t *testing.T, d *Daemon, size int64) {
	t.Helper()
	for {
		status, err := d.LogStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status.Size >= size {
			return
		}
		l, err := d.current()
		if err != nil {
			t.Fatal(err)
		}
		err = l.store.Update(t.Context(), func(tx *store.Tx) error {
			for range min(100, size-status.Size) {
				if _, err := tx.Append(d.entry(taffrail.Heartbeat{Seconds: 1}, entryContext{outcome: taffrail.OutcomeOK})); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot be pruned is refused with what could be, and before anything is intended.
func TestPruneWhatIsNotThere(t *testing.T) {
	_, d := kept(t)
	refused := func(r PruneRequest, says string) {
		t.Helper()
		r.Reason = "retention"
		if _, err := d.PruneLog(t.Context(), r); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	refused(PruneRequest{Before: 256}, "whole tiles of 256 alone")
	long(t, d, 600)
	refused(PruneRequest{Before: 1024}, "1024 is no multiple of 256 from 256 to 512")
	refused(PruneRequest{Before: 300}, "300 is no multiple of 256 from 256 to 512")
	refused(PruneRequest{Before: -256}, "no entries before -256")
	refused(PruneRequest{OlderThan: time.Unix(1, 0)}, "no entries before 0")
	if all := entriesOf(t, d, taffrail.EntryPruned); len(all) > 0 {
		t.Errorf("%d entries tell of it", len(all))
	}
}

func TestPruneLog(t *testing.T) {
	s, d := kept(t)
	long(t, d, 600)
	before, err := d.ProveEntry(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	leaf := before.Leaf
	for _, r := range []PruneRequest{{Before: 100, Reason: "r"}, {Before: 512 << 10, Reason: "r"}, {Before: 256}} {
		if _, err := d.PruneLog(t.Context(), r); err == nil {
			t.Errorf("%+v was done", r)
		}
	}
	report, err := d.PruneLog(t.Context(), PruneRequest{Before: 512, Reason: "retention", By: "jane"})
	if err != nil || report.Before != 512 || report.Payloads == 0 {
		t.Fatalf("%+v %v", report, err)
	}
	wellAt(t, s)
	if _, err := d.ExportLog(t.Context(), ExportRequest{To: -1}, io.Discard); taffrail.KindOf(err) != taffrail.KindNotFound || !strings.Contains(taffrail.HintOf(err), "from 512 on") {
		t.Errorf("a pruned range: %v", err)
	}
	if err := d.Entries(t.Context(), 0, 3, func(LogEntry) error { return nil }); taffrail.KindOf(err) != taffrail.KindNotFound || !strings.Contains(err.Error(), "pruned") {
		t.Errorf("a pruned entry: %v", err)
	}
	// What the index knew of them is known still: the drift goes on.
	if r := scanOnce(t, d); len(r.Drifts) != 1 || r.Drifts[0].New {
		t.Errorf("%+v", r.Drifts)
	}
	after, err := d.ProveEntry(t.Context(), 2)
	if err != nil || after.Leaf != nil {
		t.Fatalf("%+v %v", after, err)
	}
	proof, err := audit.ParseProof(after.Proof)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := s.keyring.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cp, err := ring.Keys().Open(proof.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Check(cp, leaf); err != nil {
		t.Errorf("an old entry is not proved any more: %v", err)
	}
	wellAt(t, s)
	edit(t, s.data, "DELETE FROM entry WHERE idx = 520")
	if r, err := s.start(t).VerifyLog(t.Context(), nil); !strings.Contains(whatIsWrong(r, err), "entry 520") {
		t.Errorf("an entry that is missing beside those that were pruned: %s", whatIsWrong(r, err))
	}
}

func TestExportAndSearch(t *testing.T) {
	_, d := kept(t)
	scanOnce(t, d)
	drift := entriesOf(t, d, taffrail.EntryDriftFound)[0].Entry.Body.(taffrail.DriftFound).Drift
	for name, r := range map[string]ExportRequest{
		"everything":        {To: -1, Payloads: true},
		"without payloads":  {To: -1},
		"one drift":         {Drift: drift, Payloads: true},
		"filtered":          {To: -1, Payloads: true, Filter: &SearchRequest{Types: []taffrail.EntryType{taffrail.EntryDriftFound}}},
		"single and range":  {To: 2, Entries: []int64{3}, Payloads: true},
		"consistent with 2": {To: -1, Since: 2},
	} {
		t.Run(name, func(t *testing.T) {
			r.By = "jane"
			var bundle bytes.Buffer
			report, err := d.ExportLog(t.Context(), r, &bundle)
			if err != nil || report.Bytes != int64(bundle.Len()) || report.Manifest.Size <= report.Log.First {
				t.Fatalf("%+v %v", report, err)
			}
			policy := policyOf(t, d)
			verified, err := audit.VerifyBundle(t.Context(), &bundle, policy, nil, nil)
			if err != nil || !verified.OK() {
				t.Fatalf("%+v %v", verified, err)
			}
			if r.Payloads != (verified.Payloads > 0) {
				t.Errorf("%d payloads", verified.Payloads)
			}
			if r.Drift != "" && verified.Single < 3 {
				t.Errorf("%d entries of the drift", verified.Single)
			}
		})
	}
	for name, r := range map[string]ExportRequest{"beyond": {From: 1000, To: 2000}, "no entry": {Entries: []int64{1000}}, "no drift": {Drift: "drift-none"}} {
		if _, err := d.ExportLog(t.Context(), r, &bytes.Buffer{}); taffrail.KindOf(err) != taffrail.KindNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What belongs to entries that nobody asked for stays here, also where they are in the bundle for the sake of their tile, or of completeness.
func TestExportGivesOutWhatWasAskedForAlone(t *testing.T) {
	_, d := kept(t)
	held, err := d.HoldLog(t.Context(), HoldRequest{From: 0, Reason: "case 17", By: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := d.LogPolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		request          ExportRequest
		payloads, fields bool
	}{
		"everything":                   {ExportRequest{To: -1, Payloads: true}, true, true},
		"up to the last":               {ExportRequest{To: held.First, Payloads: true}, true, false},
		"the first":                    {ExportRequest{To: 1, Payloads: true}, false, false},
		"from the last on":             {ExportRequest{From: held.First, To: held.First + 1, Payloads: true}, false, true},
		"what fits":                    {ExportRequest{To: -1, Payloads: true, Filter: &SearchRequest{Types: []taffrail.EntryType{taffrail.EntryDriftFound}}}, true, false},
		"what fits, and has no things": {ExportRequest{To: -1, Payloads: true, Filter: &SearchRequest{Types: []taffrail.EntryType{taffrail.EntryHeld}}}, false, true},
		"one in a range":               {ExportRequest{To: 1, Entries: []int64{held.First}, Payloads: true}, false, true},
	} {
		var b bytes.Buffer
		if _, err := d.ExportLog(t.Context(), tc.request, &b); err != nil {
			t.Fatal(err)
		}
		p, err := audit.ParsePolicy(policy)
		if err != nil {
			t.Fatal(err)
		}
		got, err := audit.VerifyBundle(t.Context(), &b, p, nil, nil)
		if err != nil || !got.OK() || (got.Payloads > 0) != tc.payloads || (got.Disclosed > 0) != tc.fields || got.WithheldFields == 0 && !tc.fields {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// An auditor is not the first to find out that an entry was changed: nothing is given out for evidence that does not verify.
func TestExportOfAForgedEntryIsRefused(t *testing.T) {
	for name, r := range map[string]ExportRequest{"a range": {To: -1}, "by itself": {Entries: []int64{2}}} {
		s, _, _ := attacked(t)
		edit(t, s.data, "UPDATE entry SET body = replace(body, 'thing.a', 'thing.b') WHERE idx = 2")
		d := s.start(t)
		if _, err := d.ExportLog(t.Context(), r, &bytes.Buffer{}); taffrail.KindOf(err) != taffrail.KindCorrupt || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errStruck }

func TestAnExportThatFailsIsInTheLog(t *testing.T) {
	s, d := kept(t)
	if _, err := d.ExportLog(t.Context(), ExportRequest{To: -1}, brokenWriter{}); !errors.Is(err, errStruck) {
		t.Fatal(err)
	}
	if all := entriesOf(t, d, taffrail.EntryExported); len(all) != 2 || all[1].Entry.Outcome != taffrail.OutcomeFailed {
		t.Errorf("%+v", all)
	}
	wellAt(t, s)
}

func TestSearchPages(t *testing.T) {
	_, d := kept(t)
	long(t, d, 250)
	var seen []int64
	for r := (SearchRequest{Types: []taffrail.EntryType{taffrail.EntryHeartbeat}, Limit: 100}); ; {
		page, err := d.SearchLog(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			seen = append(seen, e.Index)
		}
		if page.Next == 0 {
			break
		}
		r.Before = page.Next
	}
	if len(seen) != 246 || seen[0] != 249 || seen[245] != 4 {
		t.Errorf("%d: %v ... %v", len(seen), seen[0], seen[len(seen)-1])
	}
}

func TestKeysFollowEachOther(t *testing.T) {
	s, d := kept(t)
	rotated, err := d.RotateKey(t.Context(), RotateRequest{Overlap: 4, By: "jane"})
	if err != nil || len(rotated.Keys) != 2 || rotated.Keys[0].To == 0 {
		t.Fatalf("%+v %v", rotated, err)
	}
	for range 3 {
		scanOnce(t, d)
	}
	wellAt(t, s)
	revoked, err := d.RevokeKey(t.Context(), RevokeRequest{Reason: "stolen", By: "jane"})
	if err != nil || len(revoked.Keys) != 3 {
		t.Fatalf("%+v %v", revoked, err)
	}
	scanOnce(t, d)
	scanOnce(t, s.start(t))
	wellAt(t, s)
	body := entriesOf(t, d, taffrail.EntryKeyRevoked)[1].Entry.Body.(taffrail.KeyRevoked)
	if body.Key != rotated.Keys[1].Key || body.New != revoked.Keys[2].Key || revoked.Keys[1].To != body.At+1 {
		t.Errorf("%+v", body)
	}
	if _, err := d.RevokeKey(t.Context(), RevokeRequest{Key: "other", Reason: "r"}); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("a key of another log: %v", err)
	}
}

// A status tells for how long nobody outside has seen the newest entries.
func TestUnseenIsAnAlarm(t *testing.T) {
	s := newSite(t, newWorld("a"))
	s.installation = config.Installation{MaxUnanchored: time.Hour}
	d := s.start(t)
	scanOnce(t, d)
	status, err := d.LogStatus(t.Context())
	if err != nil || len(status.Alarms) != 0 || status.Unseen != status.Size || status.Witnessed != 0 {
		t.Fatalf("%+v %v", status, err)
	}
	s.clock = s.clock.Add(2 * time.Hour)
	if status, err = d.LogStatus(t.Context()); err != nil || len(status.Alarms) != 1 || !strings.Contains(status.Alarms[0], "seen by nobody outside") {
		t.Errorf("%+v %v", status.Alarms, err)
	}
	l, err := d.current()
	if err != nil {
		t.Fatal(err)
	}
	receipt := audit.Receipt{Size: status.Size, Kind: "git", Anchor: "forge", At: s.clock, Data: []byte("{}")}
	if err := l.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutReceipt(receipt) }); err != nil {
		t.Fatal(err)
	}
	if status, err = d.LogStatus(t.Context()); err != nil || len(status.Alarms) != 0 || status.Anchored != status.Size || status.Unseen != 0 {
		t.Errorf("%+v %v", status, err)
	}
}

// A clock that was set ahead once leaves entries of the future, which are never old: that is told, or no other alarm would be heard.
func TestEntriesOfTheFutureAreAnAlarm(t *testing.T) {
	s := newSite(t, newWorld("a"))
	s.installation = config.Installation{MaxUnanchored: time.Hour}
	now := s.clock
	s.clock = now.Add(24 * time.Hour)
	d := s.start(t)
	scanOnce(t, d)
	s.clock = now.Add(2 * time.Hour)
	status, err := d.LogStatus(t.Context())
	if err != nil || len(status.Alarms) != 1 || !strings.Contains(status.Alarms[0], "the clock was ahead then, or is behind now") {
		t.Errorf("%+v %v", status.Alarms, err)
	}
	s.clock = now.Add(24 * time.Hour)
	if status, err := d.LogStatus(t.Context()); err != nil || len(status.Alarms) != 0 {
		t.Errorf("%+v %v", status.Alarms, err)
	}
}

// guardOf and the keyring of a site stand in for a signer in another process.
type remote struct {
	audit.Signer
	audit.KeyControl
}

func TestASignerElsewhere(t *testing.T) {
	s := newSite(t, newWorld("a"))
	s.installation = config.Installation{Signer: &config.Section{Plugin: "elsewhere"}}
	s.remote = remote{audit.NewSigner(s.keyring, s.guard), s.keyring}
	if _, err := s.start(t).Scan(t.Context(), ScanRequest{System: "fake"}, nil); taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("before it has a key: %v", err)
	}
	local := *s
	local.installation = config.Installation{}
	info, err := local.daemon().InitSigner(t.Context(), "example.org/signed")
	if err != nil || info.Origin != "example.org/signed" {
		t.Fatalf("%+v %v", info, err)
	}
	d := s.start(t)
	if r := scanOnce(t, d); r.Log.Origin != "example.org/signed" || !r.Log.Started {
		t.Errorf("%+v", r.Log)
	}
	if _, err := d.RotateKey(t.Context(), RotateRequest{Overlap: 3}); err != nil {
		t.Error(err)
	}
	if _, err := s.daemon().InitSigner(t.Context(), ""); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("a signer of a signer: %v", err)
	}
	wellAt(t, s)
	guardOf(s).Set(audit.Head{})
	if err := s.daemon().Start(t.Context()); taffrail.KindOf(err) != taffrail.KindCorrupt {
		t.Errorf("the signer forgot everything: %v", err)
	}
}
