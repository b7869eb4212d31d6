package splunk

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// A receiver speaks as an HTTP Event Collector.
type receiver struct {
	endpoint *receive.Endpoint
	config   Config
	now      func() time.Time

	mu       sync.Mutex
	channels map[string]int64 // how many acknowledgements each was given
}

// Receive implements [taffrail.EventReceiver].
func (r *receiver) Receive(ctx context.Context, ready func(string), emit receive.Emit) error {
	return r.endpoint.Serve(ctx, ready, r.handler(emit), func(w http.ResponseWriter, _ *http.Request) { busy.write(w) })
}

// A taker makes records of a body. The fault is the answer to it, if something in it is wrong.
type taker func(req *http.Request, body []byte, fault **answer) iter.Seq[taffrail.Record]

func (r *receiver) handler(emit receive.Emit) http.Handler {
	mux := http.NewServeMux()
	for path, h := range map[string]http.HandlerFunc{
		"": r.taking(r.events, emit), "/event": r.taking(r.events, emit), "/raw": r.taking(r.lines, emit), "/ack": r.acks, "/health": r.health,
	} {
		mux.HandleFunc("/services/collector"+path, h)
		mux.HandleFunc("/services/collector"+path+"/1.0", h)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound.write(w) })
	return mux
}

// health is asked without a token by load balancers.
func (r *receiver) health(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		badMethod.write(w)
		return
	}
	healthy.write(w)
}

// taking is a handler that takes what a taker makes of a body. What is wrong is in the log as what it is, beside what is right, before the sender is
// told.
func (r *receiver) taking(take taker, emit receive.Emit) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		peer, channel, refusal := r.admit(req)
		if refusal != nil {
			refusal.write(w)
			return
		}
		body, err := r.endpoint.Body(w, req)
		if err != nil {
			unread(err).write(w)
			return
		}
		if strings.TrimSpace(string(body)) == "" {
			noData.write(w)
			return
		}
		var fault *answer
		if err := receive.Deliver(req.Context(), emit, peer, take(req, body, &fault)); err != nil {
			busy.write(w)
			return
		}
		if fault != nil {
			fault.write(w)
			return
		}
		done := success
		if r.config.Acks {
			done.Ack = new(r.acknowledge(channel))
		}
		done.write(w)
	}
}

// admit says who sends, and over which channel, or why they may not.
func (r *receiver) admit(req *http.Request) (peer, channel string, refusal *answer) {
	if req.Method != http.MethodPost {
		return "", "", &badMethod
	}
	name, refusal := r.holder(req)
	if refusal != nil {
		return "", "", refusal
	}
	if channel, refusal = channelOf(req); refusal != nil && (r.config.Acks || refusal != &noChannel) {
		return "", "", refusal
	}
	return receive.Peer(req, name), channel, nil
}

// holder says whose token a request has: after the scheme Splunk, as the password of Basic, or in the address if that is allowed.
func (r *receiver) holder(req *http.Request) (string, *answer) {
	if len(r.endpoint.Tokens) == 0 {
		return "", nil
	}
	token, ok := receive.Scheme(req, "Splunk")
	if !ok {
		_, token, ok = req.BasicAuth()
	}
	if !ok && req.Header.Get("Authorization") != "" {
		return "", &badAuth
	}
	if !ok && req.URL.Query().Has("token") {
		if !r.config.QueryToken {
			return "", &noQueryToken
		}
		token, ok = req.URL.Query().Get("token"), true
	}
	if !ok || token == "" {
		return "", &tokenRequired
	}
	name, known := r.endpoint.Tokens.Holder(token)
	if !known {
		return "", &badToken
	}
	return name, nil
}

// channelForm is a GUID.
var channelForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)

func channelOf(req *http.Request) (string, *answer) {
	channel := req.Header.Get("X-Splunk-Request-Channel")
	if channel == "" {
		channel = req.URL.Query().Get("channel")
	}
	switch {
	case channel == "":
		return "", &noChannel
	case !channelForm.MatchString(channel):
		return "", &badChannel
	}
	return strings.ToLower(channel), nil
}

// maxChannels bounds how many channels are remembered. Of one that is forgotten nothing is acknowledged, and its sender sends again.
const maxChannels = 10_000

// acknowledge gives the next id of a channel, for a request that is in the log already. So every id below the next one stands for something that
// is in the log, and no more than their number has to be remembered; one from before a restart is true only if that many were given since.
func (r *receiver) acknowledge(channel string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, known := r.channels[channel]
	if !known && len(r.channels) >= maxChannels {
		for other := range r.channels {
			delete(r.channels, other)
			break
		}
	}
	r.channels[channel] = id + 1
	return id
}

// maxAcks bounds how many acknowledgements are asked for at once.
const maxAcks = 100_000

// acks says of each id whether its request is in the log.
func (r *receiver) acks(w http.ResponseWriter, req *http.Request) {
	_, channel, refusal := r.admit(req)
	switch {
	case refusal != nil:
		refusal.write(w)
		return
	case !r.config.Acks:
		acksDisabled.write(w)
		return
	}
	body, err := r.endpoint.Body(w, req)
	if err != nil {
		unread(err).write(w)
		return
	}
	var asked struct {
		Acks []int64 `json:"acks"`
	}
	if json.Unmarshal(body, &asked) != nil || asked.Acks == nil || len(asked.Acks) > maxAcks {
		badFormat.write(w)
		return
	}
	r.mu.Lock()
	given := r.channels[channel]
	r.mu.Unlock()
	told := make(map[string]bool, len(asked.Acks))
	for _, id := range asked.Acks {
		told[strconv.FormatInt(id, 10)] = id >= 0 && id < given
	}
	writeJSON(w, http.StatusOK, map[string]any{"acks": told})
}
