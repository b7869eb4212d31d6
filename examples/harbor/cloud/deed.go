package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
)

// A deed is one call as it is going to be told: who, what, with what, and what
// came of it.
type deed struct {
	by      identity.Session
	service string
	name    string // of the call
	reads   bool
	at      time.Time
	agent   string
	from    string // address
	eventID string
	request string // its id

	verb   verb
	op     action.Action
	kind   string
	refs   []string // as the caller named the objects
	given  map[string]any
	params any // where it is about no object
	answer any
	event  any  // details of what a service did by itself
	own    bool // a service did it by itself, and nobody called

	code, message string
	told          bool
}

// A verb says which of the calls that all kinds have it is.
type verb uint8

const (
	verbGet verb = iota
	verbList
	verbCreate
	verbModify
	verbReplace
	verbDelete
	verbAction
	verbOther // about no object
)

type deedKey struct{}

// deedOf is the deed that a request is; never nil.
func deedOf(r *http.Request) *deed {
	if d, ok := r.Context().Value(deedKey{}).(*deed); ok {
		return d
	}
	return &deed{}
}

// begin makes the deed that a request is.
func (c *Cloud) begin(r *http.Request, by identity.Session) (*http.Request, *deed) {
	d := &deed{by: by, at: c.now(), agent: r.UserAgent(), verb: verbOther}
	d.from, _, _ = net.SplitHostPort(r.RemoteAddr)
	if by.InvokedBy != "" {
		d.agent, d.from = by.InvokedBy, by.InvokedBy
	}
	if c.trail != nil {
		d.eventID, d.request = c.nextID("event"), c.nextID("request")
	}
	return r.WithContext(context.WithValue(r.Context(), deedKey{}, d)), d
}

// nextID is a random id, or one that follows from the seed.
func (c *Cloud) nextID(what string) string {
	n := c.events.Add(1)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", what, c.idSeed, n))
	return trail.UUID(sum[:])
}

// about says which call on which objects it is.
func (d *deed) about(kind string, v verb, refs ...string) {
	k := action.Kinds[kind]
	d.kind, d.verb, d.refs, d.service = kind, v, refs, k.Service
	d.reads = v == verbGet || v == verbList
	d.name = map[verb]string{verbGet: k.Get, verbList: k.List, verbCreate: k.Create, verbModify: k.Modify, verbReplace: k.Replace, verbDelete: k.Delete}[v]
}

func (d *deed) doing(kind string, a action.Action, refs ...string) {
	d.about(kind, verbAction, refs...)
	d.op, d.name = a, a.Name
}

// fullName is the action as permissions and records name it.
func (d *deed) fullName() string { return d.service + ":" + d.name }

// errorCodes are the names that records have for what the cloud answers.
var errorCodes = map[string]string{
	"AccessDenied": "AccessDenied", "Throttled": "ThrottlingException", "InternalError": "InternalFailure", "NotFound": "ResourceNotFoundException",
	"Invalid": "ValidationException", "Changed": "ConflictException", "Stopping": "ServiceUnavailable", "Protected": "OperationNotPermitted",
}

// fail notes that the call was refused.
func (d *deed) fail(detail api.ErrorDetail) {
	d.code, d.message = errorCodes[detail.Code], detail.Message
	if d.code == "" {
		d.code = detail.Code
	}
}

// end tells a deed, if it was not told with the change that it made.
func (c *Cloud) end(d *deed) error {
	if c.trail == nil || d.told || d.name == "" {
		return nil
	}
	return c.tell(&telling{Record: c.recordOf(d, nil, nil)})
}

// witness makes what is told of a change.
func (c *Cloud) witness(d *deed, before, after []*object) *telling {
	if c.trail == nil || d == nil || d.name == "" {
		return nil
	}
	d.told = true
	return &telling{Record: c.recordOf(d, before, after), Truth: c.truthOf(d, before, after)}
}

// tell appends to trail and truth.
func (c *Cloud) tell(t *telling) error {
	changes := len(t.Truth) > 0
	if err := c.trail.Append(t.Record, changes); err != nil {
		return err
	}
	if c.truth == nil {
		return nil
	}
	return c.truth.Append(t.Truth)
}

