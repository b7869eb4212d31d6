// Package webhook takes events of any system that can post JSON, by a mapping that its operator writes.
//
// A sender posts one object, a list of objects, or objects one after the other. It is known by a bearer token, by a certificate, or by a signature over
// the body, as forges and other services make it. What is recognised as a record of CloudTrail or of a Kubernetes API server goes to the decoder of
// that; everything else is read by the mapping.
package webhook

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
	"github.com/taffrail-dev/taffrail/internal/source/internal/route"
)

// Name is the plug-in's name.
const Name = "webhook"

// Config says where events are posted, by whom, and what is where in them.
type Config struct {
	receive.Config `yaml:",inline"`
	// Path is where events are posted; anywhere if it is empty.
	Path string `yaml:"path"`
	// Signature is for senders that sign what they post.
	Signature Signature `yaml:"signature"`
	// Headers are those that the mapping looks at, below taffrail.headers: X-GitHub-Event is at taffrail.headers.X-Github-Event, each by its canonical name.
	Headers []string `yaml:"headers"`
	// Mapping says where in an event is what.
	Mapping mapping.Config `yaml:"mapping"`
}

const hint = "a record is a JSON object, with a time and an action where the mapping says"

// Register registers the plug-in.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.Decoder, error) {
		return mapping.New(Name, env.Sealer, c.Mapping.Or(mapping.Config{Time: "taffrail.received"}), hint)
	})
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.EventReceiver, error) {
		if err := c.checkHeaders(); err != nil {
			return nil, err
		}
		signature, err := c.Signature.open()
		if err != nil {
			return nil, err
		}
		endpoint, err := receive.Open(env, c.Config, signature != nil)
		if err != nil {
			return nil, err
		}
		return &receiver{endpoint: endpoint, config: c, signature: signature, now: env.Now,
			stamps: len(c.Headers) > 0 || c.Mapping.Time == "" || strings.Contains(c.Mapping.Time, "taffrail.received")}, nil
	})
}

// checkHeaders refuses those that let a sender in: they would be kept with each of its records.
func (c Config) checkHeaders() error {
	for _, name := range c.Headers {
		if slices.Contains([]string{"Authorization", "Proxy-Authorization", "Cookie"}, http.CanonicalHeaderKey(name)) || strings.EqualFold(name, c.Signature.Header) {
			return receive.Invalid("leave it out of `headers`", fmt.Errorf("headers: %s is what a sender is known by", name))
		}
	}
	return nil
}

// A receiver takes what is posted.
type receiver struct {
	endpoint  *receive.Endpoint
	config    Config
	signature *signer
	stamps    bool // what is known of a delivery is put into its records
	now       func() time.Time
}

// Receive implements [taffrail.EventReceiver].
func (r *receiver) Receive(ctx context.Context, ready func(string), emit receive.Emit) error {
	return r.endpoint.Serve(ctx, ready, r.handler(emit), nil)
}

func (r *receiver) handler(emit receive.Emit) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		peer, ok := r.endpoint.Bearer(w, req)
		if !ok {
			return
		}
		if req.Method != http.MethodPost || r.config.Path != "" && req.URL.Path != r.config.Path {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "events are sent by POST, to the path in the settings", http.StatusMethodNotAllowed)
			return
		}
		body, err := r.endpoint.Body(w, req)
		if err != nil {
			receive.Refuse(w, err)
			return
		}
		if r.signature != nil && !r.signature.signed(req.Header, body) {
			http.Error(w, "the signature is missing or wrong", http.StatusUnauthorized)
			return
		}
		fault := ""
		if err := receive.Deliver(req.Context(), emit, peer, r.records(payload(req, body), req.Header, &fault)); err != nil {
			receive.Refuse(w, err)
			return
		}
		if fault != "" { // it is in the log as what it is, and would be no better if it came again
			http.Error(w, fault, http.StatusBadRequest)
		}
	})
}

// payload is the body, or the field of a form in which some forges send it.
func payload(r *http.Request, body []byte) []byte {
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return body
	}
	if text, ok := formField(body, "payload"); ok {
		return text
	}
	return body
}

// records takes a body apart. The fault is that of the first piece that has one.
func (r *receiver) records(body []byte, header http.Header, fault *string) iter.Seq[taffrail.Record] {
	delivery := mapping.Delivery{Received: r.now().UTC(), Headers: r.headers(header)}
	return func(yield func(taffrail.Record) bool) {
		n := 0
		for piece := range route.Split(body) {
			n++
			where := fmt.Sprintf("value %d", n)
			if piece.Fault != "" && *fault == "" {
				*fault = where + ": " + piece.Fault
			}
			for _, rec := range route.Of(piece, func(raw []byte) taffrail.Record {
				if r.stamps {
					raw = mapping.Stamp(raw, delivery)
				}
				return taffrail.Record{Format: Name, Raw: raw}
			}) {
				rec.Where = where
				if !yield(rec) {
					return
				}
			}
		}
	}
}

func (r *receiver) headers(from http.Header) map[string]string {
	some := map[string]string{}
	for _, name := range r.config.Headers {
		if value := from.Get(name); value != "" {
			some[http.CanonicalHeaderKey(name)] = value
		}
	}
	return some
}
