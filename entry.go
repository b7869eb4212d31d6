package taffrail

import (
	"encoding/json"
	"fmt"
	"time"
)

// An EntryType names what a log entry is about.
type EntryType string

// The types of entry.
const (
	EntryLogStarted   EntryType = "log.started"
	EntryScanStarted  EntryType = "scan.started"
	EntryScanFinished EntryType = "scan.finished"
	EntryDriftFound   EntryType = "drift.found"
	EntryDriftChanged EntryType = "drift.changed"
	EntryDriftEnded   EntryType = "drift.ended"
	EntryHeartbeat    EntryType = "log.heartbeat"
	EntryVerified     EntryType = "log.verified"
	EntryExported     EntryType = "log.exported"
	EntryRedacted     EntryType = "log.redacted"
	EntryHeld         EntryType = "log.held"
	EntryReleased     EntryType = "log.released"
	EntryPruned       EntryType = "log.pruned"
	EntryKeyRotated   EntryType = "key.rotated"
	EntryKeyRevoked   EntryType = "key.revoked"

	EntryEventsReceived EntryType = "events.received"
	EntryEventUnlocked  EntryType = "event.unlocked"
	EntryCauseFound     EntryType = "cause.found"
)

// An Outcome says how what an entry is about went.
type Outcome string

// The outcomes.
const (
	OutcomeStarted    Outcome = "started"
	OutcomeOK         Outcome = "ok"
	OutcomeIncomplete Outcome = "incomplete" // done, with gaps
	OutcomeFailed     Outcome = "failed"
	OutcomeObserved   Outcome = "observed" // something of the outside world, seen

	// OutcomeIntended is of an entry that says what is about to be done. Another, whose Intent is its index, says how it went.
	OutcomeIntended Outcome = "intended"
	// OutcomeUnknown is of an entry that says that an intent was found without an outcome, after a crash: it may have been done or not.
	OutcomeUnknown Outcome = "unknown_outcome"
)

// An Entry is one leaf of the log. Its fields stand in clear and its body depends on the type; large or erasable payloads
// stand beside the log as blobs, which the body names by digest.
type Entry struct {
	Time     time.Time // wall clock, UTC, never before that of an earlier entry
	Clock    time.Time // what the clock showed, if that was before the time of an earlier entry; else zero
	Counter  int64     // grows with each entry, whatever the clock does
	Nonce    string    // 128 random bits in hexadecimal, so that no leaf's hash can be guessed
	Scope    StackID   // the stack it is about; empty for the log itself
	Actor    string    // who wrote it: a program and its version, never a person in clear
	Resource Address   // the resource it is about, if one
	Outcome  Outcome   // how it went
	Request  string    // joins the entries of one request, such as one scan
	Intent   *int64    // index of the intent that this is the outcome of
	Error    string    // of an outcome: why it failed
	Body     EntryBody // says the type and the version
	// Digests are those of the fields that stand outside of the entry, each of which can be erased (RFC 9901). Sorted.
	Digests []string
	// Disclosed are such fields, to be salted and stored beside the log when the entry is appended. An entry that was read has none.
	Disclosed []Field
}

// A Field is a field of an entry that can be erased: what names a person belongs here.
type Field struct {
	Name  string
	Value string
}

// An EntryBody holds the fields of one type of entry.
type EntryBody interface {
	// Kind is the type of the entry and the version of the fields.
	Kind() (EntryType, int)
	// Payloads are the blobs that the fields name.
	Payloads() []BlobRef
}

// A BlobRef names a payload beside the log.
type BlobRef struct {
	SHA256 string `json:"sha256"` // hexadecimal
	Size   int64  `json:"size"`   // bytes
}

// LogStarted is the first entry of every log.
type LogStarted struct {
	Origin string `json:"origin"` // the log's name in its checkpoints
	Key    string `json:"key"`    // verifier key, as golang.org/x/mod/sumdb/note writes it
	Prior  string `json:"prior"`  // the log that this one goes on from; empty: not linked to an earlier one
}

