package daemon

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// A watcher is a witness of a site, in this process.
type watcher struct {
	*audit.Witness
	vkey  string
	guard audit.Guard
}

func newWatcher(t *testing.T, s *site) *watcher {
	t.Helper()
	skey, vkey, err := audit.GenerateCosigner("witness.example/1", [ed25519.SeedSize]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := audit.NewCosigner(skey, func() time.Time { return s.clock })
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{vkey: vkey, guard: audittest.NewMemoryGuard()}
	w.Witness = &audit.Witness{Signer: cosigner, Log: func(string) (audit.Keys, audit.Guard, error) {
		ring, err := s.keyring.Load(context.Background())
		return ring.Keys(), w.guard, err
	}}
	return w
}

// witnessedSite gives a site whose log one witness must have seen.
func witnessedSite(t *testing.T) (*site, *watcher) {
	t.Helper()
	s := newSite(t, newWorld("a", "b"))
	w := newWatcher(t, s)
	s.witness = w
	policy := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(policy, fmt.Appendf(nil, "witness pier %s https://pier.example\nquorum pier\n", w.vkey), 0o600); err != nil {
		t.Fatal(err)
	}
	s.installation = config.Installation{Witnesses: config.Witnesses{Policy: policy, Every: time.Minute, Timeout: time.Second}, MaxUnanchored: time.Hour}
	return s, w
}

func TestWitnessLog(t *testing.T) {
	s, _ := witnessedSite(t)
	d := s.start(t)
	scanOnce(t, d)
	r, err := d.WitnessLog(t.Context())
	if err != nil || !r.Quorum || r.Size != 3 || len(r.Witnesses) != 1 || r.Witnesses[0].At == nil {
		t.Fatalf("%+v %v", r, err)
	}
	status, err := d.LogStatus(t.Context())
	if err != nil || status.Witnessed != 3 || status.Unseen != 0 || len(status.Receipts) != 1 {
		t.Errorf("%+v %v", status, err)
	}
	scanOnce(t, d)
	levels := map[audit.Level]int{}
	if err := d.Entries(t.Context(), 0, -1, func(e LogEntry) error { levels[e.Level]++; return nil }); err != nil || levels[audit.LevelWitnessed] != 3 || levels[audit.LevelSigned] != 2 {
		t.Errorf("%v %v", levels, err)
	}
	policy, err := d.LogPolicy(t.Context())
	if err != nil || !strings.Contains(string(policy), "\nwitness pier ") || !strings.HasSuffix(string(policy), "\nquorum pier\n") {
		t.Errorf("%s %v", policy, err)
	}
	if status, err = d.LogStatus(t.Context()); err != nil || status.Witnessed != 3 || status.Unseen != 2 {
		t.Errorf("%+v %v", status, err)
	}
	wellAt(t, s)
}

// Whoever can write the database can write rows that say that somebody outside has seen the log. They are not believed, and the alarm stays.
func TestReceiptsThatNobodyGave(t *testing.T) {
	s, _ := witnessedSite(t)
	d := s.start(t)
	scanOnce(t, d)
	if _, err := d.WitnessLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	early := noteAt(t, d, 3)
	scanOnce(t, d)
	s.clock = s.clock.Add(2 * time.Hour)
	signed := noteAt(t, d, 5)
	stamp, err := audit.Stamp{Note: early, Response: []byte("x")}.Data()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]audit.Receipt{
		"nothing":                      {Size: 5, Kind: receiptWitnesses, Anchor: "quorum", Data: []byte{}},
		"a note that nobody cosigned":  {Size: 5, Kind: receiptWitnesses, Anchor: "a", Data: signed},
		"a note of another size":       {Size: 5, Kind: receiptWitnesses, Anchor: "b", Data: early},
		"more than there is":           {Size: 50, Kind: receiptWitnesses, Anchor: "c", Data: early},
		"a stamp of another size":      {Size: 5, Kind: audit.KindTimestamp, Anchor: "d", Data: stamp},
		"no stamp":                     {Size: 5, Kind: audit.KindTimestamp, Anchor: "e", Data: []byte("{}")},
		"an anchor of more than there": {Size: 50, Kind: "git", Anchor: "f", Data: []byte("{}")},
	} {
		l, err := d.current()
		if err != nil {
			t.Fatal(err)
		}
		if err := l.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutReceipt(r) }); err != nil {
			t.Fatal(err)
		}
		if status, err := d.LogStatus(t.Context()); err != nil || status.Witnessed != 3 || status.Anchored != 0 || status.Unseen != 2 || len(status.Alarms) == 0 {
			t.Errorf("%s: %+v %v", name, status, err)
		}
	}
	levels := map[audit.Level]int{}
	if err := d.Entries(t.Context(), 0, -1, func(e LogEntry) error { levels[e.Level]++; return nil }); err != nil || levels[audit.LevelWitnessed] != 3 || levels[audit.LevelSigned] != 2 {
		t.Errorf("%v %v", levels, err)
	}
	if r, err := d.WitnessLog(t.Context()); err != nil || !r.Quorum {
		t.Fatalf("%+v %v", r, err)
	}
}

