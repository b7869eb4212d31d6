package receive

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// maxHeader bounds the header of a request.
const maxHeader = 64 << 10

// Serve serves HTTP until ctx ends, and returns nil then. Ready is called with the address once connections are taken. Busy answers requests for
// which there is no room; it may be nil. When Serve has returned no handler runs any more.
func (e *Endpoint) Serve(ctx context.Context, ready func(string), h http.Handler, busy http.HandlerFunc) error {
	l, err := e.Listen(ctx)
	if err != nil {
		return err
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx)) // requests that run when ctx ends still have the grace
	defer cancel()
	var running sync.WaitGroup
	server := &http.Server{
		Handler: e.bounded(&running, h, busy), ReadHeaderTimeout: e.times.header, IdleTimeout: e.times.idle, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(e.logger.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return base },
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: e.config.MaxRequests}, Protocols: &http.Protocols{},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(e.PriorKnowledge)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	ready(l.Addr().String())
	select {
	case err := <-failed:
		cancel()
		_ = server.Close() // it has failed already
		running.Wait()
		return &taffrail.Error{Op: "receive events", Kind: taffrail.KindUnavailable, Err: err}
	case <-ctx.Done():
		e.end(server, cancel, &running)
		return nil
	}
}

// end lets what runs come to its end, for a while, and waits for it in any case: nothing is emitted after that.
func (e *Endpoint) end(server *http.Server, cancel func(), running *sync.WaitGroup) {
	grace, stop := context.WithTimeout(context.Background(), e.times.grace)
	defer stop()
	if server.Shutdown(grace) != nil {
		cancel()
		_ = server.Close() // who is cut off has had no answer, and sends again
	}
	running.Wait()
}

// bounded lets in as many requests as may run at once, and gives each its time and its share of memory.
func (e *Endpoint) bounded(running *sync.WaitGroup, h http.Handler, busy http.HandlerFunc) http.Handler {
	if busy == nil {
		busy = func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "too many requests run at once", http.StatusServiceUnavailable)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		default:
			w.Header().Set("Retry-After", "1")
			busy(w, r)
			return
		}
		s := &share{endpoint: e}
		defer s.giveBack()
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(e.times.body)) // a connection that knows no deadlines is none of ours
		h.ServeHTTP(&answer{w, control, e.times.answer}, r.WithContext(context.WithValue(r.Context(), shareKey{}, s)))
	})
}

// An answer has a time for what is written, counted from when writing begins.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	time    time.Duration
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	_ = a.control.SetWriteDeadline(time.Now().Add(a.time))
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Peer names who sends, for people: the address, and the name of its token or its certificate.
func Peer(r *http.Request, name string) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if name == "" && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		name = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	if name == "" {
		return host
	}
	return name + " at " + host
}
