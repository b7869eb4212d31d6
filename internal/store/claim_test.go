package store_test

import (
	"testing"

	"github.com/taffrail-dev/taffrail/internal/store"
)

func claimed(t *testing.T, s *store.Store, name string) bool {
	t.Helper()
	is, err := s.Claimed(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func TestAClaimHoldsForOthersUntilItIsReleased(t *testing.T) {
	onEach(t, func(t *testing.T, p *place) {
		one, two := p.store(t, store.Create), p.store(t, store.Create)
		if claimed(t, two, "a") || claimed(t, two, "") || claimed(t, two, "../a") {
			t.Error("claimed by nobody")
		}
		release, err := one.Claim(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if !claimed(t, two, "a") || claimed(t, two, "b") {
			t.Error("the claim is not seen, or one that is none")
		}
		release()
		release()
		if claimed(t, two, "a") {
			t.Error("the claim is still seen")
		}
	})
}
