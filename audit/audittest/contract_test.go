package audittest_test

import (
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

func TestMemory(t *testing.T) {
	audittest.Storage(t, func(*testing.T) audit.Storage { return audittest.NewMemory() })
}

func TestFaultyMemory(t *testing.T) {
	audittest.Storage(t, func(*testing.T) audit.Storage {
		return audittest.FaultyStorage(audittest.NewMemory(), new(audittest.Faults))
	})
}

func TestMemoryPrunes(t *testing.T) {
	audittest.Pruning(t, func(*testing.T) (audit.Storage, func(int64) error) {
		m := audittest.NewMemory()
		return m, m.Prune
	})
}

func TestMemoryKeyring(t *testing.T) {
	audittest.Keyring(t, func(*testing.T) (audit.Keyring, func() audit.Keyring) {
		k := audittest.NewMemoryKeyring()
		return k, func() audit.Keyring { return k }
	})
}

func TestMemoryGuard(t *testing.T) {
	audittest.Guard(t, func(*testing.T) audit.Guard { return audittest.NewMemoryGuard() })
}
