package module

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/lang"
)

// A Configured is a provider's configuration, wholly known and without marks. Secrets are what went into it of which the code or the
// state says that it must not be shown.
type Configured struct {
	Value   cty.Value
	Secrets []cty.Value
}

// Configure works out a provider's configuration. The spec is that of the provider's schema. Without a block the configuration is
// empty, and the provider goes by its environment. Whatever cannot be known for certain is an error that names the reference and its
// place: a provider must never be configured with a guess.
//
// A tree without a root module is one whose code we do not have: every default configuration is then empty.
func (t *Tree) Configure(c addr.ProviderConfig, spec hcldec.Spec, s Scope) (got Configured, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		if recover() != nil { // what was wrong may quote a value
			got, err = Configured{}, unknownConfig("write the values of the provider block in a simpler way, and tell us", fmt.Errorf("%s: an expression cannot be worked out", c))
		}
	}()
	if t.Root == nil {
		if c.Module != "" || c.Alias != "" || c.Key != (addr.Key{}) {
			return Configured{}, unknownConfig("scan the folder of the root module", fmt.Errorf("%s is configured in code that is not at hand", c))
		}
		return empty(spec)
	}
	e := t.evaluator(s)
	f, err := e.plainFrame(c)
	if err != nil {
		return Configured{}, err
	}
	block, err := f.providerBlock(c)
	if err != nil {
		return Configured{}, err
	}
	if block == nil {
		return empty(spec)
	}
	return e.configure(c, f, block, spec)
}

func empty(spec hcldec.Spec) (Configured, error) {
	v, diags := hcldec.Decode(hcl.EmptyBody(), spec, nil)
	return Configured{Value: v}, unknownConfig("", diag.First(diags))
}

func unknownConfig(hint string, err error) error {
	if err == nil {
		return nil
	}
	return &taffrail.Error{Op: "provider configuration unknown", Kind: taffrail.KindInvalid, Hint: hint, Err: err}
}

// notKnown is the error that a reason means.
func notKnown(u lang.Unknown) error {
	if u.Place == "" {
		return unknownConfig(u.Hint, errors.New(u.What))
	}
	return unknownConfig(u.Hint, fmt.Errorf("%s at %s", u.What, u.Place))
}

// plainFrame is the module that has a configuration. Modules that are called more than once have none: the language forbids it.
func (e *evaluator) plainFrame(c addr.ProviderConfig) (*frame, error) {
	steps, err := addr.ParseModule(c.Module)
	if err != nil {
		return nil, unknownConfig("", err)
	}
	f := e.frames[""]
	for _, step := range steps {
		call, called := f.module.calls[step.Name]
		switch {
		case !called:
			return nil, unknownConfig("apply the stack: the state has a module that the code does not call", fmt.Errorf("no code calls the module of %s", c))
		case step.Key != (addr.Key{}) || call.count != nil || call.forEach != nil:
			return nil, unknownConfig("move the provider block to the root module, and hand it down by \"providers\"",
				fmt.Errorf("%s is configured in a module that is called with count or for_each", c))
		}
		if f = e.frame(f, step.Name, addr.Key{}, nil); f == nil {
			return nil, unknownConfig("run `terraform init` or `tofu init`", fmt.Errorf("the code of the module of %s is not at hand", c))
		}
	}
	return f, nil
}

// providerBlock finds the block of a configuration. None is fine for the default configuration alone.
func (f *frame) providerBlock(c addr.ProviderConfig) (*ProviderBlock, error) {
	var found *ProviderBlock
	for i := range f.module.Providers {
		p := &f.module.Providers[i]
		if p.Alias != c.Alias || !f.module.source(p.Name).Matches(c.Provider) {
			continue
		}
		if found != nil {
			return nil, unknownConfig("", fmt.Errorf("%s: more than one block configures %s", diag.Place(p.Range), c))
		}
		if p.Override {
			return nil, unknownConfig("", fmt.Errorf("%s: an override file changes a block of %s that is not there", diag.Place(p.Range), c))
		}
		found = p
	}
	switch {
	case found == nil && (c.Alias != "" || c.Key != (addr.Key{})):
		return nil, unknownConfig("", fmt.Errorf("no provider block has the alias of %s", c))
	case found != nil && (found.ForEach == nil) != (c.Key == addr.Key{}):
		return nil, unknownConfig("apply the stack", fmt.Errorf("%s: the block makes other configurations than %s", diag.Place(found.Range), c))
	}
	return found, nil
}

