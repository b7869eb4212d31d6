package terraform

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// serveState serves the rig's state to whoever logs in, and takes it out of the rig's folder. It fails the test at any request that
// would write or lock.
func (r *rig) serveState() *httptest.Server {
	r.t.Helper()
	state, err := os.ReadFile(filepath.Join(r.dir, "terraform.tfstate"))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.dir, "terraform.tfstate")); err != nil {
		r.t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet {
			r.t.Errorf("it wrote: %s %s", q.Method, q.URL)
		}
		if user, password, _ := q.BasicAuth(); user != "deck" || password != "hush-hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(state)
	}))
	r.t.Cleanup(server.Close)
	return server
}

// A stack whose state a URL names is read without its code, or with that of the folder that the settings name.
func TestURLTarget(t *testing.T) {
	for _, tc := range []struct {
		name, login string
		environ     []string
		code        bool
		fails       taffrail.Kind
	}{
		{name: "login in the URL", login: "deck:hush-hush@"},
		{name: "login in the environment", environ: []string{"TF_HTTP_USERNAME=deck", "TF_HTTP_PASSWORD=hush-hush"}},
		{name: "with code", login: "deck:hush-hush@", code: true},
		{name: "wrong login", login: "deck:hush-hushed@", fails: taffrail.KindDenied},
		{name: "no login", fails: taffrail.KindDenied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.install()
			r.state(thing("a", nil))
			r.live(testprovider.World{"odd_thing/a": {Set: nil}})
			server := r.serveState()
			r.host.environ = append(r.host.environ, tc.environ...)
			r.config.Target = strings.Replace(server.URL, "://", "://"+tc.login, 1) + "/state?token=hush-hush"
			if tc.code {
				r.config.Code = r.dir
			} else {
				t.Chdir(r.dir)
			}
			info, err := r.describe()
			if tc.fails != "" {
				if taffrail.KindOf(err) != tc.fails || strings.Contains(err.Error(), "hush") || taffrail.HintOf(err) == "" {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || info.Name != server.URL+"/state" || info.ID != "terraform/b6b1/default" {
				t.Fatalf("%+v, %v", info, err)
			}
			got := r.scan()
			if got.coverage.Checked != 1 {
				t.Errorf("%+v", got.coverage)
			}
			if strings.Contains(got.dump()+r.log.String(), "hush-hush") {
				t.Error("the login is told")
			}
			if s := r.open(); s.target.code != tc.code {
				t.Errorf("code %v", s.target.code)
			}
		})
	}
}

func TestURLTargetRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config Config
		says   string
	}{
		{"unknown place", Config{Target: "oss://bucket/key"}, "oss:// is no place"},
		{"two workspaces", Config{Target: "gs://b/prod.tfstate", Workspace: "dev"}, "of the workspace prod, and dev was asked for"},
		{"no code there", Config{Target: "gs://b/prod.tfstate", Code: "testdata/none"}, "testdata/none"},
		{"no file", Config{Target: "file:///nowhere/at/all"}, "/nowhere/at/all"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := findTarget(tc.config, host{})
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v", err)
			}
		})
	}
}
