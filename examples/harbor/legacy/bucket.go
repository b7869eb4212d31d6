package legacy

import (
	"context"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/structure"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/validation"
)

// bucket is what the cloud keeps. What nobody set is not there at all.
type bucket struct {
	Name       string            `json:"name"`
	Region     *string           `json:"region,omitempty"`
	Versioning *bool             `json:"versioning"`
	QuotaBytes *int              `json:"quota_bytes"`
	Policy     *string           `json:"policy"`
	Tags       map[string]string `json:"tags"`
	Encryption *encryption       `json:"encryption"`
	Website    *website          `json:"website"`
	Lifecycle  []lifecycleRule   `json:"lifecycle_rules"`
	Grants     []grant           `json:"grants"`

	ObjectCount int    `json:"object_count,omitempty"` // the cloud's alone
	UpdatedAt   string `json:"updated_at,omitempty"`
	ETag        string `json:"etag,omitempty"`
}

type encryption struct {
	Algorithm string `json:"algorithm"`
	KeyID     string `json:"key_id"`
	BucketKey bool   `json:"bucket_key"`
}

type website struct {
	Index string `json:"index"`
	Error string `json:"error"`
}

type lifecycleRule struct {
	ID         string       `json:"id"`
	Prefix     string       `json:"prefix"`
	ExpireDays int          `json:"expire_days"`
	Enabled    bool         `json:"enabled"`
	Moves      []transition `json:"moves"`
}

type transition struct {
	Days  int    `json:"days"`
	Class string `json:"class"`
}

type grant struct {
	Who         string   `json:"who"`
	Permissions []string `json:"permissions"`
}

func bucketResource() *schema.Resource {
	k := kind[bucket]{name: "bucket", expand: expandBucket, flatten: flattenBucket}
	return &schema.Resource{
		Description:   "A place for files.",
		CreateContext: k.create, ReadContext: k.read, UpdateContext: k.update, DeleteContext: k.delete,
		Importer:      &schema.ResourceImporter{StateContext: schema.ImportStatePassthroughContext},
		CustomizeDiff: newETagWithEachChange,
		Schema: map[string]*schema.Schema{
			"name":        {Type: schema.TypeString, Required: true, ForceNew: true},
			"region":      {Type: schema.TypeString, Optional: true, Computed: true, ForceNew: true},
			"versioning":  {Type: schema.TypeBool, Optional: true},
			"quota_bytes": {Type: schema.TypeInt, Optional: true},
			"policy": {Type: schema.TypeString, Optional: true, ValidateFunc: validation.StringIsJSON,
				DiffSuppressFunc: structure.SuppressJsonDiff, Description: "JSON; the cloud's spelling is its own."},
			"tags":           {Type: schema.TypeMap, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
			"encryption":     {Type: schema.TypeList, Optional: true, MaxItems: 1, Elem: encryptionResource()},
			"website":        {Type: schema.TypeList, Optional: true, MaxItems: 1, Elem: websiteResource()},
			"lifecycle_rule": {Type: schema.TypeList, Optional: true, Elem: lifecycleResource()},
			"grant":          {Type: schema.TypeSet, Optional: true, Elem: grantResource()},
			"object_count":   {Type: schema.TypeInt, Computed: true, Description: "Grows by itself."},
			"updated_at":     {Type: schema.TypeString, Computed: true, Description: "Moves by itself."},
			"etag":           {Type: schema.TypeString, Computed: true, Description: "Moves by itself."},
		},
	}
}

// newETagWithEachChange tells the plan that a change changes the tag.
func newETagWithEachChange(_ context.Context, d *schema.ResourceDiff, _ any) error {
	if d.Id() == "" || len(d.GetChangedKeysPrefix("")) == 0 {
		return nil
	}
	return d.SetNewComputed("etag")
}

func encryptionResource() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"algorithm":  {Type: schema.TypeString, Required: true},
		"key_id":     {Type: schema.TypeString, Optional: true},
		"bucket_key": {Type: schema.TypeBool, Optional: true},
	}}
}

func websiteResource() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"index": {Type: schema.TypeString, Optional: true},
		"error": {Type: schema.TypeString, Optional: true},
	}}
}

func lifecycleResource() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"id":          {Type: schema.TypeString, Required: true},
		"prefix":      {Type: schema.TypeString, Optional: true},
		"expire_days": {Type: schema.TypeInt, Optional: true},
		"enabled":     {Type: schema.TypeBool, Required: true},
		"transition": {Type: schema.TypeSet, Optional: true, Elem: &schema.Resource{Schema: map[string]*schema.Schema{
			"days":  {Type: schema.TypeInt, Optional: true},
			"class": {Type: schema.TypeString, Required: true},
		}}},
	}}
}

func grantResource() *schema.Resource {
	return &schema.Resource{Schema: map[string]*schema.Schema{
		"who":         {Type: schema.TypeString, Required: true},
		"permissions": {Type: schema.TypeSet, Required: true, Elem: &schema.Schema{Type: schema.TypeString}},
	}}
}

func expandBucket(d *schema.ResourceData) bucket {
	b := bucket{
		Name: get[string](d, "name"), Region: given[string](d, "region"), Versioning: given[bool](d, "versioning"),
		QuotaBytes: given[int](d, "quota_bytes"), Policy: given[string](d, "policy"),
		Lifecycle: blocks(get[[]any](d, "lifecycle_rule"), expandLifecycle),
		Grants:    blocks(get[*schema.Set](d, "grant").List(), expandGrant),
	}
	if tags := get[map[string]any](d, "tags"); len(tags) > 0 {
		b.Tags = map[string]string{}
		for key, v := range tags {
			b.Tags[key], _ = v.(string)
		}
	}
	for _, e := range blocks(get[[]any](d, "encryption"), expandEncryption) {
		b.Encryption = &e
	}
	for _, w := range blocks(get[[]any](d, "website"), expandWebsite) {
		b.Website = &w
	}
	return b
}

// given is an attribute that is set to something, as the SDK understands that: not
// to its zero value.
func given[T any](d *schema.ResourceData, name string) *T {
	v, ok := d.GetOk(name)
	if !ok {
		return nil
	}
	out, _ := v.(T)
	return &out
}

func expandEncryption(b map[string]any) encryption {
	return encryption{Algorithm: in[string](b, "algorithm"), KeyID: in[string](b, "key_id"), BucketKey: in[bool](b, "bucket_key")}
}

func expandWebsite(b map[string]any) website {
	return website{Index: in[string](b, "index"), Error: in[string](b, "error")}
}

func expandLifecycle(b map[string]any) lifecycleRule {
	return lifecycleRule{
		ID: in[string](b, "id"), Prefix: in[string](b, "prefix"), ExpireDays: in[int](b, "expire_days"), Enabled: in[bool](b, "enabled"),
		Moves: blocks(setIn(b, "transition"), func(b map[string]any) transition {
			return transition{Days: in[int](b, "days"), Class: in[string](b, "class")}
		}),
	}
}

func expandGrant(b map[string]any) grant {
	return grant{Who: in[string](b, "who"), Permissions: texts(setIn(b, "permissions"))}
}
