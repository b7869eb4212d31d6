package taffrail

import (
	"context"
	"time"
)

// A RunID names one run of a command: "run-" and 16 hexadecimal digits.
type RunID string

// Agent is what a run adds to the user agent of the calls that its tool makes. It is claimed by whoever makes a call: it joins an event
// to a run only together with the principal and the time.
func (id RunID) Agent() string { return "taffrail/" + string(id) }

// A Run is one use of a command that may change something, as the log has it.
type Run struct {
	ID       RunID      `json:"id"`
	State    RunState   `json:"state"`
	Who      Actor      `json:"who"`     // without a name where that was erased
	Where    string     `json:"where"`   // folder; empty where that was erased
	Command  []string   `json:"command"` // with secrets replaced; null where it was erased
	Program  string     `json:"program"`
	Verb     string     `json:"verb,omitempty"`
	Stack    StackID    `json:"stack,omitempty"` // empty: not known, so that it may have been any
	Name     string     `json:"stack_name,omitempty"`
	Serial   [2]int64   `json:"serial"` // of the stack's state before and after, where the stack is known
	Commit   *Commit    `json:"commit,omitempty"`
	Plan     string     `json:"plan,omitempty"` // SHA-256 of the plan file, hexadecimal
	CI       string     `json:"ci,omitempty"`
	Agent    string     `json:"agent"`
	Started  time.Time  `json:"started_at"`
	Finished *time.Time `json:"finished_at"` // null: not, or not known
	Exit     *int       `json:"exit"`        // null: not known
	Signal   string     `json:"signal,omitempty"`
	Error    string     `json:"error,omitempty"`
	Tap      *RunTap    `json:"tap,omitempty"`
	Untapped string     `json:"untapped,omitempty"` // why there is no Tap
	Applied  []Applied  `json:"applied"`            // what was seen; null where it was erased, or nothing was watched
	Entries  []int64    `json:"entries"`            // of the log, in order
}

// A RunState says how far a run has come.
type RunState string

// The states of a run.
const (
	RunRunning RunState = "running" // or stopped with whoever would say so, a moment ago
	RunEnded   RunState = "finished"
	RunUnknown RunState = "unknown" // we stopped before it did: nobody knows how it went, or until when
)

// Overlaps says whether the run may have been under way at any moment from ≤ t < to. What has no end known may be under way still.
func (r Run) Overlaps(from, to time.Time) bool {
	return r.Started.Before(to) && (r.Finished == nil || !r.Finished.Before(from))
}

// Applied is what a run did to one resource.
type Applied struct {
	Type     ResourceType    `json:"type"`
	ID       ResourceID      `json:"id,omitempty"`
	Address  Address         `json:"address,omitempty"` // empty where what was recorded before and after does not tell
	Action   Action          `json:"action"`            // create, update or delete; a replacement is a deletion and a creation
	Changes  []AppliedChange `json:"changes"`           // sorted by path; none of a deletion
	Started  time.Time       `json:"started_at"`
	Finished time.Time       `json:"at"`
	Error    string          `json:"error,omitempty"`    // why it failed; what was changed by then is in Changes
	Withheld bool            `json:"withheld,omitempty"` // the values of Changes are left out, since some may be secret
}

// An AppliedChange is one attribute that a run changed.
type AppliedChange struct {
	Path   Path  `json:"path"`
	Before Value `json:"before"`
	After  Value `json:"after"`
}

// A Command is what is to be run.
type Command struct {
	Args []string // the program's name first
	Dir  string   // absolute folder in which it is started
	Env  []string
}

// A RunWatcher knows the runs of one system's tool.
type RunWatcher interface {
	// Recognise says what a command is about. It runs nothing and changes nothing, and does not wait long for anybody.
	Recognise(ctx context.Context, c Command) RunSubject

	// Tap stands between the tool and what it changes, for a command that is about to be run. An error says why that cannot be; the
	// command is run then as it is.
	Tap(ctx context.Context, c Command) (Tap, error)
}

// A RunSubject is what a command is about.
type RunSubject struct {
	Known bool       // it is the system's own tool, or its stack was named
	Verb  string     // what the tool is told to do
	Dir   string     // of the stack, absolute
	Stack *StackInfo // nil where it cannot be told
	Plan  string     // SHA-256 of the plan file among the arguments, hexadecimal
	Tap   bool       // the command may change live resources, so that a tap would have something to see
	Why   string     // there is none by itself
}

// A Tap watches a run.
type Tap interface {
	// Env is what must be added to the environment of the command.
	Env() []string

	// Providers names what is watched.
	Providers() []string

	// Finish ends the tap and gives what it saw. It is called once the command has ended.
	Finish(ctx context.Context) (TapReport, error)

	// Close ends the tap without a word. It may be called more than once.
	Close() error
}

// A TapReport is what a [Tap] saw.
type TapReport struct {
	Providers   []string
	Others      []Untapped
	Connections int
	Tapped      []Tapped // in the order in which they began
	LeftOut     int
	Withheld    string
}

// Tapped is one resource as a tool changed it. No side of it holds a secret.
type Tapped struct {
	Type     ResourceType
	ID       ResourceID
	Address  Address
	Action   Action
	Before   Value // unknown where it cannot be told; null: there was nothing
	After    Value
	Handling []Handling
	Started  time.Time
	Finished time.Time
	Error    string
	Withheld bool // which paths differ may be told, and not from what to what
}
