package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
)

// A form is one of the two in which exports are written. An export is walked in it, and only one log record at a time is read into memory as what it
// is, which takes many times as much as its bytes.
type form interface {
	// valid says whether a body is an export down to its log records, which are looked at when they are read.
	valid(body []byte) bool
	// each gives what a message holds in a field of messages.
	each(message []byte, f field) iter.Seq[[]byte]
	unmarshal(text []byte, into proto.Message) error
	// id is the text of the id of a trace or a span.
	id(read []byte) string
}

// A field is one of a message, by its number and its names.
type field struct {
	number         protowire.Number
	name, original string
}

// The fields that lead to log records.
var (
	resourceLogs = field{1, "resourceLogs", "resource_logs"}
	resourceOf   = field{1, "resource", "resource"}
	scopeLogs    = field{2, "scopeLogs", "scope_logs"}
	scopeOf      = field{1, "scope", "scope"}
	logRecords   = field{2, "logRecords", "log_records"}
)

// A protobufForm is that of protobuf.
type protobufForm struct{}

func (protobufForm) valid(body []byte) bool {
	for _, level := range [][]field{{resourceLogs}, {resourceLogs, scopeLogs}, {resourceLogs, scopeLogs, logRecords}} {
		if !wellFormed(body, level) {
			return false
		}
	}
	return true
}

// wellFormed says whether the messages that lie on a way consist of fields.
func wellFormed(message []byte, way []field) bool {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return false
		}
		size := protowire.ConsumeFieldValue(number, kind, message[n:])
		if size < 0 {
			return false
		}
		if number == way[0].number {
			inner, _ := protowire.ConsumeBytes(message[n:])
			if kind != protowire.BytesType || len(way) > 1 && !wellFormed(inner, way[1:]) {
				return false
			}
		}
		message = message[n+size:]
	}
	return true
}

func (protobufForm) each(message []byte, f field) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(message) > 0 {
			number, kind, n := protowire.ConsumeTag(message)
			if n < 0 {
				return
			}
			size := protowire.ConsumeFieldValue(number, kind, message[n:])
			if size < 0 {
				return
			}
			if number == f.number && kind == protowire.BytesType {
				inner, _ := protowire.ConsumeBytes(message[n:])
				if !yield(inner) {
					return
				}
			}
			message = message[n+size:]
		}
	}
}

func (protobufForm) unmarshal(text []byte, into proto.Message) error {
	return proto.Unmarshal(text, into)
}

func (protobufForm) id(read []byte) string { return hex.EncodeToString(read) }

// A jsonForm is that of JSON.
type jsonForm struct{}

func (t jsonForm) valid(body []byte) bool {
	if !json.Valid(body) || body[jsonscan.Space(body, 0)] != '{' {
		return false
	}
	for ofResource := range t.each(body, resourceLogs) {
		for ofScope := range t.each(ofResource, scopeLogs) {
			for record := range t.each(ofScope, logRecords) {
				if record[0] != '{' {
					return false
				}
			}
		}
	}
	return true
}

// each takes a single message for a list of one.
func (jsonForm) each(message []byte, f field) iter.Seq[[]byte] {
	value, ok := jsonscan.Field(message, f.name)
	if !ok {
		value, ok = jsonscan.Field(message, f.original)
	}
	if ok && value[0] == '{' {
		return func(yield func([]byte) bool) { yield(value) }
	}
	return jsonscan.Elems(value)
}

func (jsonForm) unmarshal(json []byte, into proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(json, into)
}

// id undoes what was done to it: in JSON an id is hexadecimal (OTLP, "JSON Protobuf Encoding"), and was read as base64.
func (jsonForm) id(read []byte) string { return base64.StdEncoding.EncodeToString(read) }
