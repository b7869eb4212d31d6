package witness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/time/rate"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// Options are what a [Handler] needs beside the witness.
type Options struct {
	Origins []string         // of the logs that the witness knows
	Now     func() time.Time // the time, for the rate
	Logger  *slog.Logger
	// Every is how often a log may ask in the long run, Burst how often at once; 1 second and 10 if they are 0. Auditors
	// may read ten times as often, together.
	Every time.Duration
	Burst int
}

const (
	defaultEvery = time.Second
	defaultBurst = 10
	readsPerAsk  = 10
)

// A server answers for a witness.
type server struct {
	witness *audit.Witness
	options Options
	logs    map[string]*logState // by origin
	hashes  map[string]string    // origins by their SHA-256, in hex
}

// A logState is what is going on with one log. Whoever holds the turn reads and changes the rest.
type logState struct {
	turn  chan struct{} // of capacity 1: it is held while it is full
	asks  *rate.Limiter
	reads *rate.Limiter
	note  *note.Note // what the log signed of the newest; nil if this process did not see it
}

// Handler answers the protocol for a witness. Requests for one log are answered one after the other. The rate is counted for each log, and
// a request that the log did not sign counts for nothing, so that nobody else can use up what is granted to it.
func Handler(w *audit.Witness, o Options) http.Handler {
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Burst == 0 {
		o.Burst = defaultBurst
	}
	s := &server{witness: w, options: o, logs: map[string]*logState{}, hashes: map[string]string{}}
	for _, origin := range o.Origins {
		s.logs[origin] = &logState{
			turn: make(chan struct{}, 1), asks: rate.NewLimiter(rate.Every(o.Every), o.Burst),
			reads: rate.NewLimiter(rate.Every(o.Every/readsPerAsk), o.Burst*readsPerAsk),
		}
		sum := sha256.Sum256([]byte(origin))
		s.hashes[hex.EncodeToString(sum[:])] = origin
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", s.addCheckpoint)
	mux.HandleFunc("GET /{hash}/checkpoint", s.newest)
	return mux
}

func (s *server) addCheckpoint(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		s.refuse(w, r, unreadable(err))
		return
	}
	growth, err := audit.ParseGrowth(body)
	if err != nil {
		s.refuse(w, r, errors.Join(audit.ErrBadGrowth, err))
		return
	}
	origin, _, _ := strings.Cut(string(growth.Checkpoint), "\n")
	log, err := s.hold(r.Context(), origin)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer log.release()
	line, err := s.cosign(r.Context(), log, growth)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, "text/plain; charset=utf-8", line)
}

// cosign asks the witness, if the log has not asked too often. The caller holds the log.
func (s *server) cosign(ctx context.Context, log *logState, g audit.Growth) ([]byte, error) {
	now := s.options.Now()
	if err := granted(log.asks, now); err != nil {
		return nil, err
	}
	line, err := s.witness.AddCheckpoint(ctx, g)
	if !errors.Is(err, audit.ErrUnknownLog) && !errors.Is(err, audit.ErrNotTheLogs) {
		log.asks.AllowN(now, 1)
	}
	if err != nil {
		return nil, err
	}
	log.note = s.signedByLog(g.Checkpoint)
	return line, nil
}

// signedByLog is the note, whose verified signatures are the log's; nil if that cannot be told.
func (s *server) signedByLog(checkpoint []byte) *note.Note {
	origin, _, _ := strings.Cut(string(checkpoint), "\n")
	keys, _, err := s.witness.Log(origin)
	if err != nil {
		return nil
	}
	var verifiers []note.Verifier
	for _, k := range keys.All() {
		v, err := note.NewVerifier(k.VKey)
		if err != nil {
			return nil
		}
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(checkpoint, note.VerifierList(verifiers...))
	if err != nil {
		return nil
	}
	return n
}

func (s *server) newest(w http.ResponseWriter, r *http.Request) {
	log, err := s.hold(r.Context(), s.hashes[r.PathValue("hash")])
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer log.release()
	msg, err := s.remembered(r.Context(), log, s.hashes[r.PathValue("hash")])
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusOK, "text/plain; charset=utf-8", msg)
}

