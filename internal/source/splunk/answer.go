package splunk

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// An answer is what the collector says: one of its codes, its text and its status.
type answer struct {
	status int
	Text   string `json:"text"`
	Code   int    `json:"code"`
	// Invalid is the number of the first event that is wrong, counted from 0.
	Invalid *int   `json:"invalid-event-number,omitempty"`
	Ack     *int64 `json:"ackId,omitempty"`
}

// The answers, as the collector's documentation lists them.
var (
	success        = answer{status: http.StatusOK, Text: "Success", Code: 0}
	tokenRequired  = answer{status: http.StatusUnauthorized, Text: "Token is required", Code: 2}
	badAuth        = answer{status: http.StatusUnauthorized, Text: "Invalid authorization", Code: 3}
	badToken       = answer{status: http.StatusForbidden, Text: "Invalid token", Code: 4}
	noData         = answer{status: http.StatusBadRequest, Text: "No data", Code: 5}
	badFormat      = answer{status: http.StatusBadRequest, Text: "Invalid data format", Code: 6}
	failed         = answer{status: http.StatusInternalServerError, Text: "Internal server error", Code: 8}
	busy           = answer{status: http.StatusServiceUnavailable, Text: "Server is busy", Code: 9}
	noChannel      = answer{status: http.StatusBadRequest, Text: "Data channel is missing", Code: 10}
	badChannel     = answer{status: http.StatusBadRequest, Text: "Invalid data channel", Code: 11}
	eventRequired  = answer{status: http.StatusBadRequest, Text: "Event field is required", Code: 12}
	eventBlank     = answer{status: http.StatusBadRequest, Text: "Event field cannot be blank", Code: 13}
	acksDisabled   = answer{status: http.StatusBadRequest, Text: "ACK is disabled", Code: 14}
	noQueryToken   = answer{status: http.StatusBadRequest, Text: "Query string authorization is not enabled", Code: 16}
	healthy        = answer{status: http.StatusOK, Text: "HEC is healthy", Code: 17}
	tooLarge       = answer{status: http.StatusRequestEntityTooLarge, Text: "Request entity too large", Code: 27}
	notFound       = answer{status: http.StatusNotFound, Text: "The requested URL was not found on this server.", Code: 404}
	badMethod      = answer{status: http.StatusMethodNotAllowed, Text: "Method Not Allowed", Code: 405}
	tooSlow        = answer{status: http.StatusRequestTimeout, Text: "Request timed out", Code: 408}
	badCompression = answer{status: http.StatusUnsupportedMediaType, Text: "Unsupported content encoding", Code: 415}
)

// at names the event that an answer is about.
func (a answer) at(n int) *answer {
	a.Invalid = &n
	return &a
}

func (a answer) write(w http.ResponseWriter) {
	if a.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, a.status, a)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who is gone needs no answer
}

// unread is the answer where a body was not taken.
func unread(err error) answer {
	var refusal *receive.Refusal
	if !errors.As(err, &refusal) {
		return failed
	}
	switch refusal.Status {
	case http.StatusRequestEntityTooLarge:
		return tooLarge
	case http.StatusRequestTimeout:
		return tooSlow
	case http.StatusUnsupportedMediaType:
		return badCompression
	case http.StatusServiceUnavailable:
		return busy
	}
	return badFormat
}