// source is the provider that a local name means.
func (m *Module) source(name string) addr.Provider {
	text := m.Required[name]
	if text == "" {
		text = name
	}
	p, err := addr.ParseProvider(text)
	if err != nil {
		return addr.Provider{} // matches none
	}
	return p
}

func (e *evaluator) configure(c addr.ProviderConfig, f *frame, block *ProviderBlock, spec hcldec.Spec) (Configured, error) {
	each, err := e.eachOf(c, f, block)
	if err != nil {
		return Configured{}, err
	}
	ctx := e.context(f, dynblock.VariablesHCLDec(block.Body, spec), each)
	v, diags := hcldec.Decode(dynblock.Expand(block.Body, ctx), spec, ctx)
	if diags.HasErrors() {
		return Configured{}, notKnown(e.fault(f, diags))
	}
	bare, marks := v.UnmarkDeepWithPaths()
	if !bare.IsWhollyKnown() {
		return Configured{}, e.whyUnknown(c, f, block, bare, marks)
	}
	got := Configured{Value: bare, Secrets: e.secrets}
	for _, m := range marks {
		if _, secret := m.Marks[lang.Sensitive]; secret {
			if inner, err := m.Path.Apply(bare); err == nil {
				got.Secrets = append(got.Secrets, inner)
			}
		}
	}
	return got, nil
}

// eachOf is what "each" is in a block that makes many configurations.
func (e *evaluator) eachOf(c addr.ProviderConfig, f *frame, block *ProviderBlock) (map[string]cty.Value, error) {
	if block.ForEach == nil {
		return nil, nil
	}
	group := e.instances(f, c.Alias, repetition{forEach: block.ForEach})
	if group.unknown != cty.NilVal {
		return nil, e.firstUnknown(group.unknown.Marks(), lang.Unknown{
			What: "for_each", Place: e.place(f, block.ForEach.Range()), Hint: "it must be a map or a set that is known",
		})
	}
	key, _ := c.Key.Text()
	value, ok := group.each[key]
	if !ok {
		return nil, unknownConfig("apply the stack", fmt.Errorf("%s: for_each does not have the key of %s", e.place(f, block.Range), c))
	}
	return eachOf(key, value.WithMarks(group.marks)), nil
}

// whyUnknown names a reference that a part of the configuration needs and that is not known.
func (e *evaluator) whyUnknown(c addr.ProviderConfig, f *frame, block *ProviderBlock, v cty.Value, marks []cty.PathValueMarks) error {
	for _, m := range marks {
		inner, err := m.Path.Apply(v)
		if err != nil || !inner.IsWhollyKnown() {
			if err := e.firstUnknown(m.Marks, lang.Unknown{}); err != nil {
				return err
			}
		}
	}
	for _, u := range e.unknown { // a function may have lost the mark
		return notKnown(u)
	}
	return unknownConfig("", fmt.Errorf("%s: a part of %s is not known", e.place(f, block.Range), c))
}

// firstUnknown is the error of one of the marks, always of the same one; or of another reason, or nil.
func (e *evaluator) firstUnknown(marks cty.ValueMarks, other lang.Unknown) error {
	var reasons []lang.Unknown
	for m := range marks {
		if u, ok := m.(lang.Unknown); ok {
			reasons = append(reasons, u)
		}
	}
	if len(reasons) == 0 {
		if other == (lang.Unknown{}) {
			return nil
		}
		return notKnown(other)
	}
	return notKnown(slices.MinFunc(reasons, func(a, b lang.Unknown) int {
		// A function that did not know its place is marked twice.
		return strings.Compare(cmpKey(a), cmpKey(b))
	}))
}

func cmpKey(u lang.Unknown) string {
	if u.Place == "" {
		return "~" + u.What
	}
	return u.Place + " " + u.What
}
