package client

import (
	"context"
	"fmt"
	"strings"

	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
)

// Login gets a credential for somebody by what they are called:
//
//	carol@corp.example            a person, by single sign-on
//	carol@corp.example/ReadOnly   with a certain permission set
//	user:dana                     a user with a key of its own
//	ci:4711                       run 4711 of the pipeline of repository acme/infra
//	WHO>Operations>Maintenance    roles that are assumed one after the other
//
// A role that wants a source identity is told who is at the beginning.
func (c *Client) Login(ctx context.Context, who string) (credential string, err error) {
	first, roles, _ := strings.Cut(who, ">")
	credential, err = c.first(ctx, first)
	if err != nil || roles == "" {
		return credential, err
	}
	name := first[strings.LastIndex(first, ":")+1:]
	session, _, _ := strings.Cut(name, "@")
	source, _, _ := strings.Cut(name, "/")
	for role := range strings.SplitSeq(roles, ">") {
		got, err := c.As(credential).AssumeRole(ctx, role, session, source)
		if err != nil {
			return "", fmt.Errorf("assume %s: %w", role, err)
		}
		credential = got.AccessKey
	}
	return credential, nil
}

func (c *Client) first(ctx context.Context, who string) (string, error) {
	kind, name, _ := strings.Cut(who, ":")
	switch kind {
	case "user":
		return c.userKey(ctx, who)
	case "ci":
		got, err := c.AssumeRoleWithWebIdentity(ctx, "infra-apply", "run-"+name, identity.GitHub, "repo:acme/infra:ref:refs/heads/main")
		return got.AccessKey, err
	}
	person, set, _ := strings.Cut(who, "/")
	got, err := c.SignIn(ctx, person, set)
	return got.AccessKey, err
}

func (c *Client) userKey(ctx context.Context, who string) (string, error) {
	all, err := c.Principals(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range all {
		if p.Name == who {
			return p.AccessKey, nil
		}
	}
	return "", fmt.Errorf("there is no %s: `harbor principals` lists who there is", who)
}
