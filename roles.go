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

// A Sealer replaces secrets by keyed digests.
type Sealer interface {
	// Seal gives the [Secret] of a value: HMAC-SHA-256 over [SealInput]. Null and unknown stay as they are, and
	// what is sealed already stays sealed.
	Seal(v Value) Value
}