// noteAt is the stored checkpoint of a size.
func noteAt(t *testing.T, d *Daemon, size int64) (msg []byte) {
	t.Helper()
	l, err := d.current()
	if err == nil {
		err = l.store.Read(t.Context(), func(tx *store.Tx) (err error) { msg, err = tx.CheckpointAt(size); return err })
	}
	if err != nil || msg == nil {
		t.Fatal(msg, err)
	}
	return msg
}

// policyOf is what a daemon says should be believed of its log.
func policyOf(t *testing.T, d *Daemon) *audit.Policy {
	t.Helper()
	text, err := d.LogPolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := audit.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// An auditor whose policy asks for the witness can believe what is exported, with nothing else done for it, and whatever is signed meanwhile.
func TestEvidenceIsWitnessed(t *testing.T) {
	s, w := witnessedSite(t)
	d := s.start(t)
	scanOnce(t, d)
	policy := policyOf(t, d)
	var gone error
	s.witness = cosigning(func(ctx context.Context, g audit.Growth) ([]byte, error) {
		if gone != nil {
			return nil, gone
		}
		line, err := w.AddCheckpoint(ctx, g)
		scanOnce(t, d)
		return line, err
	})
	for _, r := range []ExportRequest{{From: 0, To: -1, Payloads: true}, {Entries: []int64{1}}, {From: 0, To: 2, Since: 2}} {
		var b bytes.Buffer
		report, err := d.ExportLog(t.Context(), r, &b)
		if err != nil || len(report.Manifest.Notes) > 0 {
			t.Fatalf("%+v %v", report, err)
		}
		got, err := audit.VerifyBundle(t.Context(), &b, policy, nil, nil)
		if err != nil || !got.OK() || got.Signed != "WITNESSED(1)" || got.Size <= report.Log.First {
			t.Errorf("%+v %v", got, err)
		}
	}
	// Without it there is evidence all the same, which says what is missing.
	gone = errors.New("no route to host")
	var b bytes.Buffer
	report, err := d.ExportLog(t.Context(), ExportRequest{From: 0, To: -1}, &b)
	if err != nil || len(report.Manifest.Notes) != 1 || !strings.Contains(report.Manifest.Notes[0], "pier silent: no route to host") {
		t.Errorf("%+v %v", report, err)
	}
	if got, err := audit.VerifyBundle(t.Context(), &b, policy, nil, nil); err != nil || got.OK() || got.Signed != "SIGNED-ONLY" {
		t.Errorf("%+v %v", got, err)
	}
}

// TestOnlyTheWitnessSeesThatLogAndGuardWereSetBack is the one attack that signature and guard cannot see.
func TestOnlyTheWitnessSeesThatLogAndGuardWereSetBack(t *testing.T) {
	s, _ := witnessedSite(t)
	d := s.start(t)
	scanOnce(t, d)
	if _, err := d.WitnessLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	early, err := s.guard.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	backup := copyOf(t, s.data)
	scanOnce(t, d)
	if _, err := d.WitnessLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.data = backup
	guardOf(s).Set(early)
	after := s.start(t)
	wellAt(t, s) // nothing here can see it
	refused := func() {
		t.Helper()
		if _, err := after.WitnessLog(t.Context()); taffrail.KindOf(err) != taffrail.KindCorrupt || !strings.Contains(err.Error(), "pier") || taffrail.HintOf(err) == "" {
			t.Errorf("%v, hint %q", err, taffrail.HintOf(err))
		}
	}
	refused()
	// Who has the key goes on with it, to the size that the witness saw, and beyond: it is another history all the same.
	for range 3 {
		scanOnce(t, after)
		refused()
	}
}

func TestWitnessesThatDoNotAnswerNeverCount(t *testing.T) {
	s, _ := witnessedSite(t)
	s.witness = cosigning(func(context.Context, audit.Growth) ([]byte, error) { return nil, errors.New("connection refused") })
	d := s.start(t)
	scanOnce(t, d)
	r, err := d.WitnessLog(t.Context())
	if err != nil || r.Quorum || r.Witnesses[0].At != nil || !strings.Contains(r.Witnesses[0].Error, "connection refused") {
		t.Errorf("%+v %v", r, err)
	}
	if status, err := d.LogStatus(t.Context()); err != nil || status.Witnessed != 0 {
		t.Errorf("%+v %v", status, err)
	}
	for _, text := range []string{"quorum none\n", "witness pier " + newWatcher(t, s).vkey + " https://pier.example\nquorum none\n"} {
		if err := os.WriteFile(s.installation.Witnesses.Policy, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := s.start(t)
		if _, err := d.WitnessLog(t.Context()); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("nobody has to cosign: %v", err)
		}
		if status, err := d.LogStatus(t.Context()); err != nil || status.Witnessed != 0 || status.Unseen == 0 {
			t.Errorf("nobody has to cosign: %+v %v", status, err)
		}
	}
	s.installation = config.Installation{}
	if _, err := s.start(t).WitnessLog(t.Context()); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
		t.Errorf("without witnesses: %v", err)
	}
}

