package legacy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"
)

// A deed is something that a person did by hand, and what a scan must say of it.
type deed struct {
	name   string
	object string // TYPE/NAME
	change func(attributes)
	want   []string // address, path, before, after
	known  string   // why it is not seen, where that is a known fault
}

func TestNoDriftAfterApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	w.want(0, "plan", "-input=false", "-detailed-exitcode")
	r := w.scan()
	if len(r.Drifts) > 0 || r.status != 0 || r.Coverage.Checked != 15 || !r.Coverage.Complete() {
		t.Errorf("exit status %d, coverage %+v, drift\n%s", r.status, r.Coverage, strings.Join(r.drift(), "\n"))
	}
	got := slices.DeleteFunc(r.noise(), func(line string) bool { return strings.HasSuffix(line, " updated_at (volatile)") }) // of whole seconds
	if diff := cmp.Diff(noiseAfterApply, got); diff != "" {
		t.Errorf("noise (-want +got):\n%s", diff)
	}
	other := w.refreshOnly()
	t.Logf("right after the apply, nothing was touched: taffrail %d drifts and %d differences that are none; plan -refresh-only exits with %d and lists %d attributes:\n%s",
		len(r.Drifts), len(r.noise()), other.status, len(other.lines), strings.Join(other.lines, "\n"))
}

// noiseAfterApply is what a scan right after the apply takes for no drift.
var noiseAfterApply = strings.Split(strings.TrimSpace(`
harborlegacy_bucket.bare etag (volatile)
harborlegacy_bucket.bare object_count (volatile)
harborlegacy_bucket.bare tags (equivalent)
harborlegacy_bucket.full etag (volatile)
harborlegacy_bucket.full lifecycle_rule[0].transition[].days (equivalent)
harborlegacy_bucket.full object_count (volatile)
harborlegacy_bucket.guarded etag (volatile)
harborlegacy_bucket.guarded object_count (volatile)
harborlegacy_bucket.zero etag (volatile)
harborlegacy_bucket.zero object_count (volatile)
harborlegacy_bucket.zero tags (equivalent)
harborlegacy_database.bare access_policy (equivalent)
harborlegacy_database.bare deletion_protection (equivalent)
harborlegacy_database.bare description (equivalent)
harborlegacy_database.bare parameters (equivalent)
harborlegacy_database.zero access_policy (equivalent)
harborlegacy_database.zero parameters (equivalent)
harborlegacy_firewall.bare labels (equivalent)
harborlegacy_firewall.bare limits (equivalent)
harborlegacy_firewall.bare notify (equivalent)
harborlegacy_firewall.bare ports (equivalent)
harborlegacy_firewall.bare tags (equivalent)
harborlegacy_firewall.full rule[].log (equivalent)
harborlegacy_firewall.hollow[0] labels (equivalent)
harborlegacy_firewall.hollow[0] rule[].log (equivalent)
harborlegacy_firewall.hollow[0] rule[].to_port (equivalent)
harborlegacy_firewall.hollow[1] labels (equivalent)
harborlegacy_firewall.hollow[1] rule[].log (equivalent)
harborlegacy_firewall.hollow[1] rule[].to_port (equivalent)
harborlegacy_firewall.zero labels (equivalent)
harborlegacy_firewall.zero limits (equivalent)
harborlegacy_firewall.zero ports (equivalent)
harborlegacy_firewall.zero tags (equivalent)
`), "\n")

func TestChangesByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	w.tell(deeds(), w.refreshOnly().lines, w.gather("examples/harbor/legacy", "harborlegacy (5)"))
}

// tell does the deeds, in rounds of one for each object, compares what a scan says
// with what it must say, takes the deeds back, and prints how the stack's own
// program did. quiet are the lines that the program has anyway.
func (w *world) tell(deeds []deed, quiet []string, j *jury) {
	w.t.Helper()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BY HAND\tCHANGES\tTAFFRAIL MISSED\tFALSE\tTOOL MISSED\tFALSE")
	var sum tally
	for len(deeds) > 0 {
		var round, later []deed
		for _, d := range deeds {
			switch {
			case d.known != "":
				w.t.Run(d.name, func(t *testing.T) { t.Skip("known: " + d.known) })
			case slices.ContainsFunc(round, func(other deed) bool { return other.object == d.object }):
				later = append(later, d)
			default:
				round = append(round, d)
			}
		}
		w.round(round, j, func(d deed, counts tally) {
			sum.add(counts)
			fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\n", d.name, len(d.want), counts[0], counts[1], counts[2], counts[3])
		})
		deeds = later
	}
	fmt.Fprintf(table, "all\t\t%d\t%d\t%d\t%d\n", sum[0], sum[1], sum[2], sum[3])
	_ = table.Flush()
	if after := w.scan().drift(); len(after) > 0 {
		w.t.Errorf("left when all was taken back:\n%s", strings.Join(after, "\n"))
	}
	w.t.Logf("the tool lists %d attributes when nothing was done\n%s", len(quiet), text.String())
	j.close(w.t)
}

