package kubeaudit

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
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
func recordsOf(body []byte) (records iter.Seq[taffrail.Record], fault string) {
	if fault = faultOf(body); fault != "" {
		return one(taffrail.Record{Format: Name, Raw: body, Where: "body", Fault: fault}), fault
	}
	items, ok := jsonscan.Field(body, "items")
	if !ok {
		return one(taffrail.Record{Format: Name, Raw: body, Where: "body"}), ""
	}
	return func(yield func(taffrail.Record) bool) {
		n := 0
		for item := range jsonscan.Elems(items) {
			n++
			if !yield(taffrail.Record{Format: Name, Raw: item, Where: fmt.Sprintf("item %d", n)}) {
				return
			}
		}
	}, ""
}

func one(r taffrail.Record) iter.Seq[taffrail.Record] { return slices.Values([]taffrail.Record{r}) }

// faultOf says why a body is neither a list of events nor one.
func faultOf(body []byte) string {
	if !json.Valid(body) {
		return "it is no JSON"
	}
	field := func(name string) string {
		value, _ := jsonscan.Field(body, name)
		text, _ := jsonscan.Text(value)
		return text
	}
	items, list := jsonscan.Field(body, "items")
	switch kind := field("kind"); {
	case !strings.HasPrefix(field("apiVersion"), "audit.k8s.io/"):
		return "its apiVersion is not audit.k8s.io/v1"
	case kind == "EventList" && list && items[0] != '[':
		return "its items are no list"
	case kind == "EventList" && list, kind == "Event" && !list:
		return ""
	}
	return "it is neither an EventList nor an Event"
}
