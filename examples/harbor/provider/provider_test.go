package provider

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

func number(s string) json.Number { return json.Number(s) }

// configurations has one rich configuration for each resource type.
var configurations = map[string]map[string]any{
	"firewall": {
		"name": "web", "description": "", "tags": map[string]any{},
		"rules": []any{
			map[string]any{"direction": "in", "protocol": "tcp", "from_port": number("22"), "to_port": number("22"), "cidrs": []any{"10.0.0.0/8", "192.168.0.0/16"}},
			map[string]any{"direction": "in", "protocol": "tcp", "from_port": number("443"), "to_port": number("443"), "cidrs": []any{}, "description": "https"},
		},
	},
	"bucket": {
		"name": "logs", "quota_bytes": number("9007199254740993"), "policy": `{"a": [1]}`, "tags": map[string]any{"a.b/c": "", "x": "y"},
		"encryption":      map[string]any{"algorithm": "aes"},
		"lifecycle_rules": []any{map[string]any{"id": "b", "expire_days": number("2"), "enabled": true}, map[string]any{"id": "a", "prefix": "p/", "expire_days": number("1"), "enabled": false}},
	},
	"database": {
		"name": "main", "engine": "postgres", "size": "small", "password": "hunter2", "parameters": map[string]any{"k": "v"},
		"users": []any{map[string]any{"name": "app", "token": "t1"}},
	},
	"dns_record": {
		"zone": "z", "name": "mail", "type": "MX", "values": []any{"a", "b"}, "priority_order": []any{"b", "a"},
	},
	"role": {
		"name": "worker", "trust_policy": `{"who": "instances"}`, "description": "x", "tags": map[string]any{"a": "b"},
	},
	"instance": {
		"name": "m1", "instance_type": "m.small", "user_data": "echo", "firewall_ids": []any{"fw-1", "fw-2"}, "metadata_options": map[string]any{"http_tokens": "required", "hop_limit": number("2")},
	},
	"function": {
		"name": "resize", "runtime": "go1", "environment": map[string]any{"LOG_LEVEL": "info", "a.b": ""}, "code_hash": "c0de",
	},
	"queue": {
		"name": "jobs", "redrive_policy": `{"maxReceiveCount": 3}`, "tags": map[string]any{"a": "b"},
	},
	"key": {
		"name": "disk", "policy": `{}`, "rotation": true,
	},
	"template": {
		"name": "t", "image": "img-1", "instance_type": "m.small",
	},
	"scaling_group": {
		"name": "g", "min_size": number("1"), "max_size": number("5"), "desired_capacity": number("2"),
	},
}

// chosen are the attributes that nobody configured.
var chosen = map[string][]string{
	"firewall":   {"id", "default_action"},
	"bucket":     {"id", "region", "versioning", "object_count", "updated_at", "etag"},
	"database":   {"id", "endpoint"},
	"dns_record": {"id", "ttl"},

	"role":          {"id", "arn", "max_session_seconds"},
	"instance":      {"id", "arn", "state", "termination_protection", "private_ip"},
	"function":      {"id", "arn", "memory_mb", "timeout_seconds"},
	"queue":         {"id", "arn", "url", "visibility_timeout_seconds", "delay_seconds", "retention_seconds"},
	"key":           {"id", "arn", "enabled", "material"},
	"template":      {"id", "arn"},
	"scaling_group": {"id", "arn", "cooldown_seconds"},
}

