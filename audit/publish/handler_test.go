package publish

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

func get(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://log.example/", nil)
	r.Method, r.URL.Path = method, path
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestHandler asks for paths of a log of 300 signed entries, of which 310 are committed.
func TestHandler(t *testing.T) {
	w := newWorld(t).grow(t, 300)
	w.commit(t, 310)
	for _, tc := range []struct {
		path   string
		status int
		length int // of hashes
	}{
		{"/tile/0/000", 200, 256},
		{"/tile/0/000.p/1", 200, 1},
		{"/tile/0/000.p/255", 200, 255},
		{"/tile/0/001.p/44", 200, 44},
		{"/tile/0/001.p/1", 200, 1},
		{"/tile/1/000.p/1", 200, 1},
		{"/tile/entries/000", 200, 0},
		{"/tile/entries/000.p/7", 200, 0},
		{"/tile/entries/001.p/44", 200, 0},
		{"/checkpoint", 200, 0},

		{"/tile/0/001.p/45", 404, 0}, // committed, and not signed
		{"/tile/entries/001.p/45", 404, 0},
		{"/tile/entries/001.p/54", 404, 0},
		{"/tile/0/001", 404, 0},
		{"/tile/entries/001", 404, 0},
		{"/tile/0/002", 404, 0},
		{"/tile/1/000", 404, 0},
		{"/tile/1/000.p/2", 404, 0},
		{"/tile/2/000.p/1", 404, 0},
		{"/tile/63/000.p/1", 404, 0},
		{"/tile/64/000.p/1", 404, 0},
		{"/tile/0/x999/x999/x999/x999/x999/999", 404, 0},
		{"/tile/0/x036/x028/x797/x018/x963/967", 404, 0}, // times 256 is beyond 63 bits

		{"/tile/00/000", 404, 0},
		{"/tile/0/0", 404, 0},
		{"/tile/0/x000/000", 404, 0},
		{"/tile/0/000.p/0", 404, 0},
		{"/tile/0/000.p/256", 404, 0},
		{"/tile/0/000.p/044", 404, 0},
		{"/tile/0/000/", 404, 0},
		{"/tile/0//000", 404, 0},
		{"/tile/8/0/000", 404, 0},
		{"/tile/data/000", 404, 0},
		{"/tile/-1/000", 404, 0},
		{"/tile/entries/../0/000", 404, 0},
		{"/tile/", 404, 0},
		{"tile/0/000", 404, 0},
		{"//tile/0/000", 404, 0},
		{"/checkpoint/", 404, 0},
		{"checkpoint", 404, 0},
		{"/", 404, 0},
		{"", 404, 0},
	} {
		got := get(w.handler(), http.MethodGet, tc.path)
		if got.Code != tc.status {
			t.Errorf("%s: %d %s", tc.path, got.Code, got.Body)
		}
		if tc.length > 0 && got.Body.Len() != tc.length*32 {
			t.Errorf("%s has %d bytes", tc.path, got.Body.Len())
		}
		if tc.status != 200 && got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: that it is not there may be cached: %v", tc.path, got.Header())
		}
	}
}

// TestHandlerEscapes refuses other spellings of a path.
func TestHandlerEscapes(t *testing.T) {
	w := newWorld(t).grow(t, 1)
	server := httptest.NewServer(w.handler())
	defer server.Close()
	for path, want := range map[string]int{"/checkpoint": 200, "/checkpoint?once": 200, "/%63heckpoint": 404, "/tile%2Fentries/000.p/1": 404} {
		got, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, got.StatusCode, want)
		}
	}
}

func TestHandlerHeaders(t *testing.T) {
	w := newWorld(t).grow(t, 300)
	for _, tc := range []struct{ path, contentType, cache, vary string }{
		{"/checkpoint", "text/plain; charset=utf-8", "public, max-age=3", ""},
		{"/tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable", ""},
		{"/tile/0/001.p/44", "application/octet-stream", "public, max-age=31536000, immutable", ""},
		{"/tile/entries/000", "application/octet-stream", "public, max-age=31536000, immutable", "Accept-Encoding"},
		{"/tile/entries/001.p/44", "application/octet-stream", "public, max-age=31536000, immutable", "Accept-Encoding"},
	} {
		full := get(w.handler(), http.MethodGet, tc.path)
		head := get(w.handler(), http.MethodHead, tc.path)
		for _, got := range []*httptest.ResponseRecorder{full, head} {
			h := got.Header()
			if h.Get("Content-Type") != tc.contentType || h.Get("Cache-Control") != tc.cache || h.Get("Vary") != tc.vary || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", tc.path, h)
			}
		}
		if head.Body.Len() != 0 || head.Code != 200 || head.Header().Get("Content-Length") != full.Header().Get("Content-Length") || full.Body.Len() == 0 {
			t.Errorf("%s: HEAD gives %d, %d bytes, %v", tc.path, head.Code, head.Body.Len(), head.Header())
		}
	}
}

func TestHandlerMethods(t *testing.T) {
	w := newWorld(t).grow(t, 1)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "get"} {
		if got := get(w.handler(), method, "/checkpoint"); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, got.Code, got.Header())
		}
	}
}

