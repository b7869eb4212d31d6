// Package route takes apart what was sent by someone who collects for many sources, and says whose record each part is.
//
// A collector forwards records as they are, within a form of its own. [Split] finds the JSON values in a body, however they follow each other;
// [Records] knows records of CloudTrail and of a Kubernetes API server by their form, alone or in what they are delivered in: a log file of
// CloudTrail, an event of EventBridge, a message of CloudWatch Logs, a list of audit events. What it does not know is the collector's own to map.
package route

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
)

// The formats that are known, which are names of plug-ins.
const (
	cloudTrail = "cloudtrail"
	kubeAudit  = "kubeaudit"
)

// A Piece is one JSON value of a body, or bytes between two that are none.
type Piece struct {
	Raw   []byte
	Fault string // what is wrong with it; empty: it is JSON
}

// maxFaults bounds how many pieces of a body are faulty. What comes after that many is one piece.
const maxFaults = 100

// Split gives the values of a body: one, or several one after the other, with white space between them or without; of lists their elements. What is
// no JSON is a piece with a fault, up to its last bracket or the end of its line.
func Split(body []byte) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		faults := 0
		for at := jsonscan.Space(body, 0); at < len(body); at = jsonscan.Space(body, at) {
			end, ok := jsonscan.Value(body, at)
			if ok && json.Valid(body[at:end]) {
				if !eachOf(body[at:end], yield) {
					return
				}
				at = end
				continue
			}
			if !ok || body[at] != '{' && body[at] != '[' {
				end = lineEnd(body, at)
			}
			if faults++; faults == maxFaults {
				end = len(body)
			}
			raw := bytes.TrimSpace(body[at:end])
			if len(raw) == 0 {
				raw = body[at:end] // white space to others, and not to JSON
			}
			if !yield(Piece{Raw: raw, Fault: "it is no JSON"}) {
				return
			}
			at = end
		}
	}
}

func lineEnd(body []byte, at int) int {
	if n := bytes.IndexByte(body[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(body)
}

func eachOf(value []byte, yield func(Piece) bool) bool {
	if value[0] != '[' {
		return yield(Piece{Raw: value})
	}
	for e := range jsonscan.Elems(value) {
		if !yield(Piece{Raw: e}) {
			return false
		}
	}
	return true
}

// Of gives the records of a piece: those that are known, or else the one that own makes of its bytes. A piece with a fault is one record.
func Of(piece Piece, own func(raw []byte) taffrail.Record) []taffrail.Record {
	if piece.Fault != "" {
		r := own(piece.Raw)
		r.Raw, r.Fault = piece.Raw, piece.Fault
		return []taffrail.Record{r}
	}
	if known, ok := Records(piece.Raw); ok {
		return known
	}
	return []taffrail.Record{own(piece.Raw)}
}

// maxNested bounds how many wrappings lie around a record.
const maxNested = 8

// Records gives the records in a valid JSON value, each with its format, and false if there is anything in it that is not known. A text is looked
// into.
func Records(value []byte) ([]taffrail.Record, bool) { return records(value, 0) }

func records(value []byte, depth int) ([]taffrail.Record, bool) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || depth > maxNested {
		return nil, false
	}
	if value[0] == '"' {
		text, _ := jsonscan.Text(value)
		if text = strings.TrimSpace(text); !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
			return nil, false
		}
		return records([]byte(text), depth+1)
	}
	if value[0] != '{' {
		return nil, false
	}
	return object(value, depth)
}

// object goes by the names of the fields at the top.
func object(value []byte, depth int) ([]taffrail.Record, bool) {
	fields := map[string][]byte{}
	for name, v := range jsonscan.Fields(value) {
		if slices.Contains(telling, string(name)) {
			fields[string(name)] = v
		}
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := fields[name]; !ok {
				return false
			}
		}
		return true
	}
	version, _ := jsonscan.Text(fields["apiVersion"])
	kind, _ := jsonscan.Text(fields["kind"])
	audit := strings.HasPrefix(version, "audit.k8s.io/")
	switch {
	case has("eventID", "eventName", "eventSource", "eventTime"):
		return []taffrail.Record{{Format: cloudTrail, Raw: value}}, true
	case has("detail-type", "detail"):
		return records(fields["detail"], depth+1)
	case audit && kind == "Event":
		return []taffrail.Record{{Format: kubeAudit, Raw: value}}, true
	case audit && kind == "EventList":
		return each(fields["items"], depth)
	case has("Records") && len(fields) == 1:
		return each(fields["Records"], depth)
	case has("logGroup", "logEvents"):
		return messages(fields["logEvents"], depth)
	}
	return nil, false
}

// telling are the names of fields that say what an object is.
var telling = []string{"eventID", "eventName", "eventSource", "eventTime", "detail-type", "detail", "apiVersion", "kind", "items", "Records", "logGroup", "logEvents"}

// each gives the records in the elements of a list.
func each(list []byte, depth int) (all []taffrail.Record, ok bool) {
	for e := range jsonscan.Elems(list) {
		some, ok := records(e, depth+1)
		if !ok {
			return nil, false
		}
		all = append(all, some...)
	}
	return all, len(all) > 0
}

// messages gives the records in the messages of CloudWatch Logs.
func messages(list []byte, depth int) (all []taffrail.Record, ok bool) {
	for e := range jsonscan.Elems(list) {
		message, _ := jsonscan.Field(e, "message")
		some, ok := records(message, depth+1)
		if !ok {
			return nil, false
		}
		all = append(all, some...)
	}
	return all, len(all) > 0
}
