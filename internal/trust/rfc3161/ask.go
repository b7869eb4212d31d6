package rfc3161

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/digitorus/timestamp"

	"github.com/taffrail-dev/taffrail"
)

// Media types of RFC 3161, section 3.4.
const (
	queryType = "application/timestamp-query"
	replyType = "application/timestamp-reply"
)

const (
	maxAnswer    = 256 << 10 // bytes; a token with a chain of certificates has some 8 KiB
	maxRedirects = 3
)

func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{Transport: transport, CheckRedirect: sameHost}
}

// sameHost follows where an authority moved on its own host, so that nobody else is shown what it asks for.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || next.Method != first.Method || next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// post sends a query and gives the answer, which nothing is known of yet.
func (a *authority) post(ctx context.Context, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.config.URL, bytes.NewReader(query))
	if err != nil {
		return nil, a.error(opAnchor, taffrail.KindInvalid, err, "")
	}
	if err := a.authorize(request); err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", queryType)
	request.Header.Set("Accept", replyType)
	response, err := a.http.Do(request)
	if err != nil {
		return nil, a.unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, a.unreachable(err)
	}
	if err := a.accept(response, len(body)); err != nil {
		return nil, err
	}
	return body, nil
}

func (a *authority) accept(r *http.Response, length int) error {
	const hint = "check that `url` is where this authority takes queries of RFC 3161"
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	status := fmt.Errorf("it answers with status %d", r.StatusCode)
	switch {
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		return a.error(opAnchor, taffrail.KindDenied, status, "set `user` and `password_file`, or `headers_file`, to what the authority gave you")
	case r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500:
		return a.error(opAnchor, taffrail.KindUnavailable, status, "")
	case r.StatusCode != http.StatusOK:
		return a.error(opAnchor, taffrail.KindInvalid, status, hint)
	case media != replyType:
		return a.error(opAnchor, taffrail.KindInvalid, fmt.Errorf("it answers with %.80q, not with a time stamp", media), hint)
	case length > maxAnswer:
		return a.error(opAnchor, taffrail.KindInvalid, fmt.Errorf("its answer has more than %d bytes", maxAnswer), hint)
	}
	return nil
}

// authorize puts secrets into a request. They are read each time, so that they may be changed meanwhile.
func (a *authority) authorize(r *http.Request) error {
	if a.config.PasswordFile != "" {
		password, err := a.secret(a.config.PasswordFile, "password_file")
		if err != nil {
			return err
		}
		r.SetBasicAuth(a.config.User, strings.TrimRight(password, "\r\n"))
	}
	if a.config.HeadersFile == "" {
		return nil
	}
	text, err := a.secret(a.config.HeadersFile, "headers_file")
	if err != nil {
		return err
	}
	header, err := parseHeaders(text)
	if err != nil {
		return a.error(opAnchor, taffrail.KindInvalid, fmt.Errorf("%s: %w", a.config.HeadersFile, err), "each line of `headers_file` is a header: Name: value")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return nil
}

func (a *authority) secret(path, key string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", a.error(opAnchor, taffrail.KindDenied, err, "set `"+key+"` to a file that taffrail can read")
	}
	return string(text), nil
}

// parseHeaders never has any of the text in an error.
func parseHeaders(text string) (http.Header, error) {
	header := http.Header{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || name == "" || strings.IndexFunc(name, notInName) >= 0 || strings.IndexFunc(value, notInValue) >= 0 {
			return nil, fmt.Errorf("line %d is no header", i+1)
		}
		header.Add(name, value)
	}
	return header, nil
}

func notInName(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

func notInValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// unreachable is for what kept the answer from us.
func (a *authority) unreachable(err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return a.error(opAnchor, taffrail.KindDenied, err, "the server's own certificate is not trusted by this machine; `ca_file` is for time stamps alone")
	case errors.Is(err, context.DeadlineExceeded):
		return a.error(opAnchor, taffrail.KindUnavailable, err, fmt.Sprintf("it had %v; set `timeout` if it needs more", a.config.Timeout))
	}
	return a.error(opAnchor, taffrail.KindUnavailable, err, "check that `url` can be reached from here")
}

// refused gives an answer without a stamp its kind: what the authority has to do itself may pass.
func (a *authority) refused(err error) error {
	var r *refusal
	switch {
	case !errors.As(err, &r):
		return a.unusable(opAnchor, err)
	case r.failure == timestamp.TimeNotAvailable || r.failure == timestamp.SystemFailure:
		return a.error(opAnchor, taffrail.KindUnavailable, err, "")
	case r.failure == timestamp.UnacceptedPolicy:
		return a.error(opAnchor, taffrail.KindInvalid, err, "set `policy` to one that the authority has, or leave it out")
	}
	return a.error(opAnchor, taffrail.KindInvalid, err, "ask the authority what it wants")
}
