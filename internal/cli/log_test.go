package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// payloadFor gives a payload and its name.
func payloadFor[T any](content T) (taffrail.BlobRef, []byte) {
	b, err := json.Marshal(taffrail.Salted[T]{Nonce: "00", Content: content})
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b)
	return taffrail.BlobRef{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b))}, b
}

// logOf puts entries and payloads into a log.
func logOf(payloads [][]byte, entries ...taffrail.Entry) []daemon.LogEntry {
	var log []daemon.LogEntry
	for i, e := range entries {
		e.Time, e.Counter, e.Nonce, e.Actor = noon.Add(time.Duration(i)*time.Second), int64(i), strings.Repeat("0", 32), "taffrail/1.2.3"
		leaf, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		blobs := map[string][]byte{}
		for _, p := range payloads {
			sum := sha256.Sum256(p)
			blobs[hex.EncodeToString(sum[:])] = p
		}
		log = append(log, daemon.LogEntry{Index: int64(i), LeafHash: "bGVhZg==", Level: audit.LevelSigned, Leaf: leaf, Entry: e, Blobs: blobs})
	}
	return log
}

func someLog() []daemon.LogEntry {
	const scope = taffrail.StackID("terraform/3f1a/default")
	stack := reportOf().Stack
	finding := modified("cloud_firewall.web", drifted("description", str("Front door"), str("opened\x1b by hand")), drifted("token", secret("1a2b3c4d"), secret("9f8e7d6c"))).Finding
	findingRef, findingBytes := payloadFor(finding)
	gapsRef, gapsBytes := payloadFor([]taffrail.Gap{gapOf("cloud_database.main", taffrail.ReasonDenied, "read db-0001: 403", "give it the right")})
	seen := taffrail.DriftSeen{Drift: "drift-00", Type: "cloud_firewall", ID: "fw-0001", Status: taffrail.Modified, Changes: 2, Finding: findingRef}
	gone := seen
	gone.Finding.SHA256, gone.Status, gone.Changes = strings.Repeat("ab", 32), taffrail.Deleted, 0
	entry := func(outcome taffrail.Outcome, resource taffrail.Address, body taffrail.EntryBody) taffrail.Entry {
		return taffrail.Entry{Scope: scope, Resource: resource, Outcome: outcome, Request: "scan-01", Body: body}
	}
	started := int64(1)
	finished := entry(taffrail.OutcomeIncomplete, "", taffrail.ScanFinished{
		Started: 1, Stack: stack, Coverage: taffrail.Coverage{Total: 16, Checked: 15, Incomplete: 1}, Drifts: map[string]int{"open": 2},
		Statuses: map[taffrail.Status]int{taffrail.Modified: 1}, Gaps: &gapsRef, Millis: 1234,
	})
	finished.Intent = &started
	return logOf([][]byte{findingBytes, gapsBytes},
		taffrail.Entry{Outcome: taffrail.OutcomeOK, Body: taffrail.LogStarted{Origin: testOrigin, Key: testKey}},
		entry(taffrail.OutcomeStarted, "", taffrail.ScanStarted{Stack: stack, Selection: taffrail.Selection{Addresses: []taffrail.Address{"a.b", "a.c"}}}),
		entry(taffrail.OutcomeObserved, "cloud_firewall.web", taffrail.DriftFound{DriftSeen: seen}),
		entry(taffrail.OutcomeObserved, `module.x["\u001b"].cloud_bucket.a_name_that_is_so_long_that_it_has_to_be_cut`, taffrail.DriftChanged{DriftSeen: gone}),
		entry(taffrail.OutcomeObserved, "cloud_bucket.logs", taffrail.DriftEnded{Drift: "drift-02", Why: taffrail.EndInSync}),
		finished)
}

