package taffrail

import "time"

// EventsReceived says that a batch of events came from an audit source. The records are in the payload: each without its secrets, with the
// digest of the bytes that were delivered. One entry stands for all of them, so that many events do not cost many signatures.
type EventsReceived struct {
	Source   string      `json:"source"`            // as the operator calls it; of an import, the name of its plug-in
	Origin   string      `json:"origin"`            // what delivered it
	Events   int64       `json:"events"`            // records in the payload
	Changes  int64       `json:"changes"`           // of them, those that may have changed something
	Dead     int64       `json:"dead"`              // of them, those that could not be read
	Repeated int64       `json:"repeated"`          // records that had been delivered before, byte for byte: they are not in the payload
	First    *time.Time  `json:"first,omitempty"`   // time of the earliest event
	Last     *time.Time  `json:"last,omitempty"`    // and of the latest
	Settled  *time.Time  `json:"settled,omitempty"` // every event of the source from before then has been delivered
	Notices  []LogNotice `json:"notices,omitempty"` // what the source says of its own completeness
	Cursor   Cursor      `json:"cursor,omitempty"`  // where the reader goes on, if the batch moved it
	Digest   string      `json:"digest"`            // SHA-256 over the digests of all records in the payload, in their order, hexadecimal
	Payload  BlobRef     `json:"payload"`           // the records; see docs/design/log-format.md
}

// CauseFound says who moved a drift, as far as that is known by then. A later one for the same drift takes its place; none is ever edited.
type CauseFound struct {
	Drift   DriftID       `json:"drift"`
	Entry   int64         `json:"entry"`             // that holds the drift's present form
	Tiers   map[Tier]int  `json:"tiers"`             // how many changes have which
	Missing int           `json:"missing,omitempty"` // of the unexplained ones, those whose event should be in the log and is not
	Events  []CausingCall `json:"events"`
	Runs    []int64       `json:"runs,omitempty"` // entries of the runs that the changes are part of
	Before  *int64        `json:"before,omitempty"`
	Settled bool          `json:"settled"`       // no event that may change the answer is awaited any more
	IDs     []string      `json:"ids,omitempty"` // what the resource was known by
	Causes  BlobRef       `json:"causes"`        // a [Salted] list of Cause
}

// A CausingCall is where in the log an event stands that a cause names.
type CausingCall struct {
	Event  EventID `json:"event"`
	Batch  int64   `json:"batch"`  // index of the EventsReceived
	Record int64   `json:"record"` // in its payload, from 0
	Digest string  `json:"digest"` // SHA-256 of the record as it was delivered, hexadecimal
}

// EventUnlocked says that a record which could not be read was taken out of its lock, to be looked at by a person. It may have held secrets.
type EventUnlocked struct {
	Batch  int64  `json:"batch"`  // index of the EventsReceived
	Record int64  `json:"record"` // in its payload, from 0
	Digest string `json:"digest"` // SHA-256 of the record, hexadecimal; in the outcome
	Reason string `json:"reason"`
}

// Kind implements [EntryBody].
func (EventsReceived) Kind() (EntryType, int) { return EntryEventsReceived, 1 }

// Kind implements [EntryBody].
func (CauseFound) Kind() (EntryType, int) { return EntryCauseFound, 1 }

// Kind implements [EntryBody].
func (EventUnlocked) Kind() (EntryType, int) { return EntryEventUnlocked, 1 }

// Payloads implements [EntryBody].
func (EventUnlocked) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (b EventsReceived) Payloads() []BlobRef { return []BlobRef{b.Payload} }

// Payloads implements [EntryBody].
func (b CauseFound) Payloads() []BlobRef { return []BlobRef{b.Causes} }
