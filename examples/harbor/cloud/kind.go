package cloud

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
)

// A kind is what the cloud knows of one type of object. Adding a type is adding
// a row to kinds.
type kind struct {
	name   string
	prefix string // of the ids
	// secrets are attributes that can be written and never read. The cloud keeps
	// a digest and answers NAME_set instead.
	secrets []string
	// computed are attributes that the cloud answers and nobody can write.
	computed []string
	// complete fills in what the writer left out. It may be nil.
	complete func(id string, attributes map[string]any)
	// arn makes the name that records use. It may be nil.
	arn func(service string, o *object) string
	// named kinds answer their ARN.
	named bool
	// observe adds the computed attributes as they are at a moment. It may be nil.
	observe func(o *object, tick time.Duration, now time.Time, attributes map[string]any)
}

var kinds = map[string]kind{
	"firewall": {
		name: "firewall", prefix: "fw", arn: regional,
		complete: func(_ string, a map[string]any) { setDefault(a, "default_action", "deny") },
	},
	"bucket": {
		name: "bucket", prefix: "bkt", arn: func(_ string, o *object) string { return "arn:" + identity.Partition + ":storage:::" + o.Name() },
		computed: []string{"object_count", "updated_at", "etag"},
		complete: func(_ string, a map[string]any) { setDefault(a, "region", "harbor-1") },
		observe:  observeBucket,
	},
	"database": {
		name: "database", prefix: "db", arn: regional,
		secrets:  []string{"password", "admin_password"},
		complete: completeDatabase,
	},
	"dns_record": {
		name: "dns_record", prefix: "dns",
		complete: func(_ string, a map[string]any) { setDefault(a, "ttl", json.Number("300")) },
	},
	"role": {
		name: "role", prefix: "role", computed: []string{"arn"}, named: true,
		arn:      func(_ string, o *object) string { return identity.ARN("access", "role/"+o.Name()) },
		complete: func(_ string, a map[string]any) { setDefault(a, "max_session_seconds", json.Number("3600")) },
	},
	"instance": {
		name: "instance", prefix: "i", computed: []string{"arn", "private_ip"}, named: true, arn: regional,
		complete: func(id string, a map[string]any) {
			setDefault(a, "state", "running")
			setDefault(a, "termination_protection", false)
			sum := digest("address", id)
			n := func(at int) uint64 { v, _ := strconv.ParseUint(sum[at:at+2], 16, 8); return v }
			setDefault(a, "private_ip", fmt.Sprintf("10.%d.%d.%d", n(0), n(2), n(4)))
		},
	},
	"function": {
		name: "function", prefix: "fn", computed: []string{"arn"}, named: true, arn: regionalName,
		complete: func(_ string, a map[string]any) {
			setDefault(a, "memory_mb", json.Number("128"))
			setDefault(a, "timeout_seconds", json.Number("3"))
		},
	},
	"queue": {
		name: "queue", prefix: "q", computed: []string{"arn", "url"}, named: true, arn: regionalName,
		complete: func(_ string, a map[string]any) {
			setDefault(a, "visibility_timeout_seconds", json.Number("30"))
			setDefault(a, "delay_seconds", json.Number("0"))
			setDefault(a, "retention_seconds", json.Number("345600"))
		},
	},
	"key": {
		name: "key", prefix: "key", computed: []string{"arn", "material"}, named: true, arn: regional,
		complete: func(id string, a map[string]any) {
			setDefault(a, "enabled", true)
			setDefault(a, "rotation", false)
			setDefault(a, "material", "m-"+digest("material", id, "1")[:12])
		},
	},
	"template": {name: "template", prefix: "lt", computed: []string{"arn"}, named: true, arn: regional},
	"scaling_group": {
		name: "scaling_group", prefix: "asg", computed: []string{"arn", "image", "instance_type"}, named: true, arn: regionalName,
		complete: func(_ string, a map[string]any) {
			setDefault(a, "min_size", json.Number("1"))
			setDefault(a, "max_size", json.Number("1"))
			setDefault(a, "desired_capacity", a["min_size"])
			setDefault(a, "cooldown_seconds", json.Number("300"))
		},
	},
}

// regional is the ARN of something that goes by its id, regionalName by its name.
func regional(service string, o *object) string     { return regionalARN(service, o.Type, o.ID) }
func regionalName(service string, o *object) string { return regionalARN(service, o.Type, o.Name()) }

func regionalARN(service, kind, name string) string {
	return "arn:" + identity.Partition + ":" + service + ":" + identity.Region + ":" + identity.Account + ":" + strings.ReplaceAll(kind, "_", "-") + "/" + name
}

