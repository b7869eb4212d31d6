package terraform

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// A reading is one Read of a stack.
type reading struct {
	stack    *stack
	header   state.Header
	tree     *module.Tree
	finder   *install.Finder
	fresh    bool   // the state was written a moment ago
	lockSeen string // the lock of the state that was held at the start; empty if there was none
	declared map[declaredKey]*declared
	seen     map[taffrail.Address]bool // selected addresses that the state holds

	pending  *pending               // what the code wants; nil if nobody asked
	fallback sync.Mutex             // held by the lane that reads through the user's own tool
	settled  []taffrail.Observation // of what no provider is asked for
	lanes    map[addr.ProviderConfig]*lane
	lane     *lane // of the instance that was added last
}

// add takes an instance of the state, if it is selected. Where one of many is, the others must cost next to nothing.
func (r *reading) add(i *state.Instance, sel taffrail.Selection) {
	l := r.laneOf(i)
	gap := l.leftOut
	if i.Deposed != "" {
		gap = r.leftOut(i)
	}
	if gap == nil && l.kind != i.Type {
		l.kind = i.Type
		l.kinds[i.Type] = true
	}
	if !mayBeSelected(i, sel) {
		l.remember(i)
		return
	}
	o := taffrail.Observation{Resource: r.resource(i)}
	if !sel.Selects(o.Resource.Address) {
		l.remember(i)
		return
	}
	r.seen[o.Resource.Address] = true
	if gap != nil {
		r.settled = append(r.settled, withGap(o, *gap))
		return
	}
	instance := *i
	l.jobs = append(l.jobs, &job{instance: &instance, observation: o, declared: r.declaration(i)})
}

// laneOf is the lane of the provider configuration that an instance belongs to.
func (r *reading) laneOf(i *state.Instance) *lane {
	if r.lane != nil && r.lane.config == i.Provider {
		return r.lane // states have instances of one resource together
	}
	r.lane = r.lanes[i.Provider]
	if r.lane == nil {
		current := *i
		current.Deposed = ""
		r.lane = &lane{reading: r, config: i.Provider, kinds: map[string]bool{}, leftOut: r.leftOut(&current)}
		r.lanes[i.Provider] = r.lane
	}
	return r.lane
}

// mayBeSelected tells most of those that are not by a look: an address has the resource's name in it.
func mayBeSelected(i *state.Instance, sel taffrail.Selection) bool {
	if len(sel.Addresses) == 0 {
		return true
	}
	return slices.ContainsFunc(sel.Addresses, func(a taffrail.Address) bool { return strings.Contains(string(a), i.Name) })
}

func (r *reading) resource(i *state.Instance) taffrail.Resource {
	res := taffrail.Resource{
		Stack: r.stack.id(r.header), Address: taffrail.Address(i.Address()), Type: taffrail.ResourceType(i.Type),
		Module: i.Module, Provider: i.Provider.Provider.String(),
	}
	if i.Deposed != "" {
		res.Address += taffrail.Address(" (deposed " + i.Deposed + ")")
	}
	if d := r.declaration(i); d != nil {
		res.File, res.Line = d.file, d.Range.Start.Line
	}
	return res
}

// aloneInState are providers whose resources have no life outside of the state: what they read back is what they are given.
// That is known of the public registries alone: whoever runs a host of their own may serve anything under these names. A file of the provider "local" lives on this host, and is read.
var aloneInState = map[string]bool{
	"hashicorp/random": true, "hashicorp/null": true, "hashicorp/time": true, "hashicorp/tls": true, "hashicorp/archive": true,
	"hashicorp/external": true,
}

