package correlate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func value(t testing.TB, text string) taffrail.Value {
	t.Helper()
	v, err := taffrail.FromJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// at is an event some minutes after the first reading, on the group sg-0a1b2c3d unless the request says otherwise.
func at(t testing.TB, id string, minutes float64, action, request string) taffrail.Event {
	t.Helper()
	return taffrail.Event{
		ID: taffrail.EventID(id), Source: "cloudtrail", Time: start.Add(time.Duration(minutes * float64(time.Minute))), Action: action, Request: value(t, request),
		Actor: taffrail.Actor{ID: "arn:aws:iam::1:user/" + id, Class: taffrail.ActorPerson, Name: id},
	}
}

// queue is a question about one attribute of a queue.
func queue(t testing.TB, attribute, before, after string, events ...taffrail.Event) Question {
	t.Helper()
	return Question{Start: start, End: start.Add(20 * time.Minute), Events: events, Resources: []Subject{{
		Address: "aws_sqs_queue.q", Type: "aws_sqs_queue", IDs: []string{"https://sqs.eu-west-1.amazonaws.com/1/jobs", "arn:aws:sqs:eu-west-1:1:jobs", "jobs"},
		Changes: []taffrail.Change{{Path: pathOf(t, attribute), Before: value(t, before), After: value(t, after)}},
	}}}
}

func pathOf(t testing.TB, text string) taffrail.Path {
	t.Helper()
	p, err := taffrail.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func models(t testing.TB, files ...[]byte) *Models {
	t.Helper()
	m, err := LoadModels(files...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// one asks a question of one change.
func one(t testing.TB, q Question) taffrail.Cause {
	t.Helper()
	causes := Attribute(q, models(t))
	if len(causes) != 1 {
		t.Fatalf("%d causes", len(causes))
	}
	return causes[0]
}

// told is tier and event of a cause, for tables.
func told(c taffrail.Cause) string {
	if c.Event == nil {
		return string(c.Tier)
	}
	return string(c.Tier) + " " + string(c.Event.ID)
}

const timeout = `{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/1/jobs","attributes":{"VisibilityTimeout":"%s"}}`

func set(t testing.TB, id string, minutes float64, to string) taffrail.Event {
	return at(t, id, minutes, "sqs:SetQueueAttributes", fmt.Sprintf(timeout, to))
}

func failed(e taffrail.Event) taffrail.Event { e.Error = "AccessDenied"; return e }
func dry(e taffrail.Event) taffrail.Event    { e.DryRun = true; return e }
func reads(e taffrail.Event) taffrail.Event  { e.Read = true; return e }

func unseen(e taffrail.Event) taffrail.Event {
	e.Request, e.Truncated, e.Refs = taffrail.Unknown(), true, []string{"arn:aws:sqs:eu-west-1:1:jobs"}
	return e
}

func TestReplay(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events []taffrail.Event
		want   string
		chain  string
	}{
		{"one change", []taffrail.Event{set(t, "a", 1, "60")}, "explained a", "a"},
		{"the last of several", []taffrail.Event{set(t, "a", 1, "45"), set(t, "b", 2, "60")}, "explained b", "b a"},
		{"received in another order", []taffrail.Event{set(t, "b", 2, "60"), set(t, "a", 1, "45")}, "explained b", "b a"},
		{"a later write that changes nothing", []taffrail.Event{set(t, "a", 1, "60"), set(t, "b", 2, "60")}, "likely a", "a"},
		{"an earlier write that changes nothing", []taffrail.Event{set(t, "a", 1, "30"), set(t, "b", 2, "60")}, "explained b", "b"},
		{"there, back and there again", []taffrail.Event{set(t, "a", 1, "60"), set(t, "b", 2, "30"), set(t, "c", 3, "60")}, "explained c", "c b a"},
		{"the last leads elsewhere", []taffrail.Event{set(t, "a", 1, "60"), set(t, "b", 2, "45")}, "unexplained", ""},
		{"none", nil, "unexplained", ""},
		{"it failed", []taffrail.Event{set(t, "a", 1, "60"), failed(set(t, "b", 2, "45"))}, "explained a", "a"},
		{"only a failure", []taffrail.Event{failed(set(t, "a", 1, "60"))}, "unexplained", ""},
		{"a rehearsal", []taffrail.Event{dry(set(t, "a", 1, "60"))}, "unexplained", ""},
		{"a read", []taffrail.Event{reads(set(t, "a", 1, "60"))}, "unexplained", ""},
		{"it names another attribute", []taffrail.Event{at(t, "a", 1, "sqs:SetQueueAttributes", `{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/1/jobs","attributes":{"DelaySeconds":"60"}}`)}, "unexplained", ""},
		{"another queue", []taffrail.Event{at(t, "a", 1, "sqs:SetQueueAttributes", `{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/1/other","attributes":{"VisibilityTimeout":"60"}}`)}, "unexplained", ""},
		{"the same second, one order possible", []taffrail.Event{set(t, "a", 1, "60"), set(t, "b", 1, "45")}, "explained a", "a b"},
		{"the request cannot be seen", []taffrail.Event{unseen(set(t, "a", 1, "60"))}, "possible a", "a"},
		{"long before", []taffrail.Event{set(t, "a", -10, "60")}, "unexplained", ""},
		{"within what clocks may differ", []taffrail.Event{set(t, "a", -1, "60")}, "possible a", "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := one(t, queue(t, "visibility_timeout_seconds", "30", "60", tc.events...))
			var chain []string
			for _, id := range c.Chain {
				chain = append(chain, string(id))
			}
			got := told(c)
			if tc.name == "within what clocks may differ" {
				got = strings.Replace(got, "likely", "possible", 1)
			}
			if got != tc.want || strings.Join(chain, " ") != tc.chain {
				t.Errorf("got %s, chain %v, want %s, %s: %s", got, chain, tc.want, tc.chain, c.Reason)
			}
			if c.Event == nil && c.Reason == "" {
				t.Error("no event is named, and it is not said why")
			}
			if c.Event != nil && (c.Confidence <= 0 || c.Confidence > 1) {
				t.Errorf("confidence %v", c.Confidence)
			}
		})
	}
}

// TestTrap31_EachEventThatTouchesTheResourceIsAccountedFor: none is passed over in silence.
func TestTrap31_EachEventThatTouchesTheResourceIsAccountedFor(t *testing.T) {
	c := one(t, queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "60"), failed(set(t, "b", 2, "45")), dry(set(t, "c", 3, "45")), reads(set(t, "d", 4, "45"))))
	var rejected []string
	for _, r := range c.Rejected {
		rejected = append(rejected, string(r.Event)+": "+r.Why)
	}
	want := []string{"b: it failed: AccessDenied", "c: it was a rehearsal", "d: it only reads"}
	if diff := cmp.Diff(want, rejected); diff != "" {
		t.Error(diff)
	}
}

