package provider

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/taffrail-dev/taffrail/examples/harbor/client"
	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
)

// partConfigurations has a configuration for each part, another one to change it to, and what a person at the console does away with it by.
var partConfigurations = map[string]struct {
	parent        string
	first, second map[string]any // second nil: it is replaced, and not changed
	away          map[string]any
}{
	"bucket_policy":          {"bucket", map[string]any{"policy": `{"a": 1}`}, map[string]any{"policy": `{"a": 2}`}, map[string]any{"policy": nil}},
	"bucket_versioning":      {"bucket", map[string]any{"enabled": true}, map[string]any{"enabled": false}, map[string]any{"versioning": nil}},
	"bucket_encryption":      {"bucket", map[string]any{"algorithm": "aes"}, map[string]any{"algorithm": "kms", "key_id": "k"}, map[string]any{"encryption": nil}},
	"bucket_public_access":   {"bucket", map[string]any{"block_acls": true}, map[string]any{"block_acls": false, "block_policy": true}, map[string]any{"public_access": nil}},
	"role_policy_attachment": {"role", map[string]any{"policy": "p1"}, nil, map[string]any{"attached_policies": []any{"p2"}}},
	"role_policy":            {"role", map[string]any{"name": "in", "policy": `{"a": 1}`}, map[string]any{"name": "in", "policy": `{"a": 2}`}, map[string]any{"inline_policies": map[string]any{"other": "x"}}},
}

func TestEveryPart(t *testing.T) {
	for kind, tt := range partConfigurations {
		t.Run(kind, func(t *testing.T) {
			h := newHarness(t)
			parent := map[string]any{"name": "it", "trust_policy": "{}", "parts": "separate"}
			maps.DeleteFunc(parent, func(name string, _ any) bool {
				return tt.parent == "bucket" && name == "trust_policy" || tt.parent == "role" && name == "parts"
			})
			under := h.apply(tt.parent, parent, instance{})
			id := stringAt(under.state, "id")
			config := func(own map[string]any) map[string]any {
				all := map[string]any{tt.parent + "_id": id}
				maps.Copy(all, own)
				return all
			}
			check := func(i instance, want map[string]any) {
				t.Helper()
				got := h.reread(i)
				delete(got, "id")
				if diff := cmp.Diff(config(want), got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			made := h.apply(kind, config(tt.first), instance{})
			check(made, tt.first)
			if diff := cmp.Diff(h.attributes(under), h.reread(under), cmp.FilterPath(moving, cmp.Ignore())); diff != "" {
				t.Errorf("the part is drift of what it is a part of (-applied +read):\n%s", diff)
			}
			check(h.importByID(kind, stringAt(made.state, "id")), tt.first)
			if tt.second != nil {
				made = h.apply(kind, config(tt.second), made)
				check(made, tt.second)
			}
			h.byHand(under, tt.away)
			if after, diags := h.read(made); len(diags) > 0 || !after.state.IsNull() {
				t.Errorf("what is gone reads as %v, %s", after.state, said(diags))
			}
			made = h.apply(kind, config(tt.first), instance{})
			h.fault(tt.parent, "deny")
			if after, diags := h.read(made); after.state.IsNull() || !strings.Contains(said(diags), "Cannot read harbor_"+kind+" "+id+": HTTP 403") {
				t.Errorf("what is denied reads as %v, %s", after.state, said(diags))
			}
			h.must(h.person.ClearFaults(t.Context(), ""), nil)
			h.destroy(made)
			if after, _ := h.read(made); kind != "bucket_versioning" && !after.state.IsNull() { // which is off then, and not gone
				t.Errorf("after deletion: %v", after.state)
			}
		})
	}
}

// moving are attributes of a bucket that move by themselves.
func moving(p cmp.Path) bool {
	key, ok := p.Last().(cmp.MapIndex)
	return ok && slices.Contains([]string{"updated_at", "etag", "object_count"}, key.Key().String())
}

// listening is a cloud that notes the calls that are made to it.
type listening struct {
	http.Handler
	mu    sync.Mutex
	calls []string
}

func (l *listening) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.calls = append(l.calls, r.Method+" "+r.URL.Path+" by "+r.UserAgent())
	l.mu.Unlock()
	l.Handler.ServeHTTP(w, r)
}

// A provider with a credential makes the calls that programs make in a real cloud, and says who it is.
func TestACredentialMakesActions(t *testing.T) {
	d := identity.Practice()
	c, err := cloud.Open(cloud.Options{Token: "sesame", Directory: &d})
	if err != nil {
		t.Fatal(err)
	}
	l := &listening{Handler: c}
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	person, err := client.New(srv.URL, client.Options{Token: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := person.Login(t.Context(), "ci:12")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TF_APPEND_USER_AGENT", "taffrail/run-7")
	h := newHarness(t)
	h.must(nil, h.configure(map[string]any{"url": srv.URL, "token": "sesame", "access_key": key}))
	l.calls = nil
	config := maps.Clone(configurations["bucket"])
	made := h.apply("bucket", config, instance{})
	config["policy"], config["tags"] = `{"a": 2}`, nil
	h.apply("bucket", config, made)
	var got []string
	for _, call := range l.calls {
		what, by, _ := strings.Cut(call, " by ")
		got = append(got, what)
		if by != "Terraform/ terraform-provider-harbor/test taffrail/run-7" {
			t.Errorf("%s by %q", what, by)
		}
	}
	want := []string{"POST /v1/bucket", "POST /v1/bucket/bkt-0001/PutBucketEncryption", "POST /v1/bucket/bkt-0001/PutBucketLifecycleConfiguration", "POST /v1/bucket/bkt-0001/PutBucketPolicy",
		"POST /v1/bucket/bkt-0001/PutBucketQuota", "POST /v1/bucket/bkt-0001/PutBucketTagging", "POST /v1/bucket/bkt-0001/PutBucketVersioning",
		"POST /v1/bucket/bkt-0001/PutBucketPolicy", "POST /v1/bucket/bkt-0001/DeleteBucketTagging"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	h.must(nil, h.configure(map[string]any{"url": srv.URL, "token": "sesame"}))
	if _, diags := h.read(made); !strings.Contains(said(diags), "HTTP 403") {
		t.Errorf("without a credential: %s", said(diags))
	}
}

// destroy deletes a resource.
func (h *harness) destroy(i instance) {
	h.t.Helper()
	nothing := h.dynamic(tftypes.NewValue(i.state.Type(), nil))
	resp, err := h.server.ApplyResourceChange(h.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: "harbor_" + i.kind, PriorState: h.dynamic(i.state), Config: nothing, PlannedState: nothing, PlannedPrivate: i.private,
	})
	h.must(err, resp.Diagnostics)
}
