package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// answer finds the cause of one change.
func (s *scene) answer(change taffrail.Change) taffrail.Cause {
	v := s.viewOf(change)
	c := taffrail.Cause{
		Address: s.Address, Change: change, Chain: []taffrail.EventID{}, Evidence: []taffrail.Evidence{},
		Candidates: []taffrail.Candidate{}, Rejected: append([]taffrail.Rejection{}, s.rejected...),
	}
	if !s.byProof(&v, &c) && !s.byReplay(&v, &c) && !s.byName(&v, &c) && c.Reason == "" {
		c.Reason = s.silence()
	}
	s.settle(&c)
	s.dismiss(&c)
	return c
}

// silence says why there is nothing to name.
func (s *scene) silence() string {
	switch {
	case !s.whole(""):
		return "no event that is known does this: a gap in the log of the time may hide it"
	case len(s.Events) == 0:
		return "there are no events of the time"
	case len(s.deeds) == 0 && len(s.rejected) > 0:
		return "no event that touches the resource could have changed it"
	case len(s.deeds) == 0:
		return "no event touches the resource"
	}
	return "no event that touches the resource does this to the attribute: the event is missing, or is not understood"
}

// name fills in who a deed is.
func (s *scene) name(c *taffrail.Cause, d *deed, g grade) {
	ref := taffrail.RefOf(d.Event)
	ref.Actor = s.people.of(d.Event)
	c.Event, c.Via = &ref, d.via
	table := s.models.grades[g]
	whole := s.whole(d.Source)
	shown := g == gradeProved // the object's own versions show what is missing
	lossy, open := !shown && s.Record.lossy(), !shown && !s.openFrom(d.Source).IsZero()
	c.Confidence, c.Basis = table.Confidence, string(g)
	switch {
	case d.place != inside && d.State == nil:
		c.Confidence, c.Basis, whole = min(table.Confidence, table.Skewed), string(g)+", skewed", false
	case !whole || lossy || open:
		c.Confidence, c.Basis = s.lowered(g, c.Change)
	}
	c.Tier = tierOf(table.Tier, c.Confidence, whole && !lossy && !open)
	switch {
	case c.Reason != "":
	case !whole:
		c.Reason = "a gap in the log of the time, or clocks that differ, leave room for another event"
	case lossy:
		c.Reason = lossyReason
	case open:
		c.Reason = "events of the time may still arrive: one may have taken the value away, and another brought it back"
	}
}

// lowered is how sure an answer of a grade is where events are missing or may be, and what it rests on. Of two values, one that is missing had the same
// more often than of many.
func (s *scene) lowered(g grade, of taffrail.Change) (sure float64, basis string) {
	table := s.models.grades[g]
	switch {
	case s.Record.veryLossy() && of.After.Shape() == taffrail.ShapeBool:
		return min(table.Confidence, table.Binary), string(g) + ", losing, binary"
	case s.Record.veryLossy():
		return min(table.Confidence, table.Losing), string(g) + ", losing"
	}
	return min(table.Confidence, table.Gapped), string(g) + ", gapped"
}

// gradeIn is the grade that a basis tells.
func gradeIn(basis string) grade {
	base, _, _ := strings.Cut(basis, ",")
	return grade(base)
}

// candidate is a deed beside the one that is named.
func (s *scene) candidate(d *deed, sure float64) taffrail.Candidate {
	ref := taffrail.RefOf(d.Event)
	ref.Actor = s.people.of(d.Event)
	return taffrail.Candidate{EventRef: ref, Confidence: sure}
}

// byProof goes by the versions that events carry.
func (s *scene) byProof(v *view, c *taffrail.Cause) bool {
	if len(s.versions) == 0 {
		return false
	}
	out := s.judge(v)
	if out.author < 0 || out.missing {
		c.Reason = out.why
		return out.missing
	}
	d := s.versions[out.author].deed
	c.Reason = out.why
	s.name(c, d, out.grade)
	if out.grade == gradeAsserted && (s.leaks() || s.Record.lossy()) {
		c.Confidence, c.Basis = s.lowered(gradeAsserted, c.Change)
		c.Tier = tierOf(taffrail.TierPossible, c.Confidence, false)
	}
	for _, w := range slices.Backward(out.chain) {
		c.Chain = append(c.Chain, w.ID)
	}
	c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceState, Event: d.ID, Detail: "the value changed last with the version that this event left"})
	for i := range out.chain[:len(out.chain)-1] {
		c.Excursions = append(c.Excursions, excursion(out.chain[i], out.chain[i+1], out.states[i]))
	}
	return true
}