type cosigning func(context.Context, audit.Growth) ([]byte, error)

func (f cosigning) AddCheckpoint(ctx context.Context, g audit.Growth) ([]byte, error) {
	return f(ctx, g)
}

// A fakeAnchor takes what it is shown, or fails.
type fakeAnchor struct {
	now    func() time.Time
	failed error
	shown  atomic.Int64
	closed atomic.Int64
}

func (a *fakeAnchor) Anchor(_ context.Context, cp audit.Checkpoint) (audit.Receipt, error) {
	a.shown.Add(1)
	return audit.Receipt{Size: cp.Size, Kind: "paper", Anchor: "notary", At: a.now(), Data: cp.Note}, a.failed
}

func (a *fakeAnchor) Check(_ context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
	if string(r.Data) != string(cp.Note) {
		return time.Time{}, &audit.CorruptError{Part: audit.PartCheckpoints, What: "the receipt is about something else"}
	}
	return r.At, nil
}

func (a *fakeAnchor) Close() error { a.closed.Add(1); return nil }

func TestAnchorLog(t *testing.T) {
	s := newSite(t, newWorld("a"))
	a := &fakeAnchor{now: func() time.Time { return s.clock }}
	s.anchor = a
	s.installation = config.Installation{Anchors: []config.Section{{Plugin: "paper"}}}
	d := s.start(t)
	scanOnce(t, d)
	r, err := d.AnchorLog(t.Context())
	if err != nil || len(r.Anchors) != 1 || r.Anchors[0].Error != "" || r.Anchors[0].Name != "notary" || a.closed.Load() != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	if status, err := d.LogStatus(t.Context()); err != nil || status.Anchored != r.Size {
		t.Errorf("%+v %v", status, err)
	}
	checkers, err := d.Checkers(t.Context(), "")
	if err != nil || checkers["paper"] == nil {
		t.Fatalf("%v %v", checkers, err)
	}
	if _, err := checkers["paper"](t.Context(), audit.Checkpoint{Note: []byte("other")}, audit.Receipt{Kind: "paper"}); err == nil {
		t.Error("a receipt about something else was taken")
	}
	a.failed = errors.New("closed on Sundays")
	if r, err := d.AnchorLog(t.Context()); err != nil || r.Anchors[0].Error != "closed on Sundays" {
		t.Errorf("%+v %v", r, err)
	}
	a.failed = &audit.CorruptError{What: "it has seen another tree"}
	if _, err := d.AnchorLog(t.Context()); taffrail.KindOf(err) != taffrail.KindCorrupt {
		t.Errorf("%v", err)
	}
	s.installation = config.Installation{}
	if _, err := s.start(t).AnchorLog(t.Context()); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("without anchors: %v", err)
	}
	wellAt(t, s)
}

