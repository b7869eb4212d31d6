package terraform

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
)

// A verdict is what became of a type: it was listed as a whole if there is no gap.
type verdict struct{ gap *taffrail.Gap }

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
