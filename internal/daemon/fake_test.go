package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

type fields = map[string]taffrail.Value

// A world is what a fake stack reads: it can be changed between scans, and made to misbehave.
type world struct {
	info         taffrail.StackInfo
	observations []taffrail.Observation
	gaps         []taffrail.Gap        // of the whole stack
	fail         error                 // Read ends with it, after the observations
	during       func(i int, w *world) // called before observation i
	describe     func() (taffrail.StackInfo, error)
	announces    bool
	closed       int
}

func newWorld(names ...string) *world {
	w := &world{info: taffrail.StackInfo{ID: "fake/lineage/default", System: "fake", Name: "here", Lineage: "lineage", Serial: 7}}
	for _, name := range names {
		w.observations = append(w.observations, observe(name, "as recorded"))
	}
	return w
}

func observe(name, live string) taffrail.Observation {
	return taffrail.Observation{
		Resource: taffrail.Resource{Stack: "fake/lineage/default", Address: taffrail.Address("thing." + name), Type: "thing", ID: taffrail.ResourceID(name)},
		Recorded: taffrail.Object(fields{"text": taffrail.String("as recorded"), "etag": taffrail.String("1")}),
		Live:     taffrail.Object(fields{"text": taffrail.String(live), "etag": taffrail.String("1")}),
		Handling: []taffrail.Handling{{Path: taffrail.NewPath(taffrail.Attr("etag")), Treatment: taffrail.Volatile, Why: "computed"}},
	}
}

// find gives the observation of a resource, to be changed.
func (w *world) find(name string) *taffrail.Observation {
	i := slices.IndexFunc(w.observations, func(o taffrail.Observation) bool { return o.Resource.ID == taffrail.ResourceID(name) })
	return &w.observations[i]
}

func (w *world) gap(name string, reason taffrail.Reason) {
	o := w.find(name)
	o.Live, o.Gap = taffrail.Unknown(), &taffrail.Gap{Address: o.Resource.Address, Type: "thing", Reason: reason, Detail: "it was made so"}
}

// Describe implements [taffrail.Stack].
func (w *world) Describe(context.Context) (taffrail.StackInfo, error) {
	if w.describe != nil {
		return w.describe()
	}
	return w.info, nil
}

// Read implements [taffrail.Stack].
func (w *world) Read(ctx context.Context, sel taffrail.Selection, emit func(taffrail.Observation) error) (c taffrail.Coverage, err error) {
	if w.announces {
		sel.Announce(len(w.observations))
	}
	for i, o := range w.observations {
		if !sel.Selects(o.Resource.Address) {
			continue
		}
		if w.during != nil {
			w.during(i, w)
		}
		if ctx.Err() != nil {
			o.Live, o.Gap = taffrail.Unknown(), &taffrail.Gap{Address: o.Resource.Address, Reason: taffrail.ReasonCancelled, Detail: "the scan was stopped"}
		}
		c.Count(o)
		if err := emit(o); err != nil {
			return c, err
		}
	}
	c.Gaps = append(c.Gaps, w.gaps...)
	return c, errors.Join(w.fail, ctx.Err())
}

// Close implements [taffrail.Stack].
func (w *world) Close() error {
	w.closed++
	return nil
}

// A listingWorld is a world that can be searched for what no stack declares.
type listingWorld struct {
	*world
	found   []taffrail.Observation
	listing taffrail.Listing
	failed  error
	asked   int
}

// List implements [taffrail.Lister].
func (w *listingWorld) List(ctx context.Context, _ taffrail.Scope, emit func(taffrail.Observation) error) (taffrail.Listing, error) {
	w.asked++
	for _, o := range w.found {
		if err := emit(o); err != nil {
			return w.listing, err
		}
	}
	return w.listing, errors.Join(w.failed, ctx.Err())
}

// stray is a live resource that no stack declares.
func stray(resourceType taffrail.ResourceType, id string) taffrail.Observation {
	return taffrail.Observation{
		Resource: taffrail.Resource{
			Stack: "fake/lineage/default", Address: taffrail.Address(fmt.Sprintf("%s (unmanaged %s)", resourceType, id)), Type: resourceType, ID: taffrail.ResourceID(id),
		},
		Recorded: taffrail.Null(), Live: taffrail.Object(fields{"id": taffrail.String(id)}),
	}
}

type testSealer struct{}

func (testSealer) Fingerprint(v taffrail.Value) (string, [32]byte) {
	return "00000000", sha256.Sum256(taffrail.FingerprintInput(v))
}

func (testSealer) Seal(v taffrail.Value) taffrail.Value {
	mac := hmac.New(sha256.New, []byte("a key for tests"))
	mac.Write(taffrail.SealInput(v))
	return taffrail.Secret(taffrail.SecretDigest(fmt.Sprintf("hmac:00000000:%x", mac.Sum(nil))))
}

