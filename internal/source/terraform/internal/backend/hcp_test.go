package backend

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

const hcpToken = "atlasv1-0123456789"

// A hall answers as HCP Terraform does, for one workspace "net-blue" of the organization "ops".
type hall struct {
	t         *testing.T
	discovery string
	version   string
	download  string // where the state is said to be
	choosy    bool   // the store of states wants the token, too
	locked    string
	status    int
	downloads int
}

func (h *hall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	authorized := r.Header.Get("Authorization") == "Bearer "+hcpToken
	at := r.Host + r.URL.Path
	if r.Method != http.MethodGet {
		h.t.Errorf("it wrote: %s %s", r.Method, at)
	}
	switch {
	case strings.HasSuffix(at, "/.well-known/terraform.json"):
		if r.Header.Get("Authorization") != "" {
			h.t.Error("discovery needs no token")
		}
		_, _ = io.WriteString(w, h.discovery)
	case at == "archivist.terraform.io/v1/object/abc":
		h.downloads++
		if !h.choosy && r.Header.Get("Authorization") != "" {
			h.t.Error("a signed address needs no token")
		}
		if h.choosy && !authorized {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, sample)
	case r.Host == "evil.example":
		if r.Header.Get("Authorization") != "" {
			h.t.Error("the token was sent to another host")
		}
		w.WriteHeader(http.StatusForbidden)
	case !authorized:
		w.WriteHeader(http.StatusUnauthorized)
	case h.status != 0:
		w.WriteHeader(h.status)
	case at == "app.terraform.io/api/v2/organizations/ops/workspaces/net-blue":
		if r.URL.RawQuery != "" && r.URL.RawQuery != "include=locked_by" {
			h.t.Errorf("unexpected %s", r.URL)
		}
		fmt.Fprintf(w, `{"data":{"id":"ws-1","type":"workspaces","attributes":{"name":"net-blue","locked":%v}},"included":[%s]}`, h.locked != "", h.locked)
	case at == "app.terraform.io/api/v2/workspaces/ws-1/current-state-version" && h.version != "":
		fmt.Fprintf(w, `{"data":{"id":%q,"type":"state-versions","attributes":{"serial":7,"hosted-state-download-url":%q}}}`, h.version, h.download)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func cloudHall(t *testing.T, kind string, workspaces map[string]any) (*hall, Config) {
	h := &hall{t: t, discovery: `{"modules.v1":"/m/","tfe.v2":"/api/v2/","motd.v1":null}`, version: "sv-7", download: "https://archivist.terraform.io/v1/object/abc"}
	server := serve(t, h.ServeHTTP)
	to, _ := url.Parse(server.URL)
	c := settings(t, kind, map[string]any{"organization": "ops", "workspaces": []any{workspaces}, "token": hcpToken})
	c.HTTP, c.Limit = &http.Client{Transport: routed{to: to}}, 2000
	return h, c
}

func TestHCPReads(t *testing.T) {
	for _, tc := range []struct {
		kind       string
		workspaces map[string]any
		chosen     string
		choosy     bool
	}{
		{"cloud", map[string]any{"name": "net-blue"}, "", false},
		{"cloud", map[string]any{"name": "net-blue"}, "net-blue", true},
		{"cloud", map[string]any{"tags": []any{"net"}}, "net-blue", false},
		{"remote", map[string]any{"name": "net-blue"}, "", false},
		{"remote", map[string]any{"prefix": "net-"}, "blue", false},
	} {
		h, c := cloudHall(t, tc.kind, tc.workspaces)
		c.Workspace, h.choosy = tc.chosen, tc.choosy
		r := open(t, c)
		version := fetch(t, r)
		if want := "hcp://app.terraform.io/ops/net-blue"; r.Name() != want || version != "sv-7" {
			t.Errorf("the name is %q, the version %q", r.Name(), version)
		}
		if want := map[bool]int{false: 2, true: 4}[tc.choosy]; h.downloads != want {
			t.Errorf("%d downloads, want %d: what is known is not downloaded", h.downloads, want)
		}
		h.version = "sv-8"
		if body, moved, err := r.Fetch(t.Context(), version); err != nil || string(body) != sample || moved != "sv-8" {
			t.Errorf("after it moved: %q, %q, %v", body, moved, err)
		}
	}
}

func TestHCPLock(t *testing.T) {
	h, c := cloudHall(t, "cloud", map[string]any{"name": "net-blue"})
	r := open(t, c)
	if lock, err := r.Locked(t.Context()); err != nil || lock.Held {
		t.Errorf("without a lock: %+v, %v", lock, err)
	}
	for included, who := range map[string]string{
		`{"type":"users","id":"user-1","attributes":{"username":"ann"}}`: "user ann",
		`{"type":"runs","id":"run-9","attributes":{}}`:                   "run run-9",
		`{"type":"teams","id":"team-1","attributes":{"name":"deck"}}`:    "team deck",
	} {
		h.locked = included
		if lock, err := r.Locked(t.Context()); err != nil || !lock.Held || lock.Who != who {
			t.Errorf("with a lock: %+v, %v", lock, err)
		}
	}
}

func TestHCPFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		lay  func(h *hall)
		kind taffrail.Kind
	}{
		"401":                {func(h *hall) { h.status = 401 }, taffrail.KindDenied},
		"403":                {func(h *hall) { h.status = 403 }, taffrail.KindDenied},
		"404":                {func(h *hall) { h.status = 404 }, taffrail.KindNotFound},
		"429":                {func(h *hall) { h.status = 429 }, taffrail.KindUnavailable},
		"500":                {func(h *hall) { h.status = 500 }, taffrail.KindUnavailable},
		"no version":         {func(h *hall) { h.version = "" }, taffrail.KindNotFound},
		"being uploaded":     {func(h *hall) { h.download = "" }, taffrail.KindUnavailable},
		"elsewhere":          {func(h *hall) { h.download = "https://evil.example/s" }, taffrail.KindDenied},
		"in plain":           {func(h *hall) { h.download = "http://archivist.terraform.io/v1/object/abc" }, taffrail.KindInvalid},
		"no service":         {func(h *hall) { h.discovery = `{"modules.v1":"/m/"}` }, taffrail.KindInvalid},
		"no JSON":            {func(h *hall) { h.discovery = "<html>" }, taffrail.KindInvalid},
		"an API in plain":    {func(h *hall) { h.discovery = `{"tfe.v2":"http://app.terraform.io/api/v2/"}` }, taffrail.KindInvalid},
		"an API of a thief":  {func(h *hall) { h.discovery = `{"tfe.v2":"https://evil.example/api/v2/"}` }, taffrail.KindInvalid},
		"a sibling of a TLD": {func(h *hall) { h.discovery = `{"tfe.v2":"https://other.io/api/v2/"}` }, taffrail.KindInvalid},
	} {
		h, c := cloudHall(t, "cloud", map[string]any{"name": "net-blue"})
		tc.lay(h)
		_, _, err := open(t, c).Fetch(t.Context(), "")
		t.Log(name)
		wantKind(t, err, tc.kind, "hcp://app.terraform.io/ops/net-blue")
		wantNoSecret(t, err, hcpToken, "object/abc")
	}
}

