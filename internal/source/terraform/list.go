package terraform

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
)

// A listing is one List of a stack. It goes in steps, each for all provider configurations before the next begins: what can be listed,
// what is there, and which of that is declared by nobody. Only after the last, and only if no state moved meanwhile, is anything
// reported: whoever creates a resource writes it down a moment later.
type listing struct {
	stack   *stack
	reading *reading
	scope   taffrail.Scope
	estate  *estate
	blind   *provider.Failure // why nothing can be called unmanaged
	visits  []*visit

	mu       sync.Mutex
	verdicts map[taffrail.ResourceType]*verdict
	seen     map[string]bool // identities of candidates: two configurations may look at one account

	recognizing sync.Mutex // held while recorded identities are worked out: two configurations of a provider share them
}

// A verdict is what became of a type: it was listed as a whole if there is no gap.
type verdict struct{ gap *taffrail.Gap }

// List implements [taffrail.Lister].
func (s *stack) List(ctx context.Context, scope taffrail.Scope, emit func(taffrail.Observation) error) (taffrail.Listing, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	inner, cancel, err := s.begin(ctx)
	if err != nil {
		return taffrail.Listing{}, err
	}
	defer cancel()
	l, err := s.listing(inner, scope)
	if err != nil {
		return taffrail.Listing{}, cmp.Or(ctx.Err(), err)
	}
	defer l.estate.close()
	found := l.run(inner)
	if err := inner.Err(); err == nil {
		found = l.unlessRaced(inner, found)
	} else {
		l.doubt(provider.Failure{Reason: taffrail.ReasonCancelled, Detail: "the scan was stopped first"})
		found = nil
	}
	for _, o := range found {
		if err := emit(o); err != nil {
			return l.result(), err
		}
	}
	return l.result(), cmp.Or(ctx.Err(), inner.Err())
}

// listing reads what is declared.
func (s *stack) listing(ctx context.Context, scope taffrail.Scope) (*listing, error) {
	r, err := s.prepare(ctx, taffrail.Selection{})
	if err != nil {
		return nil, err
	}
	l := &listing{stack: s, reading: r, scope: scope, verdicts: map[taffrail.ResourceType]*verdict{}, seen: map[string]bool{}}
	if err := s.survey(ctx, l); err != nil {
		return nil, err
	}
	for config, lane := range l.lanes() {
		p := config.Provider
		if p.Builtin() || len(lane.kinds) == 0 && p.Public() && aloneInState[p.Namespace+"/"+p.Type] {
			continue // there is nothing live to list
		}
		l.visits = append(l.visits, &visit{listing: l, config: config, session: s.session(r, lane), finds: map[string][]*candidate{}})
	}
	slices.SortFunc(l.visits, func(a, b *visit) int { return strings.Compare(a.config.String(), b.config.String()) })
	return l, nil
}

// lanes are the provider configurations of the stack: those that its resources use, and those that its code has for none.
func (l *listing) lanes() map[addr.ProviderConfig]*lane {
	lanes := maps.Clone(l.reading.lanes)
	root := l.reading.tree.Root
	if root == nil {
		return lanes
	}
	add := func(local, alias string) {
		source, err := addr.ParseProvider(cmp.Or(root.Required[local], local))
		if err != nil {
			return
		}
		for p := range l.reading.finder.Lock { // which knows the host
			c := addr.ProviderConfig{Provider: p, Alias: alias}
			if source.Matches(p) && lanes[c] == nil {
				lanes[c] = &lane{reading: l.reading, config: c, kinds: map[string]bool{}}
			}
		}
	}
	for local := range root.Required {
		add(local, "")
	}
	for _, block := range root.Providers {
		if block.ForEach == nil { // else its keys are known by the resources alone
			add(block.Name, block.Alias)
		}
	}
	return lanes
}

// run lists everything in the scope. The answer is sorted by type and address.
func (l *listing) run(ctx context.Context) []taffrail.Observation {
	l.each(func(v *visit) { v.explore(ctx) })
	if l.blind == nil {
		l.each(func(v *visit) { v.list(ctx) })
	}
	l.judge()
	if l.blind != nil {
		l.doubt(*l.blind)
		return nil
	}
	var all []taffrail.Observation
	for _, v := range l.visits { // one after the other: one may ask the provider of another
		all = append(all, v.sift(ctx)...)
	}
	slices.SortFunc(all, func(a, b taffrail.Observation) int {
		return cmp.Or(cmp.Compare(a.Resource.Type, b.Resource.Type), cmp.Compare(a.Resource.Address, b.Resource.Address))
	})
	return all
}

func (l *listing) each(step func(*visit)) {
	var done sync.WaitGroup
	for _, v := range l.visits {
		done.Go(func() { step(v) })
	}
	done.Wait()
}

