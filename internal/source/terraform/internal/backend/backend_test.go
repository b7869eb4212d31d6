package backend

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

const sample = `{"version":4,"serial":7,"lineage":"l","resources":[]}`

// a recorder notes pauses in place of waiting.
type recorder struct{ pauses []time.Duration }

func (r *recorder) pause(_ context.Context, d time.Duration) error {
	r.pauses = append(r.pauses, d)
	return nil
}

// settings makes a Config that sees nothing of the machine.
func settings(t *testing.T, kind string, attributes map[string]any) Config {
	t.Helper()
	dir := t.TempDir()
	return Config{
		Type: kind, Attributes: attributes, Dir: dir, DataDir: dir + "/.terraform", Home: dir, Env: func(string) string { return "" },
		Environ: []string{}, Pause: (&recorder{}).pause,
	}
}

func open(t *testing.T, c Config) Reader {
	t.Helper()
	r, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// fetch expects the sample, and that its version then stands for it.
func fetch(t *testing.T, r Reader) string {
	t.Helper()
	body, version, err := r.Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if string(body) != sample || version == "" {
		t.Fatalf("got %q, version %q", body, version)
	}
	again, same, err := r.Fetch(t.Context(), version)
	if err != nil || again != nil || same != version {
		t.Errorf("the same version again: %q, %q, %v", again, same, err)
	}
	other, _, err := r.Fetch(t.Context(), "another version")
	if err != nil || string(other) != sample {
		t.Errorf("another version was known: %q, %v", other, err)
	}
	return version
}

func wantKind(t *testing.T, err error, kind taffrail.Kind, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	var e *taffrail.Error
	if !errors.As(err, &e) || taffrail.KindOf(err) != kind {
		t.Errorf("the kind is %s, want %s: %v", taffrail.KindOf(err), kind, err)
	}
	if taffrail.HintOf(err) == "" {
		t.Errorf("there is no hint: %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func wantNoSecret(t *testing.T, err error, secrets ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) || strings.Contains(taffrail.HintOf(err), secret) {
			t.Errorf("the error holds the secret %q: %v", secret, err)
		}
	}
}

// serve starts a server that answers what was set down, and fails the test at anything else.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func TestUnknownBackend(t *testing.T) {
	_, err := Open(t.Context(), settings(t, "tape", nil))
	wantKind(t, err, taffrail.KindInvalid, `"tape"`)
}
