package plugtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

func checkEmitError(t *testing.T, c StackCase) error {
	s := c.Open(t)
	defer s.Close()
	mine := errors.New("emit fails")
	calls := 0
	_, err := s.Read(t.Context(), taffrail.Selection{}, func(taffrail.Observation) error {
		calls++
		return mine
	})
	if err != mine { //nolint:errorlint // as it is, not wrapped
		return fmt.Errorf("the error of emit did not come back as it is, but: %w", err)
	}
	if calls != 1 {
		return fmt.Errorf("emit was called %d times, though the first failed", calls)
	}
	if r := read(t.Context(), s, taffrail.Selection{}); r.err != nil || len(r.observations) != c.Want {
		return fmt.Errorf("reading again afterwards: %d observations, %w", len(r.observations), r.err)
	}
	return nil
}

func checkCancelledBefore(t *testing.T, c StackCase) error {
	s := c.Open(t)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := read(ctx, s, taffrail.Selection{})
	if !errors.Is(r.err, context.Canceled) {
		return fmt.Errorf("want the context's error, got: %w", r.err)
	}
	for _, o := range r.observations {
		if o.Gap == nil || o.Gap.Reason != taffrail.ReasonCancelled {
			return fmt.Errorf("%s has the gap %+v", o.Resource.Address, o.Gap)
		}
	}
	if len(r.observations) != c.Want {
		return fmt.Errorf("%d observations, want %d", len(r.observations), c.Want)
	}
	return sameCoverage(r)
}

// checkCancelledDuring stops a reading at each of its emits. What was under way may still be emitted as it is.
func checkCancelledDuring(t *testing.T, c StackCase) error {
	full, err := whole(t, c)
	if err != nil {
		return err
	}
	for at := range c.Want {
		if err := cancelAt(t, c, at, full); err != nil {
			return fmt.Errorf("cancelled at emit %d: %w", at, err)
		}
	}
	return nil
}

func cancelAt(t *testing.T, c StackCase, at int, full reading) error {
	s := c.Open(t)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var r reading
	r.coverage, r.err = s.Read(ctx, taffrail.Selection{}, func(o taffrail.Observation) error {
		if len(r.observations) == at {
			cancel()
		}
		r.observations = append(r.observations, o)
		return nil
	})
	r.sort()
	if !errors.Is(r.err, context.Canceled) {
		return fmt.Errorf("want the context's error, got: %w", r.err)
	}
	if len(r.observations) != len(full.observations) {
		return fmt.Errorf("%d observations, want %d", len(r.observations), len(full.observations))
	}
	for i, o := range r.observations {
		cancelled := o.Gap != nil && o.Gap.Reason == taffrail.ReasonCancelled
		if diff := same(full.observations[i:i+1], []taffrail.Observation{o}); diff != "" && !cancelled {
			return fmt.Errorf("%s is neither itself nor cancelled:\n%s", o.Resource.Address, diff)
		}
	}
	return sameCoverage(r)
}

func checkSelection(t *testing.T, c StackCase) error {
	s := c.Open(t)
	defer s.Close()
	full := read(t.Context(), s, taffrail.Selection{})
	if full.err != nil {
		return full.err
	}
	for _, want := range full.observations {
		r := read(t.Context(), s, taffrail.Selection{Addresses: []taffrail.Address{want.Resource.Address}})
		if r.err != nil {
			return r.err
		}
		if diff := same([]taffrail.Observation{want}, r.observations); diff != "" {
			return fmt.Errorf("%s alone (-among others +alone):\n%s", want.Resource.Address, diff)
		}
		if err := sameCoverage(r); err != nil {
			return err
		}
	}
	r := read(t.Context(), s, taffrail.Selection{Addresses: []taffrail.Address{"no.such.address"}})
	if r.err != nil || len(r.observations) > 0 || r.coverage.Total > 0 {
		return fmt.Errorf("an address that is not there: %d observations, %w", len(r.observations), r.err)
	}
	return nil
}
