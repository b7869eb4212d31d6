package taffrail_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func everyBody() []taffrail.EntryBody {
	seen := taffrail.DriftSeen{
		Drift: "drift-0123456789abcdef", Type: "harbor_bucket", ID: "b-1", Status: taffrail.Modified, Changes: 2,
		Finding: taffrail.BlobRef{SHA256: strings.Repeat("ab", 32), Size: 1234},
	}
	stack := taffrail.StackInfo{ID: "terraform/l/default", System: "terraform", Name: ".", Lineage: "l", Serial: 1 << 52}
	return []taffrail.EntryBody{
		taffrail.LogStarted{Origin: "taffrail.local/x", Key: "k"},
		taffrail.ScanStarted{Stack: stack, Selection: taffrail.Selection{Addresses: []taffrail.Address{"a.b"}}},
		taffrail.ScanStarted{Stack: stack, Scope: taffrail.Scope{Types: []taffrail.ResourceType{"a"}}, Rules: &taffrail.BlobRef{SHA256: "a", Size: 1}},
		taffrail.ScanFinished{Stack: stack, Statuses: map[taffrail.Status]int{taffrail.InSync: 3}, Gaps: &taffrail.BlobRef{}},
		taffrail.ScanFinished{Stack: stack, Pending: 2, ListedAll: &taffrail.BlobRef{SHA256: "a"}, Versions: &taffrail.Versions{Key: "k", Count: 2, All: "a", Changed: 1, Blob: taffrail.BlobRef{SHA256: "b"}}},
		taffrail.DriftFound{DriftSeen: seen},
		taffrail.DriftChanged{DriftSeen: seen},
		taffrail.DriftEnded{Drift: "drift-0123456789abcdef", Why: taffrail.EndInSync},
		taffrail.Heartbeat{Seconds: 900, Alarms: []string{"unanchored"}},
		taffrail.Verified{Size: 7, Root: "r", Signed: 7, Problems: []string{"p"}, Millis: 3},
		taffrail.Exported{From: 0, To: 256, Single: []int64{300}, Count: 1, Filter: "f", Size: 301, SHA256: "a"},
		taffrail.Redacted{Entry: 3, Field: "by", Digest: "d", Reason: "r", Basis: "b"},
		taffrail.Held{From: 0, To: 0, Reason: "r"},
		taffrail.Released{Hold: 4, Reason: "r"},
		taffrail.Pruned{Before: 256, Reason: "r", Dropped: 9, Snapshot: &taffrail.BlobRef{SHA256: "a", Size: 1}},
		taffrail.KeyRotated{Old: "o", New: "n", From: 9, Until: 20},
		taffrail.KeyRevoked{Key: "k", At: 9, New: "n", Reason: "r"},
		taffrail.RunStarted{
			Run: "run-0123456789abcdef", Program: "tofu", Verb: "apply", Stack: &stack, Commit: &taffrail.Commit{Hash: "h", Dirty: true}, Plan: "a",
			Class: taffrail.ActorPipeline, Features: []string{"f"}, CI: "gitlab_ci", Agent: "taffrail/run-0123456789abcdef",
		},
		taffrail.RunFinished{Run: "run-0123456789abcdef", Started: 4, Exit: -1, Signal: "killed", Millis: 5, Untapped: "u"},
		taffrail.RunFinished{Run: "run-0123456789abcdef", Started: 4, Stack: &stack, Tap: &taffrail.RunTap{
			Providers: []string{"p"}, Others: []taffrail.Untapped{{Name: "q", Why: "w"}}, Connections: 2, Applied: 1, Failed: 1, LeftOut: 1, Withheld: "w", Resources: &taffrail.BlobRef{SHA256: "a", Size: 1},
		}},
	}
}

// Each type of entry that there is has an example above.
func TestEveryBodyIsThere(t *testing.T) {
	seen := map[taffrail.EntryType]bool{}
	for _, body := range everyBody() {
		entryType, _ := body.Kind()
		seen[entryType] = true
	}
	if len(seen) != 17 {
		t.Errorf("%d types: %v", len(seen), seen)
	}
}

func TestEntryComesBack(t *testing.T) {
	intent := int64(7)
	for _, body := range everyBody() {
		in := taffrail.Entry{
			Time: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), Clock: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), Counter: 8, Nonce: strings.Repeat("0", 32), Scope: "terraform/l/default",
			Actor: "taffrail/1", Resource: "a.b", Outcome: taffrail.OutcomeOK, Request: "r", Intent: &intent, Error: "e", Digests: []string{"d"}, Body: body,
		}
		leaf, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := taffrail.ParseEntry(leaf)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestParseEntryRefuses(t *testing.T) {
	for _, tc := range []struct {
		leaf string
		kind taffrail.Kind
		want string
	}{
		{`{`, taffrail.KindCorrupt, "unexpected end"},
		{`{"v":1,"type":"log.started","time":"yesterday","body":{}}`, taffrail.KindCorrupt, "yesterday"},
		{`{"v":1,"type":"log.started","time":"2026-01-01T00:00:00Z","body":[]}`, taffrail.KindCorrupt, "body of log.started"},
		{`{"v":2,"type":"log.started","time":"2026-01-01T00:00:00Z","body":{}}`, taffrail.KindInvalid, `type "log.started" version 2`},
		{`{"v":1,"type":"log.started","time":"2026-01-01T00:00:00Z","_sd":["d"],"_sd_alg":"md5","body":{}}`, taffrail.KindInvalid, `hashed with "md5"`},
		{`{"v":1,"type":"moon.landed","time":"2026-01-01T00:00:00Z","body":{}}`, taffrail.KindInvalid, "moon.landed"},
	} {
		_, err := taffrail.ParseEntry([]byte(tc.leaf))
		if taffrail.KindOf(err) != tc.kind || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v of kind %s", tc.leaf, err, taffrail.KindOf(err))
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	for _, body := range everyBody() {
		leaf, err := json.Marshal(taffrail.Entry{Body: body, Time: time.Unix(0, 0)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(leaf)
	}
	f.Fuzz(func(t *testing.T, leaf []byte) {
		e, err := taffrail.ParseEntry(leaf)
		if err != nil {
			return
		}
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("%s cannot be written: %v", leaf, err)
		}
		if _, err := taffrail.ParseEntry(again); err != nil {
			t.Fatalf("%s became %s: %v", leaf, again, err)
		}
	})
}
