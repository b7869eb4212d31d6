package correlate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// thing is a question about one change of a resource that has the id w-0a1b2c3d, of which both sides are known.
func thing(t testing.TB, kind, before, after string, c taffrail.Change, events ...taffrail.Event) Question {
	t.Helper()
	return Question{Start: start, End: start.Add(20 * time.Minute), Events: events, Resources: []Subject{{
		Address: taffrail.Address(kind + ".it"), Type: taffrail.ResourceType(kind), IDs: []string{"w-0a1b2c3d", "arn:aws:widgets:r:1:widget/w-0a1b2c3d"},
		Before: value(t, before), After: value(t, after), Changes: []taffrail.Change{c},
	}}}
}

// field is a change of one attribute, told by its values on the two sides.
func field(t testing.TB, path, before, after string) taffrail.Change {
	t.Helper()
	return taffrail.Change{Path: pathOf(t, path), Before: value(t, before), After: value(t, after)}
}

// widget is a call about the thing, of a service that is not known.
func widget(t testing.TB, id string, minutes float64, operation, request string) taffrail.Event {
	t.Helper()
	comma := map[bool]string{true: "", false: ","}[request == ""]
	return at(t, id, minutes, "widgets:"+operation, `{"widgetId":"w-0a1b2c3d"`+comma+request+`}`)
}

// blind is a call of which only the name and what it touches is told.
func blind(e taffrail.Event) taffrail.Event {
	e.Request, e.Refs = taffrail.Null(), []string{"arn:aws:widgets:r:1:widget/w-0a1b2c3d"}
	return e
}

func answering(t testing.TB, e taffrail.Event, answer string) taffrail.Event {
	t.Helper()
	e.Response = value(t, answer)
	return e
}

const open22 = `{"protocol":"tcp","from_port":22,"to_port":22,"cidrs":["0.0.0.0/0"]}`

