package witness

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// answering serves one answer to everything.
func answering(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

func TestClientAsks(t *testing.T) {
	h := newHistory(t, "log.example/a")
	s := newStation(t, "witness.example/w", atNoon, nil, h)
	g := h.growth(0, h.grow(5, "a"))
	var got *http.Request
	var body []byte
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		http.StripPrefix("/some/prefix", s.handler).ServeHTTP(w, r)
	})
	for _, settings := range []string{"url: " + url + "/some/prefix", "url: " + url + "/some/prefix/"} {
		line, err := open(t, atNoon, settings).AddCheckpoint(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.AddCosignatures(g.Checkpoint, line, s.verifier); err != nil || bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%q: %v", line, err)
		}
		if got.Method != http.MethodPost || got.URL.Path != "/some/prefix/add-checkpoint" || string(body) != string(g.Text()) {
			t.Errorf("it was asked by %s %s %q", got.Method, got.URL, body)
		}
		g = h.growth(5, h.grow(5, "a")) // the same again
	}
}

func TestClientUnderstandsAnswers(t *testing.T) {
	h := newHistory(t, "log.example/a")
	g := h.growth(5, h.grow(10, "a"))
	for name, tc := range map[string]struct {
		status int
		media  string
		body   string
		kind   taffrail.Kind
		is     error
		old    int64 // asked for; 0 for none
	}{
		"no sense":                 {status: 400, kind: taffrail.KindInvalid, is: audit.ErrBadGrowth},
		"not the log's":            {status: 403, kind: taffrail.KindDenied, is: audit.ErrNotTheLogs},
		"unknown":                  {status: 404, kind: taffrail.KindNotFound, is: audit.ErrUnknownLog},
		"another size":             {status: 409, media: sizeType, body: "7\n", kind: taffrail.KindConflict, old: 7},
		"a larger size than ours":  {status: 409, media: sizeType + "; charset=utf-8", body: "70\n", kind: taffrail.KindConflict, old: 70},
		"the size that was named":  {status: 409, media: sizeType, body: "5\n", kind: taffrail.KindInvalid},
		"another tree":             {status: 409, kind: taffrail.KindCorrupt, is: audit.ErrOtherTree},
		"another tree, said aloud": {status: 409, media: "text/plain", body: "7\n", kind: taffrail.KindCorrupt, is: audit.ErrOtherTree},
		"a size without a newline": {status: 409, media: sizeType, body: "7", kind: taffrail.KindInvalid},
		"a size with a zero":       {status: 409, media: sizeType, body: "07\n", kind: taffrail.KindInvalid},
		"a negative size":          {status: 409, media: sizeType, body: "-7\n", kind: taffrail.KindInvalid},
		"an immense size":          {status: 409, media: sizeType, body: "9999999999999999999\n", kind: taffrail.KindInvalid},
		"no size":                  {status: 409, media: sizeType, body: "", kind: taffrail.KindInvalid},
		"no proof":                 {status: 422, kind: taffrail.KindCorrupt, is: audit.ErrUnprovedTree},
		"too often":                {status: 429, kind: taffrail.KindUnavailable},
		"broken":                   {status: 500, kind: taffrail.KindUnavailable},
		"broken behind":            {status: 502, kind: taffrail.KindUnavailable},
		"out of service":           {status: 503, kind: taffrail.KindUnavailable},
		"a teapot":                 {status: 418, kind: taffrail.KindInvalid},
		"a lie: nothing":           {status: 200, kind: taffrail.KindInvalid},
		"a lie: a page":            {status: 200, media: "text/html", body: "<html>Sign in</html>\n", kind: taffrail.KindInvalid},
		"a lie: a name alone":      {status: 200, body: "— w\n", kind: taffrail.KindInvalid},
		"a lie: no base64":         {status: 200, body: "— w AAA\n", kind: taffrail.KindInvalid},
		"a line without end":       {status: 200, body: "— w AAAAAAAA", kind: taffrail.KindInvalid},
		"a lie: too much":          {status: 200, body: strings.Repeat("x", maxAnswer+1), kind: taffrail.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			url := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.media)
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			line, err := open(t, atNoon, "url: "+url).AddCheckpoint(t.Context(), g)
			if err == nil || line != nil || taffrail.KindOf(err) != tc.kind {
				t.Fatalf("%q, %v, kind %s", line, err, taffrail.KindOf(err))
			}
			for _, known := range []error{audit.ErrBadGrowth, audit.ErrNotTheLogs, audit.ErrUnknownLog, audit.ErrOtherTree, audit.ErrUnprovedTree} {
				if errors.Is(err, known) != (known == tc.is) { //nolint:errorlint // it is the very error
					t.Errorf("%v is %v: %v", err, known, errors.Is(err, known))
				}
			}
			if size := sizeAsked(err); size != tc.old && (size != -1 || tc.old != 0) {
				t.Errorf("size %d is asked for, want %d", size, tc.old)
			}
			if tc.kind != taffrail.KindUnavailable && tc.kind != taffrail.KindConflict && taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), url) {
				t.Errorf("%v, hint %q", err, taffrail.HintOf(err))
			}
		})
	}
	// What is said of our own size can only mean another tree.
	same := h.growth(11, h.grow(11, "a"))
	url := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", sizeType)
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, "11\n")
	})
	if _, err := open(t, atNoon, "url: "+url).AddCheckpoint(t.Context(), same); !errors.Is(err, audit.ErrOtherTree) {
		t.Errorf("error is %v", err)
	}
}

