package kubeaudit

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const token = "token-of-the-api-server"

func openReceiver(t *testing.T, settings string) taffrail.EventReceiver {
	t.Helper()
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("api-server "+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var r plug.Registry
	Register(&r)
	s := plug.Settings{File: "f", YAML: []byte("listen: 127.0.0.1:0\ntokens_file: " + tokens + "\n" + settings)}
	opened, err := plug.Open[taffrail.EventReceiver](t.Context(), &r, Name, plug.Env{}, s)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func eventList(items ...string) string {
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + strings.Join(items, ",") + `]}`
}

func post(ctx context.Context, address, body string, header ...string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/?timeout=30s", strings.NewReader(body))
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

func TestReceiverContract(t *testing.T) {
	plugtest.Receiver(t, plugtest.ReceiverCase{
		Open: func(t *testing.T) taffrail.EventReceiver { return openReceiver(t, "") },
		Send: func(ctx context.Context, address string) (bool, error) {
			status, err := post(ctx, address, eventList(patched, secret))
			if err == nil && status != http.StatusOK && status < http.StatusInternalServerError {
				err = fmt.Errorf("status %d, after which an API server does not try again", status)
			}
			return status == http.StatusOK, err
		},
		Records: 2,
	})
}

// received runs a receiver that takes everything, and gives what was emitted so far.
func received(t *testing.T) (address string, records func() []taffrail.Record) {
	t.Helper()
	ready, all := make(chan string, 1), make(chan taffrail.Record, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	r := openReceiver(t, "")
	go func() {
		ended <- r.Receive(ctx, func(a string) { ready <- a }, func(_ context.Context, b taffrail.Batch) error {
			if b.Origin != "api-server at 127.0.0.1" {
				t.Errorf("origin %q", b.Origin)
			}
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
	return <-ready, func() (got []taffrail.Record) {
		for len(all) > 0 {
			got = append(got, <-all)
		}
		return got
	}
}

func TestReceiverTakesLists(t *testing.T) {
	address, records := received(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(eventList(patched)))
	_ = w.Close()
	for name, tc := range map[string]struct {
		body   string
		header []string
		status int
		want   []taffrail.Record
	}{
		"two":          {eventList(patched, secret), nil, 200, []taffrail.Record{{Format: Name, Raw: []byte(patched), Where: "item 1"}, {Format: Name, Raw: []byte(secret), Where: "item 2"}}},
		"packed":       {packed.String(), []string{"Content-Encoding", "gzip"}, 200, []taffrail.Record{{Format: Name, Raw: []byte(patched), Where: "item 1"}}},
		"one event":    {patched, nil, 200, []taffrail.Record{{Format: Name, Raw: []byte(patched), Where: "body"}}},
		"none":         {eventList(), nil, 200, nil},
		"a bad item":   {eventList(patched, "5"), nil, 200, []taffrail.Record{{Format: Name, Raw: []byte(patched), Where: "item 1"}, {Format: Name, Raw: []byte("5"), Where: "item 2"}}},
		"no JSON":      {"hello", nil, 400, []taffrail.Record{{Format: Name, Raw: []byte("hello"), Where: "body", Fault: "it is no JSON"}}},
		"another kind": {`{"apiVersion":"v1"}`, nil, 400, []taffrail.Record{{Format: Name, Raw: []byte(`{"apiVersion":"v1"}`), Where: "body", Fault: "its apiVersion is not audit.k8s.io/v1"}}},
		"no token":     {eventList(patched), []string{"Authorization", ""}, 401, nil},
		"wrong token":  {eventList(patched), []string{"Authorization", "Bearer " + token + "x"}, 401, nil},
		"not packed":   {eventList(patched), []string{"Content-Encoding", "gzip"}, 400, nil},
	} {
		status, err := post(t.Context(), address, tc.body, tc.header...)
		if err != nil || status != tc.status {
			t.Errorf("%s: %d %v", name, status, err)
		}
		if diff := cmp.Diff(tc.want, records()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if answer, err := http.Get("http://" + address); err != nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET: %v", err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(eventList(patched)))
	f.Add([]byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[1,null,{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		seq, fault := recordsOf(body)
		records := slices.Collect(seq)
		if fault != "" && (len(records) != 1 || records[0].Fault == "") {
			t.Errorf("what is no list is lost: %q", records)
		}
	})
}
