package terraform

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

const (
	// maxListed is how many resources of one type are listed by one provider configuration.
	maxListed = 100_000
	// maxStrangers is how many of them may be declared by nobody: each is read alone.
	maxStrangers = 5_000
	// listTries is how often a list is begun, or an object is looked up, that the system throttles.
	listTries = 5
)

// A visit is what one provider configuration is asked in a listing. One list at a time: what a system takes in lists it does not
// take in reads, and a provider that dies is known by the type that it died of.
type visit struct {
	listing *listing
	config  addr.ProviderConfig
	session *session

	failure  *provider.Failure // why nothing can be asked
	types    []string          // all that the provider has
	listable map[string]*listKind
	finds    map[string][]*candidate // by type, in the order of the list
}

// A listKind is a type that can be listed.
type listKind struct {
	config   *tfwire.Schema
	resource *schema.Resource
	identity cty.Type // NilType where the provider has none
	version  int64    // of the identity
}

// A candidate was listed, and no state holds its identity.
type candidate struct {
	raw      *tfwire.DynamicValue
	identity cty.Value
	key      string
	live     *cty.Value // once it was read
	id       string     // of the live object; empty where it has none
}

// gap makes a gap of a failure, fit to leave the package.
func (v *visit) gap(f *provider.Failure) *taffrail.Gap {
	detail := v.session.secrets.Load().Message(f.Detail)
	return &taffrail.Gap{Reason: f.Reason, Detail: fmt.Sprintf("%s: %s", v.config, detail), Hint: f.Hint}
}

func (v *visit) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, v.listing.stack.config.Timeout)
}

// explore asks what can be listed.
func (v *visit) explore(ctx context.Context) {
	if v.failure = v.session.ensure(ctx); v.failure != nil {
		return
	}
	ctx, cancel := v.timed(ctx)
	defer cancel()
	listable, types, f := v.session.process.Listables(ctx)
	if f != nil {
		v.failed(f)
		return
	}
	v.types, v.listable = types, map[string]*listKind{}
	for t, l := range listable {
		k, err := compileList(l)
		if err != nil {
			v.listing.note(t, v.gap(&provider.Failure{Reason: taffrail.ReasonError, Detail: fmt.Sprintf("the schema of %s: %v", t, err)}))
			continue
		}
		v.listable[t] = k
	}
}

// failed takes note that nothing can be asked any more.
func (v *visit) failed(f *provider.Failure) {
	v.failure = f
	if f.Lost {
		v.session.lost()
	}
}

func compileList(l provider.Listable) (*listKind, error) {
	resource, err := schema.Compile(l.Resource, false) // which SDK made it matters only to comparisons
	if err != nil {
		return nil, err
	}
	k := &listKind{config: l.Config, resource: resource, identity: cty.NilType, version: l.Identity.GetVersion()}
	if l.Identity == nil {
		return k, nil
	}
	fields := map[string]cty.Type{}
	for _, a := range l.Identity.GetIdentityAttributes() {
		if fields[a.GetName()], err = ctyjson.UnmarshalType(a.GetType()); err != nil {
			return nil, fmt.Errorf("identity attribute %q: %w", a.GetName(), err)
		}
	}
	k.identity = cty.Object(fields)
	return k, nil
}

