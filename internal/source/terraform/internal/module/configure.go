package module

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/diag"
)

// Configure works out a provider's configuration. The spec is that of the provider's schema. Without a block the
// configuration is empty, and the provider goes by its environment. Whatever cannot be known for certain is an error that
// names the expression and its place: a provider must never be configured with a guess.
//
// A nil module is one whose code we do not have: every default configuration is then empty.
func (m *Module) Configure(c addr.ProviderConfig, spec hcldec.Spec, environ []string) (cty.Value, error) {
	body, err := m.providerBody(c)
	if err != nil {
		return cty.NilVal, err
	}
	if body == nil {
		v, diags := hcldec.Decode(hcl.EmptyBody(), spec, nil)
		return v, unknownConfig("", diag.First(diags))
	}
	values, err := m.Variables(environ)
	if err != nil {
		return cty.NilVal, unknownConfig("", err)
	}
	if err := m.checkKnown(hcldec.Variables(body, spec), values); err != nil {
		return cty.NilVal, err
	}
	scope := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(values)}}
	v, diags := hcldec.Decode(body, spec, scope)
	if diags.HasErrors() {
		return cty.NilVal, unknownConfig("", diag.First(diags))
	}
	if !v.IsWhollyKnown() {
		return cty.NilVal, unknownConfig("", fmt.Errorf("%s: a part of it is not known", c))
	}
	return v, nil
}

func unknownConfig(hint string, err error) error {
	if err == nil {
		return nil
	}
	return &taffrail.Error{Op: "provider configuration unknown", Kind: taffrail.KindInvalid, Hint: hint, Err: err}
}

// providerBody finds the block of a configuration. None is fine for the default configuration alone.
func (m *Module) providerBody(c addr.ProviderConfig) (hcl.Body, error) {
	switch {
	case c.Module != "":
		return nil, unknownConfig("move the provider block to the root module, and hand it down by \"providers\"", fmt.Errorf("%s is configured in a module", c))
	case c.Key != addr.Key{}:
		return nil, unknownConfig("", fmt.Errorf("%s is one of many made by for_each", c))
	case m == nil && c.Alias == "":
		return nil, nil
	case m == nil:
		return nil, unknownConfig("scan the folder of the root module", fmt.Errorf("%s is configured in code that is not at hand", c))
	}
	var found *ProviderBlock
	for i, p := range m.Providers {
		if p.Alias != c.Alias || !m.source(p.Name).Matches(c.Provider) {
			continue
		}
		if p.Override || found != nil {
			return nil, unknownConfig("", fmt.Errorf("%s: more than one block configures %s", diag.Place(p.Range), c))
		}
		found = &m.Providers[i]
	}
	if found == nil && c.Alias != "" {
		return nil, unknownConfig("", fmt.Errorf("no provider block has the alias of %s", c))
	}
	if found == nil {
		return nil, nil
	}
	return found.Body, nil
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

// checkKnown refuses references to anything but variables with a value.
func (m *Module) checkKnown(references []hcl.Traversal, values map[string]cty.Value) error {
	for _, ref := range references {
		name, isVariable := variableName(ref)
		if !isVariable {
			return unknownConfig("literals, and variables with a value, can be resolved so far", m.unknown(ref))
		}
		if _, ok := values[name]; !ok {
			return unknownConfig("set TF_VAR_"+name+", or give the variable a default", m.unknown(ref))
		}
	}
	return nil
}

func variableName(ref hcl.Traversal) (string, bool) {
	if ref.RootName() != "var" || len(ref) < 2 {
		return "", false
	}
	attr, ok := ref[1].(hcl.TraverseAttr)
	return attr.Name, ok
}

// unknown says what a reference is and where it stands. It quotes the reference alone, never what stands around it.
func (m *Module) unknown(ref hcl.Traversal) error {
	r := ref.SourceRange()
	text := ref.RootName()
	if source := m.sources[r.Filename]; r.CanSliceBytes(source) {
		text = strings.TrimSpace(string(r.SliceBytes(source)))
	}
	return fmt.Errorf("%s at %s", addr.Clip(text), diag.Place(r))
}
