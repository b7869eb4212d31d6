// Package api serves over HTTP: by now the log, for whoever may read it, and whether the program is alive.
package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// What one request may take. Tiles are small, and nobody has reason to send us anything.
const (
	headerTimeout = 10 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 5 * time.Second
	maxHeader     = 16 << 10 // bytes
)

// Handler serves the log, and `/healthz`, which answers for as long as alive has no error.
func Handler(log http.Handler, alive func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", log)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		text := "ok\n"
		if err := alive(r.Context()); err != nil { // what is wrong is told to the operator, not to everybody
			w.WriteHeader(http.StatusServiceUnavailable)
			text = "not ok\n"
		}
		_, _ = io.WriteString(w, text)
	})
	return mux
}

// Serve answers on a listener until ctx ends, lets the requests that are under way come to their end, and closes the listener.
func Serve(ctx context.Context, l net.Listener, h http.Handler, logger *slog.Logger) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.Shutdown(patience); err != nil {
		_ = s.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
