package cloud

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// clock is a clock that tests move.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) read() time.Time         { return c.now }
func (c *clock) forward(d time.Duration) { c.now = c.now.Add(d) }

func open(t *testing.T, o Options) *Cloud {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// call sends one request; headers are NAME, VALUE, NAME, VALUE.
func call(c *Cloud, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// do is call where success is expected; it decodes an object.
func do(t *testing.T, c *Cloud, method, path, body string, headers ...string) api.Object {
	t.Helper()
	w := call(c, method, path, body, headers...)
	if w.Code > 299 {
		t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
	var o api.Object
	if w.Code != http.StatusNoContent {
		if err := api.Decode(w.Body, &o); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func ids(t *testing.T, c *Cloud, path string, headers ...string) []string {
	t.Helper()
	w := call(c, "GET", path, "", headers...)
	var list api.Objects
	if err := api.Decode(w.Body, &list); err != nil {
		t.Fatalf("%d: %v", w.Code, err)
	}
	out := []string{}
	for _, o := range list.Objects {
		out = append(out, o.ID)
	}
	return out
}

func TestLifeOfAnObject(t *testing.T) {
	clk := newClock()
	c := open(t, Options{Now: clk.read})
	made := do(t, c, "POST", "/v1/firewall", `{"attributes":{"name":"web","tags":{"n":"1"},"quota":9007199254740993}}`)
	want := api.Object{Type: "firewall", ID: "fw-0001", Version: 1, CreatedAt: clk.now, UpdatedAt: clk.now, ETag: made.ETag,
		Attributes: map[string]any{"name": "web", "tags": map[string]any{"n": "1"}, "quota": json.Number("9007199254740993"), "default_action": "deny"}}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Fatalf("created (-want +got):\n%s", diff)
	}

	clk.forward(time.Minute)
	patched := do(t, c, "PATCH", "/v1/firewall/fw-0001", `{"attributes":{"tags":null,"default_action":"allow"}}`)
	if patched.Version != 2 || patched.ETag == made.ETag || !patched.UpdatedAt.Equal(clk.now) || !patched.CreatedAt.Equal(made.CreatedAt) {
		t.Errorf("a patch did not move the object on: %+v", patched)
	}
	if _, ok := patched.Attributes["tags"]; ok || patched.Attributes["name"] != "web" {
		t.Errorf("a patch with null gives %v", patched.Attributes)
	}

	clk.forward(time.Minute)
	if same := do(t, c, "PATCH", "/v1/firewall/fw-0001", `{"attributes":{"default_action":"allow"}}`); cmp.Diff(patched, same) != "" {
		t.Errorf("a write that changes nothing moved the object on: %+v", same)
	}

	put := do(t, c, "PUT", "/v1/firewall/fw-0001", `{"attributes":{"name":"door"}}`)
	if diff := cmp.Diff(map[string]any{"name": "door", "default_action": "deny"}, put.Attributes); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}

	do(t, c, "DELETE", "/v1/firewall/fw-0001", "")
	if w := call(c, "GET", "/v1/firewall/fw-0001", ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "NotFound") {
		t.Errorf("after deletion: %d %s", w.Code, w.Body)
	}
	if again := do(t, c, "POST", "/v1/firewall", `{"attributes":{"name":"web"}}`); again.ID != "fw-0002" {
		t.Errorf("the next id is %s", again.ID)
	}
}

func TestRefusals(t *testing.T) {
	c := open(t, Options{})
	o := do(t, c, "POST", "/v1/bucket", `{"attributes":{"name":"logs"}}`)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, say                string
	}{
		{name: "unknown type", method: "GET", path: "/v1/volcano/x", status: 404, code: "UnknownType", say: "bucket, database"},
		{name: "unknown id", method: "GET", path: "/v1/bucket/bkt-9", status: 404, code: "NotFound", say: "bkt-9"},
		{name: "patch of nothing", method: "PATCH", path: "/v1/bucket/bkt-9", body: `{"attributes":{}}`, status: 404, code: "NotFound"},
		{name: "delete of nothing", method: "DELETE", path: "/v1/bucket/bkt-9", status: 404, code: "NotFound"},
		{name: "no endpoint", method: "GET", path: "/v2/x", status: 404, code: "NoSuchEndpoint", say: "/v2/x"},
		{name: "no method", method: "POST", path: "/v1/bucket/bkt-0001", status: 404, code: "NoSuchEndpoint", say: "POST"},
		{name: "not JSON", method: "POST", path: "/v1/bucket", body: `{`, status: 400, code: "Invalid"},
		{name: "no attributes", method: "POST", path: "/v1/bucket", body: `{}`, status: 400, code: "Invalid", say: "attributes"},
		{name: "no name", method: "POST", path: "/v1/bucket", body: `{"attributes":{}}`, status: 400, code: "Invalid", say: "name"},
		{name: "name is no string", method: "POST", path: "/v1/bucket", body: `{"attributes":{"name":5}}`, status: 400, code: "Invalid", say: "name"},
		{name: "name removed", method: "PATCH", path: "/v1/bucket/bkt-0001", body: `{"attributes":{"name":null}}`, status: 400, code: "Invalid", say: "name"},
		{name: "computed", method: "PATCH", path: "/v1/bucket/bkt-0001", body: `{"attributes":{"object_count":5}}`, status: 400, code: "Invalid", say: "object_count"},
		{name: "flag of a secret", method: "POST", path: "/v1/database", body: `{"attributes":{"name":"x","password_set":true}}`, status: 400, code: "Invalid", say: `write \"password\"`},
		{name: "stale", method: "PATCH", path: "/v1/bucket/bkt-0001", body: `{"attributes":{"a":1}}`, headers: []string{"If-Match", `"old"`}, status: 412, code: "Changed"},
		{name: "stale delete", method: "DELETE", path: "/v1/bucket/bkt-0001", headers: []string{"If-Match", `"old"`}, status: 412, code: "Changed"},
		{name: "target of no type", method: "PUT", path: "/admin/faults", body: `{"target":"volcano","fault":"deny"}`, status: 400, code: "Invalid", say: "volcano"},
		{name: "target without id", method: "PUT", path: "/admin/faults", body: `{"target":"bucket/","fault":"deny"}`, status: 400, code: "Invalid", say: "id is empty"},
		{name: "unknown fault", method: "PUT", path: "/admin/faults", body: `{"target":"bucket","fault":"explode"}`, status: 400, code: "Invalid", say: "explode"},
		{name: "no fault", method: "PUT", path: "/admin/faults", body: `{"target":"bucket"}`, status: 400, code: "Invalid", say: "fault"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := call(c, tt.method, tt.path, tt.body, tt.headers...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), `"code":"`+tt.code+`"`) || !strings.Contains(w.Body.String(), tt.say) {
				t.Errorf("got %d %s, want %d %s %q", w.Code, w.Body, tt.status, tt.code, tt.say)
			}
		})
	}
	if after := do(t, c, "GET", "/v1/bucket/bkt-0001", ""); cmp.Diff(o, after) != "" {
		t.Errorf("a refused write changed the object: %+v", after)
	}
}

