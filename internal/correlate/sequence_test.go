package correlate

import (
	"fmt"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A look is a version of another object, as its source answered.
type look struct {
	version         int64
	asked, answered float64 // seconds after the start of the window
	source          string
}

func (l look) event() taffrail.Event {
	e := taffrail.Event{
		ID: taffrail.EventID(fmt.Sprintf("other-%d-%g", l.version, l.asked)), Source: "kubeaudit", Action: "apps:patch deployments", Time: seconds(l.asked), Refs: []string{"kubernetes:apps/deployments/shop/other"},
		State: &taffrail.Snapshot{Stamp: taffrail.Stamp{Version: l.version}, Object: taffrail.Null(), Asserts: taffrail.Unknown()},
	}
	if l.source != "" {
		e.Source = l.source
	}
	if l.answered > 0 {
		e.State.Answered = seconds(l.answered)
	}
	return e
}

func seconds(n float64) time.Time {
	return start.Add(time.Duration(n * float64(time.Second)))
}

// A write was lost, and the same manager asked for the same within the second: the object notes that it was written in that second by that name, and
// nothing in its own versions tells the two apart. What others were answered in between does.
func TestWhatOthersWereAnsweredShowsThatAWriteIsMissing(t *testing.T) {
	noted := func(replicas int, second string) string {
		return fmt.Sprintf(`{"metadata":{"managedFields":[{"manager":"m","operation":"Update","time":"2026-01-01T00:00:%s"}]},"spec":{"replicas":%d}}`, second, replicas)
	}
	patch := func(id string) write {
		return write{id: id, version: 12, generation: 2, object: noted(3, "12Z"), asserts: `{"spec":{"replicas":3}}`}
	}
	first := look{version: 11, asked: 5, answered: 5.1} // between two versions of ours: the counters are one
	between := look{version: 13, asked: 11.2, answered: 11.8}
	for _, tc := range []struct {
		name   string
		looks  []look
		writes []write
		want   string
	}{
		{"nobody else", nil, []write{patch("b")}, "proved b"},
		{"another's write between", []look{first, between}, []write{patch("b")}, "unexplained"},
		{"another's write between, and then one that wrote nothing", []look{first, between, {version: 11, asked: 11.85, answered: 11.9}}, []write{patch("b")}, "unexplained"},
		{"the write is there", []look{first, between}, []write{patch("a"), patch("b")}, "proved a"},
		{"answered after it was asked for", []look{first, {version: 13, asked: 11.2, answered: 12.5}}, []write{patch("b")}, "proved b"},
		{"it is not said when that was answered", []look{first, {version: 13, asked: 11.2}}, []write{patch("b")}, "proved b"},
		{"an earlier version", []look{first}, []write{patch("b")}, "proved b"},
		{"nothing shows that the counters are one", []look{between}, []write{patch("b")}, "proved b"},
		{"another counter", []look{{version: 9011, asked: 5, answered: 5.1}, {version: 9013, asked: 11.2, answered: 11.8}}, []write{patch("b")}, "proved b"},
		{"a like counter, at other times", []look{{version: 11, asked: 1300, answered: 1300.1}, between}, []write{patch("b")}, "proved b"},
		{"of another source", []look{{version: 11, asked: 5, answered: 5.1, source: "other"}, {version: 13, asked: 11.2, answered: 11.8, source: "other"}}, []write{patch("b")}, "proved b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := deployment(t, taffrail.Stamp{Version: 12, Generation: 2}, tc.writes...)
			q.Resources[0].Before, q.Resources[0].After = value(t, noted(1, "01Z")), value(t, noted(3, "12Z"))
			for i := range q.Events {
				q.Events[i].Writer = "m"
				if q.Events[i].ID == "a" {
					q.Events[i].Time = seconds(11)
				}
			}
			for _, l := range tc.looks {
				q.Events = append(q.Events, l.event())
			}
			if c := one(t, q); told(c) != tc.want {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}

// What a request that wrote nothing shows is a reading: it takes nothing from those who wrote before it or after it, and shows that a write is missing.
func TestAReadingBetween(t *testing.T) {
	looks := []look{{version: 11, asked: 5, answered: 5.1}, {version: 17, asked: 13.2, answered: 13.8}}
	const patch, label = `{"spec":{"replicas":3}}`, `{"metadata":{"labels":{"a":"2"}},"spec":{"replicas":3}}`
	mine := write{id: "a", version: 12, generation: 2, object: object(3, "1"), asserts: patch}
	reading := write{id: "b", version: 16, generation: 2, object: object(3, "2"), asserts: label}
	paused := write{id: "b", version: 16, generation: 4, object: `{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":3,"paused":true}}`, asserts: `{"spec":{"paused":true}}`}
	for _, tc := range []struct {
		name   string
		last   taffrail.Stamp
		writes []write
		want   string
	}{
		{"before it", taffrail.Stamp{Version: 16, Generation: 2}, []write{mine, reading}, "proved a [a]"},
		{"before it, and two are missing", taffrail.Stamp{Version: 16, Generation: 4}, []write{mine, paused}, "possible a [a]"},
		{"after it", taffrail.Stamp{Version: 19, Generation: 4}, []write{
			reading, {id: "c", version: 18, generation: 3, object: object(5, "2"), asserts: `{"spec":{"replicas":5}}`}, {id: "d", version: 19, generation: 4, object: object(3, "2"), asserts: patch},
		}, "proved d [d c]"},
		{"after it, the whole object from it is not known where", taffrail.Stamp{Version: 19, Generation: 2}, []write{
			{id: "b", version: 16, generation: 1, object: object(1, "2"), asserts: `{"metadata":{"labels":{"a":"2"}}}`}, {id: "c", version: 19, generation: 2, object: object(3, "2"), asserts: object(3, "2"), replace: true},
		}, "possible c [c]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := deployment(t, tc.last, tc.writes...)
			for i := range q.Events {
				if q.Events[i].ID == "b" {
					q.Events[i].Time = seconds(13.9)
				}
			}
			for _, l := range looks {
				q.Events = append(q.Events, l.event())
			}
			c := one(t, q)
			if got := fmt.Sprint(told(c), " ", c.Chain); got != tc.want {
				t.Errorf("got %s, want %s: %s, %s", got, tc.want, c.Basis, c.Reason)
			}
		})
	}
}

// An event that shows the whole object as it left it did not bring a value that is not there, whatever stands in its request.
func TestNoVersionHasTheValue(t *testing.T) {
	noted := write{id: "a", version: 11, generation: 1, object: `{"metadata":{"annotations":{"team":"x"}}}`, asserts: `{"metadata":{"annotations":{"team":"x"}}}`}
	bare := write{id: "b", version: 12}.bare("apps:patch deployments")
	for _, tc := range []struct {
		name string
		last taffrail.Stamp
		more []taffrail.Event
		want string
	}{
		{"there is a later version", taffrail.Stamp{Version: 12, Generation: 2}, nil, "unexplained"},
		{"it may be that of an event that does not show it", taffrail.Stamp{Version: 12, Generation: 2}, []taffrail.Event{bare}, "named"},
		{"there is none", taffrail.Stamp{Version: 11, Generation: 1}, nil, "named"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := deployment(t, tc.last, noted)
			q.Resources[0].Before, q.Resources[0].After = value(t, `{"metadata":{}}`), value(t, `{"metadata":{"annotations":{"team":"x"},"labels":{"team":"x"}}}`)
			q.Resources[0].Changes = []taffrail.Change{{Path: pathOf(t, "metadata.labels.team"), Before: taffrail.Null(), After: taffrail.String("x")}}
			q.Events = append(q.Events, tc.more...)
			c := one(t, q)
			if got := map[bool]string{true: "named", false: string(c.Tier)}[c.Event != nil]; got != tc.want {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}

// A name may be that of objects of several kinds, and some name others. What an event shows of another object is no version of ours.
func TestObjectsOfTheSameName(t *testing.T) {
	ours := write{id: "a", version: 11, generation: 2, object: `{"metadata":{"name":"web"},"spec":{"replicas":3}}`, asserts: `{"spec":{"replicas":3}}`}.event(t)
	for ref, want := range map[string]string{
		"apps/statefulsets/shop/web": "proved a", "apps/deployments/other/web": "proved a", "autoscaling/horizontalpodautoscalers/shop/scaler": "proved a",
		"apps/deployments/shop/web": "proved b", "example/deploymentes/shop/web": "proved b",
	} {
		t.Run(ref, func(t *testing.T) {
			theirs := write{id: "b", version: 13, generation: 4, object: `{"metadata":{"name":"web"},"spec":{"replicas":3}}`, asserts: `{"spec":{"replicas":3}}`}.event(t)
			away := write{id: "c", version: 12, generation: 3, object: `{"metadata":{"name":"web"},"spec":{"replicas":1}}`, asserts: `{"spec":{"replicas":1}}`}.event(t)
			theirs.Refs, away.Refs = []string{"kubernetes:" + ref}, []string{"kubernetes:" + ref}
			q := deployment(t, taffrail.Stamp{Version: 13, Generation: 2})
			q.Resources[0].IDs, q.Events = []string{"shop/web", "web"}, []taffrail.Event{ours, away, theirs}
			if c := one(t, q); told(c) != want {
				t.Errorf("got %s, want %s: %s", told(c), want, c.Reason)
			}
		})
	}
}

// Servers' clocks differ by a little: a version of ours that seems to have been answered before an earlier one is no sign that this one stood already.
func TestVersionsOfOursByClocksThatDiffer(t *testing.T) {
	a := write{id: "a", version: 11, generation: 2, object: object(3, "1"), asserts: `{"spec":{"replicas":3}}`}.event(t)
	b := write{id: "b", version: 12, generation: 2, object: object(3, "2"), asserts: `{"metadata":{"labels":{"a":"2"}}}`}.event(t)
	for e, at := range map[*taffrail.Event]float64{&a: 12.05, &b: 12} {
		e.Time, e.State.Answered = seconds(at), seconds(at+0.01)
	}
	q := deployment(t, taffrail.Stamp{Version: 13, Generation: 2})
	q.Events = []taffrail.Event{a, b}
	if c := one(t, q); told(c) != "proved a" {
		t.Errorf("got %s: %s", told(c), c.Reason)
	}
}