// keeper gives a daemon on a site whose time is that of the test.
func keeper(t *testing.T, s *site) *Daemon {
	t.Helper()
	d := s.daemon()
	d.options.Now = time.Now
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestServe lets some minutes pass.
func TestServe(t *testing.T) {
	s, _ := witnessedSite(t)
	a := &fakeAnchor{now: time.Now}
	s.anchor = a
	scanOnce(t, s.start(t))
	synctest.Test(t, func(t *testing.T) {
		s.clock = time.Now()
		in := &s.installation
		in.Heartbeat, in.Verify, in.AnchorEvery, in.Anchors = 15*time.Second, 2*time.Minute, time.Minute, []config.Section{{Plugin: "paper"}}
		s.witness = cosigning(func(context.Context, audit.Growth) ([]byte, error) { return nil, errors.New("asleep") })
		d := keeper(t, s)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Serve(ctx) }()
		time.Sleep(5*time.Minute + time.Second)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := len(entriesOf(t, d, taffrail.EntryHeartbeat)); n != 21 {
			t.Errorf("%d heartbeats", n)
		}
		verified := entriesOf(t, d, taffrail.EntryVerified)
		if len(verified) != 3 || verified[0].Entry.Outcome != taffrail.OutcomeOK {
			t.Errorf("%d verifications: %+v", len(verified), verified)
		}
		if n := a.shown.Load(); n != 6 {
			t.Errorf("shown to the anchor %d times", n)
		}
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	wellAt(t, s)
}

// A log that is not what it was ends the service; what fails otherwise does not.
func TestServeEndsOverALogThatIsNotWhatItWas(t *testing.T) {
	s := newSite(t, newWorld("a"))
	scanOnce(t, s.start(t))
	edit(t, s.data, "UPDATE entry SET body = replace(body, 'started', 'stopped') WHERE idx = 1")
	s.installation = config.Installation{Heartbeat: time.Hour, Verify: time.Hour}
	d := s.start(t)
	err := d.Serve(t.Context())
	if taffrail.KindOf(err) != taffrail.KindCorrupt || !strings.Contains(err.Error(), "entry 1") {
		t.Errorf("%v", err)
	}
	if all := entriesOf(t, d, taffrail.EntryVerified); len(all) != 1 || all[0].Entry.Outcome != taffrail.OutcomeFailed {
		t.Errorf("%+v", all)
	}
}

func TestReadingGoesOnWhereNothingCanBeWritten(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root may write to a read-only folder")
	}
	s := newSite(t, newWorld("a"))
	scanOnce(t, s.start(t))
	if err := os.Chmod(s.data, 0o500); err != nil { //nolint:gosec // it is a folder
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(s.data, 0o700) }) //nolint:gosec // likewise
	d := s.start(t)
	if n := len(types(t, d)); n != 3 {
		t.Errorf("%d entries", n)
	}
	if _, err := d.HoldLog(t.Context(), HoldRequest{Reason: "r"}); err == nil {
		t.Error("something was done")
	}
}

// pointedAfterAScan is a daemon that strikes at points, over a log that has a scan.
func pointedAfterAScan(t *testing.T) (*site, *points, *Daemon) {
	t.Helper()
	s := newSite(t, newWorld("a"))
	scanOnce(t, s.start(t))
	p := &points{}
	d := s.pointed(p)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	return s, p, d
}

// A log whose disk is full is read under its newest checkpoint.
func TestReadingGoesOnWhereNothingCanBeSigned(t *testing.T) {
	_, p, d := pointedAfterAScan(t)
	l, err := d.current()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.appendOne(t.Context(), l, d.entry(taffrail.Heartbeat{Seconds: 1}, entryContext{outcome: taffrail.OutcomeOK})); err != nil {
		t.Fatal(err)
	}
	p.strike = func(_ int, name string) error {
		if strings.HasPrefix(name, "guard") || strings.HasPrefix(name, "checkpoint") {
			return &taffrail.Error{Op: "write", Kind: taffrail.KindUnavailable, Err: errors.New("the disk is full")}
		}
		return nil
	}
	if n := len(types(t, d)); n != 3 {
		t.Errorf("%d entries are shown, of which 3 are signed", n)
	}
	if _, err := d.HoldLog(t.Context(), HoldRequest{Reason: "r"}); taffrail.KindOf(err) != taffrail.KindUnavailable {
		t.Errorf("%v", err)
	}
}

