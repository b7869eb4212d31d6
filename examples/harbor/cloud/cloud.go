// Package cloud is a practice cloud: a small HTTP server that keeps objects of a
// few types, for demonstrations and tests. It is nobody's production system.
//
// Objects live in memory and, if a path is given, in one JSON file and a journal
// of changes beside it; each change is in the journal before it is answered. Ids
// count up by type (fw-0001, fw-0002), or follow from a seed, and are never given
// twice. The protocol is that of package [api].
//
// A cloud may ask callers for a credential, tell each call to an audit trail, and
// what the calls changed to a truth log.
//
// A cloud can be made to misbehave, see [api.Effect]; a request with
// [api.HeaderOperator] is a person's, and is not subject to faults.
package cloud

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
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
	// Clock is a clock of the cloud's own, which moves with each request; nil is Now.
	Clock *Clock
	// Seed makes ids, of objects and of events, that follow from it; "" counts
	// objects, and gives events random ids.
	Seed string
	// Directory is who may call, each with a credential; nil lets everybody in, and
	// knows nobody.
	Directory *identity.Directory
	// Trail gets a record of each call, Truth what the calls changed. They are not
	// the cloud's to close.
	Trail Recorder
	Truth Teller
	// Logger gets one record for each request; nil is silence.
	Logger *slog.Logger
}

// A Recorder keeps an audit trail, as a [trail.Writer] does.
type Recorder interface {
	// Append takes a record, and whether it is one of a change.
	Append(r trail.Record, change bool) error
	// LastChange is the id of the last record of a change, and Count how many
	// records there are, in both cases of all processes.
	LastChange() string
	Count() uint64
	// Flush delivers what was appended.
	Flush() error
}

// A Teller keeps what calls changed, as a [trail.TruthLog] does.
type Teller interface {
	Append(lines []trail.Truth) error
	// Last is the event of the last line.
	Last() string
}

// A Cloud is an HTTP handler. Close it to release requests that it holds.
type Cloud struct {
	store   *store
	faults  faults
	token   string
	mint    *identity.Mint // nil where nobody is asked who they are
	people  identity.Directory
	clock   *Clock
	trail   Recorder
	truth   Teller
	idSeed  string
	events  atomic.Uint64
	fleet   controller
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
	if o.Clock != nil {
		o.Now = o.Clock.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	now := func() time.Time { return o.Now().UTC() }
	s, err := openStore(o.File, o.Seed, now)
	if err != nil {
		return nil, err
	}
	c := &Cloud{store: s, token: o.Token, tick: o.Tick, now: now, logger: o.Logger, stopped: make(chan struct{}), clock: o.Clock, trail: o.Trail, truth: o.Truth}
	c.idSeed = cmp.Or(o.Seed, rand.Text())
	if o.Clock != nil {
		o.Clock.atLeast(s.newest())
	}
	if o.Directory != nil {
		c.people, c.mint = *o.Directory, identity.NewMint(cmp.Or(o.Token, o.Seed), *o.Directory)
	}
	if o.Trail != nil {
		c.idSeed += fmt.Sprintf(" after %d", o.Trail.Count()) // no two processes make the same ids
		s.witness, s.tell = c.witness, c.tell
		if err := c.catchUp(); err != nil {
			return nil, fmt.Errorf("tell what was done before: %w", err)
		}
	}
	c.fleet.seed(c.idSeed)
	c.routes()
	return c, nil
}

func (c *Cloud) routes() {
	c.mux = http.NewServeMux()
	c.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	c.mux.HandleFunc("GET /v1/{$}", c.faulty(verbList, c.listObjects))
	c.mux.HandleFunc("GET /v1/{type}", c.faulty(verbList, c.listObjects))
	c.mux.HandleFunc("POST /v1/{type}", c.faulty(verbCreate, c.createObject))
	c.mux.HandleFunc("GET /v1/{type}/{id}", c.faulty(verbGet, c.getObject))
	c.mux.HandleFunc("PUT /v1/{type}/{id}", c.faulty(verbReplace, c.replaceObject))
	c.mux.HandleFunc("PATCH /v1/{type}/{id}", c.faulty(verbModify, c.patchObject))
	c.mux.HandleFunc("DELETE /v1/{type}/{id}", c.faulty(verbDelete, c.deleteObject))
	c.mux.HandleFunc("POST /v1/{type}/{id}/{action}", c.faulty(verbAction, c.act))
	c.mux.HandleFunc("POST /sso/SignIn", c.open(c.signIn))
	c.mux.HandleFunc("POST /sts/AssumeRole", c.open(c.assumeRole))
	c.mux.HandleFunc("POST /sts/AssumeRoleWithWebIdentity", c.open(c.assumeRoleWithWebIdentity))
	c.mux.HandleFunc("GET /sts/GetCallerIdentity", c.open(c.callerIdentity))
	c.mux.HandleFunc("GET /admin/principals", c.listPrincipals)
	c.mux.HandleFunc("GET /admin/faults", c.listFaults)
	c.mux.HandleFunc("PUT /admin/faults", c.setFault)
	c.mux.HandleFunc("DELETE /admin/faults", c.clearFaults)
	c.mux.HandleFunc("POST /admin/controller", c.stepController)
	c.mux.HandleFunc("POST /admin/populate", c.populate)
	c.mux.HandleFunc("POST /admin/clock", c.moveClock)
	c.mux.HandleFunc("POST /admin/trail", c.flushTrail)
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, api.ErrorDetail{Code: "NoSuchEndpoint", Message: "no endpoint answers " + r.Method + " " + r.URL.Path})
	})
}

