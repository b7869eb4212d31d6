package taffrail

import "context"

// A Stack is one unit of infrastructure code and the live resources that it describes. An open Stack keeps what is
// costly to start (provider processes, connections) until it is closed.
type Stack interface {
	// Describe says which stack this is, and at which version. Before the first Read the components that will
	// answer may not be known yet. It reads what is recorded, never what is live.
	Describe(ctx context.Context) (StackInfo, error)

	// Read emits one Observation for each selected resource, in any order, never two at once, and tells what it
	// could not see. What fails for one resource is a Gap in its Observation, not an error. When emit fails, Read stops
	// and returns that error as it is. When ctx ends, Read emits what is left as gaps of [ReasonCancelled], and returns the
	// coverage and the context's error. It changes nothing, neither live nor recorded.
	Read(ctx context.Context, sel Selection, emit func(Observation) error) (Coverage, error)

	// Close ends what Read keeps. It may be called more than once.
	Close() error
}

// A Selection narrows a Read. The zero Selection selects everything.
type Selection struct {
	Addresses []Address `json:"addresses,omitempty"` // just these; none means all
	// Announce is called once, before the first emit, with the number of observations that will come. It may be nil.
	Announce func(total int) `json:"-"`
}

// Selects says whether the selection holds an address.
func (s Selection) Selects(a Address) bool {
	if len(s.Addresses) == 0 {
		return true
	}
	for _, want := range s.Addresses {
		if want == a {
			return true
		}
	}
	return false
}

// A Scope is where live resources are looked for that no stack declares.
type Scope struct {
	Types []ResourceType `json:"types"` // [EveryType] means each that can be listed
}

// EveryType in a [Scope] stands for each type that can be listed.
const EveryType ResourceType = "*"

// A Lister enumerates live resources, so that those which no stack declares can be found. Optional for a [Stack].
type Lister interface {
	// List emits one Observation for each live resource in the scope that the stack, and the others that it was told of, do not
	// declare: Recorded is null. The addresses are made up, stable, and unlike any in code: `harbor_bucket (unmanaged bkt-0003)`. It
	// names the types that were listed as a whole; each other type of the scope, and each that can be listed and was not asked for, is
	// a Gap with a Type and no Address. Emit and ctx are as in [Stack].Read.
	List(ctx context.Context, scope Scope, emit func(Observation) error) (Listing, error)
}

// A Listing says what a [Lister] looked at, and what it did not.
type Listing struct {
	Listed []ResourceType `json:"listed"`         // as a whole, sorted
	Gaps   []Gap          `json:"gaps,omitempty"` // sorted by type
}

// An Examiner says what a Stack can read and what it cannot, and why, without reading any resource. Optional for a [Stack].
type Examiner interface {
	Examine(ctx context.Context, emit func(Check) error) error
}

// A Check is one thing that was looked at before a scan.
type Check struct {
	Name    string      `json:"check"`             // what was looked at: "state", "lock file", "provider", "resource type", ...
	Subject string      `json:"subject,omitempty"` // which one
	Result  CheckResult `json:"result"`
	Detail  string      `json:"detail,omitempty"` // what was found, on one line, without secrets
	Hint    string      `json:"hint,omitempty"`   // what can be done
}

// A CheckResult says how a [Check] went.
type CheckResult string

// The results. A check that was skipped proves nothing.
const (
	CheckOK      CheckResult = "ok"
	CheckWarning CheckResult = "warning" // it will be read, with a limit
	CheckFailed  CheckResult = "failed"  // it cannot be read
	CheckSkipped CheckResult = "skipped" // another check stood in the way
)

// A Discoverer finds stacks below a folder.
type Discoverer interface {
	// Discover emits one Place for each stack, in the order of their folders. What cannot be read is a Place with a Problem.
	Discover(ctx context.Context, dir string, emit func(Place) error) error
}

