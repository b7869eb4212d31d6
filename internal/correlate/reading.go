package correlate

import (
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A reading is what the answer to a deed shows of an attribute: many services tell the whole object when a part of it is changed. It is a witness
// of what stood then, by whomever it was set. Services answer late at times, with what stood before, and so a reading speaks only where it shows
// what was found in the end.
type reading struct {
	deed  *deed
	state string
}

// readings are what the answers show, in the order of time, looked up once for a change. An element and a resource as a whole stand under no name of
// their own.
func (s *scene) readings(v *view) []reading {
	if v.shown == nil {
		v.shown = s.lookUp(v)
	}
	return v.shown
}

func (s *scene) lookUp(v *view) []reading {
	all := []reading{}
	if v.element || v.gone || len(v.names) == 0 {
		return all
	}
	for _, d := range s.deeds {
		if d.place != inside || lacks(d.Response) {
			continue
		}
		if state, ok := s.read(v, d); ok {
			all = append(all, reading{d, state})
		}
	}
	return all
}

// read is the state that an answer shows: the one place in it that has the attribute's name, or the name that requests have for it, and stands in
// nothing else.
func (s *scene) read(v *view, d *deed) (state string, ok bool) {
	for _, n := range d.response() {
		if !s.isPlaceOf(v, d, n) || n.value.IsUnknown() {
			continue
		}
		got := v.known(canon(n.value))
		if ok && got != state {
			return "", false
		}
		state, ok = got, true
	}
	return state, ok
}

// surroundings are words for what an answer is, and not of what.
var surroundings = []string{"result", "response", "description", "detail", "info", "metadata", "summary", "modify", "put", "create", "get", "describe"}

func (s *scene) isPlaceOf(v *view, d *deed, n node) bool {
	if len(n.names) == 0 || n.value.Len() > 0 {
		return false
	}
	if !slices.ContainsFunc(s.wordings(v, d), func(w []string) bool { return endsInNames(n.names, w) }) {
		return false
	}
	known := slices.Concat(s.ids.words, d.nouns, allWords(v.names), surroundings)
	for _, name := range n.names[:len(n.names)-1] {
		if !within(telling(words(name)), known) {
			return false // of the same name, in something else
		}
	}
	return true
}

// wordings are the names that an attribute has in answers: its own, and those of the requests that set it.
func (s *scene) wordings(v *view, d *deed) [][]string {
	all := [][]string{v.names}
	for _, e := range s.models.effects[d.Action] {
		if e.op == opSet && e.from != "" && leads(e.path, v.names) {
			all = append(all, slices.Concat(strings.Split(e.from, "."), v.names[len(e.path):]))
		}
	}
	return all
}

// endsInNames says whether the names of a place end in others, whatever they are written like.
func endsInNames(names, end []string) bool {
	return len(names) >= len(end) && slices.EqualFunc(names[len(names)-len(end):], end, func(a, b string) bool { return plain(a) == plain(b) })
}

// stoodBefore finds the first reading that shows the value that was found before the run's last writer wrote it, although nothing in the run had brought
// it until then: that writer only wrote it again.
func (r run) stoodBefore(v *view, all []reading, claims []claim) (found reading, ok bool) {
	last := r.last().deed
	for _, got := range all {
		if got.state == v.to && got.deed.Time.Before(last.Time) && !r.had(v.to, got.deed.Time) && !leftBetween(claims, v.to, got.deed.Time, last.Time) {
			return got, true
		}
	}
	return reading{}, false
}

// had says whether the run had come to a state by some time.
func (r run) had(state string, by time.Time) bool {
	for i, c := range r.chain {
		if !c.deed.Time.After(by) && r.states[i] == state {
			return true
		}
	}
	return false
}

// leftBetween says whether something wrote another value between two times.
func leftBetween(claims []claim, state string, from, to time.Time) bool {
	return slices.ContainsFunc(claims, func(c claim) bool { return c.deed.Time.After(from) && c.deed.Time.Before(to) && c.to != state })
}

// bySight is for a value that an answer shows before the writer that the replay comes to: the author is the one event up to then that cannot be seen
// into, or is missing.
func (s *scene) bySight(c *taffrail.Cause, got reading, claims []claim) {
	var unseen []claim
	for _, cl := range claims {
		if (cl.grade == gradeOpaque && !cl.away || cl.grade == gradeAnswer && !s.Record.veryLossy()) && cl.deed.place == inside && !cl.deed.Time.After(got.deed.Time) {
			unseen = append(unseen, cl)
		}
	}
	c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceState, Event: got.deed.ID, Detail: "its answer shows that the value stood already"})
	if len(unseen) == 0 {
		c.Reason = "an answer shows the value before any event that is known to have set it: that event is missing"
		return
	}
	last := unseen[len(unseen)-1].deed
	s.name(c, last, gradeAnswer)
	c.Chain = append(c.Chain, last.ID)
}

// wentAfter finds the last reading that shows another value although the one that was found had stood before: the event that took it away is missing,
// and whoever brought it back is the author. What the writer itself was answered may be what it asked for, where others are answered late: that counts
// against what is seen more than the slack of clocks later.
func (r run) wentAfter(v *view, all []reading) (found reading, ok bool) {
	last := r.last().deed
	stood := reading{}
	for _, got := range all {
		switch {
		case got.deed.Time.Before(last.Time):
		case got.state == v.to:
			if stood.deed == nil || stood.deed == last {
				stood = got
			}
		case stood.deed == nil || stood.deed == last && got.deed.Time.Sub(last.Time) <= slack:
		default:
			found, ok, stood = got, true, reading{}
		}
	}
	return found, ok
}

// replayed is a replay that goes on from where an answer shows that the value had gone unseen.
func (s *scene) replayed(v *view, claims []claim) ending {
	e := replay(v, claims)
	if len(e.runs) == 0 {
		return e
	}
	e.shown = s.readings(v)
	got, ok := e.runs[0].wentAfter(v, e.shown)
	if !ok {
		return e
	}
	gone := *v
	gone.from = got.state
	again := replay(&gone, slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return !c.deed.Time.After(got.deed.Time) }))
	again.shown = slices.DeleteFunc(slices.Clone(e.shown), func(r reading) bool { return !r.deed.Time.After(got.deed.Time) })
	again.gone, again.before = got.deed, e.runs[0].chain
	return again
}
