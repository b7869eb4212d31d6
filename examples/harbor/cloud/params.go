package cloud

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
)

// What services of real clouds write in the place of what they hide.
const (
	hidden  = "HIDDEN_DUE_TO_SECURITY_REASONS"
	starred = "****"
	removed = "<sensitiveDataRemoved>"
)

// subjects are the objects of a deed, as its record tells them. Each service has
// its own manners, as those of real clouds do.
type subjects struct {
	*deed
	known []*object // what is known of the objects, in the order of refs
	after []*object // the objects as they are now, where they changed
	tick  time.Duration
}

func (c *Cloud) subjectsOf(d *deed, before, after []*object) subjects {
	s := subjects{deed: d, after: after, tick: c.tick}
	for i := range before {
		s.known = append(s.known, firstOf(before[i], after[i]))
	}
	if len(s.known) > 0 {
		return s
	}
	for _, ref := range d.refs {
		// Nothing was changed; whoever named an object by another name is told by its own.
		if o := c.store.get(d.kind, ref); o != nil {
			s.known = append(s.known, o)
		}
	}
	return s
}

// named is what the objects are called by, in a way of naming.
func (s subjects) named(how func(*object) string) []any {
	var all []any
	for _, o := range s.known {
		all = append(all, how(o))
	}
	if len(all) == 0 {
		for _, ref := range s.refs {
			all = append(all, ref)
		}
	}
	return all
}

func (s subjects) one(how func(*object) string) any {
	if all := s.named(how); len(all) > 0 {
		return all[0]
	}
	return nil
}

func byID(o *object) string   { return o.ID }
func byName(o *object) string { return o.Name() }

// byForm names an object by its id or name, or by its ARN: callers do both.
func (s subjects) byForm(short func(*object) string) func(*object) string {
	return func(o *object) string {
		if digest("form", s.eventID)[0]%3 == 0 && s.eventID != "" {
			return o.arnOf()
		}
		return short(o)
	}
}

// parameters are what the request had, as its service tells it.
func (s subjects) parameters() any {
	if s.verb == verbList {
		return nil
	}
	switch s.service {
	case "storage":
		return s.storageParameters()
	case "access":
		return s.accessParameters()
	case "dns":
		return s.dnsParameters()
	case "queue":
		return s.queueParameters()
	case "function":
		return s.functionParameters()
	case "scaling":
		return s.with(map[string]any{"autoScalingGroupName": s.one(s.byForm(byName))}, "name")
	case "database":
		return s.with(map[string]any{"databaseIdentifier": s.one(byName)}, "name")
	case "key":
		return s.keyParameters()
	}
	return s.machineParameters()
}

// with adds the attributes that were given, in the manner of most services. New
// objects have their name where others have what they are called by.
func (s subjects) with(out map[string]any, name string) map[string]any {
	if s.verb == verbCreate {
		for k := range out {
			out[k] = s.given["name"]
		}
	}
	for attribute, v := range s.given {
		if s.verb == verbCreate && attribute == name {
			continue
		}
		if attribute == "name" && s.verb != verbCreate {
			out["newName"] = v
			continue
		}
		switch {
		case attribute == "tags" && s.op.Op == action.Drop && s.verb == verbAction:
			out["tagKeys"] = toAny(slices.Sorted(maps.Keys(asMap(v))))
		case attribute == "tags":
			out["tags"] = pairs(v, "key", "value")
		case attribute == "parameters" && s.op.Op == action.Drop && s.verb == verbAction:
			out["parameterNames"] = toAny(slices.Sorted(maps.Keys(asMap(v))))
		default:
			out[camelName(attribute)] = camel(attribute, conceal(s.kind, attribute, v))
		}
	}
	return out
}

// conceal hides what must not be in a record.
func conceal(kind, attribute string, v any) any {
	switch {
	case v == nil:
		return nil
	case slices.Contains(kinds[kind].secrets, attribute):
		return starred
	case attribute == "user_data":
		return removed
	case kind == "function" && attribute == "environment":
		return map[string]any{"variables": hidden}
	case kind == "database" && attribute == "users":
		users, _ := api.Clone(map[string]any{"users": v})["users"].([]any)
		for _, u := range users {
			if u, ok := u.(map[string]any); ok && u["token"] != nil {
				u["token"] = starred
			}
		}
		return users
	}
	return v
}