// catchUp tells what the cloud had made durable, and had no time to tell.
func (c *Cloud) catchUp() error {
	t := c.store.untold()
	if t == nil || c.trail == nil {
		return nil
	}
	if len(t.Truth) > 0 && c.trail.LastChange() != t.Record.EventID {
		if err := c.trail.Append(t.Record, true); err != nil {
			return err
		}
	}
	if c.truth != nil && c.truth.Last() != t.Record.EventID {
		return c.truth.Append(t.Truth)
	}
	return nil
}

func (c *Cloud) recordOf(d *deed, before, after []*object) trail.Record {
	r := trail.Record{
		EventVersion: trail.Version, UserIdentity: identityOf(d.by), EventTime: trail.At(d.at), EventSource: d.service + ".harbor.example", EventName: d.name,
		AWSRegion: identity.Region, SourceIPAddress: d.from, UserAgent: d.agent, ErrorCode: d.code, ErrorMessage: d.message,
		RequestID: d.request, EventID: d.eventID, ReadOnly: d.reads, EventType: trail.APICall, ManagementEvent: true, RecipientAccountID: identity.Account, EventCategory: trail.Management,
	}
	r.RequestParameters, r.ResponseElements = d.params, d.answer
	if d.kind != "" && !d.own {
		s := c.subjectsOf(d, before, after)
		r.RequestParameters = s.parameters()
		if d.code == "" && !d.reads {
			r.ResponseElements = s.response()
		}
		r.Resources = s.resources()
	}
	if d.own {
		r.EventType, r.ServiceEventDetails, r.RequestID = trail.ServiceEvent, d.event, ""
		r.UserIdentity = trail.Identity{AccountID: identity.Account, InvokedBy: d.by.InvokedBy}
	}
	return r
}

// identityOf is a session as records tell it.
func identityOf(s identity.Session) trail.Identity {
	u := trail.Identity{Type: s.Type, PrincipalID: s.PrincipalID, ARN: s.ID, AccountID: identity.Account, AccessKeyID: s.KeyID, UserName: s.UserName}
	switch s.Type {
	case "AWSService":
		return trail.Identity{Type: s.Type, InvokedBy: s.InvokedBy}
	case "AWSAccount":
		return trail.Identity{Type: s.Type, AccountID: "ANONYMOUS_PRINCIPAL"}
	case "SAMLUser", "WebIdentityUser":
		return trail.Identity{Type: s.Type, PrincipalID: s.PrincipalID, UserName: s.UserName, IdentityProvider: s.WebProvider}
	case "AssumedRole":
		u.SessionContext = &trail.SessionContext{
			SessionIssuer:  &trail.Issuer{Type: "Role", PrincipalID: identity.RoleID(s.Role), ARN: roleARN(s.Role), AccountID: identity.Account, UserName: s.Role},
			Attributes:     trail.SessionAttributes{CreationDate: trail.At(s.Created), MFAAuthenticated: fmt.Sprint(s.MFA)},
			SourceIdentity: s.SourceIdentity,
		}
		if s.WebProvider != "" {
			u.SessionContext.WebIDFederationData = &trail.WebIDFederation{FederatedProvider: s.WebProvider, Attributes: s.WebAttributes}
		}
		if s.OnBehalfOf != "" {
			u.OnBehalfOf = &trail.OnBehalfOf{UserID: s.OnBehalfOf, IdentityStoreARN: identity.StoreARN()}
		}
	}
	return u
}

// roleARN is a role's name in records; those of single sign-on have a path.
func roleARN(role string) string {
	if strings.HasPrefix(role, "AWSReservedSSO_") {
		return identity.ARN("iam", "role/aws-reserved/sso.amazonaws.com/"+role)
	}
	return identity.ARN("iam", "role/"+role)
}

