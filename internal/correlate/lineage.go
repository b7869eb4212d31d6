package correlate

import (
	"slices"

	"github.com/taffrail-dev/taffrail"
)

// A lineage links sessions to the events that opened them.
type lineage struct {
	opened map[string]taffrail.Event // by the credential that was given out
}

// maxHops bounds how far a chain of sessions is followed.
const maxHops = 8

func newLineage(events []taffrail.Event) *lineage {
	l := &lineage{opened: map[string]taffrail.Event{}}
	for _, e := range events {
		if e.Issued != "" && e.Error == "" {
			l.opened[e.Issued] = e
		}
	}
	return l
}

// of is the actor with all that leads back to the first principal. Who opened the session says more of who acts than the session's name does, but
// not more than a person's or a pipeline's own mark in it.
func (l *lineage) of(e taffrail.Event) taffrail.Actor {
	a := e.Actor
	seen := map[string]bool{}
	for key := a.Key; key != "" && !seen[key] && len(seen) < maxHops; {
		seen[key] = true
		opening, ok := l.opened[key]
		if !ok {
			break
		}
		a = behind(a, opening)
		key = opening.Actor.Key
	}
	return a
}

func behind(a taffrail.Actor, opening taffrail.Event) taffrail.Actor {
	first := opening.Actor
	a = a.Behind(taffrail.Link{Kind: "opened by", ID: first.ID})
	a = a.Behind(first.Chain...)
	settled := (a.Class == taffrail.ActorPerson || a.Class == taffrail.ActorPipeline) && !slices.Contains(a.Features, "a pipeline's name")
	if !settled && first.Class != taffrail.ActorUnknown {
		a.Class, a.Name = first.Class, first.Name
		a.Features = append([]string{"the session was opened by " + string(first.Class)}, first.Features...)
	}
	return a
}
