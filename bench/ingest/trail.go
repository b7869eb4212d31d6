package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// A record has the fields of a CloudTrail record in the order in which CloudTrail writes them.
type record struct {
	EventVersion       string         `json:"eventVersion"`
	UserIdentity       map[string]any `json:"userIdentity"`
	EventTime          string         `json:"eventTime"`
	EventSource        string         `json:"eventSource"`
	EventName          string         `json:"eventName"`
	AWSRegion          string         `json:"awsRegion"`
	SourceIPAddress    string         `json:"sourceIPAddress"`
	UserAgent          string         `json:"userAgent"`
	ErrorCode          string         `json:"errorCode,omitempty"`
	ErrorMessage       string         `json:"errorMessage,omitempty"`
	RequestParameters  any            `json:"requestParameters"`
	ResponseElements   any            `json:"responseElements"`
	AdditionalEvent    map[string]any `json:"additionalEventData,omitempty"`
	RequestID          string         `json:"requestID"`
	EventID            string         `json:"eventID"`
	ReadOnly           bool           `json:"readOnly"`
	Resources          []any          `json:"resources,omitempty"`
	EventType          string         `json:"eventType"`
	ManagementEvent    bool           `json:"managementEvent"`
	RecipientAccountID string         `json:"recipientAccountId"`
	EventCategory      string         `json:"eventCategory"`
	TLSDetails         map[string]any `json:"tlsDetails,omitempty"`
}

const account = "123456789012"

// A maker makes records, the same ones each time.
type maker struct {
	*rand.Rand
	at time.Time
}

func newMaker() *maker {
	return &maker{rand.New(rand.NewPCG(1, 2)), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} //nolint:gosec // the same each time
}

func (m *maker) hex(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0123456789abcdef"[m.IntN(16)])
	}
	return b.String()
}

func (m *maker) upper(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[m.IntN(32)])
	}
	return b.String()
}

func (m *maker) uuid() string {
	return strings.Join([]string{m.hex(8), m.hex(4), m.hex(4), m.hex(4), m.hex(12)}, "-")
}

func pick[T any](m *maker, all ...T) T { return all[m.IntN(len(all))] }

func (m *maker) name() string {
	return pick(m, "web", "api", "billing", "search", "orders", "audit", "batch", "edge") + "-" + pick(m, "prod", "stage", "dev") + "-" + m.hex(4)
}

func (m *maker) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:eu-west-1:%s:%s", service, account, resource)
}

// identity is a session of a role, as most callers are, or a user, or a service.
func (m *maker) identity() map[string]any {
	switch m.IntN(10) {
	case 0:
		return map[string]any{"type": "AWSService", "invokedBy": pick(m, "autoscaling.amazonaws.com", "ecs.amazonaws.com", "config.amazonaws.com")}
	case 1:
		name := pick(m, "dana", "erin", "svc-deploy")
		return map[string]any{"type": "IAMUser", "principalId": "AIDA" + m.upper(17), "arn": "arn:aws:iam::" + account + ":user/" + name, "accountId": account, "accessKeyId": "AKIA" + m.upper(16), "userName": name}
	}
	role, id := pick(m, "AWSReservedSSO_Admin_0a1b2c3d4e5f", "terraform-deploy", "eks-node", "karpenter", "billing-reader"), "AROA"+m.upper(17)
	session := pick(m, "carol@corp.example", "i-0"+m.hex(16), "GitHubActions", "botocore-session-1767225600")
	return map[string]any{
		"type": "AssumedRole", "principalId": id + ":" + session, "arn": "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session, "accountId": account, "accessKeyId": "ASIA" + m.upper(16),
		"sessionContext": map[string]any{
			"sessionIssuer": map[string]any{"type": "Role", "principalId": id, "arn": "arn:aws:iam::" + account + ":role/" + role, "accountId": account, "userName": role},
			"attributes":    map[string]any{"creationDate": m.at.Format(time.RFC3339), "mfaAuthenticated": "false"},
		},
	}
}

func (m *maker) base(source, name string, readOnly bool) record {
	m.at = m.at.Add(time.Duration(m.IntN(900)) * time.Millisecond)
	return record{
		EventVersion: "1.09", UserIdentity: m.identity(), EventTime: m.at.Format(time.RFC3339), EventSource: source + ".amazonaws.com", EventName: name, AWSRegion: "eu-west-1",
		SourceIPAddress: fmt.Sprintf("198.51.100.%d", m.IntN(256)), RequestID: m.uuid(), EventID: m.uuid(), ReadOnly: readOnly, EventType: "AwsApiCall", ManagementEvent: true,
		UserAgent: pick(m, "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-aws/5.94.1 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.23.7 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.211.3 m/E,N",
			"aws-cli/2.24.20 md/awscrt#0.23.8 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.9 md/pyimpl#CPython cfg/retry-mode#standard", "AWS Internal", "Boto3/1.37.18 md/Botocore#1.37.18 ua/2.1 os/linux#6.1.130"),
		RecipientAccountID: account, EventCategory: "Management",
		TLSDetails: map[string]any{"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": source + ".eu-west-1.amazonaws.com"},
	}
}

