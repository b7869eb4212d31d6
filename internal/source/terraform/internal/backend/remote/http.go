package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// A Client makes requests that read, repeats them where that may help, and keeps credentials from hosts that they are not for.
type Client struct {
	config  Config
	http    *http.Client
	name    string // of the state, for errors
	retries int
	waitMin time.Duration
	waitMax time.Duration
}

// An Answer is a response that was read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// LastModified is when what an answer holds was changed last; zero if the server does not say.
func LastModified(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// Client makes a client. The name stands in errors; secure may be nil, which leaves TLS to the system's defaults.
func (c Config) Client(name string, secure *tls.Config) *Client {
	return &Client{config: c, http: c.httpClient(secure), name: name, retries: 2, waitMin: time.Second, waitMax: 30 * time.Second}
}

// Retries sets how often a request is repeated, and how long the pauses are.
func (c *Client) Retries(n int, waitMin, waitMax time.Duration) {
	c.retries, c.waitMin, c.waitMax = min(n, 10), waitMin, max(waitMin, waitMax)
}

// HTTPClient gives a plain client with the time limits and the caution of a Client.
func (c Config) HTTPClient(secure *tls.Config) *http.Client { return c.httpClient(secure) }

func (c Config) httpClient(secure *tls.Config) *http.Client {
	client := &http.Client{}
	if c.HTTP != nil {
		*client = *c.HTTP
	}
	transport, plain := client.Transport.(*http.Transport)
	switch {
	case client.Transport == nil:
		client.Transport = newTransport(secure)
	case secure != nil && plain:
		own := transport.Clone()
		own.TLSClientConfig = secure
		client.Transport = own
	case secure != nil:
		client.Transport = newTransport(secure)
	}
	client.CheckRedirect = redirect
	return client
}

func newTransport(secure *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: time.Minute, IdleConnTimeout: 90 * time.Second,
	}
}

// redirect follows a redirection, and once it has left the host it takes along nothing that we said to it: net/http removes the
// standard headers only, and tokens stand in others, too. From HTTPS to HTTP none is followed.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("there are more than 10 redirections")
	}
	first := via[0].URL
	left := req.URL.Host != first.Host
	for _, earlier := range via {
		left = left || earlier.URL.Host != first.Host
		if earlier.URL.Scheme == "https" && req.URL.Scheme != "https" {
			return Invalid("let the server redirect to https only", "the server redirects from https to %s", req.URL.Scheme)
		}
	}
	if left {
		req.Header = http.Header{}
	}
	return nil
}

// Get reads an address. Header may be nil. The answer has any status but those that were worth repeating and did not change;
// those, too, are given after the last attempt.
func (c *Client) Get(ctx context.Context, address string, header http.Header) (*Answer, error) {
	for attempt := 0; ; attempt++ {
		answer, err := c.once(ctx, address, header)
		if attempt >= c.retries || ctx.Err() != nil || !worthRepeating(answer, err) {
			return answer, err
		}
		if err := c.config.Pause(ctx, c.wait(attempt, answer)); err != nil {
			return nil, Unreached(c.name, err)
		}
	}
}

func worthRepeating(answer *Answer, err error) bool {
	if err != nil {
		var refused *tls.CertificateVerificationError
		return isUnavailable(err) && !errors.As(err, &refused)
	}
	return answer.Status == http.StatusTooManyRequests || answer.Status >= 500 && answer.Status != http.StatusNotImplemented
}

// wait doubles from attempt to attempt, unless the server asks for longer (RFC 9110, section 10.2.3), up to the limit.
func (c *Client) wait(attempt int, answer *Answer) time.Duration {
	d := c.waitMin << attempt
	if answer != nil {
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
			d = max(d, time.Duration(min(seconds, 3600))*time.Second)
		}
	}
	return min(d, c.waitMax)
}

func (c *Client) once(ctx context.Context, address string, header http.Header) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, Invalid("check the backend's address", "%s: the address is no URL", c.name)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, Unreached(c.name, err)
	}
	defer resp.Body.Close()
	answer := &Answer{Status: resp.StatusCode, Header: resp.Header}
	if resp.StatusCode != http.StatusOK { // the text of an error is not shown: it may repeat what we sent
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		return answer, nil
	}
	if resp.ContentLength > c.config.Limit {
		return nil, TooLarge(c.name, c.config.Limit)
	}
	answer.Body, err = c.config.ReadAll(c.name, resp.Body)
	return answer, err
}

// Close lets go of connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// A Certificates says which certificates to trust and to show, in PEM. Insecure trusts any.
type Certificates struct {
	Trust, Certificate, Key []byte
	Insecure                bool
}

// TLS gives the settings for a connection; nil where there is nothing to set.
func (c Certificates) TLS() (*tls.Config, error) {
	if !c.Insecure && len(c.Trust)+len(c.Certificate)+len(c.Key) == 0 {
		return nil, nil
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.Insecure}
	if len(c.Trust) > 0 {
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(c.Trust) {
			return nil, errors.New("what is to be trusted is no certificate in PEM")
		}
	}
	if len(c.Certificate)+len(c.Key) > 0 {
		pair, err := tls.X509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, errors.New("client certificate and key are not a pair in PEM")
		}
		secure.Certificates = []tls.Certificate{pair}
	}
	return secure, nil
}

// File reads a file that an attribute names, such as a certificate; nothing where it names none.
func (s *Settings) File(name string, env ...string) []byte {
	path := s.String(name, env...)
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(s.config.Path(path))
	if err != nil {
		s.Fail("", "%s: %w", name, err)
	}
	return data
}
