package legacy_test

// deeds are changes to the objects of stack, each of which a scan must see, and
// see nothing else.
func deeds() []deed {
	return append(firewallDeeds(), append(bucketDeeds(), otherDeeds()...)...)
}

func firewallDeeds() []deed {
	const full, zero, bare, hollow = "harborlegacy_firewall.full ", "harborlegacy_firewall.zero ", "harborlegacy_firewall.bare ", "harborlegacy_firewall.hollow[0] "
	return []deed{
		{"string", "firewall/full", set("description", "Back door"), []string{full + `description: "Front door" -> "Back door"`}, ""},
		{"string to nothing", "firewall/full", unset("description"), []string{full + `description: "Front door" -> ""`}, ""},
		{"string from nothing", "firewall/bare", set("description", "new"), []string{bare + `description: "" -> "new"`}, ""},
		{"number to 0", "firewall/full", set("priority", number("0")), []string{full + `priority: 10 -> 0`}, ""},
		{"number from 0", "firewall/zero", set("priority", number("1")), []string{zero + `priority: 0 -> 1`}, ""},
		{"fraction", "firewall/full", set("weight", number("0.2")), []string{full + `weight: 0.1 -> 0.2`}, ""},
		{"small fraction", "firewall/bare", set("weight", number("0.0000001")), []string{bare + `weight: 0 -> 1e-7`}, ""},
		{"bool to false", "firewall/full", set("logging", false), []string{full + `logging: true -> false`}, ""},
		{"bool to nothing", "firewall/full", unset("logging"), []string{full + `logging: true -> false`}, ""},
		{"default undone", "firewall/bare", set("enabled", false), []string{bare + `enabled: true -> false`}, ""},
		{"computed and optional", "firewall/bare", set("default_action", "allow"), []string{bare + `default_action: "deny" -> "allow"`}, ""},
		{"digest of a text", "firewall/full", set("banner", "Come in"), []string{full +
			`banner: "` + digestOf("Keep out") + `" -> "` + digestOf("Come in") + `"`}, ""},
		{"banner removed", "firewall/full", set("banner", ""), []string{full + `banner: "` + digestOf("Keep out") + `" -> ""`}, ""},
		{"owner is another", "firewall/full", set("owner", "eve@practice.example"), []string{full + `owner: "ops@practice.example" -> "eve@practice.example"`}, ""},
		{"map value", "firewall/full", setKey("tags", "team", "eve"), []string{full + `tags["team"]: "ops" -> "eve"`}, ""},
		{"map key added", "firewall/full", setKey("tags", "x.y", "z"), []string{full + `tags["x.y"]: null -> "z"`}, ""},
		{"map key removed", "firewall/full", setKey("tags", "cost/center", nil), []string{full + `tags["cost/center"]: "7" -> null`}, ""},
		{"map from nothing", "firewall/bare", setKey("tags", "a", "b"), []string{bare + `tags: null -> {a:"b"}`}, ""},
		{"map emptied", "firewall/full", set("tags", attributes{}), []string{full + `tags["cost/center"]: "7" -> null`, full + `tags["team"]: "ops" -> null`}, ""},
		{"number in a map to 0", "firewall/full", setKey("limits", "requests", number("0")), []string{full + `limits["requests"]: 100 -> 0`}, ""},
		{"key of nothing added", "firewall/full", setKey("tags", "blank", ""), []string{full + `tags["blank"]: null -> ""`}, ""},
		{"key of 0 added", "firewall/full", setKey("limits", "none", number("0")), []string{full + `limits["none"]: null -> 0`}, ""},
		{"key of nothing removed", "firewall/hollow-0", setKey("tags", "empty", nil), []string{hollow + `tags["empty"]: "" -> null`}, ""},
		{"element added", "firewall/full", add("ports", number("8080")), []string{full + `ports[]: null -> 8080`}, ""},
		{"element removed", "firewall/full", drop("ports", "", number("22")), []string{full + `ports[]: 22 -> null`}, ""},
		{"elements from nothing", "firewall/bare", add("ports", number("1")), []string{bare + `ports: null -> [1]`}, ""},
		{"element 0 added", "firewall/full", add("ports", number("0")), []string{full + `ports[]: null -> 0`}, ""},
		{"element 0 removed", "firewall/hollow-0", set("ports", []any{number("1")}), []string{hollow + `ports[]: 0 -> null`, hollow + `ports[]: null -> 1`}, ""},
		{"empty element added", "firewall/full", add("labels", ""), []string{full + `labels[]: null -> ""`}, ""},
		{"order of a set", "firewall/full", func(a attributes) { a["ports"] = []any{number("443"), number("22")}; a["priority"] = number("11") }, []string{full + `priority: 10 -> 11`}, ""},
		{"order of a list", "firewall/full", set("notify", []any{"second@practice.example", "first@practice.example"}), []string{
			full + `notify[0]: "first@practice.example" -> "second@practice.example"`, full + `notify[1]: "second@practice.example" -> "first@practice.example"`}, ""},
		{"list shorter", "firewall/full", set("notify", []any{"first@practice.example"}), []string{
			full + `notify: ["first@practice.example" "second@practice.example"] -> ["first@practice.example"]`}, ""},
		{"list of one empty text emptied", "firewall/hollow-0", set("notify", []any{}), []string{hollow + `notify: [""] -> []`}, ""},
		{"block added", "firewall/bare", set("rules", []any{attributes{"direction": "in", "protocol": "tcp", "from_port": number("22"), "cidrs": []any{"0.0.0.0/0"}}}), []string{
			bare + `rule[]: null -> {cidrs:["0.0.0.0/0"] direction:"in" from_port:22 protocol:"tcp"}`}, ""},
		{"block removed", "firewall/full", drop("rules", "from_port", number("22")), []string{
			full + `rule[]: {cidrs:["10.20.0.0/16" "10.21.0.0/16"] direction:"in" from_port:22 protocol:"tcp" to_port:22} -> null`}, ""},
		{"list in a block in a set", "firewall/full", within("rules", "from_port", number("22"), set("cidrs", []any{"10.20.0.0/16", "0.0.0.0/0"})), []string{
			full + `rule[]: null -> {cidrs:["10.20.0.0/16" "0.0.0.0/0"] direction:"in" from_port:22 protocol:"tcp" to_port:22}`,
			full + `rule[]: {cidrs:["10.20.0.0/16" "10.21.0.0/16"] direction:"in" from_port:22 protocol:"tcp" to_port:22} -> null`}, ""},
		{"bool in a block in a set", "firewall/full", within("rules", "from_port", number("443"), set("log", false)), []string{
			full + `rule[]: null -> {cidrs:["0.0.0.0/0"] description:"https" direction:"in" from_port:443 protocol:"tcp" to_port:443}`,
			full + `rule[]: {cidrs:["0.0.0.0/0"] description:"https" direction:"in" from_port:443 log:true protocol:"tcp" to_port:443} -> null`}, ""},
		{"last block removed", "firewall/hollow-0", set("rules", []any{}), []string{hollow + `rule[]: {direction:"out"} -> null`}, ""},
		{"attribute of blocks changed", "firewall/full", within("egress", "protocol", "all", set("protocol", "udp")), []string{
			full + `egress[]: null -> {cidrs:["0.0.0.0/0"] protocol:"udp"}`, full + `egress[]: {cidrs:["0.0.0.0/0"] protocol:"all"} -> null`}, ""},
		{"attribute of blocks from nothing", "firewall/zero", set("egress", []any{attributes{"protocol": "all", "cidrs": []any{}}}), []string{zero + `egress[]: null -> {protocol:"all"}`}, ""},
	}
}