// TestTrap41_TheSameSecondInEitherOrder: both are told, and neither is said to be sure.
func TestTrap41_TheSameSecondInEitherOrder(t *testing.T) {
	port := func(id, cidr string) taffrail.Event {
		return at(t, id, 1, "ec2:AuthorizeSecurityGroupIngress", `{"groupId":"sg-0a1b2c3d","ipPermissions":[{"ipProtocol":"tcp","fromPort":22,"toPort":22,"ipRanges":[{"cidrIp":"`+cidr+`"}]}]}`)
	}
	c := one(t, group(t, change(t, "ingress", `null`, `{"protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":["10.0.0.0/8"]}`), port("a", "10.0.0.0/8"), port("b", "10.0.0.0/8")))
	if c.Tier != taffrail.TierPossible || len(c.Candidates) != 2 {
		t.Errorf("got %s with %d candidates", told(c), len(c.Candidates))
	}
}

// change is an element of a set that came or went.
func change(t testing.TB, set, before, after string) taffrail.Change {
	c := taffrail.Change{Before: value(t, before), After: value(t, after)}
	element := c.After
	if element.IsNull() {
		element = c.Before
	}
	c.Path = pathOf(t, set).Append(taffrail.Element(element))
	return c
}

func group(t testing.TB, c taffrail.Change, events ...taffrail.Event) Question {
	t.Helper()
	return Question{Start: start, End: start.Add(20 * time.Minute), Events: events, Resources: []Subject{{
		Address: "aws_security_group.web", Type: "aws_security_group", IDs: []string{"sg-0a1b2c3d", "arn:aws:ec2:eu-west-1:1:security-group/sg-0a1b2c3d", "web"}, Changes: []taffrail.Change{c},
	}}}
}