func excursion(from, until *deed, value taffrail.Value) taffrail.Excursion {
	return taffrail.Excursion{From: from.Time, Until: until.Time, Value: value, By: from.ID}
}

// A pass is which claims count in one attempt of the replay, and of which deeds. The surest are tried first, since a claim of a weak sort must not
// speak against a sure one.
type pass struct {
	grades []grade
	places []place
}

var (
	sureGrades  = []grade{gradeModel, gradeWhole, gradeNamed, gradeReplaced, gradeUnset}
	weakGrades  = append(slices.Clone(sureGrades), gradeLoose, gradeValue)
	faintGrades = append(slices.Clone(weakGrades), gradeAnswer, gradeStray)
	spans       = [][]place{{inside}, {early, inside}, {inside, late}, {early, inside, late}}
	passes      = makePasses()
)

func makePasses() (all []pass) {
	for _, grades := range [][]grade{sureGrades, weakGrades, faintGrades} {
		for _, places := range spans {
			all = append(all, pass{grades, places})
		}
	}
	return all
}

func (p pass) of(claims []claim) []claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c claim) bool {
		return !slices.Contains(p.grades, c.grade) || !slices.Contains(p.places, c.deed.place)
	})
}

// passes are those that count. In a log that loses many events, a value that stands in an answer is too often what one that is missing has left.
func (s *scene) passes() []pass {
	if s.Record.veryLossy() {
		return passes[:len(passes)-len(spans)] // without those of the faint grades
	}
	return passes
}

// byReplay lets the claims follow one another, and takes the first way that ends in the value that was found.
func (s *scene) byReplay(v *view, c *taffrail.Cause) bool {
	claims := s.claims(v, s.deeds)
	for _, p := range s.passes() {
		counted := p.of(claims)
		e := s.replayed(v, counted)
		if e.gone != nil {
			c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceState, Event: e.gone.ID, Detail: "its answer shows that the value had been taken away"})
			if len(e.runs) == 0 {
				c.Reason = "an answer shows that the value was taken away again: the event that brought it back is missing"
				return true
			}
		}
		if len(e.runs) == 0 {
			continue
		}
		if got, ok := e.runs[0].stoodBefore(v, e.shown, counted); ok {
			s.bySight(c, got, claims)
			return true
		}
		s.tell(v, c, e)
		s.shadow(c, claims, v.to)
		s.onTheEdge(v, c, claims, p.grades)
		return true
	}
	return s.byPart(v, c) || s.byManager(v, c) || s.byOpaque(c, claims) || s.byShared(v, c)
}

// tell writes down what a replay came to.
func (s *scene) tell(v *view, c *taffrail.Cause, e ending) {
	best := e.runs[0]
	last := best.last()
	g := last.grade
	if len(best.again) > 0 && slices.Contains(sureGrades, g) {
		g = gradeRepeated
		if len(best.again) > 1 {
			g = gradeOften
		}
		c.Reason = "the same was asked for again later: if something took it away in between, and is missing, then it was done later"
	}
	if e.tied {
		g = gradeTie
		c.Reason = "events of the same second end in this value in either order"
	}
	s.name(c, last.deed, g)
	for _, w := range slices.Backward(slices.Concat(e.before, best.chain)) {
		c.Chain = append(c.Chain, w.deed.ID)
	}
	c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: last.kind, Event: last.deed.ID, Detail: last.detail})
	switch {
	case e.tied:
		for _, r := range e.runs {
			c.Candidates = append(c.Candidates, s.candidate(r.writer(), c.Confidence))
		}
	case (g == gradeRepeated || g == gradeOften) && c.Tier != taffrail.TierLikely:
		c.Candidates = append(c.Candidates, s.candidate(last.deed, c.Confidence))
		for _, d := range best.again {
			c.Candidates = append(c.Candidates, s.candidate(d, (1-c.Confidence)/float64(len(best.again))))
		}
	}
	s.wander(v, c, best)
}

// wander tells of other values in between.
func (s *scene) wander(v *view, c *taffrail.Cause, r run) {
	for i := range r.chain[:len(r.chain)-1] {
		value := taffrail.String(r.states[i])
		if r.states[i] == "" || r.states[i] == present {
			value = taffrail.Null()
		}
		if v.element && r.states[i] == present {
			value = v.Path.Steps()[len(v.Path.Steps())-1].Element()
		}
		c.Excursions = append(c.Excursions, excursion(r.chain[i].deed, r.chain[i+1].deed, value))
	}
}

