package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A subject is a live object of an emulator.
type subject struct {
	e    *emulator
	name string
	ids  []string
	id   string            // what calls name it by
	more map[string]string // what else calls need
}

// A kind is a type of resource: how it is made, read as its provider would, and changed.
type kind struct {
	name   string // of the type
	sets   []string
	create func(context.Context, *subject) error
	read   func(context.Context, *subject) (map[string]any, error)
	calls  []func(*rand.Rand, *subject) call
}

type m = map[string]any
type l = []any

func (s *subject) ask(ctx context.Context, service, name string, params m) (m, error) {
	return s.e.do(ctx, call{service: service, name: name, params: params})
}

// at is what stands at names one below the other.
func at(v any, names ...string) any {
	for _, name := range names {
		node, ok := v.(m)
		if !ok {
			return nil
		}
		v = node[name]
	}
	return v
}

func str(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func list(v any) l {
	switch v := v.(type) {
	case l:
		return v
	case nil, string:
		return nil
	}
	return l{v}
}

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// tagsOf gives a map of tags from a list of pairs.
func tagsOf(v any, key, value string) m {
	out := m{}
	for _, t := range list(v) {
		out[str(at(t, key))] = str(at(t, value))
	}
	return out
}

var tagKeys = []string{"Owner", "CostCenter", "env", "team"}

func tagPair(r *rand.Rand) (string, string) {
	return pick(r, tagKeys...), pick(r, "alpha", "beta", "gamma", "delta", "42")
}

func kinds() []kind {
	return slices.Concat(ec2Kinds(), s3Kinds(), iamKinds(), messageKinds(), dataKinds())
}

func ec2Tag(r *rand.Rand, s *subject) call {
	k, v := tagPair(r)
	return call{service: "ec2", name: "CreateTags", params: m{"ResourceId": l{s.id}, "Tag": l{m{"Key": k, "Value": v}}},
		trail: m{"resourcesSet": m{"items": l{m{"resourceId": s.id}}}, "tagSet": m{"items": l{m{"key": k, "value": v}}}}}
}

func ec2Untag(r *rand.Rand, s *subject) call {
	k, _ := tagPair(r)
	return call{service: "ec2", name: "DeleteTags", params: m{"ResourceId": l{s.id}, "Tag": l{m{"Key": k}}},
		trail: m{"resourcesSet": m{"items": l{m{"resourceId": s.id}}}, "tagSet": m{"items": l{m{"key": k}}}}}
}

func groupRule(name string) func(*rand.Rand, *subject) call {
	return func(r *rand.Rand, s *subject) call {
		port := pick(r, 22, 80, 443, 5432)
		return call{service: "ec2", name: name, params: m{"GroupId": s.id, "IpPermissions": l{m{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": l{m{"CidrIp": pick(r, "0.0.0.0/0", "10.0.0.0/8", "192.168.0.0/16")}}}}}}
	}
}

func readGroup(ctx context.Context, s *subject) (m, error) {
	a, err := s.ask(ctx, "ec2", "DescribeSecurityGroups", m{"GroupId": l{s.id}})
	if err != nil || len(list(a["securityGroupInfo"])) == 0 {
		return nil, err
	}
	g := list(a["securityGroupInfo"])[0]
	rules := func(v any) l {
		out := l{}
		for _, p := range list(v) {
			cidrs := []string{}
			for _, c := range list(at(p, "ipRanges")) {
				cidrs = append(cidrs, str(at(c, "cidrIp")))
			}
			slices.Sort(cidrs)
			blocks := l{}
			for _, c := range cidrs {
				blocks = append(blocks, c)
			}
			out = append(out, m{"protocol": str(at(p, "ipProtocol")), "from_port": number(at(p, "fromPort")), "to_port": number(at(p, "toPort")), "cidr_blocks": blocks, "description": "", "self": false})
		}
		return out
	}
	return m{"ingress": rules(at(g, "ipPermissions")), "egress": rules(at(g, "ipPermissionsEgress")), "tags": tagsOf(at(g, "tagSet"), "key", "value"), "name": str(at(g, "groupName"))}, nil
}

func number(v any) any {
	if s := str(v); s != "" {
		return json.Number(s)
	}
	return nil
}

func ec2Kinds() []kind {
	return []kind{
		{name: "aws_security_group", sets: []string{"ingress", "egress"}, read: readGroup,
			create: func(ctx context.Context, s *subject) error {
				a, err := s.ask(ctx, "ec2", "CreateSecurityGroup", m{"GroupName": s.name, "GroupDescription": "x"})
				s.id = str(a["groupId"])
				s.ids = []string{s.id, "arn:aws:ec2:us-east-1:" + account + ":security-group/" + s.id, s.name}
				return err
			},
			calls: []func(*rand.Rand, *subject) call{groupRule("AuthorizeSecurityGroupIngress"), groupRule("AuthorizeSecurityGroupIngress"), groupRule("AuthorizeSecurityGroupEgress"), groupRule("RevokeSecurityGroupIngress"), groupRule("RevokeSecurityGroupEgress"), ec2Tag, ec2Untag}},
		{name: "aws_vpc",
			create: func(ctx context.Context, s *subject) error {
				a, err := s.ask(ctx, "ec2", "CreateVpc", m{"CidrBlock": "10.9.0.0/16"})
				s.id = str(at(a, "vpc", "vpcId"))
				s.ids = []string{s.id, "arn:aws:ec2:us-east-1:" + account + ":vpc/" + s.id}
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				out := m{}
				for attribute, name := range map[string]string{"enableDnsSupport": "enable_dns_support", "enableDnsHostnames": "enable_dns_hostnames"} {
					a, err := s.ask(ctx, "ec2", "DescribeVpcAttribute", m{"VpcId": s.id, "Attribute": attribute})
					if err != nil {
						return nil, err
					}
					out[name] = str(at(a, attribute, "value")) == "true"
				}
				a, err := s.ask(ctx, "ec2", "DescribeVpcs", m{"VpcId": l{s.id}})
				if err == nil {
					out["tags"] = tagsOf(at(list(a["vpcSet"])[0], "tagSet"), "key", "value")
				}
				return out, err
			},
			calls: []func(*rand.Rand, *subject) call{ec2Tag, ec2Untag,
				func(r *rand.Rand, s *subject) call {
					return call{service: "ec2", name: "ModifyVpcAttribute", params: m{"VpcId": s.id, "EnableDnsHostnames": m{"Value": r.IntN(2) == 0}}}
				},
				func(r *rand.Rand, s *subject) call {
					return call{service: "ec2", name: "ModifyVpcAttribute", params: m{"VpcId": s.id, "EnableDnsSupport": m{"Value": r.IntN(2) == 0}}}
				}}},
	}
}

func bucketCall(method, sub, name, document string, content func(*rand.Rand) any) func(*rand.Rand, *subject) call {
	return func(r *rand.Rand, s *subject) call {
		c := call{service: "s3", name: name, method: method, path: "/" + s.name + "?" + sub, params: m{}, body: document}
		if document == "" {
			document = "none"
			c.body = document
		}
		c.params[document] = content(r)
		return c
	}
}

func bucket(name string, read func(context.Context, *subject) (m, error), sets []string, calls ...func(*rand.Rand, *subject) call) kind {
	return kind{name: name, sets: sets, read: read, calls: calls, create: func(ctx context.Context, s *subject) error {
		s.id = s.name
		s.ids = []string{s.name, "arn:aws:s3:::" + s.name}
		_, err := s.e.do(ctx, call{service: "s3", name: "CreateBucket", method: http.MethodPut, path: "/" + s.name, body: "none", params: m{"none": ""}})
		return err
	}}
}

func readSub(sub string, f func(m) m) func(context.Context, *subject) (m, error) {
	return func(ctx context.Context, s *subject) (m, error) {
		a, err := s.e.do(ctx, call{service: "s3", name: "Get", method: http.MethodGet, path: "/" + s.name + "?" + sub})
		if err != nil {
			return f(m{}), nil //nolint:nilerr // what was never configured is an error of this API
		}
		return f(a), nil
	}
}

func empty(*rand.Rand) any { return "" }

func s3Kinds() []kind {
	return []kind{
		bucket("aws_s3_bucket_versioning", readSub("versioning", func(a m) m {
			return m{"versioning_configuration": l{m{"status": str(a["Status"]), "mfa_delete": ""}}}
		}), nil, bucketCall(http.MethodPut, "versioning", "PutBucketVersioning", "VersioningConfiguration", func(r *rand.Rand) any { return m{"Status": pick(r, "Enabled", "Suspended")} })),
		bucket("aws_s3_bucket_public_access_block", readSub("publicAccessBlock", func(a m) m {
			out := m{}
			for from, to := range map[string]string{"BlockPublicAcls": "block_public_acls", "BlockPublicPolicy": "block_public_policy", "IgnorePublicAcls": "ignore_public_acls", "RestrictPublicBuckets": "restrict_public_buckets"} {
				out[to] = strings.EqualFold(str(a[from]), "true")
			}
			return out
		}), nil, bucketCall(http.MethodPut, "publicAccessBlock", "PutBucketPublicAccessBlock", "PublicAccessBlockConfiguration", func(r *rand.Rand) any {
			b := func() any { return r.IntN(2) == 0 }
			return m{"BlockPublicAcls": b(), "BlockPublicPolicy": b(), "IgnorePublicAcls": b(), "RestrictPublicBuckets": b()}
		}), bucketCall(http.MethodDelete, "publicAccessBlock", "DeleteBucketPublicAccessBlock", "", empty)),
		bucket("aws_s3_bucket", readSub("tagging", func(a m) m { return m{"tags": tagsOf(at(a, "TagSet", "Tag"), "Key", "Value")} }), nil,
			bucketCall(http.MethodPut, "tagging", "PutBucketTagging", "Tagging", func(r *rand.Rand) any {
				tags := l{}
				for _, k := range tagKeys[:1+r.IntN(3)] {
					tags = append(tags, m{"Key": k, "Value": pick(r, "alpha", "beta", "gamma")})
				}
				return m{"TagSet": m{"Tag": tags}}
			}), bucketCall(http.MethodDelete, "tagging", "DeleteBucketTagging", "", empty),
			bucketCall(http.MethodPut, "versioning", "PutBucketVersioning", "VersioningConfiguration", func(r *rand.Rand) any { return m{"Status": pick(r, "Enabled", "Suspended")} })),
		bucket("aws_s3_bucket_policy", func(ctx context.Context, s *subject) (m, error) {
			req, err := s.e.request(ctx, call{service: "s3", method: http.MethodGet, path: "/" + s.name + "?policy"})
			if err != nil {
				return nil, err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			var document any
			if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&document) != nil {
				return m{"policy": ""}, nil
			}
			return m{"policy": text(document)}, nil
		}, nil, func(r *rand.Rand, s *subject) call {
			return call{service: "s3", name: "PutBucketPolicy", method: http.MethodPut, path: "/" + s.name + "?policy", body: "policy", params: m{"policy": policy(r, "s3:GetObject", "arn:aws:s3:::"+s.name+"/*")}}
		}, bucketCall(http.MethodDelete, "policy", "DeleteBucketPolicy", "", empty)),
	}
}

func policy(r *rand.Rand, action, on string) string {
	return text(m{"Version": "2012-10-17", "Statement": l{m{"Effect": pick(r, "Allow", "Deny"), "Principal": "*", "Action": pick(r, action, action+"Version"), "Resource": on, "Sid": pick(r, "one", "two", "three")}}})
}

func trust(r *rand.Rand) string {
	return text(m{"Version": "2012-10-17", "Statement": l{m{"Effect": "Allow", "Principal": m{"Service": pick(r, "ec2.amazonaws.com", "lambda.amazonaws.com", "ecs-tasks.amazonaws.com")}, "Action": "sts:AssumeRole"}}})
}

var managed = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/PowerUserAccess", "arn:aws:iam::aws:policy/SecurityAudit"}

func iamCall(name, key string, params func(*rand.Rand) m) func(*rand.Rand, *subject) call {
	return func(r *rand.Rand, s *subject) call {
		p := params(r)
		p[key] = s.id
		return call{service: "iam", name: name, params: p}
	}
}

func unquoted(v any) string {
	s, err := url.QueryUnescape(str(v))
	if err != nil {
		return str(v)
	}
	return s
}

func iamKinds() []kind {
	return []kind{
		{name: "aws_iam_role", sets: []string{"managed_policy_arns", "inline_policy"},
			create: func(ctx context.Context, s *subject) error {
				s.id = s.name
				s.ids = []string{s.name, "arn:aws:iam::" + account + ":role/" + s.name}
				_, err := s.ask(ctx, "iam", "CreateRole", m{"RoleName": s.name, "AssumeRolePolicyDocument": trust(rand.New(rand.NewPCG(1, 1)))})
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "iam", "GetRole", m{"RoleName": s.id})
				if err != nil {
					return nil, err
				}
				role := at(a, "GetRoleResult", "Role")
				attached, err := s.ask(ctx, "iam", "ListAttachedRolePolicies", m{"RoleName": s.id})
				if err != nil {
					return nil, err
				}
				arns := l{}
				for _, p := range list(at(attached, "ListAttachedRolePoliciesResult", "AttachedPolicies")) {
					arns = append(arns, str(at(p, "PolicyArn")))
				}
				return m{"assume_role_policy": unquoted(at(role, "AssumeRolePolicyDocument")), "description": str(at(role, "Description")), "max_session_duration": number(at(role, "MaxSessionDuration")), "managed_policy_arns": arns, "tags": tagsOf(at(role, "Tags"), "Key", "Value")}, nil
			},
			calls: []func(*rand.Rand, *subject) call{
				iamCall("UpdateAssumeRolePolicy", "RoleName", func(r *rand.Rand) m { return m{"PolicyDocument": trust(r)} }),
				iamCall("UpdateRole", "RoleName", func(r *rand.Rand) m {
					return m{"Description": pick(r, "first", "second", "third"), "MaxSessionDuration": pick(r, 3600, 7200, 43200)}
				}),
				iamCall("AttachRolePolicy", "RoleName", func(r *rand.Rand) m { return m{"PolicyArn": pick(r, managed...)} }),
				iamCall("AttachRolePolicy", "RoleName", func(r *rand.Rand) m { return m{"PolicyArn": pick(r, managed...)} }),
				iamCall("DetachRolePolicy", "RoleName", func(r *rand.Rand) m { return m{"PolicyArn": pick(r, managed...)} }),
				iamCall("TagRole", "RoleName", func(r *rand.Rand) m { k, v := tagPair(r); return m{"Tags": l{m{"Key": k, "Value": v}}} }),
				iamCall("UntagRole", "RoleName", func(r *rand.Rand) m { k, _ := tagPair(r); return m{"TagKeys": l{k}} }),
			}},
		{name: "aws_iam_policy",
			create: func(ctx context.Context, s *subject) error {
				a, err := s.ask(ctx, "iam", "CreatePolicy", m{"PolicyName": s.name, "PolicyDocument": policy(rand.New(rand.NewPCG(1, 1)), "s3:Get", "*")})
				s.id = str(at(a, "CreatePolicyResult", "Policy", "Arn"))
				s.ids = []string{s.id, s.name}
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "iam", "GetPolicy", m{"PolicyArn": s.id})
				if err != nil {
					return nil, err
				}
				p := at(a, "GetPolicyResult", "Policy")
				v, err := s.ask(ctx, "iam", "GetPolicyVersion", m{"PolicyArn": s.id, "VersionId": str(at(p, "DefaultVersionId"))})
				if err != nil {
					return nil, err
				}
				return m{"policy": unquoted(at(v, "GetPolicyVersionResult", "PolicyVersion", "Document")), "tags": tagsOf(at(p, "Tags"), "Key", "Value")}, nil
			},
			calls: []func(*rand.Rand, *subject) call{
				iamCall("CreatePolicyVersion", "PolicyArn", func(r *rand.Rand) m { return m{"PolicyDocument": policy(r, "s3:Get", "*"), "SetAsDefault": true} }),
				iamCall("TagPolicy", "PolicyArn", func(r *rand.Rand) m { k, v := tagPair(r); return m{"Tags": l{m{"Key": k, "Value": v}}} }),
				iamCall("UntagPolicy", "PolicyArn", func(r *rand.Rand) m { k, _ := tagPair(r); return m{"TagKeys": l{k}} }),
			}},
	}
}
