package sealing

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

func rules() *Rules {
	return &Rules{
		Sealer: plugtest.MarkingSealer(), Names: CommonNames(), Within: true, Documents: true,
		Hidden: func(text []byte) bool { return string(text) == "HIDDEN" },
	}
}

// sealed is what stands in the place of a text.
func sealed(text string) string {
	return taffrail.SealedText(plugtest.MarkingSealer().Seal(taffrail.String(text)))
}

func rewrite(t *testing.T, r *Rules, raw string, from Origin) string {
	t.Helper()
	kept, err := r.Rewrite(nil, []byte(raw), from)
	if err != nil {
		t.Fatal(err)
	}
	return string(kept)
}

func TestRewrite(t *testing.T) {
	s := sealed("hunter2hunter2")
	for _, tc := range []struct{ name, raw, want string }{
		{"what holds no secret", `{"a":"b","n":1.50,"t":true,"l":[null,false,{}],"e":"\u0041\/"}`, `{"a":"b","n":1.50,"t":true,"l":[null,false,{}],"e":"\u0041\/"}`},
		{"white space", " {\t\"a\" :\r\n [ 1 ,  2 ] } \n", `{"a":[1,2]}`},
		{"names that stand twice", `{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{"a secret's name", `{"masterUserPassword":"hunter2hunter2"}`, `{"masterUserPassword":"` + s + `"}`},
		{"an escaped name", `{"master\u0050assword":"hunter2hunter2"}`, `{"master\u0050assword":"` + s + `"}`},
		{"an escaped text", `{"password":"hunter2\u0068unter2"}`, `{"password":"` + s + `"}`},
		{"a number", `{"password":12345678}`, `{"password":"` + sealed("12345678") + `"}`},
		{"null, a bool and nothing", `{"password":null,"secret":true,"token":""}`, `{"password":null,"secret":true,"token":""}`},
		{"a list", `{"passwords":["hunter2hunter2",["hunter2hunter2"]]}`, `{"passwords":["` + s + `",["` + s + `"]]}`},
		{"within an object", `{"credentials":{"accessKeyId":"A","x":{"y":"hunter2hunter2"}}}`, `{"credentials":{"accessKeyId":"A","x":{"y":"` + s + `"}}}`},
		{"a pair", `{"name":"DB_PASSWORD","value":"hunter2hunter2"}`, `{"name":"DB_PASSWORD","value":"` + s + `"}`},
		{"a pair, the value first", `{"attributeValue":"hunter2hunter2","key":"API_TOKEN"}`, `{"attributeValue":"` + s + `","key":"API_TOKEN"}`},
		{"a pair, the name twice", `{"name":"a","value":"hunter2hunter2","name":"API_TOKEN"}`, `{"name":"a","value":"` + s + `","name":"API_TOKEN"}`},
		{"a pair that is no secret", `{"name":"SIZE","value":"hunter2hunter2"}`, `{"name":"SIZE","value":"hunter2hunter2"}`},
		{"hidden by the source", `{"password":"HIDDEN"}`, `{"password":"HIDDEN"}`},
		{"a document", `{"policy":"{\"secretString\" : \"hunter2hunter2\"}"}`, `{"policy":"{\"secretString\":\"` + s + `\"}"}`},
		{"a document without a secret", `{"policy":"{\"a\" : \"b\"}"}`, `{"policy":"{\"a\" : \"b\"}"}`},
		{"a document, URL-encoded", `{"p":"%7B%22secretString%22%3A%22hunter2hunter2%22%7D"}`, `{"p":"{\"secretString\":\"` + s + `\"}"}`},
		{"a document in a document", `{"p":"{\"q\":\"{\\\"token\\\":\\\"hunter2hunter2\\\"}\"}"}`, `{"p":"{\"q\":\"{\\\"token\\\":\\\"` + s + `\\\"}\"}"}`},
		{"text that only looks like a document", `{"p":"{token: x}"}`, `{"p":"{token: x}"}`},
		{"an assignment", `{"command":["--password=hunter2"],"q":"a=b","r":"password="}`, `{"command":["` + sealed("--password=hunter2") + `"],"q":"a=b","r":"password="}`},
		{"an address with a password", `{"u":"postgres://app:hunter2@db/x","v":"https://example.com:8080/a@b"}`, `{"u":"` + sealed("postgres://app:hunter2@db/x") + `","v":"https://example.com:8080/a@b"}`},
		{"a secret for a name", `{"ghp_0123456789abcdef":1}`, `{"` + sealed("ghp_0123456789abcdef") + `":1}`},
		{"anywhere in the record", `{"errorMessage":"` + pemHead + `"}`, `{"errorMessage":"` + sealed(pemHead) + `"}`},
		{"a digest that somebody made up", `{"a":"taffrail-sealed:x"}`, `{"a":"` + sealed("taffrail-sealed:x") + `"}`},
		{"bytes that are no UTF-8", "{\"a\":\"\xff\xfe\"}", "{\"a\":\"\uFFFD\uFFFD\"}"},
		{"a text alone", `"x"`, `"x"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kept := rewrite(t, rules(), tc.raw, Delivered)
			if diff := cmp.Diff(tc.want, kept); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(kept, rewrite(t, rules(), kept, Either)); diff != "" {
				t.Errorf("what is kept does not stay as it is:\n%s", diff)
			}
		})
	}
}

// pemHead is put together here, so that no scanner takes this file for a key.
const pemHead = "-----BEGIN " + "RSA PRIVATE KEY-----"

// A digest of ours stays only where the record may have been kept before. Outside nobody can claim one.
func TestSealedOnceOnly(t *testing.T) {
	ours := `{"password":"` + sealed("hunter2") + `"}`
	if diff := cmp.Diff(ours, rewrite(t, rules(), ours, Either)); diff != "" {
		t.Error(diff)
	}
	want := `{"password":"` + sealed(sealed("hunter2")) + `"}`
	if diff := cmp.Diff(want, rewrite(t, rules(), ours, Delivered)); diff != "" {
		t.Error(diff)
	}
}

func TestTreat(t *testing.T) {
	r := rules()
	r.Treat = func(o *Object) func(string) Form {
		if o.Text("kind") != "Secret" && (o.Name != "items" || o.Parent.Text("kind") != "SecretList") {
			return nil
		}
		return func(field string) Form {
			switch field {
			case "data":
				return Same
			case "stringData":
				return func(v taffrail.Value) taffrail.Value { return taffrail.String("form of " + v.Text()) }
			}
			return nil
		}
	}
	raw := `{"o":{"data":{"a":"x","b":null,"c":[1]},"stringData":{"d":"y"},"kind":"Secret","type":"t"},"l":{"items":[{"data":"z"}],"kind":"SecretList"},"data":"q"}`
	list := taffrail.SealedText(plugtest.MarkingSealer().Seal(taffrail.List(taffrail.Int(1))))
	want := `{"o":{"data":{"a":"` + sealed("x") + `","b":null,"c":"` + list + `"},"stringData":{"d":"` + sealed("form of y") +
		`"},"kind":"Secret","type":"t"},"l":{"items":[{"data":"` + sealed("z") + `"}],"kind":"SecretList"},"data":"q"}`
	kept := rewrite(t, r, raw, Delivered)
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(kept, rewrite(t, r, kept, Either)); diff != "" {
		t.Error(diff)
	}
}

func TestRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, raw := range []string{
		"", " ", "{", "}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[1,]`, `[1 2]`, `{"a":1}x`, `{"a":tru}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":"\x"}`,
		`{"a":"\u00g0"}`, "{\"a\":\"\n\"}", `{"a":"b`, `{a:1}`, `{"a":1e9999999}`, "{\"a\":\x00}", "\x00", deep(MaxDepth + 1), deep(100_000), `{"a" "b"}`, `nul`, `+1`, `{"password":1e9999999}`,
	} {
		if kept, err := rules().Rewrite([]byte("x"), []byte(raw), Delivered); err == nil || string(kept) != "x" {
			t.Errorf("%.20q: %v, %q", raw, err, kept)
		}
	}
	rewrite(t, rules(), deep(MaxDepth), Delivered)
}

// A document that lies deeper than documents are followed is sealed, since it may hold anything.
func TestDocumentsWithoutEnd(t *testing.T) {
	text := `{"password":"hunter2hunter2"}`
	for range 12 {
		quoted, _ := json.Marshal(text)
		text = `[[[[` + string(quoted) + `]]]]`
	}
	kept := rewrite(t, rules(), text, Delivered)
	if strings.Contains(kept, "hunter2") || strings.Contains(kept, "password") || !strings.Contains(kept, "taffrail-sealed") {
		t.Errorf("got %.300s", kept)
	}
	if kept != rewrite(t, rules(), kept, Either) {
		t.Error("what is kept does not stay as it is")
	}
}

func TestCommonNames(t *testing.T) {
	for name, want := range map[string]bool{
		"masterUserPassword": true, "DB_PASSWORD": true, "secretString": true, "SecretAccessKey": true, "token": true, "authToken": true, "to\u212Aen": true,
		"pass-word": true, "pass.wor/d": true, "Credentials": true, strings.Repeat("x", 400) + "password": true,
		"secretId": false, "secretArn": false, "passwordPolicy": false, "nextToken": false, "clientToken": false, "keyName": false, "": false,
		"minimumPasswordLength": false, "kmsMasterKeyId": false, "accessKeyId": false, "passwordResetRequired": false, "secre": false,
	} {
		if got := CommonNames().Secret([]byte(name)); got != want {
			t.Errorf("%.20q: %v", name, got)
		}
	}
}

func TestSecretTexts(t *testing.T) {
	part := "eyJ" + "hbGciOiJIUzI1NiJ9"
	for text, want := range map[string]bool{
		"x " + pemHead + " y": true, "-----BEGIN " + "PRIVATE KEY-----": true, "-----BEGIN PUBLIC KEY-----": false, "-----BEGIN CERTIFICATE-----": false,
		"ghp_0123456789": true, "ghp_012345678": false, "glpat-abcdefghij": true, "xoxb-1234567890-x": true, "xoxc-1234567890": false,
		part + "." + part + "." + "0123456789abcdef": true, part + "." + part: false, part + "." + part + ".": false,
		"amqp://u:p@h": true, "amqp://u@h": false, "amqp://:p@h": true, "https://h/u:p@x": false, "see https://a and amqp://u:p@h": true, "arn:aws:iam::1:role/a@b": false,
	} {
		if got := IsSecretText([]byte(text)); got != want {
			t.Errorf("%.30q: %v", text, got)
		}
	}
}

// secretsIn gives the texts of a value that are secret by the names around them, found by someone who reads the rules plainly.
func secretsIn(v taffrail.Value) (all []string) {
	switch v.Shape() {
	case taffrail.ShapeObject:
		for name, field := range v.Fields() {
			if CommonNames().Secret([]byte(name)) && field.Shape() == taffrail.ShapeString && len(field.Text()) > 12 {
				all = append(all, field.Text())
			}
			all = append(all, secretsIn(field)...)
		}
	case taffrail.ShapeList:
		for e := range v.Elems() {
			all = append(all, secretsIn(e)...)
		}
	case taffrail.ShapeString:
		if inner, err := taffrail.FromJSON([]byte(v.Text())); err == nil && inner.Len() > 0 {
			all = append(all, secretsIn(inner)...)
		}
	}
	return all
}

// textsOf gives every text in JSON, documents in text followed.
func textsOf(v taffrail.Value) (all []string) {
	switch v.Shape() {
	case taffrail.ShapeObject, taffrail.ShapeList:
		for _, e := range v.Fields() {
			all = append(all, textsOf(e)...)
		}
		if v.Shape() == taffrail.ShapeList {
			for e := range v.Elems() {
				all = append(all, textsOf(e)...)
			}
		}
	case taffrail.ShapeString:
		all = append(all, v.Text())
		if inner, err := taffrail.FromJSON([]byte(v.Text())); err == nil && inner.Len() > 0 {
			all = append(all, textsOf(inner)...)
		}
	}
	return all
}

func FuzzRewrite(f *testing.F) {
	for _, raw := range []string{
		`{"masterUserPassword":"correct-horse-battery","a":[1,2.5e3,{"name":"TOKEN","value":"correct-horse-battery"}]}`, `"x"`, `{"p":"{\"secretString\":\"correct-horse-battery\"}"}`,
		`{"p":"%7B%22token%22%3A%22correct-horse-battery%22%7D"}`, `{"credentials":{"x":{"y":"correct-horse-battery"}}}`, `{"a":"taffrail-sealed:hmac:00000000:00"}`, `[[[[]]]]`,
		"{\"a\":\"\xff\\ud800\"}", `{"ghp_0123456789abcdef":"DB_PASSWORD=correct-horse-battery"}`, ` { "a" : null } `, `{"a":1e1000001}`, `{"password":-0.0}`,
	} {
		f.Add([]byte(raw))
	}
	r := rules()
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		kept, err := r.Rewrite(nil, raw, Delivered)
		if !bytes.Equal(before, raw) {
			t.Fatal("the record was changed")
		}
		v, plain := taffrail.FromJSON(raw)
		if (err == nil) != (plain == nil) && !deeperThan(raw, MaxDepth) {
			t.Fatalf("rewriting says %v, and reading %v", err, plain)
		}
		if err != nil {
			return
		}
		if !json.Valid(kept) || bytes.ContainsAny(kept, "\n\r") {
			t.Fatalf("no line of JSON: %q", kept)
		}
		again, err := r.Rewrite(nil, kept, Either)
		if err != nil || !bytes.Equal(again, kept) {
			t.Fatalf("what is kept does not stay as it is (%v):\n%s\n%s", err, kept, again)
		}
		out, _ := taffrail.FromJSON(kept)
		left := textsOf(out)
		for _, secret := range secretsIn(v) {
			if secret != "HIDDEN" && slices.Contains(left, secret) && !taffrail.IsSealedText(secret) && !standsElsewhere(v, secret) {
				t.Fatalf("a secret is left: %q in %q", secret, kept)
			}
		}
	})
}

// standsElsewhere says whether a text that is a secret somewhere also stands where it is none.
func standsElsewhere(v taffrail.Value, secret string) bool {
	n := 0
	for _, text := range textsOf(v) {
		if text == secret {
			n++
		}
	}
	return n > 1
}

// deeperThan says whether brackets are nested deeper than n, without a look at what is text.
func deeperThan(raw []byte, n int) bool {
	return bytes.Count(raw, []byte("["))+bytes.Count(raw, []byte("{")) > n
}

func BenchmarkRewrite(b *testing.B) {
	r := rules()
	raw := []byte(`{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROAX:carol@corp.example","arn":"arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0a1b/carol@corp.example","accountId":"123456789012","accessKeyId":"ASIAEXAMPLE1","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0a1b","userName":"AWSReservedSSO_Admin_0a1b"},"attributes":{"mfaAuthenticated":"false"}}},"eventTime":"2026-01-01T00:05:00Z","eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2","requestParameters":{"groupId":"sg-0a1","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}}]}},"responseElements":{"_return":true},"eventID":"e-1","readOnly":false,"resources":[{"ARN":"arn:aws:ec2:eu-west-1:123456789012:security-group/sg-0a1","accountId":"123456789012"}],"eventType":"AwsApiCall","recipientAccountId":"123456789012"}`)
	b.SetBytes(int64(len(raw)))
	var dst []byte
	for b.Loop() {
		dst, _ = r.Rewrite(dst[:0], raw, Delivered)
	}
}