func TestIfMatch(t *testing.T) {
	c := open(t, Options{})
	o := do(t, c, "POST", "/v1/bucket", `{"attributes":{"name":"logs"}}`)
	after := do(t, c, "PATCH", "/v1/bucket/bkt-0001", `{"attributes":{"a":1}}`, "If-Match", `"`+o.ETag+`"`)
	if after.Version != 2 {
		t.Errorf("version is %d", after.Version)
	}
	if w := call(c, "PATCH", "/v1/bucket/bkt-0001", `{"attributes":{"a":2}}`, "If-Match", `"`+o.ETag+`"`); w.Code != http.StatusPreconditionFailed {
		t.Errorf("the second writer with the same tag gets %d", w.Code)
	}
}

func TestSecretsAreNeverAnswered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloud.json")
	c := open(t, Options{File: file})
	made := do(t, c, "POST", "/v1/database", `{"attributes":{"name":"main","engine":"postgres","password":"hunter2","admin_password":null}}`)
	if made.Attributes["password_set"] != true || made.Attributes["admin_password_set"] != false {
		t.Errorf("flags are %v", made.Attributes)
	}
	rotated := do(t, c, "PATCH", "/v1/database/db-0001", `{"attributes":{"password":"hunter3"}}`)
	if rotated.Version != 2 {
		t.Error("a new secret does not move the object on")
	}
	if kept := do(t, c, "PUT", "/v1/database/db-0001", `{"attributes":{"name":"main","engine":"postgres"}}`); kept.Attributes["password_set"] != true {
		t.Error("replacing what can be read removed the secret")
	}
	journal := readFile(t, file+".journal")
	c.store.mu.Lock()
	err := c.store.compact()
	c.store.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{call(c, "GET", "/v1/database/db-0001", "").Body.String(), call(c, "GET", "/v1/", "").Body.String(), journal, readFile(t, file)} {
		if strings.Contains(place, "hunter") {
			t.Errorf("the secret stands in %s", place)
		}
	}
	if gone := do(t, c, "PATCH", "/v1/database/db-0001", `{"attributes":{"password":null}}`); gone.Attributes["password_set"] != false {
		t.Error("null does not remove the secret")
	}
}