// Events that are not known are read by their names and values.
func TestByNames(t *testing.T) {
	for _, tc := range []struct {
		name, before, after string
		change              taffrail.Change
		events              []taffrail.Event
		want                string
	}{
		{"a loose name counts against, too", `{}`, `{}`, field(t, "message_retention_seconds", `60`, `90`), []taffrail.Event{
			widget(t, "a", 1, "SetThings", `"messageRetentionPeriod":90`), widget(t, "b", 2, "SetThings", `"messageRetentionPeriod":70`), widget(t, "c", 3, "SetThings", `"messageRetentionPeriod":90`)}, "c"},
		{"a document counts against where its like had the value", `{}`, `{}`, field(t, "policy", `"{\"who\":\"none\"}"`, `"{\"who\":\"everyone\"}"`), []taffrail.Event{
			widget(t, "a", 1, "CreatePolicyVersion", `"policyDocument":"{\"who\":\"everyone\"}"`), widget(t, "b", 2, "CreatePolicyVersion", `"policyDocument":"{\"who\":\"none\"}"`), widget(t, "c", 3, "CreatePolicyVersion", `"policyDocument":"{\"who\":\"everyone\"}"`)}, "c"},
		{"a document was there, and is gone", `{}`, `{}`, field(t, "policy", `"{\"a\":1}"`, `null`), []taffrail.Event{
			widget(t, "a", 1, "DeleteWidgetPolicy", ""), widget(t, "b", 2, "PutWidgetPolicy", `"widgetPolicy":{"a":1}`), widget(t, "c", 3, "DeleteWidgetPolicy", "")}, "c"},
		{"what is reset is gone", `{}`, `{}`, field(t, "parameters.level", `"debug"`, `null`), []taffrail.Event{widget(t, "a", 1, "ResetWidgetParameters", `"parameterNames":["level"]`)}, "a"},
		{"a set is taken away as a whole", `{}`, `{}`, change(t, "users", `{"name":"app","role":"owner"}`, `null`), []taffrail.Event{widget(t, "a", 1, "DeleteWidgetUsers", "")}, "a"},
		{"an element is, by its name, not", `{}`, `{}`, change(t, "users", `{"name":"app","role":"owner"}`, `null`), []taffrail.Event{widget(t, "a", 1, "DeleteWidgetUsers", `"user":"report"`)}, ""},
		{"a quota, and what it is counted in", `{}`, `{}`, field(t, "quota_bytes", `100`, `200`), []taffrail.Event{
			widget(t, "a", 1, "PutWidgetQuota", `"quotaBytes":200`), widget(t, "b", 2, "DeleteWidgetQuota", ""), widget(t, "c", 3, "PutWidgetQuota", `"quotaBytes":200`)}, "c"},
		{"called by another attribute", `{"ingress":[],"egress":[]}`, `{"ingress":[` + open22 + `],"egress":[]}`, change(t, "ingress", `null`, open22), []taffrail.Event{
			widget(t, "a", 1, "AuthorizeWidgetEgress", `"rules":[{"protocol":"tcp","fromPort":22,"toPort":22,"cidr":"0.0.0.0/0"}]`)}, ""},
		{"initials of a place", `{}`, `{}`, field(t, "ttl.enabled", `false`, `true`), []taffrail.Event{widget(t, "a", 1, "UpdateThings", `"timeToLiveSpecification":{"enabled":true}`)}, "a"},
		{"initials of a call", `{}`, `{}`, field(t, "ttl.enabled", `false`, `true`), []taffrail.Event{widget(t, "a", 1, "UpdateTimeToLive", `"specification":{"enabled":true}`)}, "a"},
		{"a policy taken away is no blocking of policies", `{}`, `{}`, field(t, "block_policy", `true`, `false`), []taffrail.Event{widget(t, "a", 1, "DeleteWidgetPolicy", "")}, ""},
		{"a list in its wrapper lacks the element", `{}`, `{}`, change(t, "rules", open22, `null`), []taffrail.Event{
			widget(t, "a", 1, "ReplaceWidgetRules", `"rules":{"items":[{"protocol":"udp","fromPort":53,"toPort":53,"cidrs":{"items":["0.0.0.0/0"]}}]}`)}, "a"},
		{"what holds them all is none of them", `{}`, `{}`, change(t, "rules", `{"protocol":"tcp","from_port":22,"to_port":22,"cidrs":["10.0.0.0/8"]}`, `null`), []taffrail.Event{
			widget(t, "a", 1, "RevokeWidgetRules", `"rules":{"items":[{"protocol":"tcp","fromPort":22,"toPort":22,"cidrs":{"items":["10.0.0.0/8"]}}]}`),
			widget(t, "b", 2, "ReplaceWidgetRules", `"rules":{"items":[{"protocol":"tcp","fromPort":22,"toPort":22,"cidrs":{"items":["0.0.0.0/0"]}},{"protocol":"tcp","fromPort":443,"toPort":443,"cidrs":{"items":["10.0.0.0/8"]}}]}`)}, "a"},
		{"a list that has others of the set lacks the element", `{"values":["192.0.2.1"]}`, `{"values":["192.0.2.7"]}`, change(t, "values", `"192.0.2.1"`, `null`), []taffrail.Event{widget(t, "a", 1, "ChangeThings", `"records":[{"value":"192.0.2.7"}]`)}, "a"},
		{"on and off by another word", `{}`, `{}`, field(t, "enabled", `false`, `true`), []taffrail.Event{widget(t, "a", 1, "PutWidget", `"widget":{"status":"Enabled"}`)}, "a"},
		{"where nothing shows groups, there are none", `{"rules":[{"port":443,"cidrs":["10.0.0.0/8"]}]}`, `{"rules":[{"port":443,"cidrs":["0.0.0.0/0"]}]}`, change(t, "rules", `{"port":443,"cidrs":["10.0.0.0/8"]}`, `null`), []taffrail.Event{
			widget(t, "a", 1, "AuthorizeWidgetRules", `"rules":[{"port":443,"cidrs":["0.0.0.0/0"]}]`), widget(t, "b", 2, "ReplaceWidgetRules", `"rules":[{"port":443,"cidrs":["0.0.0.0/0"]}]`)}, "b"},
		{"another member turned the element into another", `{}`, `{}`, change(t, "rules", open22, `null`), []taffrail.Event{
			widget(t, "a", 1, "AuthorizeWidgetRules", `"rules":[{"protocol":"tcp","fromPort":22,"toPort":22,"cidrs":["10.0.0.0/8"]}]`),
			widget(t, "b", 2, "RevokeWidgetRules", `"rules":[{"protocol":"tcp","fromPort":22,"toPort":22,"cidrs":["0.0.0.0/0"]}]`)}, "a"},
		{"one word of four is not the same thing", `{}`, `{}`, field(t, "point_in_time_recovery.enabled", `false`, `true`), []taffrail.Event{widget(t, "a", 1, "UpdateTimeToLive", `"timeToLiveSpecification":{"enabled":true}`)}, ""},
		{"a map of another name is not replaced", `{}`, `{}`, field(t, "image_scanning.on_push", `true`, `false`), []taffrail.Event{
			widget(t, "a", 1, "PutImageScanning", `"imageScanning":{"onPush":false}`), widget(t, "b", 2, "PutImageMutability", `"imageMutability":"fixed"`), widget(t, "c", 3, "PutImageScanning", `"imageScanning":{"onPush":false}`)}, "a"},
		{"switched by the verb", `{}`, `{}`, field(t, "enabled", `true`, `false`), []taffrail.Event{widget(t, "a", 1, "DisableWidget", ""), widget(t, "b", 2, "EnableWidget", ""), widget(t, "c", 3, "DisableWidget", "")}, "c"},
		{"what is stopped is not set to what the call names", `{}`, `{}`, field(t, "encryption_type", `"none"`, `"kms"`), []taffrail.Event{
			widget(t, "a", 1, "StartEncryption", `"encryptionType":"kms"`), widget(t, "b", 2, "StopEncryption", `"encryptionType":"kms"`), widget(t, "c", 3, "StartEncryption", `"encryptionType":"kms"`)}, "c"},
		{"none is what is left of it", `{}`, `{}`, field(t, "encryption_type", `"kms"`, `"none"`), []taffrail.Event{widget(t, "a", 1, "StopEncryption", `"encryptionType":"kms"`)}, "a"},
		{"what is resumed is suspended no more", `{}`, `{}`, change(t, "suspended_processes", `"Launch"`, `null`), []taffrail.Event{widget(t, "a", 1, "SuspendProcesses", `"processes":["Launch"]`), widget(t, "b", 2, "ResumeProcesses", `"processes":["Launch"]`)}, "b"},
		{"stopped by the verb", `{}`, `{}`, field(t, "state", `"running"`, `"stopped"`), []taffrail.Event{widget(t, "a", 1, "StopWidgets", ""), widget(t, "b", 2, "StartWidgets", ""), widget(t, "c", 3, "StopWidgets", "")}, "c"},
		{"a list in its wrapper replaces the set", `{}`, `{}`, change(t, "rules", `null`, open22), []taffrail.Event{
			widget(t, "a", 1, "ReplaceWidgetRules", `"rules":{"items":[{"protocol":"tcp","fromPort":22,"toPort":22,"cidrs":{"items":["0.0.0.0/0"]}}]}`),
			widget(t, "b", 2, "ReplaceWidgetRules", `"rules":{"items":[{"protocol":"udp","fromPort":53,"toPort":53,"cidrs":{"items":["0.0.0.0/0"]}}]}`),
			widget(t, "c", 3, "ReplaceWidgetRules", `"rules":{"items":[{"protocol":"tcp","fromPort":22,"toPort":22,"cidrs":{"items":["0.0.0.0/0"]}}]}`)}, "c"},
		{"a list by another name replaces the set where its like had the element", `{}`, `{}`, change(t, "values", `null`, `"192.0.2.7"`), []taffrail.Event{
			widget(t, "a", 1, "ChangeThings", `"records":[{"value":"192.0.2.7"}]`), widget(t, "b", 2, "ChangeThings", `"records":[{"value":"192.0.2.8"}]`), widget(t, "c", 3, "ChangeThings", `"records":[{"value":"192.0.2.7"}]`)}, "c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kind := "acme_widget"
			if tc.name == "a policy taken away is no blocking of policies" {
				kind = "acme_widget_public_access"
			}
			c := one(t, thing(t, kind, tc.before, tc.after, tc.change, tc.events...))
			_, got, _ := strings.Cut(told(c), " ")
			if got != tc.want {
				t.Errorf("got %s (%s), want %q: %s", told(c), c.Basis, tc.want, c.Reason)
			}
		})
	}
}

