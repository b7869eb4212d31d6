package chaos

// elements are attributes whose values here are elements of a set.
var elements = map[string]bool{"rules": true, "attached_policies": true, "users": true, "values": true, "firewall_ids": true, "lifecycle_rules": true}

func rule(port int, cidr string) map[string]any {
	return map[string]any{"direction": "in", "protocol": "tcp", "from_port": number(port), "to_port": number(port), "cidrs": []any{cidr}}
}

func policy(effect, who string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":"` + who + `","Action":"read","Resource":"*"}]}`
}

func tag(key, value string) map[string]any { return map[string]any{key: value} }

var (
	tags     = []any{tag("Owner", "alpha"), tag("Owner", "beta"), tag("CostCenter", "4711"), tag("CostCenter", "4712"), tag("Team", "gamma"), tag("Stage", "trial")}
	policies = []any{policy("Allow", "*"), policy("Deny", "*"), policy("Allow", "team:operations"), policy("Allow", "team:web")}
)

func numbers(all ...int) (out []any) {
	for _, n := range all {
		out = append(out, number(n))
	}
	return out
}

// values are what attributes are set to, by kind.
var values = map[string]map[string][]any{
	"firewall": {
		"rules":       {rule(22, "0.0.0.0/0"), rule(22, "10.0.0.0/8"), rule(443, "0.0.0.0/0"), rule(5432, "192.168.0.0/16"), rule(8080, "203.0.113.0/24")},
		"description": {"Front door", "Back door", "opened for the audit"}, "default_action": {"allow", "deny"}, "tags": tags,
	},
	"bucket": {
		"policy": policies, "versioning": {true, false}, "quota_bytes": numbers(1_000_000, 2_000_000),
		"encryption":      {map[string]any{"algorithm": "aes256", "key_id": "key-7"}, map[string]any{"algorithm": "kms", "key_id": "key-8"}},
		"public_access":   {map[string]any{"block_acls": true, "block_policy": true}, map[string]any{"block_acls": true, "block_policy": false}, map[string]any{"block_acls": false, "block_policy": false}},
		"lifecycle_rules": {map[string]any{"id": "raw", "prefix": "raw/", "expire_days": number(30), "enabled": true}, map[string]any{"id": "all", "expire_days": number(90), "enabled": true}, map[string]any{"id": "tmp", "prefix": "tmp/", "expire_days": number(1), "enabled": false}},
		"tags":            {map[string]any{"Owner": "alpha", "Team": "gamma"}, map[string]any{"Owner": "beta"}, map[string]any{"CostCenter": "4711"}},
	},
	"role": {
		"description": {"first", "second", "third"}, "max_session_seconds": numbers(3600, 7200, 43200), "trust_policy": policies,
		"attached_policies": {"policy/read-only", "policy/power-user", "policy/administrator"}, "tags": tags,
		"inline_policies": {map[string]any{"logs": policy("Allow", "logs")}, map[string]any{"logs": policy("Deny", "logs")}, map[string]any{"queues": policy("Allow", "queues")}},
	},
	"instance": {
		"instance_type": {"m.small", "m.large", "m.huge"}, "user_data": {"echo one", "echo two"}, "termination_protection": {true, false}, "firewall_ids": {"fw-0a1b2c3d4e5f", "fw-1a1b2c3d4e5f", "fw-2a1b2c3d4e5f"},
		"metadata_options": {map[string]any{"http_tokens": "required", "hop_limit": number(1)}, map[string]any{"http_tokens": "optional", "hop_limit": number(2)}}, "tags": tags,
	},
	"database": {
		"size": {"small", "large", "huge"}, "password": {"practice-one", "practice-two"}, "backup_days": numbers(1, 7, 30),
		"parameters": {tag("max_connections", "100"), tag("max_connections", "500"), tag("log.level", "debug")},
		"users":      {map[string]any{"name": "app", "role": "writer"}, map[string]any{"name": "app", "role": "owner"}, map[string]any{"name": "report", "role": "reader"}},
	},
	"function": {
		"memory_mb": numbers(128, 512, 1024), "timeout_seconds": numbers(3, 30, 900), "runtime": {"go1", "go2"}, "description": {"one", "two"}, "code_hash": {"c0de1", "c0de2", "c0de3"},
		"environment": {map[string]any{"LOG_LEVEL": "debug"}, map[string]any{"LOG_LEVEL": "info", "FEATURE": "on"}}, "tags": tags,
	},
	"queue": {
		"visibility_timeout_seconds": numbers(30, 60, 90), "delay_seconds": numbers(0, 5, 60), "retention_seconds": numbers(86400, 345600), "tags": tags,
		"redrive_policy": {`{"maxReceiveCount":3}`, `{"maxReceiveCount":5}`},
	},
	"dns_record":    {"ttl": numbers(60, 300, 600), "values": {"192.0.2.10", "192.0.2.11", "203.0.113.1"}},
	"key":           {"policy": policies, "description": {"for logs", "for secrets"}, "tags": tags},
	"template":      {"image": {"img-0a1b2c3d", "img-1a1b2c3d", "img-2a1b2c3d"}, "instance_type": {"m.small", "m.large"}, "tags": tags},
	"scaling_group": {"desired_capacity": numbers(2, 3, 5), "min_size": numbers(1, 2), "max_size": numbers(6, 8, 10), "cooldown_seconds": numbers(60, 300), "tags": tags},
}
