package correlate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// TestTrap34_ManagersNameTheEventThatCannotBeSeenInto: managedFields give a name and a time, and the person stands in the event alone.
func TestTrap34_ManagersNameTheEventThatCannotBeSeenInto(t *testing.T) {
	const after = `{"metadata":{"managedFields":[{"manager":"kubectl","time":"2026-01-01T00:00:20Z","fieldsV1":{"f:spec":{"f:replicas":{}}}},{"manager":"other","time":"2026-01-01T00:00:30Z","fieldsV1":{"f:spec":{"f:paused":{}}}}]},"spec":{"replicas":3}}`
	seen := func(id, writer, action string, seconds int64) taffrail.Event {
		e := write{id: id, version: seconds}.bare(action)
		e.Writer = writer
		return e
	}
	for _, tc := range []struct {
		name   string
		events []taffrail.Event
		want   string
	}{
		{"one of that name at that time", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments", 20), seen("b", "other", "apps:patch deployments", 30)}, "a"},
		{"two of that name", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments", 20), seen("b", "kubectl", "apps:patch deployments", 20)}, ""},
		{"one of that name, much earlier", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments", 5), seen("b", "other", "apps:patch deployments", 30)}, ""},
		{"of another name", []taffrail.Event{seen("a", "third", "apps:patch deployments", 20), seen("b", "other", "apps:patch deployments", 30)}, ""},
		{"of the status", []taffrail.Event{seen("a", "kubectl", "apps:patch deployments/status", 20), seen("b", "other", "apps:patch deployments", 30)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := deployment(t, taffrail.Stamp{})
			q.Resources[0].After, q.Events = value(t, after), tc.events
			c := one(t, q)
			got := ""
			if c.Event != nil && c.Basis == string(gradeManager) {
				got = string(c.Event.ID)
			}
			if got != tc.want {
				t.Errorf("got %s by %s, want %q", told(c), c.Basis, tc.want)
			}
		})
	}
}

// objectNoted is an object with notes of its writers: "manager operation subresource second", each of whom owns spec.replicas. A dash stands for what is not said.
func objectNoted(replicas int, entries ...string) string {
	var notes []string
	for _, e := range entries {
		part := strings.Fields(strings.ReplaceAll(e, "-", `""`))
		at := ""
		if part[3] != `""` {
			at = `"time":"2026-01-01T00:00:` + part[3] + `Z",`
		}
		sub := strings.Trim(part[2], `"`)
		notes = append(notes, fmt.Sprintf(`{"manager":%q,"operation":%q,"subresource":%q,%s"fieldsV1":{"f:spec":{"f:replicas":{}}}}`, part[0], part[1], sub, at))
	}
	return fmt.Sprintf(`{"metadata":{"managedFields":[%s]},"spec":{"replicas":%d}}`, strings.Join(notes, ","), replicas)
}

// The answer to a scale shows the replicas alone, and their new owner hides who brought them: a note of something else tells that an event is missing.
func TestNotesBehindAScale(t *testing.T) {
	for entry, want := range map[string]taffrail.Tier{"": taffrail.TierProved, `,{"manager":"k","operation":"Update","time":"2026-01-01T00:00:11Z","fieldsV1":{"f:metadata":{"f:labels":{}}}}`: ""} {
		scale := write{id: "a", version: 13, object: `{"spec":{"replicas":3}}`, asserts: `{"spec":{"replicas":3}}`, partial: true}
		q := deployment(t, taffrail.Stamp{Version: 13, Generation: 2}, scale)
		q.Events[0].Action, q.Events[0].Writer = "apps:patch deployments/scale", "m"
		q.Resources[0].After = value(t, `{"metadata":{"managedFields":[{"manager":"m","operation":"Update","subresource":"scale","fieldsV1":{"f:spec":{"f:replicas":{}}}}`+entry+`]},"spec":{"replicas":3}}`)
		if c := one(t, q); (c.Tier == taffrail.TierProved) != (want == taffrail.TierProved) || c.Event == nil {
			t.Errorf("%s: %s: %s", entry, told(c), c.Reason)
		}
	}
}

// A write that is missing is noted by the object, if nobody has written under that name since.
func TestNotesTellOfWritesThatAreMissing(t *testing.T) {
	const patch = `{"spec":{"replicas":3}}`
	const creator = "creator Update - 00"
	mine := func(entries ...string) write {
		return write{id: "a", version: 12, object: objectNoted(3, entries...), asserts: patch}
	}
	scale := write{id: "s", version: 11, object: `{"spec":{"replicas":1}}`, asserts: `{"spec":{"replicas":1}}`, partial: true}
	other := func(seconds int64, action string) taffrail.Event {
		e := write{id: "k", version: seconds}.bare(action)
		e.Writer = "k"
		return e
	}
	for _, tc := range []struct {
		name   string
		before write // of a
		a      write
		after  []string
		more   []taffrail.Event
		want   string
	}{
		{"its own", write{}, mine("m Update - 12"), []string{"m Update - 12"}, nil, "proved"},
		{"another's after it", write{}, mine("m Update - 12"), []string{"m Update - 12", "k Update - 15"}, nil, "not proved"},
		{"another's after it, of which an event tells", write{}, mine("m Update - 12"), []string{"m Update - 12", "k Update - 15"}, []taffrail.Event{other(15, "apps:patch deployments")}, "proved"},
		{"another's after it, of which no event tells in that second", write{}, mine("m Update - 12"), []string{"m Update - 12", "k Update - 15"}, []taffrail.Event{other(17, "apps:patch deployments")}, "not proved"},
		{"of one who brought nothing", write{}, mine("m Update - 12"), []string{"m Update - 12", "k Apply - -"}, nil, "proved"},
		{"of one who scaled, instead of its own", write{}, mine("k Update scale -"), []string{"k Update scale -"}, nil, "unexplained"},
		{"of one who scaled, of which an event tells", write{}, mine("m Update - 12", "k Update scale -"), []string{"m Update - 12", "k Update scale -"}, []taffrail.Event{other(11, "apps:patch deployments/scale")}, "proved"},
		{"of one who scaled, and an event of something else", write{}, mine("m Update - 12", "k Update scale -"), []string{"m Update - 12", "k Update scale -"}, []taffrail.Event{other(11, "apps:patch deployments")}, "not proved"},
		{"its own, of an earlier second, behind a scale", scale, mine("m Update - 08"), []string{"m Update - 08"}, nil, "unexplained"},
		{"another's before it, behind a scale, and gone since", scale, mine("m Update - 12", "k Update - 11"), []string{"m Update - 12"}, nil, "not proved"},
		{"its own, behind a scale", scale, mine("m Update - 12"), []string{"m Update - 12"}, nil, "proved"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := deployment(t, taffrail.Stamp{Version: 12}, tc.a)
			if tc.before.id != "" {
				q.Events = append(q.Events, tc.before.event(t))
			}
			for i := range q.Events {
				q.Events[i].Writer = map[taffrail.EventID]string{"a": "m", "s": "s"}[q.Events[i].ID]
			}
			q.Events = append(q.Events, tc.more...)
			q.Resources[0].BeforeStamp = taffrail.Stamp{Version: 10}
			q.Resources[0].Before, q.Resources[0].After = value(t, objectNoted(1, creator)), value(t, objectNoted(3, tc.after...))
			c := one(t, q)
			got := string(c.Tier)
			if tc.want == "not proved" && c.Tier != taffrail.TierProved && c.Tier != taffrail.TierUnexplained {
				got = tc.want
			}
			if got != tc.want {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}
