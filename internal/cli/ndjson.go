package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// eventSchema names the form of the lines of `scan -o ndjson`. It grows by fields and by types.
const eventSchema = "taffrail.dev/scan-events/v1"

// An eventType says what a line is about.
type eventType string

const (
	eventStack   eventType = "stack"   // a scan's first line
	eventDrift   eventType = "drift"   // a resource that is out of sync
	eventEnded   eventType = "ended"   // a drift that is over
	eventUnseen  eventType = "unseen"  // a drift that could not be looked at
	eventPending eventType = "pending" // code that is not applied yet
	eventNoise   eventType = "noise"   // differences that are no drift; with --all
	eventGap     eventType = "gap"     // what was not checked
	eventExpired eventType = "expired" // a rule of acceptance that accepts nothing any more
	eventSummary eventType = "summary" // a scan's last line
	eventError   eventType = "error"   // instead of a scan, or of a round
	eventTotal   eventType = "total"   // the last line of several stacks
)

var eventTypes = []eventType{
	eventStack, eventDrift, eventEnded, eventUnseen, eventPending, eventNoise, eventGap, eventExpired, eventSummary, eventError, eventTotal,
}

// An event is one line. Beside the first fields it has the one that its type names.
type event struct {
	Type       eventType           `json:"type"`
	Schema     string              `json:"schema,omitempty"` // [eventSchema], on each first and last line
	Scan       string              `json:"scan,omitempty"`   // the scan that it belongs to
	Target     string              `json:"target,omitempty"` // the stack, as it was given
	Stack      *taffrail.StackInfo `json:"stack,omitempty"`
	StartedAt  *time.Time          `json:"started_at,omitempty"`
	Drift      *taffrail.Drift     `json:"drift,omitempty"`
	Ended      *daemon.EndedDrift  `json:"ended,omitempty"`
	Unseen     *daemon.UnseenDrift `json:"unseen,omitempty"`
	Pending    *taffrail.Finding   `json:"pending,omitempty"`
	Noise      *taffrail.Finding   `json:"noise,omitempty"`
	Gap        *taffrail.Gap       `json:"gap,omitempty"`
	Expired    string              `json:"expired,omitempty"`
	Summary    *eventOfEnd         `json:"summary,omitempty"`
	Error      *errorBody          `json:"error,omitempty"`
	Total      *total              `json:"total,omitempty"`
	ExitStatus *int                `json:"exit_status,omitempty"` // what it makes of the exit status; on each last line
}

// eventOfEnd is the content of a scan's last line.
type eventOfEnd struct {
	FinishedAt time.Time               `json:"finished_at"`
	Outcome    taffrail.Outcome        `json:"outcome"`
	Coverage   taffrail.Coverage       `json:"coverage"` // without gaps: they have lines of their own
	Statuses   map[taffrail.Status]int `json:"statuses"`
	Drifts     int                     `json:"drifts"`    // out of sync now, shown or not
	New        int                     `json:"new"`       // of them, first seen by this scan
	Changed    int                     `json:"changed"`   // of them, other than when last seen
	Pending    int                     `json:"pending"`   // resources whose code is not applied yet
	NotShown   int                     `json:"not_shown"` // drifts without a line, because they are as they were when last seen
	Listed     []taffrail.ResourceType `json:"listed"`
	Log        daemon.LogPosition      `json:"log"`
}

// writeLine writes v as JSON on one line.
func writeLine(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write a line of JSON: %w", err)
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

// writeEvents writes what one stack came to.
func writeEvents(w io.Writer, s scanned, v view) error {
	for _, e := range eventsOf(s, v) {
		if err := writeLine(w, e); err != nil {
			return err
		}
	}
	return nil
}

func eventsOf(s scanned, v view) []event {
	if s.err != nil {
		return []event{{Type: eventError, Schema: eventSchema, Target: s.target, Error: new(formOf(s.err).Error), ExitStatus: &s.status}}
	}
	r := s.report
	events := []event{{Type: eventStack, Schema: eventSchema, Target: s.target, Stack: &r.Stack, StartedAt: &r.StartedAt}}
	for _, d := range r.Drifts {
		if v.wants(d) {
			events = append(events, event{Type: eventDrift, Drift: &d})
		}
	}
	for _, e := range r.Ended {
		events = append(events, event{Type: eventEnded, Ended: &e})
	}
	for _, u := range r.Unseen {
		events = append(events, event{Type: eventUnseen, Unseen: &u})
	}
	for _, f := range r.Pending {
		events = append(events, event{Type: eventPending, Pending: &f})
	}
	if v.all {
		for _, f := range r.Noise {
			events = append(events, event{Type: eventNoise, Noise: &f})
		}
	}
	for _, g := range r.Coverage.Gaps {
		events = append(events, event{Type: eventGap, Gap: &g})
	}
	for _, line := range r.Expired {
		events = append(events, event{Type: eventExpired, Expired: line})
	}
	events = append(events, event{Type: eventSummary, Schema: eventSchema, Target: s.target, Summary: endOf(r, v), ExitStatus: &s.status})
	for i := range events {
		events[i].Scan = r.Scan
	}
	return events
}

func endOf(r daemon.ScanReport, v view) *eventOfEnd {
	e := &eventOfEnd{
		FinishedAt: r.FinishedAt, Outcome: r.Outcome, Coverage: r.Coverage, Statuses: r.Statuses, Drifts: len(r.Drifts),
		Pending: waiting(r), NotShown: older(r, v), Listed: r.Listed, Log: r.Log,
	}
	e.Coverage.Gaps = nil
	for _, d := range r.Drifts {
		switch {
		case d.New:
			e.New++
		case d.Changed:
			e.Changed++
		}
	}
	return e
}
