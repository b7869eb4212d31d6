package s3

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/taffrail-dev/taffrail/internal/plug"
)

// credentials sets an environment in which only the test's credentials are found.
func credentials(t testing.TB) {
	setenv := map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "", "AWS_REGION": "eu-central-1", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
	}
	for name, value := range setenv {
		t.Setenv(name, value)
	}
}

// A store is one that speaks S3, as far as guard and anchor ask: versions, conditional writes that are one step, and Object Lock, strictly.
// The flags make it lax; hook makes it fail.
type store struct {
	url string
	now func() time.Time

	mu       sync.Mutex
	versions map[string][]*version // by key, the newest last
	count    int
	writes   int // that were carried out
	hook     func(r *http.Request) fault
	late     []func() // writes whose connection broke, and that are carried out after the next one

	ignoreIfMatch, ignoreIfNoneMatch, noLock, ignoresLock, unversioned, tellsLock bool
}

type version struct {
	id, mode string
	etag     string // instead of the digest, as where the store encrypts
	until    time.Time
	body     []byte
	meta     http.Header
	modified time.Time
}

// A fault is what goes wrong with one request.
type fault int

const (
	none       fault = iota
	dropBefore       // the connection breaks, nothing is carried out
	dropAfter        // it is carried out, and the connection breaks
	dropLate         // the connection breaks, and it is carried out after the next write
	errorBefore
	errorAfter
	meets // another write: 409
	forbidden
)

func newStore(t testing.TB) *store {
	credentials(t)
	s := &store{versions: map[string][]*version{}, now: time.Now}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (v *version) tag() string {
	if v.etag != "" {
		return v.etag
	}
	return fmt.Sprintf(`"%x"`, md5.Sum(v.body))
}

// fail arms the hook for writes of a key.
func (s *store) fail(key string, faults ...fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = func(r *http.Request) fault {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/"+key) || len(faults) == 0 {
			return none
		}
		next := faults[0]
		if len(faults) > 1 || next != errorBefore && next != dropBefore && next != meets {
			faults = faults[1:] // the last one of these lasts
		}
		return next
	}
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	what := none
	if s.hook != nil {
		what = s.hook(r)
	}
	answer := func() response {
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDTEST/"), what == forbidden:
			return response{status: 403, code: "AccessDenied"}
		case !strings.HasPrefix(r.URL.Path, "/trust/"):
			return response{status: 404, code: "NoSuchBucket"}
		case r.Method == http.MethodPut:
			return s.put(r, body)
		case r.Method == http.MethodGet:
			return s.get(r)
		}
		return response{status: 501, code: "NotImplemented"}
	}
	switch what {
	case dropBefore:
		panic(http.ErrAbortHandler)
	case dropAfter:
		answer()
		panic(http.ErrAbortHandler)
	case dropLate:
		s.late = append(s.late, func() { answer() })
		panic(http.ErrAbortHandler)
	case errorBefore:
		response{status: 500, code: "InternalError"}.write(w)
	case errorAfter:
		answer()
		response{status: 500, code: "InternalError"}.write(w)
	case meets:
		response{status: 409, code: "ConditionalRequestConflict"}.write(w)
	default:
		answer().write(w)
	}
}

type response struct {
	status int
	code   string
	header map[string]string
	body   []byte
}

