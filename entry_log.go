package taffrail

// The bodies of entries that are about the log itself. What is done to a log, and not only seen of it, stands in two entries of one
// type: an intent, which is signed before anything is done, and an outcome.

// Heartbeat says that the log was being kept: silence between two of them was silence.
type Heartbeat struct {
	Seconds int64    `json:"every_s"`          // until the next one is due
	Alarms  []string `json:"alarms,omitempty"` // what was wrong by then, a line each
}

// Verified says what hashing the whole log again came to.
type Verified struct {
	Size     int64    `json:"size"`   // entries that were hashed
	Root     string   `json:"root"`   // base64, over them
	Signed   int64    `json:"signed"` // entries that the guard covered
	Problems []string `json:"problems,omitempty"`
	Millis   int64    `json:"duration_ms"`
}

// Exported says that evidence was given out of the house.
type Exported struct {
	From   int64   `json:"from"` // of the range; equal to To where there are single entries alone
	To     int64   `json:"to"`
	Single []int64 `json:"single,omitempty"` // entries of which only the presence is proved; the first of many
	Count  int64   `json:"count"`            // of single entries
	Filter string  `json:"filter,omitempty"` // that single entries were chosen by
	Size   int64   `json:"size"`             // of the checkpoint
	SHA256 string  `json:"sha256,omitempty"` // of the bundle, hexadecimal; in the outcome
}

// Redacted says that a field or a payload of an entry was erased. The entry stays, and so does every proof of it.
type Redacted struct {
	Entry   int64  `json:"entry"`
	Field   string `json:"field,omitempty"`   // name of a field that can be erased
	Digest  string `json:"digest,omitempty"`  // that the entry holds of it
	Payload string `json:"payload,omitempty"` // or the SHA-256 of a payload that the entry names, hexadecimal
	Reason  string `json:"reason"`
	Basis   string `json:"basis"` // in law
}

// Held says that the entries From to before To must be kept as they are, with all that belongs to them, until the hold is released.
type Held struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"` // 0: without end, also those that are yet to come
	Reason string `json:"reason"`
}

// Released says that a hold is over.
type Released struct {
	Hold   int64  `json:"hold"` // index of the outcome of the hold
	Reason string `json:"reason"`
}

// Pruned says that the bodies of all entries before an index were dropped, with their payloads and fields. Their hashes stay.
type Pruned struct {
	Before   int64    `json:"before"` // a multiple of 256
	Reason   string   `json:"reason"`
	Dropped  int64    `json:"payloads"`           // payloads that were dropped; in the outcome
	Snapshot *BlobRef `json:"snapshot,omitempty"` // what the index held of those entries; in the outcome
}

// KeyRotated says that another key signs the log from a size on. Until Until, the old key signs beside it.
type KeyRotated struct {
	Old   string `json:"old"`   // verifier keys
	New   string `json:"new"`   //
	From  int64  `json:"from"`  // the first size that New signs; in the outcome
	Until int64  `json:"until"` // the first size that Old does not sign any more; in the outcome
}

// KeyRevoked says that a key must not be believed for any size above At: it is in other hands. New signs instead.
type KeyRevoked struct {
	Key    string `json:"key"`
	At     int64  `json:"at"`
	New    string `json:"new"`
	Reason string `json:"reason"`
}

// Kind implements [EntryBody].
func (Heartbeat) Kind() (EntryType, int) { return EntryHeartbeat, 1 }

// Kind implements [EntryBody].
func (Verified) Kind() (EntryType, int) { return EntryVerified, 1 }

// Kind implements [EntryBody].
func (Exported) Kind() (EntryType, int) { return EntryExported, 1 }

// Kind implements [EntryBody].
func (Redacted) Kind() (EntryType, int) { return EntryRedacted, 1 }

// Kind implements [EntryBody].
func (Held) Kind() (EntryType, int) { return EntryHeld, 1 }

// Kind implements [EntryBody].
func (Released) Kind() (EntryType, int) { return EntryReleased, 1 }

// Kind implements [EntryBody].
func (Pruned) Kind() (EntryType, int) { return EntryPruned, 1 }

// Kind implements [EntryBody].
func (KeyRotated) Kind() (EntryType, int) { return EntryKeyRotated, 1 }

// Kind implements [EntryBody].
func (KeyRevoked) Kind() (EntryType, int) { return EntryKeyRevoked, 1 }

// Payloads implements [EntryBody].
func (Heartbeat) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (Verified) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (Exported) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (Redacted) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (Held) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (Released) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (b Pruned) Payloads() []BlobRef {
	if b.Snapshot == nil {
		return nil
	}
	return []BlobRef{*b.Snapshot}
}

// Payloads implements [EntryBody].
func (KeyRotated) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (KeyRevoked) Payloads() []BlobRef { return nil }
