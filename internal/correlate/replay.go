package correlate

import (
	"math/big"
	"slices"

	"github.com/taffrail-dev/taffrail"
)

// A run is one way in which claims may have followed one another, up to some point.
type run struct {
	state  string
	chain  []claim // those that had an effect, first to last
	states []string
	again  []*deed // that wrote the same value since the last that had an effect, for nothing: see [run.inVain]
	latest *deed
}

// maxRuns bounds how many orders of ties are followed.
const maxRuns = 64

// An ending is what a replay came to.
type ending struct {
	runs   []run // those that end in the value that was found
	missed []run // those that do not
	tied   bool  // they end in different events

	gone   *deed     // whose answer shows that the value had gone again, from where on it goes; else nil
	before []claim   // by which the value had come until then
	shown  []reading // of the time that it is about
}

// replay lets the claims follow one another from the value before. Those at the same time are tried in each order.
func replay(v *view, claims []claim) ending {
	runs := []run{{state: v.from}}
	for group := range byTime(claims) {
		runs = follow(runs, group)
	}
	var e ending
	for _, r := range runs {
		if (r.state == v.to || r.state == grown && v.to == "" && !v.lost) && len(r.chain) > 0 {
			e.runs = append(e.runs, r)
		} else {
			e.missed = append(e.missed, r)
		}
	}
	for _, r := range e.runs {
		e.tied = e.tied || r.writer().ID != e.runs[0].writer().ID
	}
	return e
}

func (r run) writer() *deed { return r.last().deed }

// last is the claim that brought what is there now. An element that grew into another was gone from then on, whatever became of the other.
func (r run) last() claim {
	i := len(r.chain) - 1
	for i > 0 && seen(r.states[i-1]) == seen(r.states[i]) {
		i--
	}
	return r.chain[i]
}

// seen is a state as a reading shows it.
func seen(state string) string {
	if state == grown {
		return ""
	}
	return state
}

// byTime gives the claims in groups of the same time. Versions of one object are never tied.
func byTime(claims []claim) func(func([]claim) bool) {
	return func(yield func([]claim) bool) {
		for i := 0; i < len(claims); {
			j := i + 1
			for j < len(claims) && claims[j].deed.Time.Equal(claims[i].deed.Time) {
				j++
			}
			if !yield(claims[i:j]) {
				return
			}
			i = j
		}
	}
}

func follow(runs []run, group []claim) []run {
	var next []run
	for _, order := range orders(group) {
		for _, r := range runs {
			if len(next) < maxRuns {
				next = append(next, r.after(order))
			}
		}
	}
	return distinct(next)
}

// distinct drops runs that have come to the same by the same event.
func distinct(runs []run) []run {
	var kept []run
	for _, r := range runs {
		if !slices.ContainsFunc(kept, func(k run) bool {
			return k.state == r.state && len(k.chain) == len(r.chain) && (len(k.chain) == 0 || k.writer() == r.writer())
		}) {
			kept = append(kept, r)
		}
	}
	return kept
}

func (r run) after(order []claim) run {
	for _, c := range order {
		to := c.state(r.state)
		if to == r.state { // a write that changes nothing
			if r.inVain(c.deed) {
				r.again = append(slices.Clip(r.again), c.deed)
			}
			r.latest = c.deed
			continue
		}
		r.state, r.again, r.latest = to, nil, c.deed
		r.chain = append(slices.Clip(r.chain), c)
		r.states = append(slices.Clip(r.states), to)
	}
	return r
}

// inVain says whether a deed asks for the same as the one before it did: nobody has a reason to, unless something took it away in between. Where it
// asks for something else as well, that is the reason.
func (r run) inVain(d *deed) bool {
	return r.latest != nil && r.latest.body.Equal(d.body)
}

// state is the state that a claim leaves, from the one that it finds.
func (c claim) state(from string) string {
	switch {
	case c.to == grows && from == present:
		return grown
	case c.to == shrinks && from == grown:
		return present
	case c.to == grows || c.to == shrinks:
		return from
	case c.delta == nil:
		return c.to
	}
	was, ok := new(big.Rat).SetString(from)
	if !ok {
		return c.to
	}
	sum := new(big.Rat).Add(was, c.delta)
	if sum.IsInt() {
		return sum.Num().String()
	}
	text, _ := taffrail.Number(sum.FloatString(12))
	return text.Text()
}

// orders are the orders of a group: each, for up to four, and for more the one that they were received in and its reverse.
func orders(group []claim) [][]claim {
	received := slices.Clone(group)
	slices.SortStableFunc(received, func(a, b claim) int { return a.deed.order - b.deed.order })
	if len(group) > 4 {
		reverse := slices.Clone(received)
		slices.Reverse(reverse)
		return [][]claim{received, reverse}
	}
	return permutations(received)
}

func permutations(group []claim) [][]claim {
	if len(group) < 2 {
		return [][]claim{group}
	}
	var all [][]claim
	for i := range group {
		rest := slices.Delete(slices.Clone(group), i, i+1)
		for _, p := range permutations(rest) {
			all = append(all, append([]claim{group[i]}, p...))
		}
	}
	return all
}
