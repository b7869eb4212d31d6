package taffrail

import "time"

// A Status says how a resource stands to what was recorded of it.
type Status string

// The statuses. That code waits to be applied is no status: see [Finding.Pending].
const (
	InSync     Status = "in_sync"
	Modified   Status = "modified"
	Deleted    Status = "deleted"   // recorded, read, and not there
	Unmanaged  Status = "unmanaged" // there, and declared by no known stack
	NotChecked Status = "not_checked"
)

// IsDrift says whether the status is a drift.
func (s Status) IsDrift() bool { return s == Modified || s == Deleted || s == Unmanaged }

// A Class says how a change is taken.
type Class string

// The classes of change. Only a drifted one makes a resource [Modified].
const (
	ClassDrift      Class = "drift"
	ClassVolatile   Class = "volatile"
	ClassSuppressed Class = "suppressed"
	// ClassEquivalent is the same value in another form: JSON text that means the same, or one of the empty values that old
	// provider SDKs cannot tell apart.
	ClassEquivalent Class = "equivalent"
	// ClassUnverifiable is a difference that proves nothing: a value that is never given back, that is not known, or that
	// was sealed with another key.
	ClassUnverifiable Class = "unverifiable"
)

// A Change is one attribute that is not as it was recorded. An element that a set lost or gained is a change of its own, at a path
// that ends with the element; After or Before is then null.
type Change struct {
	Path   Path   `json:"path"`
	Before Value  `json:"before"` // as recorded
	After  Value  `json:"after"`  // as it is
	Class  Class  `json:"class"`
	Why    string `json:"why,omitempty"`    // why it is not drift, if it is not
	Effect Effect `json:"effect,omitempty"` // what the next apply would do to it; empty where nobody was asked
}

// An Effect says what the next apply would do to a change. It explains a drift and never hides one.
type Effect string

// The effects.
const (
	EffectReverts      Effect = "reverts"       // puts back what was recorded
	EffectKept         Effect = "kept"          // leaves what is live
	EffectIfConfigured Effect = "if_configured" // puts it back only if the code sets it, which is not known
	EffectUnknown      Effect = "unknown"       // known at the apply alone, or something else than either
)

// A Finding is what the comparison of one observation came to.
type Finding struct {
	Resource   Resource  `json:"resource"`
	Status     Status    `json:"status"`
	Pending    bool      `json:"pending"`                   // the code wants something that is not applied yet
	Action     Action    `json:"pending_action,omitempty"`  // what applying the code would do; only if pending
	Wanted     []Change  `json:"pending_changes,omitempty"` // from what was recorded to what the code wants, sorted by path
	ObservedAt time.Time `json:"observed_at"`               // UTC
	Changes    []Change  `json:"changes"`                   // from what was recorded to what is live, sorted by path
	Gap        *Gap      `json:"gap,omitempty"`             // only if not_checked
}

// An Action is what applying the code would do to a resource.
type Action string

// The actions. Moves and imports change what is recorded, and nothing live.
const (
	ActionCreate  Action = "create"
	ActionUpdate  Action = "update"
	ActionReplace Action = "replace"
	ActionDelete  Action = "delete"
	ActionMove    Action = "move"
	ActionImport  Action = "import"
	ActionForget  Action = "forget"
)

// A DriftID names one drift from its first sighting to its end: "drift-" and 16 hexadecimal digits.
type DriftID string

// A Drift is a resource out of sync, over time.
type Drift struct {
	ID      DriftID   `json:"id"`
	Since   time.Time `json:"since"`   // when it was first seen, UTC
	Entry   int64     `json:"entry"`   // index of the log entry that holds its present form
	New     bool      `json:"new"`     // first seen by this scan
	Changed bool      `json:"changed"` // known before, and other than when it was last seen
	Finding Finding   `json:"finding"`
	Causes  *Causes   `json:"causes,omitempty"` // nil: nobody asked, or no event ever came
}
