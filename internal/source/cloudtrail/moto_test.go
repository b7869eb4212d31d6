package cloudtrail

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// moto is someone else's S3, SQS, SNS and EventBridge. It gives a Python that can speak to it, too.
func moto(t *testing.T) (url, python string) {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("SKIPPED: moto_server is not on PATH (PyPI: moto[server])")
	}
	for _, p := range []string{filepath.Join(filepath.Dir(program), "python3"), "python3"} {
		if exec.Command(p, "-c", "import boto3").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("SKIPPED: no Python has boto3")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-one")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", "0")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	messages, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	lines := bufio.NewScanner(messages)
	for url == "" && lines.Scan() {
		url = found.FindString(lines.Text())
	}
	var drained sync.WaitGroup
	drained.Go(func() {
		for lines.Scan() { // so that it never waits for us
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		drained.Wait()
		_ = cmd.Wait()
	})
	if url == "" {
		t.Fatal("moto_server did not start")
	}
	return url, python
}

// wiring makes a bucket that tells a queue of new objects, directly and through a topic, and a rule that sends events there. Then it puts the files of a
// folder into the bucket, and an event onto the bus. It prints the queue's URL.
const wiring = `
import boto3, json, os, sys
url, folder, record = sys.argv[1:4]
def client(name): return boto3.client(name, endpoint_url=url, region_name="eu-west-1")
s3, sqs, sns, events = client("s3"), client("sqs"), client("sns"), client("events")
for bucket in "trail", "other":
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
queue = sqs.create_queue(QueueName="q")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
topic = sns.create_topic(Name="t")["TopicArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
events.put_rule(Name="r", EventPattern=json.dumps({"detail-type": ["AWS API Call via CloudTrail"]}))
events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
s3.put_bucket_notification_configuration(Bucket="trail", NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]})
s3.put_bucket_notification_configuration(Bucket="other", NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]})
for here, _, names in os.walk(folder):
    for name in names:
        if name.endswith(".signature"): continue
        file = os.path.join(here, name)
        bucket, _, key = os.path.relpath(file, folder).partition("/")
        metadata = {}
        if os.path.exists(file + ".signature"):
            metadata = {"signature": open(file + ".signature").read().strip(), "signature-algorithm": "SHA256withRSA"}
        s3.put_object(Bucket=bucket, Key=key, Body=open(file, "rb").read(), Metadata=metadata)
events.put_events(Entries=[{"Source": "aws.lambda", "DetailType": "AWS API Call via CloudTrail", "Detail": record}])
print(queue)
`

// What S3, SNS and EventBridge write into a queue is read as somebody else's implementation of them writes it.
func TestMoto(t *testing.T) {
	url, python := moto(t)
	dir := t.TempDir()
	for _, s := range trailOf(2) {
		put(t, dir, "trail/"+s.key, s.content)
		if s.signature != "" {
			put(t, dir, "trail/"+s.key+".signature", []byte(s.signature))
		}
	}
	put(t, dir, "trail/odd name + (1)ä.json", []byte(rec("odd")))
	put(t, dir, "other/by-topic.json.gz", trailFile(rec("by topic")))
	out, err := exec.Command(python, "-c", wiring, url, dir, rec("by bus")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	keys := put(t, t.TempDir(), "keys.json", publicKeys())
	c := Config{Queue: strings.TrimSpace(string(out)), Region: "eu-west-1", Endpoint: url, PublicKeys: keys}
	q, ok := opened(t, later, c).(*queue)
	if !ok {
		t.Fatal("no queue")
	}
	q.wait = 0
	var k taken
	came := k.read(t, q)
	slices.Sort(came)
	if diff := cmp.Diff([]string{"by bus", "by topic", "hour-0", "hour-1", "odd"}, came); diff != "" {
		t.Error(diff)
	}
	if all := withoutCut(k.notices()); len(all) > 0 {
		t.Errorf("notices: %q", all)
	}
	if again := k.read(t, q); again != nil {
		t.Errorf("%q is still in the queue", again)
	}

	k = taken{}
	c = Config{Bucket: "trail", Prefix: "AWSLogs/", Region: "eu-west-1", Endpoint: url, PublicKeys: keys}
	if diff := cmp.Diff([]string{"hour-0", "hour-1"}, k.read(t, opened(t, later, c))); diff != "" {
		t.Error(diff)
	}
	if all := withoutCut(k.notices()); len(all) > 0 {
		t.Errorf("notices of the bucket: %q", all)
	}
}
