package provider

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
)

// harness is a provider, configured for a cloud, spoken to as Terraform does but
// without a process between.
type harness struct {
	t      *testing.T
	server tfprotov6.ProviderServer
	schema *tfprotov6.GetProviderSchemaResponse
	url    string
	person *client.Client
	deaths []string // what the provider would have died of
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	c, err := cloud.Open(cloud.Options{Token: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { c.Close() })
	person, err := client.New(srv.URL, client.Options{Token: "sesame", Operator: true})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, url: srv.URL, person: person}
	h.server = providerserver.NewProtocol6(&harbor{version: "test", die: func(m string) { h.deaths = append(h.deaths, m) }})()
	h.schema, err = h.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	h.must(err, h.schema.Diagnostics)
	h.must(nil, h.configure(map[string]any{"url": srv.URL, "token": "sesame", "request_timeout": number("5")}))
	return h
}

func (h *harness) must(err error, diags []*tfprotov6.Diagnostic) {
	h.t.Helper()
	if err != nil || len(diags) > 0 {
		h.t.Fatal(err, said(diags))
	}
}

// said joins diagnostics to one line each.
func said(diags []*tfprotov6.Diagnostic) string {
	var out strings.Builder
	for _, d := range diags {
		fmt.Fprintf(&out, "%v: %s: %s\n", d.Severity, d.Summary, d.Detail)
	}
	return out.String()
}

func (h *harness) configure(config map[string]any) []*tfprotov6.Diagnostic {
	h.t.Helper()
	value := h.value(h.schema.Provider, config)
	resp, err := h.server.ConfigureProvider(h.t.Context(), &tfprotov6.ConfigureProviderRequest{Config: h.dynamic(value)})
	h.must(err, nil)
	return resp.Diagnostics
}

// value makes a value of a schema's type from JSON; tftypes.UnknownValue stands
// for itself.
func (h *harness) value(s *tfprotov6.Schema, attributes map[string]any) tftypes.Value {
	h.t.Helper()
	t := s.ValueType().(tftypes.Object)
	out := map[string]tftypes.Value{}
	for name, at := range t.AttributeTypes {
		if attributes[name] == tftypes.UnknownValue {
			out[name] = tftypes.NewValue(at, tftypes.UnknownValue)
			continue
		}
		v, err := decode(attributes[name], at, name)
		h.must(err, nil)
		out[name] = v
	}
	return tftypes.NewValue(t, out)
}

func (h *harness) dynamic(v tftypes.Value) *tfprotov6.DynamicValue {
	h.t.Helper()
	d, err := tfprotov6.NewDynamicValue(v.Type(), v)
	h.must(err, nil)
	return &d
}

func (h *harness) of(kind string) *tfprotov6.Schema {
	h.t.Helper()
	s, ok := h.schema.ResourceSchemas["harbor_"+kind]
	if !ok {
		h.t.Fatalf("no resource type harbor_%s", kind)
	}
	return s
}

// instance is a resource as a state file has it.
type instance struct {
	kind    string
	state   tftypes.Value
	private []byte
}

func (h *harness) attributes(i instance) map[string]any {
	h.t.Helper()
	v, err := encode(i.state)
	h.must(err, nil)
	return v.(map[string]any)
}

// apply plans and applies a configuration over a prior instance (zero: create).
func (h *harness) apply(kind string, config map[string]any, prior instance) instance {
	h.t.Helper()
	s := h.of(kind)
	t := s.ValueType()
	if prior.kind == "" {
		prior = instance{kind: kind, state: tftypes.NewValue(t, nil)}
	}
	configured := h.value(s, config)
	plan, err := h.server.PlanResourceChange(h.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: "harbor_" + kind, PriorState: h.dynamic(prior.state), PriorPrivate: prior.private,
		Config: h.dynamic(configured), ProposedNewState: h.dynamic(h.proposed(s, configured, prior.state)),
	})
	h.must(err, plan.Diagnostics)
	applied, err := h.server.ApplyResourceChange(h.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: "harbor_" + kind, PriorState: h.dynamic(prior.state), Config: h.dynamic(configured),
		PlannedState: plan.PlannedState, PlannedPrivate: plan.PlannedPrivate,
	})
	h.must(err, applied.Diagnostics)
	return instance{kind: kind, state: h.undynamic(applied.NewState, t), private: applied.Private}
}

// proposed is the configuration with what the cloud computes taken from the
// prior state, and write-only attributes nulled, as a core proposes it.
func (h *harness) proposed(s *tfprotov6.Schema, config, prior tftypes.Value) tftypes.Value {
	h.t.Helper()
	shared, err := membersOf(config)
	h.must(err, nil)
	members := maps.Clone(shared)
	before := map[string]tftypes.Value{}
	if !prior.IsNull() {
		before, err = membersOf(prior)
		h.must(err, nil)
	}
	for _, a := range s.Block.Attributes {
		if v, ok := before[a.Name]; ok && a.Computed && members[a.Name].IsNull() {
			members[a.Name] = v
		}
		if a.WriteOnly {
			members[a.Name] = tftypes.NewValue(a.ValueType(), nil)
		}
	}
	return tftypes.NewValue(config.Type(), members)
}

func (h *harness) undynamic(d *tfprotov6.DynamicValue, t tftypes.Type) tftypes.Value {
	h.t.Helper()
	v, err := d.Unmarshal(t)
	h.must(err, nil)
	return v
}

// read refreshes an instance.
func (h *harness) read(i instance) (instance, []*tfprotov6.Diagnostic) {
	h.t.Helper()
	resp, err := h.server.ReadResource(h.t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName: "harbor_" + i.kind, CurrentState: h.dynamic(i.state), Private: i.private,
	})
	h.must(err, nil)
	return instance{kind: i.kind, state: h.undynamic(resp.NewState, i.state.Type()), private: resp.Private}, resp.Diagnostics
}

// reread is read where no trouble is expected.
func (h *harness) reread(i instance) map[string]any {
	h.t.Helper()
	after, diags := h.read(i)
	h.must(nil, diags)
	return h.attributes(after)
}

// byHand changes an object as a person would.
func (h *harness) byHand(i instance, attributes map[string]any) {
	h.t.Helper()
	_, err := h.person.Patch(h.t.Context(), i.kind, stringAt(i.state, "id"), attributes, "")
	h.must(err, nil)
}

func (h *harness) fault(target, fault string) {
	h.t.Helper()
	f, err := api.ParseFault(fault)
	h.must(err, nil)
	h.must(h.person.SetFault(h.t.Context(), api.TargetedFault{Target: api.Target(target), Fault: f}), nil)
}