// TestHandlerKeepsCosignatures serves the note as it is stored, with the lines of witnesses.
func TestHandlerKeepsCosignatures(t *testing.T) {
	w := newWorld(t).grow(t, 5)
	witness, _ := audittest.Key(t, "witness.example/w1")
	stored := w.memory().State().Checkpoints
	text, _, _ := bytes.Cut(stored[len(stored)-1].Note, []byte("\n\n"))
	msg, err := note.Sign(&note.Note{Text: string(text) + "\n"}, w.private(t), witness)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.storage.Write(t.Context(), func(tx audit.Writer) error { return tx.PutCheckpoint(5, msg) }); err != nil {
		t.Fatal(err)
	}
	if got := get(w.handler(), http.MethodGet, "/checkpoint").Body.String(); got != string(msg) || !strings.Contains(got, "— witness.example/w1 ") {
		t.Errorf("served:\n%s\nwant:\n%s", got, msg)
	}
}

// private is the key that signs.
func (w *world) private(t testing.TB) note.Signer {
	t.Helper()
	keys, err := w.ring.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys.Private()[0]
}

// TestHandlerPruned says that pruned bundles are gone, and serves all else.
func TestHandlerPruned(t *testing.T) {
	w := newWorld(t).grow(t, 600)
	w.prune(512)
	for path, want := range map[string]int{
		"/tile/entries/000": 410, "/tile/entries/000.p/3": 410, "/tile/entries/001": 410, "/tile/entries/002.p/88": 200,
		"/tile/0/000": 200, "/tile/0/001": 200, "/tile/0/002.p/88": 200, "/tile/1/000.p/2": 200, "/checkpoint": 200, "/tile/entries/003": 404,
	} {
		got := get(w.handler(), http.MethodGet, path)
		if got.Code != want {
			t.Errorf("%s: %d %s, want %d", path, got.Code, got.Body, want)
		}
		if want == 410 && !strings.Contains(got.Body.String(), "pruned") {
			t.Errorf("%s: %s", path, got.Body)
		}
	}
}

func (w *world) prune(before int64) {
	w.memory().Tamper(func(s *audittest.State) {
		s.Pruned = before
		clear(s.Entries[:before])
	})
}

func TestHandlerGzip(t *testing.T) {
	w := newWorld(t).grow(t, 300)
	plain := get(w.handler(), http.MethodGet, "/tile/entries/000").Body.Bytes()
	got := get(w.handler(), http.MethodGet, "/tile/entries/000", "Accept-Encoding", "gzip, identity")
	if got.Header().Get("Content-Encoding") != "gzip" || got.Body.Len() >= len(plain) {
		t.Fatalf("%v, %d bytes of %d", got.Header(), got.Body.Len(), len(plain))
	}
	z, err := gzip.NewReader(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, plain) {
		t.Errorf("unpacked: %d bytes, %v", len(unpacked), err)
	}
	for _, path := range []string{"/checkpoint", "/tile/0/000"} {
		if got := get(w.handler(), http.MethodGet, path, "Accept-Encoding", "gzip"); got.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s is compressed", path)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for value, want := range map[string]bool{
		"":                            false,
		"gzip":                        true,
		"GZip":                        true,
		"x-gzip":                      true,
		"deflate, gzip;q=0.5, br":     true,
		"gzip; q=1.0":                 true,
		"gzip;q=0":                    false,
		"gzip;q=0.000, *":             false,
		"*":                           true,
		"*;q=0":                       false,
		"identity":                    false,
		"gzipped":                     false,
		"gzip;level=9":                false,
		"gzip;q=much":                 false,
		"br, identity;q=0, gzip;Q=.1": true,
	} {
		if got := acceptsGzip([]string{value}); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	if !acceptsGzip([]string{"br", "gzip"}) {
		t.Error("a second header is not read")
	}
}

// FuzzHandler asks for whatever it likes. Only what has the one right name is served.
func FuzzHandler(f *testing.F) {
	w := newWorld(f).grow(f, 300)
	h := Handler(w.storage, w.keys, slog.New(slog.DiscardHandler))
	for _, path := range []string{"/checkpoint", "/tile/0/000", "/tile/0/001.p/44", "/tile/entries/001.p/44", "/tile/1/000.p/1", "/tile/0/x001/x234/067", "/%2e"} {
		f.Add("GET", path, "gzip;q=0.5, *")
	}
	f.Fuzz(func(t *testing.T, method, path, accept string) {
		got := get(h, method, path, "Accept-Encoding", accept)
		if !slices.Contains([]int{200, 404, 405}, got.Code) {
			t.Fatalf("%q %q: %d", method, path, got.Code)
		}
		if got.Code != 200 || path == "/checkpoint" {
			return
		}
		tile, err := audit.ParseTile(strings.TrimPrefix(path, "/"))
		if err != nil || "/"+tile.Path() != path || tile.N*256+int64(tile.Width) > 300 {
			t.Errorf("%q was served: %v", path, err)
		}
	})
}
