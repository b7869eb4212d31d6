package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
)

// harness is a cloud and the command beside it.
type harness struct {
	t   *testing.T
	url string
}

func newHarness(t *testing.T, o cloud.Options) *harness {
	t.Helper()
	c, err := cloud.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { c.Close() })
	t.Setenv(envURL, srv.URL)
	t.Setenv(envToken, o.Token)
	return &harness{t: t, url: srv.URL}
}

func run(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

// ok runs a command that must work and print something with want in it.
func (h *harness) ok(want string, args ...string) {
	h.t.Helper()
	out, err := run(h.t.Context(), args...)
	if err != nil || !strings.Contains(out, want) {
		h.t.Errorf("harbor %s: %v\n%s\nwant %q", strings.Join(args, " "), err, out, want)
	}
}

// fails runs a command that must not work, and say want.
func (h *harness) fails(want string, args ...string) {
	h.t.Helper()
	out, err := run(h.t.Context(), args...)
	if err == nil || !strings.Contains(err.Error(), want) {
		h.t.Errorf("harbor %s: error is %v, want %q\n%s", strings.Join(args, " "), err, want, out)
	}
}

func TestByHand(t *testing.T) {
	h := newHarness(t, cloud.Options{Token: "sesame"})
	h.ok("created firewall/fw-0001", "create", "firewall", "name=web", `rules=[{"from_port":22,"cidrs":["10.0.0.0/8"]}]`)
	h.ok("created firewall/fw-0002", "create", "firewall", "name=twin")
	h.ok("created firewall/fw-0003", "create", "firewall", "name=twin")
	h.ok("created database/db-0001", "create", "database", "name=main", "password=x")

	h.ok("firewall/fw-0001  web", "list")
	h.ok("firewall/fw-0002  twin", "list", "firewall")
	h.ok(`"objects": [`, "list", "--json")
	h.ok(`"10.0.0.0/8"`, "get", "firewall/web")

	h.ok("changed firewall/fw-0001, version 2", "set", "firewall/web", "rules.0.cidrs.+=0.0.0.0/0", "tags.who=me")
	h.ok("unchanged firewall/fw-0001, version 2", "set", "firewall/web", "tags.who=me")
	h.ok(`"0.0.0.0/0"`, "get", "firewall/fw-0001")
	h.ok("changed firewall/fw-0001, version 3", "unset", "firewall/web", "tags", "rules.0.cidrs.0")
	h.ok("changed database/db-0001, version 2", "unset", "database/main", "password")
	h.ok(`"password_set": false`, "get", "database/main")
	h.ok("deleted firewall/fw-0001", "delete", "firewall/web")

	h.fails("2 of type firewall have the name \"twin\": say which id, fw-0002 or fw-0003", "get", "firewall/twin")
	h.fails(`no firewall has the id or the name "web"`, "get", "firewall/web")
	h.fails("UnknownType", "get", "volcano/x")
	h.fails("want TYPE/ID", "get", "firewall")
	h.fails("want PATH=VALUE", "set", "database/main", "size")
	h.fails("computed by the cloud", "set", "database/main", "password_set=true")
	h.fails("requires at least 2 arg", "set", "database/main")
	h.fails("HTTP 403", "list", "--token", "wrong")
	t.Setenv(envURL, "")
	h.fails("give --url or set HARBOR_URL", "list")
	h.fails("want http://HOST:PORT", "list", "--url", "127.0.0.1:1")
}

func TestFaultsByHand(t *testing.T) {
	h := newHarness(t, cloud.Options{})
	h.ok("created bucket/bkt-0001", "create", "bucket", "name=logs")
	h.ok("", "fault", "set", "bucket/logs", "deny")
	h.ok("", "fault", "set", "bucket", "lag=5s")
	h.ok("bucket/logs  deny", "fault", "list")
	h.ok("bucket       lag=5s", "fault", "list")
	h.ok(`"logs"`, "get", "bucket/logs")
	h.fails("HTTP 403 AccessDenied", "get", "bucket/bkt-0001", "--as-program")
	h.ok("", "fault", "clear", "bucket/logs")
	h.fails("NoSuchEndpoint", "get", "bucket/bkt-0001", "--as-program", "--url", h.url+"/nowhere")
	h.ok("", "fault", "clear")
	h.ok(`"logs"`, "get", "bucket/bkt-0001", "--as-program")
	h.fails("is none of deny", "fault", "set", "bucket", "explode")
	h.fails("the types are", "fault", "set", "volcano", "deny")
	h.fails("unknown flag", "fault", "set", "bucket", "deny", "--nonsense")
}

func TestServe(t *testing.T) {
	folder := t.TempDir()
	urlFile, state := filepath.Join(folder, "url"), filepath.Join(folder, "cloud.json")
	for _, round := range []string{"first", "second"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := run(ctx, "serve", "--addr", "127.0.0.1:0", "--url-file", urlFile, "--state", state)
			ended <- err
		}()
		address := waitFor(t, urlFile, ended)
		if resp, err := http.Get(address + "/healthz"); err != nil || resp.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %v, %v", round, resp, err)
		}
		if round == "first" {
			if _, err := run(ctx, "create", "bucket", "name=logs", "--url", address); err != nil {
				t.Error(err)
			}
		} else if out, err := run(ctx, "get", "bucket/logs", "--url", address); err != nil {
			t.Errorf("after a restart: %s, %v", out, err)
		}
		if _, err := run(ctx, "fault", "set", "*", "hang", "--url", address); err != nil {
			t.Error(err)
		}
		held := holdRequest(t, address)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", round, err)
		}
		if status := <-held; status != http.StatusServiceUnavailable {
			t.Errorf("%s: the held request ends with %d", round, status)
		}
		if _, err := os.Stat(urlFile); !os.IsNotExist(err) {
			t.Errorf("%s: the url file is still there: %v", round, err)
		}
	}
}

// holdRequest sends a write that will not be answered, and returns once the
// cloud holds it: it asks for the body only then. The channel gives the status in
// the end, 0 for none.
func holdRequest(t *testing.T, address string) <-chan int {
	t.Helper()
	holding, status := make(chan struct{}), make(chan int, 1)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(holding) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, address+"/v1/bucket/bkt-0001", strings.NewReader(`{"attributes":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	t.Cleanup(client.CloseIdleConnections)
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-holding
	return status
}

// waitFor returns the content of a file once it is there.
func waitFor(t *testing.T, path string, ended <-chan error) string {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if content, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(content))
		}
		select {
		case err := <-ended:
			t.Fatalf("ended before it served: %v", err)
		case <-deadline:
			t.Fatal("no url file after 10 s")
		case <-tick.C:
		}
	}
}

func TestServeRefuses(t *testing.T) {
	folder := t.TempDir()
	broken := filepath.Join(folder, "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(envToken, "")
	h := &harness{t: t}
	h.fails("reachable from other machines", "serve", "--addr", "0.0.0.0:0")
	h.fails(broken, "serve", "--addr", "127.0.0.1:0", "--state", broken)
	h.fails("write url file", "serve", "--addr", "127.0.0.1:0", "--url-file", filepath.Join(folder, "no", "url"))
	h.fails("listen", "serve", "--addr", "127.0.0.1:99999")
}
