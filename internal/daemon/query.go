package daemon

import (
	"context"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/correlate/whodunit"
)

// Queries is everything that a person or a program can ask of Taffrail. A [Daemon] answers them in this process; a client that
// asks a server over HTTP answers them elsewhere.
type Queries interface {
	LogQueries
	LogKeeper
	LogWitnesses
	EventQueries
	RunQueries

	// Scan reads one stack live, compares it with what is recorded, and writes what it saw into the log before it returns.
	// When ctx ends, the report holds what was read until then, its outcome is incomplete and the error is nil. With an error
	// there is no report: nothing is shown that the log does not hold, signed. Where there is no log yet, the first scan begins one
	// and says so in the report.
	Scan(ctx context.Context, r ScanRequest, progress func(ScanProgress)) (ScanReport, error)

	// Watch scans again and again, a pause after each, and keeps what is costly to start in between. It calls round for each scan,
	// with its report or with the error of that one scan; it goes on after an error, with the stack opened anew, unless that is of
	// [taffrail.KindInvalid] or [taffrail.KindCorrupt]. It ends when ctx does, without an error, or with what round returns.
	Watch(ctx context.Context, r ScanRequest, pause time.Duration, progress func(ScanProgress), round func(ScanReport, error) error) error

	// Doctor says what a scan could read and what it could not, and why. It reads no resource and writes nothing into the log.
	Doctor(ctx context.Context, r ScanRequest, f func(taffrail.Check) error) error

	// Stacks finds the stacks below a folder, of every system that is known.
	Stacks(ctx context.Context, dir string, f func(taffrail.Place) error) error

	// Attribute answers cases of who changed what, one after the other; it needs no log. Nothing of a case is kept once it is answered.
	Attribute(ctx context.Context, cases Cases, emit func(whodunit.Answer) error) error

	// InitLog begins a log, and gives its name and keys. It is a conflict if there is a log already.
	InitLog(ctx context.Context, r InitRequest) (LogInfo, error)

	// RebuildIndex builds every table but the log's anew from the log, and says what that changed.
	RebuildIndex(ctx context.Context) (IndexReport, error)
}

// A ScanRequest names what to scan, and how.
type ScanRequest struct {
	System    string             // the source: "terraform"
	Settings  []byte             // YAML, for the source's Config
	Selection taffrail.Selection // the zero Selection is everything
	Scope     taffrail.Scope     // where to look for what no stack declares; no types: nowhere
	// Accept holds rules of any stack, expired ones as well. Those that hold for this one are written into the log with the scan.
	Accept []taffrail.AcceptRule
}

// ScanProgress is told while a scan runs: when the number of resources is known, and after each.
type ScanProgress struct {
	Stack   taffrail.StackInfo
	Total   int // resources to observe; 0 while that is not known
	Done    int // resources observed, whatever came of it
	Drifted int
	Gaps    int
}

// ScanSchema names the form of a [ScanReport] as JSON. It grows by fields; a change of meaning gets another number.
const ScanSchema = "taffrail.dev/scan/v1"

// A ScanReport is what a scan saw. Every list is sorted by address and never nil.
type ScanReport struct {
	Schema     string                  `json:"schema"` // [ScanSchema]
	Scan       string                  `json:"scan"`   // the request that its log entries share
	Stack      taffrail.StackInfo      `json:"stack"`
	StartedAt  time.Time               `json:"started_at"`
	FinishedAt time.Time               `json:"finished_at"`
	Outcome    taffrail.Outcome        `json:"outcome"` // ok or incomplete
	Coverage   taffrail.Coverage       `json:"coverage"`
	Statuses   map[taffrail.Status]int `json:"statuses"` // how many resources have which; every status is there
	Drifts     []taffrail.Drift        `json:"drifts"`   // out of sync now
	Ended      []EndedDrift            `json:"ended"`    // drifts that this scan saw the end of
	Unseen     []UnseenDrift           `json:"unseen"`   // drifts of before that this scan should have looked at, and could not
	Pending    []taffrail.Finding      `json:"pending"`  // no drift, and the code wants something that is not applied yet
	Noise      []taffrail.Finding      `json:"noise"`    // in sync, with differences that are volatile or suppressed
	Listed     []taffrail.ResourceType `json:"listed"`   // types of which every live resource was looked for
	Expired    []string                `json:"expired"`  // rules of acceptance that hold no more, and would have changed this report: a line each
	Log        LogPosition             `json:"log"`
}

// An EndedDrift is a drift that is over.
type EndedDrift struct {
	ID      taffrail.DriftID   `json:"id"`
	Address taffrail.Address   `json:"address"`
	Why     taffrail.EndReason `json:"why"`
}

// An UnseenDrift is one that nothing has shown to be over: its resource could not be looked at.
type UnseenDrift struct {
	ID      taffrail.DriftID `json:"id"`
	Address taffrail.Address `json:"address"`
	Since   time.Time        `json:"since"`
	Entry   int64            `json:"entry"` // that holds what it looked like
}

// A LogPosition says where in the log a request's entries stand.
type LogPosition struct {
	Origin  string      `json:"origin"`
	Started bool        `json:"started"` // this request began the log: it is not linked to an earlier one
	Key     string      `json:"key"`     // verifier key: what an auditor keeps
	First   int64       `json:"first"`   // index of the first entry of the request
	Last    int64       `json:"last"`
	Level   audit.Level `json:"level"`
	Size    int64       `json:"size"` // of the newest checkpoint
	Root    string      `json:"root"` // base64, of the newest checkpoint
}

// An InitRequest says which log is begun.
type InitRequest struct {
	Origin string // its name for ever; empty: one is made up
	Prior  string // the last checkpoint of the log that it goes on from; empty: it goes on from none
}

// LogInfo says which log this is.
type LogInfo struct {
	Origin string `json:"origin"`
	Key    string `json:"key"`
	Data   string `json:"data"`  // the folder that holds the log
	Guard  string `json:"guard"` // the file that remembers how far it had come
	Keys   string `json:"keys"`  // the folder that holds the keys
}

// A LogEntry is one entry with its bytes and what it points to.
type LogEntry struct {
	Index    int64             `json:"index"`
	LeafHash string            `json:"leaf_hash"` // base64
	Leaf     []byte            `json:"-"`         // the exact bytes
	Level    audit.Level       `json:"level"`     // how far it has come
	Entry    taffrail.Entry    `json:"entry"`
	Fields   []Field           `json:"fields,omitempty"` // that stand beside the entry; an erased one is missing
	Blobs    map[string][]byte `json:"-"`                // payloads that the body names, by SHA-256; an erased one is missing
}

// A Field stands beside an entry, and can be erased.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A LogReport is what verifying a log came to.
type LogReport struct {
	Log     LogInfo      `json:"log"`
	Audit   audit.Report `json:"audit"`
	Blobs   []string     `json:"blobs"`   // what is wrong with payloads, a line each
	Index   []string     `json:"index"`   // what differs between the index and the log, a line each
	Verdict string       `json:"verdict"` // "verified" or "failed"
}

// An IndexReport is what rebuilding the index came to.
type IndexReport struct {
	Entries int64    `json:"entries"` // that were read
	Rows    int64    `json:"rows"`    // that the index has now
	Changed []string `json:"changed"` // what was different before, a line each; empty is as it should be
}
