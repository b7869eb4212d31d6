package provider

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// Schemas are the schemas that a provider gave, of those that were asked for.
type Schemas struct {
	Provider  *tfwire.Schema
	Resources map[string]*tfwire.Schema
	Meta      *tfwire.Schema // of provider_meta; nil where the provider has none
}

// Schemas asks for the schemas, and keeps those of the resource types that keep names: a large provider's whole schema
// takes tens of megabytes.
func (p *Process) Schemas(ctx context.Context, keep func(resourceType string) bool) (Schemas, *Failure) {
	var out tfwire.GetProviderSchema_Response
	if f := p.checked(ctx, "give its schema", methodSchema, &tfwire.GetProviderSchema_Request{}, &out); f != nil {
		return Schemas{}, f
	}
	s := Schemas{Provider: out.GetProvider(), Meta: out.GetProviderMeta(), Resources: map[string]*tfwire.Schema{}}
	for name, schema := range out.GetResourceSchemas() {
		if keep(name) {
			s.Resources[name] = schema
		}
	}
	if p.protocol == 5 {
		repairSchemas(s)
	}
	return s, nil
}

// Configure validates the configuration and then configures the provider with it. It must be called once, with the msgpack
// of a value that is known as a whole. tool is the version of Terraform or OpenTofu that wrote the state: providers put
// it into their user agent, and some refuse those that are too old.
func (p *Process) Configure(ctx context.Context, config []byte, tool string) *Failure {
	value := &tfwire.DynamicValue{Msgpack: config}
	var valid tfwire.ValidateProviderConfig_Response
	f := p.checked(ctx, "accept its configuration", methodValidate, &tfwire.ValidateProviderConfig_Request{Config: value}, &valid)
	if f == nil {
		in := &tfwire.ConfigureProvider_Request{TerraformVersion: tool, Config: value, ClientCapabilities: capabilities()}
		var out tfwire.ConfigureProvider_Response
		f = p.checked(ctx, "take its configuration", methodConfigure, in, &out)
	}
	return unconfigured(f)
}

// unconfigured says of a provider's refusal that its configuration is to blame, unless the refusal itself says more.
func unconfigured(f *Failure) *Failure {
	if f != nil && f.Reason == taffrail.ReasonError {
		f.Reason = taffrail.ReasonUnconfigured
		f.Hint = "set what the provider asks for, in the code or in the environment"
	}
	return f
}

func capabilities() *tfwire.ClientCapabilities {
	return &tfwire.ClientCapabilities{WriteOnlyAttributesAllowed: true}
}

// Stored is a resource as a state holds it: attributes as JSON, or as a flat map in states from before Terraform 0.12.
type Stored struct {
	Type    string
	Version int64
	JSON    json.RawMessage
	Flat    map[string]string
}

// Upgrade brings what a state holds to the provider's present schema. The answer is what a read is compared with, so that a change
// of the schema is never taken for drift.
func (p *Process) Upgrade(ctx context.Context, s Stored) (*tfwire.DynamicValue, *Failure) {
	in := &tfwire.UpgradeResourceState_Request{
		TypeName: s.Type, Version: s.Version, RawState: &tfwire.RawState{Json: s.JSON, Flatmap: s.Flat},
	}
	var out tfwire.UpgradeResourceState_Response
	f := p.checked(ctx, "upgrade the stored state", methodUpgrade, in, &out)
	return out.GetUpgradedState(), f
}

// UpgradeIdentity brings a stored identity to the provider's present identity schema.
func (p *Process) UpgradeIdentity(ctx context.Context, resourceType string, version int64, raw json.RawMessage) (*tfwire.ResourceIdentityData, *Failure) {
	in := &tfwire.UpgradeResourceIdentity_Request{
		TypeName: resourceType, Version: version, RawIdentity: &tfwire.RawState{Json: raw},
	}
	var out tfwire.UpgradeResourceIdentity_Response
	f := p.checked(ctx, "upgrade the stored identity", methodUpgradeIdentity, in, &out)
	return out.GetUpgradedIdentity(), f
}

// A Request asks for the live state of one resource.
type Request struct {
	Type     string
	Prior    *tfwire.DynamicValue // as Upgrade gave it
	Private  []byte               // what the provider stored beside the state, given back untouched
	Identity *tfwire.ResourceIdentityData
	Meta     *tfwire.DynamicValue
}

// An Answer is what a provider says of a resource.
type Answer struct {
	State    *tfwire.DynamicValue // null: it is gone
	Private  []byte
	Identity *tfwire.ResourceIdentityData // nil where the type has none
}

// Read asks for the live state of a resource.
func (p *Process) Read(ctx context.Context, r Request) (Answer, *Failure) {
	in := &tfwire.ReadResource_Request{
		TypeName: r.Type, CurrentState: r.Prior, Private: r.Private, CurrentIdentity: r.Identity,
		ProviderMeta: r.Meta, ClientCapabilities: capabilities(),
	}
	var out tfwire.ReadResource_Response
	if f := p.checked(ctx, "read the resource", methodRead, in, &out); f != nil {
		return Answer{}, f
	}
	if d := out.GetDeferred(); d != nil {
		why := strings.ToLower(strings.ReplaceAll(d.GetReason().String(), "_", " "))
		return Answer{}, &Failure{Reason: taffrail.ReasonUnconfigured, Detail: "the provider deferred the read: " + why}
	}
	return Answer{State: out.GetNewState(), Private: out.GetPrivate(), Identity: out.GetNewIdentity()}, nil
}
