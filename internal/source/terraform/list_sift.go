package terraform

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
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

// confirm reads each candidate by its identity: a list may still show what is gone, and says little of what is there. What cannot be
// read so must be in a second list, a while later.
func (v *visit) confirm(ctx context.Context, t string, candidates []*candidate) []*candidate {
	if len(candidates) == 0 || v.session.ensure(ctx) != nil {
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
	if len(unsure) == 0 || !wait(ctx, v.listing.stack.config.ConfirmDelay) || v.session.ensure(ctx) != nil {
		return nil
	}
	k := v.listable[t]
	config, err := listConfig(v.listing.stack.config.List[t], k.config)
	if err != nil {
		return nil // it was said before
	}
	second := map[string]provider.Listed{}
	f := v.session.process.List(ctx, provider.ListRequest{
		Type: t, Config: config, Objects: true, Limit: maxListed + 1, Idle: v.listing.stack.config.Timeout,
	}, func(l provider.Listed) { second[decodeKey(l.Identity, k)] = l })
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

// impliedID is what the identity says of the object's id: its attribute of that name, or its only one.
func (c *candidate) impliedID() string {
	if id := textOf(c.identity, "id"); id != "" {
		return id
	}
	fields := c.identity.AsValueMap()
	for name := range fields {
		if len(fields) == 1 {
			return textOf(c.identity, name)
		}
	}
	return ""
}

func textOf(v cty.Value, name string) string {
	if v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return ""
	}
	field := v.GetAttr(name)
	if field.Type() != cty.String || field.IsNull() || !field.IsKnown() {
		return ""
	}
	return field.AsString()
}

// observe makes the observation of a resource that nobody declares.
func (v *visit) observe(t string, c *candidate) (taffrail.Observation, *provider.Failure) {
	s, k := v.listing.stack, v.listable[t]
	o := taffrail.Observation{At: s.env.Now().UTC(), Recorded: taffrail.Null()}
	converter := &value.Converter{Resource: k.resource, Sealer: s.env.Sealer, Known: v.session.secrets.Load()}
	seen := c.live
	if seen == nil { // the identity is all that is known of it
		converter.Resource = &schema.Resource{Type: k.identity}
		seen = &c.identity
	} else {
		o.Handling = k.resource.Handling
	}
	converter.Learn(*seen)
	var err error
	if o.Live, err = converter.Convert(*seen); err != nil {
		return o, badAnswer(err)
	}
	name, id := c.name(), c.id
	if id == "" {
		id = c.impliedID()
	}
	o.Resource = taffrail.Resource{
		Stack: s.id(v.listing.reading.header), Type: taffrail.ResourceType(t), ID: taffrail.ResourceID(id), Provider: v.config.Provider.String(),
	}
	if converter.Holds(id) {
		o.Resource.ID = ""
	}
	if converter.Holds(name) {
		name = s.sealed(name)
	}
	o.Resource.Address = taffrail.Address(t + " (unmanaged " + name + ")")
	return o, nil
}

// sealed is a text that may be shown in place of a secret one, and is always the same for it.
func (s *stack) sealed(text string) string {
	return s.env.Sealer.Seal(taffrail.String(text)).Text()
}

// name is the identity for people: the only value that it has, else each with its name. Unlike an id, it is unique over all
// configurations of a provider.
func (c *candidate) name() string {
	var names, texts []string
	for it := c.identity.ElementIterator(); it.Next(); {
		if key, field := it.Element(); !field.IsNull() {
			names, texts = append(names, key.AsString()), append(texts, plainText(field))
		}
	}
	if c.identity.LengthInt() == 1 {
		return strings.Join(texts, "")
	}
	for i := range texts {
		texts[i] = names[i] + "=" + texts[i]
	}
	return strings.Join(texts, ",")
}

// plainText writes a value so that it fits into an address.
func plainText(v cty.Value) string {
	if v.Type() != cty.String {
		text, _ := ctyjson.Marshal(v, v.Type()) // identities have nothing that JSON has not
		return string(text)
	}
	text := v.AsString()
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(` ,="()`, r) }
	if text == "" || strings.ContainsFunc(text, odd) {
		return strconv.Quote(text)
	}
	return text
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
