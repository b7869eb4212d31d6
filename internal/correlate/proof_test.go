package correlate

import (
	"fmt"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A write is one version of a Deployment, as an event carries it.
type write struct {
	id                  string
	version, generation int64
	object, asserts     string
	replace             bool
	based               int64
	partial             bool
}

func (w write) event(t testing.TB) taffrail.Event {
	e := taffrail.Event{
		ID: taffrail.EventID(w.id), Source: "kubeaudit", Action: "apps:patch deployments", Time: start.Add(time.Duration(w.version) * time.Second), Refs: []string{"kubernetes:apps/deployments/shop/web"},
		Actor: taffrail.Actor{ID: w.id, Class: taffrail.ActorPerson}, Request: value(t, w.asserts), Response: value(t, w.object),
		State: &taffrail.Snapshot{Stamp: taffrail.Stamp{Version: w.version, Generation: w.generation}, Object: value(t, w.object), Asserts: value(t, w.asserts), Replace: w.replace, Based: w.based, Partial: w.partial},
	}
	return e
}

// bare is the event of a write of which nothing but the metadata is kept.
func (w write) bare(action string) taffrail.Event {
	return taffrail.Event{
		ID: taffrail.EventID(w.id), Source: "kubeaudit", Action: action, Time: start.Add(time.Duration(w.version) * time.Second), Refs: []string{"kubernetes:apps/deployments/shop/web"},
		Actor: taffrail.Actor{ID: w.id, Class: taffrail.ActorPerson},
	}
}

// deployment asks who changed spec.replicas from 1 to 3 between the versions 10 and last.
func deployment(t testing.TB, last taffrail.Stamp, writes ...write) Question {
	q := Question{Start: start, End: start.Add(20 * time.Minute), Resources: []Subject{{
		Address: "apps/v1/Deployment/shop/web", Type: "Deployment", Before: value(t, `{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":1}}`), After: value(t, `{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":3}}`),
		BeforeStamp: taffrail.Stamp{Version: 10, Generation: 1}, AfterStamp: last,
		Changes: []taffrail.Change{{Path: pathOf(t, "spec.replicas"), Before: value(t, "1"), After: value(t, "3")}},
	}}}
	for _, w := range writes {
		q.Events = append(q.Events, w.event(t))
	}
	return q
}

func object(replicas int, label string) string {
	return fmt.Sprintf(`{"metadata":{"labels":{"a":"%s"}},"spec":{"replicas":%d}}`, label, replicas)
}

func TestProof(t *testing.T) {
	const patch = `{"spec":{"replicas":3}}`
	for _, tc := range []struct {
		name   string
		last   taffrail.Stamp
		writes []write
		want   string
	}{
		{"one patch", taffrail.Stamp{Version: 11, Generation: 2}, []write{{id: "a", version: 11, generation: 2, object: object(3, "1"), asserts: patch}}, "proved a"},
		{"the last of two", taffrail.Stamp{Version: 12, Generation: 3}, []write{{id: "a", version: 11, generation: 2, object: object(2, "1"), asserts: `{"spec":{"replicas":2}}`}, {id: "b", version: 12, generation: 3, object: object(3, "1"), asserts: patch}}, "proved b"},
		{"a write that changes nothing", taffrail.Stamp{Version: 11, Generation: 2}, []write{{id: "a", version: 11, generation: 2, object: object(3, "1"), asserts: patch}, {id: "b", version: 11, generation: 2, object: object(3, "1"), asserts: patch}}, "proved a"},
		{"the request names something else", taffrail.Stamp{Version: 12, Generation: 2}, []write{{id: "a", version: 12, generation: 2, object: object(3, "2"), asserts: `{"metadata":{"labels":{"a":"2"}}}`}}, "unexplained"},
		{"the counter jumps", taffrail.Stamp{Version: 12, Generation: 3}, []write{{id: "a", version: 12, generation: 3, object: object(3, "1"), asserts: patch}}, "not proved"},
		{"the whole object, from the version before", taffrail.Stamp{Version: 11, Generation: 2}, []write{{id: "a", version: 11, generation: 2, object: object(3, "1"), asserts: object(3, "1"), replace: true, based: 10}}, "proved a"},
		{"the whole object, from a version that is missing", taffrail.Stamp{Version: 12, Generation: 2}, []write{{id: "a", version: 12, generation: 2, object: object(3, "1"), asserts: object(3, "1"), replace: true, based: 11}}, "not proved"},
		{"the whole object, from it is not known where", taffrail.Stamp{Version: 12, Generation: 2}, []write{{id: "a", version: 12, generation: 2, object: object(3, "1"), asserts: object(3, "1"), replace: true}}, "not proved"},
		{"the last version has another value", taffrail.Stamp{Version: 12, Generation: 3}, []write{{id: "a", version: 11, generation: 2, object: object(2, "1"), asserts: `{"spec":{"replicas":2}}`}}, "unexplained"},
		{"an event after it is missing, and took the value away", taffrail.Stamp{Version: 13, Generation: 4}, []write{{id: "a", version: 11, generation: 2, object: object(3, "1"), asserts: patch}, {id: "b", version: 12, generation: 3, object: object(5, "1"), asserts: `{"spec":{"replicas":5}}`}}, "unexplained"},
		{"deployments count annotations, and the request names them", taffrail.Stamp{Version: 12, Generation: 3}, []write{{id: "a", version: 11, generation: 2, object: object(3, "1"), asserts: patch}, {id: "b", version: 12, generation: 3, object: `{"metadata":{"annotations":{"n":"1"},"labels":{"a":"1"}},"spec":{"replicas":3}}`, asserts: `{"metadata":{"annotations":{"n":"1"}},"spec":{"replicas":3}}`}}, "proved a"},
		{"a scale", taffrail.Stamp{Version: 11, Generation: 2}, []write{{id: "a", version: 11, object: `{"spec":{"replicas":3}}`, asserts: patch, partial: true}}, "proved a"},
		{"a scale, and the count shows one more", taffrail.Stamp{Version: 12, Generation: 3}, []write{{id: "a", version: 12, object: `{"spec":{"replicas":3}}`, asserts: patch, partial: true}}, "not proved"},
		{"before the first reading", taffrail.Stamp{Version: 11, Generation: 2}, []write{{id: "a", version: 9, generation: 1, object: object(3, "1"), asserts: patch}}, "not proved"},
		{"two are missing after it", taffrail.Stamp{Version: 13, Generation: 4}, []write{{id: "a", version: 11, generation: 2, object: object(3, "1"), asserts: patch}}, "not proved"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := one(t, deployment(t, tc.last, tc.writes...))
			got := told(c)
			if tc.want == "not proved" && c.Tier != taffrail.TierProved {
				got = tc.want
			}
			if got != tc.want {
				t.Errorf("got %s, want %s: %s", got, tc.want, c.Reason)
			}
		})
	}
}

