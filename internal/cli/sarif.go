package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// SARIF 2.1.0, as OASIS has it: a run for each stack, a result for each drift and for code that is not applied yet, and a notification
// for whatever was not checked, so that a run without results never looks like a stack in sync.

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// sarifRules are the rules, in the order of their indexes.
var sarifRules = []struct{ id, name, level, short, help string }{
	{"taffrail/modified", "Modified", sarif.LevelWarning, "A live resource is not as recorded",
		"Somebody or something changed the resource outside of its code. Apply the code to put it back, or bring the change into the code."},
	{"taffrail/deleted", "Deleted", sarif.LevelError, "A recorded resource is not there",
		"The resource was read and does not exist. Apply the code to create it again, or take it out of the code."},
	{"taffrail/unmanaged", "Unmanaged", sarif.LevelNote, "A live resource is declared by no known stack",
		"Import it into a stack, delete it, or accept it by a rule."},
	{"taffrail/pending", "Pending", sarif.LevelNote, "The code wants something that is not applied yet",
		"Apply the code."},
}

func sarifRule(id string) int {
	for i, r := range sarifRules {
		if r.id == "taffrail/"+id {
			return i
		}
	}
	return 0
}

func (a *app) printSARIF(all []scanned) error {
	report := sarif.NewReport()
	report.Schema = sarifSchema
	for _, s := range all {
		report.AddRun(a.sarifRun(s))
	}
	return writeJSON(a.out, report)
}

func (a *app) sarifRun(s scanned) *sarif.Run {
	run := sarif.NewRun()
	run.Tool = sarif.NewTool().WithDriver(a.sarifDriver())
	invocation := sarif.NewInvocation().WithExecutionSuccessful(s.err == nil && s.report.Outcome == taffrail.OutcomeOK && s.report.Coverage.Complete()).
		WithExitCode(s.status)
	run.AddInvocation(invocation)
	if s.err != nil {
		invocation.AddToolExecutionNotification(notification("error", sarif.LevelError, "stack "+safe(s.target)+": "+errorLine(s.err), nil))
		return run.WithAutomationDetails(sarif.NewRunAutomationDetails().WithID("taffrail/" + safe(s.target) + "/"))
	}
	r := s.report
	code := codeBaseOf(r.Stack)
	run.WithAutomationDetails(sarif.NewRunAutomationDetails().WithID("taffrail/" + safe(string(r.Stack.ID)) + "/"))
	run.OriginalUriBaseIds = code.bases()
	run.WithProperties(sarifAbout(r))
	invocation.WithStartTimeUtc(stampSARIF(r.StartedAt)).WithEndTimeUtc(stampSARIF(r.FinishedAt))
	for _, g := range r.Coverage.Gaps {
		level := sarif.LevelNote
		if g.Reason.IsGap() {
			level = sarif.LevelError
		}
		invocation.AddToolExecutionNotification(notification("not_checked/"+safe(string(g.Reason)), level, gapLine(g), logical(g.Address, g.Type)))
	}
	for _, line := range r.Expired {
		invocation.AddToolExecutionNotification(notification("expired", sarif.LevelWarning, "a rule of acceptance has expired: "+safe(line), nil))
	}
	for _, d := range r.Drifts {
		run.AddResult(driftResult(d, code))
	}
	for _, f := range r.Pending {
		run.AddResult(pendingResult(f, code))
	}
	return run
}

func (a *app) sarifDriver() *sarif.ToolComponent {
	driver := sarif.NewToolComponent().WithName("Taffrail").WithVersion(a.Version)
	for _, r := range sarifRules {
		rule := sarif.NewReportingDescriptor().WithID(r.id).WithName(r.name)
		rule.WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.short))
		rule.WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.short + ". " + r.help))
		rule.WithHelp(sarif.NewMultiformatMessageString().WithText(r.help))
		rule.WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(r.level))
		driver.AddRule(rule)
	}
	return driver
}

// sarifAbout is what the run says of itself beyond what SARIF has words for.
func sarifAbout(r daemon.ScanReport) *sarif.PropertyBag {
	c := r.Coverage
	about := sarif.NewPropertyBag().
		Add("scan", r.Scan).Add("stack", safe(r.Stack.Name)).Add("serial", r.Stack.Serial).Add("outcome", r.Outcome).
		Add("checked", c.Checked).Add("total", c.Total).Add("incomplete", c.Incomplete).Add("unsupported", c.Unsupported).Add("ignored", c.Ignored).
		Add("logOrigin", safe(r.Log.Origin)).Add("logFirst", r.Log.First).Add("logLast", r.Log.Last)
	if r.Stack.Commit != nil {
		about.Add("commit", safe(r.Stack.Commit.Hash))
	}
	return about
}

func driftResult(d taffrail.Drift, p codeBase) *sarif.Result {
	result := resultOf(d.Finding, string(d.Finding.Status), p)
	result.WithMessage(text(strings.Join(slices.Concat([]string{headline(d.Finding)}, changeLines(d.Finding), causeLines(d.Causes)), "\n")))
	switch {
	case d.New:
		result.WithBaselineState("new")
	case d.Changed:
		result.WithBaselineState("updated")
	default:
		result.WithBaselineState("unchanged")
	}
	result.AddPartialFingerprint("taffrailDrift/v1", string(d.ID))
	result.WithProperties(sarif.NewPropertyBag().Add("drift", string(d.ID)).Add("since", stampSARIF(d.Since)).Add("entry", d.Entry).
		Add("resource", safe(string(d.Finding.Resource.ID))).Add("pending", d.Finding.Pending))
	return result
}

func pendingResult(f taffrail.Finding, p codeBase) *sarif.Result {
	lines := []string{pendingHeadline(f)}
	for _, c := range f.Wanted {
		lines = append(lines, changeLine(c, 400))
	}
	return resultOf(f, "pending", p).WithMessage(text(strings.Join(lines, "\n")))
}

// resultOf is a result without words. Its fingerprint is the same as long as the same thing is the matter with the same resource.
func resultOf(f taffrail.Finding, rule string, p codeBase) *sarif.Result {
	i := sarifRule(rule)
	result := sarif.NewResult().WithRuleID(sarifRules[i].id).WithRuleIndex(i).WithLevel(sarifRules[i].level)
	location := sarif.NewLocation().WithLogicalLocations(logical(f.Resource.Address, f.Resource.Type)).WithPhysicalLocation(p.physical(f.Resource))
	sum := sha256.Sum256([]byte(string(f.Resource.Stack) + "\x00" + string(f.Resource.Address) + "\x00" + rule))
	return result.AddLocation(location).WithPartialFingerprints(map[string]string{"primaryLocationLineHash": hex.EncodeToString(sum[:8]) + ":1"})
}

func logical(address taffrail.Address, kind taffrail.ResourceType) []*sarif.LogicalLocation {
	switch {
	case address != "":
		return []*sarif.LogicalLocation{sarif.NewLogicalLocation().WithFullyQualifiedName(safe(string(address))).WithKind("resource")}
	case kind != "":
		return []*sarif.LogicalLocation{sarif.NewLogicalLocation().WithName(safe(string(kind))).WithKind("type")}
	}
	return nil
}

func notification(id, level, message string, where []*sarif.LogicalLocation) *sarif.Notification {
	n := sarif.NewNotification().WithLevel(level).WithMessage(text(message)).WithDescriptor(sarif.NewReportingDescriptorReference().WithID(id))
	if len(where) > 0 {
		n.AddLocation(sarif.NewLocation().WithLogicalLocations(where))
	}
	return n
}

func text(s string) *sarif.Message { return sarif.NewMessage().WithText(s) }