func bucketDeeds() []deed {
	const full, zero, bare = "harborlegacy_bucket.full ", "harborlegacy_bucket.zero ", "harborlegacy_bucket.bare "
	return []deed{
		{"bool to null", "bucket/full", unset("versioning"), []string{full + `versioning: true -> false`}, ""},
		{"number to null", "bucket/full", unset("quota_bytes"), []string{full + `quota_bytes: 1099511627776 -> 0`}, ""},
		{"number beyond 2^53", "bucket/bare", set("quota_bytes", number("9007199254740993")), []string{bare + `quota_bytes: 0 -> 9007199254740993`}, ""},
		{"policy", "bucket/full", set("policy", `{"effect":"allow","limits":{"burst":1,"per_hour":100},"who":["*"]}`), []string{full +
			`policy: "{\"effect\":\"allow\",\"limits\":{\"burst\":1,\"per_hour\":100},\"who\":[\"team:operations\",\"team:audit\"]}" -> ` +
			`"{\"effect\":\"allow\",\"limits\":{\"burst\":1,\"per_hour\":100},\"who\":[\"*\"]}"`}, ""},
		{"tags to null", "bucket/full", unset("tags"), []string{full + `tags["empty"]: "" -> null`, full + `tags["team"]: "ops" -> null`}, ""},
		{"single block removed", "bucket/full", unset("encryption"), []string{full + `encryption: [{algorithm:"aes256" key_id:"key-7"}] -> []`}, ""},
		{"single block added", "bucket/bare", set("encryption", attributes{"algorithm": "aes128"}), []string{bare + `encryption: [] -> [{algorithm:"aes128"}]`}, ""},
		{"in a single block", "bucket/full", setKey("encryption", "key_id", "key-8"), []string{full + `encryption[0].key_id: "key-7" -> "key-8"`}, ""},
		{"bool in a single block", "bucket/full", setKey("encryption", "bucket_key", true), []string{full + `encryption[0].bucket_key: false -> true`}, ""},
		{"to nothing in a single block", "bucket/full", setKey("encryption", "key_id", ""), []string{full + `encryption[0].key_id: "key-7" -> ""`}, ""},
		{"block with nothing in it removed", "bucket/zero", unset("website"), []string{zero + `website: [{}] -> []`}, ""},
		{"block with nothing in it added", "bucket/bare", set("website", attributes{}), []string{bare + `website: [] -> [{}]`}, ""},
		{"block with nothing in it filled", "bucket/zero", setKey("website", "index", "x"), []string{zero + `website[0].index: "" -> "x"`}, ""},
		{"number in a list of blocks", "bucket/full", within("lifecycle_rules", "id", "raw", set("expire_days", number("1"))), []string{full + `lifecycle_rule[0].expire_days: 30 -> 1`}, ""},
		{"bool in a list of blocks", "bucket/full", within("lifecycle_rules", "id", "all", set("enabled", true)), []string{full + `lifecycle_rule[1].enabled: false -> true`}, ""},
		{"first of a list of blocks removed", "bucket/full", drop("lifecycle_rules", "id", "raw"), []string{full +
			`lifecycle_rule: [{enabled:true expire_days:30 id:"raw" prefix:"raw/" transition:[{class:"cold" days:7} {class:"warm"}]} {id:"all"}] -> [{id:"all"}]`}, ""},
		{"block in a set in a list of blocks", "bucket/full", within("lifecycle_rules", "id", "raw", within("moves", "class", "warm", set("days", number("3")))), []string{
			full + `lifecycle_rule[0].transition[]: null -> {class:"warm" days:3}`, full + `lifecycle_rule[0].transition[]: {class:"warm"} -> null`}, ""},
		{"set in a block in a set", "bucket/full", within("grants", "who", "team:audit", add("permissions", "write")), []string{
			full + `grant[]: null -> {permissions:["read" "write"] who:"team:audit"}`, full + `grant[]: {permissions:["read"] who:"team:audit"} -> null`}, ""},
		{"grant of nothing removed", "bucket/zero", set("grants", []any{}), []string{zero + `grant[]: {who:"nobody"} -> null`}, ""},
	}
}

