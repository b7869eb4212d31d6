package cloudtrail

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const authorize = `{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROAX:carol@corp.example","arn":"arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0a1b/carol@corp.example",
"accountId":"123456789012","accessKeyId":"ASIAEXAMPLE1","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0a1b","userName":"AWSReservedSSO_Admin_0a1b"},"attributes":{"mfaAuthenticated":"false"}}},
"eventTime":"2026-01-01T00:05:00Z","eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2",
"requestParameters":{"groupId":"sg-0a1","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}}]}},"responseElements":{"_return":true},
"eventID":"e-1","readOnly":false,"resources":[{"ARN":"arn:aws:ec2:eu-west-1:123456789012:security-group/sg-0a1","accountId":"123456789012"}],"eventType":"AwsApiCall","recipientAccountId":"123456789012"}`

const withSecret = `{"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/dana","userName":"dana","accessKeyId":"AKIAEXAMPLE"},"eventTime":"2026-01-01T00:00:00Z","eventSource":"rds.amazonaws.com","eventName":"ModifyDBInstance",
"requestParameters":{"dBInstanceIdentifier":"db","masterUserPassword":"correct-horse-battery","nested":{"environment":{"variables":{"DB_PASSWORD":"correct-horse-battery"}},"policy":"{\"secretString\":\"correct-horse-battery\"}",
"containerDefinitions":[{"environment":[{"name":"API_TOKEN","value":"correct-horse-battery"}]}]}},"responseElements":{"credentials":{"accessKeyId":"ASIAX","secretAccessKey":"correct-horse-battery"}},"eventID":"e-2"}`

