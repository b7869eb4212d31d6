package legacy

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// firewall is what the cloud keeps. Nothing is left out: an API that answers "", 0
// and false for what nobody set.
type firewall struct {
	Name          string            `json:"name"`
	Description   string            `json:"description"`
	DefaultAction string            `json:"default_action,omitempty"` // the cloud chooses
	Priority      int               `json:"priority"`
	Weight        float64           `json:"weight"`
	Enabled       bool              `json:"enabled"`
	Logging       bool              `json:"logging"`
	Owner         string            `json:"owner"`
	Banner        string            `json:"banner"`
	Tags          map[string]string `json:"tags"`
	Limits        map[string]int    `json:"limits"`
	Ports         []int             `json:"ports"`
	Labels        []string          `json:"labels"`
	Notify        []string          `json:"notify"`
	Rules         []rule            `json:"rules"`
	Egress        []egress          `json:"egress,omitempty"` // the cloud's own where nobody gives any
}

type rule struct {
	Direction   string   `json:"direction"`
	Protocol    string   `json:"protocol"`
	FromPort    int      `json:"from_port"`
	ToPort      int      `json:"to_port"`
	CIDRs       []string `json:"cidrs"`
	Description string   `json:"description"`
	Log         bool     `json:"log"`
}

type egress struct {
	Protocol string   `json:"protocol"`
	CIDRs    []string `json:"cidrs"`
}

func firewallResource() *schema.Resource {
	k := kind[firewall]{name: "firewall", expand: expandFirewall, flatten: flattenFirewall}
	return &schema.Resource{
		Description:   "A list of what may pass.",
		CreateContext: k.create, ReadContext: k.read, UpdateContext: k.update, DeleteContext: k.delete,
		Importer: &schema.ResourceImporter{StateContext: schema.ImportStatePassthroughContext},
		Schema: map[string]*schema.Schema{
			"name":           {Type: schema.TypeString, Required: true},
			"description":    {Type: schema.TypeString, Optional: true},
			"default_action": {Type: schema.TypeString, Optional: true, Computed: true},
			"priority":       {Type: schema.TypeInt, Optional: true},
			"weight":         {Type: schema.TypeFloat, Optional: true},
			"enabled":        {Type: schema.TypeBool, Optional: true, Default: true},
			"logging":        {Type: schema.TypeBool, Optional: true},
			"owner":          {Type: schema.TypeString, Optional: true, DiffSuppressFunc: sameButForCase, Description: "The cloud does not mind the case."},
			"banner":         {Type: schema.TypeString, Optional: true, StateFunc: bannerDigest, Description: "The state has its digest alone."},
			"tags":           {Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"limits":         {Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeInt}},
			"ports":          {Type: schema.TypeSet, Optional: true, Elem: &schema.Schema{Type: schema.TypeInt}},
			"labels":         {Type: schema.TypeSet, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"notify":         {Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"rule":           {Type: schema.TypeSet, Optional: true, Elem: ruleResource()},
			"egress": {Type: schema.TypeSet, Optional: true, Computed: true, ConfigMode: schema.SchemaConfigModeAttr, Elem: &schema.Resource{
				Schema: map[string]*schema.Schema{
					"protocol": {Type: schema.TypeString, Required: true},
					"cidrs":    {Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
				}}},
		},
	}
}

func ruleResource() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"direction":   {Type: schema.TypeString, Required: true},
		"protocol":    {Type: schema.TypeString, Optional: true, Default: "tcp"},
		"from_port":   {Type: schema.TypeInt, Optional: true},
		"to_port":     {Type: schema.TypeInt, Optional: true},
		"cidrs":       {Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
		"description": {Type: schema.TypeString, Optional: true},
		"log":         {Type: schema.TypeBool, Optional: true},
	}}
}

func sameButForCase(_, before, after string, _ *schema.ResourceData) bool {
	return strings.EqualFold(before, after)
}

// bannerDigest is what the state has of a banner: a digest, or nothing of nothing.
func bannerDigest(v any) string {
	text, _ := v.(string)
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func expandFirewall(d *schema.ResourceData) firewall {
	f := firewall{
		Name: get[string](d, "name"), Description: get[string](d, "description"), DefaultAction: get[string](d, "default_action"),
		Priority: get[int](d, "priority"), Weight: get[float64](d, "weight"),
		Enabled: get[bool](d, "enabled"), Logging: get[bool](d, "logging"),
		Owner: strings.ToLower(get[string](d, "owner")), Banner: plannedBanner(d),
		Tags: map[string]string{}, Limits: map[string]int{},
		Labels: texts(get[*schema.Set](d, "labels").List()),
		Notify: texts(get[[]any](d, "notify")),
		Rules:  blocks(get[*schema.Set](d, "rule").List(), expandRule),
		Egress: blocks(get[*schema.Set](d, "egress").List(), expandEgress),
	}
	for key, v := range get[map[string]any](d, "tags") {
		f.Tags[key], _ = v.(string)
	}
	for key, v := range get[map[string]any](d, "limits") {
		f.Limits[key], _ = v.(int)
	}
	for _, v := range get[*schema.Set](d, "ports").List() {
		port, _ := v.(int)
		f.Ports = append(f.Ports, port)
	}
	return f
}

// plannedBanner is the text as code has it: the plan has its digest.
func plannedBanner(d *schema.ResourceData) string {
	v := d.GetRawConfig().GetAttr("banner")
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

func expandRule(b map[string]any) rule {
	return rule{
		Direction: in[string](b, "direction"), Protocol: in[string](b, "protocol"),
		FromPort: in[int](b, "from_port"), ToPort: in[int](b, "to_port"), CIDRs: texts(in[[]any](b, "cidrs")),
		Description: in[string](b, "description"), Log: in[bool](b, "log"),
	}
}

func expandEgress(b map[string]any) egress {
	return egress{Protocol: in[string](b, "protocol"), CIDRs: texts(in[[]any](b, "cidrs"))}
}

func flattenFirewall(d *schema.ResourceData, _ api.Object, f firewall) error {
	return setAll(d, map[string]any{
		"name": f.Name, "description": f.Description, "default_action": f.DefaultAction, "priority": f.Priority, "weight": f.Weight,
		"enabled": f.Enabled, "logging": f.Logging, "owner": f.Owner, "banner": bannerDigest(f.Banner),
		"tags": f.Tags, "limits": f.Limits, "ports": f.Ports, "labels": f.Labels, "notify": f.Notify,
		"rule": flat(f.Rules, flattenRule), "egress": flat(f.Egress, flattenEgress),
	})
}

func flattenRule(r rule) map[string]any {
	return map[string]any{
		"direction": r.Direction, "protocol": r.Protocol, "from_port": r.FromPort, "to_port": r.ToPort,
		"cidrs": r.CIDRs, "description": r.Description, "log": r.Log,
	}
}

func flattenEgress(e egress) map[string]any {
	return map[string]any{"protocol": e.Protocol, "cidrs": e.CIDRs}
}
