package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const (
	token = "a-token-of-the-sender"
	key   = "a-key-that-the-sender-shares"
	event = `{"id":"1","at":"2026-01-01T00:00:00Z","what":"made","who":"dana","token":"hunter2hunter2"}`
	trail = `{"eventID":"e","eventName":"n","eventSource":"s","eventTime":"t"}`
)

const mapped = "mapping: {id: id, time: at, action: what, actor: {id: who}}\n"

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open[R any](t *testing.T, settings string) (R, error) {
	t.Helper()
	var r plug.Registry
	Register(&r)
	return plug.Open[R](t.Context(), &r, Name, plug.Env{Now: noon, Sealer: plugtest.MarkingSealer()}, plug.Settings{File: "f", YAML: []byte(settings)})
}

// listening gives settings of a receiver that knows the token.
func listening(t *testing.T) string {
	return "listen: 127.0.0.1:0\ntokens_file: " + secretFile(t, "sender "+token) + "\n"
}

func mustOpen[R any](t *testing.T, settings string) R {
	t.Helper()
	opened, err := open[R](t, settings)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func post(ctx context.Context, url, body string, header ...string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// received runs a receiver that takes everything, and gives what was emitted so far.
func received(t *testing.T, settings string) (url string, records func() []taffrail.Record) {
	t.Helper()
	r := mustOpen[taffrail.EventReceiver](t, settings)
	ready, all, ended := make(chan string, 1), make(chan taffrail.Record, 100), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- r.Receive(ctx, func(a string) { ready <- a }, func(_ context.Context, b taffrail.Batch) error {
			for _, rec := range b.Records {
				all <- rec
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
	return "http://" + <-ready, func() (got []taffrail.Record) {
		for len(all) > 0 {
			got = append(got, <-all)
		}
		return got
	}
}

func TestContracts(t *testing.T) {
	plugtest.Receiver(t, plugtest.ReceiverCase{
		Open: func(t *testing.T) taffrail.EventReceiver {
			return mustOpen[taffrail.EventReceiver](t, listening(t)+mapped)
		},
		Send: func(ctx context.Context, address string) (bool, error) {
			status, err := post(ctx, "http://"+address, event+event)
			return status == http.StatusOK, err
		},
		Records: 2,
	})
	c := plugtest.DecoderCase{
		Open:    func(t *testing.T, _ taffrail.Sealer) taffrail.Decoder { return mustOpen[taffrail.Decoder](t, mapped) },
		Records: [][]byte{[]byte(event)}, WithSecret: []byte(event), Secret: "hunter2hunter2",
	}
	plugtest.Decoder(t, c)
	plugtest.Keeper(t, c)
}

func TestSettings(t *testing.T) {
	for settings, want := range map[string]string{
		"": "time is not set", "mapping: {id: id}\n": "action is not set", "mapping: {wat: x}\n": "wat", "mapping: {action: a..b}\n": "cannot be understood", "lisen: x\n": "lisen",
	} {
		if settings == "" {
			settings, want = "mapping: {time: at}\n", "action is not set"
		}
		if _, err := open[taffrail.Decoder](t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
	short := secretFile(t, "short")
	for settings, want := range map[string]string{
		"listen: 127.0.0.1:0\n":                                     "anyone could send",
		"headers: [authorization]\n" + listening(t):                 "known by",
		"headers: [x-sig]\nsignature: {header: X-Sig}\n":            "known by",
		"signature: {header: X-Sig}\n" + listening(t):               "no key",
		"signature: {key_file: " + short + "}\n" + listening(t):     "fewer than",
		"signature: {key_file: " + secretFile(t, "whsec_!") + "}\n": "base64",
		"signature: {key_file: /k, algorithm: md5}\n":               "md5",
		"signature: {key_file: /k, encoding: rot13}\n":              "rot13",
	} {
		if _, err := open[taffrail.EventReceiver](t, settings); err == nil || !strings.Contains(err.Error(), want) || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func TestBodies(t *testing.T) {
	url, records := received(t, listening(t)+mapped+"path: /events\n")
	own := func(raw, where string) taffrail.Record {
		return taffrail.Record{Format: Name, Raw: []byte(raw), Where: where}
	}
	for name, tc := range map[string]struct {
		body   string
		header []string
		status int
		want   []taffrail.Record
	}{
		"one":           {event, nil, 200, []taffrail.Record{own(event, "value 1")}},
		"a list":        {"[" + event + "," + event + "]", nil, 200, []taffrail.Record{own(event, "value 1"), own(event, "value 2")}},
		"lines":         {event + "\n" + event + "\n", nil, 200, []taffrail.Record{own(event, "value 1"), own(event, "value 2")}},
		"another's":     {event + trail, nil, 200, []taffrail.Record{own(event, "value 1"), {Format: "cloudtrail", Raw: []byte(trail), Where: "value 2"}}},
		"of a form":     {"payload=" + strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(event), []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, []taffrail.Record{own(event, "value 1")}},
		"none":          {"", nil, 200, nil},
		"a bad line":    {"hello\n" + event, nil, 400, []taffrail.Record{{Format: Name, Raw: []byte("hello"), Where: "value 1", Fault: "it is no JSON"}, own(event, "value 2")}},
		"a wrong token": {event, []string{"Authorization", "Bearer x"}, 401, nil},
	} {
		status, err := post(t.Context(), url+"/events", tc.body, tc.header...)
		if err != nil || status != tc.status {
			t.Errorf("%s: %d %v", name, status, err)
		}
		if diff := cmp.Diff(tc.want, records()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if status, _ := post(t.Context(), url+"/other", event); status != http.StatusMethodNotAllowed || len(records()) > 0 {
		t.Errorf("another path: %d", status)
	}
}

// A forge's event has its kind and its id in headers, and often no time.
func TestForge(t *testing.T) {
	settings := "signature: {key_file: " + secretFile(t, key) + "}\nheaders: [X-GitHub-Event, X-GitHub-Delivery]\n" +
		"mapping: {id: taffrail.headers.X-Github-Delivery, action: '=github:${taffrail.headers.X-Github-Event}', actor: {id: sender.login}}\n"
	url, records := received(t, "listen: 127.0.0.1:0\n"+settings)
	const push = `{"sender":{"login":"dana"},"ref":"refs/heads/main"}`
	header := []string{"Authorization", "", "X-GitHub-Event", "push", "X-GitHub-Delivery", "d-1", "X-Hub-Signature-256", "sha256=" + hmacHex(push)}
	if status, err := post(t.Context(), url, push, header...); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	got := records()
	e, err := mustOpen[taffrail.Decoder](t, settings).Decode(got[0].Raw)
	if err != nil || e.ID != "d-1" || e.Action != "github:push" || e.Actor.ID != "dana" || !e.Time.Equal(noon()) {
		t.Errorf("%+v %v", e, err)
	}
}

func hmacHex(body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return fmt.Sprintf("%x", mac.Sum(nil))
}

func TestSignatures(t *testing.T) {
	file := secretFile(t, key)
	mac512 := hmac.New(sha512.New, []byte(key))
	mac512.Write([]byte(event))
	shared := base64.StdEncoding.EncodeToString([]byte(key))
	standard := hmac.New(sha256.New, []byte(key))
	standard.Write([]byte("msg_1.1767323045." + event))
	v1 := "v1," + base64.StdEncoding.EncodeToString(standard.Sum(nil))
	for name, tc := range map[string]struct {
		settings string
		header   []string
		status   int
	}{
		"as GitHub does it":       {"key_file: " + file, []string{"X-Hub-Signature-256", "sha256=" + hmacHex(event)}, 200},
		"of another body":         {"key_file: " + file, []string{"X-Hub-Signature-256", "sha256=" + hmacHex(event+" ")}, 401},
		"cut":                     {"key_file: " + file, []string{"X-Hub-Signature-256", "sha256=" + hmacHex(event)[:62]}, 401},
		"no prefix":               {"key_file: " + file, []string{"X-Hub-Signature-256", hmacHex(event)}, 401},
		"empty":                   {"key_file: " + file, []string{"X-Hub-Signature-256", "sha256="}, 401},
		"missing":                 {"key_file: " + file, nil, 401},
		"plain hex":               {"header: X-Sig, key_file: " + file, []string{"X-Sig", hmacHex(event)}, 200},
		"with SHA-512":            {"header: X-Sig, algorithm: sha512, key_file: " + file, []string{"X-Sig", fmt.Sprintf("%x", mac512.Sum(nil))}, 200},
		"as Standard Webhooks":    {"header: webhook-signature, prefix: 'v1,', encoding: base64, signed_headers: [webhook-id, webhook-timestamp], key_file: " + secretFile(t, "whsec_"+shared), []string{"webhook-id", "msg_1", "webhook-timestamp", "1767323045", "webhook-signature", "v1,AAAA " + v1}, 200},
		"with another time in it": {"header: webhook-signature, prefix: 'v1,', encoding: base64, signed_headers: [webhook-id, webhook-timestamp], key_file: " + secretFile(t, "whsec_"+shared), []string{"webhook-id", "msg_1", "webhook-timestamp", "1767323046", "webhook-signature", v1}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			url, records := received(t, "listen: 127.0.0.1:0\nsignature: {"+tc.settings+"}\n"+mapped)
			status, err := post(t.Context(), url, event, append([]string{"Authorization", ""}, tc.header...)...)
			if err != nil || status != tc.status || len(records()) > 0 != (tc.status == 200) {
				t.Errorf("%d %v", status, err)
			}
		})
	}
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte("payload=%7B%7D&a"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := &http.Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
		form, err := url.ParseQuery(string(body))
		if got := payload(r, body); err == nil && form.Has("payload") && string(got) != form.Get("payload") {
			t.Errorf("got %q", got)
		}
	})
}