// ScanStarted says that a stack is about to be read.
type ScanStarted struct {
	Stack     StackInfo `json:"stack"`
	Selection Selection `json:"selection"`
	Scope     Scope     `json:"scope"`           // of the search for unmanaged resources; no types: none
	Rules     *BlobRef  `json:"rules,omitempty"` // a [Salted] list of the rules of acceptance that hold, as text
}

// ScanFinished says what a scan read and found, whole or cut short.
type ScanFinished struct {
	Started   int64          `json:"started"` // index of the ScanStarted
	Stack     StackInfo      `json:"stack"`   // at the end of the scan
	Statuses  map[Status]int `json:"statuses"`
	Drifts    map[string]int `json:"drifts"`               // "open", "found", "changed", "ended"
	Pending   int            `json:"pending"`              // resources, drifted or not, of which the code wants something that is not applied
	Coverage  Coverage       `json:"coverage"`             // counts; the gaps are in the blob
	Gaps      *BlobRef       `json:"gaps,omitempty"`       // a [Salted] list of Gap
	Listed    []ResourceType `json:"listed,omitempty"`     // types of which every live resource was looked for
	ListedAll *BlobRef       `json:"listed_all,omitempty"` // a [Salted] list of them in the place of Listed, where they are many
	Versions  *Versions      `json:"versions,omitempty"`
	Millis    int64          `json:"duration_ms"`     //
	Error     string         `json:"error,omitempty"` // why it ended early
	ErrorKind Kind           `json:"error_kind,omitempty"`
	Reasons   map[Reason]int `json:"reasons,omitempty"` // of what was not checked
}

// Versions are keyed digests of what was live: one for each resource that was read. Only those that are other than when the resource was
// last read are written down, so that a scan that finds nothing new costs nothing.
type Versions struct {
	Key     string  `json:"key"`     // ID of the key
	Count   int     `json:"count"`   // resources that were read
	All     string  `json:"all"`     // SHA-256 over a line "digest address" for each, sorted by address, hexadecimal
	Changed int     `json:"changed"` // how many are in the blob
	Blob    BlobRef `json:"blob"`    // a [Salted] list of [Version]; empty if nothing changed
}

// A Version is what one resource was at one time.
type Version struct {
	Address Address `json:"address"`
	Digest  string  `json:"digest"` // HMAC-SHA-256 over [FingerprintInput] of the live value, base64; empty: it was gone
	// ID is what it was known by, where that is known: so that its events can be found.
	ID ResourceID `json:"id,omitempty"`
}

// DriftFound says that a resource is out of sync that was not, or was not known to be.
type DriftFound struct{ DriftSeen }

// DriftChanged says that a resource is still out of sync, and in another way.
type DriftChanged struct{ DriftSeen }

// DriftSeen is what is known of a drift when it is found or has changed.
type DriftSeen struct {
	Drift   DriftID      `json:"drift"`
	Type    ResourceType `json:"type"`
	ID      ResourceID   `json:"id,omitempty"`
	Status  Status       `json:"status"`
	Pending bool         `json:"pending"`
	Serial  int64        `json:"serial"`  // of the state that it was compared with
	Changes int          `json:"changes"` // how many attributes drifted
	Finding BlobRef      `json:"finding"` // a [Salted] Finding
}

// DriftEnded says that a drift is over.
type DriftEnded struct {
	Drift DriftID   `json:"drift"`
	Why   EndReason `json:"why"`
}

// An EndReason says how a drift came to its end.
type EndReason string

// The ways in which drifts end.
const (
	EndInSync   EndReason = "in_sync"      // live and recorded agree again, whichever of them moved
	EndReleased EndReason = "not_recorded" // the stack no longer records the resource
	EndIgnored  EndReason = "ignored"      // it is not compared any more
	EndAccepted EndReason = "accepted"     // it is as it was, and the code or a rule accepts that
	EndGone     EndReason = "gone"         // unmanaged: it is there no more, or a stack declares it
)

