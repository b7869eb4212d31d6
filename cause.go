package taffrail

import "time"

// A Tier says how sure a [Cause] is.
type Tier string

// The tiers, surest first.
const (
	TierProved      Tier = "proved"      // the object's own versions show it, and none is missing
	TierExplained   Tier = "explained"   // what the event is known to do gives the value, and the log of the time is whole
	TierLikely      Tier = "likely"      // evidence that was right nearly always on the benchmark
	TierPossible    Tier = "possible"    // one of several, or weak evidence
	TierUnexplained Tier = "unexplained" // no event is named, and Reason says why
	TierAwaiting    Tier = "awaiting"    // events of the time may still arrive
)

// Tiers lists every tier, surest first.
func Tiers() []Tier {
	return []Tier{TierProved, TierExplained, TierLikely, TierPossible, TierUnexplained, TierAwaiting}
}

// Names says whether a cause of this tier names an event.
func (t Tier) Names() bool {
	return t == TierProved || t == TierExplained || t == TierLikely || t == TierPossible
}

// A Cause is the answer to who moved one attribute, and how that is known.
type Cause struct {
	Address    Address     `json:"address"`
	Change     Change      `json:"change"`
	Tier       Tier        `json:"tier"`
	Confidence float64     `json:"confidence,omitempty"` // fitted on the benchmark; 0 where no event is named
	Basis      string      `json:"basis,omitempty"`      // the sort of answer that the confidence was fitted for
	Event      *EventRef   `json:"event,omitempty"`      // the last effective writer; nil where none is named
	Chain      []EventID   `json:"chain"`                // effective writers, last first
	Via        string      `json:"via,omitempty"`        // the shared object through which the event reached the resource
	Evidence   []Evidence  `json:"evidence"`             // strongest first
	Candidates []Candidate `json:"candidates"`           // who else it may have been, likeliest first
	Rejected   []Rejection `json:"rejected"`             // events that touch the resource and are not the cause, in the order of time
	Excursions []Excursion `json:"excursions,omitempty"` // other values that the attribute had in between
	Run        *RunRef     `json:"run,omitempty"`        // the run of a command that the change was a part of
	Reason     string      `json:"reason"`               // why no event is named, or no surer tier
}

// An EventRef names an event in a cause.
type EventRef struct {
	ID     EventID   `json:"event"`
	Time   time.Time `json:"time"`
	Action string    `json:"action"`
	Actor  Actor     `json:"actor"`
}

// RefOf names an event.
func RefOf(e Event) EventRef {
	return EventRef{ID: e.ID, Time: e.Time, Action: e.Action, Actor: e.Actor}
}

// Evidence is one reason to hold an event for the cause.
type Evidence struct {
	Kind   EvidenceKind `json:"kind"`
	Event  EventID      `json:"event"`
	Detail string       `json:"detail"` // for people, on one line, without values
}

// An EvidenceKind says what sort of evidence it is.
type EvidenceKind string

// The kinds of evidence, strongest first.
const (
	EvidenceState    EvidenceKind = "state"    // the record carries the object after the change
	EvidenceReplay   EvidenceKind = "replay"   // what the event is known to do gives the value
	EvidenceValue    EvidenceKind = "value"    // the value stands in the request
	EvidenceFamily   EvidenceKind = "family"   // events of this name may change the attribute
	EvidenceIdentity EvidenceKind = "identity" // the event touches the resource
	EvidenceTime     EvidenceKind = "time"     // the event happened in the window
	EvidenceRun      EvidenceKind = "run"      // a run that the log knows was under way, and says that it did it
)

// A Candidate is an event that may have been the cause.
type Candidate struct {
	EventRef
	Confidence float64 `json:"confidence"`
}

// A Rejection says why an event is not the cause.
type Rejection struct {
	Event  EventID `json:"event"`
	Action string  `json:"action"`
	Why    string  `json:"why"`
}

// An Excursion is a value that an attribute had for a while before it had the one that was found.
type Excursion struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Value Value     `json:"value"`
	By    EventID   `json:"by"`
}

// Causes says who moved a drift, as far as that was known at some time.
type Causes struct {
	Entry   int64   `json:"entry"`   // index of the log entry that holds them
	Settled bool    `json:"settled"` // no event that may change the answer is awaited any more
	Changes []Cause `json:"changes"` // for each change that drifted, in their order
}

// A RunRef names a run in a cause.
type RunRef struct {
	ID      RunID  `json:"run"`
	Entry   int64  `json:"entry"` // index of the log entry that says that it was started
	Program string `json:"program"`
	Verb    string `json:"verb,omitempty"`
	Who     Actor  `json:"who"`
	Exact   bool   `json:"exact"` // it was watched, and did just this; else an event claims to be of it
}
