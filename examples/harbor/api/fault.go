package api

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Effect is what a fault does to a request.
type Effect string

// The effects. Where several are on for one object, latency and lag go together
// with any other; of the rest the first in this order wins.
const (
	Hang     Effect = "hang"     // hold the request until the client goes away or the cloud stops
	Deny     Effect = "deny"     // 403 AccessDenied
	Throttle Effect = "throttle" // 429 with Retry-After
	Outage   Effect = "outage"   // 503 ServiceUnavailable
	Error    Effect = "error"    // 500 InternalError
	Gone     Effect = "gone"     // reads say 404 though the object exists, as to a wrong account
	Crash    Effect = "crash"    // the answer asks the provider process to die while it reads
	Lag      Effect = "lag"      // reads answer what was true a while ago
	Latency  Effect = "latency"  // each request takes longer

	DenyList     Effect = "deny-list"     // 403 AccessDenied to requests that list, and to no other
	ThrottleList Effect = "throttle-list" // 429 with Retry-After to requests that list, and to no other
	LagList      Effect = "lag-list"      // lists answer what was true a while ago, reads of one object what is
)

// MaxDelay bounds lag and latency: the cloud remembers no older version.
const MaxDelay = 10 * time.Minute

var (
	plainEffects = []Effect{Hang, Deny, Throttle, Outage, Error, Gone, Crash, DenyList, ThrottleList}
	timedEffects = []Effect{Lag, Latency, LagList}
)

// A Fault is one effect, with its length where it has one. Its text form is
// "deny" or "lag=5s"; [ParseFault] is the inverse of [Fault.String].
type Fault struct {
	Effect Effect
	Delay  time.Duration
}

// ParseFault reads the text form of a fault.
func ParseFault(s string) (Fault, error) {
	name, delay, timed := strings.Cut(s, "=")
	effect := Effect(name)
	switch {
	case slices.Contains(plainEffects, effect) && !timed:
		return Fault{Effect: effect}, nil
	case slices.Contains(plainEffects, effect):
		return Fault{}, fmt.Errorf("fault %q: %s takes no value", s, name)
	case !slices.Contains(timedEffects, effect):
		return Fault{}, fmt.Errorf("fault %q is none of deny, error, outage, throttle, hang, gone, crash, deny-list, throttle-list, lag=DURATION, latency=DURATION, lag-list=DURATION", s)
	}
	d, err := time.ParseDuration(delay)
	if err != nil || d <= 0 || d > MaxDelay {
		return Fault{}, fmt.Errorf("fault %q: want %s=DURATION, more than zero and at most %v, such as %s=5s", s, name, MaxDelay, name)
	}
	return Fault{Effect: effect, Delay: d}, nil
}

// String returns the text form.
func (f Fault) String() string {
	if f.Delay == 0 {
		return string(f.Effect)
	}
	return fmt.Sprintf("%s=%v", f.Effect, f.Delay)
}

// MarshalText makes a fault travel as its text form.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads the text form.
func (f *Fault) UnmarshalText(text []byte) error {
	parsed, err := ParseFault(string(text))
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}

// A Target names what a fault is for: "*", "TYPE" or "TYPE/ID", where ID is an
// object's id or its name.
type Target string

// Split returns the target's type and id; either is "" where the target does
// not narrow it.
func (t Target) Split() (kind, id string) {
	if t == "*" {
		return "", ""
	}
	kind, id, _ = strings.Cut(string(t), "/")
	return kind, id
}

// A TargetedFault is a fault and what it is for.
type TargetedFault struct {
	Target Target `json:"target"`
	Fault  Fault  `json:"fault"`
}

// Faults is the list of the faults that are on.
type Faults struct {
	Faults []TargetedFault `json:"faults"`
}
