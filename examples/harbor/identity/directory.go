package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Directory is who there is. It holds made-up people of a made-up company.
type Directory struct {
	People []Person
	Users  []User
	Roles  []Role
}

// A Person signs in by single sign-on and gets one of the permission sets.
type Person struct {
	Mail string
	Sets []string
	// Enhanced sessions say on behalf of which user of the directory they act.
	Enhanced bool
}

// A User has a key of its own, which does not expire.
type User struct {
	Name   string
	Person bool
	Shared bool // many hold its key
}

// A Role can be assumed.
type Role struct {
	Name  string
	Allow []string
	Deny  []string
	// WebProvider and Subject are of the web identities that may assume it; the
	// subject is a prefix.
	WebProvider, Subject string
	// Sourced wants to be told who is behind: a source identity.
	Sourced bool
}

var (
	everything = []string{"*:*"}
	readOnly   = []string{"*:Get*", "*:List*", "*:Describe*"}
)

// GitHub is the provider that vouches for the practice pipelines.
const GitHub = "token.actions.githubusercontent.com"

// Practice is the directory of the practice cloud.
func Practice() Directory {
	return Directory{
		People: []Person{
			{Mail: "carol@corp.example", Sets: []string{"Admin", "ReadOnly"}},
			{Mail: "erin@corp.example", Sets: []string{"PowerUser", "ReadOnly"}},
			{Mail: "grace@corp.example", Sets: []string{"Admin"}, Enhanced: true},
			{Mail: "mallory@corp.example", Sets: []string{"Support"}},
			{Mail: "frank@corp.example", Sets: []string{"ReadOnly"}},
		},
		Users: []User{{Name: "dana", Person: true}, {Name: "shared-admin", Shared: true}},
		Roles: []Role{
			{Name: "infra-apply", Allow: everything, WebProvider: GitHub, Subject: "repo:acme/infra:"},
			{Name: "Operations", Allow: everything},
			{Name: "Maintenance", Allow: everything, Deny: []string{"*:Delete*", "*:Terminate*"}},
			{Name: "BreakGlass", Allow: everything, Sourced: true},
		},
	}
}

// permissionSets are what a set allows.
var permissionSets = map[string]struct{ allow, deny []string }{
	"Admin":     {allow: everything},
	"PowerUser": {allow: everything, deny: []string{"access:*"}},
	"Support":   {allow: slices.Concat(readOnly, []string{"sts:*", "*:Tag*", "*:Untag*"})},
	"ReadOnly":  {allow: slices.Concat(readOnly, []string{"sts:GetCallerIdentity"})},
}

// KeyID is the public part of a user's key.
func (u User) KeyID() string { return stableID("AKIA", "key of", u.Name) }

func (u User) session() Session {
	return Session{KeyID: u.KeyID(), Type: "IAMUser", ID: ARN("iam", "user/"+u.Name), PrincipalID: stableID("AIDA", u.Name), UserName: u.Name, Person: u.Person, Allow: everything}
}

// RoleID is the id that the cloud gave a role.
func RoleID(role string) string { return stableID("AROA", role) }

// SSORole is the name of the role behind a permission set.
func SSORole(set string) string {
	return "AWSReservedSSO_" + set + "_" + strings.ToLower(stableID("", set)[:16])
}

// PersonID is the id of a person in the directory of single sign-on.
func PersonID(mail string) string {
	id := strings.ToLower(stableID("", mail))
	return "9067" + id[:6] + "-" + id[6:14]
}

// StoreARN names the directory that people are in.
func StoreARN() string { return ARN("identitystore", "identitystore/d-9067harbor") }

// ErrRefused says that someone may not become what they asked for.
var ErrRefused = errors.New("not authorized")

// A Grant is how a session is asked for, beside who asks.
type Grant struct {
	KeyID    string // the new key's
	Now      time.Time
	Duration time.Duration
}

func (g Grant) session(role, name string) Session {
	return Session{KeyID: g.KeyID, Type: "AssumedRole", ID: ARN("sts", "assumed-role/"+role+"/"+name), PrincipalID: RoleID(role) + ":" + name, Role: role, Name: name,
		Created: g.Now, Expires: g.Now.Add(g.Duration)}
}

// SignIn gives a person a session of a permission set; "" is the first they have.
func (d Directory) SignIn(g Grant, mail, set string) (Session, error) {
	i := slices.IndexFunc(d.People, func(p Person) bool { return p.Mail == mail })
	if i < 0 {
		return Session{}, fmt.Errorf("%w: nobody is called %q", ErrRefused, mail)
	}
	p := d.People[i]
	if set == "" {
		set = p.Sets[0]
	}
	if !slices.Contains(p.Sets, set) {
		return Session{}, fmt.Errorf("%w: %s has no permission set %q, but %s", ErrRefused, mail, set, strings.Join(p.Sets, ", "))
	}
	s := g.session(SSORole(set), mail)
	s.Person, s.MFA, s.Allow, s.Deny = true, true, permissionSets[set].allow, permissionSets[set].deny
	if p.Enhanced {
		s.OnBehalfOf = PersonID(mail)
	}
	return s, nil
}

// Assume gives a session of a role to another session.
func (d Directory) Assume(g Grant, by Session, role, name, sourceIdentity string) (Session, error) {
	r, err := d.role(role)
	if err != nil {
		return Session{}, err
	}
	if r.WebProvider != "" {
		return Session{}, fmt.Errorf("%w: the role %s is for web identities of %s", ErrRefused, role, r.WebProvider)
	}
	if by.SourceIdentity != "" { // it stays as it is along a chain
		sourceIdentity = by.SourceIdentity
	}
	if r.Sourced && sourceIdentity == "" {
		return Session{}, fmt.Errorf("%w: the role %s wants a source identity", ErrRefused, role)
	}
	if name == "" {
		return Session{}, fmt.Errorf("%w: a session needs a name", ErrRefused)
	}
	s := g.session(r.Name, name)
	s.Person, s.SourceIdentity, s.Allow, s.Deny = by.Person, sourceIdentity, r.Allow, r.Deny
	return s, nil
}

// AssumeWeb gives a session of a role to a web identity.
func (d Directory) AssumeWeb(g Grant, role, name, provider, subject string) (Session, error) {
	r, err := d.role(role)
	if err != nil {
		return Session{}, err
	}
	if r.WebProvider != provider || r.Subject == "" || !strings.HasPrefix(subject, r.Subject) {
		return Session{}, fmt.Errorf("%w: the role %s does not trust %q of %q", ErrRefused, role, subject, provider)
	}
	if name == "" {
		return Session{}, fmt.Errorf("%w: a session needs a name", ErrRefused)
	}
	s := g.session(r.Name, name)
	s.Allow, s.Deny, s.WebProvider = r.Allow, r.Deny, ARN("iam", "oidc-provider/"+provider)
	s.WebAttributes = map[string]string{"sub": subject, "aud": "sts.harbor.example"}
	return s, nil
}

func (d Directory) role(name string) (Role, error) {
	name = name[strings.LastIndex(name, "/")+1:] // of an ARN
	i := slices.IndexFunc(d.Roles, func(r Role) bool { return r.Name == name })
	if i < 0 {
		return Role{}, fmt.Errorf("%w: there is no role %q", ErrRefused, name)
	}
	return d.Roles[i], nil
}

// User finds a user with a key.
func (d Directory) User(name string) (User, error) {
	i := slices.IndexFunc(d.Users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return User{}, fmt.Errorf("%w: there is no user %q", ErrRefused, name)
	}
	return d.Users[i], nil
}
