package terraform

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A census is one list of one type.
type census struct {
	visit     *visit
	name      string
	kind      *listKind
	owned     map[string][]*record
	count     int
	nameless  int
	dropped   bool
	strangers []*candidate
}

// take lists the type, again where the system throttles it.
func (c *census) take(ctx context.Context, config []byte) *provider.Failure {
	v := c.visit
	request := v.request(c.name, config)
	return v.patiently(ctx, func() *provider.Failure {
		c.count, c.nameless, c.dropped, c.strangers = 0, 0, false, nil
		f := v.session.process.List(ctx, request, c.add)
		if f != nil && f.Lost {
			v.session.lost()
		}
		return f
	})
}

// listTimeouts is how many times as long as a call a list may take, as long as it goes on: a long one is many calls of the provider.
const listTimeouts = 10

// request asks for a list of a type.
func (v *visit) request(t string, config []byte) provider.ListRequest {
	timeout := v.listing.stack.config.Timeout
	return provider.ListRequest{Type: t, Config: config, Limit: maxListed + 1, Idle: timeout, Total: listTimeouts * timeout}
}

// patiently calls again what the system throttles, each time after a longer pause, and never at one moment with others.
func (v *visit) patiently(ctx context.Context, call func() *provider.Failure) *provider.Failure {
	for try := 1; ; try++ {
		f := call()
		if f == nil || f.Reason != taffrail.ReasonThrottled || try == listTries {
			return f
		}
		most := v.listing.stack.config.RetryPause << (try - 1)
		if !wait(ctx, most/2+rand.N(most/2+1)) {
			return stopped()
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// note takes note that declared resources were listed. Two configurations of a provider may list them at once.
func (c *census) note(records []*record) {
	c.visit.listing.mu.Lock()
	defer c.visit.listing.mu.Unlock()
	for _, r := range records {
		r.listed = true
	}
}

// add takes one listed resource.
func (c *census) add(l provider.Listed) {
	if c.count++; c.count > maxListed {
		return
	}
	var identity cty.Value
	key := ""
	if l.Identity != nil && c.kind.identity != cty.NilType {
		v, err := value.Decode(l.Identity.GetMsgpack(), l.Identity.GetJson(), c.kind.identity)
		if err == nil {
			identity, key = v, identityKey(v)
		}
	}
	switch {
	case key == "":
		c.nameless++
	case c.owned[key] != nil:
		c.note(c.owned[key])
	case len(c.strangers) == maxStrangers:
		c.dropped = true
	default:
		c.strangers = append(c.strangers, &candidate{raw: l.Identity, identity: identity, key: key})
	}
}