// machineParameters are those of services whose lists are wrapped.
func (s subjects) machineParameters() any {
	id := map[string]string{"firewall": "firewallId", "instance": "instanceId", "template": "launchTemplateId"}[s.kind]
	out := map[string]any{}
	switch {
	case s.verb == verbCreate:
	case s.op.Bulk && slices.Contains(s.op.Attributes, "tags"):
		out["resourcesSet"] = items(s.each("resourceId"))
	case s.op.Bulk:
		out["instancesSet"] = items(s.each(id))
	default:
		out[id] = s.one(byID)
	}
	for attribute, v := range s.given {
		switch {
		case attribute == "tags" && s.op.Op == action.Drop && s.verb == verbAction:
			out["tagSet"] = items(keysOnly(v))
		case attribute == "tags":
			out["tagSet"] = items(pairs(v, "key", "value"))
		case s.kind == "instance" && s.verb == verbAction && (attribute == "instance_type" || attribute == "termination_protection" || attribute == "user_data"):
			out[camelName(attribute)] = map[string]any{"value": conceal(s.kind, attribute, v)}
		default:
			out[camelName(attribute)] = wrapped(camel(attribute, conceal(s.kind, attribute, v)))
		}
	}
	return out
}

func (s subjects) each(name string) []any {
	var all []any
	for _, id := range s.named(byID) {
		all = append(all, map[string]any{name: id})
	}
	return all
}

// storageParameters keep the case of the documents that callers send.
func (s subjects) storageParameters() any {
	out := map[string]any{"bucketName": s.one(byName), "Host": "storage.harbor.example"}
	if s.verb == verbCreate {
		out["bucketName"] = s.given["name"]
	}
	for attribute, v := range s.given {
		switch {
		case attribute == "name" && s.verb == verbCreate:
		case attribute == "name":
			out["newBucketName"] = v
		case v == nil:
			out[camelName(attribute)] = nil
		case attribute == "policy":
			out["bucketPolicy"] = document(v)
		case attribute == "versioning":
			out["VersioningConfiguration"] = map[string]any{"Status": map[bool]string{true: "Enabled", false: "Disabled"}[v == true]}
		case attribute == "encryption":
			out["ServerSideEncryptionConfiguration"] = map[string]any{"Rule": map[string]any{"ApplyServerSideEncryptionByDefault": prune(map[string]any{"SSEAlgorithm": asMap(v)["algorithm"], "KMSMasterKeyID": asMap(v)["key_id"]})}}
		case attribute == "public_access":
			out["PublicAccessBlockConfiguration"] = capitals(asMap(v))
		case attribute == "tags":
			out["Tagging"] = map[string]any{"TagSet": map[string]any{"Tag": pairs(v, "Key", "Value")}}
		case attribute == "lifecycle_rules":
			out["LifecycleConfiguration"] = map[string]any{"Rule": lifecycle(v)}
		case attribute == "region":
			out["CreateBucketConfiguration"] = map[string]any{"LocationConstraint": v}
		default:
			out[camelName(attribute)] = camel(attribute, v)
		}
	}
	return out
}

func lifecycle(v any) (rules []any) {
	list, _ := v.([]any)
	for _, e := range list {
		r := asMap(e)
		status := map[bool]string{true: "Enabled", false: "Disabled"}[r["enabled"] == true]
		rules = append(rules, prune(map[string]any{"ID": r["id"], "Prefix": r["prefix"], "Expiration": map[string]any{"Days": r["expire_days"]}, "Status": status}))
	}
	return rules
}

func (s subjects) accessParameters() any {
	out := map[string]any{"roleName": s.one(byName)}
	if s.verb == verbCreate {
		out["roleName"] = s.given["name"]
	}
	for attribute, v := range s.given {
		switch {
		case attribute == "name" && s.verb == verbCreate:
		case attribute == "name":
			out["newRoleName"] = v
		case attribute == "attached_policies" && s.verb == verbAction:
			out["policyArn"] = singly(v)
		case attribute == "inline_policies" && s.verb == verbAction:
			for name, text := range asMap(v) {
				out["policyName"] = name
				if text != nil {
					out["policyDocument"] = text
				}
			}
		case attribute == "trust_policy" && s.verb == verbAction:
			out["policyDocument"] = v
		case attribute == "trust_policy":
			out["assumeRolePolicyDocument"] = v
		case attribute == "max_session_seconds":
			out["maxSessionDuration"] = v
		case attribute == "tags" && s.op.Op == action.Drop && s.verb == verbAction:
			out["tagKeys"] = toAny(slices.Sorted(maps.Keys(asMap(v))))
		case attribute == "tags":
			out["tags"] = pairs(v, "key", "value")
		default:
			out[camelName(attribute)] = camel(attribute, v)
		}
	}
	return out
}

