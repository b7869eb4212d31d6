// Package receive is what the sources that are sent events share: one listener with TLS, tokens, and bounds that hold whoever sends.
//
// An [Endpoint] is opened from a [Config] and serves one HTTP handler, or gives its listener to a protocol of another kind. What it bounds:
// how long a sender may take for a header and a body, how large a body may become once it is unpacked, how many requests run at once, how
// many connections are open, and how much memory all bodies take together. Who exceeds a bound is told so, by a status that makes senders try
// again where that can help. When the context ends no new request is taken, and those that run have a while to end.
package receive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says where events are taken, and from whom.
type Config struct {
	// Listen is the address to take connections at: 127.0.0.1:8088, or :8088 for every address of the machine.
	Listen string `yaml:"listen"`
	// TLS names the files of the certificate.
	TLS TLS `yaml:"tls"`
	// TokensFile has the tokens that senders give, one a line, each after a name of the sender if it has one. Mode 0600.
	TokensFile string `yaml:"tokens_file"`
	// TokenDigests are the SHA-256 of further tokens, in hexadecimal, for tokens that are random and long.
	TokenDigests []string `yaml:"token_digests"`
	// Anonymous takes events from anyone who reaches the address. Without it there are tokens, or certificates of clients.
	Anonymous bool `yaml:"anonymous"`
	// Plaintext allows an address that other machines can reach without TLS, where a proxy before it has it.
	Plaintext bool `yaml:"plaintext"`
	// MaxBody is how many bytes one body may have, unpacked; 32 MiB if it is 0. All bodies together may take four times as much.
	MaxBody int `yaml:"max_body"`
	// MaxRequests is how many requests may run at once; 64 if it is 0.
	MaxRequests int `yaml:"max_requests"`
}

// TLS names files in PEM.
type TLS struct {
	// Cert has the certificate and those that lead to its authority.
	Cert string `yaml:"cert"`
	// Key has its private key. Mode 0600.
	Key string `yaml:"key"`
	// ClientCA has the authorities of which each sender must show a certificate.
	ClientCA string `yaml:"client_ca"`
}

const (
	defaultBody     = 32 << 20
	defaultRequests = 64
	maxConnections  = 1024
	bodiesAtOnce    = 4 // of the largest size
)

// limits are the times that a sender has. Tests have less.
type limits struct {
	header, body, idle, answer, grace time.Duration
}

var patient = limits{header: 10 * time.Second, body: time.Minute, idle: 2 * time.Minute, answer: 30 * time.Second, grace: 5 * time.Second}

// An Endpoint takes events at one address.
type Endpoint struct {
	Tokens Tokens
	// PriorKnowledge takes HTTP/2 without TLS from senders that begin with it.
	PriorKnowledge bool

	config  Config
	logger  *slog.Logger
	tls     *certificate // nil without TLS
	times   limits
	slots   chan struct{} // one for each request that runs
	held    atomic.Int64  // bytes of bodies that are in memory
	maxHeld int64
}

const opOpen = "open receiver"

// Open checks the configuration and reads the files that it names. Authenticated says that the protocol itself knows its senders, by
// signatures over what they send.
func Open(env plug.Env, c Config, authenticated bool) (*Endpoint, error) {
	c.MaxBody, c.MaxRequests = cmp.Or(c.MaxBody, defaultBody), cmp.Or(c.MaxRequests, defaultRequests)
	if err := c.check(authenticated); err != nil {
		return nil, err
	}
	e := &Endpoint{
		config: c, logger: cmp.Or(env.Logger, slog.New(slog.DiscardHandler)), times: patient,
		slots: make(chan struct{}, c.MaxRequests), maxHeld: bodiesAtOnce * int64(c.MaxBody+1),
	}
	var err error
	if e.Tokens, err = readTokens(c.TokensFile, c.TokenDigests); err != nil {
		return nil, err
	}
	if e.tls, err = openTLS(c.TLS, e.logger); err != nil {
		return nil, err
	}
	return e, nil
}

func (c Config) check(authenticated bool) error {
	switch host, _, err := net.SplitHostPort(c.Listen); {
	case c.Listen == "":
		return Invalid("set `listen` to an address such as 127.0.0.1:8088", errors.New("it is not said where to listen"))
	case err != nil:
		return Invalid("set `listen` to an address such as 127.0.0.1:8088", fmt.Errorf("listen: %q is no address with a port", c.Listen))
	case c.TLS.Cert == "" && !c.Plaintext && !isLoopback(host):
		return Invalid("set `tls`, or `plaintext: true` if only a proxy that has TLS reaches this address",
			fmt.Errorf("listen: others could read what is sent to %s", c.Listen))
	case c.TokensFile == "" && len(c.TokenDigests) == 0 && c.TLS.ClientCA == "" && !authenticated && !c.Anonymous:
		return Invalid("set `tokens_file` or `tls.client_ca`, or `anonymous: true` if everyone who reaches the address may send events",
			errors.New("anyone could send events"))
	case c.MaxBody < 0 || c.MaxRequests < 0:
		return Invalid("leave `max_body` and `max_requests` out, or set them to a positive number", errors.New("a bound is negative"))
	}
	return nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// Listen opens the listener, with TLS if that is set.
func (e *Endpoint) Listen(ctx context.Context) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.config.Listen)
	if err != nil {
		return nil, &taffrail.Error{Op: "receive events", Kind: taffrail.KindUnavailable, Err: err, Hint: "see who else listens there, or set another `listen`"}
	}
	l = netutil.LimitListener(l, maxConnections)
	if e.tls != nil {
		return e.tls.listen(l), nil
	}
	return l, nil
}

// MaxBody is how many bytes a body may have.
func (e *Endpoint) MaxBody() int { return e.config.MaxBody }

// Invalid is an error in what was configured.
func Invalid(hint string, err error) error {
	return &taffrail.Error{Op: opOpen, Kind: taffrail.KindInvalid, Hint: hint, Err: err}
}

// whole refuses a path that depends on where the program was started.
func whole(key, path string) error {
	if !filepath.IsAbs(path) {
		return Invalid("write the whole path", fmt.Errorf("%s: %s depends on the working directory", key, path))
	}
	return nil
}
