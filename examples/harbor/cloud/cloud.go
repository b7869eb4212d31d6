// Package cloud is a practice cloud: a small HTTP server that keeps objects of a
// few types, for demonstrations and tests. It is nobody's production system.
//
// Objects live in memory and, if a path is given, in one JSON file that is
// replaced on each change before the change is answered. Ids count up by type
// (fw-0001, fw-0002) and are never given twice. The protocol is that of package
// [api].
//
// A cloud can be made to misbehave, see [api.Effect]; a request with
// [api.HeaderOperator] is a person's, and is not subject to faults.
package cloud

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

const maxBody = 4 << 20

// Options say how a cloud behaves. The zero value is a cloud in memory that
// lets everybody in.
type Options struct {
	// File keeps the objects over a restart; "" keeps them in memory alone. One
	// cloud at a time may use a file.
	File string
	// Token is asked of every client as a bearer token; "" asks for none.
	Token string
	// Tick is how often an object arrives in each bucket by itself; 0 is never.
	Tick time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger gets one record for each request; nil is silence.
	Logger *slog.Logger
}

// A Cloud is an HTTP handler. Close it to release requests that it holds.
type Cloud struct {
	store   *store
	faults  faults
	token   string
	tick    time.Duration
	now     func() time.Time
	logger  *slog.Logger
	mux     *http.ServeMux
	stop    sync.Once
	stopped chan struct{}
}

// Open reads the cloud's file, if there is one.
func Open(o Options) (*Cloud, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	now := func() time.Time { return o.Now().UTC() }
	s, err := openStore(o.File, now)
	if err != nil {
		return nil, err
	}
	c := &Cloud{store: s, token: o.Token, tick: o.Tick, now: now, logger: o.Logger, stopped: make(chan struct{})}
	c.mux = http.NewServeMux()
	c.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	c.mux.HandleFunc("GET /v1/{$}", c.faulty(c.listObjects))
	c.mux.HandleFunc("GET /v1/{type}", c.faulty(c.listObjects))
	c.mux.HandleFunc("POST /v1/{type}", c.faulty(c.createObject))
	c.mux.HandleFunc("GET /v1/{type}/{id}", c.faulty(c.getObject))
	c.mux.HandleFunc("PUT /v1/{type}/{id}", c.faulty(c.replaceObject))
	c.mux.HandleFunc("PATCH /v1/{type}/{id}", c.faulty(c.patchObject))
	c.mux.HandleFunc("DELETE /v1/{type}/{id}", c.faulty(c.deleteObject))
	c.mux.HandleFunc("GET /admin/faults", c.listFaults)
	c.mux.HandleFunc("PUT /admin/faults", c.setFault)
	c.mux.HandleFunc("DELETE /admin/faults", c.clearFaults)
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, api.ErrorDetail{Code: "NoSuchEndpoint", Message: "no endpoint answers " + r.Method + " " + r.URL.Path})
	})
	return c, nil
}

// Close releases held requests. What was answered is durable without it.
func (c *Cloud) Close() error {
	c.stop.Do(func() { close(c.stopped) })
	return nil
}

// ServeHTTP answers one request.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := c.now()
	if r.URL.Path == "/healthz" || c.admit(w, r) {
		c.mux.ServeHTTP(w, r)
	}
	c.logger.Info("request", "method", r.Method, "path", r.URL.Path, "took", c.now().Sub(start))
}

// admit checks the bearer token: none is 401, a wrong one is 403.
func (c *Cloud) admit(w http.ResponseWriter, r *http.Request) bool {
	if c.token == "" {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok:
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, api.ErrorDetail{Code: "Unauthenticated", Message: "a bearer token is required"})
		return false
	case subtle.ConstantTimeCompare([]byte(given), []byte(c.token)) != 1:
		refuse(w, http.StatusForbidden, api.ErrorDetail{Code: "InvalidToken", Message: "the bearer token is not the one of this cloud"})
		return false
	}
	return true
}

// An apiHandler answers a request under the faults that are on for it.
type apiHandler func(w http.ResponseWriter, r *http.Request, e effects) error

// faulty refuses unknown types, lets faults act, and answers the error of next.
func (c *Cloud) faulty(next apiHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, id := r.PathValue("type"), r.PathValue("id")
		if _, ok := kinds[kind]; kind != "" && !ok {
			refuse(w, http.StatusNotFound, api.ErrorDetail{Code: "UnknownType", Type: kind, Message: "the types are " + strings.Join(kindNames(), ", ")})
			return
		}
		var e effects
		if !operator(r) {
			e = c.faults.on(kind, id, c.nameOf(kind, id))
			if c.misbehave(w, r, e) {
				return
			}
		}
		if err := next(w, r, e); err != nil {
			c.answerError(w, r, err)
		}
	}
}

func operator(r *http.Request) bool { return r.Header.Get(api.HeaderOperator) == "1" }

// nameOf returns the name that an object has, or had when it was deleted lately.
func (c *Cloud) nameOf(kind, id string) string {
	if id == "" {
		return ""
	}
	c.store.mu.RLock()
	defer c.store.mu.RUnlock()
	if o := c.store.latestKnown(keyOf(kind, id)); o != nil {
		return o.Name()
	}
	return ""
}

// A refusal is an error that is the client's to know.
type refusal struct {
	status int
	detail api.ErrorDetail
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.detail.Message) }

func (c *Cloud) answerError(w http.ResponseWriter, r *http.Request, err error) {
	var known *refusal
	if !errors.As(err, &known) {
		c.logger.Error("request", "path", r.URL.Path, "error", err)
		known = &refusal{status: http.StatusInternalServerError, detail: api.ErrorDetail{Code: "InternalError", Message: err.Error()}}
	}
	known.detail.Type, known.detail.ID = r.PathValue("type"), r.PathValue("id")
	refuse(w, known.status, known.detail)
}

func refuse(w http.ResponseWriter, status int, detail api.ErrorDetail) {
	answer(w, status, api.ErrorBody{Error: detail})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone, or has it
}
