package taffrail

import "time"

// Strings that must not be mistaken for one another have types of their own.
type (
	// A StackID names a stack for ever: "terraform/<lineage>/<workspace>". It survives a move of the folder.
	StackID string
	// An Address is where the code names a resource: `module.web.harbor_bucket.logs["a.b"]`. Unique in a stack.
	Address string
	// A ResourceType is the source's word for a sort of resource: "aws_s3_bucket".
	ResourceType string
	// A ResourceID is the resource's identity in the cloud, as its API names it. Empty where it is not known.
	ResourceID string
)

// A Resource is one object that a stack declares or that was found live. It never holds a secret.
type Resource struct {
	Stack    StackID      `json:"stack"`
	Address  Address      `json:"address"`
	Type     ResourceType `json:"type"`
	ID       ResourceID   `json:"id,omitempty"`
	Module   string       `json:"module,omitempty"`   // address of the module that declares it; empty for the root
	Provider string       `json:"provider,omitempty"` // the provider that reads it: "registry.example/acme/cloud"
	File     string       `json:"file,omitempty"`     // where the code declares it, relative to the stack's folder
	Line     int          `json:"line,omitempty"`     // from 1
}

// StackInfo says which stack this is and at which version of itself, code and tools it was seen.
type StackInfo struct {
	ID         StackID     `json:"id"`
	System     string      `json:"system"`              // "terraform"
	Name       string      `json:"name"`                // for people: where the code or the state is, absolute
	Workspace  string      `json:"workspace,omitempty"` //
	Lineage    string      `json:"lineage,omitempty"`   // of the state
	Serial     int64       `json:"serial"`              // of the state
	Tool       string      `json:"tool,omitempty"`      // what wrote the state: "terraform 1.11.4"
	Commit     *Commit     `json:"commit,omitempty"`    // of the code; nil where it is in no repository
	Components []Component `json:"components,omitempty"`
}

// A Commit is the version of the code.
type Commit struct {
	Hash  string `json:"hash"`          // hexadecimal, whole
	Ref   string `json:"ref,omitempty"` // the branch that is checked out: "main"
	Dirty bool   `json:"dirty"`         // the stack's folder holds what the commit does not
}

// A Component is a program of someone else's that answered for live resources, such as a provider.
type Component struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"` // of the package, in the system's own notation: "h1:..."
}

// An Observation is what is known of one resource at one moment. A side that was not read is [Unknown], which is
// also the zero Value; a side that was read and where nothing was found is [Null]. So nothing that was left out can
// be taken for absence.
type Observation struct {
	Resource Resource
	At       time.Time // when the live side was read
	Desired  Value     // what the code wants
	Recorded Value     // what the tool wrote down when it last touched the resource
	Live     Value     // what is
	Next     Value     // what the next apply would make of Live if the code sets what was recorded, as far as that was asked for
	Action   Action    // what applying the code would do, by the tool's own plan; empty: nothing, or not asked
	Guessed  []Path    // where it is not known whether the code sets anything; may hold [AnyStep]
	Unset    []Path    // where the code sets nothing and the provider goes by what is live; may hold [AnyStep]
	Handling []Handling
	Gap      *Gap // why Live is unknown; nil if it was read
}

// A Treatment is how differences below some path are to be taken.
type Treatment string

// The treatments. Sets and secrets need none: a [Value] knows that it is one.
const (
	// Volatile values change by themselves, or the provider computes them: kept as evidence, no drift.
	Volatile Treatment = "volatile"
	// Suppressed differences were accepted by a rule of the code or of an operator: shown on request, no drift.
	Suppressed Treatment = "suppressed"
	// WriteOnly values are never given back: not verifiable, and never drift.
	WriteOnly Treatment = "write_only"
	// EmptyIsNull takes null, "", 0, false and empty collections for the same, as old provider SDKs do.
	EmptyIsNull Treatment = "empty_is_null"
)

// A Handling gives the treatment of all paths that a pattern covers.
type Handling struct {
	Path      Path      `json:"path"` // may hold [AnyStep]
	Treatment Treatment `json:"treatment"`
	Why       string    `json:"why,omitempty"` // for people
	// Pinned narrows the treatment to changes whose After is this value. Unknown, which is the zero Value, narrows nothing.
	Pinned Value `json:"-"`
}

// A Reason says why a resource is not_checked.
type Reason string

// The reasons. Those that [Reason.IsGap] reports are failures to look; the others are known limits.
const (
	ReasonDenied       Reason = "denied"       // permission or credentials
	ReasonError        Reason = "error"        // the reader or the system answered with an error
	ReasonThrottled    Reason = "throttled"    // rate limits
	ReasonTimeout      Reason = "timeout"      // no answer in time
	ReasonCrashed      Reason = "crashed"      // the reader died
	ReasonUnconfigured Reason = "unconfigured" // the reader, or its configuration, is missing or unknown
	ReasonRaced        Reason = "raced"        // the recorded side moved while the live one was read
	ReasonCancelled    Reason = "cancelled"    // the scan was stopped first
	ReasonUnsupported  Reason = "unsupported"  // there is nothing live to read: the data lives in the state alone
	ReasonIgnored      Reason = "ignored"      // left out on purpose
)

// Reasons lists every reason in the order in which people are shown them.
func Reasons() []Reason {
	return []Reason{
		ReasonDenied, ReasonError, ReasonThrottled, ReasonTimeout, ReasonCrashed, ReasonUnconfigured, ReasonRaced,
		ReasonCancelled, ReasonUnsupported, ReasonIgnored,
	}
}

// IsGap says whether a scan with such a resource is incomplete. An unsupported or ignored resource does not make it so.
func (r Reason) IsGap() bool { return r != ReasonUnsupported && r != ReasonIgnored }

// A Gap is something that was not looked at, or could not be. The scope is one resource or, with no address, the whole
// stack.
type Gap struct {
	Address Address      `json:"address,omitempty"`
	Type    ResourceType `json:"type,omitempty"`
	Reason  Reason       `json:"reason"`
	Detail  string       `json:"detail"`         // what happened, on one line, without secrets
	Hint    string       `json:"hint,omitempty"` // what can be done
}

// Coverage says what a reading saw and what it did not. Total is Checked + Incomplete + Unsupported + Ignored.
type Coverage struct {
	Total       int `json:"total"`
	Checked     int `json:"checked"`
	Incomplete  int `json:"incomplete"` // resources in a gap
	Unsupported int `json:"unsupported"`
	Ignored     int `json:"ignored"`
	// Gaps holds each resource that was not checked, known limits included, and gaps of the whole stack.
	Gaps []Gap `json:"gaps,omitempty"`
}

// Count adds one observation.
func (c *Coverage) Count(o Observation) {
	c.Total++
	if o.Gap == nil {
		c.Checked++
		return
	}
	switch o.Gap.Reason {
	case ReasonUnsupported:
		c.Unsupported++
	case ReasonIgnored:
		c.Ignored++
	default:
		c.Incomplete++
	}
	c.Gaps = append(c.Gaps, *o.Gap)
}

// Complete says whether everything that can be read was read.
func (c Coverage) Complete() bool {
	for _, g := range c.Gaps {
		if g.Reason.IsGap() {
			return false
		}
	}
	return c.Incomplete == 0
}
