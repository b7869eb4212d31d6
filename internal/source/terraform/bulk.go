package terraform

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/taffrail-dev/taffrail"
)

// fewestHeld is how many resources must be gone for it to be more likely that we looked in the wrong place.
const fewestHeld = 2

// A bulk holds back what one provider configuration answers as gone until it has shown any resource of the same type: if it shows none,
// then it may have looked at another account, region or address rather than at so many deletions. In the wrong region, what belongs to
// no region is still found: so each type is judged by itself. Nothing is on disk: if we stop before the end of the lane, what is held
// was not reported, and the next scan reads it anew.
type bulk struct {
	confirmed bool // somebody says that so many deletions are right
	codeless  bool // no code says how the provider is to be configured

	mu    sync.Mutex
	types []*toll
}

// A toll is what came of the resources of one type.
type toll struct {
	of      taffrail.ResourceType
	found   bool // one was there
	held    []taffrail.Observation
	lost    int           // witnesses that are gone, too
	unheard *taffrail.Gap // why a witness said nothing
}

// pass takes an observation, and gives what may be sent by now.
func (b *bulk) pass(o taffrail.Observation) []taffrail.Observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.Gap != nil || b.confirmed {
		return []taffrail.Observation{o}
	}
	t := b.toll(o.Resource.Type)
	switch {
	case t.found:
		return []taffrail.Observation{o}
	case o.Live.IsNull():
		t.held = append(t.held, o)
		return nil
	}
	t.found = true
	return append(t.free(), o)
}

// hear takes what came of a witness: a resource that nobody asked for, and that should be there.
func (b *bulk) hear(o taffrail.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.toll(o.Resource.Type)
	switch {
	case o.Gap != nil:
		t.unheard = o.Gap
	case o.Live.IsNull():
		t.lost++
	default:
		t.found = true
	}
}

func (b *bulk) toll(of taffrail.ResourceType) *toll {
	i := slices.IndexFunc(b.types, func(t *toll) bool { return t.of == of })
	if i < 0 {
		i = len(b.types)
		b.types = append(b.types, &toll{of: of})
	}
	return b.types[i]
}

func (t *toll) free() []taffrail.Observation {
	free := t.held
	t.held = nil
	return free
}

// gone is how many resources of the type were answered as gone, unless one was there.
func (t *toll) gone() int {
	if t.found {
		return 0
	}
	return len(t.held) + t.lost
}

// doubted are the types of which nothing but deletions was seen.
func (b *bulk) doubted() []taffrail.ResourceType {
	b.mu.Lock()
	defer b.mu.Unlock()
	var types []taffrail.ResourceType
	for _, t := range b.types {
		if !t.found && len(t.held) > 0 {
			types = append(types, t.of)
		}
	}
	return types
}

// end gives what is still held when no more answers come: as deletions if they are few, else each with a gap. They are not few where one
// type lost several and shows none, or where more types are lost as a whole than are there.
func (b *bulk) end() []taffrail.Observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	there, lost, gone := 0, 0, 0
	var unheard *taffrail.Gap
	for _, t := range b.types {
		unheard = cmp.Or(unheard, t.unheard)
		switch {
		case t.found:
			there++
		case t.gone() > 0:
			lost, gone = lost+1, gone+t.gone()
		}
	}
	var out []taffrail.Observation
	for _, t := range b.types {
		var doubt *taffrail.Gap
		switch {
		case t.found:
		case gone >= fewestHeld && lost > there:
			doubt = b.gap(gone, there, "")
		case t.gone() >= fewestHeld:
			doubt = b.gap(t.gone(), there, t.of)
		case t.unheard != nil || there == 0 && unheard != nil:
			doubt = unwitnessed(cmp.Or(t.unheard, unheard))
		}
		for _, o := range t.free() {
			if doubt != nil {
				o = withGap(o, *doubt)
			}
			out = append(out, o)
		}
	}
	return out
}

const hintGone = "check the provider's configuration, its variables (also those given by -var, which init does not record) and its environment; " +
	"if the deletions are real, scan with --confirm-deletions, or set confirm_mass_deletion: true"

// gap is why so many deletions are not believed: all of a type, or of most types.
func (b *bulk) gap(n, there int, of taffrail.ResourceType) *taffrail.Gap {
	which := "that this provider configuration answered for"
	switch {
	case of != "":
		which = fmt.Sprintf("of type %s that this provider configuration answered for", of)
	case there > 0:
		which = "of most types that this provider configuration answered for"
	}
	g := &taffrail.Gap{
		Reason: taffrail.ReasonUnconfigured, Hint: hintGone,
		Detail: fmt.Sprintf("all %d resources %s were answered as gone, which is more likely another account, region or address than %d deletions", n, which, n),
	}
	if b.codeless {
		g.Detail += "; there is no code beside the state, so that the environment alone configured the provider"
	}
	return g
}

// unwitnessed is why the deletion of one resource is not believed where another one of its type, which would show that we look in the right
// place, could not be read.
func unwitnessed(why *taffrail.Gap) *taffrail.Gap {
	return &taffrail.Gap{
		Reason: taffrail.ReasonUnconfigured, Hint: hintGone,
		Detail: fmt.Sprintf("it was answered as gone, and nothing shows that this is the right account and region: %s, which was read to make sure, could not be (%s: %s)", why.Address, why.Reason, why.Detail),
	}
}
