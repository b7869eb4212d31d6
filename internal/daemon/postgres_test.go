//go:build unix

package daemon

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// TestOnPostgres does everything once where the log is in Postgres.
func TestOnPostgres(t *testing.T) {
	server := pgtest.Start(t)
	s := newSite(t, newWorld("a", "b"))
	s.installation = config.Installation{Store: &config.Postgres{URL: server.Database(t)}}
	d := s.start(t)
	*s.world.find("a") = observe("a", "moved")
	if r := scanOnce(t, d); !r.Log.Started || len(r.Drifts) != 1 {
		t.Fatalf("%+v", r)
	}
	wellAt(t, s)

	// Another process goes on, and does not take what this one is in the middle of for given up.
	var other ScanReport
	held, err := d.act(t.Context(), "jane", taffrail.Held{Reason: "r"}, func(context.Context) error {
		other = scanOnce(t, s.start(t))
		return nil
	}, func(*store.Tx) (taffrail.EntryBody, error) { return taffrail.Held{Reason: "r"}, nil })
	if err != nil || len(other.Drifts) != 1 || other.Drifts[0].New || other.Log.First != held.First+1 {
		t.Fatalf("%+v %+v %v", held, other.Log, err)
	}
	if _, err := d.ReleaseLog(t.Context(), ReleaseRequest{Hold: held.Last, Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RedactLog(t.Context(), RedactRequest{Entry: 2, Payload: findingOfEntry(t, s, 2), Reason: "r", Basis: "b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RedactLog(t.Context(), RedactRequest{Entry: held.First, Field: "by", Reason: "r", Basis: "b"}); err != nil {
		t.Fatal(err)
	}
	long(t, d, 300)
	if _, err := d.PruneLog(t.Context(), PruneRequest{Before: 256, Reason: "retention"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RotateKey(t.Context(), RotateRequest{Overlap: 5}); err != nil {
		t.Fatal(err)
	}
	wellAt(t, s)
	var bundle bytes.Buffer
	if _, err := d.ExportLog(t.Context(), ExportRequest{From: 256, To: -1, Payloads: true}, &bundle); err != nil {
		t.Fatal(err)
	}
	policy := policyOf(t, d)
	if r, err := audit.VerifyBundle(t.Context(), &bundle, policy, nil, nil); err != nil || !r.OK() {
		t.Errorf("%+v %v", r, err)
	}
}

// What other processes queue has its place and a signature soon, while one serves.
func TestServeBringsWhatIsQueuedIntoTheLog(t *testing.T) {
	server := pgtest.Start(t)
	s := newSite(t, newWorld("a"))
	url := server.Database(t)
	s.installation = config.Installation{Store: &config.Postgres{URL: url}, Heartbeat: 1 << 40, Verify: 1 << 40}
	d := s.start(t)
	scanOnce(t, d)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx) }()
	writer, err := store.OpenPostgres(t.Context(), url, store.Write)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := writer.Enqueue(t.Context(), []taffrail.Entry{d.entry(taffrail.Heartbeat{Seconds: 7}, entryContext{outcome: taffrail.OutcomeOK})})
	if err != nil {
		t.Fatal(err)
	}
	stamps, err := writer.Await(t.Context(), ticket)
	if err != nil || len(stamps) != 1 {
		t.Fatalf("%+v %v", stamps, err)
	}
	found := errors.New("found")
	err = d.FollowLog(t.Context(), stamps[0].Index, func(e LogEntry) error {
		if b, ok := e.Entry.Body.(taffrail.Heartbeat); ok && b.Seconds == 7 {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		t.Error(err)
	}
	stop()
	if err := errors.Join(<-ended, writer.Close()); err != nil {
		t.Error(err)
	}
	wellAt(t, s)
}