// A Place is where a stack was found.
type Place struct {
	System     string   `json:"system"`               // "terraform"
	Kind       string   `json:"kind"`                 // "root module", "state file", "terragrunt unit", "terragrunt stack", "child module"
	Dir        string   `json:"dir"`                  // absolute
	Target     string   `json:"target,omitempty"`     // what to give to a scan; empty if it cannot be scanned
	Backend    string   `json:"backend,omitempty"`    // where the state is kept: "local", "s3", ...
	Workspaces []string `json:"workspaces,omitempty"` // those that can be seen without asking a backend
	Selected   string   `json:"selected,omitempty"`   // workspace that is selected
	Problem    string   `json:"problem,omitempty"`    // why it cannot be scanned as it is
	Hint       string   `json:"hint,omitempty"`       // what can be done
}

// A Fingerprinter gives keyed digests of versions, so that it can be proved later which version was seen, and a version that was seen
// cannot be guessed. Whoever is a [Sealer] is one, too, with the same key.
type Fingerprinter interface {
	// Fingerprint gives the key's ID, as [SecretDigest.KeyID] does, and HMAC-SHA-256 over [FingerprintInput].
	Fingerprint(v Value) (key string, digest [32]byte)
}

// A Sealer replaces secrets by keyed digests.
type Sealer interface {
	// Seal gives the [Secret] of a value: HMAC-SHA-256 over [SealInput]. Null and unknown stay as they are, and
	// what is sealed already stays sealed.
	Seal(v Value) Value
}

// A Decoder turns one raw record of an audit source into an Event. Every source of events has one; it stands alone, too.
type Decoder interface {
	// Decode gives the event of one record, as it was delivered or as it was kept. It is a function of the record and of the key that secrets
	// are sealed with. Bytes that are no record of the source are an error of [KindInvalid], which quotes nothing of them. A record whose
	// bodies were left out or hidden is an event that says so.
	Decode(record []byte) (Event, error)
}

// A Keeper says what is stored of a record. Every Decoder whose records are taken into the log is one.
type Keeper interface {
	// Keep gives what is stored of a record that was delivered. What Decode takes Keep takes, and what Decode refuses it refuses. Decode gives
	// the same event for what is kept as for what was delivered, but for the digest. The head is the one that [HeadOf] gives for that event; of
	// keys there may be more, and of an event that only reads there need be none.
	Keep(record []byte) (Kept, error)
}

// A Recognizer knows the records of its source when it sees them. Optional for a Decoder.
type Recognizer interface {
	// Recognizes says whether a text begins as what the source writes into files does. It may be cut off anywhere.
	Recognizes(start []byte) bool
}

// An EventReader reads what an audit source has put somewhere, in its own time.
type EventReader interface {
	// ReadEvents emits what was delivered after a cursor, batch by batch and never two at once, and returns when there is nothing more for
	// now. It is called again after a pause, with the last cursor that was stored. When emit gives nil the batch is in the log, for good; only then
	// may a reader tell the source so. When emit fails, ReadEvents stops and returns that error as it is. What cannot be read is a [Record]
	// with a Fault where others can still be read after it, and an error where not.
	ReadEvents(ctx context.Context, after Cursor, emit func(Batch) error) error
}

// An EventReceiver is sent events by an audit source, or by who collects for it.
type EventReceiver interface {
	// Receive takes what is sent until ctx ends, and returns nil then. It calls ready once, with the address at which it can be reached. Emit may be
	// called by many at once. A sender is told that it was taken after emit gave nil, and not before: the batch is then in the log.
	Receive(ctx context.Context, ready func(address string), emit func(context.Context, Batch) error) error
}

// A Vault keeps what cannot be understood, and may hold secrets, so that only the installation itself can read it. Whoever is a [Sealer] of a log
// is one, too, with a key of its own that follows from the same one.
type Vault interface {
	// Lock encrypts. Unlock gives back what Lock was given, and an error of [KindCorrupt] for anything else.
	Lock(plain []byte) ([]byte, error)
	Unlock(locked []byte) ([]byte, error)
}