// dnsParameters are a batch of changes, as of services that know record sets alone.
func (s subjects) dnsParameters() any {
	verb := map[bool]string{true: "CREATE", false: "UPSERT"}[s.verb == verbCreate]
	if s.verb == verbDelete {
		verb = "DELETE"
	}
	var changes []any
	zone := s.given["zone"]
	each := s.known
	if len(each) == 0 {
		each = []*object{nil}
	}
	for _, o := range each {
		record := map[string]any{}
		if o != nil {
			maps.Copy(record, o.Attributes)
			zone = o.Attributes["zone"]
		}
		maps.Copy(record, s.given)
		changes = append(changes, map[string]any{"action": verb, "resourceRecordSet": prune(map[string]any{
			"name": qualified(record["name"], record["zone"]), "type": record["type"], "tTL": record["ttl"], "resourceRecords": values(record["values"]), "priorityOrder": record["priority_order"],
		})})
	}
	if s.reads {
		return prune(map[string]any{"hostedZoneId": zone, "startRecordName": s.one(byName)})
	}
	return map[string]any{"hostedZoneId": zone, "changeBatch": map[string]any{"changes": changes}}
}

func qualified(name, zone any) any {
	if name == nil {
		return nil
	}
	return fmt.Sprintf("%v.%v.", name, zone)
}

func values(v any) (all []any) {
	list, _ := v.([]any)
	for _, e := range list {
		all = append(all, map[string]any{"value": e})
	}
	return all
}

func (s subjects) queueParameters() any {
	out := map[string]any{"queueUrl": s.one(func(o *object) string { return queueURL(o.Name()) })}
	if s.verb == verbCreate {
		out = map[string]any{"queueName": s.given["name"]}
	}
	names := map[string]string{"visibility_timeout_seconds": "VisibilityTimeout", "delay_seconds": "DelaySeconds", "retention_seconds": "MessageRetentionPeriod", "redrive_policy": "RedrivePolicy"}
	attributes := map[string]any{}
	for attribute, v := range s.given {
		switch {
		case attribute == "name":
		case attribute == "tags" && s.op.Op == action.Drop && s.verb == verbAction:
			out["tagKeys"] = toAny(slices.Sorted(maps.Keys(asMap(v))))
		case attribute == "tags":
			out["tags"] = v
		case v == nil:
			attributes[names[attribute]] = ""
		case names[attribute] != "":
			attributes[names[attribute]] = fmt.Sprint(v)
		default:
			attributes[attribute] = v
		}
	}
	if len(attributes) > 0 {
		out["attributes"] = attributes
	}
	return out
}

func (s subjects) functionParameters() any {
	if s.verb == verbAction && slices.Contains(s.op.Attributes, "tags") {
		out := map[string]any{"resource": s.one((*object).arnOf)}
		if s.op.Op == action.Drop {
			out["tagKeys"] = toAny(slices.Sorted(maps.Keys(asMap(s.given["tags"]))))
		} else {
			out["tags"] = s.given["tags"]
		}
		return out
	}
	out := s.with(map[string]any{"functionName": s.one(s.byForm(byName))}, "name")
	for from, to := range map[string]string{"memoryMb": "memorySize", "timeoutSeconds": "timeout", "roleId": "role", "codeHash": "codeSha256"} {
		if v, ok := out[from]; ok {
			out[to] = v
			delete(out, from)
		}
	}
	return out
}

func (s subjects) keyParameters() any {
	out := map[string]any{"keyId": s.one(s.byForm(byID))}
	if s.verb == verbCreate {
		out = map[string]any{}
	}
	for attribute, v := range s.given {
		switch {
		case attribute == "policy":
			out["policy"], out["policyName"] = v, "default"
		case attribute == "tags" && s.op.Op == action.Drop && s.verb == verbAction:
			out["tagKeys"] = toAny(slices.Sorted(maps.Keys(asMap(v))))
		case attribute == "tags":
			out["tags"] = pairs(v, "tagKey", "tagValue")
		case attribute == "name":
			out["aliasName"] = v
		default:
			out[camelName(attribute)] = camel(attribute, v)
		}
	}
	return out
}

