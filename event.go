package taffrail

import (
	"slices"
	"time"
)

// An EventID is the identity of an event in its source: CloudTrail's eventID, the auditID of Kubernetes. Copies of one event share it.
type EventID string

// An Event is one record of an audit source in our words: who did what to what, and what came of it. It never holds a secret.
type Event struct {
	ID      EventID   `json:"id"`
	Source  string    `json:"source"`            // the source's plug-in: "cloudtrail"
	Time    time.Time `json:"time"`              // when it was asked for, by the source's clock, UTC
	Action  string    `json:"action"`            // service and operation, without a version: "ec2:AuthorizeSecurityGroupIngress"
	Actor   Actor     `json:"actor"`             // who, as far as the record itself says
	Error   string    `json:"error,omitempty"`   // code or status of a failure; empty: it succeeded
	Read    bool      `json:"read,omitempty"`    // it changes nothing by its nature
	DryRun  bool      `json:"dry_run,omitempty"` // it was a rehearsal
	Region  string    `json:"region,omitempty"`
	Account string    `json:"account,omitempty"` // that owns what was acted on

	// Refs are the identities in the record that say what was acted on, in no order. An engine looks for more in Request and Response.
	Refs []string `json:"refs,omitempty"`
	// Request and Response are the bodies: Unknown where the record carries none, Null where it says that there was none.
	Request  Value `json:"request"`
	Response Value `json:"response"`
	// State is the object that the event left behind, where the record carries it.
	State *Snapshot `json:"state,omitempty"`

	Redacted  bool    `json:"redacted,omitempty"`  // the source has hidden values of the request
	Truncated bool    `json:"truncated,omitempty"` // the source has left out the request, or a part of it
	Corrects  EventID `json:"corrects,omitempty"`  // the earlier event that this record completes or corrects

	Writer    string   `json:"writer,omitempty"`     // the name under which objects note who wrote them; empty: not known
	Issued    string   `json:"issued,omitempty"`     // public id of a credential that the event gave out
	UserAgent string   `json:"user_agent,omitempty"` // claimed by the client
	Address   string   `json:"address,omitempty"`    // network address that the source itself saw
	Digest    [32]byte `json:"-"`                    // SHA-256 of the record's bytes
}

// Changes says whether the event may have changed anything.
func (e Event) Changes() bool { return e.Error == "" && !e.Read && !e.DryRun }

// A Snapshot is an object as it was right after an event.
type Snapshot struct {
	Stamp
	// Object is the whole object, or only the part that Partial says.
	Object Value `json:"object"`
	// Partial says that what Object does not hold is not known, instead of absent.
	Partial bool `json:"partial,omitempty"`
	// Asserts is the part of the object that the request itself named, null where it took something away. Unknown: the record does not
	// say; an object that was replaced as a whole asserts all that it holds.
	Asserts Value `json:"asserts"`
	Replace bool  `json:"replace,omitempty"` // the request gave the whole object
	Based   int64 `json:"based,omitempty"`   // the version from which the request was made, which the source has checked; 0: not said
	Deleted bool  `json:"deleted,omitempty"` // the object went away
	// Answered is when the source had answered the request, by its own clock: its counter had come to Version by then. Zero is not known.
	Answered time.Time `json:"answered,omitzero"`
}

// A Stamp says which version of an object this is, by the source's own counters. Zero is not known.
type Stamp struct {
	Version    int64 `json:"version,omitempty"`    // grows with every write
	Generation int64 `json:"generation,omitempty"` // grows by one with every change of what is wanted
}

// An ActorClass says what sort of party acts.
type ActorClass string

// The classes of actors.
const (
	ActorPerson     ActorClass = "person"
	ActorPipeline   ActorClass = "pipeline"   // a run of an automation that people started or code did
	ActorController ActorClass = "controller" // software that works by itself inside the system
	ActorService    ActorClass = "service"    // the provider of the system
	ActorCredential ActorClass = "credential" // a key that more than one may hold: its holders are unknown
	ActorUnknown    ActorClass = "unknown"
)

// ActorClasses lists every class.
func ActorClasses() []ActorClass {
	return []ActorClass{ActorPerson, ActorPipeline, ActorController, ActorService, ActorCredential, ActorUnknown}
}

// An Actor is who did something: a chain from the principal of the event back to whoever is behind it.
type Actor struct {
	ID       string     `json:"id"` // the most specific principal in the event itself
	Class    ActorClass `json:"class"`
	Name     string     `json:"name"`               // for people, as far as it is known
	Chain    []Link     `json:"chain"`              // what leads from the principal to the party behind it, nearest first
	Features []string   `json:"features,omitempty"` // what the class was judged by, a phrase each
	Key      string     `json:"key,omitempty"`      // public id of the credential that was used
}

// Behind gives the actor with links added to the end of the chain.
func (a Actor) Behind(links ...Link) Actor {
	a.Chain = slices.Concat(a.Chain, links)
	return a
}

// A Link is one step of an actor's chain.
type Link struct {
	Kind string `json:"kind"` // "credential", "session", "role", "source identity", "federated", "person", "run", "service", "impersonated", ...
	ID   string `json:"id"`
}