func TestClientWaitsAsLongAsItIsAsked(t *testing.T) {
	h := newHistory(t, "log.example/a")
	g := h.growth(0, h.grow(5, "a"))
	for name, tc := range map[string]struct {
		status int
		after  string
		pause  time.Duration
	}{
		"seconds":          {429, "30", 30 * time.Second},
		"a date":           {429, noon.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		"nothing":          {429, "", defaultPause},
		"no sense":         {429, "soon", defaultPause},
		"a past date":      {429, noon.Add(-time.Hour).Format(http.TimeFormat), 0},
		"for ever":         {429, "2000000000", maxPause},
		"out of service":   {503, "40", 40 * time.Second},
		"out, for unknown": {503, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			url := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				if tc.after != "" {
					w.Header().Set("Retry-After", tc.after)
				}
				w.WriteHeader(tc.status)
			})
			now := noon
			c := open(t, func() time.Time { return now }, "url: "+url)
			ask := func(want int32) {
				t.Helper()
				if _, err := c.AddCheckpoint(t.Context(), g); taffrail.KindOf(err) != taffrail.KindUnavailable {
					t.Errorf("error is %v", err)
				}
				if got := asked.Load(); got != want {
					t.Errorf("it was asked %d times, want %d", got, want)
				}
			}
			ask(1)
			if tc.pause > 0 {
				now = noon.Add(tc.pause - time.Second)
				ask(1)
			}
			now = noon.Add(tc.pause)
			ask(2)
		})
	}
}