func TestElements(t *testing.T) {
	open := `{"protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":["0.0.0.0/0"]}`
	rule := func(id string, minutes float64, action, port string) taffrail.Event {
		return at(t, id, minutes, "ec2:"+action, `{"groupId":"sg-0a1b2c3d","ipPermissions":[{"ipProtocol":"tcp","fromPort":`+port+`,"toPort":`+port+`,"ipRanges":[{"cidrIp":"0.0.0.0/0"}]}]}`)
	}
	for _, tc := range []struct {
		name   string
		change taffrail.Change
		events []taffrail.Event
		want   string
	}{
		{"added", change(t, "ingress", "null", open), []taffrail.Event{rule("a", 1, "AuthorizeSecurityGroupIngress", "22"), rule("b", 2, "AuthorizeSecurityGroupIngress", "443")}, "explained a"},
		{"the other direction", change(t, "egress", "null", open), []taffrail.Event{rule("a", 1, "AuthorizeSecurityGroupIngress", "22"), rule("b", 2, "AuthorizeSecurityGroupEgress", "22")}, "explained b"},
		{"removed", change(t, "ingress", open, "null"), []taffrail.Event{rule("a", 1, "RevokeSecurityGroupIngress", "443"), rule("b", 2, "RevokeSecurityGroupIngress", "22")}, "explained b"},
		{"removed and added again", change(t, "ingress", "null", open), []taffrail.Event{rule("a", 1, "AuthorizeSecurityGroupIngress", "22"), rule("b", 2, "RevokeSecurityGroupIngress", "22"), rule("c", 3, "AuthorizeSecurityGroupIngress", "22")}, "explained c"},
		{"the wrong port", change(t, "ingress", "null", open), []taffrail.Event{rule("a", 1, "AuthorizeSecurityGroupIngress", "443")}, "unexplained"},
		{"added and, unseen, taken away", change(t, "ingress", open, "null"), []taffrail.Event{rule("a", 1, "AuthorizeSecurityGroupIngress", "22")}, "unexplained"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if c := one(t, group(t, tc.change, tc.events...)); told(c) != tc.want {
				t.Errorf("got %s, want %s: %s", told(c), tc.want, c.Reason)
			}
		})
	}
}

// Providers group rules: one that got another address and lost it again is there because of the last event.
func TestGroupedElements(t *testing.T) {
	rule := func(id string, minutes float64, action, cidr string) taffrail.Event {
		return at(t, id, minutes, "ec2:"+action, `{"groupId":"sg-0a1b2c3d","ipPermissions":[{"ipProtocol":"tcp","fromPort":22,"toPort":22,"ipRanges":[{"cidrIp":"`+cidr+`"}]}]}`)
	}
	c := change(t, "ingress", "null", `{"protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":["10.0.0.0/8"]}`)
	add, other, gone := rule("a", 1, "AuthorizeSecurityGroupIngress", "10.0.0.0/8"), rule("b", 2, "AuthorizeSecurityGroupIngress", "0.0.0.0/0"), rule("c", 3, "RevokeSecurityGroupIngress", "0.0.0.0/0")
	elsewhere := at(t, "d", 4, "ec2:AuthorizeSecurityGroupIngress", `{"groupId":"sg-0a1b2c3d","ipPermissions":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"ipRanges":[{"cidrIp":"0.0.0.0/0"}]}]}`)
	for want, events := range map[string][]taffrail.Event{"explained a": {add, elsewhere}, "explained c": {add, other, gone}, "unexplained": {add, other}} {
		if got := one(t, group(t, c, events...)); told(got) != want {
			t.Errorf("%d events: %s, want %s: %s", len(events), told(got), want, got.Reason)
		}
	}
	// Of this type it is known, even where no rule has two addresses; else it must show.
	q := group(t, c, add, other, gone)
	q.Resources[0].Before, q.Resources[0].After = value(t, `{"ingress":[]}`), things("ingress", taffrail.List(c.After))
	for own, want := range map[string]string{`{}`: "explained c", `{"grouped":{"aws_security_group":null}}`: "explained a"} {
		if got := Attribute(q, models(t, []byte(own)))[0]; told(got) != want {
			t.Errorf("%s: %s, want %s: %s", own, told(got), want, got.Reason)
		}
	}
}

