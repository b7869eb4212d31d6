package terraform

import (
	"cmp"
	"context"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// maxWitnesses is how many resources are read, beside those that were asked for, to make sure that a type is looked for in the right place.
const maxWitnesses = 3

// remember keeps an instance that nobody asked for as one that can be a witness. It comes to a few of each type: where one resource of
// many is read, the others must cost next to nothing.
func (l *lane) remember(i *state.Instance) {
	if i.Deposed != "" || i.Tainted || l.leftOut != nil || len(l.spare[i.Type]) >= maxWitnesses {
		return
	}
	if l.spare == nil {
		l.spare = map[string][]*state.Instance{}
	}
	kept := *i
	l.spare[i.Type] = append(l.spare[i.Type], &kept)
}

// testify reads witnesses for the types of which nothing but deletions was seen. Whoever reads one resource alone knows nothing else of the
// account and region that the provider looks at: in the wrong one, it is gone as well.
func (l *lane) testify(ctx context.Context, out chan<- taffrail.Observation) {
	var witnesses []*job
	called := map[*state.Instance]bool{}
	for _, t := range l.bulk.doubted() {
		for _, i := range l.witnessesFor(string(t)) {
			if !called[i] {
				called[i] = true
				witnesses = append(witnesses, &job{
					instance: i, observation: taffrail.Observation{Resource: l.reading.resource(i)}, declared: l.reading.declaration(i), witness: true,
				})
			}
		}
	}
	l.spare = nil
	l.readAll(ctx, witnesses, out)
}

// witnessesFor are instances of a type, or where the state has no other one of it, of other types, those of the same service first.
func (l *lane) witnessesFor(t string) []*state.Instance {
	if same := l.spare[t]; len(same) > 0 {
		return same
	}
	var others []*state.Instance
	for _, of := range l.spare {
		others = append(others, of[0])
	}
	slices.SortFunc(others, func(a, b *state.Instance) int {
		return cmp.Or(rank(serviceOf(b.Type) == serviceOf(t))-rank(serviceOf(a.Type) == serviceOf(t)), cmp.Compare(a.Type, b.Type))
	})
	return others[:min(len(others), maxWitnesses)]
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}
