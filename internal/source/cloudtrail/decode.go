package cloudtrail

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A decoder is a [taffrail.Decoder].
type decoder struct{ sealer taffrail.Sealer }

// Decode implements [taffrail.Decoder].
func (d decoder) Decode(raw []byte) (taffrail.Event, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return taffrail.Event{}, refused(formFault(err))
	}
	e, err := d.event(r)
	if err != nil {
		return taffrail.Event{}, refused(err)
	}
	e.Digest = sha256.Sum256(raw)
	return e, nil
}

func refused(err error) error {
	return &taffrail.Error{Op: "decode CloudTrail record", Kind: taffrail.KindInvalid, Err: err,
		Hint: "a record is one element of Records in a log file of CloudTrail, or the detail of its event in EventBridge"}
}

// formFault says what is wrong with the form, and quotes nothing of the record.
func formFault(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("field %s holds a JSON %s", wrong.Field, kindWord(wrong.Value))
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON at byte %d", syntax.Offset)
	}
	return errors.New("it is not JSON")
}

// kindWord is the first word of what the decoder says it met; after it the value itself can stand.
func kindWord(value string) string {
	word, _, _ := strings.Cut(value, " ")
	return word
}

func (d decoder) event(r record) (taffrail.Event, error) {
	if r.EventID == "" || r.EventName == "" || r.EventSource == "" {
		return taffrail.Event{}, errors.New("eventID, eventName or eventSource is missing")
	}
	at, err := time.Parse(time.RFC3339, r.EventTime)
	if err != nil {
		return taffrail.Event{}, errors.New("eventTime is not a time of RFC 3339")
	}
	e := taffrail.Event{
		ID: taffrail.EventID(r.EventID), Source: Name, Time: at.UTC(), Action: action(r), Actor: actor(r),
		Error: failure(r), Read: r.ReadOnly.isTrue() || r.ReadOnly == "" && readsByName(r.EventName),
		Region: r.AWSRegion, Account: account(r), UserAgent: r.UserAgent, Address: r.SourceIPAddress,
	}
	if r.Addendum != nil {
		e.Corrects = taffrail.EventID(r.Addendum.OriginalEventID)
	}
	for _, on := range r.Resources {
		if on.ARN != "" {
			e.Refs = append(e.Refs, on.ARN)
		}
	}
	return e, d.bodies(&e, r)
}

// versionSuffix is what some services end the names of their operations with: a date, and a version since then.
var versionSuffix = regexp.MustCompile(`_?20\d\d_?[01]\d_?[0-3]\d(v\d+)?$`)

// action is service and operation: "lambda:UpdateFunctionConfiguration".
func action(r record) string {
	service, _, _ := strings.Cut(r.EventSource, ".")
	if service == "monitoring" {
		service = "cloudwatch"
	}
	return service + ":" + versionSuffix.ReplaceAllString(r.EventName, "")
}

// failure is why the call failed. A message without a code is one, too.
func failure(r record) string {
	if r.ErrorCode == "" && r.ErrorMessage != "" {
		return "unnamed error"
	}
	return r.ErrorCode
}

// readsByName goes by the operation's verb where an old record does not say whether it reads.
func readsByName(name string) bool {
	for _, verb := range []string{"Get", "List", "Describe", "Head", "Lookup", "BatchGet", "Search", "Scan", "Query"} {
		rest, ok := strings.CutPrefix(name, verb)
		if ok && (rest == "" || rest[0] < 'a' || rest[0] > 'z') {
			return true
		}
	}
	return false
}

// account is whose resource it was: the recipient's, and only else the caller's.
func account(r record) string {
	if r.RecipientAccountID != "" {
		return string(r.RecipientAccountID)
	}
	return string(r.UserIdentity.AccountID)
}
