package correlate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// joinRun says of which run a change was a part. It changes neither tier nor confidence: what an event says of its run is claimed by whoever
// made the call.
func (s *scene) joinRun(c *taffrail.Cause) {
	if c.Event != nil {
		s.claimedRun(c)
	}
	for _, r := range s.Runs {
		a, exact := s.applied(r, c.Change)
		if !exact || c.Run != nil && c.Run.ID != r.ID {
			continue
		}
		c.Run = refOf(r, true)
		c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceRun, Detail: fmt.Sprintf("%s was watched, and did this at %s", r.ID, a.Finished.UTC().Format("15:04:05Z"))})
		if c.Event == nil {
			c.Reason = fmt.Sprintf("%s of %s did it, as was watched; no event of it is known: %s", r.ID, nameOf(r.Who), c.Reason)
		}
		return
	}
}

// claimedRun looks for the run that the event says it is of: one that was under way then.
func (s *scene) claimedRun(c *taffrail.Cause) {
	i := slices.IndexFunc(s.events, func(a *act) bool { return a.ID == c.Event.ID })
	if i < 0 {
		return
	}
	e := s.events[i]
	for _, r := range s.Runs {
		if claims(e.UserAgent, r.Agent) && r.Overlaps(e.Time.Add(-slack), e.Time.Add(slack)) {
			c.Run = refOf(r, false)
			c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceRun, Event: e.ID, Detail: fmt.Sprintf("it says that it is of %s, which was under way", r.ID)})
			return
		}
	}
	if _, claimed, ok := strings.Cut(e.UserAgent, "taffrail/run-"); ok {
		id, _, _ := strings.Cut(claimed, " ")
		c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceRun, Event: e.ID, Detail: fmt.Sprintf("it says that it is of run-%.32s, and no such run was under way", id)})
	}
}

// claims says whether a user agent holds another as a word.
func claims(agent, mark string) bool {
	return mark != "" && slices.Contains(strings.Fields(agent), mark)
}

// applied is what a run that was watched did to the resource, if that is the change.
func (s *scene) applied(r taffrail.Run, change taffrail.Change) (taffrail.Applied, bool) {
	for _, a := range r.Applied {
		if a.Error != "" || a.Withheld || a.Type != s.Type || !s.isOf(a) || a.Finished.Before(s.Start.Add(-slack)) || a.Finished.After(s.End.Add(slack)) {
			continue
		}
		if len(change.Path.Steps()) == 0 && change.After.IsNull() && a.Action == taffrail.ActionDelete {
			return a, true
		}
		for _, did := range a.Changes {
			if did.Path.Equal(change.Path) && Same(did.After, change.After) {
				return a, true
			}
		}
	}
	return taffrail.Applied{}, false
}

// isOf says whether what was applied was applied to the resource.
func (s *scene) isOf(a taffrail.Applied) bool {
	if a.ID != "" {
		_, known := s.ids.forms[string(a.ID)]
		return known
	}
	return a.Address != "" && a.Address == s.Address
}

func refOf(r taffrail.Run, exact bool) *taffrail.RunRef {
	ref := &taffrail.RunRef{ID: r.ID, Program: r.Program, Verb: r.Verb, Who: r.Who, Exact: exact}
	if len(r.Entries) > 0 {
		ref.Entry = r.Entries[0]
	}
	return ref
}

func nameOf(a taffrail.Actor) string {
	if a.Name != "" {
		return a.Name
	}
	return a.ID
}
