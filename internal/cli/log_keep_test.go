package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func keptAt() *daemon.LogPosition {
	return &daemon.LogPosition{Origin: testOrigin, Key: testKey, First: 20, Last: 21, Level: audit.LevelSigned, Size: 22, Root: "cm9vdA=="}
}

// What is typed arrives as it was meant, and what came of it is said.
func TestKeeping(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want any
	}{
		{"hold", []string{"log", "hold", "--from", "3", "--to", "9", "--reason", "case 17", "--by", "jane"}, daemon.HoldRequest{From: 3, To: 9, Reason: "case 17", By: "jane"}},
		{"release", []string{"log", "release", "21", "--reason", "closed", "--by", "jane"}, daemon.ReleaseRequest{Hold: 21, Reason: "closed", By: "jane"}},
		{"redact", []string{"log", "redact", "5", "--field", "by", "--reason", "left", "--basis", "GDPR Art. 17", "--by", "jane"},
			daemon.RedactRequest{Entry: 5, Field: "by", Reason: "left", Basis: "GDPR Art. 17", By: "jane"}},
		{"prune", []string{"log", "prune", "--before", "512", "--reason", "retention", "--by", "jane"}, daemon.PruneRequest{Before: 512, Reason: "retention", By: "jane"}},
		{"rotate", []string{"key", "rotate", "--overlap", "50", "--by", "jane"}, daemon.RotateRequest{Overlap: 50, By: "jane"}},
		{"revoke", []string{"key", "revoke", "--reason", "stolen", "--by", "jane"}, daemon.RevokeRequest{Reason: "stolen", By: "jane"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{fakeLog: fakeLog{position: keptAt(), keys: []daemon.KeyInfo{{Key: testKey, To: 40}, {Key: testKey + "2", From: 22}}}}
			got := run(t, f, tc.args...)
			if diff := cmp.Diff(tc.want, f.request); diff != "" {
				t.Error(diff)
			}
			golden(t, "keep/"+tc.name, got)
		})
	}
}

func TestKeepingNamesThePerson(t *testing.T) {
	f := &fake{fakeLog: fakeLog{position: keptAt()}}
	run(t, f, "log", "hold", "--reason", "r")
	if r, ok := f.request.(daemon.HoldRequest); !ok || !strings.Contains(r.By, "@") {
		t.Errorf("%+v", f.request)
	}
}

func TestKeepingRefusesWhatIsHalfSaid(t *testing.T) {
	for name, args := range map[string][]string{
		"release": {"log", "release"}, "redact": {"log", "redact", "x"}, "prune": {"log", "prune", "--reason", "r"},
		"prune_twice": {"log", "prune", "--before", "256", "--older-than", "3d"}, "prune_age": {"log", "prune", "--older-than", "old"},
		"rotate": {"key", "rotate", "--overlap", "0"}, "export_file": {"log", "export", "--from", "0"}, "export_what": {"log", "export", "--file", "x"},
		"search_time": {"log", "search", "--since", "yesterday"}, "search_limit": {"log", "search", "-n", "0"}, "verify": {"verify"}, "verify_policy": {"verify", "b.tar"},
		"witness_logs": {"witness", "serve"}, "witness_name": {"witness", "init"}, "signer_socket": {"signer", "serve"}, "publish": {"log", "publish"},
	} {
		t.Run(name, func(t *testing.T) { golden(t, "mistakes/log_"+name, run(t, &fake{}, args...)) })
	}
}

func TestPruneByAge(t *testing.T) {
	f := &fake{fakeLog: fakeLog{position: keptAt()}}
	run(t, f, "log", "prune", "--older-than", "400d", "--reason", "r")
	r, ok := f.request.(daemon.PruneRequest)
	if age := time.Since(r.OlderThan); !ok || age < 399*24*time.Hour || age > 401*24*time.Hour {
		t.Errorf("%+v", f.request)
	}
}

func statusOf() *daemon.LogStatus {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &daemon.LogStatus{
		Log:  daemon.LogInfo{Origin: testOrigin, Key: testKey, Data: "/data", Guard: "/state", Keys: "/config"},
		Keys: []daemon.KeyInfo{{Key: testKey}}, Size: 30, Queued: 2, Signed: 30, Witnessed: 28, Anchored: 20,
		Receipts: []daemon.ReceiptInfo{{Kind: "rfc3161", Anchor: "tsa", Size: 20, At: at}, {Kind: "witnesses", Anchor: "quorum", Size: 28, At: at}},
		Holds:    []daemon.HoldInfo{{Entry: 4, From: 0, Reason: "case 17"}}, Intents: []int64{}, Unseen: 0,
		Verified: &daemon.VerifiedInfo{Entry: 25, At: at, Size: 24}, Heartbeat: &daemon.HeartbeatInfo{Entry: 29, At: at, Next: at.Add(15 * time.Minute)}, Alarms: []string{},
	}
}