// list lists each type of the scope.
func (v *visit) list(ctx context.Context) {
	types := make([]string, 0, len(v.listable))
	for t := range v.listable {
		if v.listing.wants(t) {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	for _, t := range types {
		if ctx.Err() != nil {
			return
		}
		if f := v.session.ensure(ctx); f != nil {
			v.listing.note(t, v.gap(f))
			continue
		}
		v.listing.note(t, v.listType(ctx, t, v.listable[t]))
	}
}

// listType lists one type. What it gives is why that is not all; nil if it is.
func (v *visit) listType(ctx context.Context, t string, k *listKind) *taffrail.Gap {
	config, err := listConfig(v.listing.stack.config.List[t], k.config)
	if err != nil {
		return v.gap(&provider.Failure{
			Reason: taffrail.ReasonUnconfigured, Detail: fmt.Sprintf("the list of %s is not configured as it must be: %v", t, err),
			Hint: fmt.Sprintf("say in the settings what the list is to be given, such as list: {%s: {NAME: VALUE}}", t),
		})
	}
	if f := v.recognize(ctx, t, k); f != nil {
		return v.gap(f)
	}
	c := &census{visit: v, name: t, kind: k, owned: v.owned(t)}
	f := c.take(ctx, config)
	v.finds[t] = c.strangers
	switch {
	case f != nil:
		return v.gap(f)
	case c.count > maxListed || c.dropped:
		return v.gap(&provider.Failure{Reason: taffrail.ReasonError, Detail: fmt.Sprintf("the list of %s was cut off after %s", t, plural(min(c.count, maxListed), "resource", "resources"))})
	case c.nameless > 0:
		return v.gap(&provider.Failure{
			Reason: taffrail.ReasonError, Detail: plural(c.nameless, "resource was", "resources were") + " listed without an identity, so that nobody can say whose they are",
		})
	}
	return nil
}

// owned are the declared resources of a type by their identities.
func (v *visit) owned(t string) map[string][]*record {
	owned := map[string][]*record{}
	for _, r := range v.records(t) {
		if key := cmp.Or(r.key, r.likely); key != "" {
			owned[key] = append(owned[key], r)
		}
	}
	return owned
}

func (v *visit) records(t string) []*record {
	return v.listing.estate.records[kindOf(v.config.Provider, t)]
}

// recognize brings the recorded identities of a type to the provider's present schema of it.
func (v *visit) recognize(ctx context.Context, t string, k *listKind) *provider.Failure {
	ctx, cancel := v.timed(ctx)
	defer cancel()
	v.listing.recognizing.Lock()
	defer v.listing.recognizing.Unlock()
	for _, r := range v.records(t) {
		switch {
		case k.identity == cty.NilType || r.key != "":
			continue
		case r.instance.Identity == nil:
			r.likely = likelyKey(r.instance.Attributes, k.identity)
			continue
		}
		if r.instance.IdentityVersion == k.version {
			if identity, err := ctyjson.Unmarshal(r.instance.Identity, k.identity); err == nil {
				r.key = identityKey(identity)
				continue
			}
		}
		raw, f := v.session.process.UpgradeIdentity(ctx, t, r.instance.IdentityVersion, r.instance.Identity)
		if f != nil && f.Lost {
			v.session.lost()
			return f
		}
		if f == nil {
			r.key = decodeKey(raw.GetIdentityData(), k)
		}
	}
	return nil
}

// identityKey is an identity as text, to be compared: the same for the same values. It is empty for one that says nothing.
func identityKey(v cty.Value) string {
	if v.IsNull() || !v.IsWhollyKnown() {
		return ""
	}
	empty := true
	for _, field := range v.AsValueMap() {
		empty = empty && field.IsNull()
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil || empty {
		return ""
	}
	return string(text)
}

// likelyKey makes up the identity of a resource from its attributes of the same names, if it has all of them. An object that is listed
// under it is that resource; that none is says nothing, since an attribute may mean another thing or have changed.
func likelyKey(attributes json.RawMessage, t cty.Type) string {
	var stored map[string]json.RawMessage
	if json.Unmarshal(attributes, &stored) != nil {
		return ""
	}
	fields := map[string]cty.Value{}
	for name, at := range t.AttributeTypes() {
		raw, ok := stored[name]
		if !ok {
			return ""
		}
		var err error
		if fields[name], err = ctyjson.Unmarshal(raw, at); err != nil {
			return ""
		}
	}
	return identityKey(cty.ObjectVal(fields))
}

func decodeKey(d *tfwire.DynamicValue, k *listKind) string {
	if d == nil || k.identity == cty.NilType {
		return ""
	}
	v, err := value.Decode(d.GetMsgpack(), d.GetJson(), k.identity)
	if err != nil {
		return ""
	}
	return identityKey(v)
}

// judgeUnlisted names the types of the provider that have no list: those that were asked for or that the stack has by name, and how many
// more there are.
func (v *visit) judgeUnlisted() {
	l := v.listing
	every := l.wants(string(taffrail.EveryType))
	var more []string
	for _, t := range v.types {
		if _, ok := v.listable[t]; ok || l.verdicts[taffrail.ResourceType(t)] != nil {
			continue
		}
		asked := slices.Contains(l.scope.Types, taffrail.ResourceType(t))
		switch {
		case asked || every && len(v.records(t)) > 0:
			l.note(t, &taffrail.Gap{Reason: taffrail.ReasonUnsupported, Detail: "the provider offers no list of it"})
		case every:
			more = append(more, t)
		}
	}
	if len(more) == 0 {
		return
	}
	slices.Sort(more)
	const named = 20
	text := strings.Join(more[:min(named, len(more))], ", ")
	if len(more) > named {
		text += ", ..."
	}
	l.note(string(taffrail.EveryType), &taffrail.Gap{
		Reason: taffrail.ReasonUnsupported,
		Detail: fmt.Sprintf("%s of %s, of which the stack has none, cannot be listed: %s", plural(len(more), "more type", "more types"), v.config.Provider, text),
	})
}

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
	request := provider.ListRequest{Type: c.name, Config: config, Limit: maxListed + 1, Idle: v.listing.stack.config.Timeout}
	return v.patiently(ctx, func() *provider.Failure {
		c.count, c.nameless, c.dropped, c.strangers = 0, 0, false, nil
		f := v.session.process.List(ctx, request, c.add)
		if f != nil && f.Lost {
			v.session.lost()
		}
		return f
	})
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
