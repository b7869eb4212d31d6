// Package correlate says who moved it: it finds, for each change of a resource, the event that caused it, and how sure that is.
//
// The unit is one attribute, or one element of a set, never the whole resource. The events that touch the resource are put into the
// order in which they happened, and what each of them does to the attribute is replayed from the value before to the one after: the
// last event that had an effect is the cause. What an event does is known by one of four ways, surest first:
//
//   - The event carries the object that it left behind. Where no version between is missing, the author is proved.
//   - A model, which is data, says what events of this name do with what stands in the request.
//   - The value stands in the request, under a name like that of the attribute, or anywhere.
//   - The event's name alone fits, and what it did cannot be seen.
//
// Where nothing leads from the value before to the one after, an event is missing, and no one is named. How often each sort of answer
// was right on the benchmark is data, too; no other figure is ever given as confidence.
//
// It is a function of its arguments, and knows no provider but by its data.
package correlate

import (
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// slack is how far clocks may differ.
const slack = 2 * time.Minute

// A Question asks who caused the changes of some resources between two readings.
type Question struct {
	Start, End time.Time // of the readings before and after
	Resources  []Subject
	Events     []taffrail.Event // in any order, copies among them
	Health     []Health         // of sources; one that is missing here is whole and settled
	Record     Record           // of the logs that the events are from
	Runs       []taffrail.Run   // of commands, that were under way in the window
	// Sealer is what secrets in the events were sealed with, where those in the resources were not. It may be nil.
	Sealer taffrail.Sealer
}

// A Subject is a resource that changed.
type Subject struct {
	Address       taffrail.Address
	Type          taffrail.ResourceType
	IDs           []string // all identities that it is known by
	Before, After taffrail.Value
	// BeforeStamp and AfterStamp are the versions that were read, by the counters of the object itself.
	BeforeStamp, AfterStamp taffrail.Stamp
	Changes                 []taffrail.Change
}

// Health says what of a source's events there is.
type Health struct {
	Source        string
	CompleteUntil time.Time // later events may still arrive; zero: it is settled
	Gaps          []Span    // in which events are missing
}

// A Span is a stretch of time.
type Span struct{ Start, End time.Time }

func (s Span) overlaps(start, end time.Time) bool { return !s.Start.After(end) && !s.End.Before(start) }

// Attribute gives one cause for each change of each resource, in their order.
func Attribute(q Question, m *Models) []taffrail.Cause {
	c := newCase(q, m)
	var causes []taffrail.Cause
	for i := range q.Resources {
		causes = append(causes, c.subject(i)...)
	}
	return causes
}

// A caseOf is what is worked out once for a question.
type caseOf struct {
	Question
	models *Models
	events []*act // in the order of time
	people *lineage
}

func newCase(q Question, m *Models) *caseOf {
	events := merge(q.Events)
	c := &caseOf{Question: q, models: m, people: newLineage(events)}
	for i := range events {
		c.events = append(c.events, newAct(events[i], i))
	}
	slices.SortStableFunc(c.events, func(a, b *act) int { return a.Time.Compare(b.Time) })
	return c
}

// subject answers for one resource.
func (c *caseOf) subject(i int) []taffrail.Cause {
	s := newScene(c, &c.Resources[i])
	causes := make([]taffrail.Cause, 0, len(s.Changes))
	for _, change := range s.Changes {
		causes = append(causes, s.answer(change))
	}
	s.doubt(causes)
	for i := range causes {
		s.joinRun(&causes[i])
	}
	return causes
}

// merge joins the copies and corrections of each event, in the order in which they first came. Copies by other ways lack fields, and an
// addendum completes an earlier record.
func merge(events []taffrail.Event) []taffrail.Event {
	at := map[taffrail.EventID]int{}
	var merged []taffrail.Event
	for _, e := range events {
		id := e.ID
		if e.Corrects != "" {
			id = e.Corrects
		}
		i, known := at[id]
		if !known {
			at[id] = len(merged)
			at[e.ID] = len(merged)
			merged = append(merged, e)
			continue
		}
		merged[i] = completed(merged[i], e)
	}
	return merged
}

// completed fills in what a copy has and the event lacks. A correction wins over what it corrects.
func completed(e, from taffrail.Event) taffrail.Event {
	if e.Corrects != "" && from.Corrects == "" {
		e, from = from, e // the correction came first
	}
	wins := from.Corrects != ""
	if !from.Request.IsUnknown() && (wins && !from.Request.IsNull() || lacks(e.Request)) {
		e.Request, e.Truncated, e.Redacted = from.Request, from.Truncated, from.Redacted
	}
	if !from.Response.IsUnknown() && (wins && !from.Response.IsNull() || lacks(e.Response)) {
		e.Response = from.Response
	}
	if e.State == nil {
		e.State = from.State
	}
	if e.Error == "" && from.Error != "" {
		e.Error = from.Error
	}
	e.Refs = slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.Refs, from.Refs))))
	return e
}

func lacks(v taffrail.Value) bool { return v.IsUnknown() || v.IsNull() }
