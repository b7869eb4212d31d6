package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
)

// freshKinds are those that nobody looked at while the rules were made: what the engine says of them is what it says of kinds that others use.
func freshKinds() []kind { return []kind{alarmKind(), streamKind(), groupKind(), functionKind()} }

func byName(service, name, key string, params func(*rand.Rand) m) func(*rand.Rand, *subject) call {
	return func(r *rand.Rand, s *subject) call {
		p := params(r)
		p[key] = s.name
		return call{service: service, name: name, params: p}
	}
}

func none(*rand.Rand) m { return m{} }

func alarmKind() kind {
	return kind{name: "aws_cloudwatch_metric_alarm", sets: []string{"alarm_actions"},
		create: func(ctx context.Context, s *subject) error {
			s.id = "arn:aws:cloudwatch:us-east-1:" + account + ":alarm:" + s.name
			s.ids = []string{s.name, s.id}
			_, err := s.ask(ctx, "monitoring", "PutMetricAlarm", alarm(rand.New(rand.NewPCG(1, 1)), s.name))
			return err
		},
		read: func(ctx context.Context, s *subject) (m, error) {
			a, err := s.ask(ctx, "monitoring", "DescribeAlarms", m{"AlarmNames": l{s.name}})
			if err != nil {
				return nil, err
			}
			var got any
			for _, e := range list(at(a, "DescribeAlarmsResult", "MetricAlarms")) {
				got = e
			}
			tags, err := s.ask(ctx, "monitoring", "ListTagsForResource", m{"ResourceARN": s.id})
			return m{"threshold": number(at(got, "Threshold")), "period": number(at(got, "Period")), "evaluation_periods": number(at(got, "EvaluationPeriods")), "statistic": str(at(got, "Statistic")),
				"comparison_operator": str(at(got, "ComparisonOperator")), "alarm_description": str(at(got, "AlarmDescription")), "actions_enabled": str(at(got, "ActionsEnabled")) == "true",
				"tags": tagsOf(at(tags, "ListTagsForResourceResult", "Tags"), "Key", "Value")}, err
		},
		calls: []func(*rand.Rand, *subject) call{
			func(r *rand.Rand, s *subject) call {
				return call{service: "monitoring", name: "PutMetricAlarm", params: alarm(r, s.name)}
			},
			func(_ *rand.Rand, s *subject) call {
				return call{service: "monitoring", name: "EnableAlarmActions", params: m{"AlarmNames": l{s.name}}}
			},
			func(_ *rand.Rand, s *subject) call {
				return call{service: "monitoring", name: "DisableAlarmActions", params: m{"AlarmNames": l{s.name}}}
			},
			jsonCall("monitoring", "TagResource", "ResourceARN", pairs("Key", "Value")), jsonCall("monitoring", "UntagResource", "ResourceARN", untag),
		}}
}

func alarm(r *rand.Rand, name string) m {
	return m{"AlarmName": name, "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": pick(r, "Average", "Maximum"), "Period": pick(r, 60, 300), "EvaluationPeriods": pick(r, 1, 2, 3),
		"Threshold": pick(r, 70, 80, 90), "ComparisonOperator": pick(r, "GreaterThanThreshold", "LessThanThreshold"), "AlarmDescription": pick(r, "busy", "idle", "odd"), "ActionsEnabled": r.IntN(2) == 0}
}

