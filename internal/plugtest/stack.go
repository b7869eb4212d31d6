package plugtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/taffrail-dev/taffrail"
)

// A reading is what one Read gave.
type reading struct {
	observations []taffrail.Observation // sorted by address
	coverage     taffrail.Coverage
	err          error
}

func read(ctx context.Context, s taffrail.Stack, sel taffrail.Selection) reading {
	var r reading
	var mu sync.Mutex
	r.coverage, r.err = s.Read(ctx, sel, func(o taffrail.Observation) error {
		mu.Lock()
		defer mu.Unlock()
		r.observations = append(r.observations, o)
		return nil
	})
	r.sort()
	return r
}

func (r *reading) sort() {
	slices.SortStableFunc(r.observations, func(a, b taffrail.Observation) int {
		return strings.Compare(string(a.Resource.Address), string(b.Resource.Address))
	})
}

// whole opens the stack and reads all of it.
func whole(t *testing.T, c StackCase) (reading, error) {
	s := c.Open(t)
	defer s.Close()
	r := read(t.Context(), s, taffrail.Selection{})
	return r, r.err
}

func checkEach(t *testing.T, c StackCase) error {
	r, err := whole(t, c)
	if err != nil {
		return err
	}
	var problems []error
	if len(r.observations) != c.Want {
		problems = append(problems, fmt.Errorf("%d observations, want %d", len(r.observations), c.Want))
	}
	for i, o := range r.observations {
		if i > 0 && o.Resource.Address == r.observations[i-1].Resource.Address {
			problems = append(problems, fmt.Errorf("%s was emitted twice", o.Resource.Address))
		}
		if err := checkObservation(o); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", o.Resource.Address, err))
		}
	}
	return errors.Join(problems...)
}

// checkObservation finds what no observation may be.
func checkObservation(o taffrail.Observation) error {
	switch {
	case o.Resource.Address == "" || o.Resource.Type == "" || o.Resource.Stack == "":
		return errors.New("stack, address or type is missing")
	case o.At.IsZero() || o.At.Location() != time.UTC:
		return fmt.Errorf("the time is %v", o.At)
	case o.Gap == nil && (o.Live.IsUnknown() || o.Recorded.IsUnknown()):
		return errors.New("a side is unknown, and no gap says why")
	case o.Gap != nil && !o.Live.IsUnknown():
		return errors.New("it has a gap, and a live side")
	case o.Gap != nil && (o.Gap.Address != o.Resource.Address || o.Gap.Detail == ""):
		return fmt.Errorf("its gap is %+v", *o.Gap)
	case o.Gap != nil && !slices.Contains(taffrail.Reasons(), o.Gap.Reason):
		return fmt.Errorf("its gap has the reason %q", o.Gap.Reason)
	case o.Gap != nil && strings.ContainsAny(o.Gap.Detail, "\r\n"):
		return fmt.Errorf("its gap has more than one line: %q", o.Gap.Detail)
	}
	return nil
}

// longEnough is how long an emit waits for another that must not come.
const longEnough = 200 * time.Millisecond

func checkOneAtATime(t *testing.T, c StackCase) error {
	s := c.Open(t)
	defer s.Close()
	var under, calls atomic.Int32
	second := make(chan struct{})
	var met sync.Once
	_, err := s.Read(t.Context(), taffrail.Selection{}, func(taffrail.Observation) error {
		defer under.Add(-1)
		if under.Add(1) > 1 {
			met.Do(func() { close(second) })
		}
		if calls.Add(1) == 1 { // the first one lasts until another has come, or none has for long enough
			select {
			case <-second:
			case <-time.After(longEnough):
			}
		}
		return nil
	})
	select {
	case <-second:
		return errors.New("two emits at once")
	default:
		return err
	}
}

func checkCoverage(t *testing.T, c StackCase) error {
	r, err := whole(t, c)
	if err != nil {
		return err
	}
	return sameCoverage(r)
}

// sameCoverage counts again what was emitted. Gaps of the whole stack are the source's own.
func sameCoverage(r reading) error {
	var counted taffrail.Coverage
	for _, o := range r.observations {
		counted.Count(o)
	}
	told := r.coverage
	told.Gaps = slices.DeleteFunc(slices.Clone(told.Gaps), func(g taffrail.Gap) bool { return g.Address == "" })
	byAddress := cmpopts.SortSlices(func(a, b taffrail.Gap) bool { return a.Address < b.Address })
	if diff := cmp.Diff(counted, told, byAddress, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("coverage (-counted +told):\n%s", diff)
	}
	return nil
}

func checkDescription(t *testing.T, c StackCase) error {
	s := c.Open(t)
	defer s.Close()
	info, err := s.Describe(t.Context())
	if err != nil {
		return err
	}
	if info.ID == "" || info.System == "" || info.Name == "" {
		return fmt.Errorf("an ID, a system or a name is missing: %+v", info)
	}
	for _, o := range read(t.Context(), s, taffrail.Selection{}).observations {
		if o.Resource.Stack != info.ID {
			return fmt.Errorf("%s is of the stack %q, and the stack is %q", o.Resource.Address, o.Resource.Stack, info.ID)
		}
	}
	return nil
}

// same compares observations but for their times.
func same(a, b []taffrail.Observation) string {
	return cmp.Diff(a, b, cmpopts.IgnoreFields(taffrail.Observation{}, "At"), cmpopts.EquateEmpty())
}

func checkTwice(t *testing.T, c StackCase) error {
	s := c.Open(t)
	defer s.Close()
	once, again := read(t.Context(), s, taffrail.Selection{}), read(t.Context(), s, taffrail.Selection{})
	if err := errors.Join(once.err, again.err); err != nil {
		return err
	}
	if diff := same(once.observations, again.observations); diff != "" {
		return fmt.Errorf("the second reading differs (-first +second):\n%s", diff)
	}
	return nil
}
