package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
)

// jsonCall is a call of an API that takes JSON, with the object's own name in the parameter of this name.
func jsonCall(service, name, key string, params func(*rand.Rand) m) func(*rand.Rand, *subject) call {
	return func(r *rand.Rand, s *subject) call {
		p := params(r)
		p[key] = s.id
		return call{service: service, name: name, params: p}
	}
}

func pairs(k, v string) func(*rand.Rand) m {
	return func(r *rand.Rand) m { key, value := tagPair(r); return m{"Tags": l{m{k: key, v: value}}} }
}

func untag(r *rand.Rand) m { k, _ := tagPair(r); return m{"TagKeys": l{k}} }

func plainTags(v any) m {
	if tags, ok := v.(m); ok {
		return tags
	}
	return m{}
}

func messageKinds() []kind {
	return []kind{
		{name: "aws_sqs_queue",
			create: func(ctx context.Context, s *subject) error {
				a, err := s.ask(ctx, "sqs", "CreateQueue", m{"QueueName": s.name})
				s.id = str(a["QueueUrl"])
				s.ids = []string{s.id, "arn:aws:sqs:us-east-1:" + account + ":" + s.name, s.name}
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "sqs", "GetQueueAttributes", m{"QueueUrl": s.id, "AttributeNames": l{"All"}})
				if err != nil {
					return nil, err
				}
				tags, err := s.ask(ctx, "sqs", "ListQueueTags", m{"QueueUrl": s.id})
				got := a["Attributes"]
				return m{"visibility_timeout_seconds": number(at(got, "VisibilityTimeout")), "message_retention_seconds": number(at(got, "MessageRetentionPeriod")), "delay_seconds": number(at(got, "DelaySeconds")),
					"max_message_size": number(at(got, "MaximumMessageSize")), "receive_wait_time_seconds": number(at(got, "ReceiveMessageWaitTimeSeconds")), "tags": plainTags(tags["Tags"])}, err
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("sqs", "SetQueueAttributes", "QueueUrl", func(r *rand.Rand) m {
					return m{"Attributes": m{"VisibilityTimeout": pick(r, "30", "60", "90"), "DelaySeconds": pick(r, "0", "5", "60")}}
				}),
				jsonCall("sqs", "SetQueueAttributes", "QueueUrl", func(r *rand.Rand) m {
					return m{"Attributes": m{"MessageRetentionPeriod": pick(r, "86400", "345600"), "ReceiveMessageWaitTimeSeconds": pick(r, "0", "20")}}
				}),
				jsonCall("sqs", "TagQueue", "QueueUrl", func(r *rand.Rand) m { k, v := tagPair(r); return m{"Tags": m{k: v}} }),
				jsonCall("sqs", "UntagQueue", "QueueUrl", untag),
			}},
		{name: "aws_sns_topic",
			create: func(ctx context.Context, s *subject) error {
				a, err := s.ask(ctx, "sns", "CreateTopic", m{"Name": s.name})
				s.id = str(at(a, "CreateTopicResult", "TopicArn"))
				s.ids = []string{s.id, s.name}
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "sns", "GetTopicAttributes", m{"TopicArn": s.id})
				if err != nil {
					return nil, err
				}
				out := m{}
				entries := list(at(a, "GetTopicAttributesResult", "Attributes", "entry"))
				for _, e := range entries {
					switch str(at(e, "key")) {
					case "DisplayName":
						out["display_name"] = str(at(e, "value"))
					case "DeliveryPolicy":
						out["delivery_policy"] = str(at(e, "value"))
					}
				}
				tags, err := s.ask(ctx, "sns", "ListTagsForResource", m{"ResourceArn": s.id})
				out["tags"] = tagsOf(at(tags, "ListTagsForResourceResult", "Tags"), "Key", "Value")
				return out, err
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("sns", "SetTopicAttributes", "TopicArn", func(r *rand.Rand) m {
					return m{"AttributeName": "DisplayName", "AttributeValue": pick(r, "Orders", "Alerts", "Bills")}
				}),
				jsonCall("sns", "SetTopicAttributes", "TopicArn", func(r *rand.Rand) m {
					return m{"AttributeName": "DeliveryPolicy", "AttributeValue": text(m{"http": m{"defaultHealthyRetryPolicy": m{"numRetries": pick(r, 3, 5, 9)}}})}
				}),
				jsonCall("sns", "TagResource", "ResourceArn", pairs("Key", "Value")),
				jsonCall("sns", "UntagResource", "ResourceArn", untag),
			}},
		{name: "aws_cloudwatch_log_group",
			create: func(ctx context.Context, s *subject) error {
				s.id = "/app/" + s.name
				s.ids = []string{s.id, "arn:aws:logs:us-east-1:" + account + ":log-group:" + s.id + ":*"}
				_, err := s.ask(ctx, "logs", "CreateLogGroup", m{"logGroupName": s.id})
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "logs", "DescribeLogGroups", m{"logGroupNamePrefix": s.id})
				if err != nil {
					return nil, err
				}
				tags, err := s.ask(ctx, "logs", "ListTagsLogGroup", m{"logGroupName": s.id})
				days := at(list(a["logGroups"])[0], "retentionInDays")
				if days == nil {
					days = 0
				}
				return m{"retention_in_days": days, "tags": plainTags(tags["tags"])}, err
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("logs", "PutRetentionPolicy", "logGroupName", func(r *rand.Rand) m { return m{"retentionInDays": pick(r, 7, 14, 30, 365)} }),
				jsonCall("logs", "DeleteRetentionPolicy", "logGroupName", func(*rand.Rand) m { return m{} }),
				jsonCall("logs", "TagLogGroup", "logGroupName", func(r *rand.Rand) m { k, v := tagPair(r); return m{"tags": m{k: v}} }),
				jsonCall("logs", "UntagLogGroup", "logGroupName", func(r *rand.Rand) m { k, _ := tagPair(r); return m{"tags": l{k}} }),
			}},
	}
}

