package client

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// Act carries out an action on an object, or on several of the kind where the
// action allows that. It returns the first of them as it is then.
func (c *Client) Act(ctx context.Context, kind string, ids []string, name string, attributes map[string]any, etag string) (api.Object, error) {
	if attributes == nil {
		attributes = map[string]any{}
	}
	var o api.Object
	r := request{method: http.MethodPost, path: []string{"v1", kind, strings.Join(ids, ","), name}, body: api.Write{Attributes: attributes}, etag: etag}
	_, err := c.call(ctx, r, &o)
	return o, err
}

// Change brings a patch of an object about. A client with a credential does so by
// actions, one call for each part of the object, as programs do in a real cloud:
// if one is refused, those before it were done. One without makes one call. etag
// is as for [Client.Patch].
func (c *Client) Change(ctx context.Context, before api.Object, patch map[string]any, etag string) (api.Object, error) {
	if c.opts.AccessKey == "" {
		return c.Patch(ctx, before.Type, before.ID, patch, etag)
	}
	calls, left := action.Split(before.Type, before.Attributes, patch)
	after := before
	for _, call := range calls {
		var err error
		if after, err = c.Act(ctx, before.Type, []string{before.ID}, call.Action, call.Attributes, etag); err != nil {
			return after, err
		}
		etag = ""
	}
	if len(left) == 0 {
		return after, nil
	}
	return c.Patch(ctx, before.Type, before.ID, left, etag)
}

// Make creates an object. A client with a credential does so as programs do in a
// real cloud: what does not go with the creation is set by actions after it. Where
// one of them is refused, the object is there, and returned beside the error.
func (c *Client) Make(ctx context.Context, kind string, attributes map[string]any) (api.Object, error) {
	with := action.Kinds[kind].CreateWith
	if c.opts.AccessKey == "" || len(with) == 0 {
		return c.Create(ctx, kind, attributes)
	}
	first, later := map[string]any{}, map[string]any{}
	for name, v := range attributes {
		if slices.Contains(with, name) {
			first[name] = v
		} else {
			later[name] = v
		}
	}
	o, err := c.Create(ctx, kind, first)
	if err != nil || len(later) == 0 {
		return o, err
	}
	changed, err := c.Change(ctx, o, later, "")
	if err != nil {
		return o, err
	}
	return changed, nil
}

func (c *Client) session(ctx context.Context, ask api.SessionRequest, path ...string) (api.Credential, error) {
	var out api.Credential
	_, err := c.call(ctx, request{method: http.MethodPost, path: path, body: ask}, &out)
	return out, err
}

// SignIn gets a person a session of a permission set; "" is the first they have.
func (c *Client) SignIn(ctx context.Context, person, set string) (api.Credential, error) {
	return c.session(ctx, api.SessionRequest{Person: person, Set: set}, "sso", "SignIn")
}

// AssumeRole gets a session of a role for the client's own credential.
func (c *Client) AssumeRole(ctx context.Context, role, session, sourceIdentity string) (api.Credential, error) {
	return c.session(ctx, api.SessionRequest{Role: role, Session: session, SourceIdentity: sourceIdentity}, "sts", "AssumeRole")
}

// AssumeRoleWithWebIdentity gets a session of a role for a web identity.
func (c *Client) AssumeRoleWithWebIdentity(ctx context.Context, role, session, provider, subject string) (api.Credential, error) {
	return c.session(ctx, api.SessionRequest{Role: role, Session: session, Provider: provider, Subject: subject}, "sts", "AssumeRoleWithWebIdentity")
}

// CallerIdentity says whose the client's credential is.
func (c *Client) CallerIdentity(ctx context.Context) (api.Caller, error) {
	var out api.Caller
	_, err := c.call(ctx, request{method: http.MethodGet, path: []string{"sts", "GetCallerIdentity"}}, &out)
	return out, err
}

// Principals lists who there is.
func (c *Client) Principals(ctx context.Context) ([]api.Principal, error) {
	var out api.Principals
	_, err := c.call(ctx, request{method: http.MethodGet, path: []string{"admin", "principals"}}, &out)
	return out.Principals, err
}

// Advance moves the cloud's own clock.
func (c *Client) Advance(ctx context.Context, by string) (api.Moment, error) {
	var out api.Moment
	_, err := c.call(ctx, request{method: http.MethodPost, path: []string{"admin", "clock"}, body: api.Advance{By: by}}, &out)
	return out, err
}

// Step has the cloud's controllers look at everything once.
func (c *Client) Step(ctx context.Context) (moved int, err error) {
	var out api.Moved
	_, err = c.call(ctx, request{method: http.MethodPost, path: []string{"admin", "controller"}}, &out)
	return out.Moved, err
}

// FlushTrail has all records delivered now.
func (c *Client) FlushTrail(ctx context.Context) error {
	_, err := c.call(ctx, request{method: http.MethodPost, path: []string{"admin", "trail"}}, nil)
	return err
}

// Populate adds so many objects of all kinds, of which nothing is told.
func (c *Client) Populate(ctx context.Context, count int) error {
	_, err := c.call(ctx, request{method: http.MethodPost, path: []string{"admin", "populate"}, body: api.Populate{Count: count}}, nil)
	return err
}

// As is a client of the same cloud with another credential.
func (c *Client) As(credential string) *Client {
	other := *c
	other.opts.AccessKey = credential
	return &other
}

// AsProgram is the same client, subject to faults.
func (c *Client) AsProgram() *Client {
	other := *c
	other.opts.Operator = false
	return &other
}

// CallingItself is the same client by another name.
func (c *Client) CallingItself(agent string) *Client {
	other := *c
	other.opts.UserAgent = agent
	return &other
}
