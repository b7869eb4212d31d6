// Package whodunit reads the cases of the benchmark of attribution, and writes answers to them, in its format, version 1: one JSON object a
// line each. The format is described in docs/reference/whodunit.md, so that anyone can score us, or themselves.
package whodunit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/correlate"
)

// Format names the version of the format.
const Format = "taffrail.whodunit/1"

// A Case is one question with the name that its answers carry.
type Case struct {
	ID       string
	Question correlate.Question
	Sources  []string // whose events it has, or says that there are none of
	// Unread are the records that could not be decoded, each with why. They count as a gap in the log: they may have been the cause.
	Unread []string
}

// Readers are what a case is read with.
type Readers struct {
	// Decode gives the event of a record of a source.
	Decode func(source string, record []byte) (taffrail.Event, error)
	// Sealer is what the decoders seal secrets with.
	Sealer taffrail.Sealer
}

type caseForm struct {
	Format    string         `json:"format"`
	ID        string         `json:"id"`
	Window    spanForm       `json:"window"`
	Resources []resourceForm `json:"resources"`
	Events    []eventsForm   `json:"events"`
	Now       *time.Time     `json:"now"`
	Health    []healthForm   `json:"log_health"`
}

type spanForm struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

type resourceForm struct {
	Address   string          `json:"address"`
	Type      string          `json:"type"`
	IDs       []string        `json:"ids"`
	Before    json.RawMessage `json:"before"`
	After     json.RawMessage `json:"after"`
	Sets      *[]string       `json:"sets"` // nil: it is not said which lists are sets
	Sensitive []string        `json:"sensitive"`
}

type eventsForm struct {
	Source  string            `json:"source"`
	Records []json.RawMessage `json:"records"`
}

type healthForm struct {
	Source        string     `json:"source"`
	CompleteUntil *time.Time `json:"complete_until"`
	Gaps          []spanForm `json:"gaps"`
}

// Parse reads one case.
func Parse(line []byte, r Readers) (Case, error) {
	var form caseForm
	if err := json.Unmarshal(line, &form); err != nil {
		return Case{}, fmt.Errorf("read case: %w", formFault(err))
	}
	if err := form.check(); err != nil {
		return Case{}, err
	}
	c := Case{ID: form.ID, Question: correlate.Question{Start: form.Window.Start, End: form.Window.End, Sealer: r.Sealer}}
	for _, rf := range form.Resources {
		s, err := rf.subject(r.Sealer)
		if err != nil {
			return Case{}, fmt.Errorf("case %q, resource %q: %w", form.ID, rf.Address, err)
		}
		c.Question.Resources = append(c.Question.Resources, s)
	}
	for _, e := range form.Events {
		c.Sources = append(c.Sources, e.Source)
	}
	c.Sources = slices.Compact(slices.Sorted(slices.Values(c.Sources)))
	for _, h := range form.Health {
		c.Question.Health = append(c.Question.Health, h.health())
	}
	return c, c.decode(form.Events, r)
}

// formFault says what is wrong with the form, without the values that stand there.
func formFault(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s has the wrong form", wrong.Field)
	}
	return err
}

func (f caseForm) check() error {
	switch {
	case f.Format != Format:
		return fmt.Errorf("format is %q, not %q", f.Format, Format)
	case f.ID == "":
		return errors.New("the case has no id")
	case f.Window.Start.IsZero() || f.Window.End.IsZero():
		return fmt.Errorf("case %q: the window has no start or no end", f.ID)
	case f.Window.End.Before(f.Window.Start):
		return fmt.Errorf("case %q: the window ends before it begins", f.ID)
	}
	return nil
}

func (h healthForm) health() correlate.Health {
	health := correlate.Health{Source: h.Source}
	if h.CompleteUntil != nil {
		health.CompleteUntil = *h.CompleteUntil
	}
	for _, g := range h.Gaps {
		health.Gaps = append(health.Gaps, correlate.Span{Start: g.Start, End: g.End})
	}
	return health
}

// decode turns records into events. A source that is not known is an error; a record that cannot be read is not.
func (c *Case) decode(events []eventsForm, r Readers) error {
	for _, from := range events {
		bad := 0
		for i, record := range from.Records {
			e, err := r.Decode(from.Source, record)
			switch {
			case errors.Is(err, ErrUnknownSource):
				return fmt.Errorf("case %q: %w", c.ID, err)
			case err != nil:
				c.Unread = append(c.Unread, fmt.Sprintf("case %q: record %d of %s: %v", c.ID, i, from.Source, err))
				bad++
				continue
			}
			c.Question.Events = append(c.Question.Events, e)
		}
		if bad > 0 {
			gap := correlate.Span{Start: c.Question.Start, End: c.Question.End}
			c.Question.Health = append(c.Question.Health, correlate.Health{Source: from.Source, Gaps: []correlate.Span{gap}})
		}
	}
	return nil
}

// ErrUnknownSource is what Decode gives for a source that it has no decoder of.
var ErrUnknownSource = errors.New("the source is not known")

// subject reads a resource and what changed of it.
func (f resourceForm) subject(sealer taffrail.Sealer) (correlate.Subject, error) {
	s := correlate.Subject{Address: taffrail.Address(f.Address), Type: taffrail.ResourceType(f.Type), IDs: f.IDs}
	var err error
	if s.Before, err = side("before", f.Before); err != nil {
		return s, err
	}
	if s.After, err = side("after", f.After); err != nil {
		return s, err
	}
	s.BeforeStamp, s.AfterStamp = stampOf(s.Before), stampOf(s.After)
	s.Before, s.After = sealed(s.Before, f.Sensitive, sealer), sealed(s.After, f.Sensitive, sealer)
	s.Changes = newDiffer(s, f.Sets).changes()
	return s, nil
}

func side(name string, raw json.RawMessage) (taffrail.Value, error) {
	if len(raw) == 0 {
		return taffrail.Null(), nil
	}
	v, err := taffrail.FromJSON(raw)
	if err != nil {
		return v, fmt.Errorf("%s cannot be read", name)
	}
	if v.Shape() != taffrail.ShapeObject && !v.IsNull() {
		return v, fmt.Errorf("%s is no object", name)
	}
	return v, nil
}
