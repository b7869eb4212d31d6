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
	"github.com/taffrail-dev/taffrail/internal/source/internal/form"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// A decoder is a [taffrail.Decoder] and a [taffrail.Keeper].
type decoder struct{ rules sealing.Rules }

func newDecoder(sealer taffrail.Sealer) decoder {
	return decoder{sealing.Rules{Sealer: sealer, Names: secretNames, Documents: true}}
}

// Decode implements [taffrail.Decoder]. What was delivered is rewritten as it would be kept before anything is read in it, so that it says the
// same as what was kept.
func (d decoder) Decode(raw []byte) (taffrail.Event, error) {
	_, e, err := d.read(raw, sealing.Either)
	return e, err
}

// Keep implements [taffrail.Keeper].
func (d decoder) Keep(raw []byte) (taffrail.Kept, error) {
	kept, e, err := d.read(raw, sealing.Delivered)
	if err != nil {
		return taffrail.Kept{}, err
	}
	return taffrail.Kept{Record: kept, Digest: e.Digest, EventHead: taffrail.HeadOf(e)}, nil
}

func (d decoder) read(raw []byte, from sealing.Origin) (kept []byte, e taffrail.Event, err error) {
	rules := d.rules
	rules.Treat = (&treatment{}).of
	if kept, err = rules.Rewrite(nil, raw, from); err != nil {
		return nil, e, refused(err)
	}
	var r record
	if err := json.Unmarshal(kept, &r); err != nil {
		return nil, e, refused(form.Fault(err))
	}
	if e, err = event(r); err != nil {
		return nil, taffrail.Event{}, refused(err)
	}
	e.Digest = sha256.Sum256(raw)
	return kept, e, nil
}

func refused(err error) error {
	return &taffrail.Error{Op: "decode Kubernetes audit event", Kind: taffrail.KindInvalid, Err: err,
		Hint: "a record is one Event of audit.k8s.io/v1: a line of the audit log, or one of the items that a webhook gets"}
}

func event(r record) (taffrail.Event, error) {
	if r.AuditID == "" || r.Verb == "" {
		return taffrail.Event{}, errors.New("auditID or verb is missing")
	}
	at, err := time.Parse(time.RFC3339Nano, cmp.Or(r.RequestReceivedTimestamp, r.StageTimestamp))
	if err != nil {
		return taffrail.Event{}, errors.New("requestReceivedTimestamp is not a time of RFC 3339")
	}
	query := queryOf(r.RequestURI)
	e := taffrail.Event{
		ID: idOf(r), Source: Name, Time: at.UTC(), Action: action(r), Actor: actor(r), Error: failure(r),
		Read: slices.Contains([]string{"get", "list", "watch", "head", "options"}, r.Verb), DryRun: len(query["dryRun"]) > 0,
		Refs: refs(r), UserAgent: r.UserAgent, Writer: writer(r),
	}
	if n := len(r.SourceIPs); n > 0 {
		e.Address = r.SourceIPs[n-1] // clients can set all others
	}
	if err := bodies(&e, r); err != nil {
		return taffrail.Event{}, err
	}
	e.DryRun = e.DryRun || rehearsed(e.Request)
	return e, nil
}

// idOf is the auditID for the event that tells of a request's end. Those before it are no copies of it.
func idOf(r record) taffrail.EventID {
	if begins(r) {
		return taffrail.EventID(r.AuditID + "/" + r.Stage)
	}
	return taffrail.EventID(r.AuditID)
}

// begins says whether a record tells of a request that has not come to its end.
func begins(r record) bool { return r.Stage == "RequestReceived" || r.Stage == "ResponseStarted" }

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
	case begins(r) || r.Stage == "Panic":
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
