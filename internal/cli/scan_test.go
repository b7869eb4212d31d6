package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// answering is a fake whose scan gives a report.
func answering(r daemon.ScanReport) *fake {
	return &fake{scan: func(context.Context, daemon.ScanRequest, func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		return r, nil
	}}
}

func TestScanTable(t *testing.T) {
	const policy = `{"statements":[{"effect":"allow","actions":["read","list"],"who":["team:operations"]}]}`
	for _, c := range []struct {
		name   string
		report daemon.ScanReport
		args   []string
	}{
		{name: "in_sync", report: reportOf()},
		{name: "empty", report: func() daemon.ScanReport {
			r := reportOf()
			r.Coverage, r.Stack.Workspace = taffrail.Coverage{}, "staging"
			return r
		}()},
		{name: "one", report: reportOf(modified("cloud_firewall.web", drifted("description", str("Front door"), str("opened by hand"))))},
		{name: "many", report: func() daemon.ScanReport {
			old := modified(`module.shop["a.b/c"].cloud_bucket.assets`,
				drifted("versioning", taffrail.Bool(true), taffrail.Bool(false)),
				drifted("quota_bytes", num("9007199254740993"), num("9007199254740992")),
				drifted(`tags["environment"]`, str("production"), taffrail.Null()),
				drifted(`tags["owner"]`, taffrail.Null(), str("nobody")),
				drifted("encryption", taffrail.Object(map[string]taffrail.Value{"algorithm": str("aes256"), "key_id": str("key-7")}), taffrail.Null()),
				drifted("lifecycle_rules[0].expire_days", num("30"), num("3")))
			old.New = false
			old.Finding.Pending = true
			old.Finding.Resource.Module, old.Finding.Resource.File, old.Finding.Resource.Line = `module.shop["a.b/c"]`, "modules/service/main.tf", 5
			r := reportOf(
				modified("cloud_firewall.web", drifted("description", str("Front door"), str("opened by hand"))),
				old,
				driftOf(taffrail.Deleted, `cloud_dns_record.site["a.b/c"]`),
				driftOf(taffrail.Unmanaged, "cloud_bucket.found"))
			r.Ended = []daemon.EndedDrift{{ID: "drift-1", Address: "cloud_bucket.plain", Why: taffrail.EndInSync}, {ID: "drift-2", Address: "cloud_bucket.gone", Why: taffrail.EndReleased}}
			return r
		}()},
		{name: "gaps", report: withGaps(reportOf(),
			gapOf("cloud_database.main", taffrail.ReasonDenied, "read cloud_database db-0001: 403 AccessDenied: not allowed to read it", "give the credentials that the provider uses the right to read"),
			gapOf("cloud_bucket.slow", taffrail.ReasonTimeout, "no answer within 60s", ""),
			gapOf("random_id.a", taffrail.ReasonUnsupported, "the data lives in the state alone", ""),
			gapOf("random_id.b", taffrail.ReasonUnsupported, "the data lives in the state alone", ""))},
		{name: "gaps_hide_a_drift", report: func() daemon.ScanReport {
			r := withGaps(reportOf(), gapOf("cloud_database.main", taffrail.ReasonDenied, "403", "give the credentials the right to read"))
			r.Unseen = []daemon.UnseenDrift{{ID: "drift-1", Address: "cloud_database.main", Since: noon, Entry: 7}}
			return r
		}()},
		{name: "gaps_many", report: withGaps(reportOf(modified("cloud_firewall.web", drifted("description", str("a"), str("b")))), manyGaps()...)},
		{name: "gaps_all", report: withGaps(reportOf(), manyGaps()...), args: []string{"--all"}},
		{name: "gaps_allowed", report: withGaps(reportOf(), gapOf("cloud_database.main", taffrail.ReasonDenied, "403", "")), args: []string{"--allow-gaps"}},
		{name: "cancelled", report: withGaps(reportOf(), gapOf("cloud_database.main", taffrail.ReasonCancelled, "the scan was stopped first", "")), args: []string{"--allow-gaps"}},
		{name: "raced", report: withGaps(reportOf(), gapOf("", taffrail.ReasonRaced, "the state moved from serial 14 to 15 while it was read", "scan again when nobody applies"))},
		{name: "secrets", report: reportOf(modified("cloud_database.main",
			drifted("password", secret("1a2b3c4d"), secret("9f8e7d6c")),
			drifted("token", taffrail.Null(), secret("55667788")),
			taffrail.Change{Path: pathOf("old_key"), Before: secret("1a2b3c4d"), After: taffrail.Secret("hmac:ffffffff:" + taffrail.SecretDigest(strings.Repeat("0", 64))),
				Class: taffrail.ClassUnverifiable, Why: "the secrets were sealed with different keys"})), args: []string{"--all"}},
		{name: "sets", report: reportOf(modified("cloud_firewall.web",
			lost("rules", rule("22", taffrail.Null(), "10.20.0.0/16", "10.21.0.0/16")),
			lost("rules", rule("443", str("https"), "0.0.0.0/0")),
			gained("rules", rule("22", str("temporary"), "0.0.0.0/0")),
			gained("rules", taffrail.Object(map[string]taffrail.Value{"direction": str("in"), "protocol": str("udp"), "from_port": num("1"), "to_port": num("65535"),
				"cidrs": taffrail.Set(strs("192.0.2.0/24")...), "description": taffrail.Null()})),
			lost("groups", str("operations")), gained("groups", str("everyone"))))},
		{name: "null_unknown_absent", report: reportOf(modified("cloud_thing.a",
			drifted("attribute", str("set"), taffrail.Null()),
			drifted(`map["key"]`, str("set"), taffrail.Null()),
			drifted("empty", taffrail.Null(), str("")),
			drifted("word", str("null"), str("(absent)")),
			drifted("list", taffrail.List(), taffrail.List(str("a"))),
			taffrail.Change{Path: pathOf("later"), Before: taffrail.Unknown(), After: str("x"), Class: taffrail.ClassUnverifiable, Why: "a value is not known"})), args: []string{"--all"}},
		{name: "unicode", report: reportOf(modified("cloud_thing.宿主",
			drifted(`."名前"`, str("正面玄関"), str("開いた扉")),
			drifted("name", str("Tür"), str("Tu\u0308r")),
			drifted("emoji", str("🚪"), str("👩‍👩‍👧")),
			drifted("evil", str("plain"), str("\x1b[31mred\x1b[0m\r\nsecond\u202eesrever\u009b2J"))))},
		{name: "long", report: reportOf(modified("cloud_bucket.logs",
			drifted("words", str(strings.Repeat("word ", 20)+"then"+strings.Repeat(" word", 20)), str(strings.Repeat("word ", 20)+"now"+strings.Repeat(" word", 20))),
			drifted("script", str("#!/bin/sh\n"+strings.Repeat("echo line\n", 60)+"exit 0\n"), str("#!/bin/sh\n"+strings.Repeat("echo line\n", 60)+"exit 1\n")),
			drifted("blob", str(strings.Repeat("a", 5000)), str(strings.Repeat("b", 7000))),
			drifted("a_rather_long_attribute_name_that_needs_a_line.of_its_own_in_the_table", str("x"), str("y")),
			drifted("short", num("1"), num("2")),
			drifted("whole", taffrail.List(strs(strings.Fields(strings.Repeat("element ", 40))...)...), taffrail.List(str("one")))))},
		{name: "json_documents", report: reportOf(modified("cloud_bucket.logs",
			drifted("policy", str(policy), str(`{"statements": [{"actions": ["read", "list"], "effect": "deny", "who": ["*", "team:operations"], "id": 9007199254740993}]}`)),
			drifted("spaces", str(`{"a": 1}`), str(`{"a":1}`)),
			drifted("other", str(`{"a":1}`), str(`[1]`)),
			drifted("nothing_shared", str(`[1,2]`), str(`[1]`)),
			drifted("null_or_absent", str(`{"a":null}`), str(`{}`)),
			drifted("broken", str(`{"a":1}`), str(`{"a":`)),
			drifted("evil", str(`{"a":"1"}`), str(`{"a":"\u001b[2J"}`))))},
		{name: "deleted", report: reportOf(driftOf(taffrail.Deleted, "cloud_bucket.plain"))},
		{name: "noise_hidden", report: noisy()},
		{name: "noise_all", report: noisy(), args: []string{"--all"}},
		{name: "new_log", report: func() daemon.ScanReport { r := reportOf(); r.Log.Started = true; r.Log.First = 0; return r }()},
		{name: "new_log_quiet", report: func() daemon.ScanReport { r := reportOf(); r.Log.Started = true; return r }(), args: []string{"-q"}},
		{name: "not_signed", report: func() daemon.ScanReport { r := reportOf(); r.Log.Level = audit.LevelSequenced; return r }()},
	} {
		t.Run(c.name, func(t *testing.T) {
			golden(t, "scan/"+c.name, run(t, answering(c.report), append([]string{"scan", "infra/prod"}, c.args...)...))
		})
	}
}

