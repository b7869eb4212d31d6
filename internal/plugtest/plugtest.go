// Package plugtest holds one suite for each role of a plug-in: what the role's interface promises, as tests. A plug-in's own test
// says how to open it and what is there, and calls the suite of its role.
package plugtest

import (
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A StackCase is a stack to test.
type StackCase struct {
	// Open opens the stack. The suite closes it. It is called many times, and must give the same stack each time, in a world that
	// does not change.
	Open func(t *testing.T) taffrail.Stack
	// Want is how many observations the stack gives.
	Want int
	// Folder is one that reading must leave as it is; empty if there is none.
	Folder string
}

// Stack tests what [taffrail.Stack] promises.
func Stack(t *testing.T, c StackCase) {
	t.Helper()
	keeps(t, c, stackPromises)
}

// A promise is one sentence of an interface, and what is wrong where it is not kept.
type promise[C any] struct {
	name  string
	check func(*testing.T, C) error
}

func keeps[C any](t *testing.T, c C, promises []promise[C]) {
	t.Helper()
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			if err := p.check(t, c); err != nil {
				t.Error(err)
			}
		})
	}
}

var stackPromises = []promise[StackCase]{
	{"one observation for each resource", checkEach},
	{"never two at once", checkOneAtATime},
	{"coverage agrees with the observations", checkCoverage},
	{"description", checkDescription},
	{"reading twice gives the same", checkTwice},
	{"an error of emit stops it", checkEmitError},
	{"cancelled before", checkCancelledBefore},
	{"cancelled at each emit", checkCancelledDuring},
	{"a selection of one", checkSelection},
	{"nothing is written", checkFolder},
	{"close leaves nothing behind", checkClose},
}
