package cloudtrail

import (
	"crypto/md5" //nolint:gosec // SQS wants it
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"golang.org/x/time/rate"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

// A fakeAWS answers as S3, SQS and CloudTrail do, as far as they are asked here.
type fakeAWS struct {
	url string
	s3  *s3.Client

	mu       sync.Mutex
	messages []*fakeMessage
	held     chan struct{} // gets one for each time that a message is held longer
	calls    []string      // of SQS and CloudTrail
	deny     string        // an operation that is refused
	events   []string      // records that LookupEvents has, the newest first, two on a page
	expire   bool          // the next token is good for nothing
}

type fakeMessage struct {
	body    string
	records int // that it brings
	taken   bool
	deleted bool
}

func newFakeAWS(t *testing.T) *fakeAWS {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-one")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	f := &fakeAWS{}
	store := gofakes3.New(s3mem.New(), gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		if target == "" {
			store.ServeHTTP(w, r)
			return
		}
		f.answer(w, r, target[strings.LastIndexByte(target, '.')+1:])
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	to, err := f.config(Config{Bucket: "trail"}).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.s3 = to.s3
	name := "trail"
	if _, err := f.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fakeAWS) config(c Config) Config {
	c.Region, c.Endpoint = "eu-west-1", f.url
	return c
}

func (f *fakeAWS) put(t *testing.T, all ...signedFile) {
	t.Helper()
	name := "trail"
	for _, o := range all {
		in := &s3.PutObjectInput{Bucket: &name, Key: &o.key, Body: strings.NewReader(string(o.content))}
		if o.signature != "" {
			in.Metadata = map[string]string{"signature": o.signature, "signature-algorithm": "SHA256withRSA"}
		}
		if _, err := f.s3.PutObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

// send puts messages into the queue.
func (f *fakeAWS) send(records int, bodies ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, body := range bodies {
		f.messages = append(f.messages, &fakeMessage{body: body, records: records})
	}
}

func (f *fakeAWS) answer(w http.ResponseWriter, r *http.Request, operation string) {
	body, _ := io.ReadAll(r.Body)
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, operation)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if operation == f.deny {
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"no"}`)
		return
	}
	var out any = map[string]any{}
	switch operation {
	case "ReceiveMessage":
		out = f.receive(int(in["MaxNumberOfMessages"].(float64)))
	case "DeleteMessage":
		f.message(in).deleted = true
	case "ChangeMessageVisibility":
		select {
		case f.held <- struct{}{}:
		default:
		}
	case "LookupEvents":
		token, _ := in["NextToken"].(string)
		if token != "" && f.expire {
			f.expire = false
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"InvalidNextTokenException","message":"old"}`)
			return
		}
		out = f.page(token, int64(in["StartTime"].(float64)), int64(in["EndTime"].(float64)))
	case "ListPublicKeys":
		out = json.RawMessage(publicKeys())
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (f *fakeAWS) message(in map[string]any) *fakeMessage {
	var n int
	_, _ = fmt.Sscan(in["ReceiptHandle"].(string), &n)
	return f.messages[n]
}

func (f *fakeAWS) receive(most int) any {
	var all []any
	for i, m := range f.messages {
		if m.taken || m.deleted || len(all) == most {
			continue
		}
		m.taken = true
		all = append(all, map[string]any{"MessageId": fmt.Sprint("m", i), "ReceiptHandle": fmt.Sprint(i), "Body": m.body, "MD5OfBody": fmt.Sprintf("%x", md5.Sum([]byte(m.body)))}) //nolint:gosec // as above
	}
	return map[string]any{"Messages": all}
}

// lapse makes the messages visible again that were taken and not deleted.
func (f *fakeAWS) lapse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		m.taken = false
	}
}

func (f *fakeAWS) acknowledged() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.deleted {
			n += m.records
		}
	}
	return n
}

func (f *fakeAWS) page(token string, start, end int64) any {
	var within []string
	for _, e := range f.events {
		r, _ := parse([]byte(e))
		if at, err := time.Parse(time.RFC3339, r.EventTime); err == nil && at.Unix() >= start && at.Unix() <= end {
			within = append(within, e)
		}
	}
	from := 0
	_, _ = fmt.Sscan(token, &from)
	var all []any
	for i := from; i < min(from+2, len(within)); i++ {
		all = append(all, map[string]any{"CloudTrailEvent": within[i]})
	}
	out := map[string]any{"Events": all}
	if from+2 < len(within) {
		out["NextToken"] = fmt.Sprint(from + 2)
	}
	return out
}

