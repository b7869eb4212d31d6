package correlate

import (
	"slices"
	"sort"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A sighting is how far the counter of a source had come at a time: the source had answered by then with a version as high.
type sighting struct {
	at      time.Time
	version int64
}

// markStood finds the versions that stood before their request was received, since another object had a version as high by then: the request wrote
// nothing, or it would have been given a higher one.
func (s *scene) markStood(all []version) {
	if len(all) == 0 {
		return
	}
	seen := map[string][]sighting{}
	for i := range all {
		source := all[i].deed.Source
		if _, known := seen[source]; !known {
			seen[source] = s.sightings(source, all)
		}
		all[i].stood = all[i].stamp.Version > 0 && all[i].stamp.Version <= reached(seen[source], all[i].deed.Time)
	}
}

// sightings are what other objects show of the counter that the versions are of, in the order of time, each as high as the one before it at least. Our
// own cannot show more than they are: where a higher one of them was answered before, clocks differ.
func (s *scene) sightings(source string, all []version) []sighting {
	own := map[*act]bool{}
	for _, d := range s.deeds {
		own[d.act] = true
	}
	others, shared := map[string][]sighting{}, map[string]bool{}
	from, to := s.reach(all)
	for _, e := range s.events {
		if own[e] || e.Source != source || e.State == nil || e.State.Version == 0 || e.State.Answered.Before(e.Time) || len(e.Refs) == 0 {
			continue
		}
		object := e.Refs[0]
		others[object] = append(others[object], sighting{e.State.Answered, e.State.Version})
		shared[object] = shared[object] || from.version < e.State.Version && e.State.Version < to.version && !e.Time.Before(from.at) && !e.State.Answered.After(to.at)
	}
	var found []sighting
	for object, some := range others {
		if shared[object] {
			found = append(found, some...)
		}
	}
	return rising(found)
}

// reach is from which version of the object to which the events tell, and when. Two objects need not have one counter: a cluster may keep them in two
// stores, and a source may tell of two clusters. Those have one of which a version lies between two of ours in number and in time.
func (s *scene) reach(all []version) (from, to sighting) {
	first, last := all[0], all[len(all)-1]
	from, to = sighting{first.deed.Time, first.stamp.Version}, sighting{last.deed.Time, last.stamp.Version}
	if s.BeforeStamp != (taffrail.Stamp{}) {
		from = sighting{s.Start, s.BeforeStamp.Version}
	}
	if s.AfterStamp != (taffrail.Stamp{}) {
		to = sighting{s.End, s.AfterStamp.Version}
	}
	return from, to
}

func rising(found []sighting) []sighting {
	slices.SortFunc(found, func(a, b sighting) int { return a.at.Compare(b.at) })
	for i := 1; i < len(found); i++ {
		found[i].version = max(found[i].version, found[i-1].version)
	}
	return found
}

// reached is how far the counter had come at a time.
func reached(seen []sighting, at time.Time) int64 {
	n := sort.Search(len(seen), func(i int) bool { return seen[i].at.After(at) })
	if n == 0 {
		return 0
	}
	return seen[n-1].version
}
