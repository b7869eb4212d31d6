// Package gcs reads states from Google Cloud Storage, over its JSON API.
//
// The state of a workspace is the object `prefix/workspace.tfstate`, with "default" as the name of the default one; the lock is
// the object `prefix/workspace.tflock`.
package gcs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config       remote.Config
	client       *remote.Client
	api          string             // address of the JSON API, without a slash at its end
	tokens       oauth2.TokenSource // nil with an emulator, which asks for none
	bucket, name string
	key          []byte // customer-supplied encryption key; nil if there is none
	written      time.Time
}

// Open takes the settings of the backend "gcs" and looks for credentials where the tool would.
func Open(ctx context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	r := &Reader{config: c, bucket: s.Required("bucket"), key: customerKey(s)}
	r.name = path.Join(strings.TrimLeft(s.String("prefix"), "/"), c.Workspace)
	emulated := r.locate(s, c)
	if err := s.Err(); err != nil {
		return nil, err
	}
	r.client = c.Client(r.Name(), nil)
	if !emulated {
		tokens, err := findTokens(ctx, c, s)
		if err != nil {
			return nil, err
		}
		r.tokens = tokens
	}
	return r, s.Err()
}

// customerKey takes the key with which the objects are encrypted for the customer: 32 bytes in base64.
func customerKey(s *remote.Settings) []byte {
	text := strings.TrimSpace(string(s.Contents("encryption_key", "GOOGLE_ENCRYPTION_KEY")))
	if text == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		s.Fail("", "encryption_key is not 32 bytes in base64")
	}
	return key
}

// locate finds the API, and says whether it is an emulator.
func (r *Reader) locate(s *remote.Settings, c remote.Config) bool {
	address := s.String("storage_custom_endpoint", "GOOGLE_BACKEND_STORAGE_CUSTOM_ENDPOINT", "GOOGLE_STORAGE_CUSTOM_ENDPOINT")
	emulator := c.Env("STORAGE_EMULATOR_HOST")
	emulated := address == "" && emulator != ""
	switch {
	case emulated && !strings.Contains(emulator, "://"):
		address = "http://" + emulator
	case emulated:
		address = emulator
	case address == "":
		address = "https://storage.googleapis.com"
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		s.Fail("", "storage_custom_endpoint is no URL")
		return false
	}
	base := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/b")
	if base == "" {
		base = "/storage/v1"
	}
	r.api = u.Scheme + "://" + u.Host + base
	return emulated
}

// Name is "gs://bucket/object".
func (r *Reader) Name() string { return "gs://" + r.bucket + "/" + r.name + ".tfstate" }

// get reads an object unless it has the known generation.
func (r *Reader) get(ctx context.Context, object, known string, key []byte) (*remote.Answer, error) {
	address := r.api + "/b/" + url.PathEscape(r.bucket) + "/o/" + url.PathEscape(object) + "?alt=media"
	if known != "" {
		address += "&ifGenerationNotMatch=" + url.QueryEscape(known)
	}
	header := http.Header{}
	if r.tokens != nil {
		token, err := r.tokens.Token()
		if err != nil {
			return nil, refused(ctx, r.Name(), err)
		}
		header.Set("Authorization", "Bearer "+token.AccessToken)
	}
	if key != nil {
		sum := sha256.Sum256(key)
		header.Set("X-Goog-Encryption-Algorithm", "AES256")
		header.Set("X-Goog-Encryption-Key", base64.StdEncoding.EncodeToString(key))
		header.Set("X-Goog-Encryption-Key-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	}
	return r.client.Get(ctx, address, header)
}

// Fetch gives the object unless its generation is the known one.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	condition := known
	if strings.Trim(known, "0123456789") != "" { // it is a version of some other reader, and Google would refuse it
		condition = ""
	}
	answer, err := r.get(ctx, r.name+".tfstate", condition, r.key)
	switch {
	case err != nil:
		return nil, "", err
	case answer.Status == http.StatusNotModified && condition != "":
		return nil, known, nil
	case answer.Status == http.StatusBadRequest && r.key == nil:
		return nil, "", remote.Invalid("set encryption_key if the state is encrypted with one", "%s: Google refuses the request", r.Name())
	case answer.Status != http.StatusOK:
		return nil, "", remote.StatusError(r.Name(), answer.Status)
	case len(answer.Body) == 0:
		return nil, "", remote.NotFound(r.Name())
	}
	r.written = remote.LastModified(answer.Header)
	version := answer.Header.Get("X-Goog-Generation")
	if version == "" {
		version = remote.Digest(answer.Body)
	}
	if version == known {
		return nil, known, nil
	}
	return answer.Body, version, nil
}

// Written is when the state that was fetched last was written, by the word of the store; zero where it does not say.
func (r *Reader) Written() time.Time { return r.written }

// Locked looks for the object of the lock, which is never encrypted with the customer's key.
func (r *Reader) Locked(ctx context.Context) (remote.Lock, error) {
	answer, err := r.get(ctx, r.name+".tflock", "", nil)
	switch {
	case err != nil:
		return remote.Lock{}, err
	case answer.Status == http.StatusNotFound:
		return remote.Lock{}, nil
	case answer.Status != http.StatusOK:
		return remote.Lock{}, remote.StatusError(r.Name(), answer.Status)
	}
	return remote.HeldBy(answer.Body), nil
}

// Close lets go of connections.
func (r *Reader) Close() error { return r.client.Close() }
