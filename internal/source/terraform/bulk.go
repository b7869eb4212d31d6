package terraform

import (
	"fmt"
	"sync"

	"github.com/taffrail-dev/taffrail"
)

// fewestHeld is how many resources must be gone for it to be more likely that we looked in the wrong place.
const fewestHeld = 2

// A bulk holds back what one provider configuration answers as gone until it has shown any resource at all: if it shows none, then it
// looked at another account, region or address rather than at so many deletions. Nothing is on disk: if we stop before the end of
// the lane, what is held was not reported, and the next scan reads it anew.
type bulk struct {
	confirmed bool // somebody says that so many deletions are right
	codeless  bool // no code says how the provider is to be configured

	mu    sync.Mutex
	found bool // a resource was there
	held  []taffrail.Observation
}

// pass takes an observation, and gives what may be sent by now.
func (b *bulk) pass(o taffrail.Observation) []taffrail.Observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case o.Gap != nil || b.found || b.confirmed:
		return []taffrail.Observation{o}
	case o.Live.IsNull():
		b.held = append(b.held, o)
		return nil
	}
	b.found = true
	free := b.held
	b.held = nil
	return append(free, o)
}

// end gives what is still held when no more answers come: as deletions if they are few, else each with a gap.
func (b *bulk) end() []taffrail.Observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := b.held
	b.held = nil
	if len(free) < fewestHeld {
		return free
	}
	for i, o := range free {
		free[i] = withGap(o, b.gap(len(free)))
	}
	return free
}

func (b *bulk) gap(n int) taffrail.Gap {
	g := taffrail.Gap{
		Reason: taffrail.ReasonUnconfigured,
		Detail: fmt.Sprintf("all %d resources that this provider configuration answered for were answered as gone, which is more likely another account, region or address than %d deletions", n, n),
		Hint: "check the provider's configuration, its variables (also those given by -var, which init does not record) and its environment; " +
			"if the deletions are real, scan with --confirm-deletions, or set confirm_mass_deletion: true",
	}
	if b.codeless {
		g.Detail += "; there is no code beside the state, so that the environment alone configured the provider"
	}
	return g
}
