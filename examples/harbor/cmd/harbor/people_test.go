package main

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
)

func TestPeopleByHand(t *testing.T) {
	d := identity.Practice()
	h := newHarness(t, cloud.Options{Token: "sesame", Directory: &d, Clock: cloud.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Second)})
	t.Setenv(envKey, "")
	h.ok("carol@corp.example  ", "principals")
	h.fails("harbor login makes one", "list")
	h.fails("nobody is called", "login", "eve@corp.example")
	h.fails("there is no user:eve", "login", "user:eve")
	h.ok("assumed-role/infra-apply/run-7", "whoami", "--as", "ci:7")
	h.ok("user/dana", "whoami", "--as", "user:dana")
	h.ok("assumed-role/Maintenance/erin", "whoami", "--as", "erin@corp.example>Operations>Maintenance")
	h.ok("assumed-role/BreakGlass/mallory", "whoami", "--as", "mallory@corp.example>BreakGlass")
	h.fails("has no permission set", "whoami", "--as", "frank@corp.example/Admin")

	said, err := run(t.Context(), "login", "carol@corp.example")
	_, quoted, ok := strings.Cut(strings.TrimSpace(said), "=")
	if err != nil || !ok || !strings.HasPrefix(said, "export "+envKey+"='ASIA") {
		t.Fatal(err, said)
	}
	t.Setenv(envKey, strings.Trim(quoted, "'"))
	h.ok("created firewall/fw-0001", "create", "firewall", "name=web", `rules=[{"from_port":22,"cidrs":["10.0.0.0/8"]}]`)
	h.ok("changed firewall/fw-0001, version 6", "set", "firewall/web", "description=x", "tags.Team=y", `rules.0.cidrs=["0.0.0.0/0"]`) // two calls made it, four change it
	h.ok("AuthorizeFirewallRules rules", "do", "firewall/web")
	h.ok("done RevokeFirewallRules on firewall/web, version", "do", "firewall/web", "RevokeFirewallRules", `rules=[{"from_port":22,"cidrs":["0.0.0.0/0"]}]`)
	h.fails("the actions on a firewall are", "do", "firewall/web", "Explode")
	h.fails("is not authorized to perform: firewall:DeleteFirewall", "delete", "firewall/web", "--as", "frank@corp.example")
	h.ok("made up 200 objects", "populate", "--count", "200")
	h.fails("is no number from 1", "populate", "--count", "0")
	h.ok("objects changed", "step")
	h.ok("2026-01-01T00:1", "clock", "10m")
	h.fails("not negative", "clock", "x")
	h.fails("keeps no audit trail", "trail", "flush")
	h.ok("changed something", "act", "--count", "5", "--seed", "3", "--only", "queue", "--clock", "--verbose")
	h.fails("nothing to change", "act", "--only", "template")
	h.fails("sign in as eve", "act", "--who", "eve")
}

// pushed takes what is pushed.
type pushed struct {
	mu    sync.Mutex
	names []string
}

func (p *pushed) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var all []struct {
		Detail struct{ EventName string }
	}
	_ = json.NewDecoder(r.Body).Decode(&all) // what is none has no name
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range all {
		p.names = append(p.names, e.Detail.EventName)
	}
}

// A cloud that is stopped has delivered its trail, pushed it, and kept the truth.
func TestServeWithATrail(t *testing.T) {
	folder := t.TempDir()
	to := &pushed{}
	srv := httptest.NewServer(to)
	t.Cleanup(srv.Close)
	t.Setenv(envKey, "")
	t.Setenv(envToken, "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	urlFile := filepath.Join(folder, "url")
	go func() {
		_, err := run(ctx, "serve", "--addr", "127.0.0.1:0", "--url-file", urlFile, "--principals", "--seed", "7", "--clock", "2026-01-02T03:04:05Z", "--autoscale", "1ms",
			"--trail", filepath.Join(folder, "trail"), "--truth", filepath.Join(folder, "truth.jsonl"), "--push", srv.URL)
		ended <- err
	}()
	address := waitFor(t, urlFile, ended)
	if _, err := run(ctx, "create", "scaling_group", "name=g", "min_size=1", "max_size=99", "--url", address, "--as", "carol@corp.example"); err != nil {
		t.Error(err)
	}
	deadline, tick := time.After(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for moved := false; !moved; {
		select {
		case <-deadline:
			t.Fatal("the autoscaler does nothing")
		case <-tick.C:
		}
		content, err := os.ReadFile(filepath.Join(folder, "truth.jsonl"))
		moved = err == nil && strings.Contains(string(content), "SetDesiredCapacity")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	files := 0
	_ = filepath.WalkDir(filepath.Join(folder, "trail", "AWSLogs", "123456789012", "CloudTrail", "harbor-1", "2026", "01", "02"), func(path string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".json.gz") {
			files++
		}
		return nil
	})
	to.mu.Lock()
	defer to.mu.Unlock()
	if all := strings.Join(to.names, " "); files == 0 || !strings.Contains(all, "CreateScalingGroup") || !strings.Contains(all, "SetDesiredCapacity") {
		t.Errorf("%d log files, pushed %s", files, all)
	}
}

func TestServeRefusesWhatDoesNotGoTogether(t *testing.T) {
	t.Setenv(envToken, "")
	h := &harness{t: t}
	h.fails("give --trail as well", "serve", "--addr", "127.0.0.1:0", "--truth", "x")
	h.fails("give --trail as well", "serve", "--addr", "127.0.0.1:0", "--push", "http://127.0.0.1:1")
	h.fails("--clock", "serve", "--addr", "127.0.0.1:0", "--clock", "noon")
}