// Kind implements [EntryBody].
func (LogStarted) Kind() (EntryType, int) { return EntryLogStarted, 1 }

// Kind implements [EntryBody].
func (ScanStarted) Kind() (EntryType, int) { return EntryScanStarted, 1 }

// Kind implements [EntryBody].
func (ScanFinished) Kind() (EntryType, int) { return EntryScanFinished, 1 }

// Kind implements [EntryBody].
func (DriftFound) Kind() (EntryType, int) { return EntryDriftFound, 1 }

// Kind implements [EntryBody].
func (DriftChanged) Kind() (EntryType, int) { return EntryDriftChanged, 1 }

// Kind implements [EntryBody].
func (DriftEnded) Kind() (EntryType, int) { return EntryDriftEnded, 1 }

// Payloads implements [EntryBody].
func (LogStarted) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (b ScanStarted) Payloads() []BlobRef {
	if b.Rules == nil {
		return nil
	}
	return []BlobRef{*b.Rules}
}

// Payloads implements [EntryBody].
func (DriftEnded) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (b ScanFinished) Payloads() []BlobRef {
	var all []BlobRef
	if b.Gaps != nil {
		all = append(all, *b.Gaps)
	}
	if b.ListedAll != nil {
		all = append(all, *b.ListedAll)
	}
	if b.Versions != nil && b.Versions.Changed > 0 {
		all = append(all, b.Versions.Blob)
	}
	return all
}

// Payloads implements [EntryBody] for what embeds it.
func (b DriftSeen) Payloads() []BlobRef { return []BlobRef{b.Finding} }

// bodies decodes the body of each known type and version.
var bodies = map[bodyKind]func([]byte) (EntryBody, error){
	kindOf(LogStarted{}):   decodeBody[LogStarted],
	kindOf(ScanStarted{}):  decodeBody[ScanStarted],
	kindOf(ScanFinished{}): decodeBody[ScanFinished],
	kindOf(DriftFound{}):   decodeBody[DriftFound],
	kindOf(DriftChanged{}): decodeBody[DriftChanged],
	kindOf(DriftEnded{}):   decodeBody[DriftEnded],
	kindOf(Heartbeat{}):    decodeBody[Heartbeat],
	kindOf(Verified{}):     decodeBody[Verified],
	kindOf(Exported{}):     decodeBody[Exported],
	kindOf(Redacted{}):     decodeBody[Redacted],
	kindOf(Held{}):         decodeBody[Held],
	kindOf(Released{}):     decodeBody[Released],
	kindOf(Pruned{}):       decodeBody[Pruned],
	kindOf(KeyRotated{}):   decodeBody[KeyRotated],
	kindOf(KeyRevoked{}):   decodeBody[KeyRevoked],

	kindOf(EventsReceived{}): decodeBody[EventsReceived],
	kindOf(EventUnlocked{}):  decodeBody[EventUnlocked],
	kindOf(CauseFound{}):     decodeBody[CauseFound],

	kindOf(RunStarted{}):  decodeBody[RunStarted],
	kindOf(RunFinished{}): decodeBody[RunFinished],
}

type bodyKind struct {
	entryType EntryType
	version   int
}

func kindOf(b EntryBody) bodyKind {
	entryType, version := b.Kind()
	return bodyKind{entryType, version}
}

func decodeBody[B EntryBody](raw []byte) (EntryBody, error) {
	var b B
	err := json.Unmarshal(raw, &b)
	return b, err
}