func TestEveryTypeIsReadAsItWasApplied(t *testing.T) {
	h := newHarness(t)
	if tested := len(configurations) + len(partConfigurations); len(h.schema.ResourceSchemas) != tested {
		t.Errorf("%d types have a schema, %d a test", len(h.schema.ResourceSchemas), tested)
	}
	for kind, config := range configurations {
		t.Run(kind, func(t *testing.T) {
			applied := h.apply(kind, config, instance{})
			got := h.attributes(applied)
			for _, name := range chosen[kind] {
				if _, ok := got[name]; !ok {
					t.Errorf("%s is null", name)
				}
				delete(got, name)
			}
			if diff := cmp.Diff(config, got); diff != "" {
				t.Errorf("applied (-config +state):\n%s", diff)
			}
			if diff := cmp.Diff(h.attributes(applied), h.reread(applied)); diff != "" {
				t.Errorf("right after apply (-applied +read):\n%s", diff)
			}
			again := h.apply(kind, config, applied)
			if diff := cmp.Diff(h.attributes(applied), h.attributes(again)); diff != "" {
				t.Errorf("applied again (-first +second):\n%s", diff)
			}
			imported := h.importByID(kind, stringAt(applied.state, "id"))
			want := h.attributes(applied)
			delete(want, "password")
			if diff := cmp.Diff(want, h.reread(imported)); diff != "" {
				t.Errorf("imported (-applied +imported):\n%s", diff)
			}
		})
	}
}

func (h *harness) importByID(kind, id string) instance {
	h.t.Helper()
	resp, err := h.server.ImportResourceState(h.t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: "harbor_" + kind, ID: id})
	h.must(err, resp.Diagnostics)
	return instance{kind: kind, state: h.undynamic(resp.ImportedResources[0].State, h.of(kind).ValueType()), private: resp.ImportedResources[0].Private}
}

func TestChangesByHandAreSeen(t *testing.T) {
	h := newHarness(t)
	for _, tt := range []struct {
		kind   string
		change map[string]any
	}{
		{"firewall", map[string]any{"rules": []any{map[string]any{"direction": "in", "protocol": "tcp", "from_port": number("22"), "to_port": number("22"), "cidrs": []any{"0.0.0.0/0"}}}}},
		{"bucket", map[string]any{"quota_bytes": number("9007199254740992")}},
		{"bucket", map[string]any{"encryption": nil}},
		{"bucket", map[string]any{"region": "elsewhere"}},
		{"database", map[string]any{"endpoint": map[string]any{"host": "h", "port": number("1"), "uri": "u"}}},
		{"database", map[string]any{"users": []any{map[string]any{"name": "app", "token": "t2"}}}},
		{"dns_record", map[string]any{"priority_order": []any{"a", "b"}}},
	} {
		applied := h.apply(tt.kind, configurations[tt.kind], instance{})
		h.byHand(applied, tt.change)
		got := h.reread(applied)
		for name, want := range tt.change {
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s %v (-want +got):\n%s", tt.kind, tt.change, diff)
			}
		}
	}
}

func TestOnlyThePositiveWordRemovesAResource(t *testing.T) {
	for _, tt := range []struct {
		fault, say string // say "" means removal
	}{
		{"gone", ""},
		{"deny", "Cannot read harbor_bucket bkt-0001: HTTP 403: AccessDenied"},
		{"error", "Cannot read harbor_bucket bkt-0001: HTTP 500: InternalError"},
		{"throttle", "Cannot read harbor_bucket bkt-0001: HTTP 429: Throttled"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			h := newHarness(t)
			applied := h.apply("bucket", configurations["bucket"], instance{})
			h.fault("bucket/logs", tt.fault)
			after, diags := h.read(applied)
			if tt.say == "" {
				if len(diags) > 0 || !after.state.IsNull() {
					t.Errorf("got %v, %s", after.state, said(diags))
				}
				return
			}
			if !strings.Contains(said(diags), tt.say) || after.state.IsNull() {
				t.Errorf("got %v, %s, want %q", after.state, said(diags), tt.say)
			}
		})
	}
}

func TestWrongTokenIsNoRemoval(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("bucket", configurations["bucket"], instance{})
	t.Setenv(envToken, "wrong")
	h.must(nil, h.configure(map[string]any{"url": h.url}))
	if after, diags := h.read(applied); !strings.Contains(said(diags), "HTTP 403: InvalidToken") || after.state.IsNull() {
		t.Errorf("got %v, %s", after.state, said(diags))
	}
	h.must(nil, h.configure(map[string]any{"url": "http://127.0.0.1:1"}))
	if after, diags := h.read(applied); !strings.Contains(said(diags), "Cannot read harbor_bucket bkt-0001: ") || after.state.IsNull() {
		t.Errorf("with nobody there: %v, %s", after.state, said(diags))
	}
}

