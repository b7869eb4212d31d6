// Package client speaks to a practice cloud over HTTP.
//
// Every refusal of the cloud is an [Error] that carries the HTTP status; an
// answer that did not come (connection, timeout, cancellation) is any other
// error. A caller that wants to know whether an object is gone asks [NotFound]
// and nothing else.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

const maxAnswer = 64 << 20

// Options say how to speak to the cloud.
type Options struct {
	// Token is the bearer token; "" sends none.
	Token string
	// Timeout bounds each call; 0 leaves that to the context.
	Timeout time.Duration
	// AccessKey is the credential of the caller, in a cloud that asks for one; ""
	// sends none.
	AccessKey string
	// UserAgent is what the client calls itself; "" leaves that to net/http.
	UserAgent string
	// Operator says that a person is at work, whom no fault concerns.
	Operator bool
}

// A Client calls one cloud. It is safe for concurrent use.
type Client struct {
	base *url.URL
	opts Options
	http *http.Client
}

// New makes a client for the cloud at address, such as http://127.0.0.1:7700.
// It does not connect.
func New(address string, o Options) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("cloud address %q: want http://HOST:PORT", address)
	}
	return &Client{base: base, opts: o, http: &http.Client{Timeout: o.Timeout, Transport: transport()}}, nil
}

// transport keeps as many connections to the cloud as programs make calls at once; the default keeps two, and dials anew for all others.
func transport() http.RoundTripper {
	const most = 100
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = most, most
	return t
}

// An Error is the cloud's refusal.
type Error struct {
	Status     int // HTTP
	Code       string
	Message    string
	RetryAfter time.Duration // 0 where the cloud did not say
	Fault      api.Effect    // what the answer asked the client to do
}

// Error says status, code and message.
func (e *Error) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", e.Status, e.Code, e.Message)
}

// NotFound tells whether err is the cloud's positive word that the object is
// not there. A refusal for want of permission, or silence, is not.
func NotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound && e.Code == "NotFound"
}

// Get reads one object. The effect, if not "", is what the answer asks the
// client to do, also where there is an error.
func (c *Client) Get(ctx context.Context, kind, id string) (api.Object, api.Effect, error) {
	var o api.Object
	header, err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", kind, id}}, &o)
	return o, api.Effect(header.Get(api.HeaderFault)), err
}

// List reads all objects of a type, or all objects where kind is "", page by page.
func (c *Client) List(ctx context.Context, kind string) ([]api.Object, error) {
	var all []api.Object
	for page, err := range c.Pages(ctx, kind, 0) {
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	return all, nil
}

// Pages reads the objects of a type ("" for all), up to so many in a page; 0 leaves
// that to the cloud. The first error is the last thing that it yields.
func (c *Client) Pages(ctx context.Context, kind string, limit int) iter.Seq2[[]api.Object, error] {
	return func(yield func([]api.Object, error) bool) {
		r := request{method: http.MethodGet, path: []string{"v1", kind}, query: url.Values{}}
		if limit > 0 {
			r.query.Set("limit", strconv.Itoa(limit))
		}
		for {
			var page api.Objects
			if _, err := c.call(ctx, r, &page); err != nil {
				yield(nil, err)
				return
			}
			if !yield(page.Objects, nil) || page.Next == "" {
				return
			}
			r.query.Set("after", page.Next)
		}
	}
}

// Create adds an object; the answer has the id that the cloud chose.
func (c *Client) Create(ctx context.Context, kind string, attributes map[string]any) (api.Object, error) {
	var o api.Object
	_, err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", kind}, body: api.Write{Attributes: attributes}}, &o)
	return o, err
}

// Patch replaces the named attributes; nil removes one. etag, if not "", must be
// the object's, else the answer is an [Error] with status 412.
func (c *Client) Patch(ctx context.Context, kind, id string, attributes map[string]any, etag string) (api.Object, error) {
	return c.write(ctx, http.MethodPatch, kind, id, attributes, etag)
}

// Replace replaces all attributes, under the same condition as [Client.Patch].
func (c *Client) Replace(ctx context.Context, kind, id string, attributes map[string]any, etag string) (api.Object, error) {
	return c.write(ctx, http.MethodPut, kind, id, attributes, etag)
}

func (c *Client) write(ctx context.Context, method, kind, id string, attributes map[string]any, etag string) (api.Object, error) {
	var o api.Object
	_, err := c.call(ctx, request{method: method, path: []string{"v1", kind, id}, body: api.Write{Attributes: attributes}, etag: etag}, &o)
	return o, err
}

// Delete removes an object.
func (c *Client) Delete(ctx context.Context, kind, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: []string{"v1", kind, id}}, nil)
	return err
}

