package legacy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each resource of stack-odd is in sync, and is stored in another form than it is
// read.
func TestOddFormsAreNoDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack-odd")
	w.want(0, "plan", "-input=false", "-detailed-exitcode")
	r := w.scan()
	found := map[string][]string{}
	for _, line := range r.drift() {
		address, change, _ := strings.Cut(line, " ")
		found[address] = append(found[address], change)
	}
	t.Logf("plan -refresh-only lists\n%s", strings.Join(w.refreshOnly().lines, "\n"))
	for _, address := range []string{
		"harborlegacy_dns_record.own_id", "harborlegacy_dns_record.dotted", "harborlegacy_database.cased", "harborlegacy_database.spelled", "harborlegacy_bucket.vast",
	} {
		t.Run(address, func(t *testing.T) {
			if diff := cmp.Diff([]string(nil), found[address]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a double cannot tell apart is a change all the same.
func TestVastNumberChangesByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack-odd")
	w.edit("bucket/vast", set("quota_bytes", number("9007199254740992")))
	var got []string
	for _, line := range w.scan().drift() {
		if strings.HasPrefix(line, "harborlegacy_bucket.vast ") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff([]string{"harborlegacy_bucket.vast quota_bytes: 9007199254740993 -> 9007199254740992"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
