package backend

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func noEnv(string) string { return "" }

func TestParseURL(t *testing.T) {
	for _, tc := range []struct {
		url, kind, workspace, name string
		attributes                 map[string]any
	}{
		{"https://git.example/api/v4/projects/1/terraform/state/prod?x=tok", "http", "default", "https://git.example/api/v4/projects/1/terraform/state/prod",
			map[string]any{"address": "https://git.example/api/v4/projects/1/terraform/state/prod?x=tok"}},
		{"http://deck:hand@h:8080/s", "http", "default", "http://h:8080/s", map[string]any{"address": "http://h:8080/s", "username": "deck", "password": "hand"}},
		{"https://app.terraform.io/app/acme/workspaces/web-prod", "cloud", "web-prod", "https://app.terraform.io/app/acme/workspaces/web-prod",
			map[string]any{"hostname": "app.terraform.io", "organization": "acme", "workspaces": map[string]any{"name": "web-prod"}}},
		{"https://tfe.example/app/acme/workspaces/web/runs/run-1", "cloud", "web", "https://tfe.example/app/acme/workspaces/web/runs/run-1",
			map[string]any{"hostname": "tfe.example", "organization": "acme", "workspaces": map[string]any{"name": "web"}}},
		{"hcp://tfe.example/acme/web", "cloud", "web", "hcp://tfe.example/acme/web",
			map[string]any{"hostname": "tfe.example", "organization": "acme", "workspaces": map[string]any{"name": "web"}}},
		{"s3://states/net/prod.tfstate?region=eu-central-1&endpoint=https://s3.example", "s3", "default", "s3://states/net/prod.tfstate",
			map[string]any{"bucket": "states", "key": "net/prod.tfstate", "region": "eu-central-1", "endpoint": "https://s3.example"}},
		{"s3://states/env:/dev/net.tfstate", "s3", "dev", "s3://states/env:/dev/net.tfstate", map[string]any{"bucket": "states", "key": "net.tfstate"}},
		{"gs://states/a/b/dev.tfstate", "gcs", "dev", "gs://states/a/b/dev.tfstate", map[string]any{"bucket": "states", "prefix": "a/b"}},
		{"gs://states/default.tfstate", "gcs", "default", "gs://states/default.tfstate", map[string]any{"bucket": "states", "prefix": ""}},
		{"azblob://acct/box/net/prod.tfstateenv:dev?use_azuread_auth=true", "azurerm", "dev", "azblob://acct/box/net/prod.tfstateenv:dev",
			map[string]any{"storage_account_name": "acct", "container_name": "box", "key": "net/prod.tfstate", "use_azuread_auth": "true"}},
		{"pg://u:pw@h:5433/db?schema=s&workspace=dev&sslmode=disable", "pg", "dev", "pg://h:5433/db?schema=s&workspace=dev",
			map[string]any{"conn_str": "postgres://u:pw@h:5433/db?sslmode=disable", "schema_name": "s"}},
		{"consul://h:8500/tf/net-env:dev?datacenter=dc2&scheme=https", "consul", "dev", "consul://h:8500/tf/net-env:dev",
			map[string]any{"address": "h:8500", "path": "tf/net", "datacenter": "dc2", "scheme": "https"}},
		{"kubernetes://infra/web?workspace=dev&config_context=c", "kubernetes", "dev", "kubernetes://infra/web?workspace=dev",
			map[string]any{"namespace": "infra", "secret_suffix": "web", "config_context": "c"}},
	} {
		t.Run(tc.url, func(t *testing.T) {
			if !IsURL(tc.url) {
				t.Error("it is not taken for a URL")
			}
			c, name, err := ParseURL(tc.url, noEnv)
			if err != nil {
				t.Fatal(err)
			}
			if c.Type != tc.kind || c.Workspace != tc.workspace || name != tc.name {
				t.Errorf("got %s, workspace %s, named %s", c.Type, c.Workspace, name)
			}
			if diff := cmp.Diff(tc.attributes, c.Attributes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a URL cannot say is refused with a hint, and no word of what may be secret.
func TestParseURLRefuses(t *testing.T) {
	for _, tc := range []struct{ name, url, says string }{
		{"unknown scheme", "oss://user:hush-hush@bucket/key?x=hush-hush", "oss:// is no place"},
		{"no host", "s3:///key", "names no host"},
		{"credentials", "s3://AKIA:hush-hush@bucket/key", "s3://bucket/key holds credentials"},
		{"fragment", "https://h/s#hush-hush", "part behind #"},
		{"unknown parameter", "s3://bucket/key?secret_key=hush-hush", "the parameter secret_key is not known"},
		{"no key", "s3://bucket", "does not name a state"},
		{"no state file", "gs://bucket/prefix", "does not name a state"},
		{"no container", "azblob://acct/key", "does not name a state"},
		{"no database", "postgres://u:hush-hush@h", "does not name a state"},
		{"no workspace", "hcp://h/org", "does not name a state"},
		{"no suffix", "kubernetes://ns", "does not name a state"},
		{"broken", "https://u:hush-hush@h:bad port/x", "cannot be read"},
		{"broken parameters", "s3://bucket/key?%zz=hush-hush", "cannot be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := ParseURL(tc.url, noEnv)
			if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error %v", err)
			}
			if text := err.Error() + taffrail.HintOf(err); strings.Contains(text, "hush") {
				t.Errorf("it tells a secret: %s", text)
			}
			if tc.name == "unknown scheme" && !strings.Contains(taffrail.HintOf(err), "s3://") {
				t.Errorf("the hint names no known one: %s", taffrail.HintOf(err))
			}
		})
	}
	for _, path := range []string{"dir", "/abs/dir", "C:\\dir", "./a:b", "://x"} {
		if IsURL(path) {
			t.Errorf("%q is taken for a URL", path)
		}
	}
}

// A URL leads to the same state as the block of a backend does.
func TestURLReads(t *testing.T) {
	t.Run("http", func(t *testing.T) {
		server := stateServer(t, `"v7"`)
		c, _, err := ParseURL(strings.Replace(server.URL, "://", "://deckhand:hush-hush@", 1)+"/state/prod", noEnv)
		if err != nil {
			t.Fatal(err)
		}
		c.HTTP, c.Dir, c.Home, c.Pause = server.Client(), t.TempDir(), t.TempDir(), (&recorder{}).pause
		r := open(t, c)
		fetch(t, r)
		if strings.Contains(r.Name(), "deckhand") {
			t.Errorf("the name is %s", r.Name())
		}
	})
	t.Run("s3", func(t *testing.T) {
		isolate(t)
		objects, server := bucket(t, nil)
		put(t, objects, "env:/dev/net.tfstate", sample)
		env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": awsSecret}
		c, _, err := ParseURL("s3://states/env:/dev/net.tfstate?region=eu-central-1&use_path_style=true&endpoint="+server.URL, func(n string) string { return env[n] })
		if err != nil {
			t.Fatal(err)
		}
		c.HTTP, c.Dir, c.Home, c.Pause = server.Client(), t.TempDir(), t.TempDir(), (&recorder{}).pause
		fetch(t, open(t, c))
	})
}

// The login that the environment holds for one host is kept from others.
func TestURLKeepsLoginsApart(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"TF_HTTP_ADDRESS": "https://mine.example/state", "TF_HTTP_PASSWORD": "hush-hush"}[name]
	}
	for text, want := range map[string]string{"https://mine.example/other": "hush-hush", "https://yours.example/state": "", "http://mine.example/state": ""} {
		c, _, err := ParseURL(text, env)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Env("TF_HTTP_PASSWORD"); got != want {
			t.Errorf("%s gets %q", text, got)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range schemes {
		f.Add(s.form)
	}
	f.Add("https://user:hush-hush@h/app/o/workspaces/w?x=1")
	f.Fuzz(func(t *testing.T, text string) {
		c, name, err := ParseURL(text, noEnv)
		if err == nil && (c.Workspace == "" || readers[c.Type] == nil || name == "") {
			t.Errorf("%q: %+v, named %q", text, c, name)
		}
		u, broken := url.Parse(text)
		if broken != nil || u.User == nil {
			return
		}
		password, _ := u.User.Password()
		if len(password) < 8 || strings.Contains(strings.Replace(text, password, "", 1), password) {
			return
		}
		if err != nil {
			name = err.Error() + taffrail.HintOf(err)
		}
		if strings.Contains(name, password) {
			t.Errorf("%q tells %q in %q", text, password, name)
		}
	})
}
