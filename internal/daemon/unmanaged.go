package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// list looks for live resources that no stack declares, if the request says where. Each type of the scope is listed as a whole or has a gap:
// what nobody speaks of is not taken for empty.
func (s *scan) list(ctx context.Context, stack taffrail.Stack, emit func(taffrail.Observation) error) []taffrail.Gap {
	types := s.request.Scope.Types
	switch lister, ok := stack.(taffrail.Lister); {
	case len(types) == 0 || s.fatal != nil:
		return nil
	case s.cut:
		return gapsOf(types, taffrail.ReasonCancelled, "the scan was stopped before it was listed", "")
	case !ok:
		return gapsOf(types, taffrail.ReasonUnsupported, s.stack.System+" cannot list live resources", "")
	default:
		listing, err := lister.List(ctx, s.request.Scope, emit)
		if err != nil {
			return s.listFailed(ctx, listing, err)
		}
		return s.believe(listing)
	}
}

// believe takes a type for listed only if nothing was missing of it.
func (s *scan) believe(l taffrail.Listing) []taffrail.Gap {
	lacking := func(t taffrail.ResourceType) bool {
		return slices.ContainsFunc(l.Gaps, func(g taffrail.Gap) bool { return g.Type == t && g.Reason.IsGap() })
	}
	s.listed = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(l.Listed))), lacking)
	gaps := slices.Concat(l.Gaps, gapsOf(unspoken(s.request.Scope.Types, l, s.listed), taffrail.ReasonError, "the listing ended without a word about it", ""))
	if len(gaps) == 0 && len(s.listed) == 0 {
		gaps = gapsOf([]taffrail.ResourceType{taffrail.EveryType}, taffrail.ReasonUnsupported, s.stack.System+" can list no type of this stack", "")
	}
	return gaps
}

// listFailed leaves what was found, and believes of no type that this was all of it.
func (s *scan) listFailed(ctx context.Context, l taffrail.Listing, err error) []taffrail.Gap {
	reason := taffrail.ReasonError
	switch {
	case ctx.Err() != nil:
		s.cut, reason = true, taffrail.ReasonCancelled
	case taffrail.KindOf(err) == taffrail.KindDenied:
		reason = taffrail.ReasonDenied
	}
	left := unspoken(s.request.Scope.Types, l, nil)
	if slices.Contains(s.request.Scope.Types, taffrail.EveryType) {
		left = append(left, taffrail.EveryType) // of the types that were still to come nobody knows
	}
	return append(l.Gaps, gapsOf(left, reason, fmt.Sprintf("it could not be listed: %v", err), taffrail.HintOf(err))...)
}

// unspoken gives the types of a scope, other than [taffrail.EveryType], that neither were listed nor have a gap.
func unspoken(scope []taffrail.ResourceType, l taffrail.Listing, listed []taffrail.ResourceType) []taffrail.ResourceType {
	var left []taffrail.ResourceType
	for _, t := range scope {
		spoken := slices.Contains(listed, t) || slices.ContainsFunc(l.Gaps, func(g taffrail.Gap) bool { return g.Type == t })
		if !spoken && t != taffrail.EveryType {
			left = append(left, t)
		}
	}
	return left
}

func gapsOf(types []taffrail.ResourceType, reason taffrail.Reason, detail, hint string) []taffrail.Gap {
	gaps := make([]taffrail.Gap, len(types))
	for i, t := range types {
		gaps[i] = taffrail.Gap{Type: t, Reason: reason, Detail: oneLine(detail), Hint: hint}
	}
	return gaps
}

// oneLine makes one line of a foreign text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// inScope says whether a scan was to look for unmanaged resources of a type.
func (s *scan) inScope(t taffrail.ResourceType) bool {
	types := s.request.Scope.Types
	return slices.Contains(types, t) || slices.Contains(types, taffrail.EveryType)
}