func manyGaps() []taffrail.Gap {
	var gaps []taffrail.Gap
	for i := range 12 {
		gaps = append(gaps, gapOf(fmt.Sprintf("cloud_bucket.b[%d]", i), taffrail.ReasonThrottled, "429: slow down", "scan with a lower --concurrency"))
	}
	for i := range 11 {
		gaps = append(gaps, gapOf(fmt.Sprintf("cloud_queue.q[%d]", i), taffrail.ReasonError, fmt.Sprintf("read queue q-%04d: 500: the server failed", i), ""))
	}
	return append(gaps, gapOf("cloud_old.x", taffrail.ReasonIgnored, "deposed object: waits to be destroyed", ""))
}

// noisy is a report of a drift beside differences that are none.
func noisy() daemon.ScanReport {
	etag := taffrail.Change{Path: pathOf("etag"), Before: str("v1"), After: str("v2"), Class: taffrail.ClassVolatile, Why: "computed by the provider"}
	size := taffrail.Change{Path: pathOf("desired_size"), Before: num("2"), After: num("5"), Class: taffrail.ClassSuppressed, Why: "ignore_changes at main.tf:14"}
	wo := taffrail.Change{Path: pathOf("admin_password"), Before: taffrail.Null(), After: taffrail.Unknown(), Class: taffrail.ClassUnverifiable, Why: "write-only: it is never given back"}
	r := reportOf(modified("cloud_bucket.logs", etag, drifted("versioning", taffrail.Bool(true), taffrail.Bool(false))))
	f := driftOf(taffrail.InSync, "cloud_group.workers", wo, size).Finding
	r.Noise = append(r.Noise, f)
	return r
}
