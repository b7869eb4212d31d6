// Package api holds what travels between the practice cloud and its clients:
// objects, errors, faults, the names of headers, and one strict decoder.
//
// Requests and answers are JSON over HTTP:
//
//	GET    /v1/                all objects
//	GET    /v1/{type}          all objects of a type
//	                           (?limit= objects in a page, ?after= where the page before ended)
//	POST   /v1/{type}          create; the cloud chooses the id
//	GET    /v1/{type}/{id}     read
//	PUT    /v1/{type}/{id}     replace all attributes
//	PATCH  /v1/{type}/{id}     replace the named attributes; null removes one
//	DELETE /v1/{type}/{id}     delete
//	POST   /v1/{type}/{id}/{action}  carry out an action, see package action; ids with commas where it takes several
//	POST   /sso/SignIn         a session for a person
//	POST   /sts/AssumeRole, /sts/AssumeRoleWithWebIdentity  a session of a role
//	GET    /sts/GetCallerIdentity  whose the credential is
//	GET    /admin/principals   who there is
//	GET    /admin/faults       list faults
//	PUT    /admin/faults       add a fault
//	DELETE /admin/faults       clear faults (?target= for one target)
//	POST   /admin/controller   have the controllers look at everything once
//	POST   /admin/clock        move the cloud's own clock
//	POST   /admin/trail        deliver all records now
//	POST   /admin/populate     make up objects
//	GET    /healthz            204 once the cloud serves
//
// Lists and the list of faults are wrapped: {"objects": [...]}, {"faults": [...]}.
package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Names of the headers that are peculiar to the practice cloud.
const (
	// HeaderOperator on a request says "1" where a person works at the cloud by
	// hand: faults are for programs, and pass such a request by.
	HeaderOperator = "Harbor-Operator"
	// HeaderFault on an answer asks the client to misbehave; see [Crash].
	HeaderFault = "Harbor-Fault"
)

// An Object is one thing in the cloud.
type Object struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	// Attributes holds decoded JSON: nil, bool, string, [json.Number], []any and
	// map[string]any. Numbers stay text, so that no digit is lost.
	Attributes map[string]any `json:"attributes"`
	// Version starts at 1 and grows by one with each change that changes something.
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// ETag changes with Version; a write may ask for it with If-Match.
	ETag string `json:"etag"`
}

// Name returns the attribute "name", or "" where it is absent or no string.
func (o Object) Name() string {
	name, _ := o.Attributes["name"].(string)
	return name
}

// MaxPage is how many objects a page of a list holds, unless the client asks for
// fewer.
const MaxPage = 100

// Objects is a page of a list, in the order of type and id.
type Objects struct {
	Objects []Object `json:"objects"`
	// Next is what to ask for with "after" to get the next page; "" on the last one.
	Next string `json:"next,omitempty"`
}

// Write is the body of POST, PUT and PATCH.
type Write struct {
	Attributes map[string]any `json:"attributes"`
}

// An ErrorBody is the answer to each request that is not fulfilled.
type ErrorBody struct {
	Error ErrorDetail `json:"error"`
}

// An ErrorDetail says what was refused and why. Code is for programs
// (AccessDenied, NotFound, ...), Message for people.
type ErrorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Type    string `json:"type,omitempty"`
	ID      string `json:"id,omitempty"`
}

// Decode reads exactly one JSON value from r into v. Numbers in free-form
// places become [json.Number]; an unknown field or a second value is an error.
func Decode(r io.Reader, v any) error {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("decode JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode JSON: more follows after the first value")
	}
	return nil
}

// Clone returns a deep copy of decoded JSON attributes.
func Clone(attributes map[string]any) map[string]any {
	if attributes == nil {
		return map[string]any{}
	}
	return cloneValue(attributes).(map[string]any)
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = cloneValue(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	default:
		return v
	}
}

// Equal tells whether two decoded JSON values are written the same way: object
// keys in any order, numbers digit by digit (1 and 1.0 differ).
func Equal(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
