package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// An emulator is a moto_server, whose APIs are AWS's own on the wire.
type emulator struct {
	url  string
	stop func()
}

var listening = regexp.MustCompile(`Running on (http://\S+)`)

func startEmulator(ctx context.Context) (*emulator, error) {
	cmd := exec.CommandContext(ctx, "moto_server", "-H", "127.0.0.1", "-p", "0")
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start moto_server: %w", err)
	}
	stop := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	buffer, all := make([]byte, 4096), ""
	for {
		n, err := said.Read(buffer)
		all += string(buffer[:n])
		if m := listening.FindStringSubmatch(all); m != nil {
			go func() { _, _ = io.Copy(io.Discard, said) }()
			return &emulator{m[1], stop}, nil
		}
		if err != nil {
			stop()
			return nil, fmt.Errorf("moto_server did not start: %s", all)
		}
	}
}

// A call is one request to an API, in the API's own terms.
type call struct {
	service string // as the request is signed for
	name    string // of the operation
	params  map[string]any
	method  string // for APIs by path
	path    string
	body    string         // name of the document, for APIs that take XML
	trail   map[string]any // parameters as CloudTrail tells them, where they differ by more than case
}

// Protocols of services that are called by name.
var (
	queryVersions = map[string]string{"ec2": "2016-11-15", "iam": "2010-05-08", "sns": "2010-03-31", "rds": "2014-10-31", "elasticloadbalancing": "2015-12-01", "autoscaling": "2011-01-01", "monitoring": "2010-08-01", "elasticache": "2015-02-02"}
	jsonTargets   = map[string]string{"dynamodb": "DynamoDB_20120810", "kms": "TrentService", "ssm": "AmazonSSM", "logs": "Logs_20140328", "secretsmanager": "secretsmanager", "sqs": "AmazonSQS", "ecr": "AmazonEC2ContainerRegistry_V20150921", "ecs": "AmazonEC2ContainerServiceV20141113", "kinesis": "Kinesis_20131202"}
)

func (e *emulator) request(ctx context.Context, c call) (*http.Request, error) {
	method, path, body, content := http.MethodPost, "/", "", "application/x-www-form-urlencoded"
	target := ""
	switch {
	case queryVersions[c.service] != "":
		form := url.Values{"Action": {c.name}, "Version": {queryVersions[c.service]}}
		queryEncode(form, "", c.params, c.service == "ec2")
		body = form.Encode()
	case jsonTargets[c.service] != "":
		body, content, target = text(c.params), "application/x-amz-json-1.1", jsonTargets[c.service]+"."+c.name
	case c.body != "":
		method, path, content = c.method, c.path, "application/xml"
		body = xmlEncode(c.body, c.params[c.body])
		if s, ok := c.params[c.body].(string); ok {
			body = s
		}
	default:
		method, path, content = c.method, c.path, "application/json"
		if c.method != http.MethodGet && c.method != http.MethodDelete {
			body = text(c.params)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, e.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", content)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=practice/20260101/us-east-1/"+c.service+"/aws4_request, SignedHeaders=host, Signature=0")
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
	}
	return req, nil
}

// do makes a call, and gives what it answered, XML as nested maps.
func (e *emulator) do(ctx context.Context, c call) (map[string]any, error) {
	req, err := e.request(ctx, c)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %d %s", c.service, c.name, resp.StatusCode, bytes.TrimSpace(answer[:min(len(answer), 300)]))
	}
	return parseAnswer(answer), nil
}

func parseAnswer(answer []byte) map[string]any {
	var out map[string]any
	if json.Unmarshal(answer, &out) == nil {
		return out
	}
	d := xml.NewDecoder(bytes.NewReader(answer))
	for {
		t, err := d.Token()
		if err != nil {
			return map[string]any{}
		}
		if start, ok := t.(xml.StartElement); ok {
			v := xmlDecode(d, start)
			if m, ok := v.(map[string]any); ok {
				return m
			}
			return map[string]any{start.Name.Local: v}
		}
	}
}

// xmlDecode gives an element as a text, a map, or for members of a list a list.
func xmlDecode(d *xml.Decoder, _ xml.StartElement) any {
	out, chars := map[string]any{}, ""
	var list []any
	for {
		t, err := d.Token()
		if err != nil {
			return out
		}
		switch t := t.(type) {
		case xml.CharData:
			chars += string(t)
		case xml.StartElement:
			v := xmlDecode(d, t)
			if name := t.Name.Local; name == "item" || name == "member" {
				list = append(list, v)
			} else if was, ok := out[name]; ok {
				many, isMany := was.([]any)
				if !isMany {
					many = []any{was}
				}
				out[name] = append(many, v)
			} else {
				out[name] = v
			}
		case xml.EndElement:
			switch {
			case list != nil:
				return list
			case len(out) > 0:
				return out
			}
			return strings.TrimSpace(chars)
		}
	}
}

