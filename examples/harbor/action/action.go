// Package action lists what can be done to objects of the practice cloud, call by
// call, the way the APIs of real clouds are cut: a bucket's policy is put by one
// call and its versioning by another, rules of a firewall are authorized and
// revoked, tags are added by name. The cloud carries the actions out; a client
// splits a change into them.
package action

import (
	"fmt"
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// An Op is how an action changes attributes.
type Op uint8

// The ops. The request names attributes and values in each case.
const (
	Set    Op = iota // attributes that are given are set; null removes one
	Clear            // the action's attributes are removed; the request gives none
	Fix              // the attribute is set to the action's own value
	Add              // elements are put into a set
	Remove           // elements are taken from a set
	Merge            // keys are put into a map
	Drop             // keys are taken from a map; the request gives them with null
)

// An Action is one call of the API.
type Action struct {
	Name       string
	Op         Op
	Attributes []string // what it may change; one for all ops but Set and Clear
	Value      any      // of Fix
	Bulk       bool     // it takes several objects at once
	Single     bool     // it takes one element or key at a time
}

// A Kind is how one type of object is called in the API.
type Kind struct {
	Service string
	// The calls for whole objects: by POST, GET, GET of all, PATCH, PUT and DELETE.
	Create, Get, List, Modify, Replace, Delete string
	// CreateWith are the attributes that go with the creation; the others are set
	// by actions after it. None: all go with it.
	CreateWith []string
	Actions    []Action
}

func tags(merge, drop string, bulk bool) []Action {
	return []Action{{Name: merge, Op: Merge, Attributes: []string{"tags"}, Bulk: bulk}, {Name: drop, Op: Drop, Attributes: []string{"tags"}, Bulk: bulk}}
}

func set(name string, attributes ...string) Action {
	return Action{Name: name, Op: Set, Attributes: attributes}
}

func unset(name string, attributes ...string) Action {
	return Action{Name: name, Op: Clear, Attributes: attributes}
}

func fixed(name, attribute string, value any, bulk bool) Action {
	return Action{Name: name, Op: Fix, Attributes: []string{attribute}, Value: value, Bulk: bulk}
}

// Kinds are all types of objects. Where an attribute has several actions, the
// first that can bring a change about is the one that clients use.
var Kinds = map[string]Kind{
	"firewall": {
		Service: "firewall", CreateWith: []string{"name", "description", "default_action", "tags"}, Create: "CreateFirewall", Get: "DescribeFirewall", List: "DescribeFirewalls", Modify: "ModifyFirewall", Replace: "ReplaceFirewall", Delete: "DeleteFirewall",
		Actions: slices.Concat([]Action{
			{Name: "AuthorizeFirewallRules", Op: Add, Attributes: []string{"rules"}},
			{Name: "RevokeFirewallRules", Op: Remove, Attributes: []string{"rules"}},
			set("ReplaceFirewallRules", "rules"),
			set("ModifyFirewallAttribute", "name", "description", "default_action"),
		}, tags("CreateTags", "DeleteTags", true)),
	},
	"bucket": {
		Service: "storage", CreateWith: []string{"name", "region"}, Create: "CreateBucket", Get: "GetBucket", List: "ListBuckets", Modify: "ModifyBucket", Replace: "ReplaceBucket", Delete: "DeleteBucket",
		Actions: []Action{
			set("PutBucketPolicy", "policy"), unset("DeleteBucketPolicy", "policy"),
			set("PutBucketVersioning", "versioning"),
			set("PutBucketEncryption", "encryption"), unset("DeleteBucketEncryption", "encryption"),
			set("PutPublicAccessBlock", "public_access"), unset("DeletePublicAccessBlock", "public_access"),
			set("PutBucketLifecycleConfiguration", "lifecycle_rules"), unset("DeleteBucketLifecycle", "lifecycle_rules"),
			set("PutBucketTagging", "tags"), unset("DeleteBucketTagging", "tags"),
			set("PutBucketQuota", "quota_bytes"), unset("DeleteBucketQuota", "quota_bytes"),
			set("ModifyBucketAttribute", "name", "region"),
		},
	},
	"role": {
		Service: "access", CreateWith: []string{"name", "description", "max_session_seconds", "trust_policy", "tags"}, Create: "CreateRole", Get: "GetRole", List: "ListRoles", Modify: "ModifyRole", Replace: "ReplaceRole", Delete: "DeleteRole",
		Actions: slices.Concat([]Action{
			set("UpdateRole", "name", "description", "max_session_seconds"), set("UpdateAssumeRolePolicy", "trust_policy"),
			{Name: "AttachRolePolicy", Op: Add, Attributes: []string{"attached_policies"}, Single: true},
			{Name: "DetachRolePolicy", Op: Remove, Attributes: []string{"attached_policies"}, Single: true},
			{Name: "PutRolePolicy", Op: Merge, Attributes: []string{"inline_policies"}, Single: true},
			{Name: "DeleteRolePolicy", Op: Drop, Attributes: []string{"inline_policies"}, Single: true},
		}, tags("TagRole", "UntagRole", false)),
	},
	"instance": {
		Service: "compute", Create: "RunInstances", Get: "DescribeInstance", List: "DescribeInstances", Modify: "ModifyInstance", Replace: "ReplaceInstance", Delete: "TerminateInstances",
		Actions: slices.Concat([]Action{
			fixed("StopInstances", "state", "stopped", true), fixed("StartInstances", "state", "running", true),
			set("ModifyInstanceAttribute", "name", "instance_type", "user_data", "firewall_ids", "termination_protection"),
			set("ModifyInstanceMetadataOptions", "metadata_options"),
		}, tags("CreateTags", "DeleteTags", true)),
	},
	"database": {
		Service: "database", Create: "CreateDatabase", Get: "DescribeDatabase", List: "DescribeDatabases", Modify: "UpdateDatabase", Replace: "ReplaceDatabase", Delete: "DeleteDatabase",
		Actions: []Action{
			set("ModifyDatabase", "name", "engine", "size", "password", "admin_password", "backup_days"),
			{Name: "ModifyDatabaseParameters", Op: Merge, Attributes: []string{"parameters"}},
			{Name: "ResetDatabaseParameters", Op: Drop, Attributes: []string{"parameters"}},
			set("PutDatabaseUsers", "users"), unset("DeleteDatabaseUsers", "users"),
		},
	},
	"function": {
		Service: "function", Create: "CreateFunction", Get: "GetFunction", List: "ListFunctions", Modify: "ModifyFunction", Replace: "ReplaceFunction", Delete: "DeleteFunction",
		Actions: slices.Concat([]Action{
			set("UpdateFunctionConfiguration20150331v2", "name", "description", "runtime", "memory_mb", "timeout_seconds", "role_id", "environment"), set("UpdateFunctionCode20150331v2", "code_hash"),
		}, tags("TagResource20170331v2", "UntagResource20170331v2", false)),
	},
	"queue": {
		Service: "queue", Create: "CreateQueue", Get: "GetQueueAttributes", List: "ListQueues", Modify: "ModifyQueue", Replace: "ReplaceQueue", Delete: "DeleteQueue",
		Actions: slices.Concat([]Action{
			set("SetQueueAttributes", "name", "visibility_timeout_seconds", "delay_seconds", "retention_seconds", "redrive_policy"),
		}, tags("TagQueue", "UntagQueue", false)),
	},
	"dns_record": {
		Service: "dns", Create: "ChangeResourceRecordSets", Get: "GetResourceRecordSet", List: "ListResourceRecordSets", Modify: "ChangeResourceRecordSets", Replace: "ChangeResourceRecordSets", Delete: "ChangeResourceRecordSets",
		Actions: []Action{{Name: "ChangeResourceRecordSets", Op: Set, Attributes: []string{"zone", "name", "type", "ttl", "values", "priority_order"}, Bulk: true}},
	},
	"key": {
		Service: "key", Create: "CreateKey", Get: "DescribeKey", List: "ListKeys", Modify: "ModifyKey", Replace: "ReplaceKey", Delete: "ScheduleKeyDeletion",
		Actions: slices.Concat([]Action{
			set("PutKeyPolicy", "policy"), set("UpdateKeyDescription", "name", "description"),
			fixed("EnableKeyRotation", "rotation", true, false), fixed("DisableKeyRotation", "rotation", false, false),
			fixed("EnableKey", "enabled", true, false), fixed("DisableKey", "enabled", false, false),
		}, tags("TagResource", "UntagResource", false)),
	},
	"template": {
		Service: "compute", Create: "CreateLaunchTemplate", Get: "DescribeLaunchTemplate", List: "DescribeLaunchTemplates", Modify: "UpdateLaunchTemplate", Replace: "ReplaceLaunchTemplate", Delete: "DeleteLaunchTemplate",
		Actions: slices.Concat([]Action{set("ModifyLaunchTemplate", "name", "image", "instance_type")}, tags("CreateTags", "DeleteTags", true)),
	},
	"scaling_group": {
		Service: "scaling", Create: "CreateScalingGroup", Get: "DescribeScalingGroup", List: "DescribeScalingGroups", Modify: "ModifyScalingGroup", Replace: "ReplaceScalingGroup", Delete: "DeleteScalingGroup",
		Actions: slices.Concat([]Action{
			set("SetDesiredCapacity", "desired_capacity"), set("UpdateScalingGroup", "name", "min_size", "max_size", "template_id", "cooldown_seconds"),
		}, tags("CreateOrUpdateTags", "DeleteTags", false)),
	},
}

// Find gives an action of a kind by its name.
func Find(kind, name string) (Action, bool) {
	all := Kinds[kind].Actions
	i := slices.IndexFunc(all, func(a Action) bool { return a.Name == name })
	if i < 0 {
		return Action{}, false
	}
	return all[i], true
}

// Check says what is wrong with the attributes of a request, or nil.
func (a Action) Check(given map[string]any) error {
	for name := range given {
		if !slices.Contains(a.Attributes, name) {
			return fmt.Errorf("%s is not about the attribute %q", a.Name, name)
		}
	}
	switch none := len(given) == 0; {
	case (a.Op == Clear || a.Op == Fix) && !none:
		return fmt.Errorf("%s takes no attributes", a.Name)
	case a.Op == Clear || a.Op == Fix:
		return nil
	case none:
		return fmt.Errorf("%s needs an attribute: %v", a.Name, a.Attributes)
	}
	for name, v := range given {
		_, isMap := v.(map[string]any)
		_, isList := v.([]any)
		if (a.Op == Merge || a.Op == Drop) && !isMap {
			return fmt.Errorf("%s wants an object of keys in %q", a.Name, name)
		}
		if (a.Op == Add || a.Op == Remove) && !isList {
			return fmt.Errorf("%s wants a list of elements in %q", a.Name, name)
		}
		if a.Single && size(v) != 1 {
			return fmt.Errorf("%s wants exactly one in %q", a.Name, name)
		}
	}
	return nil
}

func size(v any) int {
	switch v := v.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

// Patch is what an action makes of the attributes of an object, as a patch: named
// attributes get new values, null removes one. The request was checked before.
func (a Action) Patch(before, given map[string]any) map[string]any {
	patch := map[string]any{}
	switch a.Op {
	case Set:
		maps.Copy(patch, given)
	case Clear:
		for _, name := range a.Attributes {
			patch[name] = nil
		}
	case Fix:
		patch[a.Attributes[0]] = a.Value
	case Add, Remove:
		for name, v := range given {
			patch[name] = elements(before[name], v.([]any), a.Op == Add)
		}
	case Merge, Drop:
		for name, v := range given {
			patch[name] = keys(before[name], v.(map[string]any))
		}
	}
	return patch
}

func elements(before any, given []any, add bool) any {
	have, _ := before.([]any)
	out := slices.Clone(have)
	for _, e := range given {
		out = slices.DeleteFunc(out, func(o any) bool { return !add && same(o, e) })
		if add && !contains(out, e) {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func keys(before any, given map[string]any) any {
	have, _ := before.(map[string]any)
	out := maps.Clone(have)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range given {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func contains(list []any, e any) bool {
	return slices.ContainsFunc(list, func(o any) bool { return same(o, e) })
}

// same compares elements of a set: what is null is not there, lists of plain
// values in them have no order.
func same(a, b any) bool { return api.Equal(plain(a), plain(b)) }

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e != nil {
				out[k] = plain(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		slices.SortFunc(out, func(a, b any) int { return compare(a, b) })
		return out
	}
	return v
}

func compare(a, b any) int {
	x, y := fmt.Sprint(a), fmt.Sprint(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