func TestBucketsMoveByThemselves(t *testing.T) {
	clk := newClock()
	c := open(t, Options{Now: clk.read, Tick: 30 * time.Second})
	made := do(t, c, "POST", "/v1/bucket", `{"attributes":{"name":"logs"}}`)
	clk.forward(95 * time.Second)
	read := do(t, c, "GET", "/v1/bucket/bkt-0001", "")
	if got := read.Attributes["object_count"]; got != json.Number("3") {
		t.Errorf("object_count is %v", got)
	}
	if got := read.Attributes["updated_at"]; got != "2026-01-01T12:01:30Z" {
		t.Errorf("updated_at is %v", got)
	}
	if read.Attributes["etag"] == made.Attributes["etag"] {
		t.Error("etag stands still")
	}
	if read.Version != made.Version || read.ETag != made.ETag {
		t.Error("nobody changed the bucket, and its version moved")
	}
	still := open(t, Options{Now: clk.read})
	do(t, still, "POST", "/v1/bucket", `{"attributes":{"name":"logs"}}`)
	clk.forward(time.Hour)
	if got := do(t, still, "GET", "/v1/bucket/bkt-0001", "").Attributes["object_count"]; got != json.Number("0") {
		t.Errorf("without a tick object_count is %v", got)
	}
}

func TestToken(t *testing.T) {
	c := open(t, Options{Token: "sesame"})
	for _, tt := range []struct {
		name, path, header string
		status             int
	}{
		{"none", "/v1/", "", 401},
		{"no bearer", "/v1/", "sesame", 401},
		{"wrong", "/v1/", "Bearer open", 403},
		{"right", "/v1/", "Bearer sesame", 200},
		{"faults without", "/admin/faults", "", 401},
		{"faults with", "/admin/faults", "Bearer sesame", 200},
		{"health needs none", "/healthz", "", 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := call(c, "GET", tt.path, "", "Authorization", tt.header)
			if w.Code != tt.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tt.status)
			}
			if w.Code > 399 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("the refusal is no JSON: %s", w.Body)
			}
		})
	}
}

func FuzzWrite(f *testing.F) {
	f.Add("POST", "database", `{"attributes":{"name":"x","password":5,"endpoint":7}}`)
	f.Add("PATCH", "bucket", `{"attributes":{"region":null,"name":{"a":[1e999]}}}`)
	f.Add("PUT", "dns_record", `{"attributes":null}`)
	f.Add("PATCH", "firewall", `[]`)
	f.Fuzz(func(t *testing.T, method, kind, body string) {
		if _, ok := kinds[kind]; !ok || method != "POST" && method != "PUT" && method != "PATCH" {
			t.Skip()
		}
		c := open(t, Options{})
		made := do(t, c, "POST", "/v1/"+kind, `{"attributes":{"name":"seed"}}`)
		path := "/v1/" + kind
		if method != "POST" {
			path += "/" + made.ID
		}
		w := call(c, method, path, body)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s", method, body, w.Code, w.Body)
		}
		if w := call(c, "GET", "/v1/", ""); w.Code != 200 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("after %s the cloud cannot be listed: %d", body, w.Code)
		}
	})
}