func TestHCPTokens(t *testing.T) {
	for name, lay := range map[string]func(c *Config){
		"environment": func(c *Config) {
			c.Env = func(name string) string {
				return map[string]string{"TF_TOKEN_app_terraform_io": hcpToken, "TF_CLOUD_ORGANIZATION": "ops"}[name]
			}
			delete(c.Attributes, "organization")
		},
		"login": func(c *Config) {
			write(t, filepath.Join(c.Home, ".terraform.d", "credentials.tfrc.json"), fmt.Sprintf(`{"credentials":{"app.terraform.io":{"token":%q}}}`, hcpToken))
		},
		"CLI configuration": func(c *Config) {
			write(t, filepath.Join(c.Home, ".terraformrc"), fmt.Sprintf("plugin_cache_dir = \"x\"\ncredentials \"other.example\" {\n  token = \"no\"\n}\ncredentials \"app.terraform.io\" {\n  token = %q\n}\n", hcpToken))
		},
	} {
		_, c := cloudHall(t, "cloud", map[string]any{"name": "net-blue"})
		delete(c.Attributes, "token")
		lay(&c)
		t.Log(name)
		fetch(t, open(t, c))
	}
	_, c := cloudHall(t, "cloud", map[string]any{"name": "net-blue"})
	c.Attributes["hostname"], c.Attributes["token"] = "my-tfe.example.com", nil
	_, err := Open(t.Context(), c)
	wantKind(t, err, taffrail.KindDenied, "my-tfe.example.com")
	if !strings.Contains(taffrail.HintOf(err), "TF_TOKEN_my__tfe_example_com") {
		t.Errorf("the hint is %q", taffrail.HintOf(err))
	}
}

func TestHCPSettings(t *testing.T) {
	for part, more := range map[string]map[string]any{
		"organization is missing": {"organization": nil}, "many workspaces": {"workspaces": map[string]any{"tags": []any{"a"}}},
		"hostname": {"hostname": "a/b"}, "names the workspace net-blue": {"workspace": "other"},
	} {
		_, c := cloudHall(t, "cloud", map[string]any{"name": "net-blue"})
		maps.Copy(c.Attributes, more)
		if other, ok := more["workspace"].(string); ok {
			c.Workspace = other
		}
		_, err := Open(t.Context(), c)
		wantSettingsError(t, err, part)
	}
}
