package backend

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A store answers as Consul's KV API does for reading one key.
type store struct {
	t       *testing.T
	keys    map[string][]byte
	session map[string]string
	index   int
	status  int
	asked   int
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked++
	key, ok := strings.CutPrefix(r.URL.Path, "/v1/kv/")
	if query := r.URL.Query(); r.Method != http.MethodGet || !ok || !query.Has("consistent") || query.Get("dc") != "dc2" {
		s.t.Errorf("unexpected %s %s", r.Method, r.URL)
	}
	switch value, found := s.keys[key]; {
	case s.status != 0:
		w.WriteHeader(s.status)
	case r.Header.Get("X-Consul-Token") != "tok-123":
		w.WriteHeader(http.StatusForbidden)
	case !found:
		w.WriteHeader(http.StatusNotFound)
	default:
		_ = json.NewEncoder(w).Encode([]map[string]any{{"Key": key, "Value": value, "ModifyIndex": s.index, "Session": s.session[key], "LockIndex": 1}})
	}
}

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

func consulStore(t *testing.T, workspace string) (*store, Config) {
	s := &store{t: t, keys: map[string][]byte{}, session: map[string]string{}, index: 7}
	server := serve(t, s.ServeHTTP)
	c := settings(t, "consul", map[string]any{"path": "tf/net", "address": strings.TrimPrefix(server.URL, "http://"), "datacenter": "dc2", "access_token": "tok-123"})
	c.Workspace, c.Limit = workspace, 2000
	return s, c
}

// chunk lays a state down in pieces, as the tool does when it is too large for one key.
func (s *store) chunk(path string, payload []byte, of string) {
	hash := fmt.Sprintf("%x", md5.Sum([]byte(of)))
	var names []string
	for i := 0; len(payload) > 0; i++ {
		n := min(20, len(payload))
		names = append(names, fmt.Sprintf("%s/tfstate.%s/%d", path, hash, i))
		s.keys[names[i]], payload = payload[:n], payload[n:]
	}
	s.keys[path], _ = json.Marshal(map[string]any{"current-hash": hash, "chunks": names})
}

func TestConsulDoubleReads(t *testing.T) {
	for name, lay := range map[string]func(s *store){
		"plain":           func(s *store) { s.keys["tf/net-env:blue"] = []byte(sample) },
		"gzip":            func(s *store) { s.keys["tf/net-env:blue"] = packed(sample) },
		"pieces":          func(s *store) { s.chunk("tf/net-env:blue", []byte(sample), sample) },
		"pieces and gzip": func(s *store) { s.chunk("tf/net-env:blue", packed(sample), sample) },
	} {
		s, c := consulStore(t, "blue")
		lay(s)
		r := open(t, c)
		t.Log(name)
		version := fetch(t, r)
		s.asked = 0
		if _, _, err := r.Fetch(t.Context(), version); err != nil || s.asked != 1 {
			t.Errorf("%s: %d requests for what is known, %v", name, s.asked, err)
		}
		s.keys["tf/net-env:blue"], s.index = []byte(sample+" "), 8
		if body, moved, err := r.Fetch(t.Context(), version); err != nil || string(body) != sample+" " || moved == version {
			t.Errorf("%s: after it moved: %q, %q, %v", name, body, moved, err)
		}
	}
}

func TestConsulDoubleLock(t *testing.T) {
	s, c := consulStore(t, "")
	r := open(t, c)
	for range 2 { // a key that no session holds is no lock
		if lock, err := r.Locked(t.Context()); err != nil || lock.Held {
			t.Errorf("without a lock: %+v, %v", lock, err)
		}
		s.keys["tf/net/.lock"] = nil
	}
	s.session["tf/net/.lock"] = "3f0c"
	if lock, err := r.Locked(t.Context()); err != nil || lock != (Lock{Held: true}) {
		t.Errorf("with a lock of which nothing is said: %+v, %v", lock, err)
	}
	s.keys["tf/net/.lockinfo"] = []byte(`{"Who":"ann@bridge"}`)
	if lock, err := r.Locked(t.Context()); err != nil || lock.Who != "ann@bridge" {
		t.Errorf("with a lock: %+v, %v", lock, err)
	}
}

