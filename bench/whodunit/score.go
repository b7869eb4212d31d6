package main

import (
	"encoding/json"
	"fmt"
)

// An answer is one line of answers, as far as it is scored.
type answer struct {
	Case       string          `json:"case"`
	Address    string          `json:"address"`
	Path       string          `json:"path"`
	Element    json.RawMessage `json:"element"`
	Tier       string          `json:"tier"`
	Confidence float64         `json:"confidence"`
	Basis      string          `json:"basis"`
	Cause      *cause          `json:"cause"`
	Evidence   []struct {
		Kind string `json:"kind"`
	} `json:"evidence"`
	Reason string `json:"reason"`
}

// A cause is the event that an answer names.
type cause struct {
	Event string `json:"event"`
	Actor struct {
		ID    string `json:"id"`
		Class string `json:"class"`
	} `json:"actor"`
}

func key(address, path string, element json.RawMessage) string {
	var v any
	if len(element) > 0 {
		_ = json.Unmarshal(element, &v)
	}
	return address + "\x00" + path + "\x00" + text(v)
}

// A tally counts answers against labels.
type tally struct {
	Labels, Right, Wrong, Abstained, CorrectlyAbstained int
	WrongActor, WrongPerson                             int
	Surprises                                           int // answers that no label is about
	bases                                               map[string]*tierTally
	tiers                                               map[string]*tierTally
	sure                                                []judged
}

type tierTally struct{ Right, Wrong, WrongActor, WrongPerson int }

// A judged is an answer with a confidence and whether it was right.
type judged struct {
	confidence float64
	right      bool
}

func newTally() *tally { return &tally{tiers: map[string]*tierTally{}, bases: map[string]*tierTally{}} }

// score adds one case.
func (t *tally) score(labels []label, answers []answer) (faults []string) {
	by := map[string]answer{}
	for _, a := range answers {
		by[key(a.Address, a.Path, a.Element)] = a
	}
	for _, l := range labels {
		k := key(l.Address, l.Path, l.Element)
		a, ok := by[k]
		delete(by, k)
		if fault := t.one(l, a, ok); fault != "" {
			faults = append(faults, fault)
		}
	}
	t.Surprises += len(by)
	return faults
}

func (t *tally) one(l label, a answer, ok bool) (fault string) {
	t.Labels++
	if !ok || a.Cause == nil {
		t.Abstained++
		if !l.Present {
			t.CorrectlyAbstained++
			return ""
		}
		return fmt.Sprintf("abstained: %s %s %s: present %s: %s", l.Case, l.Path, l.Element, l.Event, a.Reason)
	}
	tier := t.tiers[a.Tier]
	if tier == nil {
		tier = &tierTally{}
		t.tiers[a.Tier] = tier
	}
	right := a.Cause.Event == l.Event
	basis := t.bases[a.Basis]
	if basis == nil {
		basis = &tierTally{}
		t.bases[a.Basis] = basis
	}
	if a.Tier != "proved" {
		t.sure = append(t.sure, judged{a.Confidence, right})
	}
	if right {
		t.Right++
		tier.Right++
		basis.Right++
		return ""
	}
	t.Wrong++
	tier.Wrong++
	basis.Wrong++
	if a.Cause.Actor.ID != l.Actor {
		t.WrongActor++
		tier.WrongActor++
		if a.Cause.Actor.Class == "person" {
			t.WrongPerson++
			tier.WrongPerson++
		}
	}
	return fmt.Sprintf("WRONG %s: %s %s %s: %s instead of %s (present %v): %s", a.Tier, l.Case, l.Path, l.Element, a.Cause.Event, l.Event, l.Present, a.Reason)
}

// ece is the expected calibration error over ten bins, and brier the mean squared error.
func (t *tally) ece() (ece, brier float64) {
	for _, b := range bins(t.sure) {
		if b.n > 0 {
			ece += float64(b.n) * abs(b.said/float64(b.n)-float64(b.right)/float64(b.n))
		}
	}
	for _, j := range t.sure {
		hit := 0.0
		if j.right {
			hit = 1
		}
		brier += (j.confidence - hit) * (j.confidence - hit)
	}
	n := float64(max(1, len(t.sure)))
	return ece / n, brier / n
}

type bin struct {
	n, right int
	said     float64
}

func bins(all []judged) []bin {
	out := make([]bin, 10)
	for _, j := range all {
		b := &out[min(9, int(j.confidence*10))]
		b.n++
		b.said += j.confidence
		if j.right {
			b.right++
		}
	}
	return out
}

func abs(x float64) float64 { return max(x, -x) }

func percent(n, of int) string { return fmt.Sprintf("%.1f", 100*float64(n)/float64(max(1, of))) }