func streamKind() kind {
	return kind{name: "aws_kinesis_stream",
		create: func(ctx context.Context, s *subject) error {
			s.id = s.name
			s.ids = []string{s.name, "arn:aws:kinesis:us-east-1:" + account + ":stream/" + s.name}
			_, err := s.ask(ctx, "kinesis", "CreateStream", m{"StreamName": s.name, "ShardCount": 1})
			return err
		},
		read: func(ctx context.Context, s *subject) (m, error) {
			a, err := s.ask(ctx, "kinesis", "DescribeStreamSummary", m{"StreamName": s.name})
			if err != nil {
				return nil, err
			}
			tags, err := s.ask(ctx, "kinesis", "ListTagsForStream", m{"StreamName": s.name})
			got := at(a, "StreamDescriptionSummary")
			return m{"retention_period": number(at(got, "RetentionPeriodHours")), "shard_count": number(at(got, "OpenShardCount")), "encryption_type": str(at(got, "EncryptionType")), "kms_key_id": str(at(got, "KeyId")),
				"tags": tagsOf(tags["Tags"], "Key", "Value")}, err
		},
		calls: []func(*rand.Rand, *subject) call{
			byName("kinesis", "IncreaseStreamRetentionPeriod", "StreamName", func(r *rand.Rand) m { return m{"RetentionPeriodHours": pick(r, 48, 72, 168)} }),
			byName("kinesis", "DecreaseStreamRetentionPeriod", "StreamName", func(r *rand.Rand) m { return m{"RetentionPeriodHours": pick(r, 24, 48, 72)} }),
			byName("kinesis", "StartStreamEncryption", "StreamName", func(r *rand.Rand) m { return m{"EncryptionType": "KMS", "KeyId": pick(r, "alias/one", "alias/two")} }),
			byName("kinesis", "StopStreamEncryption", "StreamName", func(*rand.Rand) m { return m{"EncryptionType": "KMS", "KeyId": "alias/one"} }),
			byName("kinesis", "AddTagsToStream", "StreamName", func(r *rand.Rand) m { k, v := tagPair(r); return m{"Tags": m{k: v}} }),
			byName("kinesis", "RemoveTagsFromStream", "StreamName", untag),
		}}
}

func groupKind() kind {
	return kind{name: "aws_autoscaling_group", sets: []string{"suspended_processes"},
		create: func(ctx context.Context, s *subject) error {
			s.id = s.name
			s.ids = []string{s.name, "arn:aws:autoscaling:us-east-1:" + account + ":autoScalingGroup:" + s.name + ":autoScalingGroupName/" + s.name}
			if _, err := s.ask(ctx, "autoscaling", "CreateLaunchConfiguration", m{"LaunchConfigurationName": s.name, "ImageId": "ami-12c6146b", "InstanceType": "t3.small"}); err != nil {
				return err
			}
			_, err := s.ask(ctx, "autoscaling", "CreateAutoScalingGroup", m{"AutoScalingGroupName": s.name, "LaunchConfigurationName": s.name, "MinSize": 0, "MaxSize": 4, "DesiredCapacity": 0, "AvailabilityZones": l{"us-east-1a"}})
			return err
		},
		read: func(ctx context.Context, s *subject) (m, error) {
			a, err := s.ask(ctx, "autoscaling", "DescribeAutoScalingGroups", m{"AutoScalingGroupNames": l{s.name}})
			if err != nil {
				return nil, err
			}
			var got any
			for _, e := range list(at(a, "DescribeAutoScalingGroupsResult", "AutoScalingGroups")) {
				got = e
			}
			stopped := l{}
			for _, p := range list(at(got, "SuspendedProcesses")) {
				stopped = append(stopped, str(at(p, "ProcessName")))
			}
			return m{"min_size": number(at(got, "MinSize")), "max_size": number(at(got, "MaxSize")), "desired_capacity": number(at(got, "DesiredCapacity")), "default_cooldown": number(at(got, "DefaultCooldown")),
				"health_check_grace_period": number(at(got, "HealthCheckGracePeriod")), "suspended_processes": stopped}, nil
		},
		calls: []func(*rand.Rand, *subject) call{
			byName("autoscaling", "UpdateAutoScalingGroup", "AutoScalingGroupName", func(r *rand.Rand) m { return m{"MaxSize": pick(r, 3, 4, 5), "DefaultCooldown": pick(r, 60, 300)} }),
			byName("autoscaling", "UpdateAutoScalingGroup", "AutoScalingGroupName", func(r *rand.Rand) m { return m{"HealthCheckGracePeriod": pick(r, 0, 120, 300)} }),
			byName("autoscaling", "SetDesiredCapacity", "AutoScalingGroupName", func(r *rand.Rand) m { return m{"DesiredCapacity": pick(r, 0, 1, 2)} }),
			byName("autoscaling", "SuspendProcesses", "AutoScalingGroupName", processes), byName("autoscaling", "ResumeProcesses", "AutoScalingGroupName", processes),
		}}
}

func processes(r *rand.Rand) m {
	return m{"ScalingProcesses": l{pick(r, "Launch", "Terminate", "AZRebalance", "ReplaceUnhealthy")}}
}

