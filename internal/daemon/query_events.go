package daemon

import (
	"context"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// EventQueries is what can be done with, and asked of, the events of audit sources.
type EventQueries interface {
	// ImportEvents takes in what is in a file or a folder, once. The cursor of a source that is read for good is not touched; what is in the
	// log already is not taken twice. It calls progress after each batch, if it is not nil.
	ImportEvents(ctx context.Context, r ImportRequest, progress func(EventsTaken)) (EventsTaken, error)

	// ListEvents gives events from the newest on, copies of one event as one, as far as the filter takes them.
	ListEvents(ctx context.Context, r EventFilter, f func(LoggedEvent) error) error

	// FollowEvents gives events as they come into the log, until ctx ends or f fails.
	FollowEvents(ctx context.Context, r EventFilter, f func(LoggedEvent) error) error

	// EventSources says how far each source has come, and what is wrong with it.
	EventSources(ctx context.Context) ([]EventSourceStatus, error)

	// Why says who moved a drift that is open, or was: each change with its evidence, its candidates and what was rejected.
	Why(ctx context.Context, r WhyRequest) ([]WhyAnswer, error)

	// History is the timeline of one resource: what was seen of it, what happened to it, and who did it, the oldest first.
	History(ctx context.Context, r HistoryRequest) (History, error)
}

// An ImportRequest says what to take in.
type ImportRequest struct {
	Path   string // file or folder
	Source string // the plug-in that reads it; empty: whichever knows its form
	Name   string // of the source in the log; empty: that of the plug-in
	// Settings are more settings of the plug-in, each as "key=value", the value as YAML.
	Settings []string
}

// EventsTaken says what came into the log.
type EventsTaken struct {
	Batches  int64 `json:"batches"`
	Events   int64 `json:"events"`   // records that are new
	Changes  int64 `json:"changes"`  // of them, those that may have changed something
	Dead     int64 `json:"dead"`     // of them, those that could not be read
	Repeated int64 `json:"repeated"` // records that were in the log already
	Notices  int64 `json:"notices"`  // of the source on its own completeness
	Last     int64 `json:"last"`     // index of the newest entry

	Began *LogInfo `json:"began,omitempty"` // the log that was begun for them
}

// Add adds what came in later.
func (t *EventsTaken) Add(more EventsTaken) {
	t.Batches += more.Batches
	t.Events += more.Events
	t.Changes += more.Changes
	t.Dead += more.Dead
	t.Repeated += more.Repeated
	t.Notices += more.Notices
	t.Last = max(t.Last, more.Last)
	if more.Began != nil {
		t.Began = more.Began
	}
}

// An EventFilter says which events are meant. Empty fields take all.
type EventFilter struct {
	Since, Until time.Time
	Source       string // as the operator calls it
	Actor        string // a part of the actor's ID or name, in any case
	Action       string // a part of the action, in any case
	Resource     string // a name of a resource that stands in the event
	ID           taffrail.EventID
	Changes      bool // those alone that may have changed something
	Failed       bool // those alone that failed
	Dead         bool // in the place of events: what could not be read
	Limit        int  // at most so many; 0: no bound
}

// A LoggedEvent is an event with where it stands.
type LoggedEvent struct {
	Source string          `json:"source"` // as the operator calls it
	Batch  int64           `json:"batch"`  // index of the entry
	Record int64           `json:"record"` // in its payload, from 0
	Digest string          `json:"digest"` // SHA-256 of the record as it was delivered, hexadecimal
	Where  string          `json:"where,omitempty"`
	Event  *taffrail.Event `json:"event,omitempty"` // nil: it could not be read
	Fault  string          `json:"fault,omitempty"` // and why
}

// An EventSourceStatus says how far one source has come.
type EventSourceStatus struct {
	Source  string               `json:"source"`
	Plugin  string               `json:"plugin,omitempty"`  // where it is configured
	Settled *time.Time           `json:"settled,omitempty"` // all events from before then are there
	First   *time.Time           `json:"first,omitempty"`
	Last    *time.Time           `json:"last,omitempty"` // of its events
	Entry   int64                `json:"entry"`          // of its newest batch; -1: there is none
	Taken   *time.Time           `json:"taken,omitempty"`
	Events  int64                `json:"events"`
	Changes int64                `json:"changes"`
	Dead    int64                `json:"dead"`
	Notices []taffrail.LogNotice `json:"notices"` // the newest that are not closed
}
