package taffrail

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNameForms(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"sg-0a1", []string{"sg-0a1"}},
		{"web", []string{"web"}},
		{"true", nil},
		{"7", nil},
		{"123456789012", []string{"123456789012"}},
		{"10.0.0.0/16", nil},
		{"two words", nil},
		{`{"a":1}`, nil},
		{"2026-01-01T00:00:00Z", nil},
		{strings.Repeat("x", 600), nil},
		{"www.practice.example.", []string{"www.practice.example"}},
		{"/hostedzone/Z123", []string{"/hostedzone/Z123", "Z123"}},
		{"https://sqs.eu-west-1.amazonaws.com/1/orders", []string{"https://sqs.eu-west-1.amazonaws.com/1/orders", "orders"}},
		{"arn:aws-cn:s3:::logs", []string{"arn:aws:s3:::logs", "logs"}},
		{"arn:aws:lambda:eu-west-1:1:function:pay:7", []string{"arn:aws:lambda:eu-west-1:1:function:pay:7", "arn:aws:lambda:eu-west-1:1:function:pay", "arn:aws:lambda:eu-west-1:1:function"}},
		{"arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/a1/b2/c3", []string{
			"arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/a1/b2/c3", "c3",
			"arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/a1/b2", "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/a1",
			"arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web", "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app",
			"arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule", "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/a1/b2",
			"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web/a1",
		}},
	} {
		if diff := cmp.Diff(tc.want, NameForms(tc.text)); diff != "" {
			t.Errorf("%s: %s", tc.text, diff)
		}
	}
}

func TestKeysOfAnEvent(t *testing.T) {
	e := Event{
		Refs: []string{"arn:aws:s3:::logs"}, Issued: "ASIA1",
		Request: Object(map[string]Value{
			"bucketName": String("logs"), "requestId": String("0123456789ab"), "tags": Map(map[string]Value{"team": String("web")}), "size": mustNumber(t, "3"), "ids": List(String("i-1"), String("i-1")),
			"Action": List(String("s3:GetObject")), "secret": Secret("hmac:00000000:00"),
		}),
		Response: Unknown(),
	}
	want := []string{"arn:aws:s3:::logs", "i-1", "issued:ASIA1", "logs", "web"}
	if diff := cmp.Diff(want, e.Keys()); diff != "" {
		t.Error(diff)
	}
	e.Error = "AccessDenied"
	if slices.Contains(e.Keys(), "issued:ASIA1") {
		t.Error("a call that failed gave nothing out")
	}
}

func TestNamelessFieldsAreWithinTheBound(t *testing.T) {
	for name := range namesNothing {
		if len(name) > maxNameless || name != strings.ToLower(name) || !NamesNothing(strings.ToUpper(name)) {
			t.Errorf("%s is not found", name)
		}
	}
}

func mustNumber(t *testing.T, text string) Value {
	t.Helper()
	n, err := Number(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSealedText(t *testing.T) {
	v := Secret(SecretDigest("hmac:01234567:" + strings.Repeat("ab", 32)))
	got, ok := ParseSealedText(SealedText(v))
	if !ok || !got.Equal(v) || !IsSealedText(SealedText(v)) {
		t.Errorf("%v %v", got, ok)
	}
	for _, text := range []string{"", "hmac:01234567:" + strings.Repeat("ab", 32), "taffrail-sealed:", "taffrail-sealed:hmac:1:2"} {
		if _, ok := ParseSealedText(text); ok {
			t.Errorf("%q is a secret", text)
		}
	}
}