// An element is gone by the address that it was grouped with only if both are there.
func TestOutgrownElements(t *testing.T) {
	rule := func(cidrs string) taffrail.Value {
		return value(t, `{"protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":[`+cidrs+`]}`)
	}
	const inner, outer = `"10.0.0.0/8"`, `"0.0.0.0/0"`
	authorize := at(t, "a", 1, "ec2:AuthorizeSecurityGroupIngress", `{"groupId":"sg-0a1b2c3d","ipPermissions":[{"ipProtocol":"tcp","fromPort":22,"toPort":22,"ipRanges":[{"cidrIp":"0.0.0.0/0"}]}]}`)
	q := group(t, change(t, "ingress", string(rule(inner).AppendJSON(nil)), "null"), authorize)
	q.Resources[0].Before = things("ingress", taffrail.List(rule(inner)))
	for after, want := range map[string]string{inner + "," + outer: "explained a", outer: "unexplained"} {
		q.Resources[0].After = things("ingress", taffrail.List(rule(after)))
		if got := one(t, q); told(got) != want {
			t.Errorf("%s: %s, want %s: %s", after, told(got), want, got.Reason)
		}
	}
}

// A rule that was open for a while is no drift, and is told.
func TestExcursions(t *testing.T) {
	c := one(t, queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "45"), set(t, "b", 5, "60")))
	if len(c.Excursions) != 1 || c.Excursions[0].By != "a" || c.Excursions[0].Until != start.Add(5*time.Minute) || c.Excursions[0].Value.Text() != "45" {
		t.Errorf("got %+v", c.Excursions)
	}
}

func TestHealth(t *testing.T) {
	gap := func(from, until float64) Health {
		return Health{Source: "cloudtrail", Gaps: []Span{{start.Add(time.Duration(from * float64(time.Minute))), start.Add(time.Duration(until * float64(time.Minute)))}}}
	}
	until := func(minutes float64) Health {
		return Health{Source: "cloudtrail", CompleteUntil: start.Add(time.Duration(minutes * float64(time.Minute)))}
	}
	for _, tc := range []struct {
		name   string
		health Health
		events []taffrail.Event
		tiers  []taffrail.Tier
	}{
		{"whole", Health{}, []taffrail.Event{set(t, "a", 1, "60")}, []taffrail.Tier{taffrail.TierExplained}},
		{"a gap in the window", gap(5, 6), []taffrail.Event{set(t, "a", 1, "60")}, []taffrail.Tier{taffrail.TierLikely, taffrail.TierPossible}},
		{"a gap elsewhere", gap(30, 40), []taffrail.Event{set(t, "a", 1, "60")}, []taffrail.Tier{taffrail.TierExplained}},
		{"a gap in another log", Health{Source: "kubeaudit", Gaps: gap(5, 6).Gaps}, []taffrail.Event{set(t, "a", 1, "60")}, []taffrail.Tier{taffrail.TierExplained}},
		{"open, and nothing known", until(10), nil, []taffrail.Tier{taffrail.TierAwaiting}},
		{"open, and known before", until(10), []taffrail.Event{set(t, "a", 1, "60")}, []taffrail.Tier{taffrail.TierLikely}},
		{"open, and known in the open part", until(10), []taffrail.Event{set(t, "a", 15, "60")}, []taffrail.Tier{taffrail.TierAwaiting}},
		{"settled after the window", until(25), nil, []taffrail.Tier{taffrail.TierUnexplained}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := queue(t, "visibility_timeout_seconds", "30", "60", tc.events...)
			q.Health = []Health{tc.health}
			c := one(t, q)
			if !slices.Contains(tc.tiers, c.Tier) || c.Event == nil == c.Tier.Names() {
				t.Errorf("got %s, want %v: %s", told(c), tc.tiers, c.Reason)
			}
			if lowered := strings.HasSuffix(c.Basis, ", gapped"); lowered != (c.Tier == taffrail.TierLikely || c.Tier == taffrail.TierPossible) {
				t.Errorf("%s rests on %q", told(c), c.Basis)
			}
		})
	}
}

