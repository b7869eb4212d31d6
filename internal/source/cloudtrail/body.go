package cloudtrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// bodies fills in request and response.
func bodies(e *taffrail.Event, r record) (err error) {
	var asked, answered body
	if e.Request, err = asked.read("requestParameters", request(r)); err != nil {
		return err
	}
	e.DryRun = rehearsed(e.Request) || strings.HasSuffix(e.Error, "DryRunOperation")
	if e.Response, err = answered.read("responseElements", r.ResponseElements); err != nil {
		return err
	}
	e.Redacted = asked.redacted // what is hidden in an answer was not asked for
	e.Truncated = asked.truncated || answered.truncated && e.Request.IsNull()
	e.Issued = issued(e.Response)
	return nil
}

// request is the body that says what was asked for: of a service's own event its details.
func request(r record) []byte {
	if r.RequestParameters == nil {
		return r.ServiceEvent
	}
	return r.RequestParameters
}

// A body reads one of the bodies of a record in which secrets are replaced, and notes what is hidden or left out.
type body struct{ redacted, truncated bool }

func (b *body) read(field string, raw []byte) (taffrail.Value, error) {
	if len(raw) == 0 {
		return taffrail.Unknown(), nil
	}
	if omitted(raw) {
		b.truncated = true
		return taffrail.Unknown(), nil
	}
	v, err := b.value(raw, 0)
	if err != nil {
		return taffrail.Value{}, fmt.Errorf("field %s: %w", field, err)
	}
	return v, nil
}

// omitted says whether CloudTrail has left a body out: it is an object that holds nothing but this mark and what it says of it.
func omitted(raw []byte) bool {
	if text, ok := jsonscan.Text(raw); ok {
		return strings.Contains(strings.ToLower(text), "omitted")
	}
	mark, ok := jsonscan.Field(raw, "omitted")
	if !ok || string(mark) != "true" && string(mark) != `"true"` {
		return false
	}
	var names []string
	for name := range jsonscan.Fields(raw) {
		if !slices.Contains(names, string(name)) {
			names = append(names, string(name))
		}
		if len(names) > 4 {
			return false
		}
	}
	return true
}

// maxDepth bounds how deep a body is followed. The record was rewritten, and so is less deep.
const maxDepth = 500

// maxDocument bounds how deep documents in documents are followed.
const maxDocument = 40

// value gives a value in the one form that is compared with what resources look like.
func (b *body) value(raw []byte, depth int) (taffrail.Value, error) {
	if depth > maxDepth {
		return taffrail.Value{}, errors.New("it is nested too deep")
	}
	switch raw[0] {
	case '{':
		return b.object(raw, depth)
	case '[':
		return b.list(raw, depth)
	case '"':
		text, _ := jsonscan.Text(raw)
		return b.text(text, depth), nil
	case 't', 'f':
		return taffrail.Bool(raw[0] == 't'), nil
	case 'n':
		return taffrail.Null(), nil
	}
	return taffrail.Number(string(raw))
}

// object gives an object, and of one that only wraps a list the list.
func (b *body) object(raw []byte, depth int) (taffrail.Value, error) {
	fields := map[string]taffrail.Value{}
	var items []byte
	for name, value := range jsonscan.Fields(raw) {
		v, err := b.value(value, depth+1)
		if err != nil {
			return taffrail.Value{}, err
		}
		fields[string(name)] = v
		if string(name) == "items" {
			items = value
		}
	}
	if len(fields) == 1 && len(items) > 0 && items[0] == '[' {
		return fields["items"], nil
	}
	return taffrail.Object(fields), nil
}

func (b *body) list(raw []byte, depth int) (taffrail.Value, error) {
	var elems []taffrail.Value
	for e := range jsonscan.Elems(raw) {
		v, err := b.value(e, depth+1)
		if err != nil {
			return taffrail.Value{}, err
		}
		elems = append(elems, v)
	}
	return taffrail.List(elems...), nil
}

// text notes what is hidden, reads what was sealed, and opens JSON documents.
func (b *body) text(text string, depth int) taffrail.Value {
	if isRedaction([]byte(text)) {
		b.redacted = true
		return taffrail.Unknown()
	}
	if secret, ok := taffrail.ParseSealedText(text); ok {
		return secret
	}
	if document, ok := openDocument([]byte(text)); ok && depth < maxDocument {
		if v, err := b.value(document, depth+1); err == nil {
			return v
		}
	}
	return taffrail.String(text)
}

// openDocument gives text that is a JSON document: as it is, or URL-encoded as IAM gives policies.
func openDocument(text []byte) ([]byte, bool) {
	document, ok := sealing.Document(text)
	if !ok || !json.Valid(document) {
		return nil, false
	}
	return document, true
}

// redactions are what services write in the place of what they hide.
var redactions = []string{
	"HIDDEN_DUE_TO_SECURITY_REASONS", "***OMITTED***", "****", "***", "*****", "******", "********", "[REDACTED]", "REDACTED", "<REDACTED>",
	"sensitive", "SENSITIVE_DATA_REDACTED", "<sensitiveDataRemoved>", "<Redacted>", "HIDDEN",
}

func isRedaction(text []byte) bool {
	return len(text) > 0 && bytes.IndexByte([]byte("H*[R<sS"), text[0]) >= 0 && slices.Contains(redactions, string(text))
}

// rehearsed says whether a request asked for a rehearsal.
func rehearsed(request taffrail.Value) bool {
	for name, v := range request.Fields() {
		if strings.EqualFold(name, "dryRun") {
			return v.Truth() || strings.EqualFold(v.Text(), "true")
		}
	}
	return false
}

// issued is the public id of the credential that an answer gave out: of a session of STS, or of a new key of a user.
func issued(response taffrail.Value) string {
	for _, holder := range []string{"credentials", "accessKey"} {
		given, _ := response.Field(holder)
		if id, ok := given.Field("accessKeyId"); ok {
			return id.Text()
		}
	}
	return ""
}