// response is what the call answered, in the manner of its service.
func (s subjects) response() any {
	switch {
	case s.service == "dns":
		return map[string]any{"changeInfo": map[string]any{"id": "/change/C" + strings.ToUpper(digest("change", s.eventID)[:12]), "status": "PENDING", "submittedAt": s.at.UTC().Format(time.RFC3339)}}
	case s.verb == verbCreate && len(s.after) == 1 && s.after[0] != nil:
		return s.created(s.after[0])
	case s.service == "function" && s.verb == verbAction && len(s.after) == 1 && slices.Contains(s.op.Attributes, "memory_mb"):
		return s.configuration(s.after[0])
	case s.service == "firewall" || s.service == "compute":
		return map[string]any{"_return": true, "requestId": s.request}
	}
	return nil
}

// configuration is the whole of a function after a change, but for what is hidden.
func (s subjects) configuration(o *object) any {
	a := o.Attributes
	return prune(map[string]any{"functionName": o.Name(), "functionArn": o.arnOf(), "memorySize": a["memory_mb"], "timeout": a["timeout_seconds"], "runtime": a["runtime"], "role": a["role_id"],
		"description": a["description"], "codeSha256": a["code_hash"], "environment": map[string]any{}, "lastModified": s.at.UTC().Format(time.RFC3339)})
}

func (s subjects) created(o *object) any {
	switch s.kind {
	case "bucket":
		return nil
	case "queue":
		return map[string]any{"queueUrl": queueURL(o.Name())}
	case "role":
		return map[string]any{"role": map[string]any{"roleName": o.Name(), "roleId": o.ID, "arn": o.arnOf(), "createDate": s.at.UTC().Format(time.RFC3339)}}
	case "function":
		return s.configuration(o)
	case "key":
		return map[string]any{"keyMetadata": map[string]any{"keyId": o.ID, "arn": o.arnOf(), "enabled": true}}
	case "database":
		return map[string]any{"databaseIdentifier": o.Name(), "databaseId": o.ID, "databaseArn": o.arnOf(), "databaseStatus": "creating"}
	case "scaling_group":
		return nil
	}
	id := map[string]string{"firewall": "firewallId", "instance": "instanceId", "template": "launchTemplateId"}[s.kind]
	return map[string]any{id: o.ID, "requestId": s.request, "_return": true}
}

// resources are named by few services only, as it is with real ones.
func (s subjects) resources() (all []trail.Resource) {
	if s.service != "storage" && s.service != "key" {
		return nil
	}
	for _, o := range s.known {
		all = append(all, trail.Resource{ARN: o.arnOf(), AccountID: identity.Account, Type: map[string]string{"bucket": "AWS::S3::Bucket", "key": "AWS::KMS::Key"}[o.Type]})
	}
	return all
}

// free are attributes whose keys are data and keep their case.
var free = []string{"tags", "parameters", "environment", "inline_policies"}

func camel(attribute string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if slices.Contains(free, attribute) {
				out[k] = e
			} else {
				out[camelName(k)] = camel(k, e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = camel(attribute, e)
		}
		return out
	}
	return v
}

// camelName turns from_port into fromPort.
func camelName(name string) string {
	parts := strings.Split(name, "_")
	for i, p := range parts[1:] {
		if p != "" {
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}

func capitals(v map[string]any) map[string]any {
	out := map[string]any{}
	for k, e := range v {
		name := camelName(k)
		out[strings.ToUpper(name[:1])+name[1:]] = e
	}
	return out
}

// wrapped puts lists into {"items": [...]}.
func wrapped(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = wrapped(e)
		}
		return items(out)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = wrapped(e)
		}
		return out
	}
	return v
}

func items(list []any) any { return map[string]any{"items": list} }

func pairs(v any, key, value string) []any {
	var all []any
	tags := asMap(v)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, map[string]any{key: k, value: tags[k]})
	}
	return all
}

func keysOnly(v any) []any {
	var all []any
	for _, k := range slices.Sorted(maps.Keys(asMap(v))) {
		all = append(all, map[string]any{"key": k})
	}
	return all
}

func toAny(list []string) []any {
	var all []any
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// singly is the one element of a list, or the list.
func singly(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return v
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// prune drops what is nil.
func prune(v map[string]any) map[string]any {
	maps.DeleteFunc(v, func(_ string, e any) bool { return e == nil })
	return v
}

// document opens text that is JSON.
func document(v any) any {
	text, _ := v.(string)
	var out any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&out) != nil {
		return v
	}
	return out
}