// arnOf is the object's name in records; "" where it has none.
func (o *object) arnOf() string {
	k := kinds[o.Type]
	if k.arn == nil {
		return ""
	}
	return k.arn(action.Kinds[o.Type].Service, o)
}

// kindNames returns the types in order.
func kindNames() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func setDefault(attributes map[string]any, name string, value any) {
	if _, ok := attributes[name]; !ok {
		attributes[name] = value
	}
}

// observeBucket lets objects arrive by themselves, one in each tick, as they do
// in a bucket that is in use: count, time and tag move though nobody changed
// the bucket.
func observeBucket(o *object, tick time.Duration, now time.Time, attributes map[string]any) {
	var count int64
	updated := o.UpdatedAt
	if tick > 0 {
		count = max(0, int64(now.Sub(o.CreatedAt)/tick))
		if last := o.CreatedAt.Add(time.Duration(count) * tick); last.After(updated) {
			updated = last
		}
	}
	attributes["object_count"] = json.Number(fmt.Sprint(count))
	attributes["updated_at"] = updated.UTC().Format(time.RFC3339)
	attributes["etag"] = digest(o.ETag, fmt.Sprint(count))[:16]
}

// completeDatabase gives a database its endpoint, once.
func completeDatabase(id string, attributes map[string]any) {
	if _, ok := attributes["endpoint"]; ok {
		return
	}
	scheme, port := "postgres", 5432
	if engine, _ := attributes["engine"].(string); engine == "mysql" {
		scheme, port = "mysql", 3306
	}
	host := id + ".db.harbor.example"
	attributes["endpoint"] = map[string]any{
		"host": host,
		"port": json.Number(fmt.Sprint(port)),
		"uri":  fmt.Sprintf("%s://app:%s@%s:%d/app", scheme, digest(id)[:12], host, port),
	}
}

// digest returns the SHA-256 of the parts, each closed by a zero byte, in hex.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// check says what is wrong with attributes somebody wants to write, or "".
func (k kind) check(attributes map[string]any) string {
	for name := range attributes {
		if slices.Contains(k.computed, name) {
			return fmt.Sprintf("attribute %q is computed by the cloud and cannot be written", name)
		}
		for _, secret := range k.secrets {
			if name == secret+"_set" {
				return fmt.Sprintf("attribute %q is computed by the cloud: write %q, or null to remove it", name, secret)
			}
		}
	}
	return ""
}

// object is an api.Object and what of it is never answered.
type object struct {
	api.Object
	Secrets map[string]string `json:"secrets,omitempty"` // name to digest
}

func (o *object) clone() *object {
	out := *o
	out.Attributes = api.Clone(o.Attributes)
	out.Secrets = make(map[string]string, len(o.Secrets))
	for k, v := range o.Secrets {
		out.Secrets[k] = v
	}
	return &out
}

// view returns the object as the cloud answers it at a moment.
func (o *object) view(tick time.Duration, now time.Time) api.Object {
	k := kinds[o.Type]
	out := o.Object
	out.Attributes = api.Clone(o.Attributes)
	for _, secret := range k.secrets {
		out.Attributes[secret+"_set"] = o.Secrets[secret] != ""
	}
	if k.observe != nil {
		k.observe(o, tick, now, out.Attributes)
	}
	if k.named {
		out.Attributes["arn"] = o.arnOf()
	}
	if o.Type == "queue" {
		out.Attributes["url"] = queueURL(o.Name())
	}
	return out
}

func queueURL(name string) string {
	return "https://queue." + identity.Region + ".harbor.example/" + identity.Account + "/" + name
}

// write puts the attributes into the object: secrets as digests, null as
// removal, all others as they are.
func (o *object) write(attributes map[string]any) {
	k := kinds[o.Type]
	for name, value := range attributes {
		switch {
		case slices.Contains(k.secrets, name):
			o.writeSecret(name, value)
		case value == nil:
			delete(o.Attributes, name)
		default:
			o.Attributes[name] = value
		}
	}
	if k.complete != nil {
		k.complete(o.ID, o.Attributes)
	}
}

func (o *object) writeSecret(name string, value any) {
	text, _ := value.(string)
	if text == "" {
		delete(o.Secrets, name)
		return
	}
	o.Secrets[name] = digest(o.ID, name, text)
}

// sameContent tells whether a write changed nothing.
func (o *object) sameContent(p *object) bool {
	return api.Equal(o.Attributes, p.Attributes) && api.Equal(o.Secrets, p.Secrets)
}

// seal gives a changed object its next version.
func (o *object) seal(now time.Time) {
	o.Version++
	o.UpdatedAt = now
	content, _ := json.Marshal([]any{o.Type, o.ID, o.Attributes, o.Secrets}) // decoded JSON always encodes
	o.ETag = digest(string(content), fmt.Sprint(o.Version))[:16]
}