func TestAnUnconfiguredProviderSaysSo(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("bucket", configurations["bucket"], instance{})
	h.server = providerserver.NewProtocol6(New("test")())()
	if after, diags := h.read(applied); !strings.Contains(said(diags), "the provider is not configured") || after.state.IsNull() {
		t.Errorf("got %v, %s", after.state, said(diags))
	}
}

func TestHangEndsAtTheRequestTimeout(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("firewall", configurations["firewall"], instance{})
	h.must(nil, h.configure(map[string]any{"url": h.url, "token": "sesame", "request_timeout": number("1")}))
	h.fault("firewall", "hang")
	if after, diags := h.read(applied); !strings.Contains(said(diags), "Cannot read harbor_firewall fw-0001: ") || after.state.IsNull() {
		t.Errorf("got %v, %s", after.state, said(diags))
	}
}

func TestCrashIsOnReadAlone(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("firewall", configurations["firewall"], instance{})
	h.fault("firewall", "crash")
	h.apply("firewall", map[string]any{"name": "other"}, applied)
	if len(h.deaths) > 0 {
		t.Fatalf("died of an update: %v", h.deaths)
	}
	_, _ = h.read(applied)
	if diff := cmp.Diff([]string{"harbor: crash on request while reading harbor_firewall fw-0001"}, h.deaths); diff != "" {
		t.Errorf("deaths (-want +got):\n%s", diff)
	}
}

func TestPrivateStateMustComeBack(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("bucket", configurations["bucket"], instance{})
	h.reread(applied)
	for _, private := range [][]byte{nil, []byte(`{}`)} {
		forgetful := applied
		forgetful.private = private
		if after, diags := h.read(forgetful); !strings.Contains(said(diags), "private state missing") || after.state.IsNull() {
			t.Errorf("with %q: %v, %s", private, after.state, said(diags))
		}
	}
	other := h.apply("firewall", configurations["firewall"], instance{})
	other.private = nil
	h.reread(other)
}

func TestPasswordIsEchoedUntilItIsGone(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("database", configurations["database"], instance{})
	if got := h.reread(applied)["password"]; got != "hunter2" {
		t.Errorf("password is %v", got)
	}
	h.byHand(applied, map[string]any{"password": "another"})
	if got := h.reread(applied)["password"]; got != "hunter2" {
		t.Errorf("the cloud cannot tell the password, and it is %v", got)
	}
	h.byHand(applied, map[string]any{"password": nil})
	if got, ok := h.reread(applied)["password"]; ok {
		t.Errorf("the cloud says there is none, and it is %v", got)
	}
}

func TestWriteOnlyIsSentAndNeverKept(t *testing.T) {
	h := newHarness(t)
	config := map[string]any{"name": "main", "engine": "mysql", "size": "s", "admin_password_wo": "hunter2", "admin_password_wo_version": number("1")}
	first := h.apply("database", config, instance{})
	object := func() (set any, version int64) {
		o, _, err := h.person.Get(t.Context(), "database", "db-0001")
		h.must(err, nil)
		return o.Attributes["admin_password_set"], o.Version
	}
	if set, version := object(); set != true || version != 1 {
		t.Errorf("after create: set %v, version %d", set, version)
	}
	changed := maps.Clone(config)
	changed["admin_password_wo"] = "hunter3"
	second := h.apply("database", changed, first)
	if _, version := object(); version != 1 {
		t.Errorf("another value under the same version was sent: %d", version)
	}
	changed["admin_password_wo_version"] = number("2")
	third := h.apply("database", changed, second)
	if _, version := object(); version != 2 {
		t.Errorf("a new version was not sent: %d", version)
	}
	for _, i := range []instance{first, second, third} {
		if s := i.state.String(); strings.Contains(s, "hunter") {
			t.Errorf("the state has it: %s", s)
		}
		if got := h.reread(i)["admin_password_wo_version"]; got != h.attributes(i)["admin_password_wo_version"] {
			t.Errorf("the version is lost on read: %v", got)
		}
	}
}