// Two managers whose entries are newer mean two writes, of which one was not seen.
func TestManagersShowAWriteThatIsMissing(t *testing.T) {
	noted := func(replicas int, entries string) string {
		return fmt.Sprintf(`{"metadata":{"managedFields":[%s]},"spec":{"replicas":%d}}`, entries, replicas)
	}
	const first, mine, other = `{"manager":"m","operation":"Update","time":"2025-12-31T00:00:00Z"}`, `{"manager":"a","operation":"Update","time":"2026-01-01T00:00:11Z"}`, `{"manager":"b","operation":"Update","time":"2026-01-01T00:00:10Z"}`
	for entries, want := range map[string]taffrail.Tier{first + "," + mine: taffrail.TierProved, first + "," + mine + "," + other: ""} {
		q := deployment(t, taffrail.Stamp{Version: 11}, write{id: "a", version: 11, object: noted(3, entries), asserts: `{"spec":{"replicas":3}}`})
		q.Resources[0].Before, q.Resources[0].BeforeStamp = value(t, noted(1, first)), taffrail.Stamp{Version: 10}
		if c := one(t, q); (c.Tier == taffrail.TierProved) != (want == taffrail.TierProved) {
			t.Errorf("%s: %s: %s", entries, told(c), c.Reason)
		}
	}
}

func FuzzAttribute(f *testing.F) {
	f.Add("sqs:SetQueueAttributes", `{"queueUrl":"jobs","attributes":{"VisibilityTimeout":"60"}}`, `"30"`, `"60"`)
	f.Add("ec2:AuthorizeSecurityGroupIngress", `{"groupId":"jobs","ipPermissions":[{"a":[]}]}`, `null`, `{"a":[1,{"b":null}]}`)
	m := models(f)
	f.Fuzz(func(t *testing.T, action, request, before, after string) {
		r, err := taffrail.FromJSON([]byte(request))
		if err != nil {
			return
		}
		b, err := taffrail.FromJSON([]byte(before))
		if err != nil {
			return
		}
		a, err := taffrail.FromJSON([]byte(after))
		if err != nil || a.Equal(b) {
			return
		}
		path := taffrail.NewPath(taffrail.Attr("x"))
		for _, p := range []taffrail.Path{path, {}, path.Append(taffrail.Element(a)), path.Append(taffrail.Key("name=c"), taffrail.Index(3))} {
			e := taffrail.Event{ID: "e", Source: "cloudtrail", Time: start, Action: action, Request: r, Response: r, Refs: []string{"jobs-0123456789"}, State: &taffrail.Snapshot{Object: r, Asserts: b}}
			q := Question{Start: start, End: start, Events: []taffrail.Event{e}, Resources: []Subject{{Type: "aws_sqs_queue", IDs: []string{"jobs", "jobs-0123456789"}, Before: b, After: a, Changes: []taffrail.Change{{Path: p, Before: b, After: a}}}}}
			for _, c := range Attribute(q, m) {
				if c.Tier == "" || c.Tier.Names() != (c.Event != nil) {
					t.Errorf("half an answer: %+v", c)
				}
			}
		}
	})
}