func TestLogStatus(t *testing.T) {
	calm, alarmed := statusOf(), statusOf()
	alarmed.Alarms = []string{"2 entries were seen by nobody outside"}
	alarmed.Receipts, alarmed.Holds, alarmed.Verified, alarmed.Heartbeat, alarmed.Pruned = nil, nil, nil, nil, 256
	for name, s := range map[string]*daemon.LogStatus{"calm": calm, "alarmed": alarmed} {
		t.Run(name, func(t *testing.T) {
			golden(t, "log/status_"+name, run(t, &fake{fakeLog: fakeLog{status: s}}, "log", "status"))
		})
	}
	golden(t, "log/status_json", run(t, &fake{fakeLog: fakeLog{status: calm}}, "log", "status", "-o", "json"))
}

func TestLogSearch(t *testing.T) {
	f := &fake{fakeLog: fakeLog{found: &daemon.SearchPage{Entries: someLog(), Next: 4, Pruned: 256}}}
	got := run(t, f, "log", "search", "--type", "drift.found,scan.finished", "--since", "2026-01-01", "--until", "2026-02-01T10:00:00Z", "--resource", "a.b", "--text", "two words", "-n", "7")
	want := daemon.SearchRequest{
		Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 2, 1, 10, 0, 0, 0, time.UTC),
		Types: []taffrail.EntryType{"drift.found", "scan.finished"}, Resource: "a.b", Text: "two words", Limit: 7,
	}
	if diff := cmp.Diff(want, f.request); diff != "" {
		t.Error(diff)
	}
	golden(t, "log/search", got)
	golden(t, "log/search_nothing", run(t, &fake{fakeLog: fakeLog{found: &daemon.SearchPage{}}}, "log", "search"))
}

func TestExportWritesAWholeFileOrNone(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "evidence.tar")
	broken := errors.New("the disk is on fire")
	for _, tc := range []struct {
		name   string
		failed error
		left   int
	}{{"well", nil, 1}, {"failed", broken, 1}} {
		f := &fake{fakeLog: fakeLog{export: func(r daemon.ExportRequest, w io.Writer) (daemon.ExportReport, error) {
			_, err := io.WriteString(w, tc.name)
			return daemon.ExportReport{Manifest: audit.Manifest{From: 0, To: 256, Size: 300, Single: []int64{}}, SHA256: "abcd", Bytes: 4, Log: *keptAt()}, errors.Join(err, tc.failed)
		}}}
		got := run(t, f, "log", "export", "--from", "0", "--file", path, "--by", "jane")
		if (got.status == 0) != (tc.failed == nil) {
			t.Errorf("%s: %+v", tc.name, got)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "well" {
			t.Errorf("%s: %q %v", tc.name, text, err)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != tc.left {
			t.Errorf("%s: %v %v", tc.name, left, err)
		}
		if r := f.request.(daemon.ExportRequest); r.From != 0 || r.To != -1 || !r.Payloads || r.By != "jane" || r.Filter != nil {
			t.Errorf("%+v", r)
		}
	}
}

func TestExportToStandardOutput(t *testing.T) {
	f := &fake{fakeLog: fakeLog{export: func(r daemon.ExportRequest, w io.Writer) (daemon.ExportReport, error) {
		_, err := w.Write([]byte{0, 1, 2})
		return daemon.ExportReport{}, err
	}}}
	got := run(t, f, "log", "export", "--entry", "3,4", "--no-payloads", "--filter", "--type", "drift.found", "--file", "-")
	if !bytes.Equal([]byte(got.stdout), []byte{0, 1, 2}) || got.status != 0 {
		t.Errorf("%+v", got)
	}
	r := f.request.(daemon.ExportRequest)
	if diff := cmp.Diff([]int64{3, 4}, r.Entries); diff != "" || r.Payloads || r.From != r.To || r.Filter == nil {
		t.Errorf("%+v", r)
	}
}

func TestOutside(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	few := &daemon.WitnessReport{Size: 9, Witnesses: []daemon.WitnessAnswer{{Name: "a", At: &at}, {Name: "b", Error: "silent: connection refused"}}}
	enough := &daemon.WitnessReport{Size: 9, Quorum: true, Witnesses: few.Witnesses[:1]}
	for name, f := range map[string]fakeLog{
		"witness_few":    {witnessed: few},
		"witness_enough": {witnessed: enough},
		"anchor":         {anchored: &daemon.AnchorReport{Size: 9, Anchors: []daemon.AnchorAnswer{{Kind: "git", Name: "forge", At: &at}, {Kind: "rfc3161", Name: "tsa", Error: "no answer"}}}},
		"publish":        {published: &daemon.PublishReport{Folder: "/srv/log", Size: 300, Files: 5}},
		"restore":        {restored: &daemon.RestoreReport{From: 7, To: 12, Payloads: 1}},
		"restore_none":   {restored: &daemon.RestoreReport{From: 7, To: 7}},
		"policy":         {policy: []byte("log " + testKey + "\nquorum none\n")},
		"prove":          {proof: &daemon.EntryProof{Index: 3, Proof: []byte("c2sp.org/tlog-proof@v1\nindex 3\n\n..."), Leaf: []byte("{}")}},
	} {
		args := []string{"log", strings.Split(name, "_")[0]}
		switch args[1] {
		case "publish", "restore":
			args = append(args, "/srv/log")
		case "prove":
			args = append(args, "3")
		}
		t.Run(name, func(t *testing.T) { golden(t, "log/"+name, run(t, &fake{fakeLog: f}, args...)) })
	}
}
