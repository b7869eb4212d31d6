// Package consul reads states from Consul's key-value store.
//
// The state of the default workspace is the key `path`, that of another one `path-env:workspace`. It is JSON or gzip; one that is too
// large for a single key is cut into pieces, and the key then holds their names and an MD5 of the whole. The lock is the
// key with the suffix "/.lock" while a session holds it; "/.lockinfo" says whose it is.
package consul

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config     remote.Config
	client     *remote.Client
	server     url.URL
	datacenter string
	header     http.Header
	path       string
}

// Open takes the settings of the backend "consul". It makes no request.
func Open(_ context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	r := &Reader{config: c, path: s.Required("path"), datacenter: s.String("datacenter"), header: http.Header{}}
	if c.Workspace != remote.DefaultWorkspace {
		r.path += "-env:" + c.Workspace
	}
	r.server = server(s)
	r.sign(s, c)
	secure, err := remote.Certificates{
		Trust: s.File("ca_file", "CONSUL_CACERT"), Certificate: s.File("cert_file", "CONSUL_CLIENT_CERT"), Key: s.File("key_file", "CONSUL_CLIENT_KEY"),
		Insecure: s.String("-", "CONSUL_HTTP_SSL_VERIFY") != "" && !s.Bool("-", true, "CONSUL_HTTP_SSL_VERIFY"),
	}.TLS()
	if err != nil {
		s.Fail("", "%w", err)
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	r.client = c.Client(r.Name(), secure)
	return r, nil
}

// server works out the address as Consul's own clients do.
func server(s *remote.Settings) url.URL {
	address, scheme := s.String("address", "CONSUL_HTTP_ADDR"), s.String("scheme")
	if address == "" {
		address = "127.0.0.1:8500"
	}
	if before, after, found := strings.Cut(address, "://"); found {
		address = after
		if scheme == "" {
			scheme = before
		}
	}
	if scheme == "" {
		scheme = "http"
		if s.Bool("-", false, "CONSUL_HTTP_SSL") {
			scheme = "https"
		}
	}
	u, err := url.Parse(scheme + "://" + address)
	if err != nil || u.Host == "" || scheme != "http" && scheme != "https" {
		s.Fail("write it as host:port; sockets are not supported", "address is no address of a Consul agent")
		return url.URL{}
	}
	return *u
}

// sign adds the token and the login.
func (r *Reader) sign(s *remote.Settings, c remote.Config) {
	token := s.String("access_token", "CONSUL_HTTP_TOKEN")
	if file := c.Env("CONSUL_HTTP_TOKEN_FILE"); token == "" && file != "" {
		data, err := os.ReadFile(c.Path(file))
		if err != nil {
			s.Fail("", "CONSUL_HTTP_TOKEN_FILE: %w", err)
		}
		token = strings.TrimSpace(string(data))
	}
	if token != "" {
		r.header.Set("X-Consul-Token", token)
	}
	if login := s.String("http_auth", "CONSUL_HTTP_AUTH"); login != "" {
		if !strings.Contains(login, ":") {
			login += ":"
		}
		r.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(login)))
	}
	if namespace := c.Env("CONSUL_NAMESPACE"); namespace != "" {
		r.header.Set("X-Consul-Namespace", namespace)
	}
}

// Name is "consul://host/path".
func (r *Reader) Name() string { return "consul://" + r.server.Host + "/" + r.path }

// A pair is what Consul answers for a key (Consul's HTTP API, "KV Store", Read Key).
type pair struct {
	Session     string
	Value       []byte
	ModifyIndex uint64
}

// get reads one key; nil where it does not exist.
func (r *Reader) get(ctx context.Context, key string) (*pair, error) {
	at := r.server
	at.Path = "/v1/kv/" + key
	query := url.Values{"consistent": {""}}
	if r.datacenter != "" {
		query.Set("dc", r.datacenter)
	}
	at.RawQuery = query.Encode()
	answer, err := r.client.Get(ctx, at.String(), r.header)
	switch {
	case err != nil:
		return nil, err
	case answer.Status == http.StatusNotFound:
		return nil, nil
	case answer.Status != http.StatusOK:
		return nil, remote.StatusError(r.Name(), answer.Status)
	}
	var pairs []pair
	if err := json.Unmarshal(answer.Body, &pairs); err != nil || len(pairs) != 1 {
		return nil, remote.Invalid("check address and scheme", "%s: the answer is none of Consul's", r.Name())
	}
	return &pairs[0], nil
}

// Fetch gives the state unless its key has not changed since the known version.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	head, err := r.get(ctx, r.path)
	if err != nil {
		return nil, "", err
	}
	if head == nil || len(head.Value) == 0 {
		return nil, "", remote.NotFound(r.Name())
	}
	version := "index:" + strconv.FormatUint(head.ModifyIndex, 10)
	if version == known {
		return nil, known, nil
	}
	body, hash, err := r.join(ctx, head.Value)
	if err != nil {
		return nil, "", err
	}
	if body[0] == 0x1f { // gzip; JSON never begins so
		if body, err = r.config.Gunzip(r.Name(), body); err != nil {
			return nil, "", err
		}
	}
	if sum := md5.Sum(body); hash != "" && hash != hex.EncodeToString(sum[:]) {
		return nil, "", remote.Unavailable("try again: it may be being written", "%s: the state does not match the digest that is kept with it", r.Name())
	}
	return body, version, nil
}

// join puts the pieces of a state together, if it is in pieces.
func (r *Reader) join(ctx context.Context, value []byte) (body []byte, hash string, err error) {
	var index struct {
		Hash   *string  `json:"current-hash"`
		Chunks []string `json:"chunks"`
	}
	if json.Unmarshal(value, &index) != nil || index.Hash == nil {
		return value, "", nil
	}
	for _, key := range index.Chunks {
		if !strings.HasPrefix(key, strings.TrimRight(r.path, "/")+"/tfstate.") {
			return nil, "", remote.Invalid("push the state anew", "%s: a piece of the state is said to be elsewhere, at %s", r.Name(), addr.Clip(key))
		}
		piece, err := r.get(ctx, key)
		if err != nil {
			return nil, "", err
		}
		if piece == nil { // the pieces of an older state are removed once a newer one is written
			return nil, "", remote.Unavailable("try again: it may be being written", "%s: a piece of the state is gone", r.Name())
		}
		if body = append(body, piece.Value...); int64(len(body)) > r.config.Limit {
			return nil, "", remote.TooLarge(r.Name(), r.config.Limit)
		}
	}
	if len(body) == 0 {
		return nil, "", remote.Invalid("push the state anew", "%s: the state is said to be in no pieces", r.Name())
	}
	return body, *index.Hash, nil
}

// Locked looks whether a session holds the lock's key.
func (r *Reader) Locked(ctx context.Context) (remote.Lock, error) {
	base := strings.TrimRight(r.path, "/")
	lock, err := r.get(ctx, base+"/.lock")
	if err != nil || lock == nil || lock.Session == "" {
		return remote.Lock{}, err
	}
	info, err := r.get(ctx, base+"/.lockinfo")
	if err != nil || info == nil {
		return remote.Lock{Held: true}, nil // that it is held is known
	}
	return remote.HeldBy(info.Value), nil
}

// Close lets go of connections.
func (r *Reader) Close() error { return r.client.Close() }