// remembered cosigns what the guard holds. The caller holds the log, so that nothing larger is cosigned before.
func (s *server) remembered(ctx context.Context, log *logState, origin string) ([]byte, error) {
	if err := granted(log.reads, s.options.Now()); err != nil {
		return nil, err
	}
	log.reads.AllowN(s.options.Now(), 1)
	_, guard, err := s.witness.Log(origin)
	if err != nil {
		return nil, err
	}
	head, err := guard.Load(ctx)
	if err != nil {
		return nil, err
	}
	text, err := audit.FormatCheckpoint(head)
	if err != nil {
		return nil, err
	}
	n := &note.Note{Text: string(text)}
	if log.note != nil && log.note.Text == n.Text {
		n.Sigs = log.note.Sigs
	}
	return note.Sign(n, s.witness.Signer)
}

// hold waits for the turn of a log.
func (s *server) hold(ctx context.Context, origin string) (*logState, error) {
	log, ok := s.logs[origin]
	if !ok {
		return nil, audit.ErrUnknownLog
	}
	select {
	case log.turn <- struct{}{}:
		return log, nil
	case <-ctx.Done():
		return nil, &taffrail.Error{Kind: taffrail.KindUnavailable, Err: ctx.Err()}
	}
}

func (l *logState) release() { <-l.turn }

// A tooOftenError says how long to wait.
type tooOftenError struct{ wait time.Duration }

func (e *tooOftenError) Error() string { return "this log asked too often" }

// granted says whether there is something left, and takes nothing.
func granted(l *rate.Limiter, now time.Time) error {
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return nil
	}
	return &tooOftenError{time.Duration(missing / float64(l.Limit()) * float64(time.Second))}
}

func unreadable(err error) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return err
	}
	return errors.Join(audit.ErrBadGrowth, err)
}

// refuse answers with the status that tlog-witness has for an error. What is wrong on this side is said to the operator, not to the caller.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var size *audit.OldSizeError
	var often *tooOftenError
	if errors.As(err, &size) {
		answer(w, http.StatusConflict, sizeType, fmt.Appendf(nil, "%d\n", size.Size))
		return
	}
	if errors.As(err, &often) {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(often.wait.Seconds())))))
		answer(w, http.StatusTooManyRequests, "text/plain; charset=utf-8", []byte(often.Error()+"\n"))
		return
	}
	for _, known := range statuses {
		if errors.Is(err, known.err) {
			answer(w, known.status, "text/plain; charset=utf-8", []byte(known.err.Error()+"\n"))
			return
		}
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		answer(w, http.StatusRequestEntityTooLarge, "text/plain; charset=utf-8", fmt.Appendf(nil, "a request has at most %d bytes\n", maxRequest))
		return
	}
	if r.Context().Err() == nil {
		s.options.Logger.Error("a request to the witness failed", "path", r.URL.Path, "error", err)
	}
	status := taffrail.KindOf(err).HTTPStatus()
	if status < http.StatusInternalServerError { // it is not the caller's fault
		status = http.StatusInternalServerError
	}
	answer(w, status, "text/plain; charset=utf-8", []byte("the witness cannot answer now\n"))
}

// statuses are those of tlog-witness, and 404 for a log of which nothing was cosigned yet.
var statuses = []struct {
	err    error
	status int
}{
	{audit.ErrUnknownLog, http.StatusNotFound},
	{audit.ErrNoHead, http.StatusNotFound},
	{audit.ErrNotTheLogs, http.StatusForbidden},
	{audit.ErrBadGrowth, http.StatusBadRequest},
	{audit.ErrOtherTree, http.StatusConflict},
	{audit.ErrUnprovedTree, http.StatusUnprocessableEntity},
}

func answer(w http.ResponseWriter, status int, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever asked is gone, and asks again
}

// Bounds of a connection.
const (
	headTimeout  = 5 * time.Second
	readTimeout  = 15 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	endTimeout   = 10 * time.Second
	maxHead      = 16 << 10
)

// Serve answers on a listener until the context ends, and then lets requests that are being answered come to their end, for 10 seconds. It
// closes the listener. A listener for TLS is the caller's to make.
func Serve(ctx context.Context, l net.Listener, h http.Handler, logger *slog.Logger) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHead, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return &taffrail.Error{Op: "serve witness", Kind: taffrail.KindUnavailable, Err: err}
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := s.Shutdown(end)
	if err != nil {
		err = &taffrail.Error{Op: "end witness", Kind: taffrail.KindUnavailable, Err: errors.Join(err, s.Close())}
	}
	<-ended //nolint:errcheck // it says that it was shut down
	return err
}
