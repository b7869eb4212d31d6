package terraform

import (
	"context"
	"sync"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// confirm reads each candidate by its identity: a list may still show what is gone, and says little of what is there. What cannot be
// read so must be in a second list, a while later.
func (v *visit) confirm(ctx context.Context, t string, candidates []*candidate) []*candidate {
	if len(candidates) == 0 {
		return nil
	}
	if f := v.session.ensure(ctx); f != nil {
		v.listing.note(t, v.gap(f)) // nobody can say whether they are there
		return nil
	}
	b := &batch{left: candidates}
	var workers sync.WaitGroup
	for range min(v.listing.stack.config.ServiceConcurrency, len(candidates)) {
		workers.Go(func() {
			for c := b.next(); c != nil; c = b.next() {
				b.note(c, v.patiently(ctx, func() *provider.Failure { return v.find(ctx, t, c) }))
			}
		})
	}
	workers.Wait()
	if b.lost {
		v.session.lost()
	}
	return append(b.there, v.again(ctx, t, b.unsure)...)
}

// A batch is candidates that are read, some at once.
type batch struct {
	mu            sync.Mutex
	left          []*candidate
	there, unsure []*candidate
	lost          bool
}

func (b *batch) next() *candidate {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.left) == 0 {
		return nil
	}
	c := b.left[0]
	b.left = b.left[1:]
	return c
}

func (b *batch) note(c *candidate, f *provider.Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case f != nil:
		b.unsure = append(b.unsure, c)
		b.lost = b.lost || f.Lost
	case !c.live.IsNull():
		b.there = append(b.there, c)
	}
}

// find reads a candidate.
func (v *visit) find(ctx context.Context, t string, c *candidate) *provider.Failure {
	ctx, cancel := v.timed(ctx)
	defer cancel()
	answer, f := v.session.process.Find(ctx, t, c.raw, v.session.meta)
	if f != nil {
		return f
	}
	live, err := value.Decode(answer.GetMsgpack(), answer.GetJson(), v.listable[t].resource.Type)
	if err != nil {
		return badAnswer(err)
	}
	c.live, c.id = &live, textOf(live, "id")
	return nil
}

// again keeps those candidates that a second list shows as well, and takes the objects that it gives.
func (v *visit) again(ctx context.Context, t string, unsure []*candidate) []*candidate {
	if len(unsure) == 0 {
		return nil
	}
	f := stopped()
	if wait(ctx, v.listing.stack.config.ConfirmDelay) {
		f = v.session.ensure(ctx)
	}
	if f != nil {
		v.listing.note(t, v.gap(f))
		return nil
	}
	k := v.listable[t]
	config, err := listConfig(v.listing.stack.config.List[t], k.config)
	if err != nil {
		return nil // it was said before
	}
	second := map[string]provider.Listed{}
	request := v.request(t, config)
	request.Objects = true
	f = v.session.process.List(ctx, request, func(l provider.Listed) { second[decodeKey(l.Identity, k)] = l })
	if f != nil {
		v.listing.note(t, v.gap(f))
		if f.Lost {
			v.session.lost()
		}
	}
	var out []*candidate
	for _, c := range unsure {
		l, ok := second[c.key]
		if !ok {
			continue
		}
		live, err := value.Decode(l.Object.GetMsgpack(), l.Object.GetJson(), k.resource.Type)
		if c.live = nil; err == nil && !live.IsNull() {
			c.live, c.id = &live, textOf(live, "id")
		}
		out = append(out, c)
	}
	return out
}