// truthOf lists what a call changed, attribute by attribute; elements of sets and
// keys of maps one by one.
func (c *Cloud) truthOf(d *deed, before, after []*object) (all []trail.Truth) {
	for i := range before {
		o := firstOf(after[i], before[i])
		base := trail.Truth{Event: d.eventID, Time: trail.At(d.at), Action: d.fullName(), Principal: principalOf(d.by), Person: d.by.Person, Kind: o.Type, ID: o.ID, Name: o.Name()}
		if before[i] == nil || after[i] == nil {
			base.Before, base.After = present(before[i]), present(after[i])
			all = append(all, base)
			continue
		}
		all = append(all, differences(base, told(before[i]), told(after[i]))...)
		all = append(all, c.throughOthers(base, before[i], after[i])...)
	}
	return all
}

func principalOf(s identity.Session) string {
	if s.Type == "AWSAccount" {
		return "ANONYMOUS_PRINCIPAL"
	}
	return s.ID
}

func present(o *object) any {
	if o == nil {
		return nil
	}
	return told(o)
}

// told are the attributes of an object with digests for secrets.
func told(o *object) map[string]any {
	out := api.Clone(o.Attributes)
	for name, sum := range o.Secrets {
		out[name] = "secret " + sum[:12]
	}
	if users, ok := out["users"].([]any); ok && o.Type == "database" {
		for _, u := range users {
			if u, ok := u.(map[string]any); ok && u["token"] != nil {
				u["token"] = "secret " + digest(fmt.Sprint(u["token"]))[:12]
			}
		}
	}
	return out
}

// sets are the attributes whose lists have no order, by kind.
var sets = map[string][]string{
	"firewall": {"rules"}, "role": {"attached_policies"}, "database": {"users"}, "dns_record": {"values"}, "instance": {"firewall_ids"},
}

// opened are the attributes whose members are told one by one.
var opened = []string{"tags", "parameters", "environment", "inline_policies", "public_access", "encryption", "metadata_options"}

func differences(base trail.Truth, before, after map[string]any) (all []trail.Truth) {
	names := slices.Sorted(maps.Keys(before))
	for name := range after {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		was, is := before[name], after[name]
		if api.Equal(was, is) {
			continue
		}
		base.Path = name
		switch {
		case slices.Contains(sets[base.Kind], name):
			all = append(all, elementsOf(base, was, is)...)
		case slices.Contains(opened, name):
			all = append(all, membersOf(base, was, is)...)
		default:
			base.Before, base.After = was, is
			all = append(all, base)
		}
	}
	return all
}

func elementsOf(base trail.Truth, was, is any) (all []trail.Truth) {
	note := func(e any, gone bool) {
		t := base
		t.Element, t.Before, t.After = e, nil, nil
		if gone {
			t.Before = e
		} else {
			t.After = e
		}
		all = append(all, t)
	}
	before, _ := was.([]any)
	after, _ := is.([]any)
	for _, e := range before {
		if !slices.ContainsFunc(after, func(o any) bool { return api.Equal(o, e) }) {
			note(e, true)
		}
	}
	for _, e := range after {
		if !slices.ContainsFunc(before, func(o any) bool { return api.Equal(o, e) }) {
			note(e, false)
		}
	}
	return all
}

func membersOf(base trail.Truth, was, is any) []trail.Truth {
	before, _ := was.(map[string]any)
	after, _ := is.(map[string]any)
	under := base.Path
	all := differences(trail.Truth{}, before, after)
	for i, t := range all {
		all[i] = base
		all[i].Path, all[i].Before, all[i].After = under+"."+t.Path, t.Before, t.After
	}
	return all
}

// throughOthers is what a change of a template does to the groups that use it.
func (c *Cloud) throughOthers(base trail.Truth, before, after *object) (all []trail.Truth) {
	if after.Type != "template" {
		return nil
	}
	for _, group := range c.store.of("scaling_group") {
		if group.Attributes["template_id"] != after.ID {
			continue
		}
		base.Kind, base.ID, base.Name = group.Type, group.ID, group.Name()
		for _, name := range templated {
			if !api.Equal(before.Attributes[name], after.Attributes[name]) {
				base.Path, base.Before, base.After = name, before.Attributes[name], after.Attributes[name]
				all = append(all, base)
			}
		}
	}
	return all
}

// templated are the attributes that a scaling group has from its template.
var templated = []string{"image", "instance_type"}

// number is a JSON number.
func number(n int64) json.Number { return json.Number(fmt.Sprint(n)) }
