package correlate

import (
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// The practice cloud's events: one of each way in which its models say what happens.
func TestModelsOfThePracticeCloud(t *testing.T) {
	const bucket, gone = `{"bucketName":"logs","bucketPolicy":{"a":1}}`, `{"bucketName":"logs"}`
	for _, tc := range []struct {
		name, kind, path, before, after string
		events                          []taffrail.Event
		want                            string
	}{
		{"a switch by its status", "harbor_bucket_versioning", "enabled", `false`, `true`, []taffrail.Event{
			at(t, "a", 1, "storage:PutBucketVersioning", `{"bucketName":"logs","VersioningConfiguration":{"Status":"Enabled"}}`)}, "explained a"},
		{"to and fro", "harbor_bucket_versioning", "enabled", `true`, `false`, []taffrail.Event{
			at(t, "a", 1, "storage:PutBucketVersioning", `{"bucketName":"logs","VersioningConfiguration":{"Status":"Disabled"}}`),
			at(t, "b", 2, "storage:PutBucketVersioning", `{"bucketName":"logs","VersioningConfiguration":{"Status":"Enabled"}}`),
			at(t, "c", 3, "storage:PutBucketVersioning", `{"bucketName":"logs","VersioningConfiguration":{"Status":"Disabled"}}`)}, "explained c"},
		{"by the parent's call", "harbor_bucket_policy", "policy", `"{\"a\":2}"`, `"{\"a\":1}"`, []taffrail.Event{at(t, "a", 1, "storage:PutBucketPolicy", bucket), at(t, "b", 2, "storage:PutBucketQuota", `{"bucketName":"logs","quotaBytes":1}`)}, "explained a"},
		{"gone, there again, and gone", "harbor_bucket_policy", "", `{"policy":"x"}`, `null`, []taffrail.Event{
			at(t, "a", 1, "storage:DeleteBucketPolicy", gone), at(t, "b", 2, "storage:PutBucketPolicy", bucket), at(t, "c", 3, "storage:DeleteBucketPolicy", gone)}, "explained c"},
		{"gone, and taken away again in vain", "harbor_bucket_policy", "", `{"policy":"x"}`, `null`, []taffrail.Event{
			at(t, "a", 1, "storage:DeleteBucketPolicy", gone), at(t, "b", 2, "storage:DeleteBucketPolicy", gone)}, "likely a"},
		{"a state that the call's name says", "harbor_instance", "state", `"running"`, `"stopped"`, []taffrail.Event{at(t, "a", 1, "compute:StopInstances", `{"instancesSet":[{"instanceId":"logs"}]}`)}, "explained a"},
		{"what a service did by itself, and does not say", "harbor_key", "material", `"m-1"`, `"m-2"`, []taffrail.Event{at(t, "a", 1, "key:RotateKey", `{"keyId":"logs"}`)}, "possible a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			change := taffrail.Change{Before: value(t, tc.before), After: value(t, tc.after)}
			if tc.path != "" {
				change.Path = pathOf(t, tc.path)
			}
			q := Question{Start: start, End: start.Add(20 * 60e9), Events: tc.events, Resources: []Subject{{
				Address: taffrail.Address(tc.kind + ".it"), Type: taffrail.ResourceType(tc.kind), IDs: []string{"logs"}, Changes: []taffrail.Change{change},
			}}}
			if got := told(one(t, q)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// Without the models of the practice cloud, whose services have names of their own, nothing else is another.
func TestModelsOfThePracticeCloudAreApart(t *testing.T) {
	own := map[string]bool{}
	for _, p := range models(t).services {
		if len(p.prefix) > 6 && p.prefix[:7] == "harbor_" {
			own[p.service] = true
		}
	}
	for _, p := range models(t).services {
		if len(p.prefix) > 3 && p.prefix[:4] == "aws_" && own[p.service] {
			t.Errorf("%s and a type of the practice cloud have the service %s", p.prefix, p.service)
		}
	}
	if len(own) < 8 {
		t.Errorf("services are %v", own)
	}
}
