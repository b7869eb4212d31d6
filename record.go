package taffrail

import "time"

// A Record is one record of an audit source, as it was delivered. It may hold secrets, and is never stored as it is.
type Record struct {
	Format string // the plug-in whose [Decoder] reads it: "cloudtrail"
	Raw    []byte
	Where  string // in what was delivered, for people and without secrets: "record 12"
	Fault  string // what is known to be wrong with it already, without quoting it; empty: nothing
}

// A Cursor says how far a reader has come. It is the reader's own, and nobody else looks into it. It stands in an entry of the log, in clear, and
// has at most [MaxCursor] bytes.
type Cursor string

// MaxCursor is how many bytes a cursor may have.
const MaxCursor = 16 << 10

// A Batch is what was delivered at once, or a part of it: at most [MaxBatchRecords] records and about [MaxBatchBytes] of them. It becomes one
// entry of the log.
type Batch struct {
	Origin  string // what delivered it, for people and without secrets: a file, a queue, a peer
	Records []Record
	// Next is where the reader goes on once the batch is in the log, and is stored with it. Empty: where it was.
	Next Cursor
	// Settled says that every event of this source from before that time has been delivered by now, but for those that notices tell of. Zero:
	// nothing is said.
	Settled time.Time
	Notices []LogNotice
}

// Bounds of a batch, so that the memory that a source takes does not grow with what is delivered.
const (
	MaxBatchRecords = 10_000
	MaxBatchBytes   = 8 << 20
)

// A LogNotice is something that a source says of its own completeness.
type LogNotice struct {
	Kind  LogNoticeKind `json:"kind"`
	Start time.Time     `json:"start"`          // of the time that it is about
	End   time.Time     `json:"end"`            //
	What  string        `json:"what"`           // for people, on one line, without secrets
	Event EventID       `json:"event,omitzero"` // that says so, if one does
}

// A LogNoticeKind says what sort of notice it is.
type LogNoticeKind string

// The kinds of notice. Each is an alarm, but for a gap that was closed.
const (
	NoticeGap     LogNoticeKind = "gap"     // events of the time are missing
	NoticeClosed  LogNoticeKind = "closed"  // what was missing has come
	NoticeForged  LogNoticeKind = "forged"  // what was delivered is not what the source signed
	NoticeStopped LogNoticeKind = "stopped" // somebody has told the source to record less from Start on
)

// A Kept record is what is stored of a [Record]: without secrets, and with what it is found by.
type Kept struct {
	// Record is one line of JSON, with each secret replaced as [SealedText] writes it. The decoder gives the same event for it as for what
	// was delivered.
	Record []byte
	Digest [32]byte // SHA-256 of the bytes that were delivered
	EventHead
}

// An EventHead is what an event is listed and found by.
type EventHead struct {
	ID       EventID   `json:"id"`
	Time     time.Time `json:"time"`
	Action   string    `json:"action"`
	Actor    string    `json:"actor"`             // [Actor.ID]
	Error    string    `json:"error,omitempty"`   //
	Changes  bool      `json:"changes,omitempty"` // [Event.Changes], of the record alone
	Read     bool      `json:"read,omitempty"`
	Corrects EventID   `json:"corrects,omitempty"`
	// Keys are the names in the event that a resource may be known by, each in every form in which it is looked up, and the credentials that
	// the event gave out. They are [Event.Keys].
	Keys []string `json:"keys,omitempty"`
}

// HeadOf gives the head of an event.
func HeadOf(e Event) EventHead {
	return EventHead{
		ID: e.ID, Time: e.Time, Action: e.Action, Actor: e.Actor.ID, Error: e.Error, Changes: e.Changes(), Read: e.Read, Corrects: e.Corrects, Keys: e.Keys(),
	}
}
