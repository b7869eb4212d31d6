package splunk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
	"github.com/taffrail-dev/taffrail/internal/source/internal/route"
)

// events takes objects as the collector wants them, one after the other.
func (r *receiver) events(req *http.Request, body []byte, fault **answer) iter.Seq[taffrail.Record] {
	delivery := r.received()
	said := req.URL.Query().Get("sourcetype")
	return func(yield func(taffrail.Record) bool) {
		n := -1
		for piece := range route.Split(body) {
			n++
			wrong := faultOf(piece)
			if wrong != nil && *fault == nil {
				*fault = wrong.at(n)
			}
			for _, rec := range r.recordsOf(piece, wrong, said, delivery) {
				rec.Where = fmt.Sprintf("event %d", n)
				if !yield(rec) {
					return
				}
			}
		}
	}
}

// faultOf says what is wrong with an event.
func faultOf(p route.Piece) *answer {
	if p.Fault != "" || p.Raw[0] != '{' {
		return &badFormat
	}
	event, ok := jsonscan.Field(p.Raw, "event")
	text, isText := jsonscan.Text(event)
	switch {
	case !ok:
		return &eventRequired
	case isText && strings.TrimSpace(text) == "" || string(event) == "null":
		return &eventBlank
	}
	return nil
}

func (r *receiver) recordsOf(p route.Piece, wrong *answer, said string, delivery mapping.Delivery) []taffrail.Record {
	if wrong != nil {
		return []taffrail.Record{{Format: Name, Raw: p.Raw, Fault: wrong.Text}}
	}
	event, _ := jsonscan.Field(p.Raw, "event")
	if value, ok := jsonscan.Field(p.Raw, "sourcetype"); ok {
		said, _ = jsonscan.Text(value)
	}
	if all := r.others(event, said); all != nil {
		return all
	}
	raw := p.Raw
	if _, ok := jsonscan.Field(raw, "time"); !ok {
		raw = mapping.Stamp(raw, delivery)
	}
	return []taffrail.Record{{Format: Name, Raw: raw}}
}

// others gives the records of other decoders, by form or by sourcetype. What has the sourcetype of one and not its form is still given to it, to be
// refused by it where people look for it.
func (r *receiver) others(event []byte, sourcetype string) []taffrail.Record {
	if all, ok := route.Records(event); ok {
		return all
	}
	format := r.config.format(sourcetype)
	if format == "" || format == Name {
		return nil
	}
	raw := event
	if text, ok := jsonscan.Text(event); ok && text != "" { // an empty text is no record, and kept as what it is
		raw = []byte(text)
	}
	return []taffrail.Record{{Format: format, Raw: raw}}
}

// lines takes text as it is: JSON values one after the other, or lines. What the collector would say of all of them stands in the address.
func (r *receiver) lines(req *http.Request, body []byte, _ **answer) iter.Seq[taffrail.Record] {
	delivery := r.received()
	query := req.URL.Query()
	around := map[string]string{}
	for _, name := range []string{"host", "source", "sourcetype", "index", "time"} {
		if text := query.Get(name); text != "" {
			around[name] = text
		}
	}
	return func(yield func(taffrail.Record) bool) {
		n := 0
		for line := range texts(body) {
			n++
			for _, rec := range r.lineRecords(line, around, delivery) {
				rec.Where = fmt.Sprintf("line %d", n)
				if !yield(rec) {
					return
				}
			}
		}
	}
}

// texts gives the values of a body that begins as JSON does, and else its lines, as JSON values.
func texts(body []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if first := bytes.TrimSpace(body)[0]; first == '{' || first == '[' {
			for p := range route.Split(body) {
				if p.Fault != "" {
					p.Raw = quoted(p.Raw)
				}
				if !yield(p.Raw) {
					return
				}
			}
			return
		}
		for line := range bytes.Lines(body) {
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(quoted(line)) {
				return
			}
		}
	}
}

func quoted(text []byte) []byte {
	value, _ := json.Marshal(string(text)) // a text has nothing that could fail
	return value
}

// lineRecords gives the record of a line: what an event with it would be.
func (r *receiver) lineRecords(value []byte, around map[string]string, delivery mapping.Delivery) []taffrail.Record {
	if all := r.others(value, around["sourcetype"]); all != nil {
		return all
	}
	var event bytes.Buffer
	event.WriteString(`{"event":`)
	event.Write(value)
	for _, name := range []string{"host", "source", "sourcetype", "index", "time"} {
		if text, ok := around[name]; ok {
			fmt.Fprintf(&event, `,"%s":%s`, name, quoted([]byte(text)))
		}
	}
	event.WriteByte('}')
	return []taffrail.Record{{Format: Name, Raw: mapping.Stamp(event.Bytes(), delivery)}}
}
