package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var sick error
	log := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the log: "+r.URL.Path)
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, l, Handler(log, func(context.Context) error { return sick }), slog.New(slog.DiscardHandler))
	}()
	at := "http://" + l.Addr().String()
	for _, tc := range []struct {
		path   string
		sick   error
		status int
		body   string
	}{
		{"/checkpoint", nil, 200, "the log: /checkpoint"},
		{"/healthz", nil, 200, "ok\n"},
		{"/healthz", errors.New("secret reason"), 503, "not ok\n"},
	} {
		sick = tc.sick
		if status, body := get(t, at+tc.path); status != tc.status || body != tc.body {
			t.Errorf("%s: %d %q", tc.path, status, body)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

func TestServeSaysWhyItCannot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), l, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a closed listener was served")
	}
}
