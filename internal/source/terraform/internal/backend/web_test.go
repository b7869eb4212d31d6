package backend

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// stateServer speaks what the documentation of the backend "http" says, and nothing else.
func stateServer(t *testing.T, tag string) *httptest.Server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.Method != http.MethodGet, r.URL.Path != "/state/prod":
			t.Errorf("unexpected %s %s", r.Method, r.URL)
		case user != "deckhand" || password != "hush-hush":
			w.WriteHeader(http.StatusUnauthorized)
		case tag != "" && r.Header.Get("If-None-Match") == tag:
			w.WriteHeader(http.StatusNotModified)
		default:
			if tag != "" {
				w.Header().Set("ETag", tag)
			}
			sum := md5.Sum([]byte(sample))
			w.Header().Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
			_, _ = io.WriteString(w, sample)
		}
	})
}

func TestHTTPReads(t *testing.T) {
	for _, tag := range []string{"", `"v7"`, `W/"v7"`} {
		server := stateServer(t, tag)
		c := settings(t, "http", map[string]any{"address": server.URL + "/state/prod?ID=x", "username": "deckhand"})
		c.Env = func(name string) string { return map[string]string{"TF_HTTP_PASSWORD": "hush-hush"}[name] }
		r := open(t, c)
		fetch(t, r)
		if want := server.URL + "/state/prod"; r.Name() != want {
			t.Errorf("the name is %q, want %q", r.Name(), want)
		}
		if lock, err := r.Locked(t.Context()); err != nil || !lock.Unknown {
			t.Errorf("lock: %v, %v", lock, err)
		}
	}
}

func TestHTTPStatuses(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		kind   taffrail.Kind
		asked  int
	}{
		{200, "", taffrail.KindNotFound, 1},
		{204, "", taffrail.KindNotFound, 1},
		{400, "x", taffrail.KindInvalid, 1},
		{401, "x", taffrail.KindDenied, 1},
		{403, "x", taffrail.KindDenied, 1},
		{404, "x", taffrail.KindNotFound, 1},
		{304, "", taffrail.KindInvalid, 1}, // though nothing was known
		{429, "x", taffrail.KindUnavailable, 3},
		{500, "x", taffrail.KindUnavailable, 3},
		{503, "x", taffrail.KindUnavailable, 3},
	} {
		asked := 0
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, tc.body)
		})
		clock := &recorder{}
		c := settings(t, "http", map[string]any{"address": server.URL + "/x", "headers": map[string]any{"Private-Token": "glpat-123456"}})
		c.Pause = clock.pause
		body, _, err := open(t, c).Fetch(t.Context(), "")
		wantKind(t, err, tc.kind, "/x")
		wantNoSecret(t, err, "glpat")
		if body != nil || asked != tc.asked {
			t.Errorf("%d: asked %d times, want %d; body %q", tc.status, asked, tc.asked, body)
		}
		if tc.asked == 3 && !cmp.Equal(clock.pauses, []time.Duration{9 * time.Second, 9 * time.Second}) {
			t.Errorf("%d: paused %v", tc.status, clock.pauses)
		}
	}
}

func TestHTTPSecondAttemptHelps(t *testing.T) {
	asked := 0
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, sample)
	})
	fetch(t, open(t, settings(t, "http", map[string]any{"address": server.URL})))
}

func TestHTTPMovedTag(t *testing.T) {
	tag, body := `"1"`, sample
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", tag)
		_, _ = io.WriteString(w, body)
	})
	r := open(t, settings(t, "http", map[string]any{"address": server.URL}))
	version := fetch(t, r)
	tag, body = `"2"`, "moved on"
	got, moved, err := r.Fetch(t.Context(), version)
	if err != nil || string(got) != "moved on" || moved == version {
		t.Errorf("got %q, %q, %v", got, moved, err)
	}
}

func TestHTTPCutShort(t *testing.T) {
	t.Run("against its length", func(t *testing.T) {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, sample)
		})
		_, _, err := open(t, settings(t, "http", map[string]any{"address": server.URL})).Fetch(t.Context(), "")
		wantKind(t, err, taffrail.KindUnavailable)
	})
	t.Run("against its digest", func(t *testing.T) {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")
			_, _ = io.WriteString(w, sample)
		})
		_, _, err := open(t, settings(t, "http", map[string]any{"address": server.URL})).Fetch(t.Context(), "")
		wantKind(t, err, taffrail.KindUnavailable, "Content-MD5")
	})
}

