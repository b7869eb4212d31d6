package audit_test

import (
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
)

func TestLevelsAreInOrder(t *testing.T) {
	order := []audit.Level{audit.LevelQueued, audit.LevelSequenced, audit.LevelSigned, audit.LevelWitnessed, audit.LevelAnchored}
	for i, a := range order {
		for j, b := range order {
			if got := a.Reaches(b); got != (i >= j) {
				t.Errorf("%s reaches %s: %v", a, b, got)
			}
		}
		if audit.Level("").Reaches(a) || audit.Level("other").Reaches(a) {
			t.Errorf("what is no level reaches %s", a)
		}
	}
}