// Close releases held requests, and writes everything into the one file. What was
// answered is durable without it.
func (c *Cloud) Close() (err error) {
	c.stop.Do(func() {
		close(c.stopped)
		err = c.store.close()
	})
	return err
}

// ServeHTTP answers one request, and has it told.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.clock != nil && !strings.HasPrefix(r.URL.Path, "/admin/") {
		c.clock.step()
	}
	start := c.now()
	if r.URL.Path == "/healthz" || c.admit(w, r) {
		c.serve(w, r)
	}
	c.logger.Info("request", "method", r.Method, "path", r.URL.Path, "took", c.now().Sub(start))
}

func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	by, err := c.caller(r)
	if err != nil {
		refuse(w, http.StatusForbidden, api.ErrorDetail{Code: "InvalidAccessKey", Message: err.Error()})
		return
	}
	c.serveAs(w, r, by)
}

// serveAs answers a request of somebody who is known.
func (c *Cloud) serveAs(w http.ResponseWriter, r *http.Request, by identity.Session) {
	r, d := c.begin(r, by)
	c.mux.ServeHTTP(w, r)
	if err := c.end(d); err != nil {
		c.logger.Error("tell", "call", d.fullName(), "error", err)
	}
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

// faulty refuses unknown types and whoever may not do what they ask for, lets
// faults act, and answers the error of next.
func (c *Cloud) faulty(v verb, next apiHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, id, d := r.PathValue("type"), r.PathValue("id"), deedOf(r)
		if _, ok := kinds[kind]; kind != "" && !ok {
			refuse(w, http.StatusNotFound, api.ErrorDetail{Code: "UnknownType", Type: kind, Message: "the types are " + strings.Join(kindNames(), ", ")})
			return
		}
		if !d.named(w, r, kind, v) {
			return
		}
		given, malformed := readGiven(w, r, v)
		d.given = given
		if !d.by.May(d.fullName()) {
			c.answerError(w, r, denied(d))
			return
		}
		var e effects
		if !operator(r) {
			e = c.faults.on(kind, id, c.nameOf(kind, id))
			if c.misbehave(w, r, e) {
				return
			}
		}
		err := malformed
		if err == nil {
			err = next(w, r, e)
		}
		if err != nil {
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
	deedOf(r).fail(known.detail)
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
