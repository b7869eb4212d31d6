package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// dnsRecordKind has a set beside a list, and an older schema: in version 0 a
// record had one string "record" where version 1 has the set "values". Records are
// listed by zone alone.
func dnsRecordKind() resourceKind {
	k := resourceKind{name: "dns_record", identity: []string{"zone"}, listedBy: []string{"zone"}, schema: schema.Schema{
		Version:     1,
		Description: "A name and what it stands for.",
		Attributes: map[string]schema.Attribute{
			"id":             idAttribute(),
			"zone":           schema.StringAttribute{Required: true},
			"name":           nameAttribute(),
			"type":           schema.StringAttribute{Required: true, Description: "A, AAAA, CNAME, TXT, ..."},
			"ttl":            schema.Int64Attribute{Optional: true, Computed: true, Default: int64default.StaticInt64(300)},
			"values":         schema.SetAttribute{Required: true, ElementType: types.StringType, Description: "In no order."},
			"priority_order": schema.ListAttribute{Optional: true, ElementType: types.StringType, Description: "In this order."},
		},
	}}
	k.upgraders = map[int64]resource.StateUpgrader{0: {
		PriorSchema:   dnsRecordSchema0(),
		StateUpgrader: upgradeDNSRecord0,
	}}
	return k
}

func dnsRecordSchema0() *schema.Schema {
	return &schema.Schema{Attributes: map[string]schema.Attribute{
		"id":     schema.StringAttribute{Computed: true},
		"zone":   schema.StringAttribute{Required: true},
		"name":   schema.StringAttribute{Required: true},
		"type":   schema.StringAttribute{Required: true},
		"ttl":    schema.Int64Attribute{Optional: true, Computed: true},
		"record": schema.StringAttribute{Required: true},
	}}
}

// upgradeDNSRecord0 carries over all that has the same name, and makes a set of
// one out of the record.
func upgradeDNSRecord0(ctx context.Context, req resource.UpgradeStateRequest, resp *resource.UpgradeStateResponse) {
	old, err := membersOf(req.State.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Cannot upgrade harbor_dns_record from schema version 0", err.Error())
		return
	}
	t, ok := resp.State.Schema.Type().TerraformType(ctx).(tftypes.Object)
	if !ok {
		resp.Diagnostics.AddError("Cannot upgrade harbor_dns_record from schema version 0", fmt.Sprintf("schema is %s", resp.State.Schema.Type()))
		return
	}
	out := map[string]tftypes.Value{}
	for name, at := range t.AttributeTypes {
		out[name] = tftypes.NewValue(at, nil)
		if v, ok := old[name]; ok {
			out[name] = v
		}
	}
	if record := old["record"]; !record.IsNull() {
		out["values"] = tftypes.NewValue(t.AttributeTypes["values"], []tftypes.Value{record})
	}
	resp.State.Raw = tftypes.NewValue(t, out)
}
