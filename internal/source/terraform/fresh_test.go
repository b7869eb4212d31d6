package terraform

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// A moment after an apply a system may answer as before. What differs then is looked at once more, and no other resource is.
func TestTrap14_LagAfterAnApplyIsNoDrift(t *testing.T) {
	t.Parallel()
	before := testprovider.World{"odd_thing/changed": set("name", `"before"`), "odd_thing/new": {Gone: true}, "odd_thing/volatile": set("etag", `"e2"`)}
	for _, tc := range []struct {
		name    string
		age     time.Duration
		after   testprovider.World
		changed []string
		isGone  bool
		reads   int // of the changed one, upgrades apart
	}{
		{name: "it was a lag", after: testprovider.World{"odd_thing/volatile": set("etag", `"e2"`)}, reads: 2},
		{name: "it is real", after: before, changed: []string{`name: "n-changed" -> "before"`}, isGone: true, reads: 2},
		{name: "the state is old", age: time.Hour, after: before, changed: []string{`name: "n-changed" -> "before"`}, isGone: true, reads: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.config.SettleDelay = 2 * time.Second
			r.state(thing("changed", nil), thing("new", nil), thing("same", nil), thing("volatile", nil))
			r.written(tc.age)
			r.live(before)
			settled := make(chan error, 1)
			go func() {
				for slices.Index(r.calls(), "read odd_thing/new") < 0 || slices.Index(r.calls(), "read odd_thing/changed") < 0 {
					time.Sleep(time.Millisecond)
				}
				settled <- tc.after.Write(r.world)
			}()
			got := r.scan()
			if err := <-settled; err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.changed, changes(got.by["odd_thing.changed"])); diff != "" {
				t.Error(diff)
			}
			if o := got.by["odd_thing.new"]; o.Live.IsNull() != tc.isGone || o.Gap != nil {
				t.Errorf("the new one is %v, gap %v", o.Live, o.Gap)
			}
			for name, want := range map[string]int{"changed": tc.reads, "same": 1, "volatile": 1} {
				reads := 0
				for _, call := range r.calls() {
					if call == "read odd_thing/"+name {
						reads++
					}
				}
				if reads != want {
					t.Errorf("%s was read %d times, want %d", name, reads, want)
				}
			}
		})
	}
}

// The file's time is of a clock that may not be ours.
func TestFresh(t *testing.T) {
	now := time.Now()
	for ago, want := range map[time.Duration]bool{0: true, freshFor - 1: true, freshFor: false, time.Hour: false, -time.Minute: true, -time.Hour: false} {
		if isFresh(now.Add(-ago), now) != want {
			t.Errorf("a state from %v ago", ago)
		}
	}
	if isFresh(time.Time{}, now) {
		t.Error("a time that nobody knows")
	}
}

// A state that nobody dates is fresh once it was seen to change.
func TestChangeThatWasSeenIsFresh(t *testing.T) {
	r, v := newKeptRig(t, "pass-word-1")
	s := r.open()
	r.read(s)
	if at := s.keeper.written(); !at.IsZero() {
		t.Fatalf("the server tells of %v", at)
	}
	v.set(func() { v.body = slices.Concat(v.body, []byte("\n")) })
	r.read(s)
	if !isFresh(s.keeper.written(), time.Now()) {
		t.Error("the change was not noticed")
	}
}
