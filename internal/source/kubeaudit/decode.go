package kubeaudit

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
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
	return &taffrail.Error{Op: "decode Kubernetes audit event", Kind: taffrail.KindInvalid, Err: err,
		Hint: "a record is one Event of audit.k8s.io/v1: a line of the audit log, or one of the items that a webhook gets"}
}

// formFault says what is wrong with the form, and quotes nothing of the record.
func formFault(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
		met, _, _ := strings.Cut(wrong.Value, " ") // after it the value itself can stand
		return fmt.Errorf("field %s holds a JSON %s", wrong.Field, met)
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON at byte %d", syntax.Offset)
	}
	return errors.New("it is not JSON")
}

func (d decoder) event(r record) (taffrail.Event, error) {
	if r.AuditID == "" || r.Verb == "" {
		return taffrail.Event{}, errors.New("auditID or verb is missing")
	}
	at, err := time.Parse(time.RFC3339Nano, cmp.Or(r.RequestReceivedTimestamp, r.StageTimestamp))
	if err != nil {
		return taffrail.Event{}, errors.New("requestReceivedTimestamp is not a time of RFC 3339")
	}
	query := queryOf(r.RequestURI)
	e := taffrail.Event{
		ID: taffrail.EventID(r.AuditID), Source: Name, Time: at.UTC(), Action: action(r), Actor: actor(r), Error: failure(r),
		Read: slices.Contains([]string{"get", "list", "watch", "head", "options"}, r.Verb), DryRun: len(query["dryRun"]) > 0,
		Refs: refs(r), UserAgent: r.UserAgent, Writer: writer(r),
	}
	if n := len(r.SourceIPs); n > 0 {
		e.Address = r.SourceIPs[n-1] // clients can set all others
	}
	if err := d.bodies(&e, r); err != nil {
		return taffrail.Event{}, err
	}
	e.DryRun = e.DryRun || rehearsed(e.Request)
	return e, nil
}

func queryOf(uri string) url.Values {
	_, query, _ := strings.Cut(uri, "?")
	values, _ := url.ParseQuery(query) // what can be read of it
	return values
}

// action is group, resource and verb: "apps:patch deployments/scale". Objects of the core have the group "core".
func action(r record) string {
	if r.ObjectRef == nil {
		return "core:" + r.Verb
	}
	on := r.ObjectRef.Resource
	if r.ObjectRef.Subresource != "" {
		on += "/" + r.ObjectRef.Subresource
	}
	return cmp.Or(r.ObjectRef.APIGroup, "core") + ":" + r.Verb + " " + on
}

// failure is why the request was refused. One that has not been answered yet, or never was, has done nothing that is known.
func failure(r record) string {
	switch {
	case r.Stage == "RequestReceived" || r.Stage == "Panic":
		return r.Stage
	case r.ResponseStatus != nil && r.ResponseStatus.Code >= 400:
		return cmp.Or(r.ResponseStatus.Reason, fmt.Sprintf("status %d", r.ResponseStatus.Code))
	}
	return ""
}

// refs are the names of the object: by group, resource, namespace and name as the reference has them, and the UID.
func refs(r record) []string {
	o := r.ObjectRef
	if o == nil {
		return nil
	}
	var all []string
	if o.Name != "" {
		all = append(all, "kubernetes:"+strings.Join([]string{o.APIGroup, o.Resource, o.Namespace, o.Name}, "/"))
	}
	if o.UID != "" {
		all = append(all, o.UID)
	}
	return all
}

// rehearsed says whether the options of a delete ask for a rehearsal.
func rehearsed(request taffrail.Value) bool {
	kind, _ := request.Field("kind")
	options, ok := request.Field("dryRun")
	return ok && options.Len() > 0 && (kind.Text() == "DeleteOptions" || kind.IsUnknown())
}