func functionKind() kind {
	return kind{name: "aws_lambda_function",
		create: func(ctx context.Context, s *subject) error {
			if _, err := s.ask(ctx, "iam", "CreateRole", m{"RoleName": s.name, "AssumeRolePolicyDocument": trust(rand.New(rand.NewPCG(1, 1)))}); err != nil {
				return err
			}
			s.id = s.name
			s.ids = []string{s.name, "arn:aws:lambda:us-east-1:" + account + ":function:" + s.name}
			_, err := s.e.do(ctx, call{service: "lambda", name: "CreateFunction", method: http.MethodPost, path: "/2015-03-31/functions", params: m{"FunctionName": s.name, "Runtime": "python3.12", "Handler": "a.b",
				"Role": "arn:aws:iam::" + account + ":role/" + s.name, "Code": m{"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}})
			return err
		},
		read: func(ctx context.Context, s *subject) (m, error) {
			a, err := s.e.do(ctx, call{service: "lambda", name: "Get", method: http.MethodGet, path: "/2015-03-31/functions/" + s.name})
			if err != nil {
				return nil, err
			}
			got := at(a, "Configuration")
			limit := number(at(a, "Concurrency", "ReservedConcurrentExecutions"))
			if limit == nil {
				limit = json.Number("-1") // as the provider tells that there is none
			}
			return m{"memory_size": number(at(got, "MemorySize")), "timeout": number(at(got, "Timeout")), "runtime": str(at(got, "Runtime")), "handler": str(at(got, "Handler")), "description": str(at(got, "Description")),
				"environment": l{m{"variables": plainTags(at(got, "Environment", "Variables"))}}, "reserved_concurrent_executions": limit, "tags": plainTags(at(a, "Tags"))}, nil
		},
		calls: []func(*rand.Rand, *subject) call{
			configured(func(r *rand.Rand) m { return m{"MemorySize": pick(r, 128, 256, 512), "Timeout": pick(r, 3, 30, 60)} }),
			configured(func(r *rand.Rand) m {
				return m{"Description": pick(r, "one", "two", "three"), "Handler": pick(r, "a.b", "c.d")}
			}),
			configured(func(r *rand.Rand) m { return m{"Environment": m{"Variables": m{"LEVEL": pick(r, "info", "debug")}}} }),
			lambda("PutFunctionConcurrency", http.MethodPut, "/2017-10-31/functions/NAME/concurrency", func(r *rand.Rand) m { return m{"ReservedConcurrentExecutions": pick(r, 5, 10)} }),
			lambda("DeleteFunctionConcurrency", http.MethodDelete, "/2017-10-31/functions/NAME/concurrency", none),
			lambda("TagResource", http.MethodPost, "/2017-03-31/tags/ARN", func(r *rand.Rand) m { k, v := tagPair(r); return m{"Tags": m{k: v}} }),
			func(r *rand.Rand, s *subject) call {
				k, _ := tagPair(r)
				return call{service: "lambda", name: "UntagResource20170331v2", method: http.MethodDelete, path: "/2017-03-31/tags/" + s.ids[1] + "?tagKeys=" + k, params: m{"Resource": s.ids[1], "TagKeys": l{k}}}
			},
		}}
}

func configured(params func(*rand.Rand) m) func(*rand.Rand, *subject) call {
	return lambda("UpdateFunctionConfiguration", http.MethodPut, "/2015-03-31/functions/NAME/configuration", params)
}

// lambda is a call by path; its name carries the version of the API, as CloudTrail has it.
func lambda(name, method, path string, params func(*rand.Rand) m) func(*rand.Rand, *subject) call {
	return func(r *rand.Rand, s *subject) call {
		p := params(r)
		if strings.Contains(path, "ARN") {
			p["Resource"] = s.ids[1]
		} else {
			p["FunctionName"] = s.name
		}
		version := map[string]string{"UpdateFunctionConfiguration": "20150331v2", "TagResource": "20170331v2", "PutFunctionConcurrency": "20171031", "DeleteFunctionConcurrency": "20171031"}[name]
		return call{service: "lambda", name: name + version, method: method, path: strings.NewReplacer("NAME", s.name, "ARN", s.ids[1]).Replace(path), params: p}
	}
}