func otherDeeds() []deed {
	const main, bare, www, zero = "harborlegacy_database.main ", "harborlegacy_database.bare ", `harborlegacy_dns_record.site["www"] `, "harborlegacy_dns_record.zero "
	return []deed{
		{"number with a default to 0", "database/main", set("backup_retention", number("0")), []string{main + `backup_retention: 14 -> 0`}, ""},
		{"bool that is false in the state as null", "database/bare", set("deletion_protection", true), []string{bare + `deletion_protection: null -> true`}, ""},
		{"text that is null in the state", "database/bare", set("description", "new"), []string{bare + `description: null -> "new"`}, ""},
		{"parameter with a dot", "database/main", setKey("parameters", "log.level", "debug"), []string{main + `parameters["log.level"]: "info" -> "debug"`}, ""},
		// The tool marks a set as sensitive as a whole where its elements hold something that is.
		{"secret in a block in a set", "database/main", within("users", "name", "app", set("token", "stolen-user-token")), []string{main + `user: (secret) -> (secret)`}, ""},
		{"role beside a secret", "database/main", within("users", "name", "report", set("role", "owner")), []string{main + `user: (secret) -> (secret)`}, ""},
		{"element of a record", "dns_record/www", set("values", []any{"192.0.2.11", "203.0.113.1"}), []string{
			www + `values[]: "192.0.2.10" -> null`, www + `values[]: null -> "203.0.113.1"`}, ""},
		{"comment of a record", "dns_record/zero", set("comment", "x"), []string{zero + `comment: "" -> "x"`}, ""},
		{"bool of a record", "dns_record/www", set("proxied", false), []string{www + `proxied: true -> false`}, ""},
		{"value of nothing replaced", "dns_record/zero", set("values", []any{"x"}), []string{zero + `values[]: "" -> null`, zero + `values[]: null -> "x"`}, ""},
	}
}