// byPart is for an element that several events made: each gave a part of what is new in it, and the last of them made it what it is.
func (s *scene) byPart(v *view, c *taffrail.Cause) bool {
	if !v.element || len(v.plus)+len(v.minus) < 2 {
		return false
	}
	var parts []*deed
	var found []string
	for _, d := range s.deeds {
		if got := s.partOf(v, d); len(got) > 0 && d.place == inside {
			parts, found = append(parts, d), append(found, got...)
		}
	}
	slices.Sort(found)
	if len(parts) < 2 || len(slices.Compact(found)) < len(v.plus)+len(v.minus) {
		return false
	}
	last := parts[len(parts)-1]
	s.name(c, last, gradePart)
	for _, d := range slices.Backward(parts) {
		c.Chain = append(c.Chain, d.ID)
	}
	c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceValue, Event: last.ID, Detail: "the request has the last part of what is new"})
	return true
}

// partOf is what a deed gave of an element, or took of it: an item of its request that holds nothing else.
func (s *scene) partOf(v *view, d *deed) (got []string) {
	effects, known := s.models.of(d.Action, s.Type, v.names)
	part := v.plus
	if d.verb == verbRemove {
		part = v.minus
	}
	if known && len(effects) == 0 || len(part) == 0 {
		return nil
	}
	for _, n := range d.nodes {
		has := atoms(n.value)
		if n.value.Shape() == taffrail.ShapeObject && len(has) > 1 && len(n.names) > 0 && within(has, slices.Concat(v.atoms, v.minus)) {
			got = append(got, slices.DeleteFunc(has, func(a string) bool { return !slices.Contains(part, a) })...)
		}
	}
	return got
}

// shadow lowers an answer where an event that cannot be seen into, up to the last that wrote the value, may have done the same or have taken the
// value away in between: then the one that is named had no effect, or not the last.
func (s *scene) shadow(c *taffrail.Cause, claims []claim, to string) {
	if c.Event == nil {
		return
	}
	last := c.Event.Time
	for _, cl := range claims {
		if cl.grade != gradeOpaque && cl.to == to {
			last = cl.deed.Time
		}
	}
	if slices.ContainsFunc(claims, func(cl claim) bool {
		may := !cl.away || cl.deed.Time.After(c.Event.Time)
		return may && cl.grade == gradeOpaque && cl.deed.place == inside && !cl.deed.Time.After(last)
	}) {
		s.regrade(c, gradeShadowed, "an event that cannot be seen into may have done the same")
	}
}

// onTheEdge lowers an answer that another would be if the clocks differed: with the events right before or after the window, the way leads to the same
// value by another event.
func (s *scene) onTheEdge(v *view, c *taffrail.Cause, claims []claim, grades []grade) {
	if c.Event == nil || c.Tier != taffrail.TierExplained && c.Tier != taffrail.TierLikely {
		return
	}
	for _, places := range [][]place{{early, inside}, {inside, late}} {
		e := s.replayed(v, pass{grades, places}.of(claims))
		if len(e.runs) > 0 && e.runs[0].writer().ID != c.Event.ID {
			g := gradeIn(c.Basis)
			table := s.models.grades[g]
			c.Confidence, c.Basis = min(c.Confidence, table.Skewed), string(g)+", skewed"
			c.Tier, c.Reason = tierOf(table.Tier, c.Confidence, false), "if the clocks differ, an event right outside of the window did it"
			return
		}
	}
}

// regrade gives an answer another grade, of which the reason is said.
func (s *scene) regrade(c *taffrail.Cause, g grade, why string) {
	table := s.models.grades[g]
	c.Confidence, c.Basis, c.Reason = min(c.Confidence, table.Confidence), string(g), why
	c.Tier = tierOf(table.Tier, c.Confidence, false)
}

// byOpaque is for events that may have done it, unseen.
func (s *scene) byOpaque(c *taffrail.Cause, claims []claim) bool {
	var unseen []claim
	for _, cl := range claims {
		if cl.grade == gradeOpaque && cl.deed.place == inside && !cl.away {
			unseen = append(unseen, cl)
		}
	}
	if len(unseen) == 0 {
		return false
	}
	last := unseen[len(unseen)-1]
	g := gradeOpaque
	if len(unseen) > 1 {
		g = gradeOpaques
	}
	s.name(c, last.deed, g)
	c.Chain = append(c.Chain, last.deed.ID)
	c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: last.kind, Event: last.deed.ID, Detail: last.detail})
	c.Reason = fmt.Sprintf("%d such events cannot be seen into", len(unseen))
	for _, u := range slices.Backward(unseen) {
		if len(unseen) > 1 {
			c.Candidates = append(c.Candidates, s.candidate(u.deed, 1/float64(len(unseen))))
		}
	}
	return true
}