// Faults lists the faults that are on.
func (c *Client) Faults(ctx context.Context) ([]api.TargetedFault, error) {
	var out api.Faults
	_, err := c.call(ctx, request{method: http.MethodGet, path: []string{"admin", "faults"}}, &out)
	return out.Faults, err
}

// SetFault switches a fault on.
func (c *Client) SetFault(ctx context.Context, fault api.TargetedFault) error {
	_, err := c.call(ctx, request{method: http.MethodPut, path: []string{"admin", "faults"}, body: fault}, nil)
	return err
}

// ClearFaults switches off the faults of a target, or all where it is "".
func (c *Client) ClearFaults(ctx context.Context, target api.Target) error {
	r := request{method: http.MethodDelete, path: []string{"admin", "faults"}, query: url.Values{}}
	if target != "" {
		r.query.Set("target", string(target))
	}
	_, err := c.call(ctx, r, nil)
	return err
}

type request struct {
	method string
	path   []string // segments, unescaped
	query  url.Values
	body   any // nil for none
	etag   string
}

// call sends a request and decodes the answer into out, if out is not nil. The
// header is never nil.
func (c *Client) call(ctx context.Context, r request, out any) (http.Header, error) {
	req, err := c.prepare(ctx, r)
	if err != nil {
		return http.Header{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return http.Header{}, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return resp.Header, fmt.Errorf("%s %s: read answer: %w", r.method, req.URL, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.Header, refused(resp, content)
	}
	if out == nil {
		return resp.Header, nil
	}
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		return resp.Header, fmt.Errorf("%s %s: the answer is not of a practice cloud: %w", r.method, req.URL, err)
	}
	return resp.Header, nil
}

func (c *Client) prepare(ctx context.Context, r request) (*http.Request, error) {
	segments := make([]string, len(r.path))
	for i, s := range r.path {
		segments[i] = url.PathEscape(s)
	}
	target := strings.TrimSuffix(c.base.String(), "/") + "/" + strings.Join(segments, "/")
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		content, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(content)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	c.sign(req, r)
	return req, nil
}

func (c *Client) sign(req *http.Request, r request) {
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.opts.Token)
	}
	if c.opts.AccessKey != "" {
		req.Header.Set(api.HeaderAccessKey, c.opts.AccessKey)
	}
	if c.opts.UserAgent != "" {
		req.Header.Set("User-Agent", c.opts.UserAgent)
	}
	if c.opts.Operator {
		req.Header.Set(api.HeaderOperator, "1")
	}
	if r.etag != "" {
		req.Header.Set("If-Match", `"`+r.etag+`"`)
	}
}

// refused turns an answer that is no success into an Error; what is not from a
// practice cloud (a proxy's page) keeps its status and the start of its text.
func refused(resp *http.Response, content []byte) error {
	e := &Error{Status: resp.StatusCode, Fault: api.Effect(resp.Header.Get(api.HeaderFault))}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	var body api.ErrorBody
	if err := json.Unmarshal(content, &body); err != nil || body.Error.Code == "" {
		e.Code, e.Message = "Unknown", string(content[:min(len(content), 200)])
		return e
	}
	e.Code, e.Message = body.Error.Code, body.Error.Message
	return e
}
