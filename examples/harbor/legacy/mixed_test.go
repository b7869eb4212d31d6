package legacy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMixed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack-mixed")
	w.want(0, "plan", "-input=false", "-detailed-exitcode")
	if r := w.scan(); len(r.Drifts) > 0 || r.status != 0 || r.Coverage.Checked != 5 {
		t.Errorf("exit status %d, coverage %+v, drift\n%s", r.status, r.Coverage, strings.Join(r.drift(), "\n"))
	}
	w.tell(mixedDeeds(), w.refreshOnly().lines, w.gather("examples/harbor/legacy, muxed pair", "harbormixed (6)"))
	w.rewrite("database.old", asVersion1)
	w.harbor("fault", "set", "dns_record/full", "crash")
	w.harbor("delete", "dns_record/zero")
	r := w.scan()
	if diff := cmp.Diff([]string{"harborlegacy_alias.zero deleted"}, r.drift()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"harborlegacy_alias.full crashed"}, r.gaps()); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func mixedDeeds() []deed {
	const bucket, database = "harborlegacy_bucket.old ", "harborlegacy_database.old "
	const full, zero, bare = "harborlegacy_alias.full ", "harborlegacy_alias.zero ", "harborlegacy_alias.bare "
	return []deed{
		{"translated: tags from nothing", "bucket/old", setKey("tags", "a", "b"), []string{bucket + `tags: null -> {a:"b"}`}, ""},
		{"translated: bool in a list of blocks", "bucket/old", within("lifecycle_rules", "id", "all", set("enabled", true)), []string{bucket + `lifecycle_rule[0].enabled: false -> true`}, ""},
		{"translated: block with nothing in it removed", "bucket/old", unset("website"), []string{bucket + `website: [{}] -> []`}, ""},
		{"translated: number with a default", "database/old", set("backup_retention", number("1")), []string{database + `backup_retention: 7 -> 1`}, ""},
		{"new: text", "dns_record/full", set("comment", "x"), []string{full + `comment: "on the new framework" -> "x"`}, ""},
		{"new: text to null", "dns_record/full", unset("comment"), []string{full + `comment: "on the new framework" -> null`}, ""},
		{"new: in a block", "dns_record/full", set("probes", []any{attributes{"path": "/healthz", "port": number("80")}}), []string{full + `probe[0].port: 443 -> 80`}, ""},
		{"new: block removed", "dns_record/zero", unset("probes"), []string{zero + `probe: [{}] -> []`}, ""},
		{"new: fraction", "dns_record/full", set("score", number("0.2")), []string{full + `score: 0.1 -> 0.2`}, ""},
		{"new: number in a map", "dns_record/full", setKey("weights", "a", number("2")), []string{full + `weights["a"]: 1 -> 2`}, ""},
		{"new: false to null", "dns_record/full", unset("proxied"), []string{full + `proxied: false -> null`}, ""},
		{"new: null to false", "dns_record/bare", set("proxied", false), []string{bare + `proxied: null -> false`}, ""},
		{"new: empty text to null", "dns_record/zero", unset("comment"), []string{zero + `comment: "" -> null`}, ""},
		{"new: null to empty text", "dns_record/bare", set("comment", ""), []string{bare + `comment: null -> ""`}, ""},
		{"new: 0 to null", "dns_record/zero", unset("score"), []string{zero + `score: 0 -> null`}, ""},
		{"new: empty map to null", "dns_record/zero", unset("weights"), []string{zero + `weights: {} -> null`}, ""},
		{"new: empty text to null in a block", "dns_record/zero", set("probes", []any{attributes{}}), []string{zero + `probe[0].path: "" -> null`}, ""},
		{"new: key of 0 removed", "dns_record/full", setKey("weights", "b", nil), []string{full + `weights["b"]: 0 -> null`}, ""},
	}
}