// byShared goes through an object that the resource shares with others.
func (s *scene) byShared(v *view, c *taffrail.Cause) bool {
	claims := s.claims(v, s.shared)
	for _, p := range passes[:5] {
		if e := replay(v, p.of(claims)); len(e.runs) > 0 && !e.tied {
			s.tell(v, c, e)
			s.name(c, e.runs[0].writer(), gradeVia)
			c.Reason = "it reached the resource through " + c.Via
			return true
		}
	}
	return false
}

// byName is the last resort: the only event in the window that touches the resource and may have to do with the attribute.
func (s *scene) byName(v *view, c *taffrail.Cause) bool {
	var may []*deed
	for _, d := range s.deeds {
		_, modelled := s.models.effects[d.Action]
		if d.place == inside && !modelled && (s.familiar(v, d) > 0 || len(without(d.nouns, s.ids.words)) == 0) && d.State == nil {
			may = append(may, d)
		}
	}
	if len(may) != 1 || v.gone {
		return false
	}
	s.name(c, may[0], gradeOnly)
	c.Chain = append(c.Chain, may[0].ID)
	c.Evidence = append(c.Evidence, taffrail.Evidence{Kind: taffrail.EvidenceIdentity, Event: may[0].ID, Detail: "no other event in the window touches the resource and may change the attribute"})
	c.Reason = "the value does not stand in the request"
	return true
}

// settle gives up what is not sure enough to be said, and leaves open what may still change.
func (s *scene) settle(c *taffrail.Cause) {
	source := ""
	at := time.Time{}
	if c.Event != nil {
		at = c.Event.Time
		for _, d := range slices.Concat(s.deeds, s.shared) {
			if d.ID == c.Event.ID {
				source = d.Source
			}
		}
	}
	open := s.openFrom(source)
	switch {
	case !open.IsZero() && (c.Event == nil || c.Tier == taffrail.TierUnexplained || at.After(open)):
		unname(c, taffrail.TierAwaiting, "events from "+open.Format(time.RFC3339)+" on may still arrive")
	case c.Event == nil:
		c.Tier = taffrail.TierUnexplained
		if s.whole("") {
			c.Basis = BasisUnseen
		}
	case c.Tier == taffrail.TierUnexplained:
		why := "there is only weak evidence: " + c.Reason
		if !s.whole("") {
			why = "a gap in the log of the time may hide it; " + why
		}
		unname(c, taffrail.TierUnexplained, why)
	}
}

// doubt takes back what rests on the log being whole, where the resource itself shows that it is not: a change that no event explains is the
// trace of one that is missing, and that one may have done more.
func (s *scene) doubt(causes []taffrail.Cause) {
	if !slices.ContainsFunc(causes, func(c taffrail.Cause) bool {
		return c.Tier == taffrail.TierUnexplained && c.Event == nil && len(c.Candidates) == 0
	}) {
		return
	}
	for i := range causes {
		c := &causes[i]
		if c.Tier == taffrail.TierExplained || c.Tier == taffrail.TierLikely {
			sure, basis := s.lowered(gradeIn(c.Basis), c.Change)
			c.Confidence, c.Basis = min(c.Confidence, sure), basis
			c.Tier = tierOf(taffrail.TierLikely, c.Confidence, false)
			c.Reason = "another change of the resource is not explained by any event: one is missing, and may have done this as well"
		}
	}
}

// unname takes back what was named: it remains as a candidate.
func unname(c *taffrail.Cause, tier taffrail.Tier, why string) {
	if c.Event != nil && len(c.Candidates) == 0 {
		c.Candidates = append(c.Candidates, taffrail.Candidate{EventRef: *c.Event, Confidence: c.Confidence})
	}
	c.Tier, c.Event, c.Confidence, c.Basis, c.Reason, c.Via = tier, nil, 0, "", why, ""
	c.Chain = []taffrail.EventID{}
}

// dismiss says of each deed that is not in the chain why it is not the cause.
func (s *scene) dismiss(c *taffrail.Cause) {
	for _, d := range s.deeds {
		if slices.Contains(c.Chain, d.ID) || slices.ContainsFunc(c.Candidates, func(o taffrail.Candidate) bool { return o.ID == d.ID }) {
			continue
		}
		why := "nothing in it concerns the attribute, or it changed nothing"
		if d.place != inside {
			why = "it is outside the window"
		}
		c.Rejected = append(c.Rejected, taffrail.Rejection{Event: d.ID, Action: d.Action, Why: why})
	}
	slices.SortStableFunc(c.Rejected, func(a, b taffrail.Rejection) int { return s.timeOf(a.Event).Compare(s.timeOf(b.Event)) })
}

func (s *scene) timeOf(id taffrail.EventID) time.Time {
	for _, e := range s.events {
		if e.ID == id {
			return e.Time
		}
	}
	return time.Time{}
}
