package splunk

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const (
	token   = "B5A79AAD-D822-46CC-80D1-819F80D7BFB0"
	channel = "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba"
	trail   = `{"eventID":"e-1","eventName":"PutObject","eventSource":"s3.amazonaws.com","eventTime":"2026-01-01T00:00:00Z","eventVersion":"1.08"}`
	kube    = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a-1","stage":"ResponseComplete"}`
	// As GitHub streams its audit log.
	forge = `{"event":{"@timestamp":1767323045000,"_document_id":"doc-1","action":"repo.change_merge_setting","actor":"dana","actor_ip":"192.0.2.7","org":"acme","repo":"acme/infra","token":"hunter2hunter2"},"sourcetype":"github_audit","time":1767323044}`
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

const stamp = `"taffrail":{"received":"2026-01-02T12:00:00Z"}}`

func open[R any](t *testing.T, settings string) R {
	t.Helper()
	var r plug.Registry
	Register(&r)
	opened, err := plug.Open[R](t.Context(), &r, Name, plug.Env{Now: noon, Sealer: plugtest.MarkingSealer()}, plug.Settings{File: "f", YAML: []byte(settings)})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func listening(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("collector "+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "listen: 127.0.0.1:0\ntokens_file: " + path + "\n"
}

// request sends with the token, unless a header says otherwise.
func request(ctx context.Context, method, url, body string, header ...string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Splunk "+token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(text)), err
}

// A collector is a receiver that runs.
type collector struct {
	t   *testing.T
	url string
	all chan taffrail.Record
	err atomic.Pointer[error] // what emit gives
}

func start(t *testing.T, settings string) *collector {
	t.Helper()
	c := &collector{t: t, all: make(chan taffrail.Record, 1000)}
	r := open[taffrail.EventReceiver](t, settings)
	ready, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- r.Receive(ctx, func(a string) { ready <- a }, func(_ context.Context, b taffrail.Batch) error {
			if err := c.err.Load(); err != nil {
				return *err
			}
			for _, rec := range b.Records {
				c.all <- rec
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	c.url = "http://" + <-ready + "/services/collector"
	return c
}

func (c *collector) records() (got []string) {
	for len(c.all) > 0 {
		rec := <-c.all
		if rec.Fault != "" {
			rec.Format += "!" + rec.Fault
		}
		got = append(got, rec.Format+" "+string(rec.Raw))
	}
	return got
}

// answers sends, and wants this answer and these records.
func (c *collector) answers(name, method, path, body string, status int, text string, records []string, header ...string) {
	c.t.Helper()
	gotStatus, got, err := request(c.t.Context(), method, c.url+path, body, header...)
	if err != nil || gotStatus != status || got != text {
		c.t.Errorf("%s: %d %s %v, want %d %s", name, gotStatus, got, err, status, text)
	}
	if diff := cmp.Diff(records, c.records()); diff != "" {
		c.t.Errorf("%s: %s", name, diff)
	}
}

const ok = `{"text":"Success","code":0}`

func TestContracts(t *testing.T) {
	plugtest.Receiver(t, plugtest.ReceiverCase{
		Open: func(t *testing.T) taffrail.EventReceiver { return open[taffrail.EventReceiver](t, listening(t)) },
		Send: func(ctx context.Context, address string) (bool, error) {
			status, text, err := request(ctx, http.MethodPost, "http://"+address+"/services/collector", forge+forge)
			return status == http.StatusOK && text == ok, err
		},
		Records: 2,
	})
	c := plugtest.DecoderCase{
		Open:    func(t *testing.T, _ taffrail.Sealer) taffrail.Decoder { return open[taffrail.Decoder](t, "") },
		Records: [][]byte{[]byte(forge)}, WithSecret: []byte(forge), Secret: "hunter2hunter2",
	}
	plugtest.Decoder(t, c)
	plugtest.Keeper(t, c)
}

func TestUsualMapping(t *testing.T) {
	d := open[taffrail.Decoder](t, "")
	e, err := d.Decode([]byte(forge))
	if err != nil || e.ID != "doc-1" || e.Action != "repo.change_merge_setting" || e.Actor.ID != "dana" || e.Address != "192.0.2.7" || e.Time.Unix() != 1767323045 {
		t.Errorf("%+v %v", e, err)
	}
	e, err = d.Decode([]byte(`{"event":"user=dana password=hunter2 did=it","sourcetype":"app","time":"1767323045.5"}`))
	line, _ := e.Request.Field("event")
	if err != nil || e.Action != "app" || e.Actor.ID != "unknown" || line.Shape() != taffrail.ShapeSecret {
		t.Errorf("%+v %v", e, err)
	}
	mapped := open[taffrail.Decoder](t, "mapping: {id: event.uuid, action: '=x:${event.op}'}")
	if e, err = mapped.Decode([]byte(`{"event":{"uuid":"u","op":"y"},"time":1767323045}`)); err != nil || e.ID != "u" || e.Action != "x:y" {
		t.Errorf("%+v %v", e, err)
	}
}

func TestEvents(t *testing.T) {
	c := start(t, listening(t)+"sourcetypes: {ours: kubeaudit}\n")
	own := func(raw string) string { return Name + " " + raw }
	const timed = `{"event":"hello","time":1}`
	for name, tc := range map[string]struct {
		body   string
		status int
		text   string
		want   []string
	}{
		"one":                       {timed, 200, ok, []string{own(timed)}},
		"without a time":            {`{"event":{"a":1}}`, 200, ok, []string{own(`{"event":{"a":1},` + stamp)}},
		"stacked":                   {timed + timed + " " + timed + "\n" + timed, 200, ok, []string{own(timed), own(timed), own(timed), own(timed)}},
		"CloudTrail by sourcetype":  {`{"sourcetype":"aws:cloudtrail","event":{"x":1}}`, 200, ok, []string{`cloudtrail {"x":1}`}},
		"CloudTrail by form":        {`{"event":` + trail + `}`, 200, ok, []string{"cloudtrail " + trail}},
		"CloudTrail as text":        {fmt.Sprintf(`{"event":%q}`, trail), 200, ok, []string{"cloudtrail " + trail}},
		"an event of EventBridge":   {`{"event":{"detail-type":"AWS API Call via CloudTrail","detail":` + trail + `}}`, 200, ok, []string{"cloudtrail " + trail}},
		"Kubernetes":                {`{"sourcetype":"kube:apiserver:audit","event":` + kube + `}`, 200, ok, []string{"kubeaudit " + kube}},
		"a sourcetype of one's own": {`{"sourcetype":"ours","event":{"y":1}}`, 200, ok, []string{`kubeaudit {"y":1}`}},
		"no data":                   {"", 400, `{"text":"No data","code":5}`, nil},
		"blanks":                    {" \n", 400, `{"text":"No data","code":5}`, nil},
		"no JSON":                   {"hello", 400, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, []string{Name + "!Invalid data format hello"}},
		"the second is none":        {timed + `{"event"}` + timed, 400, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, []string{own(timed), Name + `!Invalid data format {"event"}`, own(timed)}},
		"no object":                 {"5", 400, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, []string{Name + "!Invalid data format 5"}},
		"no event":                  {timed + `{"time":5}`, 400, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, []string{own(timed), Name + `!Event field is required {"time":5}`}},
		"blank":                     {`{"event":""}`, 400, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, []string{Name + `!Event field cannot be blank {"event":""}`}},
		"null":                      {`{"event":null}`, 400, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, []string{Name + `!Event field cannot be blank {"event":null}`}},
	} {
		for _, path := range []string{"", "/event", "/event/1.0"} {
			c.answers(name+" to "+path, http.MethodPost, path, tc.body, tc.status, tc.text, tc.want)
		}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(timed))
	_ = w.Close()
	c.answers("packed", http.MethodPost, "/event", packed.String(), 200, ok, []string{own(timed)}, "Content-Encoding", "gzip")
	c.answers("not packed", http.MethodPost, "/event", timed, 400, `{"text":"Invalid data format","code":6}`, nil, "Content-Encoding", "gzip")
	c.answers("the sourcetype in the address", http.MethodPost, "/event?sourcetype=aws:cloudtrail", `{"event":{"x":1}}`, 200, ok, []string{`cloudtrail {"x":1}`})
	c.answers("another method", http.MethodGet, "/event", "", 405, `{"text":"Method Not Allowed","code":405}`, nil)
	c.answers("another path", http.MethodPost, "/other", timed, 404, `{"text":"The requested URL was not found on this server.","code":404}`, nil)
}

func TestRaw(t *testing.T) {
	c := start(t, listening(t))
	own := func(event string) string { return Name + ` {"event":` + event + `,` + stamp }
	c.answers("lines", http.MethodPost, "/raw", "one \n\ntwo \"2\"\r\n", 200, ok, []string{own(`"one"`), own(`"two \"2\""`)})
	c.answers("objects", http.MethodPost, "/raw?channel="+channel, `{"a":1}{"b":2}`, 200, ok, []string{own(`{"a":1}`), own(`{"b":2}`)})
	c.answers("CloudTrail", http.MethodPost, "/raw/1.0", trail+trail, 200, ok, []string{"cloudtrail " + trail, "cloudtrail " + trail})
	c.answers("a file of CloudTrail", http.MethodPost, "/raw", `{"Records":[`+trail+`]}`, 200, ok, []string{"cloudtrail " + trail})
	c.answers("what is said in the address", http.MethodPost, "/raw?host=h&sourcetype=s&time=5&other=x", "one", 200, ok, []string{Name + ` {"event":"one","host":"h","sourcetype":"s","time":"5",` + stamp})
	c.answers("by sourcetype", http.MethodPost, "/raw?sourcetype=kube:audit", "no audit", 200, ok, []string{"kubeaudit no audit"})
	c.answers("half JSON", http.MethodPost, "/raw", "{\"a\":1}\nhello\n", 200, ok, []string{own(`{"a":1}`), own(`"hello"`)})
	c.answers("none", http.MethodPost, "/raw", "", 400, `{"text":"No data","code":5}`, nil)
}

func TestAuthorization(t *testing.T) {
	const timed = `{"event":"hello","time":1}`
	want := []string{Name + " " + timed}
	c := start(t, listening(t))
	c.answers("basic", http.MethodPost, "", timed, 200, ok, want, "Authorization", "Basic "+basic("any", token))
	c.answers("another case", http.MethodPost, "", timed, 200, ok, want, "Authorization", "splunk "+token)
	c.answers("none", http.MethodPost, "", timed, 401, `{"text":"Token is required","code":2}`, nil, "Authorization", "")
	c.answers("empty", http.MethodPost, "", timed, 401, `{"text":"Invalid authorization","code":3}`, nil, "Authorization", "Splunk")
	c.answers("another scheme", http.MethodPost, "", timed, 401, `{"text":"Invalid authorization","code":3}`, nil, "Authorization", "Bearer "+token)
	c.answers("wrong", http.MethodPost, "", timed, 403, `{"text":"Invalid token","code":4}`, nil, "Authorization", "Splunk x"+token)
	c.answers("wrong basic", http.MethodPost, "", timed, 403, `{"text":"Invalid token","code":4}`, nil, "Authorization", "Basic "+basic(token, "x"))
	c.answers("in the address", http.MethodPost, "?token="+token, timed, 400, `{"text":"Query string authorization is not enabled","code":16}`, nil, "Authorization", "")
	c.answers("health needs none", http.MethodGet, "/health", "", 200, `{"text":"HEC is healthy","code":17}`, nil, "Authorization", "")
	c.answers("health by its version", http.MethodGet, "/health/1.0", "", 200, `{"text":"HEC is healthy","code":17}`, nil)
	c.answers("a channel that is none", http.MethodPost, "", timed, 400, `{"text":"Invalid data channel","code":11}`, nil, "X-Splunk-Request-Channel", "x")
	c = start(t, listening(t)+"query_token: true\n")
	c.answers("in the address, where that is allowed", http.MethodPost, "?token="+token, timed, 200, ok, want, "Authorization", "")
	c.answers("wrong in the address", http.MethodPost, "?token=x", timed, 403, `{"text":"Invalid token","code":4}`, nil, "Authorization", "")
}

func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

// An acknowledgement is given for what is in the log, and for nothing else.
func TestAcks(t *testing.T) {
	const timed = `{"event":"hello","time":1}`
	want := []string{Name + " " + timed}
	c := start(t, listening(t)+"acks: true\n")
	over := []string{"X-Splunk-Request-Channel", channel}
	acked := func(id string) string { return `{"text":"Success","code":0,"ackId":` + id + `}` }
	c.answers("no channel", http.MethodPost, "", timed, 400, `{"text":"Data channel is missing","code":10}`, nil)
	c.answers("as Firehose asks first", http.MethodPost, "", "", 400, `{"text":"No data","code":5}`, nil, over...)
	c.answers("first", http.MethodPost, "", timed, 200, acked("0"), want, over...)
	c.answers("second, raw, in the address", http.MethodPost, "/raw?channel="+strings.ToUpper(channel), trail, 200, acked("1"), []string{"cloudtrail " + trail})
	full := errors.New("full")
	c.err.Store(&full)
	c.answers("not stored", http.MethodPost, "", timed, 503, `{"text":"Server is busy","code":9}`, nil, over...)
	c.answers("asked", http.MethodPost, "/ack", `{"acks":[0,1,2,-1]}`, 200, `{"acks":{"-1":false,"0":true,"1":true,"2":false}}`, nil, over...)
	c.err.Store(nil)
	c.answers("third", http.MethodPost, "", timed, 200, acked("2"), want, over...)
	c.answers("asked in the address", http.MethodPost, "/ack?channel="+channel, `{"acks":[2]}`, 200, `{"acks":{"2":true}}`, nil)
	c.answers("of another channel", http.MethodPost, "/ack", `{"acks":[0]}`, 200, `{"acks":{"0":false}}`, nil, "X-Splunk-Request-Channel", strings.Replace(channel, "0", "1", 1))
	c.answers("asked nothing", http.MethodPost, "/ack", `{}`, 400, `{"text":"Invalid data format","code":6}`, nil, over...)
	c.answers("asked without a token", http.MethodPost, "/ack", `{"acks":[0]}`, 401, `{"text":"Token is required","code":2}`, nil, append(over, "Authorization", "")...)
	c = start(t, listening(t))
	c.answers("where there are none", http.MethodPost, "/ack", `{"acks":[0]}`, 400, `{"text":"ACK is disabled","code":14}`, nil, over...)
}

func TestChannelsAreBounded(t *testing.T) {
	r := &receiver{channels: map[string]int64{}}
	for i := range maxChannels + 10 {
		r.acknowledge(fmt.Sprint(i))
	}
	if len(r.channels) > maxChannels {
		t.Errorf("%d channels are remembered", len(r.channels))
	}
}

func TestBounds(t *testing.T) {
	c := start(t, listening(t)+"max_body: 1000\nmax_requests: 1\n")
	c.answers("too large", http.MethodPost, "", strings.Repeat("x", 1001), 413, `{"text":"Request entity too large","code":27}`, nil)
	c.answers("another encoding", http.MethodPost, "", "x", 415, `{"text":"Unsupported content encoding","code":415}`, nil, "Content-Encoding", "br")
}

func TestBusy(t *testing.T) {
	r := open[taffrail.EventReceiver](t, listening(t)+"max_requests: 1\n")
	ready, ended, inside, release := make(chan string, 1), make(chan error, 1), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- r.Receive(ctx, func(a string) { ready <- a }, func(context.Context, taffrail.Batch) error {
			close(inside)
			<-release
			return nil
		})
	}()
	url := "http://" + <-ready + "/services/collector"
	first := make(chan string, 1)
	go func() {
		_, text, _ := request(t.Context(), http.MethodPost, url, forge)
		first <- text
	}()
	<-inside
	if status, text, err := request(t.Context(), http.MethodPost, url, forge); status != 503 || text != `{"text":"Server is busy","code":9}` {
		t.Errorf("%d %s %v", status, text, err)
	}
	close(release)
	if text := <-first; text != ok {
		t.Error(text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	var r plug.Registry
	Register(&r)
	for settings, want := range map[string]string{listening(t) + "sourcetypes: {a: b}\n": "mapped to", "listen: 127.0.0.1:0\n": "anyone", "acs: true\n": "acs"} {
		if _, err := plug.Open[taffrail.EventReceiver](t.Context(), &r, Name, plug.Env{}, plug.Settings{File: "f", YAML: []byte(settings)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func FuzzEvents(f *testing.F) {
	for _, seed := range []string{forge, `{"event":""}{"event":null}x`, "{\"event\":\"{}\"}\n[{\"event\":1}]", "line\nline", " {"} {
		f.Add([]byte(seed))
	}
	r := &receiver{now: noon}
	req, _ := http.NewRequest(http.MethodPost, "/?sourcetype=aws:cloudtrail&time=1", nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(bytes.TrimSpace(body)) == 0 {
			return
		}
		for _, take := range []taker{r.events, r.lines} {
			var fault *answer
			n := 0
			for rec := range take(req, body, &fault) {
				if n++; rec.Format == "" || len(rec.Raw) == 0 {
					t.Errorf("%+v", rec)
				}
			}
			if n == 0 && strings.Trim(string(body), "[] \t\r\n") != "" {
				t.Errorf("nothing is left of %q", body)
			}
		}
	})
}