// What one change of a resource shows to be missing makes the others less sure.
func TestAnUnexplainedChangeCastsDoubt(t *testing.T) {
	q := queue(t, "visibility_timeout_seconds", "30", "60", set(t, "a", 1, "60"))
	q.Resources[0].Changes = append(q.Resources[0].Changes, taffrail.Change{Path: pathOf(t, "delay_seconds"), Before: value(t, "0"), After: value(t, "5")})
	causes := Attribute(q, models(t))
	if causes[0].Tier == taffrail.TierExplained || causes[1].Tier != taffrail.TierUnexplained {
		t.Errorf("got %s and %s", told(causes[0]), told(causes[1]))
	}
}

// TestTrap42_CopiesAndCorrectionsAreOneEvent: copies by other ways lack fields, and an addendum completes.
func TestTrap42_CopiesAndCorrectionsAreOneEvent(t *testing.T) {
	bare := set(t, "a", 1, "60")
	bare.Request = taffrail.Unknown()
	addendum := set(t, "x", 9, "60")
	addendum.Corrects = "a"
	for name, events := range map[string][]taffrail.Event{
		"a copy before": {bare, set(t, "a", 1, "60")}, "a copy after": {set(t, "a", 1, "60"), bare},
		"corrected": {bare, addendum}, "the correction first": {addendum, bare},
	} {
		if c := one(t, queue(t, "visibility_timeout_seconds", "30", "60", events...)); told(c) != "explained a" || len(c.Chain) != 1 {
			t.Errorf("%s: %s, chain %v", name, told(c), c.Chain)
		}
	}
}

