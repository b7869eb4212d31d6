package plugtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/taffrail-dev/taffrail"
)

// A ListerCase is a stack that can look for what no stack declares. The world of it does not change.
type ListerCase struct {
	// Open opens the stack, which must be a [taffrail.Lister]. The suite closes it.
	Open func(t *testing.T) taffrail.Stack
	// Scope is what is asked for: at least one type that can be listed and holds something unmanaged.
	Scope taffrail.Scope
	// Want is how many unmanaged resources there are in the scope.
	Want int
	// Listed are the types that are listed as a whole, sorted.
	Listed []taffrail.ResourceType
	// Folder is one that listing must leave as it is; empty if there is none.
	Folder string
}

// Lister tests what [taffrail.Lister] promises.
func Lister(t *testing.T, c ListerCase) {
	t.Helper()
	keeps(t, c, listerPromises)
}

var listerPromises = []promise[ListerCase]{
	{"one observation for each resource", checkFound},
	{"each type is listed or has a gap", checkSpoken},
	{"a type that there is not has a gap", checkStrangeType},
	{"listing twice gives the same", checkListTwice},
	{"an error of emit stops it", checkListEmitError},
	{"cancelled before", checkListCancelled},
	{"nothing is written", checkListFolder},
}

// A search is what one List gave.
type search struct {
	found   []taffrail.Observation
	listing taffrail.Listing
	err     error
}

func list(ctx context.Context, s taffrail.Stack, scope taffrail.Scope, emit func(taffrail.Observation) error) search {
	lister, ok := s.(taffrail.Lister)
	if !ok {
		return search{err: fmt.Errorf("%T is no Lister", s)}
	}
	var r search
	r.listing, r.err = lister.List(ctx, scope, func(o taffrail.Observation) error {
		r.found = append(r.found, o)
		return emit(o)
	})
	return r
}

func freely(taffrail.Observation) error { return nil }

// search opens the stack and lists the scope of the case.
func (c ListerCase) search(t *testing.T) search {
	s := c.Open(t)
	defer s.Close()
	return list(t.Context(), s, c.Scope, freely)
}

func checkFound(t *testing.T, c ListerCase) error {
	s := c.Open(t)
	defer s.Close()
	recorded, r := read(t.Context(), s, taffrail.Selection{}), list(t.Context(), s, c.Scope, freely)
	if err := errors.Join(recorded.err, r.err); err != nil {
		return err
	}
	var problems []error
	if len(r.found) != c.Want {
		problems = append(problems, fmt.Errorf("%d were found, want %d", len(r.found), c.Want))
	}
	taken := map[taffrail.Address]bool{}
	for _, o := range recorded.observations {
		taken[o.Resource.Address] = true
	}
	for _, o := range r.found {
		if taken[o.Resource.Address] {
			problems = append(problems, fmt.Errorf("%s is the address of another", o.Resource.Address))
		}
		taken[o.Resource.Address] = true
		if err := checkStray(c, o); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", o.Resource.Address, err))
		}
	}
	return errors.Join(problems...)
}

// checkStray finds what no observation of an unmanaged resource may be.
func checkStray(c ListerCase, o taffrail.Observation) error {
	everything := slices.Contains(c.Scope.Types, taffrail.EveryType)
	switch {
	case !o.Recorded.IsNull():
		return errors.New("it is said to be recorded")
	case o.Gap == nil && o.Live.IsNull():
		return errors.New("it is said to be gone")
	case !everything && !slices.Contains(c.Scope.Types, o.Resource.Type):
		return fmt.Errorf("its type %s is not in the scope", o.Resource.Type)
	}
	return checkObservation(o)
}

func checkSpoken(t *testing.T, c ListerCase) error {
	r := c.search(t)
	if r.err != nil {
		return r.err
	}
	if diff := cmp.Diff(c.Listed, r.listing.Listed, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("types that were listed (-want +got):\n%s", diff)
	}
	for _, t := range c.Scope.Types {
		if t != taffrail.EveryType && !spoken(r.listing, t) {
			return fmt.Errorf("of %s not a word is said", t)
		}
	}
	for i, g := range r.listing.Gaps {
		switch {
		case g.Type == "" || g.Address != "" || !slices.Contains(taffrail.Reasons(), g.Reason) || g.Detail == "":
			return fmt.Errorf("gap %+v", g)
		case i > 0 && g.Type < r.listing.Gaps[i-1].Type:
			return fmt.Errorf("the gap of %s comes after that of %s", g.Type, r.listing.Gaps[i-1].Type)
		case slices.Contains(r.listing.Listed, g.Type):
			return fmt.Errorf("%s was listed as a whole, and has the gap %+v", g.Type, g)
		}
	}
	return nil
}

func spoken(l taffrail.Listing, t taffrail.ResourceType) bool {
	return slices.Contains(l.Listed, t) || slices.ContainsFunc(l.Gaps, func(g taffrail.Gap) bool { return g.Type == t })
}

func checkStrangeType(t *testing.T, c ListerCase) error {
	c.Scope.Types = []taffrail.ResourceType{"no_such_type"}
	r := c.search(t)
	if r.err != nil || len(r.found) > 0 || len(r.listing.Listed) > 0 || !spoken(r.listing, "no_such_type") {
		return fmt.Errorf("%d were found, %+v, %w", len(r.found), r.listing, r.err)
	}
	return nil
}

func checkListTwice(t *testing.T, c ListerCase) error {
	s := c.Open(t)
	defer s.Close()
	once, again := list(t.Context(), s, c.Scope, freely), list(t.Context(), s, c.Scope, freely)
	if err := errors.Join(once.err, again.err); err != nil {
		return err
	}
	if diff := same(once.found, again.found) + cmp.Diff(once.listing, again.listing, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("the second listing differs (-first +second):\n%s", diff)
	}
	return nil
}

func checkListEmitError(t *testing.T, c ListerCase) error {
	s := c.Open(t)
	defer s.Close()
	mine := errors.New("emit fails")
	r := list(t.Context(), s, c.Scope, func(taffrail.Observation) error { return mine })
	if r.err != mine { //nolint:errorlint // as it is, not wrapped
		return fmt.Errorf("the error of emit did not come back as it is, but: %w", r.err)
	}
	if len(r.found) != 1 {
		return fmt.Errorf("emit was called %d times, though the first failed", len(r.found))
	}
	if r := list(t.Context(), s, c.Scope, freely); r.err != nil || len(r.found) != c.Want {
		return fmt.Errorf("listing again afterwards: %d were found, %w", len(r.found), r.err)
	}
	return nil
}

func checkListCancelled(t *testing.T, c ListerCase) error {
	s := c.Open(t)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := list(ctx, s, c.Scope, freely)
	if !errors.Is(r.err, context.Canceled) {
		return fmt.Errorf("want the context's error, got: %w", r.err)
	}
	if len(r.listing.Listed) > 0 {
		return fmt.Errorf("%v are said to be listed as a whole", r.listing.Listed)
	}
	return nil
}

func checkListFolder(t *testing.T, c ListerCase) error {
	return unchanged(c.Folder, func() error { return c.search(t).err })
}
