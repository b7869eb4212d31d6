package terraform

import (
	"cmp"
	"context"
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
