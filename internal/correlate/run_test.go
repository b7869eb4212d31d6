package correlate

import (
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// runQuestion is one change of one thing, with an event of it or none, and a run.
func runQuestion(withEvent bool, agent string, r taffrail.Run) Question {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	was, is := taffrail.Object(map[string]taffrail.Value{"text": taffrail.String("was")}), taffrail.Object(map[string]taffrail.Value{"text": taffrail.String("is now")})
	q := Question{Start: at, End: at.Add(time.Hour), Runs: []taffrail.Run{r}, Resources: []Subject{{
		Address: "thing.a", Type: "thing", IDs: []string{"thing-0123456789"}, Before: was, After: is,
		Changes: []taffrail.Change{{Path: taffrail.NewPath(taffrail.Attr("text")), Before: taffrail.String("was"), After: taffrail.String("is now"), Class: taffrail.ClassDrift}},
	}}}
	if withEvent {
		q.Events = []taffrail.Event{{
			ID: "e", Time: at.Add(time.Minute), Action: "thing:UpdateThing", UserAgent: agent, Actor: taffrail.Actor{ID: "role", Class: taffrail.ActorPipeline},
			Request:  taffrail.Object(map[string]taffrail.Value{"thingId": taffrail.String("thing-0123456789"), "text": taffrail.String("is now")}),
			Response: taffrail.Null(),
		}}
	}
	return q
}

func someRun(during bool) taffrail.Run {
	at := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	end := at.Add(10 * time.Minute)
	if !during {
		at, end = at.Add(30*time.Minute), end.Add(30*time.Minute)
	}
	return taffrail.Run{ID: "run-0123456789abcdef", Agent: "taffrail/run-0123456789abcdef", Program: "tofu", Verb: "apply", Started: at, Finished: &end, Entries: []int64{5, 6}, Who: taffrail.Actor{ID: "alice"}}
}

func watched(r taffrail.Run, after string) taffrail.Run {
	r.Applied = []taffrail.Applied{{
		Type: "thing", ID: "thing-0123456789", Action: taffrail.ActionUpdate, Finished: r.Started.Add(time.Minute),
		Changes: []taffrail.AppliedChange{{Path: taffrail.NewPath(taffrail.Attr("text")), Before: taffrail.String("was"), After: taffrail.String(after)}},
	}}
	return r
}

func TestTrap30_RunIsKnownByItsIdentity(t *testing.T) {
	m, err := LoadModels()
	if err != nil {
		t.Fatal(err)
	}
	agent := "Terraform/1.11 taffrail/run-0123456789abcdef"
	for _, tc := range []struct {
		name  string
		q     Question
		run   bool
		exact bool
		says  string
	}{
		{"an event that says so while it was under way", runQuestion(true, agent, someRun(true)), true, false, "which was under way"},
		{"an event that says so at another time", runQuestion(true, agent, someRun(false)), false, false, "no such run was under way"},
		{"an event that only begins like it", runQuestion(true, agent+"0", someRun(true)), false, false, "no such run"},
		{"an event that says nothing", runQuestion(true, "Terraform/1.11", someRun(true)), false, false, ""},
		{"a run that was watched", runQuestion(false, "", watched(someRun(true), "is now")), true, true, "did this at"},
		{"a run that was watched and did something else", runQuestion(false, "", watched(someRun(true), "other")), false, false, ""},
		{"both", runQuestion(true, agent, watched(someRun(true), "is now")), true, true, "did this at"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Attribute(tc.q, m)[0]
			if (c.Run != nil) != tc.run || c.Run != nil && (c.Run.Exact != tc.exact || c.Run.Entry != 5) {
				t.Errorf("run: %+v", c.Run)
			}
			said := ""
			for _, e := range c.Evidence {
				if e.Kind == taffrail.EvidenceRun {
					said += e.Detail + "\n"
				}
			}
			if tc.says == "" && said != "" || !strings.Contains(said, tc.says) {
				t.Errorf("said %q", said)
			}
			tc.q.Runs = nil
			without := Attribute(tc.q, m)[0]
			if c.Tier != without.Tier || c.Confidence != without.Confidence {
				t.Errorf("a run changes the tier: %s %s", c.Tier, without.Tier)
			}
		})
	}
}
