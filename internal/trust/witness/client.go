package witness

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says where a witness is.
type Config struct {
	// URL is the submission prefix, to which /add-checkpoint is added.
	URL string `yaml:"url"`
	// Timeout is for one request and its answer; 10 seconds if it is 0.
	Timeout time.Duration `yaml:"timeout"`
	// CAFile has the certificates, in PEM, that may sign the witness's own. Without it those of the system may.
	CAFile string `yaml:"ca_file"`
}

const (
	defaultTimeout = 10 * time.Second
	maxRedirects   = 3
	opAsk          = "ask witness"
	opOpen         = "open witness"
)

// A client is an [audit.Cosigning] that is elsewhere.
type client struct {
	prefix  string
	timeout time.Duration
	http    *http.Client
	now     func() time.Time

	mu        sync.Mutex
	notBefore time.Time // when it wants to be asked again
}

func newClient(env plug.Env, c Config) (*client, error) {
	prefix, err := parsePrefix(c.URL)
	if err != nil {
		return nil, invalid(opOpen, err, "set `url` to the witness's submission prefix, as https://host/path")
	}
	w := &client{prefix: prefix, timeout: c.Timeout, now: env.Now}
	if w.timeout == 0 {
		w.timeout = defaultTimeout
	}
	if w.timeout < 0 {
		return nil, invalid(opOpen, fmt.Errorf("timeout is %v", c.Timeout), "set `timeout` to a time such as 10s")
	}
	roots, err := readRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.MaxResponseHeaderBytes = maxAnswer
	w.http = &http.Client{Transport: transport, CheckRedirect: sameHost}
	return w, nil
}

// parsePrefix refuses what a request could not be made of, and what would put a secret into messages.
func parsePrefix(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", errors.New("no url is named")
	case err != nil:
		return "", errors.New("the url cannot be understood")
	case u.User != nil:
		return "", errors.New("the url holds a user or a password, and a witness asks for none")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.RawQuery != "", u.Fragment != "":
		return "", fmt.Errorf("%q is not of the form https://host/path", u.Redacted())
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// readRoots gives the certificates of a file, or nil for those of the system.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, invalid(opOpen, err, "set `ca_file` to a file that can be read")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, invalid(opOpen, fmt.Errorf("%s holds no certificate in PEM", path), "set `ca_file` to a file of certificates")
	}
	return roots, nil
}

// sameHost follows where a witness moved on its own host, with the request as it is. Anything else is shown to a person.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || next.Method != first.Method || next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// Close ends idle connections.
func (w *client) Close() error {
	w.http.CloseIdleConnections()
	return nil
}

// AddCheckpoint implements [audit.Cosigning].
func (w *client) AddCheckpoint(ctx context.Context, g audit.Growth) ([]byte, error) {
	if wait := w.pause(); wait > 0 {
		return nil, w.unavailable(fmt.Errorf("it asked not to be asked again for another %v", wait.Round(time.Second)), "")
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.prefix+"/add-checkpoint", bytes.NewReader(g.Text()))
	if err != nil {
		return nil, w.unavailable(err, "")
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	response, err := w.http.Do(request)
	if err != nil {
		return nil, w.failed(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, w.failed(err)
	}
	if len(body) > maxAnswer {
		return nil, w.senseless(fmt.Errorf("its answer has more than %d bytes", maxAnswer))
	}
	if response.StatusCode != http.StatusOK {
		return nil, w.refused(g, response, body)
	}
	if !signatures(g.Checkpoint, body) {
		return nil, w.senseless(errors.New("its answer is no line of a signed note"))
	}
	return body, nil
}

// signatures says whether an answer has the form of signature lines under a checkpoint. Whose they are is for the caller, who has a policy.
func signatures(checkpoint, answer []byte) bool {
	text, _, _ := bytes.Cut(checkpoint, []byte("\n\n"))
	_, err := note.Open(slices.Concat(text, []byte("\n\n"), answer), note.VerifierList())
	var unverified *note.UnverifiedNoteError
	return errors.As(err, &unverified)
}

// pause is how long it still must not be asked.
func (w *client) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.notBefore.Sub(w.now())
}

func (w *client) pauseFor(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notBefore = w.now().Add(d)
}

func invalid(op string, err error, hint string) error {
	return &taffrail.Error{Op: op, Kind: taffrail.KindInvalid, Err: err, Hint: hint}
}
