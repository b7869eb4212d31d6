package daemon

import (
	"context"
	"io"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// LogQueries is what can be asked of the log. Nothing of it changes anything.
type LogQueries interface {
	// Entries calls f for each entry of a half-open range in order, with its payloads. A negative from counts from the end; a
	// negative to is the end.
	Entries(ctx context.Context, from, to int64, f func(LogEntry) error) error

	// FollowLog is Entries from an index on, and then goes on with each entry that is appended, until ctx ends or f fails. The end of ctx
	// is no error.
	FollowLog(ctx context.Context, from int64, f func(LogEntry) error) error

	// SearchLog finds entries by what they say in clear. Each entry of the page is checked against the newest checkpoint.
	SearchLog(ctx context.Context, r SearchRequest) (SearchPage, error)

	// VerifyLog hashes the whole log again and compares it with its checkpoints, the guard and the index. What is wrong with the
	// log is in the report, not in the error. It works where everything else refuses to.
	VerifyLog(ctx context.Context, progress func(done, total int64)) (LogReport, error)

	// LogStatus says how far the log has come, who has seen it, and what is wrong. It hashes nothing again.
	LogStatus(ctx context.Context) (LogStatus, error)

	// ProveEntry proves that an entry is in the log, under its newest checkpoint.
	ProveEntry(ctx context.Context, index int64) (EntryProof, error)

	// LogPolicy gives a policy file for those who verify: the log's keys, and the witnesses that it asks. It is theirs to check.
	LogPolicy(ctx context.Context) ([]byte, error)
}

// LogKeeper is what can be done to the log, beside appending to it. Each stands in the log: what is intended is signed before it is
// done. Where the log cannot be written, none of it is done.
type LogKeeper interface {
	// HoldLog says that entries must be kept as they are, and ReleaseLog that they need not be any more.
	HoldLog(ctx context.Context, r HoldRequest) (LogPosition, error)
	ReleaseLog(ctx context.Context, r ReleaseRequest) (LogPosition, error)

	// RedactLog erases a field or a payload of an entry. The entry and all proofs of it stay. It is a conflict if a hold covers the entry.
	RedactLog(ctx context.Context, r RedactRequest) (LogPosition, error)

	// UnlockEvent gives a record that could not be read, as it was delivered: it may hold secrets.
	UnlockEvent(ctx context.Context, r UnlockRequest, to func(record []byte) error) (LogPosition, error)

	// PruneLog drops the bodies of old entries, with their fields and payloads. Their hashes stay, and so do all proofs. It is a conflict if
	// a hold covers one of them.
	PruneLog(ctx context.Context, r PruneRequest) (PruneReport, error)

	// ExportLog writes a bundle of evidence.
	ExportLog(ctx context.Context, r ExportRequest, to io.Writer) (ExportReport, error)

	// RotateKey has another key sign the log, beside the present one for a while; RevokeKey has it sign alone, from the next entry on.
	RotateKey(ctx context.Context, r RotateRequest) (KeyReport, error)
	RevokeKey(ctx context.Context, r RevokeRequest) (KeyReport, error)
}

// LogWitnesses is who outside sees the log.
type LogWitnesses interface {
	// WitnessLog asks every witness to cosign the newest checkpoint. A witness that has seen more of the log than there is, is an error of
	// [taffrail.KindCorrupt]: log and guard were set back together.
	WitnessLog(ctx context.Context) (WitnessReport, error)

	// AnchorLog shows the newest checkpoint to every anchor.
	AnchorLog(ctx context.Context) (AnchorReport, error)

	// PublishLog brings a folder up to date that anyone may be given: checkpoint and tiles, as C2SP tlog-tiles serves them.
	PublishLog(ctx context.Context, folder string) (PublishReport, error)

	// RestoreLog appends the entries that the guard knows and the database has lost, from such a folder, if they give the very tree that
	// the guard knows.
	RestoreLog(ctx context.Context, folder string) (RestoreReport, error)
}

// A SearchRequest says which entries are looked for. Each field that is set narrows the search.
type SearchRequest struct {
	Since, Until time.Time // Since ≤ time < Until
	Types        []taffrail.EntryType
	Outcomes     []taffrail.Outcome
	Actor        string // who wrote the entry
	Stack        taffrail.StackID
	Resource     taffrail.Address
	Request      string
	Text         string // words that all stand in what the entry says in clear
	Before       int64  // only entries before this index; 0 is no bound. It is the cursor of the next page
	Limit        int    // entries in the page; 0 is [SearchLimit]
}

// SearchLimit is how many entries a page has that was not asked to have another number.
const SearchLimit = 100

// A SearchPage is what was found, newest first.
type SearchPage struct {
	Entries []LogEntry
	Next    int64 // Before of the next page; 0: there is none
	Pruned  int64 // entries before this index cannot be found, because their bodies were dropped
}

// An EntryProof says that an entry is in the log.
type EntryProof struct {
	Index int64       `json:"index"`
	Leaf  []byte      `json:"-"`     // the exact bytes of the entry; none if they were pruned
	Proof []byte      `json:"-"`     // as C2SP tlog-proof writes it
	Level audit.Level `json:"level"` // of the checkpoint in it
	Size  int64       `json:"size"`  // of that checkpoint
}

// A LogStatus says how far the log has come.
type LogStatus struct {
	Log        LogInfo        `json:"log"`
	Keys       []KeyInfo      `json:"keys"`
	Size       int64          `json:"size"`   // entries that have an index
	Queued     int64          `json:"queued"` // that have none yet
	Signed     int64          `json:"signed"`
	Witnessed  int64          `json:"witnessed"` // the newest size that enough witnesses saw; 0 is none
	Anchored   int64          `json:"anchored"`  // the newest size that an anchor saw; 0 is none
	Receipts   []ReceiptInfo  `json:"receipts"`  // the newest of each witness panel and anchor
	Pruned     int64          `json:"pruned"`    // bodies before this index were dropped
	Holds      []HoldInfo     `json:"holds"`
	Intents    []int64        `json:"intents"`            // entries that intend something, without an outcome
	Unseen     int64          `json:"unseen"`             // signed entries that nobody outside has seen
	UnseenFrom *time.Time     `json:"unseen_since"`       // the time of the first of them
	MaxUnseen  float64        `json:"max_unseen_seconds"` // after which that is an alarm; 0 is no bound
	Verified   *VerifiedInfo  `json:"verified"`           // when all was hashed again; null: never
	Heartbeat  *HeartbeatInfo `json:"heartbeat"`          // the newest; null: never
	Alarms     []string       `json:"alarms"`             // what a person must look at, a line each

	newest time.Time // time of the newest entry; zero if there is none
}

// A KeyInfo is a key that signs, or signed, the log.
type KeyInfo struct {
	Key  string `json:"key"`
	From int64  `json:"from"` // the first size that it signs
	To   int64  `json:"to"`   // the first size that it does not sign any more; 0 is no end
}

// A ReceiptInfo says what an outside authority has seen.
type ReceiptInfo struct {
	Kind   string    `json:"kind"`
	Anchor string    `json:"anchor"`
	Size   int64     `json:"size"`
	At     time.Time `json:"at"`
}

// A HoldInfo is a hold that holds.
type HoldInfo struct {
	Entry  int64  `json:"entry"`
	From   int64  `json:"from"`
	To     int64  `json:"to"` // 0: without end
	Reason string `json:"reason"`
}

// A VerifiedInfo is the newest entry that says what hashing the whole log came to.
type VerifiedInfo struct {
	Entry    int64     `json:"entry"`
	At       time.Time `json:"at"`
	Size     int64     `json:"size"`
	Problems int       `json:"problems"`
}

// A HeartbeatInfo is the newest entry that says that the log was being kept.
type HeartbeatInfo struct {
	Entry int64     `json:"entry"`
	At    time.Time `json:"at"`
	Next  time.Time `json:"next"` // when another one was due
}

// An ExportRequest says what evidence to write. Entries and Drift name single entries, whose presence alone is proved; From and To a range,
// in which no entry is missing; all of it is one bundle.
type ExportRequest struct {
	From, To int64 // half-open; To 0 with From 0 is no range, a negative To is the end
	Entries  []int64
	Drift    taffrail.DriftID // every entry of its life, and of the scans that saw it
	Filter   *SearchRequest   // of the range, only entries that fit have their payloads in the bundle; nil: all of them
	Payloads bool             // or the bundle has none at all
	Since    int64            // the bundle must show that the log contains the one of this size
	By       string
}

// An ExportReport says what was written.
type ExportReport struct {
	Manifest audit.Manifest `json:"manifest"`
	SHA256   string         `json:"sha256"` // of the bundle
	Bytes    int64          `json:"bytes"`
	Log      LogPosition    `json:"log"`
}

// A RotateRequest asks for another key. The present one signs beside it for so many entries.
type RotateRequest struct {
	Overlap int64
	By      string
}

// A RevokeRequest says that a key is in other hands.
type RevokeRequest struct {
	Key    string // verifier key; empty is the one that signs now
	Reason string
	By     string
}

// A KeyReport says which keys sign.
type KeyReport struct {
	Keys []KeyInfo   `json:"keys"`
	Log  LogPosition `json:"log"`
}

// A WitnessReport says what each witness answered.
type WitnessReport struct {
	Size      int64           `json:"size"`   // of the checkpoint
	Quorum    bool            `json:"quorum"` // enough of them have cosigned it
	Witnesses []WitnessAnswer `json:"witnesses"`
}

// A WitnessAnswer is what one witness said.
type WitnessAnswer struct {
	Name  string     `json:"name"`
	At    *time.Time `json:"at"`              // when it cosigned, by its own clock; null: it did not
	Error string     `json:"error,omitempty"` // why it did not
}

// An AnchorReport says what each anchor answered.
type AnchorReport struct {
	Size    int64          `json:"size"`
	Anchors []AnchorAnswer `json:"anchors"`
}

// An AnchorAnswer is what one anchor said.
type AnchorAnswer struct {
	Kind  string     `json:"kind"`
	Name  string     `json:"name"`
	At    *time.Time `json:"at"` // the time that it vouches for; null: it did not take the checkpoint
	Error string     `json:"error,omitempty"`
}

// A PublishReport says what a folder holds now.
type PublishReport struct {
	Folder string `json:"folder"`
	Size   int64  `json:"size"`
	Files  int    `json:"files"` // that were written
}

// A RestoreReport says what was brought back.
type RestoreReport struct {
	From     int64 `json:"from"`
	To       int64 `json:"to"`
	Payloads int64 `json:"payloads"` // that the entries name, and that are missing
}
