package otlp

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// overGRPC takes one call of Export. It is one request of HTTP/2 with one message in it, so it goes through the same bounds as every other; refusals
// of these bounds are answers of HTTP, which clients of gRPC understand.
func (r *receiver) overGRPC(w http.ResponseWriter, req *http.Request, emit receive.Emit) {
	if !strings.HasPrefix(req.Header.Get("Content-Type"), grpcType) || req.ProtoMajor < 2 {
		http.Error(w, "this is the address for gRPC", http.StatusUnsupportedMediaType)
		return
	}
	peer, ok := r.endpoint.Bearer(w, req)
	if !ok {
		return
	}
	body, err := r.endpoint.Body(w, req)
	if err != nil {
		receive.Refuse(w, err)
		return
	}
	message, err := messageOf(body, req.Header.Get("Grpc-Encoding"), r.maxBody)
	if err != nil {
		finish(w, codes.InvalidArgument, err.Error())
		return
	}
	taken, err := r.take(req.Context(), emit, peer, message, false)
	if err != nil {
		code, what := refusalOf(err)
		if code == http.StatusServiceUnavailable {
			finish(w, codes.Unavailable, what)
			return
		}
		finish(w, codes.InvalidArgument, what)
		return
	}
	answer := taken.encode(false)
	head(w)
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(answer)))
	_, _ = w.Write(append(frame, answer...)) // who is gone needs no answer
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}

func head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", grpcType)
	w.WriteHeader(http.StatusOK)
}

// finish ends a call without a message: with trailers alone.
func finish(w http.ResponseWriter, code codes.Code, what string) {
	w.Header().Set("Grpc-Status", strconv.Itoa(int(code)))
	w.Header().Set("Grpc-Message", what) // plain ASCII, of ours
	head(w)
}

// frameHead is a byte that says whether a message is packed, and its length.
const frameHead = 5

// messageOf takes the one message out of a body.
func messageOf(body []byte, encoding string, limit int) ([]byte, error) {
	if len(body) < frameHead || int64(len(body)-frameHead) != int64(binary.BigEndian.Uint32(body[1:])) {
		return nil, errors.New("there is not one message in the call")
	}
	switch packed := body[0]; {
	case packed == 0:
		return body[frameHead:], nil
	case packed != 1 || encoding != "gzip":
		return nil, errors.New("the message is packed with something else than gzip")
	}
	from, err := gzip.NewReader(bytes.NewReader(body[frameHead:]))
	if err != nil {
		return nil, errors.New("the message is not gzip")
	}
	message, err := io.ReadAll(io.LimitReader(from, int64(limit)+1))
	switch {
	case err != nil:
		return nil, errors.New("the message is not gzip")
	case len(message) > limit:
		return nil, errors.New("the message is too large")
	}
	return message, nil
}