// read is a call that changes nothing.
func (m *maker) read() record {
	switch m.IntN(6) {
	case 0:
		r := m.base("ec2", "DescribeInstances", true)
		var ids []any
		for range m.IntN(12) {
			ids = append(ids, map[string]any{"instanceId": "i-0" + m.hex(16)})
		}
		r.RequestParameters = map[string]any{"instancesSet": map[string]any{"items": ids}, "filterSet": map[string]any{"items": []any{map[string]any{"name": "instance-state-name", "valueSet": map[string]any{"items": []any{map[string]any{"value": "running"}}}}}}}
		return r
	case 1:
		r := m.base("s3", pick(m, "GetBucketAcl", "GetBucketPolicy", "GetBucketEncryption"), true)
		bucket := m.name()
		r.RequestParameters = map[string]any{"bucketName": bucket, "Host": bucket + ".s3.eu-west-1.amazonaws.com", "acl": ""}
		r.AdditionalEvent = map[string]any{"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": 0, "AuthenticationMethod": "AuthHeader", "x-amz-id-2": m.upper(76), "bytesTransferredOut": m.IntN(4000)}
		r.Resources = []any{map[string]any{"accountId": account, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::" + bucket}}
		return r
	case 2:
		r := m.base("sts", "AssumeRole", true)
		role := "arn:aws:iam::" + account + ":role/" + m.name()
		r.RequestParameters = map[string]any{"roleArn": role, "roleSessionName": m.name(), "durationSeconds": 3600}
		r.ResponseElements = map[string]any{"credentials": map[string]any{"accessKeyId": "ASIA" + m.upper(16), "sessionToken": m.upper(360), "expiration": "Jan 1, 2026, 1:00:00 AM"},
			"assumedRoleUser": map[string]any{"assumedRoleId": "AROA" + m.upper(17) + ":x", "arn": role + "/x"}}
		r.Resources = []any{map[string]any{"accountId": account, "type": "AWS::IAM::Role", "ARN": role}}
		return r
	case 3:
		r := m.base("kms", "Decrypt", true)
		r.RequestParameters = map[string]any{"encryptionContext": map[string]any{"aws:lambda:FunctionArn": m.arn("lambda", "function:"+m.name())}, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
		r.Resources = []any{map[string]any{"accountId": account, "type": "AWS::KMS::Key", "ARN": m.arn("kms", "key/"+m.uuid())}}
		return r
	case 4:
		r := m.base("logs", "DescribeLogGroups", true)
		r.RequestParameters = map[string]any{"logGroupNamePrefix": "/aws/lambda/" + m.name(), "limit": 50}
		if m.IntN(10) == 0 {
			r.ErrorCode, r.ErrorMessage = "AccessDenied", "User: arn:aws:sts::"+account+":assumed-role/x is not authorized to perform: logs:DescribeLogGroups because no identity-based policy allows the action"
		}
		return r
	}
	r := m.base("iam", pick(m, "GetRole", "ListAttachedRolePolicies", "GetPolicyVersion", "ListInstanceProfilesForRole"), true)
	r.RequestParameters = map[string]any{"roleName": m.name(), "maxItems": 100}
	return r
}

func (m *maker) policy() string {
	var statements []string
	for i := range 1 + m.IntN(4) {
		statements = append(statements, fmt.Sprintf(`{"Sid":"S%d","Effect":"Allow","Action":["s3:GetObject","s3:ListBucket","kms:Decrypt"],"Resource":["arn:aws:s3:::%s","arn:aws:s3:::%s/*"],"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-%s"}}}`, i, m.name(), m.name(), m.hex(10)))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// change is a call that changes something.
func (m *maker) change() record {
	switch m.IntN(6) {
	case 0:
		r := m.base("ec2", "AuthorizeSecurityGroupIngress", false)
		group := "sg-0" + m.hex(16)
		var rules []any
		for range 1 + m.IntN(4) {
			rules = append(rules, map[string]any{"groupOwnerId": account, "groupId": group, "securityGroupRuleId": "sgr-0" + m.hex(16), "isEgress": false, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": fmt.Sprintf("10.%d.0.0/16", m.IntN(256)), "securityGroupRuleArn": m.arn("ec2", "security-group-rule/sgr-0"+m.hex(16))})
		}
		r.RequestParameters = map[string]any{"groupId": group, "ipPermissions": map[string]any{"items": []any{map[string]any{"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "groups": map[string]any{}, "ipRanges": map[string]any{"items": []any{map[string]any{"cidrIp": "10.0.0.0/16", "description": "from " + m.name()}}}}}}}
		r.ResponseElements = map[string]any{"requestId": m.uuid(), "_return": true, "securityGroupRuleSet": map[string]any{"items": rules}}
		return r
	case 1:
		r := m.base("iam", "PutRolePolicy", false)
		r.RequestParameters = map[string]any{"roleName": m.name(), "policyName": m.name(), "policyDocument": m.policy()}
		return r
	case 2:
		r := m.base("rds", "ModifyDBInstance", false)
		name := m.name()
		r.RequestParameters = map[string]any{"dBInstanceIdentifier": name, "applyImmediately": true, "masterUserPassword": "****", "backupRetentionPeriod": m.IntN(35), "allowMajorVersionUpgrade": false}
		r.ResponseElements = map[string]any{"dBInstanceIdentifier": name, "dBInstanceClass": "db.r6g.large", "engine": "postgres", "engineVersion": "16.6", "dBInstanceStatus": "modifying", "masterUsername": "app", "endpoint": map[string]any{"address": name + ".c" + m.hex(10) + ".eu-west-1.rds.amazonaws.com", "port": 5432, "hostedZoneId": "Z29XKXDKYMONMX"},
			"allocatedStorage": 100, "preferredBackupWindow": "03:00-04:00", "vpcSecurityGroups": []any{map[string]any{"vpcSecurityGroupId": "sg-0" + m.hex(16), "status": "active"}}, "dBInstanceArn": m.arn("rds", "db:"+name), "storageEncrypted": true, "kmsKeyId": m.arn("kms", "key/"+m.uuid()), "dbiResourceId": "db-" + m.upper(26)}
		return r
	case 3:
		r := m.base("lambda", "UpdateFunctionConfiguration20150331v2", false)
		name := m.name()
		r.RequestParameters = map[string]any{"functionName": name, "memorySize": 512, "timeout": 30, "environment": map[string]any{"variables": map[string]any{"DB_PASSWORD": "correct-horse-" + m.hex(12), "DB_HOST": name + ".internal", "LOG_LEVEL": "info"}}}
		r.ResponseElements = map[string]any{"functionName": name, "functionArn": m.arn("lambda", "function:"+name), "runtime": "python3.12", "role": "arn:aws:iam::" + account + ":role/" + m.name(), "handler": "app.main", "codeSize": m.IntN(9_000_000), "timeout": 30, "memorySize": 512, "lastModified": m.at.Format(time.RFC3339), "codeSha256": m.upper(43) + "=", "version": "$LATEST", "revisionId": m.uuid(), "state": "Active", "lastUpdateStatus": "InProgress", "packageType": "Zip", "architectures": []any{"arm64"}}
		return r
	case 4:
		r := m.base("ecs", "RegisterTaskDefinition", false)
		name := m.name()
		definition := map[string]any{"family": name, "networkMode": "awsvpc", "cpu": "512", "memory": "1024", "containerDefinitions": []any{map[string]any{"name": "app", "image": account + ".dkr.ecr.eu-west-1.amazonaws.com/" + name + ":" + m.hex(40), "essential": true,
			"environment":      []any{map[string]any{"name": "STAGE", "value": "prod"}, map[string]any{"name": "API_TOKEN", "value": "tok-" + m.hex(24)}},
			"logConfiguration": map[string]any{"logDriver": "awslogs", "options": map[string]any{"awslogs-group": "/ecs/" + name, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app"}}, "portMappings": []any{map[string]any{"containerPort": 8080, "protocol": "tcp"}}}}}
		r.RequestParameters = definition
		r.ResponseElements = map[string]any{"taskDefinition": map[string]any{"taskDefinitionArn": m.arn("ecs", "task-definition/"+name+":7"), "family": name, "revision": 7, "status": "ACTIVE", "registeredBy": "arn:aws:sts::" + account + ":assumed-role/x/y"}}
		return r
	}
	r := m.base("ec2", "CreateTags", false)
	var tags, on []any
	for range 1 + m.IntN(5) {
		tags = append(tags, map[string]any{"key": pick(m, "Name", "team", "cost-center", "env"), "value": m.name()})
		on = append(on, map[string]any{"resourceId": "i-0" + m.hex(16)})
	}
	r.RequestParameters = map[string]any{"resourcesSet": map[string]any{"items": on}, "tagSet": map[string]any{"items": tags}}
	r.ResponseElements = map[string]any{"requestId": m.uuid(), "_return": true}
	return r
}

// A sample is one generated file.
type sample struct {
	name    string
	file    string
	records int
	bytes   int64 // without compression
}

// write makes a file of records, so many of a hundred of which change something.
func write(file string, records, changes int) (sample, error) {
	f, err := os.Create(file)
	if err != nil {
		return sample{}, err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	w := &counting{w: bufio.NewWriterSize(z, 1<<20)}
	m := newMaker()
	w.text(`{"Records":[`)
	for i := range records {
		r := m.read
		if m.IntN(100) < changes {
			r = m.change
		}
		text, err := json.Marshal(r())
		if err != nil {
			return sample{}, err
		}
		if i > 0 {
			w.text(",")
		}
		w.text(string(text))
	}
	w.text("]}")
	for _, step := range []func() error{w.w.Flush, z.Close, f.Close} {
		if err := step(); err != nil {
			return sample{}, err
		}
	}
	return sample{file: file, records: records, bytes: w.n}, nil
}

type counting struct {
	w *bufio.Writer
	n int64
}

func (c *counting) text(s string) {
	n, _ := c.w.WriteString(s) // what fails is said by Flush
	c.n += int64(n)
}