// notification is what S3 says of a new object, its key written as S3 writes it.
func notification(key string) string {
	return `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"trail"},"object":{"key":"` + strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") + `","size":1}}}]}`
}

func bySNS(body string) string {
	text, _ := json.Marshal(map[string]string{"Type": "Notification", "Message": body, "TopicArn": "arn:aws:sns:eu-west-1:1:t"})
	return string(text)
}

func byEventBridge(record string) string {
	return `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","detail":` + record + `}`
}

func (f *fakeAWS) queueReader(t *testing.T) *queue {
	t.Helper()
	q, ok := opened(t, later, f.config(Config{Queue: f.url + "/1/q"})).(*queue)
	if !ok {
		t.Fatal("no queue")
	}
	q.wait = 0
	return q
}

func TestQueueContract(t *testing.T) {
	plugtest.EventReader(t, plugtest.EventReaderCase{Want: 7, New: func(t *testing.T) plugtest.EventWorld {
		f := newFakeAWS(t)
		f.put(t, signedFile{key: "a+b (1).json.gz", content: trailFile(rec("a"), rec("b"))}, signedFile{key: "c.json.gz", content: trailFile(rec("c"))})
		f.send(2, notification("a+b (1).json.gz"))
		f.send(0, `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"trail"}`)
		f.send(1, bySNS(notification("c.json.gz")), byEventBridge(rec("d")), "not JSON", notification("gone.json.gz"), bySNS(byEventBridge(rec("e"))))
		return plugtest.EventWorld{Acknowledged: f.acknowledged, Open: func() taffrail.EventReader {
			f.lapse()
			return f.queueReader(t)
		}}
	}})
}

// A queue without digests is settled by its emptiness: a quarter of an hour behind.
func TestSettledAtAnEmptyQueue(t *testing.T) {
	f := newFakeAWS(t)
	now := midnight.Add(time.Hour)
	q := f.queueReader(t)
	q.gatherer.now = func() time.Time { return now }
	var k taken
	k.read(t, q)
	if want := now.Add(-15 * time.Minute); !k.settled().Equal(want) {
		t.Errorf("settled %v", k.settled())
	}
}

// S3 writes keys in its notifications as in the query of a URL, and the first message of all is a test.
func TestTrap43_KeysAreURLEncodedAndTheFirstMessageIsATest(t *testing.T) {
	f := newFakeAWS(t)
	keys := []string{"a b.json", "a+b.json", "ä/ö=ü.json", "100%.json", logKey("0005", 1)}
	f.send(0, `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-01T00:00:00.000Z","Bucket":"trail","RequestId":"x","HostId":"y"}`)
	for _, key := range keys {
		f.put(t, signedFile{key: key, content: []byte(rec(key))})
		f.send(1, notification(key))
	}
	var k taken
	if diff := cmp.Diff(keys, k.read(t, f.queueReader(t))); diff != "" {
		t.Error(diff)
	}
	if f.acknowledged() != len(keys) || !f.messages[0].deleted {
		t.Errorf("%d of %d were acknowledged, the test among them: %v", f.acknowledged(), len(keys), f.messages[0].deleted)
	}
}

