package correlate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// TestRecordCounts asks about changes of which one has its event, one lacks it, one may have been made by an event that cannot be seen into, one may still
// hear of it, and one has a gap that is known.
func TestRecordCounts(t *testing.T) {
	ask := func(events ...taffrail.Event) Question {
		return queue(t, "visibility_timeout_seconds", "30", "60", events...)
	}
	open, gapped := ask(), ask()
	open.Health = []Health{{Source: "cloudtrail", CompleteUntil: start}}
	gapped.Health = []Health{{Source: "cloudtrail", Gaps: []Span{{start, start.Add(slack)}}}}
	var r Record
	for _, q := range []Question{ask(set(t, "a", 1, "60")), ask(set(t, "b", 1, "45")), ask(unseen(set(t, "c", 1, "60")), unseen(set(t, "d", 2, "60"))), open, gapped} {
		r.Add(Attribute(q, models(t)))
	}
	if want := (Record{Settled: 2, Unseen: 1}); r != want {
		t.Errorf("record is %+v, want %+v", r, want)
	}
}

func TestRecordLoses(t *testing.T) {
	for _, tc := range []struct {
		r           Record
		lossy, very bool
	}{
		{Record{}, false, false},
		{Record{Settled: 2, Unseen: 2}, false, false},
		{Record{Settled: 3, Unseen: 3}, true, true},
		{Record{Settled: 100, Unseen: 3}, false, false},
		{Record{Settled: 100, Unseen: 4}, true, false},
		{Record{Settled: 100, Unseen: 13}, true, true},
	} {
		if got := tc.r.lossy(); got != tc.lossy {
			t.Errorf("%+v: lossy %v", tc.r, got)
		}
		if got := tc.r.veryLossy(); got != tc.very {
			t.Errorf("%+v: very lossy %v", tc.r, got)
		}
	}
}

// TestALossyLogExplainsNothing has the same events in logs of which more and more is known to be lost: no answer gets surer by that, and what was explained
// is likely at best. What the object's own versions prove stays.
func TestALossyLogExplainsNothing(t *testing.T) {
	order := taffrail.Tiers()
	records := []Record{{}, {100, 1}, {100, 4}, {100, 13}, {100, 50}}
	proved := deployment(t, taffrail.Stamp{Version: 11, Generation: 2}, write{id: "p", version: 11, generation: 2, object: object(3, "1"), asserts: `{"spec":{"replicas":3}}`})
	// The replicas changed as well, which the request does not name.
	asserted := deployment(t, taffrail.Stamp{Version: 11, Generation: 2}, write{id: "p", version: 11, generation: 2, object: object(3, "2"), asserts: `{"metadata":{"labels":{"a":"2"}}}`})
	asserted.Resources[0].After = value(t, object(3, "2"))
	asserted.Resources[0].Changes = []taffrail.Change{{Path: pathOf(t, "metadata.labels.a"), Before: value(t, `"1"`), After: value(t, `"2"`)}}
	both := func(id string, minutes float64, delay string) taffrail.Event {
		return at(t, id, minutes, "sqs:SetQueueAttributes", fmt.Sprintf(`{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/1/jobs","attributes":{"VisibilityTimeout":"60","DelaySeconds":%q}}`, delay))
	}
	for name, tc := range map[string]struct {
		q    Question
		want string // in the lossiest log
	}{
		"by a model":              {queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "60")), "likely a"},
		"asked for again":         {queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "60"), set(t, "b", 2, "60")), "possible a"},
		"and again":               {queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "60"), set(t, "b", 2, "60"), set(t, "c", 3, "60")), "unexplained"},
		"again, with other asked": {queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "60"), both("b", 2, "5"), both("c", 3, "9")), "likely a"},
		"of many values":          {thing(t, "acme_widget", `{}`, `{}`, field(t, "size", `"s"`, `"m"`), widget(t, "a", 1, "Modify", `"settings":{"size":"m"}`)), "likely a"},
		"of two":                  {thing(t, "acme_widget", `{}`, `{}`, field(t, "locked", `true`, `false`), widget(t, "a", 1, "Modify", `"settings":{"locked":false}`)), "possible a"},
		"by what is proved":       {proved, "proved p"},
		"by what may be missing":  {asserted, "possible p"},
		"in an answer, alone":     {answered(t), "unexplained"},
		"shown, and set later":    {shown(t), "unexplained"},
	} {
		t.Run(name, func(t *testing.T) {
			var last taffrail.Cause
			for i, r := range records {
				q := tc.q
				q.Record = r
				c := one(t, q)
				if i > 0 && (slices.Index(order, c.Tier) < slices.Index(order, last.Tier) || c.Confidence > last.Confidence) {
					t.Errorf("%+v: %s with %v, after %s with %v", r, c.Tier, c.Confidence, last.Tier, last.Confidence)
				}
				lowered, may := strings.Contains(c.Basis, ", "), c.Event != nil && c.Tier != taffrail.TierProved
				if lowered != (may && r.lossy()) || lowered && c.Reason == "" {
					t.Errorf("%+v: %s, because %q", r, c.Basis, c.Reason)
				}
				last = c
			}
			if got := told(last); got != tc.want {
				t.Errorf("in the lossiest log: %s, want %s: %s", got, tc.want, last.Reason)
			}
		})
	}
}

// TestWhoElseAskedForIt has the same asked for three times in a log that loses many events: each of the three may have done it.
func TestWhoElseAskedForIt(t *testing.T) {
	q := queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "60"), set(t, "b", 2, "60"), set(t, "c", 3, "60"))
	for _, tc := range []struct {
		r    Record
		want string
	}{
		{Record{}, ""},
		{Record{100, 13}, "a b c"},
	} {
		q.Record = tc.r
		c := one(t, q)
		var ids []string
		sum := 0.0
		for _, o := range c.Candidates {
			ids, sum = append(ids, string(o.ID)), sum+o.Confidence
		}
		if got := strings.Join(ids, " "); got != tc.want || sum > 1.0001 {
			t.Errorf("%+v: candidates %q (%v), want %q; %s: %s", tc.r, got, sum, tc.want, c.Tier, c.Reason)
		}
	}
}

// answered is a question that nothing but an answer of an unknown event has to do with.
func answered(t *testing.T) Question {
	e := at(t, "r", 1, "sqs:RefreshQueue", `{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/1/jobs"}`)
	e.Response = value(t, `{"delay_seconds":"77"}`)
	q := queue(t, "delay_seconds", "5", "77", e)
	if c := one(t, q); c.Event == nil || c.Basis != string(gradeAnswer) {
		t.Fatalf("it is no answer of the sort: %s, %s", told(c), c.Basis)
	}
	return q
}

// shown is a question of which the answer to an event shows the value before another sets it.
func shown(t *testing.T) Question {
	large := `{"widget":{"widgetClass":"large"}}`
	q := thing(t, "acme_widget", `{}`, `{}`, field(t, "widget_class", `"small"`, `"large"`),
		answering(t, widget(t, "a", 1, "Modify", `"size":2`), large), answering(t, widget(t, "b", 2, "Modify", `"widgetClass":"large"`), large))
	if c := one(t, q); told(c) != "possible a" || c.Basis != string(gradeAnswer) {
		t.Fatalf("it is no answer of the sort: %s, %s", told(c), c.Basis)
	}
	return q
}