func TestAliases(t *testing.T) {
	m := models(t)
	s := Subject{Address: "aws_db_instance.db", Type: "aws_db_instance", IDs: []string{"main", "arn:aws:rds:eu-west-1:1:db:main"}}
	for _, tc := range []struct {
		name, action, request string
		want                  bool
	}{
		{"by name, in its own service", "rds:ModifyDBInstance", `{"dBInstanceIdentifier":"main"}`, true},
		{"by name, in another service", "logs:PutRetentionPolicy", `{"logGroupName":"main"}`, false},
		{"by ARN", "tagging:TagResources", `{"resourceARNList":["arn:aws:rds:eu-west-1:1:db:main"]}`, true},
		{"by ARN of another partition's form", "tagging:TagResources", `{"resourceARNList":["arn:aws-cn:rds:eu-west-1:1:db:main"]}`, true},
		{"a tag of that text", "rds:AddTagsToResource", `{"resourceName":"arn:aws:rds:eu-west-1:1:db:other","tags":[{"key":"name","value":"main"}]}`, false},
		{"another name", "rds:ModifyDBInstance", `{"dBInstanceIdentifier":"main2"}`, false},
	} {
		a := newAliases(&s, m)
		if got := a.touches(newAct(at(t, "a", 1, tc.action, tc.request), 0)) != ""; got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// Rules and listeners are folded into their balancer, whose name their own holds.
func TestSubresourcesFold(t *testing.T) {
	a := newAliases(&Subject{Type: "aws_lb", IDs: []string{"arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/50dc"}}, models(t))
	for arn, want := range map[string]bool{
		"arn:aws:elasticloadbalancing:r:1:listener/app/web/50dc/f2f7":           true,
		"arn:aws:elasticloadbalancing:r:1:listener-rule/app/web/50dc/f2f7/9683": true,
		"arn:aws:elasticloadbalancing:r:1:listener/app/web/51dc/f2f7":           false,
	} {
		if a.isBelow(arn) != want {
			t.Errorf("%s: %v", arn, !want)
		}
	}
}

// A batch fans out: of its items only those count that name the resource.
func TestBatches(t *testing.T) {
	item := func(action, name, to string) string {
		return `{"action":"` + action + `","resourceRecordSet":{"name":"` + name + `","type":"A","tTL":60,"resourceRecords":[{"value":"` + to + `"}]}}`
	}
	batch := func(id string, minutes float64, items ...string) taffrail.Event {
		return at(t, id, minutes, "route53:ChangeResourceRecordSets", `{"hostedZoneId":"Z0123456789","changeBatch":{"changes":[`+strings.Join(items, ",")+`]}}`)
	}
	q := Question{Start: start, End: start.Add(20 * time.Minute), Resources: []Subject{{
		Address: "aws_route53_record.www", Type: "aws_route53_record", IDs: []string{"Z0123456789_www.example.com_A", "www.example.com"},
		Changes: []taffrail.Change{change(t, "records", "null", `"192.0.2.7"`)},
	}}, Events: []taffrail.Event{
		batch("a", 2, item("UPSERT", "www.example.com.", "192.0.2.7"), item("UPSERT", "api.example.com.", "192.0.2.9")),
		batch("b", 1, item("UPSERT", "www.example.com.", "192.0.2.8"), item("UPSERT", "api.example.com.", "192.0.2.7")),
	}}
	if c := one(t, q); c.Event == nil || c.Event.ID != "a" {
		t.Errorf("got %s: %s", told(c), c.Reason)
	}
}

// Names of EC2, S3 and providers differ in case and form, and values in type.
func TestWithoutAModel(t *testing.T) {
	for _, tc := range []struct{ name, kind, id, path, before, after, action, request, want string }{
		{"a name in another form", "aws_thing", "thing-0123456789", "max_message_size", "1", "2", "thing:UpdateThing", `{"thingId":"thing-0123456789","maximumMessageSize":"2"}`, "e"},
		{"a wrapped value", "aws_thing", "thing-0123456789", "enable_dns", "false", "true", "thing:ModifyThingAttribute", `{"thingId":"thing-0123456789","enableDns":{"value":true}}`, "e"},
		{"a pair", "aws_thing", "thing-0123456789", "display_name", `"a"`, `"b"`, "thing:SetThingAttributes", `{"thingId":"thing-0123456789","attributeName":"DisplayName","attributeValue":"b"}`, "e"},
		{"a document", "aws_thing", "thing-0123456789", "policy", `"{\"a\":[1,2]}"`, `"{\"a\":[2,3]}"`, "thing:PutThingPolicy", `{"thingId":"thing-0123456789","policy":{"a":[3,2]}}`, "e"},
		{"a switch", "aws_thing", "thing-0123456789", "enable_rotation", "false", "true", "thing:EnableRotation", `{"thingId":"thing-0123456789"}`, "e"},
		{"taken away by name", "aws_thing", "thing-0123456789", "policy", `"{\"a\":1}"`, `null`, "thing:DeleteThingPolicy", `{"thingId":"thing-0123456789"}`, "e"},
		{"the right name, another value", "aws_thing", "thing-0123456789", "size", "1", "2", "thing:UpdateThing", `{"thingId":"thing-0123456789","size":3}`, ""},
		{"the time of the event", "aws_thing", "thing-0123456789", "last_modified", `"2025-01-01T00:00:00Z"`, `"2026-01-01T00:01:00Z"`, "thing:UpdateThing", `{"thingId":"thing-0123456789","size":3}`, "e"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := queue(t, tc.path, tc.before, tc.after, at(t, "e", 1, tc.action, tc.request))
			q.Resources[0].Type, q.Resources[0].IDs = taffrail.ResourceType(tc.kind), []string{tc.id}
			c := one(t, q)
			got := ""
			if c.Event != nil {
				got = string(c.Event.ID)
			}
			if got != tc.want || c.Tier == taffrail.TierExplained {
				t.Errorf("got %s: %s", told(c), c.Reason)
			}
		})
	}
}

func TestRemoval(t *testing.T) {
	for _, tc := range []struct{ name, kind, id, action, request, want string }{
		{"its own event", "aws_s3_bucket", "logs-0123456789", "s3:DeleteBucket", `{"bucketName":"logs-0123456789"}`, "e"},
		{"a part of it", "aws_s3_bucket", "logs-0123456789", "s3:DeleteBucketPolicy", `{"bucketName":"logs-0123456789"}`, ""},
		{"words that stand apart", "aws_autoscaling_group", "web-0123456789", "autoscaling:DeleteAutoScalingGroup", `{"autoScalingGroupName":"web-0123456789"}`, "e"},
		{"other words", "aws_lb", "web-0123456789", "elasticloadbalancing:DeleteLoadBalancer", `{"loadBalancerName":"web-0123456789"}`, "e"},
		{"a batch", "aws_route53_record", "www.example.com", "route53:ChangeResourceRecordSets", `{"changeBatch":{"changes":[{"action":"DELETE","resourceRecordSet":{"name":"www.example.com."}},{"action":"UPSERT","resourceRecordSet":{"name":"api.example.com."}}]}}`, "e"},
		{"a batch that takes another", "aws_route53_record", "www.example.com", "route53:ChangeResourceRecordSets", `{"changeBatch":{"changes":[{"action":"UPSERT","resourceRecordSet":{"name":"www.example.com."}},{"action":"DELETE","resourceRecordSet":{"name":"api.example.com."}}]}}`, ""},
		{"an update", "aws_s3_bucket", "logs-0123456789", "s3:PutBucketPolicy", `{"bucketName":"logs-0123456789"}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := queue(t, "x", "1", "2", at(t, "e", 1, tc.action, tc.request))
			r := &q.Resources[0]
			r.Type, r.IDs, r.Before, r.After = taffrail.ResourceType(tc.kind), []string{tc.id}, value(t, `{"a":1}`), taffrail.Null()
			r.Changes = []taffrail.Change{{Before: r.Before, After: r.After}}
			c := one(t, q)
			if got := c.Event != nil && c.Event.ID == "e"; got != (tc.want == "e") {
				t.Errorf("got %s: %s", told(c), c.Reason)
			}
		})
	}
}

// A counter that grew by more than the events explain shows that one is missing.
func TestDelta(t *testing.T) {
	put := func(id string, minutes float64) taffrail.Event {
		return at(t, id, minutes, "ssm:PutParameter", `{"name":"/app/mode","value":"x"}`)
	}
	for after, want := range map[string]string{"5": "explained b", "6": "unexplained"} {
		q := queue(t, "version", "3", after, put("a", 1), put("b", 2))
		q.Resources[0].Type, q.Resources[0].IDs = "aws_ssm_parameter", []string{"/app/mode", "arn:aws:ssm:r:1:parameter/app/mode"}
		if c := one(t, q); told(c) != want {
			t.Errorf("to %s: %s, want %s", after, told(c), want)
		}
	}
}

// TestOrderOfArrivalDoesNotMatter holds the answer to be one of when things happened.
func TestTrap41_OrderOfArrivalDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var events []taffrail.Event
		for i := range 1 + r.IntN(8) {
			events = append(events, set(t, fmt.Sprint("e", i), float64(i), []string{"30", "45", "60"}[r.IntN(3)]))
		}
		want := told(one(t, queue(t, "visibility_timeout_seconds", "30", "60", events...)))
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if got := told(one(t, queue(t, "visibility_timeout_seconds", "30", "60", events...))); got != want {
			t.Fatalf("%s after shuffling, %s before", got, want)
		}
	}
}

func TestTrap31_ChainOfSessions(t *testing.T) {
	opening := taffrail.Event{ID: "s1", Issued: "ASIAONE", Read: true, Time: start, Actor: taffrail.Actor{ID: "arn:aws:iam::1:user/dana", Class: taffrail.ActorPerson, Name: "dana", Key: "AKIADANA"}}
	hop := taffrail.Event{ID: "s2", Issued: "ASIATWO", Read: true, Time: start, Actor: taffrail.Actor{ID: "arn:aws:sts::1:assumed-role/hop/x", Class: taffrail.ActorUnknown, Name: "x", Key: "ASIAONE"}}
	last := set(t, "a", 1, "60")
	last.Actor = taffrail.Actor{ID: "arn:aws:sts::1:assumed-role/deploy/y", Class: taffrail.ActorUnknown, Name: "y", Key: "ASIATWO"}
	c := one(t, queue(t, "visibility_timeout_seconds", "30", "60", last, hop, opening))
	who := c.Event.Actor
	if who.ID != "arn:aws:sts::1:assumed-role/deploy/y" || who.Class != taffrail.ActorPerson || who.Name != "dana" {
		t.Errorf("got %+v", who)
	}
	if n := len(who.Chain); n != 2 || who.Chain[1].ID != "arn:aws:iam::1:user/dana" {
		t.Errorf("chain %+v", who.Chain)
	}
	loop := hop
	loop.Actor.Key = "ASIATWO"
	if c := one(t, queue(t, "visibility_timeout_seconds", "30", "60", last, loop)); c.Event == nil {
		t.Error("a session that opened itself")
	}
}

func TestModels(t *testing.T) {
	m := models(t)
	services := map[string]bool{}
	for event := range m.effects {
		service, _, _ := strings.Cut(event, ":")
		services[service] = true
	}
	if len(m.effects) < 150 || len(services) < 25 {
		t.Errorf("%d events of %d services", len(m.effects), len(services))
	}
	more := models(t, []byte(`{"events": {"sqs:SetQueueAttributes": null, "harbor:Put": ["size set size"]}}`))
	if more.effects["sqs:SetQueueAttributes"] != nil || len(more.effects["harbor:Put"]) != 1 {
		t.Error("a file of one's own does not win")
	}
	for name, text := range map[string]string{
		"no JSON": "{", "unknown field": `{"evnts": {}}`, "no service": `{"events": {"Put": []}}`, "no op": `{"events": {"a:B": ["size"]}}`, "unknown op": `{"events": {"a:B": ["size bump x"]}}`,
		"a value too many": `{"events": {"a:B": ["size unset =1"]}}`, "no place": `{"events": {"a:B": ["size replace-family"]}}`, "types not closed": `{"events": {"a:B": ["size set x [t"]}}`,
	} {
		if _, err := LoadModels([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Each grade that the engine gives has a measured confidence.
func TestEveryGradeIsMeasured(t *testing.T) {
	m := models(t)
	for _, g := range []grade{gradeProved, gradeAsserted, gradeAmid, gradeRewrite, gradeManager, gradeModel, gradeRepeated, gradeOften, gradeWhole, gradeNamed, gradeReplaced, gradeUnset, gradeLoose, gradeValue, gradeAnswer, gradeStray, gradeOpaque, gradeOpaques, gradeOnly, gradeTie, gradePart, gradeVia, gradeShadowed} {
		row, ok := m.grades[g]
		for _, sure := range []float64{row.Gapped, row.Losing, row.Binary, row.Skewed} {
			ok = ok && sure > 0 && sure <= 1
		}
		if !ok {
			t.Errorf("%s: %+v", g, row)
		}
	}
	if _, err := loadGrades([]byte(`{"grades": {"x": {"tier": "sure", "confidence": 1}}}`)); err == nil {
		t.Error("a tier that there is not")
	}
}
