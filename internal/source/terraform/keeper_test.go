package terraform

import (
	"crypto/md5" //nolint:gosec // an ETag
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A vault keeps a state behind HTTP, as the backend "http" wants it, and counts how often it was given out.
type vault struct {
	mu     sync.Mutex
	body   []byte
	status int
	given  int
	other  []string // requests that only a writer makes
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "reader" || password != "pass-word-1" {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet {
		v.other = append(v.other, r.Method+" "+r.URL.Path)
		http.Error(w, "no", http.StatusMethodNotAllowed)
		return
	}
	if v.status != 0 {
		http.Error(w, "no pass-word-1 today", v.status)
		return
	}
	tag := fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(v.body))) //nolint:gosec // an ETag
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	v.given++
	_, _ = w.Write(v.body)
}

func (v *vault) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}

// keptElsewhere moves the state of a rig into a vault, as init would have recorded it.
func (r *rig) keptElsewhere(password string) *vault {
	r.t.Helper()
	path := filepath.Join(r.dir, "terraform.tfstate")
	body, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		r.t.Fatal(err)
	}
	v := &vault{body: body}
	server := httptest.NewServer(v)
	r.t.Cleanup(server.Close)
	record, err := json.Marshal(map[string]any{"version": 3, "backend": map[string]any{
		"type": "http", "config": map[string]any{"address": server.URL + "/state", "username": "reader", "password": password, "retry_max": 0},
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("backend.tf", "terraform {\n  backend \"http\" {}\n}\n")
	r.write(".terraform/terraform.tfstate", string(record))
	return v
}

func newKeptRig(t *testing.T, password string) (*rig, *vault) {
	t.Helper()
	r := newRig(t)
	r.install()
	r.state(thing("a", map[string]any{"size": 1}))
	return r, r.keptElsewhere(password)
}

func TestStateOfABackendIsRead(t *testing.T) {
	r, v := newKeptRig(t, "pass-word-1")
	s := r.open()
	info, err := s.Describe(t.Context())
	if err != nil || info.ID != "terraform/b6b1/default" || info.Serial != 7 {
		t.Fatalf("%+v %v", info, err)
	}
	got := r.read(s)
	if got.coverage.Checked != 1 || !got.coverage.Complete() {
		t.Errorf("%+v", got.coverage)
	}
	if size, _ := got.by["odd_thing.a"].Recorded.Field("size"); size.Text() != "1" {
		t.Errorf("recorded size %s", size.Text())
	}
	if _, err := s.Describe(t.Context()); err != nil {
		t.Error(err)
	}
	v.set(func() {
		if v.given != 2 || len(v.other) > 0 {
			t.Errorf("the state was given out %d times; %q", v.given, v.other)
		}
	})
}

func TestTrap11_StateOfABackendThatMovedIsRaced(t *testing.T) {
	for _, tc := range []struct{ old, changed, says string }{
		{`"serial": 7`, `"serial": 8`, "from serial 7 to 8"},
		{`"n-a"`, `"n-b"`, "another one, of the same serial 7"},
	} {
		r, v := newKeptRig(t, "pass-word-1")
		s := r.open()
		coverage, err := s.Read(t.Context(), taffrail.Selection{}, func(taffrail.Observation) error {
			v.set(func() { v.body = []byte(strings.Replace(string(v.body), tc.old, tc.changed, 1)) })
			return nil
		})
		if err != nil || len(coverage.Gaps) != 1 || coverage.Gaps[0].Reason != taffrail.ReasonRaced || !strings.Contains(coverage.Gaps[0].Detail, tc.says) {
			t.Errorf("%v %+v", err, coverage)
		}
	}
}

func TestStateOfABackendThatCannotBeRead(t *testing.T) {
	for _, tc := range []struct {
		name, password string
		change         func(*vault)
		kind           taffrail.Kind
	}{
		{"wrong password", "pass-word-2", func(*vault) {}, taffrail.KindDenied},
		{"no state", "pass-word-1", func(v *vault) { v.status = http.StatusNotFound }, taffrail.KindNotFound},
		{"server in trouble", "pass-word-1", func(v *vault) { v.status = http.StatusInternalServerError }, taffrail.KindUnavailable},
		{"no state's bytes", "pass-word-1", func(v *vault) { v.body = []byte("<html>") }, taffrail.KindInvalid},
		{"encrypted", "pass-word-1", func(v *vault) {
			v.body = []byte(`{"serial":1,"lineage":"l","meta":{},"encrypted_data":"x","encryption_version":"v0"}`)
		}, taffrail.KindInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, v := newKeptRig(t, tc.password)
			v.set(func() { tc.change(v) })
			s := r.open()
			_, err := s.Describe(t.Context())
			if taffrail.KindOf(err) != tc.kind || taffrail.HintOf(err) == "" || strings.Contains(fmt.Sprint(err), "pass-word") {
				t.Errorf("%v of kind %s, hint %q", err, taffrail.KindOf(err), taffrail.HintOf(err))
			}
			_, err = s.Read(t.Context(), taffrail.Selection{}, func(o taffrail.Observation) error {
				t.Errorf("%s was observed", o.Resource.Address)
				return nil
			})
			if taffrail.KindOf(err) != tc.kind {
				t.Errorf("%v of kind %s", err, taffrail.KindOf(err))
			}
		})
	}
}