func dataKinds() []kind {
	return []kind{
		{name: "aws_kms_key",
			create: func(ctx context.Context, s *subject) error {
				a, err := s.ask(ctx, "kms", "CreateKey", m{"Description": "first"})
				s.id = str(at(a, "KeyMetadata", "KeyId"))
				s.ids = []string{s.id, str(at(a, "KeyMetadata", "Arn"))}
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "kms", "DescribeKey", m{"KeyId": s.id})
				if err != nil {
					return nil, err
				}
				rotation, err := s.ask(ctx, "kms", "GetKeyRotationStatus", m{"KeyId": s.id})
				if err != nil {
					rotation = m{}
				}
				tags, err := s.ask(ctx, "kms", "ListResourceTags", m{"KeyId": s.id})
				return m{"description": str(at(a, "KeyMetadata", "Description")), "is_enabled": at(a, "KeyMetadata", "Enabled") == true, "enable_key_rotation": rotation["KeyRotationEnabled"] == true, "tags": tagsOf(tags["Tags"], "TagKey", "TagValue")}, err
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("kms", "UpdateKeyDescription", "KeyId", func(r *rand.Rand) m { return m{"Description": pick(r, "first", "second", "third")} }),
				jsonCall("kms", "EnableKeyRotation", "KeyId", func(*rand.Rand) m { return m{} }),
				jsonCall("kms", "DisableKeyRotation", "KeyId", func(*rand.Rand) m { return m{} }),
				jsonCall("kms", "TagResource", "KeyId", pairs("TagKey", "TagValue")),
				jsonCall("kms", "UntagResource", "KeyId", untag),
			}},
		{name: "aws_dynamodb_table",
			create: func(ctx context.Context, s *subject) error {
				s.id = s.name
				s.ids = []string{s.name, "arn:aws:dynamodb:us-east-1:" + account + ":table/" + s.name}
				_, err := s.ask(ctx, "dynamodb", "CreateTable", m{"TableName": s.name, "AttributeDefinitions": l{m{"AttributeName": "id", "AttributeType": "S"}}, "KeySchema": l{m{"AttributeName": "id", "KeyType": "HASH"}}, "ProvisionedThroughput": m{"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}})
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "dynamodb", "DescribeTable", m{"TableName": s.id})
				if err != nil {
					return nil, err
				}
				t := a["Table"]
				ttl, err := s.ask(ctx, "dynamodb", "DescribeTimeToLive", m{"TableName": s.id})
				if err != nil {
					return nil, err
				}
				backups, err := s.ask(ctx, "dynamodb", "DescribeContinuousBackups", m{"TableName": s.id})
				return m{"read_capacity": at(t, "ProvisionedThroughput", "ReadCapacityUnits"), "write_capacity": at(t, "ProvisionedThroughput", "WriteCapacityUnits"), "billing_mode": str(at(t, "BillingModeSummary", "BillingMode")), "deletion_protection_enabled": at(t, "DeletionProtectionEnabled"),
					"ttl":                    l{m{"enabled": str(at(ttl, "TimeToLiveDescription", "TimeToLiveStatus")) == "ENABLED", "attribute_name": str(at(ttl, "TimeToLiveDescription", "AttributeName"))}},
					"point_in_time_recovery": l{m{"enabled": str(at(backups, "ContinuousBackupsDescription", "PointInTimeRecoveryDescription", "PointInTimeRecoveryStatus")) == "ENABLED"}}}, err
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("dynamodb", "UpdateTable", "TableName", func(r *rand.Rand) m {
					return m{"ProvisionedThroughput": m{"ReadCapacityUnits": pick(r, 5, 10, 20), "WriteCapacityUnits": pick(r, 5, 10, 20)}}
				}),
				jsonCall("dynamodb", "UpdateTable", "TableName", func(r *rand.Rand) m { return m{"DeletionProtectionEnabled": r.IntN(2) == 0} }),
				jsonCall("dynamodb", "UpdateTimeToLive", "TableName", func(r *rand.Rand) m {
					return m{"TimeToLiveSpecification": m{"Enabled": r.IntN(2) == 0, "AttributeName": "expires"}}
				}),
				jsonCall("dynamodb", "UpdateContinuousBackups", "TableName", func(r *rand.Rand) m {
					return m{"PointInTimeRecoverySpecification": m{"PointInTimeRecoveryEnabled": r.IntN(2) == 0}}
				}),
			}},
		{name: "aws_ssm_parameter",
			create: func(ctx context.Context, s *subject) error {
				s.id = "/app/" + s.name
				s.ids = []string{s.id, "arn:aws:ssm:us-east-1:" + account + ":parameter" + s.id}
				_, err := s.ask(ctx, "ssm", "PutParameter", m{"Name": s.id, "Value": "start", "Type": "String"})
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "ssm", "GetParameter", m{"Name": s.id})
				if err != nil {
					return nil, err
				}
				tags, err := s.ask(ctx, "ssm", "ListTagsForResource", m{"ResourceType": "Parameter", "ResourceId": s.id})
				return m{"value": str(at(a, "Parameter", "Value")), "type": str(at(a, "Parameter", "Type")), "version": at(a, "Parameter", "Version"), "tags": tagsOf(tags["TagList"], "Key", "Value")}, err
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("ssm", "PutParameter", "Name", func(r *rand.Rand) m {
					return m{"Value": pick(r, "start", "blue", "green", "red"), "Type": "String", "Overwrite": true}
				}),
				jsonCall("ssm", "AddTagsToResource", "ResourceId", func(r *rand.Rand) m {
					k, v := tagPair(r)
					return m{"ResourceType": "Parameter", "Tags": l{m{"Key": k, "Value": v}}}
				}),
				jsonCall("ssm", "RemoveTagsFromResource", "ResourceId", func(r *rand.Rand) m { k, _ := tagPair(r); return m{"ResourceType": "Parameter", "TagKeys": l{k}} }),
			}},
		{name: "aws_secretsmanager_secret",
			create: func(ctx context.Context, s *subject) error {
				a, err := s.ask(ctx, "secretsmanager", "CreateSecret", m{"Name": s.name, "SecretString": "x"})
				s.id = str(a["ARN"])
				s.ids = []string{s.id, s.name}
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "secretsmanager", "DescribeSecret", m{"SecretId": s.id})
				return m{"description": str(a["Description"]), "kms_key_id": str(a["KmsKeyId"]), "tags": tagsOf(a["Tags"], "Key", "Value")}, err
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("secretsmanager", "UpdateSecret", "SecretId", func(r *rand.Rand) m { return m{"Description": pick(r, "first", "second", "third")} }),
				jsonCall("secretsmanager", "TagResource", "SecretId", pairs("Key", "Value")),
				jsonCall("secretsmanager", "UntagResource", "SecretId", untag),
			}},
		{name: "aws_ecr_repository",
			create: func(ctx context.Context, s *subject) error {
				s.id = s.name
				s.ids = []string{s.name, "arn:aws:ecr:us-east-1:" + account + ":repository/" + s.name}
				_, err := s.ask(ctx, "ecr", "CreateRepository", m{"repositoryName": s.name})
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "ecr", "DescribeRepositories", m{"repositoryNames": l{s.id}})
				if err != nil {
					return nil, err
				}
				r := list(a["repositories"])[0]
				return m{"image_tag_mutability": str(at(r, "imageTagMutability")), "image_scanning_configuration": l{m{"scan_on_push": at(r, "imageScanningConfiguration", "scanOnPush") == true}}}, nil
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("ecr", "PutImageTagMutability", "repositoryName", func(r *rand.Rand) m { return m{"imageTagMutability": pick(r, "MUTABLE", "IMMUTABLE")} }),
				jsonCall("ecr", "PutImageScanningConfiguration", "repositoryName", func(r *rand.Rand) m { return m{"imageScanningConfiguration": m{"scanOnPush": r.IntN(2) == 0}} }),
			}},
		{name: "aws_db_instance", sets: []string{"vpc_security_group_ids"},
			create: func(ctx context.Context, s *subject) error {
				s.id = s.name
				s.ids = []string{s.name, "arn:aws:rds:us-east-1:" + account + ":db:" + s.name}
				_, err := s.ask(ctx, "rds", "CreateDBInstance", m{"DBInstanceIdentifier": s.id, "Engine": "postgres", "DBInstanceClass": "db.t3.small", "AllocatedStorage": 20, "MasterUsername": "root", "MasterUserPassword": "practice-password"})
				return err
			},
			read: func(ctx context.Context, s *subject) (m, error) {
				a, err := s.ask(ctx, "rds", "DescribeDBInstances", m{"DBInstanceIdentifier": s.id})
				if err != nil {
					return nil, err
				}
				d := at(a, "DescribeDBInstancesResult", "DBInstances", "DBInstance")
				return m{"instance_class": str(at(d, "DBInstanceClass")), "allocated_storage": number(at(d, "AllocatedStorage")), "multi_az": str(at(d, "MultiAZ")) == "true", "backup_retention_period": number(at(d, "BackupRetentionPeriod")),
					"deletion_protection": str(at(d, "DeletionProtection")) == "true", "publicly_accessible": str(at(d, "PubliclyAccessible")) == "true"}, nil
			},
			calls: []func(*rand.Rand, *subject) call{
				jsonCall("rds", "ModifyDBInstance", "DBInstanceIdentifier", func(r *rand.Rand) m {
					return m{"DBInstanceClass": pick(r, "db.t3.small", "db.t3.large", "db.m5.large"), "ApplyImmediately": true}
				}),
				jsonCall("rds", "ModifyDBInstance", "DBInstanceIdentifier", func(r *rand.Rand) m {
					return m{"BackupRetentionPeriod": pick(r, 1, 7, 30), "DeletionProtection": r.IntN(2) == 0, "ApplyImmediately": true}
				}),
				jsonCall("rds", "ModifyDBInstance", "DBInstanceIdentifier", func(r *rand.Rand) m {
					return m{"AllocatedStorage": pick(r, 20, 40, 80), "PubliclyAccessible": r.IntN(2) == 0, "MasterUserPassword": "another-practice-password", "ApplyImmediately": true}
				}),
			}},
	}
}

// exact keeps numbers as they are written.
func exact(v m) m {
	out := m{}
	d := json.NewDecoder(bytesOf(v))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		panic(err)
	}
	return out
}
