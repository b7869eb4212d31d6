package cloud

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

func setFault(t *testing.T, c *Cloud, target, fault string) {
	t.Helper()
	if w := call(c, "PUT", "/admin/faults", `{"target":"`+target+`","fault":"`+fault+`"}`); w.Code != 200 {
		t.Fatalf("set %s %s: %s", target, fault, w.Body)
	}
}

// withTwo is a cloud with the firewalls fw-0001 (web) and fw-0002 (door) and the bucket bkt-0001.
func withTwo(t *testing.T, o Options) *Cloud {
	c := open(t, o)
	do(t, c, "POST", "/v1/firewall", `{"attributes":{"name":"web"}}`)
	do(t, c, "POST", "/v1/firewall", `{"attributes":{"name":"door"}}`)
	do(t, c, "POST", "/v1/bucket", `{"attributes":{"name":"web"}}`)
	return c
}

func TestFaultsThatRefuse(t *testing.T) {
	for _, tt := range []struct {
		target, fault, method, path string
		status                      int
		code                        string
	}{
		{"firewall/fw-0001", "deny", "GET", "/v1/firewall/fw-0001", 403, "AccessDenied"},
		{"firewall/web", "deny", "GET", "/v1/firewall/fw-0001", 403, "AccessDenied"},
		{"firewall/web", "deny", "PATCH", "/v1/firewall/fw-0001", 403, "AccessDenied"},
		{"firewall/web", "deny", "DELETE", "/v1/firewall/fw-0001", 403, "AccessDenied"},
		{"firewall/web", "deny", "GET", "/v1/firewall/fw-0002", 200, ""},
		{"firewall/web", "deny", "GET", "/v1/bucket/bkt-0001", 200, ""},
		{"firewall/web", "deny", "GET", "/v1/firewall", 200, ""},
		{"firewall", "deny", "GET", "/v1/firewall/fw-0002", 403, "AccessDenied"},
		{"firewall", "deny", "GET", "/v1/firewall", 403, "AccessDenied"},
		{"firewall", "deny", "POST", "/v1/firewall", 403, "AccessDenied"},
		{"firewall", "deny", "GET", "/v1/bucket", 200, ""},
		{"*", "deny", "GET", "/v1/bucket/bkt-0001", 403, "AccessDenied"},
		{"*", "deny", "GET", "/v1/", 403, "AccessDenied"},
		{"firewall", "error", "GET", "/v1/firewall/fw-0001", 500, "InternalError"},
		{"firewall", "throttle", "GET", "/v1/firewall/fw-0001", 429, "Throttled"},
		{"firewall", "gone", "GET", "/v1/firewall/fw-0001", 404, "NotFound"},
		{"firewall", "gone", "PATCH", "/v1/firewall/fw-0001", 200, ""},
		{"firewall", "crash", "GET", "/v1/firewall/fw-0001", 200, ""},
	} {
		t.Run(tt.target+" "+tt.fault+" "+tt.method+" "+tt.path, func(t *testing.T) {
			c := withTwo(t, Options{})
			setFault(t, c, tt.target, tt.fault)
			body := `{"attributes":{"name":"web","x":1}}`
			w := call(c, tt.method, tt.path, body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.code) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
			if tt.fault == "throttle" && w.Header().Get("Retry-After") != "1" {
				t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
			}
			if asked := w.Header().Get(api.HeaderFault); (asked == "crash") != (tt.fault == "crash") {
				t.Errorf("the answer asks for %q", asked)
			}
			if w := call(c, tt.method, tt.path, body, api.HeaderOperator, "1"); w.Code > 299 && tt.method != "DELETE" {
				t.Errorf("a person gets %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestGoneObjectsAreNotListed(t *testing.T) {
	c := withTwo(t, Options{})
	setFault(t, c, "firewall/web", "gone")
	if diff := cmp.Diff([]string{"fw-0002"}, ids(t, c, "/v1/firewall")); diff != "" {
		t.Errorf("a program sees (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"fw-0001", "fw-0002"}, ids(t, c, "/v1/firewall", api.HeaderOperator, "1")); diff != "" {
		t.Errorf("a person sees (-want +got):\n%s", diff)
	}
}

func TestFaultsAreListedReplacedAndCleared(t *testing.T) {
	c := withTwo(t, Options{})
	setFault(t, c, "firewall", "lag=5s")
	setFault(t, c, "firewall", "lag=7s")
	setFault(t, c, "firewall", "deny")
	setFault(t, c, "bucket/web", "error")
	want := `{"faults":[{"target":"firewall","fault":"lag=7s"},{"target":"firewall","fault":"deny"},{"target":"bucket/web","fault":"error"}]}`
	if got := strings.TrimSpace(call(c, "GET", "/admin/faults", "").Body.String()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	call(c, "DELETE", "/admin/faults?target=firewall", "")
	if w := call(c, "GET", "/v1/firewall/fw-0001", ""); w.Code != 200 {
		t.Errorf("a cleared fault acts: %d", w.Code)
	}
	if w := call(c, "GET", "/v1/bucket/bkt-0001", ""); w.Code != 500 {
		t.Errorf("another target's fault went, too: %d", w.Code)
	}
	call(c, "DELETE", "/admin/faults", "")
	if got := strings.TrimSpace(call(c, "GET", "/admin/faults", "").Body.String()); got != `{"faults":[]}` {
		t.Errorf("after clearing all: %s", got)
	}
}

func TestNarrowestTargetWins(t *testing.T) {
	var f faults
	for _, fault := range []struct{ target, fault string }{{"firewall/web", "lag=1s"}, {"*", "lag=3s"}, {"firewall", "lag=2s"}} {
		parsed, err := api.ParseFault(fault.fault)
		if err != nil {
			t.Fatal(err)
		}
		f.set(api.TargetedFault{Target: api.Target(fault.target), Fault: parsed})
	}
	for _, tt := range []struct {
		kind, id, name string
		want           time.Duration
	}{
		{"firewall", "fw-0001", "web", time.Second},
		{"firewall", "fw-0002", "door", 2 * time.Second},
		{"bucket", "bkt-0001", "web", 3 * time.Second},
		{"firewall", "", "", 2 * time.Second},
	} {
		if got := f.on(tt.kind, tt.id, tt.name)[api.Lag].Delay; got != tt.want {
			t.Errorf("%s %s: %v, want %v", tt.kind, tt.name, got, tt.want)
		}
	}
}

func TestLag(t *testing.T) {
	clk := newClock()
	c := withTwo(t, Options{Now: clk.read})
	clk.forward(time.Hour)
	setFault(t, c, "firewall", "lag=5s")
	do(t, c, "PATCH", "/v1/firewall/fw-0001", `{"attributes":{"default_action":"allow"}}`)
	do(t, c, "DELETE", "/v1/firewall/fw-0002", "")
	do(t, c, "POST", "/v1/firewall", `{"attributes":{"name":"new"}}`)

	action := func() any { return do(t, c, "GET", "/v1/firewall/fw-0001", "").Attributes["default_action"] }
	check := func(when string, wantAction string, wantIDs ...string) {
		t.Helper()
		if got := action(); got != wantAction {
			t.Errorf("%s: default_action is %v, want %s", when, got, wantAction)
		}
		if got := ids(t, c, "/v1/firewall"); !slices.Equal(got, wantIDs) {
			t.Errorf("%s: listed are %v, want %v", when, got, wantIDs)
		}
		for _, id := range []string{"fw-0002", "fw-0003"} {
			found := call(c, "GET", "/v1/firewall/"+id, "").Code == http.StatusOK
			if found != slices.Contains(wantIDs, id) {
				t.Errorf("%s: reading %s found it: %v", when, id, found)
			}
		}
	}
	check("at once", "deny", "fw-0001", "fw-0002")
	clk.forward(5*time.Second - 1)
	check("just before", "deny", "fw-0001", "fw-0002")
	if got := do(t, c, "GET", "/v1/firewall/fw-0001", "", api.HeaderOperator, "1").Attributes["default_action"]; got != "allow" {
		t.Errorf("a person reads %v", got)
	}
	clk.forward(1)
	check("after", "allow", "fw-0001", "fw-0003")
}

func TestLagReachesBackThroughManyChanges(t *testing.T) {
	clk := newClock()
	c := withTwo(t, Options{Now: clk.read})
	setFault(t, c, "firewall", "lag=5s")
	for i := range 30 {
		clk.forward(time.Minute)
		do(t, c, "PATCH", "/v1/firewall/fw-0001", `{"attributes":{"n":"`+strings.Repeat("x", i)+`"}}`)
	}
	if got := do(t, c, "GET", "/v1/firewall/fw-0001", "").Attributes["n"]; got != strings.Repeat("x", 28) {
		t.Errorf("read %q", got)
	}
	if kept := len(c.store.history["firewall/fw-0001"]); kept > 12 {
		t.Errorf("%d revisions are kept for a reach of %v", kept, api.MaxDelay)
	}
	do(t, c, "DELETE", "/v1/firewall/fw-0001", "")
	clk.forward(time.Hour)
	do(t, c, "PATCH", "/v1/firewall/fw-0002", `{"attributes":{"n":1}}`)
	if _, ok := c.store.history["firewall/fw-0001"]; ok {
		t.Error("what was deleted an hour ago is remembered")
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withTwo(t, Options{})
		setFault(t, c, "firewall", "latency=40ms")
		start := time.Now()
		if w := call(c, "GET", "/v1/firewall/fw-0001", ""); w.Code != 200 {
			t.Errorf("got %d", w.Code)
		}
		if took := time.Since(start); took != 40*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestHangEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withTwo(t, Options{})
		setFault(t, c, "firewall/web", "hang")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/firewall/fw-0001", nil))
		if took := time.Since(start); took != time.Hour {
			t.Errorf("was held for %v", took)
		}
	})
}

func TestHangEndsWithTheCloud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withTwo(t, Options{})
		setFault(t, c, "*", "hang")
		w := httptest.NewRecorder()
		ended := make(chan struct{})
		go func() {
			c.ServeHTTP(w, httptest.NewRequest("PATCH", "/v1/firewall/fw-0001", strings.NewReader(`{"attributes":{"a":1}}`)))
			close(ended)
		}()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("the request was not held")
		default:
		}
		c.Close()
		<-ended
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("got %d", w.Code)
		}
		if o := c.store.get("firewall", "fw-0001"); o.Version != 1 {
			t.Error("a held write was carried out")
		}
	})
}

// A hang over a real connection: net/http tells that the client is gone.
func TestHangOverTheNetwork(t *testing.T) {
	c := withTwo(t, Options{})
	setFault(t, c, "firewall", "hang")
	released := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.ServeHTTP(w, r)
		close(released)
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "PATCH", srv.URL+"/v1/firewall/fw-0001", strings.NewReader(`{"attributes":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		t.Errorf("answered with %s", resp.Status)
	}
	<-released
}
