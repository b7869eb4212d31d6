package kubeaudit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// A receiver is the webhook backend of an API server.
type receiver struct{ endpoint *receive.Endpoint }

// Receive implements [taffrail.EventReceiver].
func (r receiver) Receive(ctx context.Context, ready func(string), emit receive.Emit) error {
	return r.endpoint.Serve(ctx, ready, r.handler(emit), nil)
}

// handler takes an EventList, whatever the path is. The server sends a list again where it is answered with a status of 500 and more or 429, and
// only there: everything that may work later is one of these.
func (r receiver) handler(emit receive.Emit) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		peer, ok := r.endpoint.Bearer(w, req)
		if !ok {
			return
		}
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "events are sent by POST", http.StatusMethodNotAllowed)
			return
		}
		body, err := r.endpoint.Body(w, req)
		if err != nil {
			receive.Refuse(w, err)
			return
		}
		records, fault := recordsOf(body)
		if err := receive.Deliver(req.Context(), emit, peer, records); err != nil {
			receive.Refuse(w, err)
			return
		}
		if fault != "" { // it is in the log as what it is, and would be no better if it came again
			http.Error(w, fault, http.StatusBadRequest)
		}
	})
}

// recordsOf takes a list apart. What is no list of events is one record with a fault.
func recordsOf(body []byte) (records []taffrail.Record, fault string) {
	var list struct {
		Kind       string            `json:"kind"`
		APIVersion string            `json:"apiVersion"`
		Items      []json.RawMessage `json:"items"`
	}
	switch err := json.Unmarshal(body, &list); {
	case err != nil:
		fault = "it is no JSON of the form of an EventList"
	case !strings.HasPrefix(list.APIVersion, "audit.k8s.io/"):
		fault = "its apiVersion is not audit.k8s.io/v1"
	case list.Kind == "Event":
		return []taffrail.Record{{Format: Name, Raw: body}}, ""
	case list.Kind != "EventList":
		fault = "it is neither an EventList nor an Event"
	}
	if fault != "" {
		return []taffrail.Record{{Format: Name, Raw: body, Where: "body", Fault: fault}}, fault
	}
	for i, item := range list.Items {
		records = append(records, taffrail.Record{Format: Name, Raw: item, Where: fmt.Sprintf("item %d", i+1)})
	}
	return records, ""
}