// round does deeds to different objects at once.
func (w *world) round(deeds []deed, j *jury, note func(deed, tally)) {
	w.t.Helper()
	for _, d := range deeds {
		defer w.edit(d.object, d.change)()
	}
	got, other := w.scan().drift(), w.refreshOnly().lines
	w.hear(j, deeds, got)
	for _, d := range deeds {
		w.t.Run(d.name, func(t *testing.T) {
			var counts tally
			mine := take(&got, d.address())
			counts[0], counts[1] = compare(d.want, mine)
			counts[2], counts[3] = compare(tops(d.want), take(&other, d.address()))
			note(d, counts)
			if diff := cmp.Diff(d.want, mine); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if len(got) > 0 {
		w.t.Errorf("drift where nobody did anything:\n%s", strings.Join(got, "\n"))
	}
}

// address is the resource that the deed was done to.
func (d deed) address() string {
	line := top(d.want[0])
	return line[:strings.LastIndex(line, " ")+1]
}

// take takes the lines of an address out of others.
func take(lines *[]string, address string) []string {
	var taken, left []string
	for _, line := range *lines {
		if strings.HasPrefix(line, address) {
			taken = append(taken, line)
		} else {
			left = append(left, line)
		}
	}
	*lines = left
	return taken
}

// A tally has the columns of the table: what the scan missed and what it should not
// have said, and the same of the tool.
type tally [4]int

func (s *tally) add(counts tally) {
	for i, n := range counts {
		s[i] += n
	}
}

// compare counts the lines that got lacks, and those that it has and should not.
func compare(want, got []string) (missed, extra int) {
	for _, line := range want {
		if !slices.Contains(got, line) {
			missed++
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			extra++
		}
	}
	return missed, extra
}

// tops are the lines shortened to address and attribute, each once.
func tops(lines []string) []string {
	var out []string
	for _, line := range lines {
		out = append(out, top(line))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestTop(t *testing.T) {
	for line, want := range map[string]string{
		`a_b.c tags["x y"]: null -> ""`:        `a_b.c tags`,
		`a_b.c["a.b/c"] values[]: null -> "x"`: `a_b.c["a.b/c"] values`,
		`a_b.c[0] ports[]: 1 -> null`:          `a_b.c[0] ports`,
		`a_b.c deleted`:                        `a_b.c deleted`,
		`a_b.c rule[]: {x:[1 2]} -> null`:      `a_b.c rule`,
	} {
		if got := top(line); got != want {
			t.Errorf("top(%q) = %q, want %q", line, got, want)
		}
	}
}

// What the code ignores is shown, and is no drift; what stands beside it is.
func TestIgnoredChangesAreSuppressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	w.edit("bucket/guarded", func(a attributes) {
		setKey("tags", "team", "eve")(a)
		setKey("encryption", "key_id", "key-8")(a)
		unset("grants")(a)
	})
	r := w.scan()
	suppressed := slices.DeleteFunc(r.noise(), func(line string) bool { return !strings.HasSuffix(line, "(suppressed)") })
	want := []string{
		`harborlegacy_bucket.guarded encryption[0].key_id (suppressed)`,
		`harborlegacy_bucket.guarded grant[] (suppressed)`,
		`harborlegacy_bucket.guarded tags["team"] (suppressed)`,
	}
	if diff := cmp.Diff(want, suppressed); diff != "" || r.status != 0 {
		t.Errorf("exit status %d, drift %q (-want +got):\n%s", r.status, r.drift(), diff)
	}
	w.edit("bucket/guarded", func(a attributes) {
		setKey("tags", "other", "y")(a)
		setKey("encryption", "algorithm", "none")(a)
	})
	want = []string{
		`harborlegacy_bucket.guarded encryption[0].algorithm: "aes256" -> "none"`,
		`harborlegacy_bucket.guarded tags["other"]: "x" -> "y"`,
	}
	if diff := cmp.Diff(want, w.scan().drift()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	w.harbor("delete", "bucket/full")
	w.harbor("delete", "dns_record/a.b/c")
	w.harbor("set", "database/zero", "password=null", "size=large")
	w.harbor("unset", "database/main", "password")
	want := []string{
		`harborlegacy_bucket.full deleted`,
		`harborlegacy_database.main password: (secret) -> null`,
		`harborlegacy_database.zero size: "small" -> "large"`,
		`harborlegacy_dns_record.site["a.b/c"] deleted`,
	}
	r := w.scan()
	if diff := cmp.Diff(want, r.drift()); diff != "" || r.status != 2 {
		t.Errorf("exit status %d (-want +got):\n%s", r.status, diff)
	}
	w.want(0, "apply", "-input=false", "-auto-approve")
	if r := w.scan(); len(r.Drifts) > 0 || r.status != 0 {
		t.Errorf("after the repair: exit status %d\n%s", r.status, strings.Join(r.drift(), "\n"))
	}
}

func TestFaultsAreGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	for _, tc := range []struct{ fault, want string }{
		{"deny", "denied"}, {"error", "error"}, {"throttle", "throttled"}, {"hang", "timeout"}, {"crash", "crashed"}, {"latency=20ms", ""},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			w.harbor("fault", "set", "firewall/full", tc.fault)
			defer w.harbor("fault", "clear")
			var want []string
			status := 0
			if tc.want != "" {
				want, status = []string{"harborlegacy_firewall.full " + tc.want}, 1
			}
			r := w.scan("--timeout", "3s")
			if diff := cmp.Diff(want, r.gaps()); diff != "" || len(r.Drifts) > 0 || r.status != status {
				t.Errorf("exit status %d, drift %q, gaps (-want +got):\n%s", r.status, r.drift(), diff)
			}
		})
	}
}
