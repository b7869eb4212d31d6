// Package web reads states that any server keeps which speaks the protocol of the backend "http": GET gives the state. GitLab,
// Spacelift's and Scalr's exports and many small servers do.
//
// The protocol has no way to ask for a lock without taking it, so the lock is unknown.
package web

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config  remote.Config
	client  *remote.Client
	address *url.URL
	header  http.Header
	written time.Time
}

// Open takes the settings of the backend "http". It makes no request.
func Open(_ context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	address := s.Required("address", "TF_HTTP_ADDRESS")
	r := &Reader{config: c, header: header(s)}
	secure := certificates(s)
	if s.Err() == nil {
		r.address = parse(s, address)
	}
	if c.Workspace != remote.DefaultWorkspace {
		s.Fail("read the default workspace", "it has no workspaces, and %q was asked for", c.Workspace)
	}
	retries := s.Int("retry_max", 2, "TF_HTTP_RETRY_MAX")
	waitMin, waitMax := s.Int("retry_wait_min", 1, "TF_HTTP_RETRY_WAIT_MIN"), s.Int("retry_wait_max", 30, "TF_HTTP_RETRY_WAIT_MAX")
	if err := s.Err(); err != nil {
		return nil, err
	}
	r.client = c.Client(r.Name(), secure)
	r.client.Retries(retries, time.Duration(waitMin)*time.Second, time.Duration(waitMax)*time.Second)
	return r, nil
}

func parse(s *remote.Settings, address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		s.Fail("", "address is no URL that begins with http:// or https://")
		return nil
	}
	return u
}

func header(s *remote.Settings) http.Header {
	h := http.Header{}
	for name, value := range s.Map("headers") {
		h.Set(name, value)
	}
	if user := s.String("username", "TF_HTTP_USERNAME"); user != "" {
		login := user + ":" + s.String("password", "TF_HTTP_PASSWORD")
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(login)))
	}
	return h
}

func certificates(s *remote.Settings) *tls.Config {
	secure, err := remote.Certificates{
		Insecure:    s.Bool("skip_cert_verification", false),
		Trust:       []byte(s.String("client_ca_certificate_pem", "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM")),
		Certificate: []byte(s.String("client_certificate_pem", "TF_HTTP_CLIENT_CERTIFICATE_PEM")),
		Key:         []byte(s.String("client_private_key_pem", "TF_HTTP_CLIENT_PRIVATE_KEY_PEM")),
	}.TLS()
	if err != nil {
		s.Fail("", "%w", err)
	}
	return secure
}

// Name is the address without user, password and query, any of which may be a secret.
func (r *Reader) Name() string {
	return (&url.URL{Scheme: r.address.Scheme, Host: r.address.Host, Path: r.address.Path}).String()
}

const tagged = "etag:"

// Fetch gives the state unless its version is the known one. The version is the server's ETag, else a digest of the state.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	h := r.header.Clone()
	if tag, ok := strings.CutPrefix(known, tagged); ok {
		h.Set("If-None-Match", tag)
	}
	answer, err := r.client.Get(ctx, r.address.String(), h)
	if err != nil {
		return nil, "", err
	}
	if answer.Status == http.StatusNotModified && known != "" {
		return nil, known, nil
	}
	if err := r.check(answer); err != nil {
		return nil, "", err
	}
	r.written = remote.LastModified(answer.Header)
	version := remote.Digest(answer.Body)
	if tag := answer.Header.Get("ETag"); tag != "" {
		version = tagged + tag
	}
	if version == known {
		return nil, known, nil
	}
	return answer.Body, version, nil
}

// Written is when the state that was fetched last was written, by the word of the server; zero where it does not say.
func (r *Reader) Written() time.Time { return r.written }

func (r *Reader) check(answer *remote.Answer) error {
	switch {
	case answer.Status == http.StatusNoContent, answer.Status == http.StatusOK && len(answer.Body) == 0:
		return remote.NotFound(r.Name())
	case answer.Status != http.StatusOK:
		return remote.StatusError(r.Name(), answer.Status)
	}
	want := answer.Header.Get("Content-MD5")
	if sum := md5.Sum(answer.Body); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return remote.Unavailable("try again: the state may have been cut short on its way", "%s: the state does not match its Content-MD5", r.Name())
	}
	return nil
}

// Locked tells nothing: see the package's comment.
func (r *Reader) Locked(context.Context) (remote.Lock, error) { return remote.Lock{Unknown: true}, nil }

// Close lets go of connections.
func (r *Reader) Close() error { return r.client.Close() }
