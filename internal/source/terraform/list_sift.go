package terraform

import (
	"context"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// sift gives those candidates that are declared by nobody, and are still there.
func (v *visit) sift(ctx context.Context) []taffrail.Observation {
	var all []taffrail.Observation
	for t, candidates := range v.finds {
		candidates = v.unclaimed(ctx, t, v.fresh(t, candidates))
		candidates = v.confirm(ctx, t, candidates)
		for _, c := range candidates {
			if v.claimed(ctx, t, c) {
				continue
			}
			o, f := v.observe(t, c)
			if f != nil {
				v.listing.note(t, v.gap(f))
				continue
			}
			all = append(all, o)
		}
	}
	return all
}

// fresh leaves out what another configuration of the same provider has listed as well: an identity is of one object, whichever
// configuration looks at it.
func (v *visit) fresh(t string, candidates []*candidate) []*candidate {
	v.listing.mu.Lock()
	defer v.listing.mu.Unlock()
	var out []*candidate
	for _, c := range candidates {
		key := v.config.Provider.String() + " " + t + " " + c.key
		if !v.listing.seen[key] {
			v.listing.seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

// unclaimed leaves out what a resource of the stack turns out to be, whose identity the state does not hold, or holds as it was before it
// changed. Such a resource is read for the identity that it has now.
func (v *visit) unclaimed(ctx context.Context, t string, candidates []*candidate) []*candidate {
	if len(candidates) == 0 {
		return nil
	}
	ids := map[string]bool{}
	for _, c := range candidates {
		ids[c.impliedID()] = true
	}
	var suspects []*record
	for _, r := range v.records(t) {
		if r.own && !r.listed && (r.key == "" || r.id != "" && ids[r.id]) {
			suspects = append(suspects, r)
		}
	}
	v.askAll(ctx, t, suspects)
	live, unknown := map[string]bool{}, 0
	for _, r := range suspects {
		live[r.live] = true
		if r.failed && r.key == "" && r.id == "" {
			unknown++
		}
	}
	if unknown > 0 {
		v.listing.note(t, v.undecided(unknown))
		return nil
	}
	var out []*candidate
	for _, c := range candidates {
		if !live[c.key] {
			out = append(out, c)
		}
	}
	return out
}

// askAll reads resources for their identities, some at once.
func (v *visit) askAll(ctx context.Context, t string, records []*record) {
	var workers sync.WaitGroup
	next := make(chan *record)
	for range min(v.listing.stack.config.ServiceConcurrency, len(records)) {
		workers.Go(func() {
			for r := range next {
				v.ask(ctx, t, r)
			}
		})
	}
	for _, r := range records {
		next <- r
	}
	close(next)
	workers.Wait()
}

// ask reads a resource of the stack for its identity, once. A resource of another configuration is asked by that one.
func (v *visit) ask(ctx context.Context, t string, r *record) {
	if r.asked {
		return
	}
	r.asked = true
	by := v.listing.visitOf(r.instance.Provider)
	if by == nil || by.failure != nil || by.listable[t] == nil || by.session.process == nil {
		r.failed = true
		return
	}
	r.failed = by.patiently(ctx, func() (f *provider.Failure) {
		r.live, f = by.liveIdentity(ctx, t, r)
		return f
	}) != nil
}

// liveIdentity is empty for a resource that is gone, or of a provider that gives none.
func (v *visit) liveIdentity(ctx context.Context, t string, r *record) (string, *provider.Failure) {
	ctx, cancel := v.timed(ctx)
	defer cancel()
	i, k, process := r.instance, v.listable[t], v.session.process
	stored := provider.Stored{Type: t, Version: i.SchemaVersion, JSON: i.Attributes, Flat: i.Flat}
	if i.SchemaVersion == k.resource.Version {
		stored.JSON = value.Strip(i.Attributes, k.resource.Type)
	}
	prior, f := process.Upgrade(ctx, stored)
	if f != nil {
		return "", f
	}
	request := provider.Request{Type: t, Prior: prior, Private: i.Private, Meta: v.session.meta}
	if i.Identity != nil {
		if request.Identity, f = process.UpgradeIdentity(ctx, t, i.IdentityVersion, i.Identity); f != nil {
			return "", f
		}
	}
	answer, f := process.Read(ctx, request)
	if f != nil {
		return "", f
	}
	return decodeKey(answer.Identity.GetIdentityData(), k), nil
}

// claimed says whether an object that was read turns out to be declared after all: by its id, where no identity is at hand. That is so of
// another stack's resource from before its provider had identities, and of our own that could not be read.
func (v *visit) claimed(ctx context.Context, t string, c *candidate) bool {
	for _, r := range v.records(t) {
		same := r.id != "" && (r.id == c.id || r.id == c.impliedID())
		if r.listed { // and so it is another object, with another identity
			continue
		}
		if r.own && same {
			if v.ask(ctx, t, r); r.live == c.key { // its identity changed since it was recorded
				return true
			}
		}
		if unknown := r.key == "" && r.live == "" || r.failed; !unknown {
			continue
		}
		if same {
			return true
		}
		if r.failed && c.id == "" && c.impliedID() == "" {
			v.listing.note(t, v.undecided(1))
			return true
		}
	}
	return false
}

// undecided says that resources of the stack may be among those that were listed.
func (v *visit) undecided(n int) *taffrail.Gap {
	return v.gap(&provider.Failure{
		Reason: taffrail.ReasonError,
		Detail: plural(n, "resource of the stack has", "resources of the stack have") + " no identity in the state and could not be read for one, so that what was listed may be theirs",
	})
}

// visitOf finds the visit of a provider configuration.
func (l *listing) visitOf(c addr.ProviderConfig) *visit {
	for _, v := range l.visits {
		if v.config == c {
			return v
		}
	}
	return nil
}
