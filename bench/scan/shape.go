package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// A shape is the blocks of a stack. They do not depend on one another.
type shape []block

// A block is a block of code that stands for many resources of a kind.
type block struct {
	kind       string // harbor_KIND in the code
	count      int
	calls      int    // to read one, one after the other; no more than net/http follows
	code       string // its arguments
	version    int    // of the schema
	attributes func(i int) map[string]any
	unset      []string // attributes that the cloud does not answer, and that the tools record as null
	sensitive  []string // attributes of which the tools record that
	private    bool     // the provider stores something beside the state, and wants it back
}

// alike is n resources of one kind in five blocks, each read by one call.
func alike(n int) shape {
	const blocks = 5
	var s shape
	for b := range blocks {
		s = append(s, records(b, (n+b)/blocks))
	}
	return s
}

// services is n resources of four kinds, which are four services of the cloud. Of their calls it is as with AWS's types: most take few, some
// take many.
func services(n int) shape {
	few := n * 15 / 100
	return shape{
		{
			kind: "bucket", count: few, calls: 10, private: true,
			code: "  name = \"files-${count.index}\"\n",
			attributes: func(i int) map[string]any {
				return map[string]any{"name": fmt.Sprint("files-", i), "region": "harbor-1", "versioning": false}
			},
			unset: []string{"quota_bytes", "policy", "tags", "encryption", "lifecycle_rules", "parts"},
		},
		{
			kind: "database", count: few, calls: 5,
			code: "  name   = \"db-${count.index}\"\n  engine = \"postgres\"\n  size   = \"small\"\n",
			attributes: func(i int) map[string]any {
				return map[string]any{"name": fmt.Sprint("db-", i), "engine": "postgres", "size": "small"}
			},
			unset: []string{"endpoint", "password", "admin_password_wo", "admin_password_wo_version", "parameters", "users"}, sensitive: []string{"password"},
		},
		{
			kind: "firewall", count: 2 * few, calls: 3,
			code: "  name  = \"web-${count.index}\"\n  rules = [{ direction = \"in\", protocol = \"tcp\", from_port = 443, to_port = 443, cidrs = [\"0.0.0.0/0\"] }]\n",
			attributes: func(i int) map[string]any {
				rule := map[string]any{"direction": "in", "protocol": "tcp", "from_port": 443, "to_port": 443, "cidrs": []string{"0.0.0.0/0"}, "description": nil}
				return map[string]any{"name": fmt.Sprint("web-", i), "default_action": "deny", "rules": []any{rule}}
			},
			unset: []string{"description", "tags"},
		},
		records(3, n-4*few),
	}
}

// records is a block of names of one zone.
func records(b, count int) block {
	zone := fmt.Sprintf("zone%d.example", b)
	return block{
		kind: "dns_record", count: count, calls: 1, version: 1,
		code: fmt.Sprintf("  zone   = %q\n  name   = \"host-${count.index}\"\n  type   = \"A\"\n  values = [\"192.0.2.1\", \"192.0.2.2\"]\n", zone),
		attributes: func(i int) map[string]any {
			return map[string]any{"zone": zone, "name": fmt.Sprint("host-", i), "type": "A", "ttl": 300, "values": []string{"192.0.2.1", "192.0.2.2"}}
		},
		unset: []string{"priority_order"},
	}
}

func (b block) id(block, i int) string { return fmt.Sprintf("%s-%d-%04d", b.kind, block, i) }

// instance is what a state has of a resource.
func (b block) instance(i int, o api.Object) map[string]any {
	attributes := map[string]any{"id": o.ID}
	maps.Copy(attributes, o.Attributes)
	maps.DeleteFunc(attributes, func(name string, _ any) bool { return strings.HasSuffix(name, "_set") }) // of secrets: no attribute
	for _, name := range b.unset {
		attributes[name] = nil
	}
	paths := []any{}
	for _, name := range b.sensitive {
		paths = append(paths, []any{map[string]any{"type": "get_attr", "value": name}})
	}
	instance := map[string]any{"index_key": i, "schema_version": b.version, "attributes": attributes, "sensitive_attributes": paths}
	if b.private {
		kept, _ := json.Marshal(map[string][]byte{"harbor": fmt.Appendf(nil, `{"etag":%q}`, o.ETag)}) // of texts: it cannot fail
		instance["private"] = base64.StdEncoding.EncodeToString(kept)
	}
	return instance
}

func (s shape) resources() (n int) {
	for _, b := range s {
		n += b.count
	}
	return n
}

// calls is how many it takes to read everything.
func (s shape) calls() (n int) {
	for _, b := range s {
		n += b.count * b.calls
	}
	return n
}

// longest is how many calls one resource takes at most.
func (s shape) longest() (n int) {
	for _, b := range s {
		n = max(n, b.calls)
	}
	return n
}

func (s shape) callsOf() map[string]int {
	calls := map[string]int{}
	for _, b := range s {
		calls[b.kind] = b.calls
	}
	return calls
}

// limit is the time in which nobody can read everything faster with so many resources at once.
func (s shape) limit(latency time.Duration, concurrency int) time.Duration {
	return max(time.Duration(s.calls())*latency/time.Duration(concurrency), time.Duration(s.longest())*latency)
}
