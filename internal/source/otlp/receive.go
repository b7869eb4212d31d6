package otlp

import (
	"context"
	"errors"
	"mime"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
	grpcType     = "application/grpc"
)

func (r *receiver) handler(emit receive.Emit) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, req *http.Request) { r.overHTTP(w, req, emit) })
	mux.HandleFunc("POST /opentelemetry.proto.collector.logs.v1.LogsService/Export", func(w http.ResponseWriter, req *http.Request) { r.overGRPC(w, req, emit) })
	return mux
}

// overHTTP takes one export as protobuf or as JSON, and answers in the same form.
func (r *receiver) overHTTP(w http.ResponseWriter, req *http.Request, emit receive.Emit) {
	media, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if media != protobufType && media != jsonType {
		http.Error(w, "logs are sent as "+protobufType+" or "+jsonType, http.StatusUnsupportedMediaType)
		return
	}
	peer, ok := r.endpoint.Bearer(w, req)
	if !ok {
		return
	}
	body, err := r.endpoint.Body(w, req)
	if err != nil {
		refuse(w, media, err)
		return
	}
	taken, err := r.take(req.Context(), emit, peer, body, media == jsonType)
	if err != nil {
		refuse(w, media, err)
		return
	}
	write(w, media, http.StatusOK, taken.encode(media == jsonType))
}

// errNoLogs is for a body that is none of the protocol. It is in the log as what it is.
var errNoLogs = errors.New("it is no export of logs")

// take takes one export into the log. What is refused of it is in the log, too, as what it is; the answer says how much that is.
func (r *receiver) take(ctx context.Context, emit receive.Emit, peer string, body []byte, isJSON bool) (done, error) {
	var f form = protobufForm{}
	if isJSON {
		f = jsonForm{}
	}
	if !f.valid(body) {
		bad := taffrail.Record{Format: Name, Raw: body, Where: "body", Fault: errNoLogs.Error()}
		return done{}, errors.Join(stored(emit(ctx, taffrail.Batch{Origin: peer, Records: []taffrail.Record{bad}})), errNoLogs)
	}
	t := &taking{form: f, now: r.now().UTC()}
	if err := receive.Deliver(ctx, emit, peer, t.records(body)); err != nil {
		return done{}, stored(err)
	}
	return done{refused: t.refused}, nil
}

// stored makes of an error of emit one that senders try again after.
func stored(err error) error {
	if err == nil {
		return nil
	}
	return &receive.Refusal{Status: http.StatusServiceUnavailable, What: "it was not stored"}
}

// refuse answers with a Status, as the protocol wants it, and a status of HTTP after which senders try again or not.
func refuse(w http.ResponseWriter, media string, err error) {
	code, what := refusalOf(err)
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	marshal := proto.Marshal
	if media == jsonType {
		marshal = protojson.Marshal
	}
	body, _ := marshal(status.New(codes.Unknown, what).Proto()) // it has nothing that could fail
	write(w, media, code, body)
}

// refusalOf gives the status of HTTP for an error, and its text.
func refusalOf(err error) (code int, what string) {
	var refusal *receive.Refusal
	if errors.As(err, &refusal) {
		return refusal.Status, refusal.What
	}
	return http.StatusBadRequest, errNoLogs.Error()
}

func write(w http.ResponseWriter, media string, code int, body []byte) {
	w.Header().Set("Content-Type", media)
	w.WriteHeader(code)
	_, _ = w.Write(body) // who is gone needs no answer
}
