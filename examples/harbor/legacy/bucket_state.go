package legacy

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/structure"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// flattenBucket hands pointers on as they are: the SDK takes a nil one for nothing.
func flattenBucket(d *schema.ResourceData, _ api.Object, b bucket) error {
	policy, err := normalPolicy(b.Policy)
	if err != nil {
		return err
	}
	var encryptions, websites []any
	if b.Encryption != nil {
		encryptions = flat([]encryption{*b.Encryption}, flattenEncryption)
	}
	if b.Website != nil {
		websites = flat([]website{*b.Website}, flattenWebsite)
	}
	return setAll(d, map[string]any{
		"name": b.Name, "region": b.Region, "versioning": b.Versioning, "quota_bytes": b.QuotaBytes, "policy": policy, "tags": b.Tags,
		"encryption": encryptions, "website": websites,
		"lifecycle_rule": flat(b.Lifecycle, flattenLifecycle), "grant": flat(b.Grants, flattenGrant),
		"object_count": b.ObjectCount, "updated_at": b.UpdatedAt, "etag": b.ETag,
	})
}

// normalPolicy spells a policy in the one way that the provider knows.
func normalPolicy(policy *string) (*string, error) {
	if policy == nil {
		return nil, nil
	}
	normal, err := structure.NormalizeJsonString(*policy)
	if err != nil {
		return nil, fmt.Errorf("the policy is not JSON: %w", err)
	}
	return &normal, nil
}

func flattenEncryption(e encryption) map[string]any {
	return map[string]any{"algorithm": e.Algorithm, "key_id": e.KeyID, "bucket_key": e.BucketKey}
}

func flattenWebsite(w website) map[string]any {
	return map[string]any{"index": w.Index, "error": w.Error}
}

func flattenLifecycle(l lifecycleRule) map[string]any {
	return map[string]any{
		"id": l.ID, "prefix": l.Prefix, "expire_days": l.ExpireDays, "enabled": l.Enabled,
		"transition": flat(l.Moves, func(t transition) map[string]any { return map[string]any{"days": t.Days, "class": t.Class} }),
	}
}

func flattenGrant(g grant) map[string]any {
	return map[string]any{"who": g.Who, "permissions": g.Permissions}
}