// A site is one installation: folders, guard and keys.
type site struct {
	data    string
	guard   audit.Guard
	keyring audit.Keyring
	world   *world
	stack   taffrail.Stack              // what is opened; nil: the world
	runs    *fakeWatcher                // knows runs; nil: nobody does
	opening func(context.Context) error // may keep the stack from being opened
	clock   time.Time

	installation config.Installation
	remote       audit.RemoteSigner // that the plug-in "elsewhere" gives
	witness      audit.Cosigning    // that is asked, whatever its address
	anchor       audit.Anchor       // that the plug-in "paper" gives
	deliveries   *deliveries        // of the source "audit"
}

func newSite(t *testing.T, w *world) *site {
	t.Helper()
	return &site{
		data: t.TempDir(), guard: audittest.NewMemoryGuard(), keyring: audittest.NewMemoryKeyring(), world: w,
		clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

type nothing struct {
	Folder string `yaml:"folder"`
	Create bool   `yaml:"create"`
}

// daemon is a daemon on the site, as a new process would have it.
func (s *site) daemon() *Daemon {
	var ticks sync.Mutex // the duties of a daemon that serves ask for the time at once
	var r plug.Registry
	plug.Add(&r, "file", func(context.Context, plug.Env, nothing) (audit.Guard, error) { return s.guard, nil })
	plug.Add(&r, "file", func(context.Context, plug.Env, nothing) (audit.Keyring, error) { return s.keyring, nil })
	plug.Add(&r, "file", func(context.Context, plug.Env, nothing) (taffrail.Sealer, error) { return testSealer{}, nil })
	plug.Add(&r, "fake", s.openStack)
	plug.Add(&r, "elsewhere", func(context.Context, plug.Env, nothing) (audit.RemoteSigner, error) { return s.remote, nil })
	addOutside(&r, s)
	addAudit(&r, s)
	addWatcher(&r, s)
	return New(Options{
		Version: "test", DataDir: s.data, StateDir: "the guard's", ConfigDir: "the keys'", Plugins: &r, Installation: s.installation, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time {
			ticks.Lock()
			defer ticks.Unlock()
			s.clock = s.clock.Add(time.Second)
			return s.clock
		},
	})
}

func (s *site) openStack(ctx context.Context, _ plug.Env, _ nothing) (taffrail.Stack, error) {
	if s.opening != nil {
		if err := s.opening(ctx); err != nil {
			return nil, err
		}
	}
	if s.stack != nil {
		return s.stack, nil
	}
	return s.world, nil
}

// start gives a started daemon that is stopped with the test.
func (s *site) start(t *testing.T) *Daemon {
	t.Helper()
	d := s.daemon()
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func scanOnce(t *testing.T, d *Daemon) ScanReport {
	t.Helper()
	return scanAs(t, d, ScanRequest{})
}

func scanAs(t *testing.T, d *Daemon, r ScanRequest) ScanReport {
	t.Helper()
	r.System = "fake"
	report, err := d.Scan(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// bodies gives the bodies of one type, from the whole log.
func bodies[B taffrail.EntryBody](t *testing.T, d *Daemon) (all []B) {
	t.Helper()
	err := d.Entries(t.Context(), 0, -1, func(e LogEntry) error {
		if b, ok := e.Entry.Body.(B); ok {
			all = append(all, b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// payload reads what an entry of the log points to.
func payload[T any](t *testing.T, d *Daemon, ref taffrail.BlobRef) T {
	t.Helper()
	var got *taffrail.Salted[T]
	err := d.Entries(t.Context(), 0, -1, func(e LogEntry) error {
		if data, ok := e.Blobs[ref.SHA256]; ok {
			got = new(taffrail.Salted[T])
			return json.Unmarshal(data, got)
		}
		return nil
	})
	if err != nil || got == nil || len(got.Nonce) != 32 {
		t.Fatalf("payload %v: %+v %v", ref, got, err)
	}
	return got.Content
}

// wellAt says that the log verifies and that rebuilding the index changes nothing: how every story ends.
func wellAt(t *testing.T, s *site) LogReport {
	t.Helper()
	d := s.start(t)
	report, err := d.VerifyLog(t.Context(), nil)
	if err != nil || report.Verdict != "verified" {
		t.Errorf("%v: %+v", err, report)
	}
	rebuilt, err := d.RebuildIndex(t.Context())
	if err != nil || len(rebuilt.Changed) != 0 {
		t.Errorf("rebuilding the index: %v %q", err, rebuilt.Changed)
	}
	return report
}

// types lists the types of all entries.
func types(t *testing.T, d *Daemon) (all []taffrail.EntryType) {
	t.Helper()
	err := d.Entries(t.Context(), 0, -1, func(e LogEntry) error {
		entryType, _ := e.Entry.Body.Kind()
		all = append(all, entryType)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