func TestUnsetAttributesAreRemovedFromTheCloud(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("bucket", configurations["bucket"], instance{})
	h.apply("bucket", map[string]any{"name": "logs"}, applied)
	o, _, err := h.person.Get(t.Context(), "bucket", "bkt-0001")
	h.must(err, nil)
	for _, name := range []string{"quota_bytes", "policy", "tags", "encryption", "lifecycle_rules"} {
		if v, ok := o.Attributes[name]; ok {
			t.Errorf("%s is still %v", name, v)
		}
	}
}

func TestAWrongShapeIsAnError(t *testing.T) {
	h := newHarness(t)
	applied := h.apply("firewall", configurations["firewall"], instance{})
	h.byHand(applied, map[string]any{"rules": []any{map[string]any{"from_port": "many"}}})
	after, diags := h.read(applied)
	if !strings.Contains(said(diags), "rules[0].from_port: the cloud answers a string") || after.state.IsNull() {
		t.Errorf("got %v, %s", after.state, said(diags))
	}
}

func TestUpgradeOfDNSRecord(t *testing.T) {
	h := newHarness(t)
	content, err := os.ReadFile(filepath.Join("testdata", "dns_record_v0.json"))
	h.must(err, nil)
	var stored struct {
		SchemaVersion int64           `json:"schema_version"`
		Attributes    json.RawMessage `json:"attributes"`
	}
	h.must(json.Unmarshal(content, &stored), nil)
	resp, err := h.server.UpgradeResourceState(t.Context(), &tfprotov6.UpgradeResourceStateRequest{
		TypeName: "harbor_dns_record", Version: stored.SchemaVersion, RawState: &tfprotov6.RawState{JSON: stored.Attributes},
	})
	h.must(err, resp.Diagnostics)
	upgraded := instance{kind: "dns_record", state: h.undynamic(resp.UpgradedState, h.of("dns_record").ValueType())}
	want := map[string]any{"id": "dns-0001", "zone": "practice.example", "name": "old", "type": "A", "ttl": number("60"), "values": []any{"192.0.2.1"}}
	if diff := cmp.Diff(want, h.attributes(upgraded)); diff != "" {
		t.Errorf("upgraded (-want +got):\n%s", diff)
	}
	delete(want, "id")
	o, err := h.person.Create(t.Context(), "dns_record", want)
	h.must(err, nil)
	want["id"] = o.ID
	if diff := cmp.Diff(want, h.reread(upgraded)); diff != "" {
		t.Errorf("read after the upgrade (-want +got):\n%s", diff)
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	t.Setenv(envURL, "")
	t.Setenv(envToken, "")
	for _, tt := range []struct {
		name   string
		config map[string]any
		say    []string
	}{
		{"nothing", map[string]any{}, []string{"address of the practice cloud is missing", "HARBOR_URL", "harbor serve"}},
		{"no URL", map[string]any{"url": "127.0.0.1:7700"}, []string{"no URL", "want http://HOST:PORT"}},
		{"unknown url", map[string]any{"url": tftypes.UnknownValue}, []string{"provider's url is not known yet", "HARBOR_URL"}},
		{"unknown token", map[string]any{"url": "http://x", "token": tftypes.UnknownValue}, []string{"provider's token is not known yet"}},
		{"unknown timeout", map[string]any{"url": "http://x", "request_timeout": tftypes.UnknownValue}, []string{"request_timeout is not known"}},
		{"negative timeout", map[string]any{"url": "http://x", "request_timeout": number("-1")}, []string{"negative"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			got := said(h.configure(tt.config))
			for _, say := range tt.say {
				if !strings.Contains(got, say) {
					t.Errorf("got %s\nwant %q", got, say)
				}
			}
		})
	}
}
