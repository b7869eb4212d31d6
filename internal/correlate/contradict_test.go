package correlate

import (
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

func things(pairs ...any) taffrail.Value {
	fields := map[string]taffrail.Value{}
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			fields[pairs[i].(string)] = taffrail.String(v)
		case taffrail.Value:
			fields[pairs[i].(string)] = v
		}
	}
	return taffrail.Object(fields)
}

func texts(all ...string) taffrail.Value {
	var v []taffrail.Value
	for _, t := range all {
		v = append(v, taffrail.String(t))
	}
	return taffrail.List(v...)
}

func TestContradicts(t *testing.T) {
	for _, tc := range []struct {
		name       string
		own, given taffrail.Value
		want       bool
		kind       []string
	}{
		{"nothing in common", things("a", "1"), things("b", "2"), false, nil},
		{"the same under another name", things("policy_arn", "arn:aws:iam::1:policy/p"), things("policyArn", "arn:aws:iam::1:policy/p"), false, nil},
		{"the name of an ARN", things("policy", "p"), things("policyArn", "arn:aws:iam::1:policy/p"), false, nil},
		{"another policy", things("policy_arn", "arn:aws:iam::1:policy/p"), things("policyArn", "arn:aws:iam::1:policy/q"), true, nil},
		{"another port", things("from_port", "22"), things("fromPort", "443"), true, nil},
		{"lists that share a member", things("cidrs", texts("a", "b")), things("cidrs", texts("b")), false, nil},
		{"lists that share none", things("cidrs", texts("a", "b")), things("cidrs", texts("c")), true, nil},
		{"what is hidden", things("from_port", "22"), things("fromPort", taffrail.Unknown()), false, nil},
		{"an id says nothing", things("id", "x"), things("id", "y"), false, nil},
		{"a name is no document", things("policy", `{"Statement":[]}`), things("policyName", "logs"), false, nil},
		{"the name under the word of the type", things("name", "logs"), things("policyName", "queues"), true, []string{"aws", "iam", "role", "policy"}},
		{"the name of what it is a part of", things("name", "logs"), things("roleName", "web"), false, []string{"aws", "iam", "role", "policy"}},
		{"a name, and no reference", things("policy", "p", "name", "logs"), things("policyName", "logs"), false, []string{"aws", "iam", "role", "policy"}},
	} {
		if got := contradicts(tc.own, tc.given, tc.kind); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// attachment is a question who took an attachment away, with calls in the order of time.
func attachment(calls ...taffrail.Event) Question {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before := things("role", "web-role", "policy_arn", "arn:aws:iam::1:policy/mine")
	q := Question{Start: at, End: at.Add(time.Hour), Resources: []Subject{{
		Address: "aws_iam_role_policy_attachment.it", Type: "aws_iam_role_policy_attachment", IDs: []string{"web-role"}, Before: before, After: taffrail.Null(),
		Changes: []taffrail.Change{{Before: before, After: taffrail.Null(), Class: taffrail.ClassDrift}},
	}}}
	for i, e := range calls {
		e.Time, e.Response, e.Source, e.Actor = at.Add(time.Duration(i+1)*time.Minute), taffrail.Null(), "cloudtrail", taffrail.Actor{ID: "someone", Class: taffrail.ActorPerson}
		q.Events = append(q.Events, e)
	}
	return q
}

func call(id taffrail.EventID, action, policy string) taffrail.Event {
	return taffrail.Event{ID: id, Action: "iam:" + action, Request: things("roleName", "web-role", "policyArn", "arn:aws:iam::1:policy/"+policy)}
}

func TestAPartIsTakenAwayByWhatNamesIt(t *testing.T) {
	m, err := LoadModels()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		q    Question
		want taffrail.EventID
	}{
		{"the one that names it", attachment(call("1", "DetachRolePolicy", "mine"), call("2", "DetachRolePolicy", "other")), "1"},
		{"none", attachment(call("2", "DetachRolePolicy", "other")), ""},
		{"the last, after it was there again", attachment(call("1", "DetachRolePolicy", "mine"), call("2", "AttachRolePolicy", "mine"), call("3", "DetachRolePolicy", "mine")), "3"},
		{"the first, when another was attached in between", attachment(call("1", "DetachRolePolicy", "mine"), call("2", "AttachRolePolicy", "other"), call("3", "DetachRolePolicy", "other")), "1"},
	} {
		got := taffrail.EventID("")
		if c := Attribute(tc.q, m)[0]; c.Event != nil {
			got = c.Event.ID
		}
		if got != tc.want {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}

// What an event is known to set, and what was asked for is left out: nobody after it is said to have set it, as if it had done nothing.
func TestAnEventThatCannotBeSeenIsNoBystander(t *testing.T) {
	m, err := LoadModels()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	q := Question{Start: at, End: at.Add(time.Hour), Resources: []Subject{{
		Address: "aws_lambda_function.it", Type: "aws_lambda_function", IDs: []string{"pay-function-0123456789ab"}, Before: things("memory_size", "128"), After: things("memory_size", "256"),
		Changes: []taffrail.Change{{Path: taffrail.NewPath(taffrail.Attr("memory_size")), Before: taffrail.String("128"), After: taffrail.String("256"), Class: taffrail.ClassDrift}},
	}}}
	for i, request := range []taffrail.Value{taffrail.Unknown(), things("functionName", "pay-function-0123456789ab", "memorySize", "256")} {
		q.Events = append(q.Events, taffrail.Event{
			ID: taffrail.EventID(string(rune('1' + i))), Time: at.Add(time.Duration(i+1) * time.Minute), Action: "lambda:UpdateFunctionConfiguration", Source: "cloudtrail",
			Refs: []string{"pay-function-0123456789ab"}, Request: request, Truncated: i == 0, Response: taffrail.Null(), Actor: taffrail.Actor{ID: "someone", Class: taffrail.ActorPerson},
		})
	}
	if c := Attribute(q, m)[0]; c.Tier == taffrail.TierExplained || c.Tier == taffrail.TierProved {
		t.Errorf("%+v", c)
	}
}