// entryForm is an entry as JSON.
type entryForm struct {
	Version  int             `json:"v"` // of the type's fields
	Type     EntryType       `json:"type"`
	Time     string          `json:"time"`
	Clock    string          `json:"clock,omitempty"`
	Counter  int64           `json:"counter"`
	Nonce    string          `json:"nonce"`
	Scope    StackID         `json:"scope"`
	Actor    string          `json:"actor"`
	Resource Address         `json:"resource,omitempty"`
	Outcome  Outcome         `json:"outcome"`
	Request  string          `json:"request,omitempty"`
	Intent   *int64          `json:"intent,omitempty"`
	Error    string          `json:"error,omitempty"`
	Digests  []string        `json:"_sd,omitempty"`
	HashAlg  string          `json:"_sd_alg,omitempty"` // that Digests are made with
	Body     json.RawMessage `json:"body"`
}

// digestAlgorithm is that of [Entry].Digests, as RFC 9901 names it.
const digestAlgorithm = "sha-256"

// MarshalJSON writes the entry. The log makes the bytes canonical; see audit.Canonical.
func (e Entry) MarshalJSON() ([]byte, error) {
	body, err := json.Marshal(e.Body)
	if err != nil {
		return nil, err
	}
	kind, clock, algorithm := kindOf(e.Body), "", ""
	if !e.Clock.IsZero() {
		clock = e.Clock.UTC().Format(time.RFC3339Nano)
	}
	if len(e.Digests) > 0 {
		algorithm = digestAlgorithm
	}
	return json.Marshal(entryForm{
		Version: kind.version, Type: kind.entryType, Time: e.Time.UTC().Format(time.RFC3339Nano), Clock: clock, Counter: e.Counter, Nonce: e.Nonce,
		Scope: e.Scope, Actor: e.Actor, Resource: e.Resource, Outcome: e.Outcome, Request: e.Request, Intent: e.Intent, Error: e.Error,
		Digests: e.Digests, HashAlg: algorithm, Body: body,
	})
}

// ParseEntry reads the bytes of a leaf. A type or version that this program does not know is an error of
// [KindInvalid]: it was written by a newer one.
func ParseEntry(leaf []byte) (Entry, error) {
	var f entryForm
	if err := json.Unmarshal(leaf, &f); err != nil {
		return Entry{}, &Error{Op: "read entry", Kind: KindCorrupt, Err: err}
	}
	at, err := time.Parse(time.RFC3339Nano, f.Time)
	if err != nil {
		return Entry{}, &Error{Op: "read entry", Kind: KindCorrupt, Err: err}
	}
	var clock time.Time
	if f.Clock != "" {
		if clock, err = time.Parse(time.RFC3339Nano, f.Clock); err != nil {
			return Entry{}, &Error{Op: "read entry", Kind: KindCorrupt, Err: err}
		}
	}
	if len(f.Digests) > 0 && f.HashAlg != digestAlgorithm {
		return Entry{}, &Error{
			Op: "read entry", Kind: KindInvalid, Err: fmt.Errorf("its fields are hashed with %q, which is not known", f.HashAlg),
			Hint: "a newer taffrail wrote this log; use that one",
		}
	}
	body, err := parseBody(f)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		Time: at, Clock: clock, Counter: f.Counter, Nonce: f.Nonce, Scope: f.Scope, Actor: f.Actor,
		Resource: f.Resource, Outcome: f.Outcome, Request: f.Request, Intent: f.Intent, Error: f.Error, Digests: f.Digests, Body: body,
	}, nil
}

func parseBody(f entryForm) (EntryBody, error) {
	decode, ok := bodies[bodyKind{f.Type, f.Version}]
	if !ok {
		return nil, &Error{
			Op: "read entry", Kind: KindInvalid, Err: fmt.Errorf("type %q version %d is not known", f.Type, f.Version),
			Hint: "a newer taffrail wrote this log; use that one",
		}
	}
	body, err := decode(f.Body)
	if err != nil {
		return nil, &Error{Op: "read entry", Kind: KindCorrupt, Err: fmt.Errorf("body of %s: %w", f.Type, err)}
	}
	return body, nil
}

// A Salted payload is what a blob holds: the content behind 128 random bits, so that the digest in the log does not let
// anyone guess a short content.
type Salted[T any] struct {
	Nonce   string `json:"nonce"`
	Content T      `json:"content"`
}
