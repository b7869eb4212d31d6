package receive

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

const secret = "a-token-of-some-length"

func tokensFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, c Config) *Endpoint {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	e, err := Open(plug.Env{}, c, true)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// serve runs the endpoint until the test ends, and gives its address and what ends it.
func serve(t *testing.T, e *Endpoint, h http.HandlerFunc) (address string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- e.Serve(ctx, func(a string) { ready <- a }, h, nil) }()
	end = func() error {
		cancel()
		return <-ended
	}
	t.Cleanup(cancel)
	select {
	case address = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return address, end
}

// reading is a handler that reads the body, and answers with how long it was.
func reading(e *Endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := e.Body(w, r)
		if err != nil {
			Refuse(w, err)
			return
		}
		_, _ = fmt.Fprint(w, len(body))
	}
}

func post(t *testing.T, address string, body io.Reader, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(text))
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestConfigIsChecked(t *testing.T) {
	good := tokensFile(t, "collector "+secret+"\n", 0o600)
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"nowhere":                   {Config{TokensFile: good}, "not said where"},
		"no port":                   {Config{Listen: "localhost", TokensFile: good}, "no address with a port"},
		"plaintext in the open":     {Config{Listen: ":0", TokensFile: good}, "could read"},
		"anyone":                    {Config{Listen: "127.0.0.1:0"}, "anyone could send"},
		"negative":                  {Config{Listen: "127.0.0.1:0", TokensFile: good, MaxBody: -1}, "negative"},
		"others can read the token": {Config{Listen: "127.0.0.1:0", TokensFile: tokensFile(t, secret, 0o644)}, "0644"},
		"a relative path":           {Config{Listen: "127.0.0.1:0", TokensFile: "tokens"}, "working directory"},
		"a folder":                  {Config{Listen: "127.0.0.1:0", TokensFile: t.TempDir()}, "is no file"},
		"no token":                  {Config{Listen: "127.0.0.1:0", TokensFile: tokensFile(t, "# none\n\n", 0o600)}, "holds no token"},
		"a short token":             {Config{Listen: "127.0.0.1:0", TokensFile: tokensFile(t, "# a\nshort\n", 0o600)}, ":2: it is no token"},
		"no digest":                 {Config{Listen: "127.0.0.1:0", TokenDigests: []string{"abc"}}, "number 1 is no SHA-256"},
		"half a certificate":        {Config{Listen: "127.0.0.1:0", TokensFile: good, TLS: TLS{Cert: "/c"}}, "not named"},
	} {
		_, err := Open(plug.Env{}, tc.config, false)
		if err == nil || !strings.Contains(err.Error(), tc.want) || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, taffrail.HintOf(err))
		}
		if err != nil && strings.Contains(err.Error(), "short\n") {
			t.Errorf("%s: the error tells the token", name)
		}
	}
	for name, c := range map[string]Config{
		"tokens":     {Listen: "127.0.0.1:0", TokensFile: good},
		"digests":    {Listen: "localhost:0", TokenDigests: []string{strings.Repeat("ab", 32)}},
		"anonymous":  {Listen: "[::1]:0", Anonymous: true},
		"by a proxy": {Listen: ":0", Plaintext: true, TokensFile: good},
	} {
		if _, err := Open(plug.Env{}, c, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokens(t *testing.T) {
	e := open(t, Config{
		TokensFile:   tokensFile(t, "# who sends\ncollector-1 "+secret+"\n"+secret+"-nameless\n", 0o600),
		TokenDigests: []string{fmt.Sprintf("%x", sha256.Sum256([]byte("by-digest")))},
	})
	address, _ := serve(t, e, func(w http.ResponseWriter, r *http.Request) {
		if peer, ok := e.Bearer(w, r); ok {
			_, _ = fmt.Fprint(w, peer)
		}
	})
	for header, want := range map[string]string{
		"Bearer " + secret: "collector-1 at 127.0.0.1", "bearer  " + secret: "collector-1 at 127.0.0.1", "Bearer " + secret + "-nameless": "127.0.0.1", "Bearer by-digest": "127.0.0.1",
		"": "", "Bearer": "", "Bearer ": "", "Basic " + secret: "", "Bearer " + secret[1:]: "", "Bearer collector-1": "", "Bearer " + secret + " ": "collector-1 at 127.0.0.1",
	} {
		status, text := post(t, address, nil, "Authorization", header)
		if want == "" && (status != http.StatusUnauthorized || strings.Contains(text, "collector")) || want != "" && text != want {
			t.Errorf("%q: %d %q", header, status, text)
		}
	}
}

func TestBodies(t *testing.T) {
	e := open(t, Config{MaxBody: 100_000})
	address, _ := serve(t, e, reading(e))
	zeros := strings.Repeat("0", 5_000_000)
	for name, tc := range map[string]struct {
		body     []byte
		encoding string
		status   int
		text     string
	}{
		"plain":              {[]byte("hello"), "", 200, "5"},
		"empty":              {nil, "", 200, "0"},
		"as large as may be": {[]byte(zeros[:100_000]), "", 200, "100000"},
		"too large":          {[]byte(zeros[:100_001]), "", 413, "the body has more than 100000 bytes"},
		"packed":             {packed(t, zeros[:100_000]), "gzip", 200, "100000"},
		"in two parts":       {append(packed(t, "ab"), packed(t, "c")...), "gzip", 200, "3"},
		"a bomb":             {packed(t, zeros), "gzip", 413, "the body has more than 100000 bytes"},
		"no gzip":            {[]byte("hello, this is no gzip"), "gzip", 400, "the body is not gzip"},
		"cut off":            {packed(t, zeros[:1000])[:20], "gzip", 400, "the body cannot be read to its end"},
		"another sum":        {append(packed(t, "abc")[:len(packed(t, "abc"))-8], 1, 2, 3, 4, 3, 0, 0, 0), "gzip", 400, "the body is not gzip"},
		"another encoding":   {[]byte("x"), "br", 415, "the encoding is not gzip"},
	} {
		status, text := post(t, address, bytes.NewReader(tc.body), "Content-Encoding", tc.encoding)
		if status != tc.status || text != tc.text {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if n := e.held.Load(); n != 0 {
		t.Errorf("%d bytes are still counted as held", n)
	}
}

// A bomb is refused before it has taken more memory than a body may have.
func TestABombTakesNoMemory(t *testing.T) {
	e := open(t, Config{MaxBody: 1 << 20})
	var most atomic.Int64
	address, _ := serve(t, e, func(w http.ResponseWriter, r *http.Request) {
		reading(e)(w, r)
		most.Store(max(most.Load(), e.held.Load()))
	})
	if status, _ := post(t, address, bytes.NewReader(packed(t, strings.Repeat("0", 20<<20))), "Content-Encoding", "gzip"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", status)
	}
	if most.Load() > 1<<20+1 || most.Load() == 0 {
		t.Errorf("it held %d bytes", most.Load())
	}
}

func TestBodiesTogetherAreBounded(t *testing.T) {
	e := open(t, Config{MaxBody: 64 << 10})
	release, inside := make(chan struct{}), make(chan struct{}, 8)
	address, _ := serve(t, e, func(w http.ResponseWriter, r *http.Request) {
		if _, err := e.Body(w, r); err != nil {
			Refuse(w, err)
			return
		}
		inside <- struct{}{}
		<-release
	})
	body := bytes.Repeat([]byte("0"), 60<<10)
	done := make(chan int, bodiesAtOnce)
	for range bodiesAtOnce {
		go func() {
			status, _ := post(t, address, bytes.NewReader(body))
			done <- status
		}()
		<-inside
	}
	if status, text := post(t, address, bytes.NewReader(body)); status != http.StatusServiceUnavailable || text != "too much is being sent at once" {
		t.Errorf("%d %s", status, text)
	}
	close(release)
	for range bodiesAtOnce {
		if status := <-done; status != http.StatusOK {
			t.Errorf("one of those with room was answered %d", status)
		}
	}
	if status, _ := post(t, address, bytes.NewReader(body)); status != http.StatusOK {
		t.Errorf("there is room again, and it was answered %d", status)
	}
}

func TestRequestsAtOnceAreBounded(t *testing.T) {
	e := open(t, Config{MaxRequests: 2})
	release, inside := make(chan struct{}), make(chan struct{}, 2)
	address, _ := serve(t, e, func(http.ResponseWriter, *http.Request) {
		inside <- struct{}{}
		<-release
	})
	done := make(chan int, 2)
	for range 2 {
		go func() {
			status, _ := post(t, address, nil)
			done <- status
		}()
		<-inside
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, nil)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", answer.StatusCode, answer.Header.Get("Retry-After"))
	}
	close(release)
	for range 2 {
		<-done
	}
}

func TestSlowSendersAreCutOff(t *testing.T) {
	e := open(t, Config{})
	e.times.header, e.times.body = 100*time.Millisecond, 100*time.Millisecond
	address, _ := serve(t, e, reading(e))
	for name, text := range map[string]string{
		"a header that never ends": "POST / HTTP/1.1\r\nHost: x\r\nX-A: ",
		"a body that never ends":   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%s: it is not cut off: %v", name, err)
		}
		if strings.Contains(text, "Content") && !strings.Contains(string(answer), "408") {
			t.Errorf("%s: %s", name, answer)
		}
		_ = conn.Close()
	}
}

// Storing may take longer than a sender has for its body.
func TestTheTimeForABodyIsNotThatForStoringIt(t *testing.T) {
	e := open(t, Config{})
	e.times.body = 300 * time.Millisecond
	address, _ := serve(t, e, func(w http.ResponseWriter, r *http.Request) {
		if _, err := e.Body(w, r); err != nil {
			Refuse(w, err)
			return
		}
		select {
		case <-r.Context().Done():
			http.Error(w, "cut off", http.StatusInternalServerError)
		case <-time.After(4 * e.times.body):
		}
	})
	if status, text := post(t, address, strings.NewReader("x")); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
}

// When it ends a request has a while, is cut off then, and is waited for in any case.
func TestEndWaits(t *testing.T) {
	e := open(t, Config{})
	e.times.grace = 50 * time.Millisecond
	inside, cut, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	address, end := serve(t, e, func(_ http.ResponseWriter, r *http.Request) {
		close(inside)
		<-r.Context().Done()
		close(cut)
		<-release
	})
	failed := make(chan error, 1)
	go func() {
		answer, err := http.Post("http://"+address, "", nil)
		if err == nil {
			_ = answer.Body.Close()
		}
		failed <- err
	}()
	<-inside
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	<-cut
	select {
	case err := <-ended:
		t.Error("a handler still runs")
		ended <- err
	case <-time.After(100 * time.Millisecond): // it has a moment to go wrong
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if <-failed == nil {
		t.Error("the sender that was cut off had an answer")
	}
}

func TestTLS(t *testing.T) {
	certs := plugtest.NewCertificates(t)
	e := open(t, Config{TLS: TLS{Cert: certs.Cert, Key: certs.Key, ClientCA: certs.CA}})
	address, _ := serve(t, e, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto, " ", Peer(r, "")) })
	get := func(config *tls.Config) (string, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
		defer client.CloseIdleConnections()
		answer, err := client.Get("https://" + address)
		if err != nil {
			return "", err
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		return string(text), err
	}
	if text, err := get(certs.Client(t, true)); err != nil || text != "HTTP/2.0 sender at 127.0.0.1" {
		t.Errorf("%q %v", text, err)
	}
	if text, err := get(certs.Client(t, false)); err == nil {
		t.Errorf("without a certificate: %q", text)
	}
	other := plugtest.NewCertificates(t).Client(t, true)
	other.RootCAs = certs.Client(t, false).RootCAs
	if text, err := get(other); err == nil {
		t.Errorf("with a certificate of another authority: %q", text)
	}
	if err := os.Chmod(certs.Key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(plug.Env{}, Config{Listen: "127.0.0.1:0", TLS: TLS{Cert: certs.Cert, Key: certs.Key}}, true); taffrail.KindOf(err) != taffrail.KindDenied {
		t.Errorf("a key that others can read: %v", err)
	}
}

// A certificate that is renewed is used for the next connection; half a renewal leaves the one before.
func TestCertificateIsRenewed(t *testing.T) {
	certs, next := plugtest.NewCertificates(t), plugtest.NewCertificates(t)
	e := open(t, Config{TLS: TLS{Cert: certs.Cert, Key: certs.Key}})
	address, _ := serve(t, e, func(http.ResponseWriter, *http.Request) {})
	reaches := func(config *tls.Config) bool {
		conn, err := tls.Dial("tcp", address, config)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	old, renewed := certs.Client(t, false), next.Client(t, false)
	if !reaches(old) || reaches(renewed) {
		t.Fatal("it does not begin with its own certificate")
	}
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Minute)
		if err := os.Chtimes(to, later, later); err != nil {
			t.Fatal(err)
		}
	}
	move(next.Cert, certs.Cert)
	if !reaches(old) {
		t.Error("between certificate and key there is none")
	}
	move(next.Key, certs.Key)
	if !reaches(renewed) || reaches(old) {
		t.Error("it was not renewed")
	}
}

func TestDeliver(t *testing.T) {
	many := make([]taffrail.Record, taffrail.MaxBatchRecords+1)
	large := []taffrail.Record{{Raw: make([]byte, taffrail.MaxBatchBytes+1)}, {Raw: make([]byte, 1)}, {Raw: make([]byte, taffrail.MaxBatchBytes)}, {Raw: make([]byte, 1)}}
	for name, tc := range map[string]struct {
		records []taffrail.Record
		want    []int
	}{
		"none": {nil, nil}, "one": {large[1:2], []int{1}}, "many": {many, []int{taffrail.MaxBatchRecords, 1}}, "large": {large, []int{1, 1, 1, 1}},
	} {
		var got []int
		err := Deliver(t.Context(), func(_ context.Context, b taffrail.Batch) error {
			got = append(got, len(b.Records))
			return nil
		}, "x", slices.Values(tc.records))
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	full, calls := errors.New("full"), 0
	if err := Deliver(t.Context(), func(context.Context, taffrail.Batch) error { calls++; return full }, "x", slices.Values(many)); !errors.Is(err, full) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
