package syslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
)

const hint = "a record is one message of RFC 5424, or the JSON that is kept of it"

// A decoder reads messages as they were sent, and as they are kept.
type decoder struct{ mapping *mapping.Decoder }

// Decode implements [taffrail.Decoder].
func (d decoder) Decode(record []byte) (taffrail.Event, error) {
	object, err := objectOf(record)
	if err != nil {
		return taffrail.Event{}, err
	}
	e, err := d.mapping.Decode(object)
	if err == nil {
		e.Digest = sha256.Sum256(record)
	}
	return e, err
}

// Keep implements [taffrail.Keeper].
func (d decoder) Keep(record []byte) (taffrail.Kept, error) {
	object, err := objectOf(record)
	if err != nil {
		return taffrail.Kept{}, err
	}
	kept, err := d.mapping.Keep(object)
	kept.Digest = sha256.Sum256(record)
	if err != nil {
		return taffrail.Kept{}, err
	}
	return kept, nil
}

// objectOf gives a message as JSON. What begins as an object is one already.
func objectOf(record []byte) ([]byte, error) {
	if len(record) == 0 || record[0] != '<' {
		return record, nil
	}
	m, err := parse(record)
	if err != nil {
		return nil, &taffrail.Error{Op: "decode syslog record", Kind: taffrail.KindInvalid, Err: err, Hint: hint}
	}
	return m.object(), nil
}

// A message is what a message of RFC 5424 says.
type message struct {
	Facility       *uint8                        `json:"facility,omitempty"`
	Severity       *uint8                        `json:"severity,omitempty"`
	Timestamp      *time.Time                    `json:"timestamp,omitempty"`
	Hostname       *string                       `json:"hostname,omitempty"`
	AppName        *string                       `json:"app_name,omitempty"`
	ProcID         *string                       `json:"proc_id,omitempty"`
	MsgID          *string                       `json:"msg_id,omitempty"`
	StructuredData *map[string]map[string]string `json:"structured_data,omitempty"`
	Message        string                        `json:"message,omitempty"`
}

// errNoMessage quotes nothing: what the parser says does.
var errNoMessage = errors.New("it is no message of RFC 5424")

func parse(text []byte) (message, error) {
	parsed, err := rfc5424.NewMachine().Parse(text)
	m, ok := parsed.(*rfc5424.SyslogMessage)
	if err != nil || !ok {
		return message{}, errNoMessage
	}
	found := message{
		Facility: m.Facility, Severity: m.Severity, Timestamp: m.Timestamp, Hostname: m.Hostname, AppName: m.Appname, ProcID: m.ProcID, MsgID: m.MsgID,
		StructuredData: m.StructuredData,
	}
	if m.Message != nil {
		found.Message = strings.TrimPrefix(*m.Message, "\ufeff") // the mark that says that it is UTF-8
	}
	return found, nil
}

func (m message) object() []byte {
	text, _ := json.Marshal(m) // a time of RFC 5424 has a year of four digits, and nothing else could fail
	return text
}

// isJSON says whether the message is a document.
func (m message) isJSON() bool {
	return strings.HasPrefix(m.Message, "{") && json.Valid([]byte(m.Message))
}

// trimmed is a message without what some senders end it with.
func trimmed(text []byte) []byte { return bytes.TrimRight(text, "\r\n\x00") }