func TestHTTPTooLarge(t *testing.T) {
	for _, chunked := range []bool{true, false} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if chunked {
				w.(http.Flusher).Flush()
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 2001))
		})
		c := settings(t, "http", map[string]any{"address": server.URL})
		c.Limit = 2000
		_, _, err := open(t, c).Fetch(t.Context(), "")
		wantKind(t, err, taffrail.KindInvalid, "larger")
	}
}

func TestHTTPRedirections(t *testing.T) {
	var got http.Header
	store := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		_, _ = io.WriteString(w, sample)
	})
	elsewhere := strings.Replace(store.URL, "127.0.0.1", "localhost", 1)
	var hop string
	front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/here" {
			got = r.Header
			_, _ = io.WriteString(w, sample)
			return
		}
		http.Redirect(w, r, hop, http.StatusFound)
	})
	attributes := map[string]any{
		"address": front.URL + "/state", "username": "deckhand", "password": "hush-hush", "headers": map[string]any{"Private-Token": "glpat-1"},
	}
	r := open(t, settings(t, "http", attributes))

	hop = "/here"
	fetch(t, r)
	if got.Get("Authorization") == "" || got.Get("Private-Token") == "" {
		t.Errorf("on the same host, credentials go along: %v", got)
	}
	hop = elsewhere + "/signed?sig=1"
	fetch(t, r)
	for _, name := range []string{"Authorization", "Private-Token", "Referer"} {
		if got.Get(name) != "" {
			t.Errorf("another host was sent %s", name)
		}
	}
}

func TestHTTPNoRedirectionOutOfTLS(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was followed") })
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	_, _, err := open(t, settings(t, "http", map[string]any{"address": secure.URL, "client_ca_certificate_pem": string(ca)})).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindInvalid, "https")
}

func TestHTTPCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, sample) }))
	t.Cleanup(server.Close)
	_, _, err := open(t, settings(t, "http", map[string]any{"address": server.URL})).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindUnavailable, "certificate")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	fetch(t, open(t, settings(t, "http", map[string]any{"address": server.URL, "client_ca_certificate_pem": string(ca)})))
	fetch(t, open(t, settings(t, "http", map[string]any{"address": server.URL, "skip_cert_verification": true})))
}

func TestHTTPHangs(t *testing.T) {
	ended := make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	})
	defer close(ended)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := open(t, settings(t, "http", map[string]any{"address": server.URL + "/?private_token=glpat-1"}))
	_, _, err := r.Fetch(ctx, "")
	wantKind(t, err, taffrail.KindUnavailable)
	wantNoSecret(t, err, "glpat")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the deadline is not to be seen: %v", err)
	}
	canceled, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := r.Fetch(canceled, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("the cancellation is not to be seen: %v", err)
	}
}

func TestHTTPUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	at, _ := url.Parse(server.URL)
	server.Close()
	at.User, at.RawQuery = url.UserPassword("deckhand", "hush-hush"), "private_token=glpat-1"
	clock := &recorder{}
	c := settings(t, "http", map[string]any{"address": at.String()})
	c.Pause = clock.pause
	_, _, err := open(t, c).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindUnavailable)
	wantNoSecret(t, err, "hush-hush", "glpat")
	if len(clock.pauses) != 2 {
		t.Errorf("paused %v", clock.pauses)
	}
}

func TestHTTPSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		attributes map[string]any
		workspace  string
		want       string
	}{
		"no address":      {nil, "", "address is missing"},
		"no URL":          {map[string]any{"address": "state.example"}, "", "address is no URL"},
		"a list":          {map[string]any{"address": []any{"a"}}, "", "address is no text"},
		"workspace":       {map[string]any{"address": "https://a"}, "prod", `"prod"`},
		"retries":         {map[string]any{"address": "https://a", "retry_max": "many"}, "", "retry_max"},
		"no certificate":  {map[string]any{"address": "https://a", "client_ca_certificate_pem": "x"}, "", "certificate"},
		"half a pair":     {map[string]any{"address": "https://a", "client_certificate_pem": "x"}, "", "pair"},
		"headers no map":  {map[string]any{"address": "https://a", "headers": "x"}, "", "headers is no map"},
		"header no text":  {map[string]any{"address": "https://a", "headers": map[string]any{"X": 1.0}}, "", "headers.X"},
		"no truth value":  {map[string]any{"address": "https://a", "skip_cert_verification": "perhaps"}, "", "skip_cert_verification"},
		"password in URL": {map[string]any{"address": "://deckhand:hush-hush@host"}, "", "address is no URL"},
	} {
		c := settings(t, "http", tc.attributes)
		c.Workspace = tc.workspace
		_, err := Open(t.Context(), c)
		if err == nil || taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		wantNoSecret(t, err, "hush-hush")
	}
}
