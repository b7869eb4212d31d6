package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// listed is what a list gave: identities as "name=value,..." in order, objects as
// the cloud's JSON, and the diagnostics.
type listed struct {
	identities []string
	objects    []map[string]any
	said       string
}

func (h *harness) list(kind string, config map[string]any, include bool, limit int64) listed {
	h.t.Helper()
	name := "harbor_" + kind
	stream, err := h.server.(tfprotov6.ListResourceServer).ListResource(h.t.Context(), &tfprotov6.ListResourceRequest{
		TypeName: name, Config: h.dynamic(h.value(h.schema.ListResourceSchemas[name], config)), IncludeResource: include, Limit: limit,
	})
	h.must(err, nil)
	var out listed
	for r := range stream.Results {
		out.said += said(r.Diagnostics)
		if r.Identity == nil {
			continue
		}
		out.identities = append(out.identities, h.identity(kind, r.Identity))
		if r.Resource != nil && include {
			out.objects = append(out.objects, h.attributes(instance{kind: kind, state: h.undynamic(r.Resource, h.of(kind).ValueType())}))
		}
	}
	return out
}

func (h *harness) identity(kind string, d *tfprotov6.ResourceIdentityData) string {
	h.t.Helper()
	schemas, err := h.server.GetResourceIdentitySchemas(h.t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	h.must(err, nil)
	members, err := membersOf(h.undynamic(d.IdentityData, schemas.IdentitySchemas["harbor_"+kind].ValueType()))
	h.must(err, nil)
	var parts []string
	for name, v := range members {
		var text string
		h.must(v.As(&text), nil)
		parts = append(parts, name+"="+text)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func (h *harness) create(kind string, attributes map[string]any) {
	h.t.Helper()
	_, err := h.person.Create(h.t.Context(), kind, attributes)
	h.must(err, nil)
}

func TestList(t *testing.T) {
	h := newHarness(t)
	for i := range 2*maxPage + 1 {
		h.create("bucket", map[string]any{"name": fmt.Sprintf("b%d", i)})
	}
	got := h.list("bucket", nil, true, 0)
	if len(got.identities) != 2*maxPage+1 || got.identities[0] != "id=bkt-0001" || got.identities[50] != "id=bkt-0051" || got.said != "" {
		t.Errorf("got %v, %s", got.identities, got.said)
	}
	if len(got.objects) != len(got.identities) || got.objects[1]["name"] != "b1" {
		t.Errorf("objects %v", got.objects)
	}
	if got := h.list("bucket", nil, false, 30); len(got.identities) != 30 || got.objects != nil {
		t.Errorf("a limit of 30 gives %d, and objects %v", len(got.identities), got.objects)
	}
	if _, ok := h.schema.ListResourceSchemas["harbor_database"]; ok {
		t.Error("databases can be listed")
	}
}

func TestListByZone(t *testing.T) {
	h := newHarness(t)
	for _, zone := range []string{"a.example", "b.example", "a.example"} {
		h.create("dns_record", map[string]any{"name": "x", "zone": zone, "type": "A", "values": []any{"192.0.2.1"}})
	}
	want := []string{"id=dns-0001,zone=a.example", "id=dns-0003,zone=a.example"}
	if diff := cmp.Diff(want, h.list("dns_record", map[string]any{"zone": "a.example"}, false, 0).identities); diff != "" {
		t.Error(diff)
	}
	resp, err := h.server.(tfprotov6.ListResourceServer).ValidateListResourceConfig(t.Context(), &tfprotov6.ValidateListResourceConfigRequest{
		TypeName: "harbor_dns_record", Config: h.dynamic(h.value(h.schema.ListResourceSchemas["harbor_dns_record"], nil)),
	})
	if err != nil || !strings.Contains(said(resp.Diagnostics), "zone") {
		t.Errorf("without a zone: %v %s", err, said(resp.Diagnostics))
	}
}

func TestFaultsOfLists(t *testing.T) {
	h := newHarness(t)
	made := h.apply("firewall", map[string]any{"name": "web"}, instance{})
	for _, tt := range []struct{ fault, say string }{
		{"deny-list", "HTTP 403"}, {"throttle-list", "HTTP 429"}, {"deny", "HTTP 403"}, {"error", "HTTP 500"},
	} {
		h.fault("firewall", tt.fault)
		if got := h.list("firewall", nil, false, 0); len(got.identities) != 0 || !strings.Contains(got.said, tt.say) {
			t.Errorf("%s: %+v", tt.fault, got)
		}
		if _, diags := h.read(made); strings.HasSuffix(tt.fault, "-list") && len(diags) > 0 {
			t.Errorf("%s: a read says %s", tt.fault, said(diags))
		}
		h.must(h.person.ClearFaults(t.Context(), ""), nil)
	}
	h.fault("firewall", "lag-list=1m")
	if got := h.list("firewall", nil, false, 0); len(got.identities) != 0 {
		t.Errorf("a list that lags has %v", got.identities)
	}
	if h.reread(made)["name"] != "web" {
		t.Error("a read lags with the list")
	}
}

// A state from before the provider had identities gets one by a read; one whose
// zone was changed by hand gets another.
func TestIdentityOfReads(t *testing.T) {
	h := newHarness(t)
	made := h.apply("dns_record", map[string]any{"name": "x", "zone": "a.example", "type": "A", "values": []any{"192.0.2.1"}}, instance{})
	h.byHand(made, map[string]any{"zone": "b.example"})
	resp, err := h.server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: "harbor_dns_record", CurrentState: h.dynamic(made.state)})
	h.must(err, resp.Diagnostics)
	if got := h.identity("dns_record", resp.NewIdentity); got != "id=dns-0001,zone=b.example" {
		t.Errorf("identity %s", got)
	}
}

func TestImportByIdentity(t *testing.T) {
	h := newHarness(t)
	h.create("bucket", map[string]any{"name": "b"})
	schemas, err := h.server.GetResourceIdentitySchemas(t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	h.must(err, schemas.Diagnostics)
	it := schemas.IdentitySchemas["harbor_bucket"].ValueType()
	key := tftypes.NewValue(it, map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, "bkt-0001")})
	resp, err := h.server.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{
		TypeName: "harbor_bucket", Identity: &tfprotov6.ResourceIdentityData{IdentityData: h.dynamic(key)},
	})
	h.must(err, resp.Diagnostics)
	if len(resp.ImportedResources) != 1 {
		t.Fatalf("imported %d", len(resp.ImportedResources))
	}
	i := resp.ImportedResources[0]
	read, err := h.server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName: i.TypeName, CurrentState: i.State, Private: i.Private, CurrentIdentity: i.Identity,
	})
	h.must(err, read.Diagnostics)
	state := h.undynamic(read.NewState, h.of("bucket").ValueType())
	if stringAt(state, "name") != "b" {
		t.Errorf("state %s", state)
	}
}