func (a response) write(w http.ResponseWriter) {
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.code != "" {
		a.body = fmt.Appendf(nil, "<Error><Code>%s</Code><Message>as the test says</Message></Error>", a.code)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func (s *store) newest(key string) *version {
	if all := s.versions[key]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

func (s *store) put(r *http.Request, body []byte) response {
	defer func() {
		late := s.late
		s.late = nil
		for _, f := range late {
			f()
		}
	}()
	key := strings.TrimPrefix(r.URL.EscapedPath(), "/trust/")
	held := s.newest(key)
	if r.Header.Get("If-None-Match") == "*" && held != nil && !s.ignoreIfNoneMatch {
		return response{status: 412, code: "PreconditionFailed"}
	}
	if want := r.Header.Get("If-Match"); want != "" && !s.ignoreIfMatch {
		if held == nil {
			return response{status: 404, code: "NoSuchKey"}
		}
		if held.tag() != want {
			return response{status: 412, code: "PreconditionFailed"}
		}
	}
	v := &version{body: body, modified: s.now(), meta: http.Header{}}
	if mode := r.Header.Get("X-Amz-Object-Lock-Mode"); mode != "" && !s.ignoresLock {
		until, err := time.Parse(time.RFC3339, r.Header.Get("X-Amz-Object-Lock-Retain-Until-Date"))
		checked := r.Header.Get("Content-Md5") != "" || r.Header.Get("X-Amz-Checksum-Sha256") != ""
		if s.noLock || err != nil || !until.After(s.now()) || !checked {
			return response{status: 400, code: "InvalidRequest"}
		}
		v.mode, v.until = mode, until
	}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			v.meta[name] = values
		}
	}
	s.count++
	s.writes++
	v.id = fmt.Sprintf("v%d", s.count)
	s.versions[key] = append(s.versions[key], v)
	return response{status: 200, header: s.headers(v)}
}

func (s *store) headers(v *version) map[string]string {
	h := map[string]string{"ETag": v.tag(), "Last-Modified": v.modified.UTC().Format(http.TimeFormat)}
	if !s.unversioned {
		h["X-Amz-Version-Id"] = v.id
	}
	if s.tellsLock && v.mode != "" {
		h["X-Amz-Object-Lock-Mode"], h["X-Amz-Object-Lock-Retain-Until-Date"] = v.mode, v.until.UTC().Format(time.RFC3339)
	}
	for name := range v.meta {
		h[name] = v.meta.Get(name)
	}
	return h
}

func (s *store) get(r *http.Request) response {
	key := strings.TrimPrefix(r.URL.EscapedPath(), "/trust/")
	v := s.newest(key)
	missing := "NoSuchKey"
	if id := r.URL.Query().Get("versionId"); id != "" {
		v, missing = nil, "NoSuchVersion"
		for _, one := range s.versions[key] {
			if one.id == id {
				v = one
			}
		}
	}
	switch {
	case v == nil:
		return response{status: 404, code: missing}
	case !r.URL.Query().Has("retention"):
		return response{status: 200, header: s.headers(v), body: v.body}
	case v.mode == "":
		return response{status: 404, code: "NoSuchObjectLockConfiguration"}
	}
	text, _ := xml.Marshal(struct {
		XMLName         xml.Name `xml:"Retention"`
		Mode            string
		RetainUntilDate time.Time
	}{Mode: v.mode, RetainUntilDate: v.until})
	return response{status: 200, body: text}
}

func (s *store) config(key string) Config {
	return Config{Bucket: "trust", Key: key, Endpoint: s.url, PathStyle: true}
}

func (s *store) guard(t testing.TB, key string) *guard {
	t.Helper()
	return openTestGuard(t, s.config(key))
}

func openTestGuard(t testing.TB, c Config) *guard {
	t.Helper()
	g, err := openGuard(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	g.pause = func(context.Context, int) error { return nil }
	return g
}

func (s *store) anchor(t testing.TB, c AnchorConfig) *anchor {
	t.Helper()
	if c.Days == 0 {
		c.Days = 30
	}
	c.Name, c.Bucket, c.Endpoint, c.PathStyle = "vault", "trust", s.url, true
	a, err := openAnchor(t.Context(), plug.Env{Now: s.now}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// gofake is someone else's store, which has conditional writes and no Object Lock.
func gofake(t testing.TB) string {
	credentials(t)
	backend := s3mem.New()
	if err := backend.CreateBucket("trust"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	return server.URL
}

// moto is someone else's store, which has Object Lock, and conditional writes that are not one step.
func moto(t *testing.T) string {
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("SKIPPED: moto_server is not on PATH (PyPI: moto[server])")
	}
	credentials(t)
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", "0")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	messages, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	url := ""
	lines := bufio.NewScanner(messages)
	for url == "" && lines.Scan() {
		url = found.FindString(lines.Text())
	}
	var drained sync.WaitGroup
	drained.Go(func() {
		for lines.Scan() { // so that it never waits for us
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		drained.Wait()
		_ = cmd.Wait()
	})
	if url == "" {
		t.Fatal("moto_server did not start")
	}
	return url
}

func makeBucket(t *testing.T, url, name string, lock bool) {
	t.Helper()
	b, err := openBucket(t.Context(), "test", Config{Bucket: name, Region: "us-east-1", Endpoint: url, PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(lock)}); err != nil {
		t.Fatal(err)
	}
}
