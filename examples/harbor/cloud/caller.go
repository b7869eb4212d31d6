package cloud

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
)

// Lengths of sessions.
const (
	defaultSession = time.Hour
	longestSession = 12 * time.Hour
)

// caller is who makes a request. Where nobody is asked it is anybody, and to get
// a credential, and for the cloud's own switches, nobody needs one.
func (c *Cloud) caller(r *http.Request) (identity.Session, error) {
	credential := r.Header.Get(api.HeaderAccessKey)
	asked := strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/sts/AssumeRole" || r.URL.Path == "/sts/GetCallerIdentity"
	switch {
	case c.mint == nil:
		return identity.Anonymous(), nil
	case credential != "":
		return c.mint.Read(credential, c.now())
	case asked:
		return identity.Session{}, errors.New("this cloud wants to know who calls: give an access key (harbor login makes one)")
	}
	return identity.Anonymous(), nil
}

// denied is the refusal of a call that the caller has no permission for.
func denied(d *deed) error {
	return &refusal{status: http.StatusForbidden, detail: api.ErrorDetail{Code: "AccessDenied",
		Message: fmt.Sprintf("User: %s is not authorized to perform: %s", d.by.ID, d.fullName())}}
}

// open makes a handler of the calls that are about no object.
func (c *Cloud) open(next func(d *deed, ask api.SessionRequest) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d := deedOf(r)
		if c.mint == nil {
			refuse(w, http.StatusConflict, api.ErrorDetail{Code: "NoDirectory", Message: "this cloud asks nobody who they are; start it with --principals"})
			return
		}
		service, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		d.service, d.name = service, name
		var ask api.SessionRequest
		if r.Method == http.MethodPost {
			if err := api.Decode(http.MaxBytesReader(w, r.Body, maxBody), &ask); err != nil {
				c.answerError(w, r, invalid(err.Error()))
				return
			}
		}
		out, err := next(d, ask)
		if errors.Is(err, identity.ErrRefused) {
			err = &refusal{status: http.StatusForbidden, detail: api.ErrorDetail{Code: "AccessDenied", Message: err.Error()}}
		}
		if err != nil {
			c.answerError(w, r, err)
			return
		}
		answer(w, http.StatusOK, out)
	}
}

func (c *Cloud) grant(ask api.SessionRequest) (identity.Grant, error) {
	g := identity.Grant{Now: c.now().Truncate(time.Second), Duration: defaultSession}
	if ask.DurationSeconds != 0 {
		g.Duration = time.Duration(ask.DurationSeconds) * time.Second
	}
	if g.Duration < time.Minute || g.Duration > longestSession {
		return g, invalid(fmt.Sprintf("a session is from a minute to %v long", longestSession))
	}
	g.KeyID = "ASIA" + strings.ToUpper(digest("key", c.idSeed, fmt.Sprint(c.events.Add(2)))[:16])
	return g, nil
}

// issue makes the answer to whoever asked for a session, and what is told of it,
// in which there is no secret.
func (c *Cloud) issue(d *deed, s identity.Session) (any, error) {
	credential, err := c.mint.Credential(s)
	if err != nil {
		return nil, err
	}
	d.answer = map[string]any{
		"credentials":     map[string]any{"accessKeyId": s.KeyID, "sessionToken": hidden, "expiration": s.Expires.UTC().Format("Jan 2, 2006, 3:04:05 PM")},
		"assumedRoleUser": map[string]any{"assumedRoleId": s.PrincipalID, "arn": s.ID},
	}
	return api.Credential{AccessKey: credential, Principal: s.ID, Expires: s.Expires}, nil
}

// signIn is what single sign-on does for a person: it vouches for them with an
// assertion, for which there is a session.
func (c *Cloud) signIn(d *deed, ask api.SessionRequest) (any, error) {
	d.service, d.name = "sts", "AssumeRoleWithSAML"
	d.by = identity.Session{Type: "SAMLUser", ID: ask.Person, PrincipalID: identity.PersonID(ask.Person) + ":" + ask.Person, UserName: ask.Person, WebProvider: identity.PersonID(ask.Person)}
	g, err := c.grant(ask)
	if err != nil {
		return nil, err
	}
	d.params = map[string]any{"roleSessionName": ask.Person, "durationSeconds": number(int64(g.Duration / time.Second)), "principalArn": identity.ARN("iam", "saml-provider/AWSSSO_harbor_DO_NOT_DELETE")}
	s, err := c.people.SignIn(g, ask.Person, ask.Set)
	if err != nil {
		return nil, err
	}
	d.params.(map[string]any)["roleArn"] = roleARN(s.Role)
	return c.issue(d, s)
}

func (c *Cloud) assumeRole(d *deed, ask api.SessionRequest) (any, error) {
	g, err := c.grant(ask)
	if err != nil {
		return nil, err
	}
	params := map[string]any{"roleArn": roleARN(ask.Role), "roleSessionName": ask.Session, "durationSeconds": number(int64(g.Duration / time.Second))}
	if ask.SourceIdentity != "" {
		params["sourceIdentity"] = ask.SourceIdentity
	}
	d.params = params
	if !d.by.May(d.fullName()) {
		return nil, denied(d)
	}
	s, err := c.people.Assume(g, d.by, ask.Role, ask.Session, ask.SourceIdentity)
	if err != nil {
		return nil, err
	}
	return c.issue(d, s)
}

func (c *Cloud) assumeRoleWithWebIdentity(d *deed, ask api.SessionRequest) (any, error) {
	provider := identity.ARN("iam", "oidc-provider/"+ask.Provider)
	d.by = identity.Session{Type: "WebIdentityUser", ID: ask.Subject, PrincipalID: provider + ":sts.harbor.example:" + ask.Subject, UserName: ask.Subject, WebProvider: provider}
	g, err := c.grant(ask)
	if err != nil {
		return nil, err
	}
	d.params = map[string]any{"roleArn": roleARN(ask.Role), "roleSessionName": ask.Session, "durationSeconds": number(int64(g.Duration / time.Second))}
	s, err := c.people.AssumeWeb(g, ask.Role, ask.Session, ask.Provider, ask.Subject)
	if err != nil {
		return nil, err
	}
	return c.issue(d, s)
}

func (c *Cloud) callerIdentity(d *deed, _ api.SessionRequest) (any, error) {
	d.reads = true
	return api.Caller{Principal: d.by.ID, Account: identity.Account, Expires: d.by.Expires}, nil
}

// listPrincipals lists who there is, and the keys of users, for whoever runs the
// cloud.
func (c *Cloud) listPrincipals(w http.ResponseWriter, _ *http.Request) {
	out := api.Principals{Principals: []api.Principal{}}
	for _, p := range c.people.People {
		out.Principals = append(out.Principals, api.Principal{Name: p.Mail, Kind: "person", Detail: "permission sets " + strings.Join(p.Sets, ", ")})
	}
	for _, u := range c.people.Users {
		detail := "a user with a key of its own"
		if u.Shared {
			detail = "a user whose key is shared"
		}
		out.Principals = append(out.Principals, api.Principal{Name: "user:" + u.Name, Kind: "user", Detail: detail, AccessKey: c.mint.Key(u)})
	}
	for _, r := range c.people.Roles {
		detail := "a role, after > in a chain"
		switch {
		case r.WebProvider != "":
			detail = "a role for web identities " + r.Subject + "* of " + r.WebProvider
		case r.Sourced:
			detail += "; it wants a source identity"
		}
		out.Principals = append(out.Principals, api.Principal{Name: r.Name, Kind: "role", Detail: detail})
	}
	answer(w, http.StatusOK, out)
}