func TestMessages(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       parcel
	}{
		{"S3", notification("a b"), parcel{objects: []object{{"trail", "a b"}}}},
		{"S3 through SNS", bySNS(notification("a")), parcel{objects: []object{{"trail", "a"}}}},
		{"S3 through EventBridge", `{"detail-type":"Object Created","detail":{"bucket":{"name":"trail"},"object":{"key":"a+b"}}}`, parcel{objects: []object{{"trail", "a+b"}}}},
		{"CloudTrail through SNS", bySNS(`{"s3Bucket":"trail","s3ObjectKey":["a+b","c"]}`), parcel{objects: []object{{"trail", "a+b"}, {"trail", "c"}}}},
		{"CloudTrail tests its topic", bySNS("CloudTrail validation message."), parcel{nothing: true}},
		{"an object was removed", `{"Records":[{"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"trail"},"object":{"key":"a"}}}]}`, parcel{nothing: true}},
		{"EventBridge", byEventBridge(`{"eventID":"e"}`), parcel{records: [][]byte{[]byte(`{"eventID":"e"}`)}}},
		{"EventBridge, of something else", `{"detail-type":"x","detail":{"a":1}}`, parcel{fault: "it is an event of EventBridge that holds no record of CloudTrail"}},
		{"a record", `{"eventID":"e"}`, parcel{records: [][]byte{[]byte(`{"eventID":"e"}`)}}},
		{"something else", `{"a":1}`, parcel{fault: "the message is neither news of a file in S3 nor an event of CloudTrail"}},
		{"records of something else", `{"Records":[{"eventName":"x"}]}`, parcel{fault: "the message is neither news of a file in S3 nor an event of CloudTrail"}},
		{"an object without a name", `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"%zz"}}}]}`, parcel{fault: "the message names an object that cannot be"}},
		{"no JSON", `hello`, parcel{fault: "the message is no JSON that is known"}},
	} {
		if diff := cmp.Diff(tc.want, unpack(tc.body), cmp.AllowUnexported(parcel{}, object{})); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, body := range []string{notification("a"), bySNS(notification("a")), bySNS(bySNS(bySNS(bySNS("{}")))), byEventBridge(`{"eventID":"e"}`), `{"Event":"s3:TestEvent"}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p := unpack(body)
		if n := len(p.objects) + len(p.records); (n > 0) == (p.nothing || p.fault != "") {
			t.Errorf("%+v", p)
		}
	})
}

// A file that takes long must not be given to others meanwhile.
func TestMessagesAreHeldWhileWeWork(t *testing.T) {
	f := newFakeAWS(t)
	f.send(1, byEventBridge(rec("a")))
	q := f.queueReader(t)
	q.visibility = 3 * time.Millisecond
	f.held = make(chan struct{}, 100)
	err := q.ReadEvents(t.Context(), "", func(b taffrail.Batch) error {
		for range min(3, 3*len(b.Records)) {
			<-f.held
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAWSRefuses(t *testing.T) {
	f := newFakeAWS(t)
	for operation, c := range map[string]Config{"ReceiveMessage": {Queue: f.url + "/1/q"}, "LookupEvents": {Lookup: true}, "ListPublicKeys": {Bucket: "trail"}} {
		f.deny = operation
		f.put(t, trailOf(1)...)
		var k taken
		var came []string
		err := k.try(t.Context(), opened(t, later, f.config(c)), &came)
		if taffrail.KindOf(err) != taffrail.KindDenied || !strings.Contains(taffrail.HintOf(err), operation) {
			t.Errorf("%s: %v, hint %q", operation, err, taffrail.HintOf(err))
		}
		if strings.Contains(err.Error(), "not-a-real-one") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
	var k taken
	var came []string
	if err := k.try(t.Context(), opened(t, later, f.config(Config{Bucket: "none", Digests: "off"})), &came); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("a bucket that is not there: %v", err)
	}
}

func TestBucketContract(t *testing.T) {
	plugtest.EventReader(t, plugtest.EventReaderCase{Want: 4, New: func(t *testing.T) plugtest.EventWorld {
		f := newFakeAWS(t)
		f.put(t, trailOf(3)...)
		f.put(t, signedFile{key: "AWSLogs/x.json", content: []byte("hello")}, signedFile{key: "elsewhere/x.json", content: []byte(rec("x"))})
		return plugtest.EventWorld{Open: func() taffrail.EventReader {
			return opened(t, later, f.config(Config{Bucket: "trail", Prefix: "AWSLogs/"}))
		}}
	}})
}

// In S3 the signature of a digest is metadata, and the keys are asked for.
func TestDigestsInS3(t *testing.T) {
	f := newFakeAWS(t)
	trail := trailOf(3)
	f.put(t, trail...)
	var k taken
	k.read(t, opened(t, later, f.config(Config{Bucket: "trail"})))
	if all := withoutCut(k.notices()); all != nil {
		t.Errorf("notices: %q", all)
	}
	f = newFakeAWS(t)
	f.put(t, trail...)
	f.put(t, signedFile{key: trail[2].key, content: trailFile(rec("another"))})
	k = taken{}
	k.read(t, opened(t, later, f.config(Config{Bucket: "trail"})))
	if all := withoutCut(k.notices()); len(all) != 1 || !strings.HasPrefix(all[0], "forged 01:10-01:20") {
		t.Errorf("notices: %q", all)
	}
}

// The queue is told of digests as of all other files.
func TestDigestsByTheQueue(t *testing.T) {
	f := newFakeAWS(t)
	trail := trailOf(2)
	f.put(t, trail...)
	f.put(t, signedFile{key: trail[2].key, content: trailFile(rec("another"))})
	for _, s := range trail {
		f.send(0, notification(s.key))
	}
	var k taken
	if diff := cmp.Diff([]string{"hour-0", "another"}, k.read(t, f.queueReader(t))); diff != "" {
		t.Error(diff)
	}
	if all := withoutCut(k.notices()); len(all) != 1 || !strings.HasPrefix(all[0], "forged 01:10-01:20") {
		t.Errorf("notices: %q", k.notices())
	}
	for i, m := range f.messages {
		if !m.deleted {
			t.Errorf("message %d is still there", i)
		}
	}
}

func lookupReader(t *testing.T, f *fakeAWS, now time.Time) *lookup {
	t.Helper()
	l, ok := opened(t, func() time.Time { return now }, f.config(Config{Lookup: true, From: "2026-01-01T00:00:00Z"})).(*lookup)
	if !ok {
		t.Fatal("no lookup")
	}
	l.limit.SetLimit(rate.Inf)
	return l
}

func at(id, when string) string {
	return strings.Replace(rec(id), "2026-01-01T00:00:00Z", when, 1)
}

func TestLookupContract(t *testing.T) {
	now := midnight.Add(60 * time.Hour)
	plugtest.EventReader(t, plugtest.EventReaderCase{Want: 6, New: func(t *testing.T) plugtest.EventWorld {
		f := newFakeAWS(t)
		f.events = []string{at("f", "2026-01-03T11:00:00Z"), at("e", "2026-01-02T11:00:00Z"), at("d", "2026-01-01T05:00:00Z"), at("c", "2026-01-01T04:00:00Z"), at("b", "2026-01-01T03:00:00Z"), at("a", "2026-01-01T02:00:00Z")}
		return plugtest.EventWorld{Open: func() taffrail.EventReader { return lookupReader(t, f, now) }}
	}})
}

func TestLookupReadsAgainWhatMayHaveBeenLate(t *testing.T) {
	f := newFakeAWS(t)
	now := midnight.Add(2 * time.Hour)
	f.events = []string{at("b", "2026-01-01T01:50:00Z"), at("a", "2026-01-01T01:00:00Z")}
	var k taken
	if diff := cmp.Diff([]string{"b", "a"}, k.read(t, lookupReader(t, f, now))); diff != "" {
		t.Error(diff)
	}
	if want := now.Add(-usualLateness); !k.settled().Equal(want) {
		t.Errorf("settled %v", k.settled())
	}
	f.events = append([]string{at("late", "2026-01-01T01:55:00Z")}, f.events...)
	if diff := cmp.Diff([]string{"late", "b"}, k.read(t, lookupReader(t, f, now.Add(10*time.Minute)))); diff != "" {
		t.Error(diff)
	}
}

func TestLookupTokenThatIsOld(t *testing.T) {
	f := newFakeAWS(t)
	f.expire = true
	f.events = []string{at("c", "2026-01-01T01:20:00Z"), at("b", "2026-01-01T01:10:00Z"), at("a", "2026-01-01T01:00:00Z")}
	var k taken
	if diff := cmp.Diff([]string{"c", "b", "c", "b", "a"}, k.read(t, lookupReader(t, f, midnight.Add(2*time.Hour)))); diff != "" {
		t.Error(diff)
	}
}

func TestLookupAsksTwiceASecond(t *testing.T) {
	if l := newLimit(); l.Limit() != 2 || l.Burst() != 1 {
		t.Errorf("%v requests a second, %d at once", l.Limit(), l.Burst())
	}
}

// Copies of an event that come by EventBridge and LookupEvents lack fields that the file has, and have its id. An addendum has an id of its own.
func TestTrap42_CopiesHaveOneIDAndAnAddendumItsOwn(t *testing.T) {
	f := newFakeAWS(t)
	full := at("e-1", "2026-01-01T01:00:00Z")
	full = full[:len(full)-1] + `,"requestParameters":{"name":"n"},"eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3"}}`
	lean := at("e-1", "2026-01-01T01:00:00Z")
	addendum := at("e-2", "2026-01-01T01:00:00Z")
	addendum = addendum[:len(addendum)-1] + `,"addendum":{"reason":"UPDATED_DATA","originalEventID":"e-1"}}`
	f.put(t, signedFile{key: "x.json.gz", content: trailFile(full, addendum)})
	f.events = []string{lean}
	f.send(1, byEventBridge(lean))
	f.send(2, notification("x.json.gz"))
	var copies []taffrail.EventHead
	d := newDecoder(plugtest.MarkingSealer())
	for _, r := range []taffrail.EventReader{f.queueReader(t), lookupReader(t, f, midnight.Add(2*time.Hour))} {
		if err := r.ReadEvents(t.Context(), "", func(b taffrail.Batch) error {
			for _, r := range b.Records {
				kept, err := d.Keep(r.Raw)
				if err != nil {
					t.Error(err)
				}
				copies = append(copies, kept.EventHead)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[taffrail.EventID]int{}
	for _, h := range copies {
		ids[h.ID]++
		if h.ID == "e-2" && h.Corrects != "e-1" {
			t.Errorf("the addendum corrects %q", h.Corrects)
		}
	}
	if diff := cmp.Diff(map[taffrail.EventID]int{"e-1": 3, "e-2": 1}, ids); diff != "" {
		t.Error(diff)
	}
}