// What an event that cannot be seen into may have done is bounded by what is known of events of its name.
func TestUnseenEventsDoWhatTheirNamesSay(t *testing.T) {
	tagged := func(e taffrail.Event) taffrail.Event { return unseen(e) }
	for _, tc := range []struct {
		name, path, before, after string
		event                     taffrail.Event
		want                      string
	}{
		{"it may set a tag", "tags.owner", `null`, `"web"`, tagged(at(t, "a", 1, "sqs:TagQueue", `{}`)), "possible a"},
		{"it takes no tag away", "tags.owner", `"web"`, `null`, tagged(at(t, "a", 1, "sqs:TagQueue", `{}`)), "unexplained"},
		{"it brings no tag", "tags.owner", `null`, `"web"`, tagged(at(t, "a", 1, "sqs:UntagQueue", `{}`)), "unexplained"},
		{"it is known to do other things", "visibility_timeout_seconds", `30`, `60`, tagged(at(t, "a", 1, "sqs:TagQueue", `{}`)), "unexplained"},
		{"of a name that is not known, it takes nothing away", "owner", `"web"`, `null`, tagged(at(t, "a", 1, "sqs:AssignQueueOwner", `{}`)), "unexplained"},
		{"of a name that is not known, it brings nothing", "owner", `null`, `"web"`, tagged(at(t, "a", 1, "sqs:RemoveQueueOwner", `{}`)), "unexplained"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if c := one(t, queue(t, tc.path, tc.before, tc.after, tc.event)); told(c) != tc.want {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}

// Of two events, the one whose request hides the place did it.
func TestAPlaceThatIsHidden(t *testing.T) {
	hides := widget(t, "a", 1, "SetVariables", "")
	hides.Redacted = true
	hides.Request = taffrail.Object(map[string]taffrail.Value{"widgetId": taffrail.String("w-0a1b2c3d"), "environment": taffrail.Object(map[string]taffrail.Value{"variables": taffrail.Unknown()})})
	other := widget(t, "b", 2, "SetVariables", `"memory":2`)
	other.Redacted = true
	own := []byte(`{"events":{"widgets:SetVariables":["environment set environment.variables","memory set memory"]}}`)
	c := Attribute(thing(t, "acme_widget", `{}`, `{}`, field(t, "environment.LEVEL", `null`, `"debug"`), hides, other), models(t, own))[0]
	if told(c) != "possible a" {
		t.Errorf("got %s: %s", told(c), c.Reason)
	}
}

// Services tell the whole object when a part of it was changed: what stood before an event wrote it was not its doing.
func TestAnswersAreWitnesses(t *testing.T) {
	own := []byte(`{"events":{"widgets:Modify":["class set widgetClass","size set size","protected set protected"]}}`)
	small, large := `{"widget":{"class":"small"}}`, `{"modifyResult":{"widget":{"widgetClass":"large"}}}`
	modify := func(id string, minutes float64, request, answer string) taffrail.Event {
		return answering(t, widget(t, id, minutes, "Modify", request), answer)
	}
	for _, tc := range []struct {
		name   string
		events []taffrail.Event
		want   string
	}{
		{"nothing speaks against it", []taffrail.Event{modify("a", 1, `"size":2`, small), modify("b", 2, `"widgetClass":"large"`, large)}, "explained b"},
		{"it stood already", []taffrail.Event{modify("a", 1, `"size":2`, large), modify("b", 2, `"widgetClass":"large"`, large)}, "unexplained"},
		{"one that cannot be seen into had done it", []taffrail.Event{answering(t, blind(widget(t, "a", 1, "Modify", "")), large), modify("b", 2, `"widgetClass":"large"`, large)}, "possible a"},
		{"it was there, went, and came again", []taffrail.Event{modify("a", 1, `"widgetClass":"large"`, large), modify("b", 2, `"widgetClass":"small"`, small), modify("c", 3, `"widgetClass":"large"`, large)}, "explained c"},
		{"it had come unseen, went, and came again", []taffrail.Event{modify("a", 1, `"size":2`, large), modify("b", 2, `"widgetClass":"small"`, small), modify("c", 3, `"widgetClass":"large"`, large)}, "explained c"},
		{"a late answer shows what was", []taffrail.Event{modify("a", 1, `"widgetClass":"large"`, small), modify("b", 2, `"size":3`, small)}, "explained a"},
		{"a late answer shows what had been in between", []taffrail.Event{modify("a", 1, `"widgetClass":"large"`, large), modify("b", 2, `"widgetClass":"small"`, small), modify("x", 3, `"size":2`, large), modify("c", 4, `"widgetClass":"large"`, large)}, "explained c"},
		{"it went unseen, and was brought back", []taffrail.Event{modify("a", 1, `"widgetClass":"large"`, large), modify("b", 2, `"size":2`, large), modify("c", 3, `"size":3`, small), modify("d", 4, `"widgetClass":"large"`, large)}, "explained d"},
		{"it went unseen, and nothing brought it back", []taffrail.Event{modify("a", 1, `"widgetClass":"large"`, large), modify("b", 2, `"size":2`, large), modify("c", 3, `"size":3`, small)}, "unexplained"},
		{"one that is answered late saw it not yet", []taffrail.Event{modify("a", 1, `"widgetClass":"large"`, large), modify("c", 3, `"size":3`, small), modify("d", 4, `"widgetClass":"large"`, large)}, "likely a"},
		{"nobody is answered so late", []taffrail.Event{modify("a", 1, `"widgetClass":"large"`, large), modify("c", 3.1, `"size":3`, small), modify("d", 4, `"widgetClass":"large"`, large)}, "explained d"},
		{"two places that differ say nothing", []taffrail.Event{modify("a", 1, `"size":2`, `{"widget":{"widgetClass":"large","class":"small"}}`), modify("b", 2, `"widgetClass":"large"`, large)}, "explained b"},
		{"before the window it was another time", []taffrail.Event{modify("a", -1, `"size":2`, large), modify("b", 2, `"widgetClass":"large"`, large)}, "explained b"},
		{"something else has the name", []taffrail.Event{modify("a", 1, `"size":2`, `{"widget":{"pendingValues":{"widgetClass":"large"}}}`), modify("b", 2, `"widgetClass":"large"`, large)}, "explained b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Attribute(thing(t, "acme_widget", `{}`, `{}`, field(t, "class", `"small"`, `"large"`), tc.events...), models(t, own))[0]
			if told(c) != tc.want {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}

// Who brought a value back is the last of those that wrote it, and the one before is not forgotten.
func TestWhatWentUnseenIsInTheChain(t *testing.T) {
	large := `{"widget":{"widgetClass":"large"}}`
	modify := func(id string, minutes float64, request, answer string) taffrail.Event {
		return answering(t, widget(t, id, minutes, "Modify", request), answer)
	}
	c := one(t, thing(t, "acme_widget", `{}`, `{}`, field(t, "widget_class", `"small"`, `"large"`),
		modify("a", 1, `"widgetClass":"large"`, large), modify("b", 2, `"size":2`, large), modify("c", 3, `"size":3`, `{"widget":{"widgetClass":"small"}}`), modify("d", 4, `"widgetClass":"large"`, large)))
	if got := fmt.Sprint(c.Chain); got != "[d a]" {
		t.Errorf("chain %s: %s", got, c.Reason)
	}
}

// An event that cannot be seen into overshadows what comes after it, and what was written again after it.
func TestShadows(t *testing.T) {
	tag := func(id string, minutes float64) taffrail.Event {
		return at(t, id, minutes, "sqs:TagQueue", `{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/1/jobs","tags":{"owner":"web"}}`)
	}
	for _, tc := range []struct {
		name   string
		events []taffrail.Event
		want   string
	}{
		{"before", []taffrail.Event{unseen(set(t, "a", 1, "60")), set(t, "b", 2, "60")}, "possible b"},
		{"between the first and the last that wrote it", []taffrail.Event{set(t, "a", 1, "60"), unseen(set(t, "b", 2, "60")), set(t, "c", 3, "60")}, "possible a"},
		{"it may have taken away what was brought again", []taffrail.Event{tag("a", 1), unseen(at(t, "b", 2, "sqs:UntagQueue", `{}`)), tag("c", 3)}, "possible a"},
		{"it may have taken away what was not there yet", []taffrail.Event{unseen(at(t, "b", 1, "sqs:UntagQueue", `{}`)), tag("a", 2)}, "explained a"},
		{"after", []taffrail.Event{set(t, "a", 1, "60"), unseen(set(t, "b", 2, "60"))}, "explained a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := queue(t, "visibility_timeout_seconds", "30", "60", tc.events...)
			if strings.HasPrefix(tc.name, "it may") {
				q = queue(t, "tags.owner", "null", `"web"`, tc.events...)
			}
			if c := one(t, q); told(c) != tc.want {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}

// Where an event right outside of the window would be the cause if the clocks differed, none is sure.
func TestOnTheEdge(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events []taffrail.Event
		want   taffrail.Tier
	}{
		{"after the end, to and fro", []taffrail.Event{set(t, "a", 1, "60"), set(t, "b", 20.5, "30"), set(t, "c", 21, "60")}, taffrail.TierPossible},
		{"after the end, elsewhere", []taffrail.Event{set(t, "a", 1, "60"), set(t, "b", 21, "30")}, taffrail.TierExplained},
		{"before the start", []taffrail.Event{set(t, "a", -1, "60"), set(t, "b", 1, "60")}, taffrail.TierPossible},
		{"long after", []taffrail.Event{set(t, "a", 1, "60"), set(t, "b", 23, "30"), set(t, "c", 24, "60")}, taffrail.TierExplained},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if c := one(t, queue(t, "visibility_timeout_seconds", "30", "60", tc.events...)); c.Tier != tc.want || c.Event == nil {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}

// A whole object that is given back as it was read brings nothing of what its notes of writers hold already.
func TestACopyBringsNothing(t *testing.T) {
	copied := func(fields string) taffrail.Event {
		e := at(t, "a", 1, "kube:services/update", `{"metadata":{"resourceVersion":"7","managedFields":[{"manager":"m","time":"2026-01-01T00:00:30Z","fieldsV1":{"f:spec":{`+fields+`}}}]},"spec":{"timeout":9}}`)
		e.Source, e.Refs = "kubeaudit", []string{"w-0a1b2c3d"}
		return e
	}
	for fields, want := range map[string]string{`"f:timeout":{}`: "unexplained", `"f:other":{}`: "likely a"} {
		if c := one(t, thing(t, "v1/Service", `{}`, `{}`, field(t, "spec.timeout", `null`, `9`), copied(fields))); told(c) != want {
			t.Errorf("%s: got %s, want %s: %s", fields, told(c), want, c.Reason)
		}
	}
}

// An event about another part of the same object is no candidate for this one.
func TestAnotherPart(t *testing.T) {
	part := `{"name":"logs","policy":"{\"a\":1}"}`
	for _, tc := range []struct {
		name, operation, request, want string
	}{
		{"its own", "PutWidgetPolicy", `"policyName":"logs","policyDocument":"{\"a\":1}"`, "a"},
		{"another of its kind", "PutWidgetPolicy", `"policyName":"queues","policyDocument":"{\"a\":1}"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := one(t, thing(t, "acme_widget_policy", `{"name":"logs","policy":"{\"b\":1}"}`, part, field(t, "policy", `"{\"b\":1}"`, `"{\"a\":1}"`), widget(t, "a", 1, tc.operation, tc.request)))
			if _, got, _ := strings.Cut(told(c), " "); got != tc.want {
				t.Errorf("got %s (%s), want %q: %s", told(c), c.Basis, tc.want, c.Reason)
			}
		})
	}
	c := one(t, thing(t, "acme_widget_policy", `{"name":"logs","policy":"{\"b\":1}"}`, part, field(t, "policy", `"{\"b\":1}"`, `"{\"a\":1}"`),
		widget(t, "a", 1, "PutWidgetPolicy", `"policyName":"logs","policyDocument":"{\"a\":1}"`), widget(t, "b", 2, "DetachWidgetPolicy", `"policyArn":"arn:aws:iam::1:policy/a"`)))
	if told(c) != "likely a" {
		t.Errorf("another that has an ARN is detached: got %s: %s", told(c), c.Reason)
	}
}

// Who puts elements in the place of all takes the attribute away only by putting none.
func TestWhatIsReplacedAsAWhole(t *testing.T) {
	own := []byte(`{"events":{"widgets:PutRules":["rules replace-family rules"],"widgets:ClearRules":["rules unset"]}}`)
	rule, spelled := `{"id":"raw","days":30,"enabled":true}`, `"rules":[{"ID":"raw","Days":30,"Status":"Enabled"}]`
	went := field(t, "rules", `[`+rule+`]`, `null`)
	for _, tc := range []struct {
		name   string
		events []taffrail.Event
		want   string
	}{
		{"one after the other", []taffrail.Event{widget(t, "a", 1, "PutRules", spelled), widget(t, "b", 2, "ClearRules", "")}, "explained b"},
		{"in one second", []taffrail.Event{widget(t, "a", 1, "PutRules", spelled), widget(t, "b", 1, "ClearRules", "")}, "explained b"},
		{"in one second, received the other way around", []taffrail.Event{widget(t, "b", 1, "ClearRules", ""), widget(t, "a", 1, "PutRules", spelled)}, "explained b"},
		{"by none", []taffrail.Event{widget(t, "a", 1, "PutRules", `"rules":[]`)}, "explained a"},
		{"by the one that went", []taffrail.Event{widget(t, "a", 1, "PutRules", spelled)}, "unexplained"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Attribute(thing(t, "acme_widget", `{"rules":[`+rule+`]}`, `{}`, went, tc.events...), models(t, own))[0]
			if told(c) != tc.want {
				t.Errorf("got %q (%s), want %q: %s", told(c), c.Basis, tc.want, c.Reason)
			}
		})
	}
}

// Elements that only their lists tell apart are not grouped, and two that differ in a switch are two.
func TestElementsThatAreLike(t *testing.T) {
	user := func(role string) string { return `{"name":"app","roles":["` + role + `"]}` }
	own := []byte(`{"events":{"widgets:AddUsers":["users add users"],"widgets:PutRules":["rules replace-family rules"]}}`)
	both := `{"users":[` + user("reader") + `,` + user("owner") + `]}`
	c := Attribute(thing(t, "acme_widget", `{"users":[`+user("reader")+`]}`, both, change(t, "users", `null`, user("owner")), widget(t, "a", 1, "AddUsers", `"users":[`+user("owner")+`]`),
		widget(t, "b", 2, "AddUsers", `"users":[`+user("writer")+`]`)), models(t, own))[0]
	if told(c) != "explained a" {
		t.Errorf("like elements: got %s: %s", told(c), c.Reason)
	}
	came, went := `{"cidr":"10.0.0.0/8","direction":"in","protocol":"tcp","port":22}`, `{"cidr":"10.0.0.0/8","direction":"in","protocol":"tcp","port":443}`
	rules := []byte(`{"events":{"widgets:PutRules":["rules replace-family rules"],"widgets:RemoveRules":["rules remove rules"]}}`)
	took := thing(t, "acme_widget", `{"rules":[`+went+`]}`, `{"rules":[`+came+`]}`, change(t, "rules", `null`, came), widget(t, "a", 1, "PutRules", `"rules":[`+came+`]`),
		widget(t, "b", 2, "RemoveRules", `"rules":[`+came+`]`), widget(t, "c", 3, "PutRules", `"rules":[`+came+`]`))
	took.Resources[0].Changes = append(took.Resources[0].Changes, change(t, "rules", went, `null`))
	if c := Attribute(took, models(t, rules))[0]; told(c) != "explained c" {
		t.Errorf("one like it went: got %s: %s", told(c), c.Reason)
	}
	ingress := func(cidr string) string {
		return `{"protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":["` + cidr + `"]}`
	}
	authorize := func(id string, minutes float64, verb, cidr string) taffrail.Event {
		return at(t, id, minutes, "ec2:"+verb+"SecurityGroupIngress", `{"groupId":"sg-0a1b2c3d","ipPermissions":[{"ipProtocol":"tcp","fromPort":22,"toPort":22,"ipRanges":[{"cidrIp":"`+cidr+`"}]}]}`)
	}
	q := group(t, change(t, "ingress", ingress("10.0.0.0/8"), `null`), authorize("a", 1, "Authorize", "0.0.0.0/0"), authorize("b", 2, "Revoke", "10.0.0.0/8"),
		at(t, "c", 3, "ec2:AuthorizeSecurityGroupIngress", `{"groupId":"sg-0a1b2c3d","ipPermissions":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"ipRanges":[{"cidrIp":"10.0.0.0/8"}]}]}`))
	q.Resources[0].Changes = append(q.Resources[0].Changes, change(t, "ingress", `null`, ingress("0.0.0.0/0")), change(t, "ingress", `null`, strings.ReplaceAll(ingress("10.0.0.0/8"), "22", "443")))
	if c := Attribute(q, models(t))[0]; told(c) != "explained a" {
		t.Errorf("another member turned it into another: got %s: %s", told(c), c.Reason)
	}
	rule := func(on string) string { return `{"id":"all","days":90,"enabled":` + on + `}` }
	c = Attribute(thing(t, "acme_widget", `{}`, `{}`, change(t, "rules", `null`, rule("true")), widget(t, "a", 1, "PutRules", `"rules":[{"id":"all","days":90,"status":"Disabled"}]`),
		widget(t, "b", 2, "PutRules", `"rules":[{"id":"all","days":90,"status":"Enabled"}]`)), models(t, own))[0]
	if told(c) != "explained b" {
		t.Errorf("a switch: got %s: %s", told(c), c.Reason)
	}
}
