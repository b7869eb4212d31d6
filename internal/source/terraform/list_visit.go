package terraform

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
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
