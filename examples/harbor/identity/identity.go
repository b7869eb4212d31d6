// Package identity says who calls the practice cloud: people through single
// sign-on, roles that are assumed one after another, pipelines with a web
// identity, users with keys of their own, and services of the cloud itself.
//
// A credential is text, KEYID/SECRET. Whoever holds one is a [Session]. Sessions
// are not kept: the secret of a temporary credential is the session itself, under
// a code that only the cloud can make. So a credential outlives a restart, and
// nobody can make one up.
package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Account is the cloud's one account, and Region its one region.
const (
	Account   = "123456789012"
	Region    = "harbor-1"
	Partition = "aws-harbor"
)

// ARN names something of a service that belongs to no region.
func ARN(service, resource string) string {
	return "arn:" + Partition + ":" + service + "::" + Account + ":" + resource
}

// A Session is a caller as the cloud knows it.
type Session struct {
	KeyID string `json:"key"`
	Type  string `json:"type"` // as a record calls it: IAMUser, AssumedRole, AWSService, ...
	// ID is the most specific name: an ARN, or a service's name.
	ID          string `json:"id"`
	PrincipalID string `json:"principal,omitempty"`
	UserName    string `json:"user,omitempty"`
	Role        string `json:"role,omitempty"` // that it was assumed from
	Name        string `json:"name,omitempty"` // of the session
	Person      bool   `json:"person,omitempty"`
	MFA         bool   `json:"mfa,omitempty"`

	SourceIdentity string            `json:"source,omitempty"`
	WebProvider    string            `json:"web,omitempty"`
	WebAttributes  map[string]string `json:"webAttributes,omitempty"`
	OnBehalfOf     string            `json:"onBehalfOf,omitempty"` // user of the directory
	InvokedBy      string            `json:"invokedBy,omitempty"`

	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"` // zero: never
	Allow   []string  `json:"allow"`   // patterns of SERVICE:Action
	Deny    []string  `json:"deny,omitempty"`
}

// May tells whether the session may do an action, such as firewall:DeleteFirewall.
func (s Session) May(action string) bool {
	return matches(s.Allow, action) && !matches(s.Deny, action)
}

func matches(patterns []string, action string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, action); err == nil && ok {
			return true
		}
	}
	return false
}

// Anonymous is who gives no credential, in a cloud that asks for none.
func Anonymous() Session {
	return Session{Type: "AWSAccount", ID: "anonymous", Allow: []string{"*:*"}}
}

// Service is a service of the cloud that calls by itself.
func Service(name string) Session {
	return Session{Type: "AWSService", ID: name, InvokedBy: name, Allow: []string{"*:*"}}
}

// Reasons why a credential is not taken.
var (
	ErrUnknown = errors.New("the access key is not one of this cloud")
	ErrExpired = errors.New("the session has expired")
)

// A Mint makes credentials and reads them. The secret is what makes its codes its own.
type Mint struct {
	secret    []byte
	directory Directory
}

// NewMint makes a mint for the people, users and roles of a directory.
func NewMint(secret string, d Directory) *Mint {
	sum := sha256.Sum256([]byte("harbor credentials\x00" + secret))
	return &Mint{sum[:], d}
}

func (m *Mint) code(parts ...string) string {
	h := hmac.New(sha256.New, m.secret)
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))[:40]
}

// Credential is the text that stands for a temporary session.
func (m *Mint) Credential(s Session) (string, error) {
	content, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	body := base64.RawURLEncoding.EncodeToString(content)
	return s.KeyID + "/" + body + "." + m.code("session", body), nil
}

// Key is the credential of a user with a key of its own.
func (m *Mint) Key(user User) string { return user.KeyID() + "/" + m.code("user", user.Name) }

// Read says whose credential it is at a moment.
func (m *Mint) Read(credential string, now time.Time) (Session, error) {
	id, secret, _ := strings.Cut(credential, "/")
	for _, u := range m.directory.Users {
		if u.KeyID() == id {
			if !hmac.Equal([]byte(secret), []byte(m.code("user", u.Name))) {
				return Session{}, ErrUnknown
			}
			return u.session(), nil
		}
	}
	body, code, ok := strings.Cut(secret, ".")
	if !ok || !hmac.Equal([]byte(code), []byte(m.code("session", body))) {
		return Session{}, ErrUnknown
	}
	return open(id, body, now)
}

func open(id, body string, now time.Time) (Session, error) {
	content, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return Session{}, ErrUnknown
	}
	var s Session
	if err := json.Unmarshal(content, &s); err != nil || s.KeyID != id {
		return Session{}, ErrUnknown
	}
	if !s.Expires.IsZero() && !now.Before(s.Expires) {
		return Session{}, fmt.Errorf("%w at %s", ErrExpired, s.Expires.UTC().Format(time.RFC3339))
	}
	return s, nil
}

// stableID makes up an id from what it is for, as the cloud would have at random.
func stableID(prefix string, parts ...string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	out := []byte(prefix)
	for _, b := range sum[:20-len(prefix)] {
		out = append(out, letters[b%32])
	}
	return string(out)
}