// wants says whether a type is in the scope.
func (l *listing) wants(t string) bool {
	return slices.Contains(l.scope.Types, taffrail.EveryType) || slices.Contains(l.scope.Types, taffrail.ResourceType(t))
}

// note says what became of a type in one provider configuration. A failure outweighs a known limit, and that outweighs nothing.
func (l *listing) note(t string, g *taffrail.Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := taffrail.ResourceType(t)
	if g != nil {
		g.Type = of
	}
	v := l.verdicts[of]
	switch {
	case v == nil:
		l.verdicts[of] = &verdict{gap: g}
	case of == taffrail.EveryType && v.gap.Reason == g.Reason: // of several providers
		v.gap.Detail += "; " + g.Detail
	case g != nil && (v.gap == nil || !v.gap.Reason.IsGap() && g.Reason.IsGap()):
		v.gap = g
	}
}

// doubt makes a gap of each type that was listed.
func (l *listing) doubt(f provider.Failure) {
	for _, v := range l.visits {
		for t := range v.listable {
			if l.wants(t) {
				l.note(t, &taffrail.Gap{Reason: f.Reason, Detail: f.Detail, Hint: f.Hint})
			}
		}
	}
	for _, t := range l.scope.Types {
		if l.verdicts[t] == nil && (t != taffrail.EveryType || len(l.verdicts) == 0) {
			l.note(string(t), &taffrail.Gap{Reason: f.Reason, Detail: f.Detail, Hint: f.Hint})
		}
	}
}

// unlessRaced gives what was found, or nothing if one of the states moved: a resource that was created while we looked is live before it
// is written down.
func (l *listing) unlessRaced(ctx context.Context, found []taffrail.Observation) []taffrail.Observation {
	f := provider.Failure{Reason: taffrail.ReasonRaced, Hint: "scan again when no apply is running"}
	if raced := l.reading.raced(ctx); len(raced) > 0 {
		f.Detail = raced[0].Detail
	} else if err := l.estate.moved(ctx); err != nil {
		f.Detail = err.Error()
	} else {
		return found
	}
	l.doubt(f)
	return nil
}

// judge names the types that could not be looked at: those of the scope, those of the stack, and those that can be listed and were not
// asked for.
func (l *listing) judge() {
	unreached := (*visit)(nil)
	for _, v := range l.visits {
		if v.failure != nil {
			unreached = v
			l.judgeUnreached(v)
			continue
		}
		for t := range v.listable {
			if !l.wants(t) {
				l.note(t, &taffrail.Gap{Reason: taffrail.ReasonIgnored, Detail: "it can be listed, and was not asked for"})
			}
		}
		v.judgeUnlisted()
	}
	for _, t := range l.scope.Types {
		if t == taffrail.EveryType || l.verdicts[t] != nil {
			continue
		}
		g := &taffrail.Gap{
			Reason: taffrail.ReasonUnsupported, Detail: "no provider of the stack has such a type",
			Hint: "a type is looked for with the provider configurations that the stack's resources use",
		}
		if unreached != nil {
			g = unreached.gap(unreached.failure)
		}
		l.note(string(t), g)
	}
}

// judgeUnreached names the types of a provider that did not come up, as far as they are known without it.
func (l *listing) judgeUnreached(v *visit) {
	if l.wants(string(taffrail.EveryType)) {
		l.note(string(taffrail.EveryType), v.gap(v.failure))
	}
	for k := range l.estate.records {
		if k == kindOf(v.config.Provider, k.resource) && l.wants(k.resource) {
			l.note(k.resource, v.gap(v.failure))
		}
	}
}

// result puts together what was looked at.
func (l *listing) result() taffrail.Listing {
	var out taffrail.Listing
	for t, v := range l.verdicts {
		if v.gap == nil {
			out.Listed = append(out.Listed, t)
		} else {
			out.Gaps = append(out.Gaps, *v.gap)
		}
	}
	slices.Sort(out.Listed)
	out.Gaps = append(out.Gaps, l.narrowed(out)...)
	slices.SortFunc(out.Gaps, func(a, b taffrail.Gap) int { return cmp.Compare(a.Type, b.Type) })
	return out
}

// narrowed says of which types the settings select a part. Their lists are whole as far as the settings go, so that the types count as
// listed.
func (l *listing) narrowed(of taffrail.Listing) []taffrail.Gap {
	var parts []string
	for _, t := range of.Listed {
		if given := l.stack.config.List[string(t)]; len(given) > 0 {
			parts = append(parts, fmt.Sprintf("of %s only what the settings select by %s", t, strings.Join(slices.Sorted(maps.Keys(given)), ", ")))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	text := strings.Join(parts, "; ")
	for i := range of.Gaps {
		if of.Gaps[i].Type == taffrail.EveryType {
			of.Gaps[i].Detail += "; " + text
			return nil
		}
	}
	return []taffrail.Gap{{Type: taffrail.EveryType, Reason: taffrail.ReasonIgnored, Detail: text}}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