func TestConsulDoubleFaults(t *testing.T) {
	gz := packed(sample)
	for name, tc := range map[string]struct {
		lay  func(s *store)
		kind taffrail.Kind
	}{
		"no key":          {func(*store) {}, taffrail.KindNotFound},
		"empty":           {func(s *store) { s.keys["tf/net"] = nil }, taffrail.KindNotFound},
		"401":             {func(s *store) { s.status = 401 }, taffrail.KindDenied},
		"403":             {func(s *store) { s.status = 403 }, taffrail.KindDenied},
		"429":             {func(s *store) { s.status = 429 }, taffrail.KindUnavailable},
		"500":             {func(s *store) { s.status = 500 }, taffrail.KindUnavailable},
		"cut gzip":        {func(s *store) { s.keys["tf/net"] = gz[:len(gz)-9] }, taffrail.KindInvalid},
		"no gzip":         {func(s *store) { s.keys["tf/net"] = []byte("\x1f garbage") }, taffrail.KindInvalid},
		"gzip bomb":       {func(s *store) { s.keys["tf/net"] = packed(strings.Repeat("x", 3000)) }, taffrail.KindInvalid},
		"a piece is gone": {func(s *store) { s.chunk("tf/net", []byte(sample), sample); delete(s.keys, piece(s, 1)) }, taffrail.KindUnavailable},
		"a piece is old":  {func(s *store) { s.chunk("tf/net", []byte(sample), sample); s.keys[piece(s, 0)] = []byte("x") }, taffrail.KindUnavailable},
		"pieces elsewhere": {func(s *store) {
			s.keys["tf/net"] = []byte(`{"current-hash":"0","chunks":["secrets/of/others"]}`)
		}, taffrail.KindInvalid},
		"no pieces": {func(s *store) { s.keys["tf/net"] = []byte(`{"current-hash":"0","chunks":[]}`) }, taffrail.KindInvalid},
		"large pieces": {func(s *store) {
			s.chunk("tf/net", []byte(sample), sample)
			s.keys[piece(s, 0)] = make([]byte, 1400)
			s.keys[piece(s, 1)] = make([]byte, 1400)
		}, taffrail.KindInvalid},
	} {
		s, c := consulStore(t, "")
		tc.lay(s)
		c.Limit = 2100
		_, _, err := open(t, c).Fetch(t.Context(), "")
		t.Log(name, err)
		wantKind(t, err, tc.kind, "tf/net")
		wantNoSecret(t, err, "tok-123")
	}
}

func piece(s *store, i int) string {
	var index struct{ Chunks []string }
	_ = json.Unmarshal(s.keys["tf/net"], &index)
	return index.Chunks[i]
}

func TestConsulNotConsul(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	_, _, err := open(t, settings(t, "consul", map[string]any{"path": "p", "address": server.URL})).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindInvalid, "none of Consul's")
}

func TestConsulSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		attributes map[string]any
		env        map[string]string
		want       string
	}{
		"nothing":     {map[string]any{}, nil, "path is missing"},
		"socket":      {map[string]any{"path": "p"}, map[string]string{"CONSUL_HTTP_ADDR": "unix:///run/consul.sock"}, "address"},
		"no file":     {map[string]any{"path": "p"}, map[string]string{"CONSUL_CACERT": "none.pem"}, "ca_file"},
		"no token":    {map[string]any{"path": "p"}, map[string]string{"CONSUL_HTTP_TOKEN_FILE": "none"}, "CONSUL_HTTP_TOKEN_FILE"},
		"default":     {map[string]any{"path": "p"}, nil, ""},
		"environment": {map[string]any{"path": "p"}, map[string]string{"CONSUL_HTTP_ADDR": "https://c.example:8501"}, ""},
	} {
		c := settings(t, "consul", tc.attributes)
		c.Env = func(name string) string { return tc.env[name] }
		r, err := Open(t.Context(), c)
		if tc.want != "" {
			wantSettingsError(t, err, tc.want)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := map[string]string{"default": "consul://127.0.0.1:8500/p", "environment": "consul://c.example:8501/p"}[name]; r.Name() != want {
			t.Errorf("%s: the name is %q", name, r.Name())
		}
	}
}