// leftOut says why nobody is asked for an instance; nil if somebody is.
func (r *reading) leftOut(i *state.Instance) *taffrail.Gap {
	p := i.Provider.Provider
	switch {
	case i.Deposed != "":
		return &taffrail.Gap{Reason: taffrail.ReasonIgnored, Detail: "deposed object: waits to be destroyed"}
	case p.Builtin():
		return &taffrail.Gap{Reason: taffrail.ReasonUnsupported, Detail: "its data lives in the state alone: the provider is a part of the tool"}
	case p.Public() && aloneInState[p.Namespace+"/"+p.Type] && !r.stack.config.ReadAll:
		return &taffrail.Gap{Reason: taffrail.ReasonUnsupported, Detail: "its data lives in the state alone: provider " + p.Namespace + "/" + p.Type}
	}
	return nil
}

// run sends one observation for each selected resource, and closes the channel.
func (r *reading) run(ctx context.Context, out chan<- taffrail.Observation) {
	defer close(out)
	for _, o := range r.settled {
		o.At = r.stack.env.Now().UTC()
		if ctx.Err() != nil {
			o.Gap = cancelledGap(o.Resource)
		}
		out <- o
	}
	var done sync.WaitGroup
	for _, l := range r.lanes {
		if len(l.jobs) == 0 {
			continue
		}
		l.session = r.stack.session(r, l)
		done.Go(func() { l.run(ctx, out) })
	}
	done.Wait()
	for _, o := range r.creations() {
		out <- o
	}
}

// total is how many observations will come.
func (r *reading) total() int {
	n := len(r.settled) + r.pending.count()
	for _, l := range r.lanes {
		n += len(l.jobs)
	}
	return n
}

// missing are the selected addresses that the state does not hold. They are no observations, since there is no resource, and gaps of the
// whole: whoever asked must not take silence for anything.
func (r *reading) missing(sel taffrail.Selection) []taffrail.Gap {
	var gaps []taffrail.Gap
	for _, a := range sel.Addresses {
		if !r.seen[a] {
			gaps = append(gaps, taffrail.Gap{
				Reason: taffrail.ReasonError, Detail: fmt.Sprintf("%s is not in the state", addr.Clip(string(a))),
				Hint: "see the addresses with `terraform state list` or `tofu state list`",
			})
		}
	}
	return gaps
}

// raced looks at the state again. If it moved while the live side was read, or if somebody held its lock, then what was recorded
// and what is live may belong to different moments.
func (r *reading) raced(ctx context.Context) []taffrail.Gap {
	ctx, cancel := context.WithTimeout(ctx, r.stack.config.Timeout)
	defer cancel()
	gap := func(format string, args ...any) []taffrail.Gap {
		return []taffrail.Gap{{
			Reason: taffrail.ReasonRaced, Detail: fmt.Sprintf(format, args...), Hint: "scan again when no apply is running",
		}}
	}
	if r.lockSeen != "" {
		return gap("the state was locked when the scan began: %s", r.lockSeen)
	}
	now, err := r.stack.keeper.readHeader(ctx)
	switch {
	case err != nil:
		return gap("the state could not be read again after the scan: %v", err)
	case now.Lineage != r.header.Lineage:
		return gap("the state was replaced during the scan: another lineage")
	case now.Serial != r.header.Serial:
		return gap("the state moved from serial %d to %d during the scan", r.header.Serial, now.Serial)
	case now != r.header:
		return gap("the state was replaced during the scan: another one, of the same serial %d", now.Serial)
	}
	switch lock, locked, err := r.stack.keeper.locked(ctx); {
	case err != nil:
		return gap("whether the state is locked could not be seen after the scan: %v", err)
	case locked:
		return gap("the state was locked when the scan ended: %s", lock)
	}
	return nil
}

func withGap(o taffrail.Observation, g taffrail.Gap) taffrail.Observation {
	g.Address, g.Type = o.Resource.Address, o.Resource.Type
	o.Gap = &g
	o.Live = taffrail.Unknown()
	return o
}

func cancelledGap(res taffrail.Resource) *taffrail.Gap {
	return &taffrail.Gap{Address: res.Address, Type: res.Type, Reason: taffrail.ReasonCancelled, Detail: "the scan was stopped first"}
}
