package legacy

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// dnsRecord is what the cloud keeps.
type dnsRecord struct {
	Zone    string   `json:"zone"`
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	TTL     int      `json:"ttl"`
	Values  []string `json:"values"`
	Comment string   `json:"comment"`
	Proxied bool     `json:"proxied"`
}

// dnsRecordResource has an attribute "id" of its own in the schema, as some types
// have: computed, and not optional as the one that the SDK adds.
func dnsRecordResource() *schema.Resource {
	k := kind[dnsRecord]{name: "dns_record", expand: expandDNSRecord, flatten: flattenDNSRecord, afterCreate: keepPlanned[dnsRecord], afterUpdate: keepPlanned[dnsRecord]}
	return &schema.Resource{
		Description:   "A name and what it stands for.",
		CreateContext: k.create, ReadContext: k.read, UpdateContext: k.update, DeleteContext: k.delete,
		Importer: &schema.ResourceImporter{StateContext: importDNSRecord},
		Schema: map[string]*schema.Schema{
			"id":      {Type: schema.TypeString, Computed: true},
			"zone":    {Type: schema.TypeString, Required: true, ForceNew: true, DiffSuppressFunc: sameButForDot},
			"name":    {Type: schema.TypeString, Required: true, ForceNew: true},
			"type":    {Type: schema.TypeString, Required: true, ForceNew: true},
			"ttl":     {Type: schema.TypeInt, Optional: true, Default: 300},
			"values":  {Type: schema.TypeSet, Required: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"comment": {Type: schema.TypeString, Optional: true},
			"proxied": {Type: schema.TypeBool, Optional: true},
		},
	}
}

// keepPlanned leaves the state as it was planned.
func keepPlanned[T any](*schema.ResourceData, api.Object, T) error { return nil }

func sameButForDot(_, before, after string, _ *schema.ResourceData) bool {
	return strings.TrimSuffix(before, ".") == strings.TrimSuffix(after, ".")
}

// importDNSRecord finds a record by "zone/name", or by the cloud's id.
func importDNSRecord(ctx context.Context, d *schema.ResourceData, meta any) ([]*schema.ResourceData, error) {
	zone, name, named := strings.Cut(d.Id(), "/")
	if !named {
		return []*schema.ResourceData{d}, nil
	}
	objects, err := meta.(*connection).client.List(ctx, "dns_record")
	if err != nil {
		return nil, fmt.Errorf("look for record %s: %w", d.Id(), err)
	}
	var found []string
	for _, o := range objects {
		if o.Name() == name && o.Attributes["zone"] == zone {
			found = append(found, o.ID)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d records are called %s: import one by its id instead", len(found), d.Id())
	}
	d.SetId(found[0])
	return []*schema.ResourceData{d}, nil
}

func expandDNSRecord(d *schema.ResourceData) dnsRecord {
	return dnsRecord{
		Zone: strings.TrimSuffix(get[string](d, "zone"), "."), Name: get[string](d, "name"), Type: get[string](d, "type"),
		TTL: get[int](d, "ttl"), Values: texts(get[*schema.Set](d, "values").List()),
		Comment: get[string](d, "comment"), Proxied: get[bool](d, "proxied"),
	}
}

func flattenDNSRecord(d *schema.ResourceData, _ api.Object, r dnsRecord) error {
	return setAll(d, map[string]any{
		"zone": r.Zone, "name": r.Name, "type": r.Type, "ttl": r.TTL, "values": r.Values, "comment": r.Comment, "proxied": r.Proxied,
	})
}
