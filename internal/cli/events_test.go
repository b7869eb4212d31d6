package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

var movedAt = time.Date(2026, 3, 1, 14, 2, 11, 0, time.UTC)

func carol() taffrail.Actor {
	return taffrail.Actor{
		ID: "arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_1/carol@corp.example", Class: taffrail.ActorPerson, Name: "carol@corp.example",
		Chain: []taffrail.Link{{Kind: "role", ID: "AWSReservedSSO_Admin_1"}}, Features: []string{"a role of IAM Identity Center", "a session named by an address"},
	}
}

// someCauses has an answer of each sort.
func someCauses() []taffrail.Cause {
	event := taffrail.EventRef{ID: "e-1", Time: movedAt, Action: "ec2:AuthorizeSecurityGroupIngress", Actor: carol()}
	shared := taffrail.EventRef{ID: "e-2", Time: movedAt.Add(time.Minute), Action: "ec2:CreateTags", Actor: taffrail.Actor{ID: "AKIA1", Class: taffrail.ActorCredential}}
	change := func(name string) taffrail.Change {
		return taffrail.Change{Path: taffrail.NewPath(taffrail.Attr(name)), Before: taffrail.String("was"), After: taffrail.String("is"), Class: taffrail.ClassDrift}
	}
	return []taffrail.Cause{
		{
			Address: "aws_security_group.web", Change: change("ingress"), Tier: taffrail.TierExplained, Confidence: 0.99, Event: &event, Chain: []taffrail.EventID{"e-1"},
			Evidence:   []taffrail.Evidence{{Kind: taffrail.EvidenceReplay, Event: "e-1", Detail: "what it is known to do gives the value"}},
			Rejected:   []taffrail.Rejection{{Event: "e-0", Action: "ec2:RevokeSecurityGroupIngress", Why: "it failed: AccessDenied"}},
			Excursions: []taffrail.Excursion{{From: movedAt.Add(-time.Hour), Until: movedAt, Value: taffrail.String("open"), By: "e-00"}},
		},
		{Change: change("description"), Tier: taffrail.TierExplained, Confidence: 0.99, Event: &event, Chain: []taffrail.EventID{"e-1"}},
		{
			Change: change("tags"), Tier: taffrail.TierPossible, Confidence: 0.5, Event: &shared, Via: "arn:aws:iam::1:policy/shared",
			Candidates: []taffrail.Candidate{{EventRef: shared, Confidence: 0.5}, {EventRef: event, Confidence: 0.4}}, Reason: "both orders are possible",
		},
		{Change: change("name"), Tier: taffrail.TierUnexplained, Reason: "no event that is known does this: a gap in the log of the time may hide it"},
		{Change: change("egress"), Tier: taffrail.TierAwaiting, Candidates: []taffrail.Candidate{{EventRef: event}}, Reason: "events from 2026-03-01T14:00:00Z on may still arrive"},
	}
}

func someDrift() taffrail.Drift {
	f := taffrail.Finding{Resource: taffrail.Resource{Address: "aws_security_group.web", ID: "sg-1", File: "main.tf", Line: 3}, Status: taffrail.Modified}
	for _, c := range someCauses() {
		f.Changes = append(f.Changes, c.Change)
	}
	return taffrail.Drift{ID: "drift-0123456789abcdef", Since: movedAt.Add(time.Hour), Entry: 7, Finding: f, Causes: &taffrail.Causes{Entry: 9, Changes: someCauses()}}
}

func TestWhy(t *testing.T) {
	d := someDrift()
	answer := daemon.WhyAnswer{Stack: "terraform/l/default", Drift: d, Ended: -1, Revised: []int64{8}, Sources: 1, Selected: d.Causes.Changes,
		Declared: &taffrail.Declaration{Event: "0123456789abcdef0123", Time: movedAt.Add(-24 * time.Hour), Actor: taffrail.Actor{ID: "erin@corp.example", Class: taffrail.ActorPerson}, Summary: "web: open 443"}}
	f := &fake{fakeLog: fakeLog{why: &[]daemon.WhyAnswer{answer}}}
	golden(t, "why/all", run(t, f, "why", "aws_security_group.web", "ingress", "--all"))
	if diff := cmp.Diff(daemon.WhyRequest{Address: "aws_security_group.web", Path: "ingress", All: true}, f.request); diff != "" {
		t.Error(diff)
	}
	golden(t, "why/json", run(t, f, "why", "drift-0123456789abcdef", "-o", "json"))
	if diff := cmp.Diff(daemon.WhyRequest{Drift: "drift-0123456789abcdef"}, f.request); diff != "" {
		t.Error(diff)
	}
	d.Causes = nil
	unasked := daemon.WhyAnswer{Drift: d, Ended: 12, Unasked: "no event has come into the log yet, so nobody can be named"}
	golden(t, "why/nobody", run(t, &fake{fakeLog: fakeLog{why: &[]daemon.WhyAnswer{unasked}}}, "why", "a.b"))
	golden(t, "why/nothing", run(t, &fake{}, "why"))
}

