package taffrail

// The bodies of entries that are about a run of a tool. A run stands in two entries: an intent, which is signed before the command is
// started, and the outcome of that.

// The types of entry that are about runs.
const (
	EntryRunStarted  EntryType = "run.started"
	EntryRunFinished EntryType = "run.finished"
)

// RunStarted says that a command is about to be run. Who runs it, from where, and the command line stand beside the entry, in fields that
// can be erased.
type RunStarted struct {
	Run      RunID      `json:"run"`
	Program  string     `json:"program"`            // its name, without a folder: "tofu"
	Verb     string     `json:"verb,omitempty"`     // what it is told to do, where the program is known: "apply"
	Stack    *StackInfo `json:"stack,omitempty"`    // before the run; left out where it is not known
	Commit   *Commit    `json:"commit,omitempty"`   // of the code in the folder of the run
	Plan     string     `json:"plan,omitempty"`     // SHA-256 of the plan file that is applied, hexadecimal
	Class    ActorClass `json:"class"`              // of who runs it
	Features []string   `json:"features,omitempty"` // what the class was judged by
	CI       string     `json:"ci,omitempty"`       // the system that runs pipelines: "github_actions"
	Agent    string     `json:"agent"`              // what stands in the user agent of the calls that the run makes, if its tool takes it up
}

// RunFinished says how a run ended.
type RunFinished struct {
	Run      RunID      `json:"run"`
	Started  int64      `json:"started"` // index of the RunStarted
	Exit     int        `json:"exit"`    // exit status; -1 where there is none
	Signal   string     `json:"signal,omitempty"`
	Millis   int64      `json:"duration_ms"`
	Stack    *StackInfo `json:"stack,omitempty"`    // after the run
	Tap      *RunTap    `json:"tap,omitempty"`      // what was watched; left out where nothing was
	Untapped string     `json:"untapped,omitempty"` // why nothing was
}

// A RunTap says what a [Tap] saw, and how much of it.
type RunTap struct {
	Providers   []string   `json:"providers"`           // that it stood for
	Others      []Untapped `json:"others,omitempty"`    // that the tool started itself: what they did was not seen
	Connections int        `json:"connections"`         // that the tool made to it; 0: the tool did not use it, and nothing is known of what it did
	Applied     int        `json:"applied"`             // resources that were changed, or were to be
	Failed      int        `json:"failed"`              // of those
	LeftOut     int        `json:"left_out,omitempty"`  // resources of which no more is known than that they were among those
	Withheld    string     `json:"withheld,omitempty"`  // why values were left out that may be secrets
	Resources   *BlobRef   `json:"resources,omitempty"` // a [Salted] list of Applied
}

// Untapped names a part of a tool that was not watched.
type Untapped struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Kind implements [EntryBody].
func (RunStarted) Kind() (EntryType, int) { return EntryRunStarted, 1 }

// Kind implements [EntryBody].
func (RunFinished) Kind() (EntryType, int) { return EntryRunFinished, 1 }

// Payloads implements [EntryBody].
func (RunStarted) Payloads() []BlobRef { return nil }

// Payloads implements [EntryBody].
func (b RunFinished) Payloads() []BlobRef {
	if b.Tap == nil || b.Tap.Resources == nil {
		return nil
	}
	return []BlobRef{*b.Tap.Resources}
}
