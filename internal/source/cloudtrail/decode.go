package cloudtrail

import (
	"crypto/sha256"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// A decoder is a [taffrail.Decoder] and a [taffrail.Keeper].
type decoder struct{ rules *sealing.Rules }

func newDecoder(sealer taffrail.Sealer) decoder {
	return decoder{&sealing.Rules{
		Sealer: sealer, Names: sealing.CommonNames(), Within: true, Documents: true, Hidden: isRedaction,
	}}
}

// Decode implements [taffrail.Decoder]. What is kept of a record is decoded, so that it does not matter whether that was done before.
func (d decoder) Decode(raw []byte) (taffrail.Event, error) {
	line, err := d.rules.Rewrite(make([]byte, 0, len(raw)+len(raw)/8), raw, sealing.Either)
	if err != nil {
		return taffrail.Event{}, refused(err)
	}
	r, err := parse(line)
	if err != nil {
		return taffrail.Event{}, refused(err)
	}
	e, err := event(r)
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

// event is a record as an event, but for the digest.
func event(r record) (taffrail.Event, error) {
	h, err := head(r)
	if err != nil {
		return taffrail.Event{}, err
	}
	e := taffrail.Event{
		ID: h.ID, Source: Name, Time: h.Time, Action: h.Action, Actor: actor(r), Error: h.Error, Read: h.Read, Corrects: h.Corrects,
		Region: r.AWSRegion, Account: account(r), UserAgent: r.UserAgent, Address: r.SourceIPAddress, Refs: r.Resources,
	}
	return e, bodies(&e, r)
}

// head is what a record is listed by, but for what its bodies say: whether it was a rehearsal, and its keys.
func head(r record) (taffrail.EventHead, error) {
	if r.EventID == "" || r.EventName == "" || r.EventSource == "" {
		return taffrail.EventHead{}, errors.New("eventID, eventName or eventSource is missing")
	}
	at, err := time.Parse(time.RFC3339, r.EventTime)
	if err != nil {
		return taffrail.EventHead{}, errors.New("eventTime is not a time of RFC 3339")
	}
	return taffrail.EventHead{
		ID: taffrail.EventID(r.EventID), Time: at.UTC(), Action: action(r), Actor: principal(r), Error: failure(r),
		Read: r.ReadOnly.isTrue() || r.ReadOnly == "" && readsByName(r.EventName), Corrects: taffrail.EventID(r.OriginalEventID),
	}, nil
}

// versionSuffix is what some services end the names of their operations with: a date, and a version since then.
var versionSuffix = regexp.MustCompile(`_?20\d\d_?[01]\d_?[0-3]\d(v\d+)?$`)

// action is service and operation: "lambda:UpdateFunctionConfiguration".
func action(r record) string {
	service, _, _ := strings.Cut(r.EventSource, ".")
	if service == "monitoring" {
		service = "cloudwatch"
	}
	name := r.EventName
	if last := name[len(name)-1]; '0' <= last && last <= '9' {
		name = versionSuffix.ReplaceAllString(name, "")
	}
	return service + ":" + name
}

// failure is why the call failed. A message without a code is one, too.
func failure(r record) string {
	if r.ErrorCode == "" && r.ErrorMessage != "" {
		return "unnamed error"
	}
	return r.ErrorCode
}

// readVerbs begin the names of operations that change nothing.
var readVerbs = []string{"Get", "List", "Describe", "Head", "Lookup", "BatchGet", "Search", "Scan", "Query"}

// readsByName goes by the operation's verb where an old record does not say whether it reads.
func readsByName(name string) bool {
	for _, verb := range readVerbs {
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
