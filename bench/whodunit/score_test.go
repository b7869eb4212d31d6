package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func answerOf(t *testing.T, text string) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestScore(t *testing.T) {
	labels := []label{
		{Case: "c", Address: "a", Path: "x", Event: "1", Actor: "dana", Present: true},
		{Case: "c", Address: "a", Path: "s", Element: json.RawMessage(`{"p":1,"q":2}`), Event: "2", Actor: "dana", Present: true},
		{Case: "c", Address: "a", Path: "y", Event: "3", Actor: "dana", Present: true},
		{Case: "c", Address: "a", Path: "z", Event: "4", Actor: "dana", Present: false},
	}
	answers := []answer{
		answerOf(t, `{"address":"a","path":"x","tier":"explained","confidence":0.9,"cause":{"event":"1","actor":{"id":"dana"}}}`),
		answerOf(t, `{"address":"a","path":"s","element":{"q":2,"p":1},"tier":"likely","confidence":0.9,"cause":{"event":"9","actor":{"id":"erin","class":"person"}}}`),
		answerOf(t, `{"address":"a","path":"z","tier":"unexplained"}`),
		answerOf(t, `{"address":"a","path":"w","tier":"unexplained"}`),
	}
	got := newTally()
	got.score(labels, answers)
	counts := []int{got.Labels, got.Right, got.Wrong, got.Abstained, got.CorrectlyAbstained, got.WrongActor, got.WrongPerson, got.Surprises}
	if diff := cmp.Diff([]int{4, 1, 1, 2, 1, 1, 1, 1}, counts); diff != "" {
		t.Error(diff)
	}
	if ece, brier := got.ece(); abs(ece-0.4) > 1e-9 || abs(brier-(0.01+0.81)/2) > 1e-9 {
		t.Errorf("ECE %v, Brier %v", ece, brier)
	}
}

func TestFlat(t *testing.T) {
	got := flat(m{"a": 1, "e": nil, "b": l{m{"c": "x"}}, "s": l{"p", "q"}, "containers": l{m{"name": "w", "image": "i"}}}, []string{"s"})
	want := map[string]string{"a": "1", "b.0.c": `"x"`, "s\x00\"p\"": "present", "s\x00\"q\"": "present", "containers[name=w].name": `"w"`, "containers[name=w].image": `"i"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	other := flat(m{"a": 2, "b": l{m{"c": "x"}}, "s": l{"q"}}, []string{"s"})
	if diff := cmp.Diff([]string{"a", "containers[name=w].image", "containers[name=w].name", "s\x00\"p\""}, changed(want, other)); diff != "" {
		t.Error(diff)
	}
}

// The newest event is named whatever the change is: that is the baseline.
func TestBaselines(t *testing.T) {
	record := func(id, when, code string) m {
		r := m{"eventID": id, "eventTime": "2026-01-01T00:0" + when + ":00Z", "requestParameters": m{"groupId": "sg-1"}}
		if code != "" {
			r["errorCode"] = code
		}
		return r
	}
	it := item{c: whodunitCase{Resources: []resource{{IDs: []string{"sg-1", "web"}}}, Events: []events{{"cloudtrail", []m{record("b", "2", ""), record("c", "3", "AccessDenied"), record("a", "1", "")}}}}, labels: []label{{Path: "x", Event: "a"}}}
	for i, want := range []string{"c", "b"} {
		if got := baselines[i].answers(it)[0].Cause.Event; got != want {
			t.Errorf("%s: %s, want %s", baselines[i].name, got, want)
		}
	}
}