func xmlEncode(name string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		var b strings.Builder
		for _, k := range sortedKeys(v) {
			b.WriteString(xmlEncode(k, v[k]))
		}
		return "<" + name + ">" + b.String() + "</" + name + ">"
	case []any:
		var b strings.Builder
		for _, e := range v {
			b.WriteString(xmlEncode(name, e))
		}
		return b.String()
	}
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(fmt.Sprint(v)))
	return "<" + name + ">" + b.String() + "</" + name + ">"
}

// queryEncode flattens parameters as the query protocols want them. EC2 numbers lists without a word between.
func queryEncode(form url.Values, name string, v any, ec2 bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			under := k
			if name != "" {
				under = name + "." + k
			}
			queryEncode(form, under, e, ec2)
		}
	case []any:
		for i, e := range v {
			under := fmt.Sprintf("%s.member.%d", name, i+1)
			if ec2 {
				under = fmt.Sprintf("%s.%d", name, i+1)
			}
			queryEncode(form, under, e, ec2)
		}
	default:
		form.Set(name, fmt.Sprint(v))
	}
}

// trailParams gives parameters in the form in which CloudTrail records them: names begin small, but for S3's documents; lists of EC2
// are wrapped.
func trailParams(c call) any {
	if c.trail != nil {
		return c.trail
	}
	if c.service == "s3" {
		out := map[string]any{"bucketName": strings.Trim(strings.SplitN(c.path, "?", 2)[0], "/"), "Host": "s3.amazonaws.com"}
		if c.body != "" {
			out[c.body] = c.params[c.body]
		}
		if policy, ok := c.params["policy"].(string); ok {
			var document any
			if json.Unmarshal([]byte(policy), &document) == nil {
				out["bucketPolicy"] = document
			}
			delete(out, "policy")
		}
		return out
	}
	return lowered(c.params, c.service == "ec2")
}

func lowered(v any, ec2 bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if _, named := e.(map[string]any); k == "Attributes" || k == "Variables" || named && strings.EqualFold(k, "tags") {
				out[lowerFirst(k)] = e // names that are data keep their case
				continue
			}
			out[lowerFirst(k)] = lowered(e, ec2)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, lowered(e, ec2))
		}
		if ec2 {
			return map[string]any{"items": out}
		}
		return out
	}
	return v
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}

// A hand is who makes calls in a case.
type hand struct {
	identity map[string]any
	id       string
	person   bool
	agent    string
}

const account = "123456789012"

func hands() []hand {
	role := func(role, session string, more map[string]any) map[string]any {
		context := map[string]any{"sessionIssuer": map[string]any{"type": "Role", "arn": "arn:aws:iam::" + account + ":role/" + role, "userName": role}}
		for k, v := range more {
			context[k] = v
		}
		return map[string]any{"type": "AssumedRole", "principalId": "AROA" + strings.ToUpper(role) + ":" + session, "arn": "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session,
			"accountId": account, "accessKeyId": "ASIA" + strings.ToUpper(session), "sessionContext": context}
	}
	all := []hand{
		{identity: role("AWSReservedSSO_Admin_0a1b2c", "carol@corp.example", nil), person: true, agent: "aws-cli/2.15"},
		{identity: role("AWSReservedSSO_Power_0a1b2c", "erin@corp.example", nil), person: true, agent: "console.amazonaws.com"},
		{identity: role("infra-apply", "run-4711", map[string]any{"webIdFederationData": map[string]any{"federatedProvider": "arn:aws:iam::" + account + ":oidc-provider/token.actions.githubusercontent.com", "attributes": map[string]any{"sub": "repo:acme/infra:ref:refs/heads/main"}}}), agent: "Terraform/1.11"},
		{identity: role("BreakGlass", "s1", map[string]any{"sourceIdentity": "mallory"}), person: true, agent: "aws-cli/2.15"},
		{identity: map[string]any{"type": "IAMUser", "principalId": "AIDADANA", "arn": "arn:aws:iam::" + account + ":user/dana", "accountId": account, "accessKeyId": "AKIADANA", "userName": "dana"}, person: true, agent: "Boto3/1.3"},
		{identity: map[string]any{"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}, agent: "autoscaling.amazonaws.com"},
	}
	for i := range all {
		if arn, ok := all[i].identity["arn"].(string); ok {
			all[i].id = arn
		} else {
			all[i].id = all[i].identity["invokedBy"].(string)
		}
	}
	return all
}

// record is a call as CloudTrail tells it.
func record(c call, h hand, id string, at time.Time, failed string, answer map[string]any) map[string]any {
	r := map[string]any{
		"eventVersion": "1.09", "userIdentity": h.identity, "eventTime": at.UTC().Format(time.RFC3339), "eventSource": c.service + ".amazonaws.com", "eventName": c.name,
		"awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.10", "userAgent": h.agent, "requestParameters": trailParams(c), "responseElements": nil,
		"requestID": "r-" + id, "eventID": id, "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": account, "eventCategory": "Management",
	}
	if failed != "" {
		r["errorCode"], r["errorMessage"] = failed, "refused"
	} else if len(answer) > 0 && c.service != "s3" {
		r["responseElements"] = lowered(answer, false)
	}
	return r
}
