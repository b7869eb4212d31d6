package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
)

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func dial(t *testing.T, address string, o Options) *Client {
	t.Helper()
	c, err := New(address, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func practice(t *testing.T, o cloud.Options) string {
	t.Helper()
	c, err := cloud.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, c)
	t.Cleanup(func() { c.Close() })
	return address
}

func TestLifeOfAnObject(t *testing.T) {
	ctx := t.Context()
	c := dial(t, practice(t, cloud.Options{Token: "sesame"}), Options{Token: "sesame"})
	made, err := c.Create(ctx, "bucket", map[string]any{"name": "logs", "quota_bytes": json.Number("9007199254740993")})
	if err != nil {
		t.Fatal(err)
	}
	read, effect, err := c.Get(ctx, "bucket", made.ID)
	if err != nil || effect != "" {
		t.Fatal(effect, err)
	}
	if diff := cmp.Diff(made, read); diff != "" {
		t.Errorf("created and read differ (-created +read):\n%s", diff)
	}
	if read.Attributes["quota_bytes"] != json.Number("9007199254740993") {
		t.Errorf("quota_bytes is %v", read.Attributes["quota_bytes"])
	}
	if _, err := c.Patch(ctx, "bucket", made.ID, map[string]any{"a": "b"}, made.ETag); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := c.Replace(ctx, "bucket", made.ID, map[string]any{"name": "x"}, made.ETag); !errors.As(err, &e) || e.Status != 412 {
		t.Errorf("a stale write gives %v", err)
	}
	for _, kind := range []string{"bucket", ""} {
		if all, err := c.List(ctx, kind); err != nil || len(all) != 1 {
			t.Errorf("list %q: %v, %v", kind, all, err)
		}
	}
	if err := c.Delete(ctx, "bucket", made.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Get(ctx, "bucket", made.ID); !NotFound(err) {
		t.Errorf("after deletion: %v", err)
	}
}

func TestOnlyThePositiveWordIsNotFound(t *testing.T) {
	answers := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    bool
		say     string
	}{
		{"not found", answers(404, `{"error":{"code":"NotFound","message":"m"}}`), true, "HTTP 404 NotFound: m"},
		{"another 404", answers(404, `{"error":{"code":"NoSuchEndpoint","message":"m"}}`), false, "NoSuchEndpoint"},
		{"a proxy's 404", answers(404, "<html>nothing here</html>"), false, "nothing here"},
		{"denied", answers(403, `{"error":{"code":"AccessDenied","message":"m"}}`), false, "HTTP 403 AccessDenied"},
		{"broken", answers(500, ``), false, "HTTP 500"},
		{"cut off", answers(200, `{"type":"bucket","id":`), false, "not of a practice cloud"},
		{"long page", answers(502, strings.Repeat("x", 9999)), false, strings.Repeat("x", 200)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := dial(t, serve(t, tt.handler), Options{}).Get(t.Context(), "bucket", "x")
			if err == nil || NotFound(err) != tt.want || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("got %v", err)
			}
			if len(err.Error()) > 400 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
	if NotFound(nil) || NotFound(errors.New("404")) {
		t.Error("any error is taken for the cloud's word")
	}
}

func TestFaults(t *testing.T) {
	ctx := t.Context()
	address := practice(t, cloud.Options{})
	c, person := dial(t, address, Options{}), dial(t, address, Options{Operator: true})
	made, err := c.Create(ctx, "bucket", map[string]any{"name": "logs"})
	if err != nil {
		t.Fatal(err)
	}
	set := func(effect api.Effect) {
		t.Helper()
		if err := c.SetFault(ctx, api.TargetedFault{Target: "bucket/logs", Fault: api.Fault{Effect: effect}}); err != nil {
			t.Fatal(err)
		}
	}
	set(api.Crash)
	if _, effect, err := c.Get(ctx, "bucket", made.ID); effect != api.Crash || err != nil {
		t.Errorf("crash: %q, %v", effect, err)
	}
	set(api.Throttle)
	var e *Error
	if _, _, err := c.Get(ctx, "bucket", made.ID); !errors.As(err, &e) || e.RetryAfter != time.Second {
		t.Errorf("throttle: %v", err)
	}
	if _, _, err := person.Get(ctx, "bucket", made.ID); err != nil {
		t.Errorf("a person gets %v", err)
	}
	faults, err := c.Faults(ctx)
	want := []api.TargetedFault{{Target: "bucket/logs", Fault: api.Fault{Effect: api.Crash}}, {Target: "bucket/logs", Fault: api.Fault{Effect: api.Throttle}}}
	if diff := cmp.Diff(want, faults); diff != "" || err != nil {
		t.Errorf("%v, faults (-want +got):\n%s", err, diff)
	}
	if err := c.ClearFaults(ctx, "bucket"); err != nil {
		t.Fatal(err)
	}
	if left, _ := c.Faults(ctx); len(left) != 2 {
		t.Errorf("clearing another target left %v", left)
	}
	if err := c.ClearFaults(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if left, _ := c.Faults(ctx); len(left) != 0 {
		t.Errorf("clearing all left %v", left)
	}
}

func TestNobodyWaitsForEver(t *testing.T) {
	address := practice(t, cloud.Options{})
	c := dial(t, address, Options{})
	if err := c.SetFault(t.Context(), api.TargetedFault{Target: "*", Fault: api.Fault{Effect: api.Hang}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := c.Get(ctx, "bucket", "x"); !errors.Is(err, context.DeadlineExceeded) || NotFound(err) {
		t.Errorf("by context: %v", err)
	}
	var timeout interface{ Timeout() bool }
	if _, err := dial(t, address, Options{Timeout: 20 * time.Millisecond}).List(t.Context(), ""); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("by option: %v", err)
	}
}

func TestPathsAreEscaped(t *testing.T) {
	var got string
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
	_ = dial(t, address+"/prefix/", Options{}).Delete(t.Context(), "bucket", "a/b?c=d #%")
	if want := "/prefix/v1/bucket/a%2Fb%3Fc=d%20%23%25"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:7700", "localhost", "ftp://x", "http://", "://"} {
		if _, err := New(address, Options{}); err == nil {
			t.Errorf("%q is accepted", address)
		}
	}
}

// A list comes in pages: each object once, also where one comes or goes between
// two pages.
func TestPages(t *testing.T) {
	c := dial(t, practice(t, cloud.Options{}), Options{})
	for range 2*api.MaxPage + 1 {
		if _, err := c.Create(t.Context(), "bucket", map[string]any{"name": "b"}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := c.List(t.Context(), "bucket")
	if err != nil || len(all) != 2*api.MaxPage+1 {
		t.Fatalf("%d objects, %v", len(all), err)
	}
	seen, sizes := map[string]int{}, []int{}
	for page, err := range c.Pages(t.Context(), "bucket", 80) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page))
		for _, o := range page {
			seen[o.ID]++
		}
		if len(sizes) == 1 {
			if err := c.Delete(t.Context(), "bucket", page[79].ID); err != nil { // where the next page begins
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]int{80, 80, 41}, sizes); diff != "" || len(seen) != 201 {
		t.Errorf("%d objects, pages %s", len(seen), diff)
	}
	for _, err := range c.Pages(t.Context(), "bucket", api.MaxPage+1) {
		var refused *Error
		if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			t.Errorf("a page that is too long: %v", err)
		}
	}
}
