package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/taffrail-dev/taffrail"
)

// Whatever a stack is called and holds, SARIF is valid by the schema of OASIS.
func TestSARIFIsValid(t *testing.T) {
	for name, f := range map[string]*fake{
		"in sync": answering(reportOf()), "rich": answering(richReport()), "hostile": answering(hostile()), "failed": failing(t, nil),
	} {
		got := run(t, f, "scan", "-o", "sarif")
		report, err := sarif.FromBytes([]byte(got.stdout), sarif.WithStrictValidation())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := report.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A run of SARIF says of each drift where it is and how it is known again, and of each gap that it is one.
func TestSARIFSays(t *testing.T) {
	report, err := sarif.FromBytes([]byte(run(t, answering(richReport()), "scan", "-o", "sarif").stdout))
	if err != nil {
		t.Fatal(err)
	}
	r := report.Runs[0]
	var got []string
	for _, x := range r.Results {
		line := fmt.Sprintf("%s %s %s", *x.RuleID, x.Level, *x.Locations[0].LogicalLocations[0].FullyQualifiedName)
		if region := x.Locations[0].PhysicalLocation.Region; region != nil {
			line += fmt.Sprintf(" %s:%d", *x.Locations[0].PhysicalLocation.ArtifactLocation.URI, *region.StartLine)
		}
		if x.BaselineState != nil {
			line += " " + *x.BaselineState
		}
		if rule := r.Tool.Driver.Rules[x.RuleIndex]; *rule.ID != *x.RuleID {
			t.Errorf("%s has the index of %s", *x.RuleID, *rule.ID)
		}
		got = append(got, line)
	}
	want := []string{
		"taffrail/modified warning cloud_bucket.logs infra/prod/main.tf:12 new",
		"taffrail/modified warning cloud_firewall.web infra/prod/main.tf:12 updated",
		"taffrail/deleted error module.shop.cloud_bucket.assets infra/prod/main.tf:12 unchanged",
		"taffrail/unmanaged note cloud_bucket (unmanaged bkt-0009) new",
		"taffrail/pending note cloud_queue.jobs infra/prod/main.tf:12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if *r.Invocations[0].ExecutionSuccessful {
		t.Error("an incomplete scan is called successful")
	}
	var levels []string
	for _, n := range r.Invocations[0].ToolExecutionNotifications {
		levels = append(levels, n.Level)
	}
	if diff := cmp.Diff([]string{"error", "note", "error", "warning"}, levels); diff != "" {
		t.Error(diff)
	}
}

// A drift is the same to a reader of SARIF however it looks and wherever it stands in the code, and another resource is another.
func TestSARIFFingerprints(t *testing.T) {
	of := func(d taffrail.Drift) string {
		report, err := sarif.FromBytes([]byte(run(t, answering(reportOf(d)), "scan", "-o", "sarif").stdout))
		if err != nil {
			t.Fatal(err)
		}
		return report.Runs[0].Results[0].PartialFingerprints["primaryLocationLineHash"]
	}
	d := modified("cloud_a.a", drifted("x", num("1"), num("2")))
	moved := modified("cloud_a.a", drifted("x", num("1"), num("3")))
	moved.Finding.Resource.Line, moved.New = 99, false
	if of(d) != of(moved) {
		t.Error("a drift that moved is another")
	}
	if of(d) == of(modified("cloud_b.a")) || of(d) == of(driftOf(taffrail.Deleted, "cloud_a.a")) {
		t.Error("two drifts are one")
	}
}

// A place in the code is given from the root of its repository, and from the stack where there is none.
func TestPlaceInCode(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"repo/.git", "repo/infra/a b", "alone"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(root, "alone", "x.tfstate")
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ stack, file, uri, base string }{
		{root + "/repo/infra/a b", "main.tf", "infra/a%20b/main.tf", root + "/repo/"},
		{root + "/repo/infra/a b", "../modules/m.tf", "infra/modules/m.tf", root + "/repo/"},
		{root + "/repo/infra/a b", "", "infra/a%20b", root + "/repo/"},
		{root + "/alone", "a:b.tf", "./a:b.tf", root + "/alone/"},
		{state, "", "x.tfstate", root + "/alone/"},
		{"s3://bucket/key", "", "s3://bucket/key", ""},
	} {
		code := codeBaseOf(taffrail.StackInfo{Name: c.stack})
		got := code.physical(taffrail.Resource{File: c.file, Line: 3})
		if *got.ArtifactLocation.URI != c.uri || (got.Region != nil) != (c.file != "") {
			t.Errorf("%s in %s is %s", c.file, c.stack, *got.ArtifactLocation.URI)
		}
		if base := code.bases()[baseID]; c.base != "" && *base.URI != "file://"+c.base || c.base == "" && base.URI != nil {
			t.Errorf("the base of %s is %v", c.stack, base.URI)
		}
	}
}