func open(t *testing.T, sealer taffrail.Sealer) taffrail.Decoder {
	t.Helper()
	var r plug.Registry
	Register(&r)
	d, err := plug.Open[taffrail.Decoder](t.Context(), &r, Name, plug.Env{Sealer: sealer}, plug.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func decode(t *testing.T, raw string) taffrail.Event {
	t.Helper()
	e, err := open(t, plugtest.MarkingSealer()).Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestContract(t *testing.T) {
	plugtest.Decoder(t, plugtest.DecoderCase{
		Open: open, Records: [][]byte{[]byte(authorize), []byte(withSecret)}, WithSecret: []byte(withSecret), Secret: "correct-horse-battery",
	})
}

func TestNoDecoderWithoutASealer(t *testing.T) {
	var r plug.Registry
	Register(&r)
	if _, err := plug.Open[taffrail.Decoder](t.Context(), &r, Name, plug.Env{}, plug.Settings{}); err == nil {
		t.Error("it was opened, and secrets would come out")
	}
}

func TestDecode(t *testing.T) {
	e := decode(t, authorize)
	if e.Action != "ec2:AuthorizeSecurityGroupIngress" || !e.Changes() || e.Region != "eu-west-1" || e.Account != "123456789012" {
		t.Errorf("got %+v", e)
	}
	want := `{"groupId":"sg-0a1","ipPermissions":[{"fromPort":443,"ipProtocol":"tcp","ipRanges":[{"cidrIp":"0.0.0.0/0"}],"toPort":443}]}`
	if diff := cmp.Diff(want, string(e.Request.AppendJSON(nil))); diff != "" {
		t.Error(diff)
	}
}

// recordOf is a record with these fields beside those that every record has.
func recordOf(fields string) string {
	base := `"eventID":"e","eventTime":"2026-01-01T00:00:00Z","eventSource":"lambda.amazonaws.com","eventName":"UpdateFunctionConfiguration20150331v2","userIdentity":{"type":"IAMUser","userName":"dana","arn":"arn:aws:iam::1:user/dana"}`
	return "{" + base + fields + "}"
}

func TestBodies(t *testing.T) {
	for _, tc := range []struct{ name, fields, want string }{
		{"absent", ``, `null`},
		{"null", `,"requestParameters":null`, `null`},
		{"wrapped lists", `,"requestParameters":{"a":{"items":[{"b":{"items":[]}}]}}`, `{"a":[{"b":[]}]}`},
		{"an object that has items and more", `,"requestParameters":{"a":{"items":[1],"quantity":1}}`, `{"a":{"items":[1],"quantity":1}}`},
		{"S3 keeps its case", `,"requestParameters":{"bucketName":"b","VersioningConfiguration":{"Status":"Enabled"}}`, `{"VersioningConfiguration":{"Status":"Enabled"},"bucketName":"b"}`},
		{"a document in text", `,"requestParameters":{"policyDocument":"{\"Version\":\"2012-10-17\"}"}`, `{"policyDocument":{"Version":"2012-10-17"}}`},
		{"a document, URL-encoded", `,"requestParameters":{"policyDocument":"%7B%22Version%22%3A%222012-10-17%22%7D"}`, `{"policyDocument":{"Version":"2012-10-17"}}`},
		{"text that only looks like a document", `,"requestParameters":{"a":"{not}"}`, `{"a":"{not}"}`},
		{"details of a service's event", `,"serviceEventDetails":{"keyId":"k"}`, `{"keyId":"k"}`},
		{"exact numbers", `,"requestParameters":{"n":9007199254740993}`, `{"n":9007199254740993}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, string(decode(t, recordOf(tc.fields)).Request.AppendJSON(nil))); diff != "" {
				t.Error(diff)
			}
		})
	}
	if e := decode(t, recordOf("")); !e.Request.IsUnknown() || e.Action != "lambda:UpdateFunctionConfiguration" {
		t.Errorf("got %+v", e)
	}
	if e := decode(t, recordOf(`,"requestParameters":null`)); !e.Request.IsNull() {
		t.Error("a request that is null is not one that was not carried")
	}
}

func TestTrap41_WhatIsHiddenOrLeftOutIsMarked(t *testing.T) {
	for _, tc := range []struct {
		name, fields        string
		redacted, truncated bool
	}{
		{"whole", `,"requestParameters":{"a":1}`, false, false},
		{"hidden", `,"requestParameters":{"a":"HIDDEN_DUE_TO_SECURITY_REASONS"}`, true, false},
		{"hidden in the answer only", `,"requestParameters":{"a":1},"responseElements":{"a":"***OMITTED***"}`, false, false},
		{"left out", `,"requestParameters":{"omitted":true,"originalSize":123456,"reason":"too large"}`, false, true},
	} {
		if e := decode(t, recordOf(tc.fields)); e.Redacted != tc.redacted || e.Truncated != tc.truncated {
			t.Errorf("%s: redacted %v, truncated %v", tc.name, e.Redacted, e.Truncated)
		}
	}
}

func TestTrap42_AnAddendumNamesWhatItCorrects(t *testing.T) {
	if e := decode(t, recordOf(`,"addendum":{"reason":"UPDATED_DATA","originalEventID":"e-0"}`)); e.Corrects != "e-0" {
		t.Errorf("corrects %q", e.Corrects)
	}
}

func TestTrap31_WhatIsNoChange(t *testing.T) {
	for fields, want := range map[string]bool{
		``:                                       true,
		`,"errorCode":"AccessDenied"`:            false,
		`,"errorMessage":"it broke"`:             false,
		`,"readOnly":true`:                       false,
		`,"readOnly":"true"`:                     false,
		`,"requestParameters":{"dryRun":true}`:   false,
		`,"requestParameters":{"DryRun":"true"}`: false,
		`,"requestParameters":{"dryRun":false}`:  true,
		`,"errorCode":"Client.DryRunOperation"`:  false,
	} {
		if e := decode(t, recordOf(fields)); e.Changes() != want {
			t.Errorf("%q: changes %v", fields, e.Changes())
		}
	}
	read := strings.Replace(recordOf(""), "UpdateFunctionConfiguration20150331v2", "GetFunction20150331v2", 1)
	if decode(t, read).Changes() {
		t.Error("an old record of a read passes for a write")
	}
	if readsByName("Getaway") || !readsByName("Get") {
		t.Error("a verb ends where a capital begins")
	}
}

func TestActors(t *testing.T) {
	const role = `"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::1:role/R","userName":"R"}%s}`
	session := func(more string) string { return strings.Replace(role, "%s", more, 1) }
	for _, tc := range []struct {
		name, identity, more string
		class                taffrail.ActorClass
		called               string
	}{
		{"SSO", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_1/carol@corp.example"`, ``, taffrail.ActorPerson, "carol@corp.example"},
		{"source identity", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s",` + session(`,"sourceIdentity":"erin"`), ``, taffrail.ActorPerson, "erin"},
		{"GitHub", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/run-7",` + session(`,"webIdFederationData":{"federatedProvider":"arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com","attributes":{"sub":"repo:acme/infra:ref:refs/heads/main"}}`), ``, taffrail.ActorPipeline, "repo:acme/infra:ref:refs/heads/main"},
		{"GitLab", `"type":"WebIdentityUser","principalId":"p","userName":"project_path:acme/infra:ref_type:branch:ref:main","identityProvider":"gitlab.example"`, ``, taffrail.ActorPipeline, "project_path:acme/infra:ref_type:branch:ref:main"},
		{"service account", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s",` + session(`,"webIdFederationData":{"federatedProvider":"oidc.eks","attributes":{"sub":"system:serviceaccount:kube-system:karpenter"}}`), ``, taffrail.ActorController, "system:serviceaccount:kube-system:karpenter"},
		{"a service", `"type":"AWSService","invokedBy":"autoscaling.amazonaws.com"`, ``, taffrail.ActorService, "autoscaling.amazonaws.com"},
		{"a service's event", `"accountId":"1","invokedBy":"AWS Internal"`, `,"eventType":"AwsServiceEvent"`, taffrail.ActorService, "AWS Internal"},
		{"on behalf of someone", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s","invokedBy":"cloudformation.amazonaws.com"`, ``, taffrail.ActorService, "cloudformation.amazonaws.com"},
		{"an instance", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/i-0123456789abcdef0"`, ``, taffrail.ActorController, "i-0123456789abcdef0"},
		{"pipeline by name", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/terraform-deploy/x",` + strings.Replace(session(""), `"userName":"R"`, `"userName":"terraform-deploy"`, 1), ``, taffrail.ActorPipeline, "x"},
		{"root", `"type":"Root","arn":"arn:aws:iam::1:root"`, ``, taffrail.ActorPerson, "root"},
		{"shared key", `"type":"IAMUser","arn":"arn:aws:iam::1:user/svc-shared","userName":"svc-shared","accessKeyId":"AKIASHARED"`, ``, taffrail.ActorCredential, "AKIASHARED"},
		{"user", `"type":"IAMUser","arn":"arn:aws:iam::1:user/dana","userName":"dana","accessKeyId":"AKIADANA"`, ``, taffrail.ActorPerson, "dana"},
		{"nothing known", `"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s"`, ``, taffrail.ActorUnknown, "s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := strings.Replace(recordOf(tc.more), `"type":"IAMUser","userName":"dana","arn":"arn:aws:iam::1:user/dana"`, tc.identity, 1)
			a := decode(t, raw).Actor
			if a.Class != tc.class || a.Name != tc.called {
				t.Errorf("got %s %q, by %q", a.Class, a.Name, a.Features)
			}
		})
	}
}

// A digest of a password in a request is that of the same password in a state, whatever sort of scalar it is there.
func TestSealedAsStatesAre(t *testing.T) {
	e := decode(t, recordOf(`,"requestParameters":{"masterUserPassword":12345678}`))
	got, _ := e.Request.Field("masterUserPassword")
	if !got.Equal(plugtest.MarkingSealer().Seal(taffrail.String("12345678"))) {
		t.Errorf("got %s", got.AppendCanonical(nil))
	}
}

func TestIssuedCredential(t *testing.T) {
	if e := decode(t, withSecret); e.Issued != "ASIAX" {
		t.Errorf("issued %q", e.Issued)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(authorize))
	f.Add([]byte(withSecret))
	f.Add([]byte(recordOf(`,"requestParameters":{"omitted":true},"addendum":null,"readOnly":1`)))
	d := newDecoder(plugtest.MarkingSealer())
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := d.Decode(raw)
		if err == nil && (e.ID == "" || e.Actor.ID == "" || e.Time.IsZero()) {
			t.Errorf("half an event: %+v", e)
		}
		if err != nil && taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Error(err)
		}
	})
}
