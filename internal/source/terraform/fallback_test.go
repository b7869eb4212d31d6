package terraform

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// What only the tool can work out is read through the tool, with the same findings.
func TestFallback(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, h *harbor) {
		h.replace(t, "versions.tf", "= var.request_timeout", "= var.request_timeout + length(plantimestamp())")
		mine := func(c *Config) { c.CLI = h.tool }
		got := h.scan(mine)
		if d := drift(got); len(d) > 0 || got.coverage.Checked != 13 {
			t.Errorf("right after an apply: %v, %+v", d, got.coverage)
		}
		h.by("set", "firewall/web", "description=Back door")
		h.by("set", "database/main", "users.0.token=stolen-user-token")
		h.by("delete", "bucket/plain")
		before := fingerprint(t, h.dir)
		got = h.scan(mine)
		want := []string{"harbor_bucket.plain gone", "harbor_database.main users: ", `harbor_firewall.web description: "Front door" -> "Back door"`}
		have := drift(got)
		for i, line := range have {
			if i < len(want) && strings.HasPrefix(line, want[i]) {
				have[i] = want[i]
			}
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(got.dump()+h.log.String(), "stolen-user-token") {
			t.Error("a secret left")
		}
		if diff := cmp.Diff(before, fingerprint(t, h.dir)); diff != "" {
			t.Error(diff)
		}
		t.Run("never", func(t *testing.T) {
			for _, o := range h.scan(mine, func(c *Config) { c.Fallback = "never" }).all {
				if o.Gap == nil || o.Gap.Reason != taffrail.ReasonUnconfigured {
					t.Errorf("%s: %+v", o.Resource.Address, o.Gap)
				}
			}
		})
	})
}

// A resource that cannot be read fails a plan as a whole. It costs no other resource its answer.
func TestTrap13_OneUnreadableResourceVoidsNoPlan(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	h.replace(t, "versions.tf", "= var.request_timeout", "= var.request_timeout + length(plantimestamp())")
	h.by("fault", "set", "bucket/plain", "deny")
	for _, o := range h.scan(func(c *Config) { c.CLI = h.tool }).all {
		switch at := o.Resource.Address; {
		case at == "harbor_bucket.plain" && (o.Gap == nil || !strings.Contains(o.Gap.Detail, "403")):
			t.Errorf("%s: %+v", at, o.Gap)
		case at != "harbor_bucket.plain" && o.Gap != nil:
			t.Errorf("%s: %+v", at, o.Gap)
		}
	}
}