func TestLogShow(t *testing.T) {
	for _, c := range []struct {
		name string
		log  []daemon.LogEntry
		args []string
		want [2]int64 // the range that is asked for
	}{
		{"last", someLog(), nil, [2]int64{-20, -1}},
		{"last_two", someLog(), []string{"-n", "2"}, [2]int64{-2, -1}},
		{"range", someLog(), []string{"2..3"}, [2]int64{2, 4}},
		{"from", someLog(), []string{"4.."}, [2]int64{4, -1}},
		{"to", someLog(), []string{"..1"}, [2]int64{0, 2}},
		{"log_started", someLog(), []string{"0"}, [2]int64{0, 1}},
		{"scan_started", someLog(), []string{"1"}, [2]int64{1, 2}},
		{"drift_found", someLog(), []string{"2"}, [2]int64{2, 3}},
		{"payload_erased", someLog(), []string{"3"}, [2]int64{3, 4}},
		{"scan_finished", someLog(), []string{"5"}, [2]int64{5, 6}},
		{"raw", someLog(), []string{"2..3", "--raw"}, [2]int64{2, 4}},
		{"json", someLog(), []string{"2..3", "-o", "json"}, [2]int64{2, 4}},
		{"nothing", nil, nil, [2]int64{-20, -1}},
		{"nothing_json", nil, []string{"-o", "json"}, [2]int64{-20, -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{entries: c.log}
			got := run(t, f, append([]string{"log", "show"}, c.args...)...)
			golden(t, "log_show/"+c.name, got)
			if diff := cmp.Diff([][2]int64{c.want}, f.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The raw form is the bytes that were signed, and nothing else.
func TestLogShowRawIsExact(t *testing.T) {
	log := someLog()
	log[2].Leaf = []byte("{\"odd\":\"\u009b\"  }")
	got := run(t, &fake{entries: log}, "log", "show", "--raw", "2")
	if want := string(log[2].Leaf) + "\n"; got.stdout != want {
		t.Errorf("got %q, want %q", got.stdout, want)
	}
}

// A payload that is not the one that the log names is never shown.
func TestLogShowPayloadChanged(t *testing.T) {
	log := someLog()
	ref := log[2].Entry.Body.Payloads()[0]
	log[2].Blobs[ref.SHA256] = []byte(`{"nonce":"00","content":{"status":"in_sync"}}`)
	for _, form := range []string{"table", "json"} {
		got := run(t, &fake{entries: log}, "log", "show", "2", "-o", form)
		if !strings.Contains(got.stdout, "it was changed") || strings.Contains(got.stdout, "in_sync") {
			t.Errorf("%s:\n%s", form, got.stdout)
		}
	}
}

func TestLogInit(t *testing.T) {
	var origin string
	f := &fake{init: func(_ context.Context, r daemon.InitRequest) (daemon.LogInfo, error) {
		origin = r.Origin
		return daemon.LogInfo{Origin: "example.org/log", Key: "example.org/log+00+AA", Data: "/d", Guard: "/s/guard", Keys: "/c"}, nil
	}}
	golden(t, "log_init/table", run(t, f, "log", "init", "--origin", "example.org/log"))
	golden(t, "log_init/json", run(t, f, "log", "init", "--origin", "example.org/log", "-o", "json"))
	if origin != "example.org/log" {
		t.Errorf("origin %q", origin)
	}
	f = &fake{init: func(context.Context, daemon.InitRequest) (daemon.LogInfo, error) {
		return daemon.LogInfo{}, &taffrail.Error{Op: "begin log", Kind: taffrail.KindConflict, Err: errors.New("the log exists already"), Hint: "name another folder"}
	}}
	golden(t, "log_init/exists", run(t, f, "log", "init"))
}

func sound() daemon.LogReport {
	return daemon.LogReport{
		Log:   daemon.LogInfo{Origin: testOrigin, Key: testKey, Data: "/data", Guard: "/state/guard.json", Keys: "/config"},
		Audit: audit.Report{Origin: testOrigin, Size: 16, Signed: 16, Checkpoints: 4, Root: [32]byte{1, 2, 3}},
		Blobs: []string{}, Index: []string{}, Verdict: verified,
	}
}

func broken() daemon.LogReport {
	r := sound()
	r.Verdict = "failed"
	hint := "what is stored was changed outside of taffrail: keep this copy as evidence and bring back one that verifies"
	r.Audit.Problems = []*audit.CorruptError{
		{Part: audit.PartEntries, What: "entry 5: stored hash does not match its bytes", From: 5, To: 6, Hint: hint},
		{Part: audit.PartEntries, What: "entry 7 is missing", From: 7, To: 8, Hint: hint},
		{Part: audit.PartCheckpoints, What: "the newest stored checkpoint is not one that this log signed", Hint: "check the key", Err: errors.New("signature\nmismatch")},
	}
	r.Audit.Truncated = true
	r.Audit.Notes = []string{"2 entries are committed and not signed yet"}
	r.Blobs = []string{"entry 3: payload ab12 is not what it was"}
	r.Index = []string{"drift drift-00: status is deleted, the log says modified"}
	return r
}

func TestLogVerify(t *testing.T) {
	onlyIndex := sound()
	onlyIndex.Verdict, onlyIndex.Index = "failed", []string{"a row is missing"}
	lying := sound()
	lying.Blobs = []string{"entry 3: payload ab12 is missing"}
	odd := sound()
	odd.Verdict = "maybe"
	noted := sound()
	noted.Audit.Notes = []string{"2 entries are committed and not signed yet; the next start or signature covers them"}
	for _, c := range []struct {
		name   string
		report daemon.LogReport
		args   []string
		status int
	}{
		{"verified", sound(), nil, 0},
		{"verified_json", sound(), []string{"-o", "json"}, 0},
		{"notes", noted, nil, 0},
		{"failed", broken(), nil, 3},
		{"failed_json", broken(), []string{"-o", "json"}, 3},
		{"index", onlyIndex, nil, 3},
		{"verdict_that_lies", lying, nil, 3},
		{"verdict_that_is_odd", odd, nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{verify: func(context.Context, func(int64, int64)) (daemon.LogReport, error) { return c.report, nil }}
			f.startErr = &taffrail.Error{Kind: taffrail.KindCorrupt, Err: errors.New("refused")}
			got := run(t, f, append([]string{"log", "verify"}, c.args...)...)
			golden(t, "log_verify/"+c.name, got)
			if got.status != c.status {
				t.Errorf("status %d, want %d", got.status, c.status)
			}
			if f.started != 0 {
				t.Error("the service was started, which is refused for a log that is corrupt")
			}
		})
	}
}

func TestLogVerifyCannot(t *testing.T) {
	f := &fake{verify: func(context.Context, func(int64, int64)) (daemon.LogReport, error) {
		return daemon.LogReport{}, &taffrail.Error{Op: "verify log", Kind: taffrail.KindNotFound, Err: audit.ErrNoLog, Hint: "the first scan begins one"}
	}}
	golden(t, "log_verify/no_log", run(t, f, "log", "verify"))
}

func TestLogVerifyTellsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{verify: func(_ context.Context, progress func(done, total int64)) (daemon.LogReport, error) {
			progress(512, 9000)
			time.Sleep(tellEvery + time.Second)
			return sound(), nil
		}}
		got := run(t, f, "log", "verify")
		if want := "Verifying: entry 512 of 9000 ...\n"; got.stderr != want {
			t.Errorf("got %q, want %q", got.stderr, want)
		}
	})
}

func TestIndexRebuild(t *testing.T) {
	report := daemon.IndexReport{Entries: 16, Rows: 2, Changed: []string{}}
	f := &fake{rebuild: func(context.Context) (daemon.IndexReport, error) { return report, nil }}
	golden(t, "index/nothing_changed", run(t, f, "index", "rebuild"))
	report.Changed = []string{"drift drift-00: status is deleted, the log says modified", "drift drift-01 was \x1b missing"}
	golden(t, "index/changed", run(t, f, "index", "rebuild"))
	golden(t, "index/changed_json", run(t, f, "index", "rebuild", "-o", "json"))
}

func TestVersion(t *testing.T) {
	got := run(t, &fake{}, "version")
	if !strings.HasPrefix(got.stdout, "taffrail 1.2.3\ngo1.") || !strings.Contains(got.stdout, "\nrevision ") || got.status != 0 {
		t.Errorf("got %+v", got)
	}
	var form versionForm
	if err := json.Unmarshal([]byte(run(t, &fake{}, "version", "-o", "json").stdout), &form); err != nil || form.Version != "1.2.3" || form.Platform == "" {
		t.Errorf("got %+v, %v", form, err)
	}
	if got := run(t, &fake{}, "--version"); !strings.Contains(got.stdout, "1.2.3") {
		t.Errorf("got %+v", got)
	}
}