func TestClientFollowsOnItsOwnHostAlone(t *testing.T) {
	h := newHistory(t, "log.example/a")
	s := newStation(t, "witness.example/w", atNoon, nil, h)
	g := h.growth(0, h.grow(5, "a"))
	var elsewhere atomic.Int32
	other := answering(t, func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		s.handler.ServeHTTP(w, r)
	})
	for name, tc := range map[string]struct {
		status int
		to     string
		fine   bool
	}{
		"here":                   {308, "/new/add-checkpoint", true},
		"here, for now":          {307, "/new/add-checkpoint", true},
		"here, by another verb":  {303, "/new/add-checkpoint", false},
		"elsewhere":              {308, strings.Replace(other, "http://", "http://user:hunter2@", 1) + "/add-checkpoint?token=hunter2", false},
		"round and round":        {308, "/old/add-checkpoint", false},
		"no place":               {308, "", false},
		"elsewhere, not changed": {302, other + "/add-checkpoint", false},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			url := answering(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if strings.HasPrefix(r.URL.Path, "/new/") {
					http.StripPrefix("/new", s.handler).ServeHTTP(w, r)
					return
				}
				w.Header().Set("Location", tc.to)
				w.WriteHeader(tc.status)
			})
			_, err := open(t, atNoon, "url: "+url+"/old").AddCheckpoint(t.Context(), g)
			if size := sizeAsked(err); size >= 0 { // it saw it already
				err = nil
			}
			if (err == nil) != tc.fine || asked.Load() > 1+maxRedirects {
				t.Errorf("error is %v", err)
			}
			if err != nil && (taffrail.KindOf(err) != taffrail.KindInvalid && tc.to != "" || strings.Contains(err.Error()+taffrail.HintOf(err), "hunter2")) {
				t.Errorf("error is %v, kind %s", err, taffrail.KindOf(err))
			}
		})
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("another host was asked %d times", n)
	}
}

func TestClientIsNotHeldUp(t *testing.T) {
	h := newHistory(t, "log.example/a")
	g := h.growth(0, h.grow(5, "a"))
	for name, f := range map[string]http.HandlerFunc{
		"says nothing": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is seen
			<-r.Context().Done()
		},
		"begins, and says nothing": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "— w")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, atNoon, "url: "+answering(t, f)+"\ntimeout: 50ms")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := c.AddCheckpoint(ctx, g)
			if ctx.Err() != nil || taffrail.KindOf(err) != taffrail.KindUnavailable || !strings.Contains(taffrail.HintOf(err), "50ms") {
				t.Errorf("error is %v, hint %q", err, taffrail.HintOf(err))
			}
			cancel()
			if _, err := c.AddCheckpoint(ctx, g); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
		})
	}
	t.Run("says too much, without end", func(t *testing.T) {
		url := answering(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("— w AAAA\n", 100)); err != nil {
					return
				}
			}
		})
		if _, err := open(t, atNoon, "url: "+url).AddCheckpoint(t.Context(), g); taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("is gone", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		_, err := open(t, atNoon, "url: "+server.URL).AddCheckpoint(t.Context(), g)
		if taffrail.KindOf(err) != taffrail.KindUnavailable || taffrail.HintOf(err) == "" {
			t.Errorf("error is %v", err)
		}
	})
}

func TestClientTrustsCertificates(t *testing.T) {
	h := newHistory(t, "log.example/a")
	s := newStation(t, "witness.example/w", atNoon, nil, h)
	server := httptest.NewUnstartedServer(s.handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	g := h.growth(0, h.grow(5, "a"))
	_, err := open(t, atNoon, "url: "+server.URL).AddCheckpoint(t.Context(), g)
	if taffrail.KindOf(err) != taffrail.KindDenied || !strings.Contains(taffrail.HintOf(err), "ca_file") {
		t.Errorf("error is %v", err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, atNoon, "url: "+server.URL+"\nca_file: "+file).AddCheckpoint(t.Context(), g); err != nil {
		t.Error(err)
	}
	name := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if _, err := open(t, atNoon, "url: "+name+"\nca_file: "+file).AddCheckpoint(t.Context(), g); taffrail.KindOf(err) != taffrail.KindDenied {
		t.Errorf("another name: %v", err)
	}
}

func TestConfigRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, settings := range []string{
		"", "url: witness.example", "url: ftp://witness.example", "url: https://", "url: https://u:hunter2@witness.example/", "url: 'https://hunter2%@[x'",
		"url: https://w.example/?q=1", "url: https://w.example\ntimeout: -1s", "url: https://w.example\nkey: w",
		"url: https://w.example\nca_file: /nowhere/ca.pem", "url: https://w.example\nca_file: " + empty, "url: https://w.example\nmore: 1",
	} {
		_, err := tryOpen(t, atNoon, settings)
		if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, hint %q", settings, err, taffrail.HintOf(err))
		}
	}
}