// What is intended and cannot be signed is not done: no byte of evidence is given out, and no key is made.
func TestNothingIsDoneThatIsNotSigned(t *testing.T) {
	s, p, d := pointedAfterAScan(t)
	before, err := s.keyring.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.strike = func(_ int, name string) error {
		if strings.HasPrefix(name, "guard") {
			return &taffrail.Error{Op: "write", Kind: taffrail.KindUnavailable, Err: errors.New("the disk is full")}
		}
		return nil
	}
	var b bytes.Buffer
	if _, err := d.ExportLog(t.Context(), ExportRequest{To: -1}, &b); taffrail.KindOf(err) != taffrail.KindUnavailable || b.Len() > 0 {
		t.Errorf("%d bytes were given out: %v", b.Len(), err)
	}
	if _, err := d.RotateKey(t.Context(), RotateRequest{Overlap: 1}); taffrail.KindOf(err) != taffrail.KindUnavailable {
		t.Error(err)
	}
	if _, err := d.RevokeKey(t.Context(), RevokeRequest{Key: before.Keys().Newest().VKey, Reason: "r"}); taffrail.KindOf(err) != taffrail.KindUnavailable {
		t.Error(err)
	}
	if after, err := s.keyring.Load(t.Context()); err != nil || !after.Keys().Equal(before.Keys()) {
		t.Errorf("keys are %v, %v", after.Keys(), err)
	}
}

// A stampConfig is the settings of an authority, as far as whoever checks needs them.
type stampConfig struct {
	Name   string `yaml:"name"`
	URL    string `yaml:"url"`
	CAFile string `yaml:"ca_file"`
}

// A fakeAuthority checks what it is called and whom it believes, as a real one does.
type fakeAuthority struct{ config stampConfig }

func (fakeAuthority) Anchor(context.Context, audit.Checkpoint) (audit.Receipt, error) {
	return audit.Receipt{}, errors.New("nobody asks it")
}

func (a fakeAuthority) Check(_ context.Context, _ audit.Checkpoint, r audit.Receipt) (time.Time, error) {
	if r.Anchor != a.config.Name {
		return time.Time{}, fmt.Errorf("the receipt is by %s", r.Anchor)
	}
	if a.config.CAFile != string(r.Data) {
		return time.Time{}, errors.New("another authority signed it")
	}
	return r.At, nil
}

// An auditor who names certificates believes these and no others: however the log calls the authority, and whatever is configured here.
func TestAuthoritiesOfTheAuditor(t *testing.T) {
	s := newSite(t, newWorld("a"))
	installation, err := config.ParseInstallation(config.InstallationName, []byte("anchors:\n  - rfc3161:\n      name: tsa\n      url: https://tsa.example\n      ca_file: ours.pem\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := audit.Receipt{Kind: audit.KindTimestamp, Anchor: "tsa", At: time.Unix(1, 0)}
	for _, tc := range []struct {
		installation         config.Installation
		authorities, signers string
		checked, holds       bool
	}{
		{config.Installation{}, "", "theirs.pem", false, false},
		{config.Installation{}, "theirs.pem", "theirs.pem", true, true},
		{config.Installation{}, "theirs.pem", "ours.pem", true, false},
		{installation, "", "ours.pem", true, true},
		{installation, "theirs.pem", "theirs.pem", true, true},
		{installation, "theirs.pem", "ours.pem", true, false},
	} {
		s.installation = tc.installation
		all, err := s.start(t).Checkers(t.Context(), tc.authorities)
		if err != nil {
			t.Fatal(err)
		}
		check := all[audit.KindTimestamp]
		if (check != nil) != tc.checked {
			t.Errorf("%+v: %v", tc, all)
		}
		if check == nil {
			continue
		}
		r.Data = []byte(tc.signers)
		if at, err := check(t.Context(), audit.Checkpoint{}, r); (err == nil) != tc.holds || tc.holds && !at.Equal(r.At) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

func addOutside(r *plug.Registry, s *site) {
	plug.Add(r, audit.KindTimestamp, func(_ context.Context, _ plug.Env, c stampConfig) (audit.Anchor, error) { return fakeAuthority{c}, nil })
	plug.Add(r, "http", func(context.Context, plug.Env, witnessConfig) (audit.Cosigning, error) { return s.witness, nil })
	plug.Add(r, "paper", func(context.Context, plug.Env, nothing) (audit.Anchor, error) { return s.anchor, nil })
}

type witnessConfig struct {
	URL     string `yaml:"url"`
	Timeout string `yaml:"timeout"`
}