func TestHistory(t *testing.T) {
	h := daemon.History{Address: "aws_security_group.web", IDs: []string{"sg-1"}, Items: []daemon.HistoryItem{
		{Time: movedAt.Add(-time.Hour), What: "version", Entry: 2, Version: new("q83vEg=="), Text: "seen in version abcdef12"},
		{Time: movedAt, What: "event", Entry: 3, Text: "ec2:AuthorizeSecurityGroupIngress by carol@corp.example", Event: &taffrail.Event{ID: "e-1", Actor: carol()}},
		{Time: movedAt.Add(time.Hour), What: "drift", Entry: 7, Drift: "drift-1", Text: "drift found: modified, 4 changes"},
	}}
	f := &fake{fakeLog: fakeLog{history: &h}}
	golden(t, "history/some", run(t, f, "history", "aws_security_group.web", "--id", "arn:x", "--since", "2026-03-01"))
	want := daemon.HistoryRequest{Address: "aws_security_group.web", IDs: []string{"arn:x"}, Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	if diff := cmp.Diff(want, f.request); diff != "" {
		t.Error(diff)
	}
}

func TestEvents(t *testing.T) {
	taken := daemon.EventsTaken{Batches: 2, Events: 10, Changes: 3, Dead: 1, Repeated: 4, Notices: 1, Last: 9, Began: &daemon.LogInfo{Origin: "taffrail.local/5f0c1e", Key: "taffrail.local/5f0c1e+00"}}
	f := &fake{fakeLog: fakeLog{taken: &taken}}
	golden(t, "events/import", run(t, f, "events", "import", "/a/folder", "--source", "audit", "--name", "prod"))
	if diff := cmp.Diff(daemon.ImportRequest{Path: "/a/folder", Source: "audit", Name: "prod"}, f.request); diff != "" {
		t.Error(diff)
	}
	golden(t, "events/import_fails", run(t, &fake{fakeLog: fakeLog{failed: errors.New("no")}}, "events", "import", "x"))
	golden(t, "events/receive", run(t, f, "events", "receive"))
	listed := []daemon.LoggedEvent{
		{Source: "prod", Batch: 3, Event: &taffrail.Event{ID: "e-1", Time: movedAt, Action: "ec2:AuthorizeSecurityGroupIngress", Actor: carol()}},
		{Source: "prod", Batch: 3, Event: &taffrail.Event{ID: "e-2", Time: movedAt, Action: "ec2:DescribeInstances", Actor: carol(), Read: true}},
		{Source: "prod", Batch: 3, Event: &taffrail.Event{ID: "e-3", Time: movedAt, Action: "ec2:RunInstances", Actor: carol(), Error: "Client.\x1b[31mDenied"}},
		{Source: "prod", Batch: 4, Where: "record 7", Fault: "it is not JSON at byte 3"},
	}
	f = &fake{fakeLog: fakeLog{events: &listed}}
	golden(t, "events/list", run(t, f, "events", "list", "--changes", "--actor", "carol", "--since", "2026-03-01", "-n", "5"))
	want := daemon.EventFilter{Changes: true, Actor: "carol", Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Limit: 5}
	if diff := cmp.Diff(want, f.request); diff != "" {
		t.Error(diff)
	}
	golden(t, "events/tail_ndjson", run(t, f, "events", "tail", "-o", "ndjson"))
	sources := []daemon.EventSourceStatus{
		{Source: "prod", Plugin: "cloudtrail", Settled: &movedAt, First: &movedAt, Last: &movedAt, Entry: 9, Events: 10, Changes: 3, Dead: 1, Notices: []taffrail.LogNotice{
			{Kind: taffrail.NoticeGap, Start: movedAt, End: movedAt.Add(time.Hour), What: "a log file that a digest names is missing"},
		}},
		{Source: "stage", Plugin: "kubeaudit", Entry: -1},
	}
	golden(t, "events/sources", run(t, &fake{fakeLog: fakeLog{sources: &sources}}, "events", "sources"))
	golden(t, "events/no_sources", run(t, &fake{fakeLog: fakeLog{sources: &[]daemon.EventSourceStatus{}}}, "events", "sources"))
}

func TestUnlock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "record")
	f := &fake{fakeLog: fakeLog{position: keptAt()}}
	golden(t, "events/unlock", run(t, f, "events", "unlock", "17", "4", "--file", file, "--reason", "why", "--by", "jane"))
	if diff := cmp.Diff(daemon.UnlockRequest{Batch: 17, Record: 4, Reason: "why", By: "jane"}, f.request); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile(file)
	info, failed := os.Stat(file)
	if err != nil || failed != nil || string(text) != "half a rec" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %v %v", text, err, info)
	}
	golden(t, "events/unlock_nothing", run(t, &fake{}, "events", "unlock", "17"))
}

func TestCausesBelowADrift(t *testing.T) {
	p := &page{width: 140}
	p.drift(someDrift(), "~", view{})
	p.drift(taffrail.Drift{Finding: someDrift().Finding, Causes: &taffrail.Causes{Changes: someCauses()[:2]}}, "~", view{})
	golden(t, "scan/causes", ran{stdout: p.b.String()})
}
