package action

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := api.Decode(strings.NewReader(text), &v); err != nil {
		t.Fatal(text, err)
	}
	return v
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct{ name, kind, before, patch, want, left string }{
		{"rules come and go", "firewall", `{"rules":[{"port":1},{"port":2}]}`, `{"rules":[{"port":2},{"port":3}]}`,
			`[{"Action":"AuthorizeFirewallRules","Attributes":{"rules":[{"port":3}]}},{"Action":"RevokeFirewallRules","Attributes":{"rules":[{"port":1}]}}]`, `{}`},
		{"tags by key", "firewall", `{"tags":{"a":"1","b":"2"}}`, `{"tags":{"a":"9"}}`,
			`[{"Action":"CreateTags","Attributes":{"tags":{"a":"9"}}},{"Action":"DeleteTags","Attributes":{"tags":{"b":null}}}]`, `{}`},
		{"tags of a bucket as a whole", "bucket", `{"tags":{"a":"1","b":"2"}}`, `{"tags":{"a":"9"}}`, `[{"Action":"PutBucketTagging","Attributes":{"tags":{"a":"9"}}}]`, `{}`},
		{"each part its own call, the same no call", "bucket", `{"policy":"p","versioning":true,"encryption":{"algorithm":"x"}}`, `{"policy":null,"versioning":false,"encryption":{"algorithm":"x"}}`,
			`[{"Action":"DeleteBucketPolicy","Attributes":{}},{"Action":"PutBucketVersioning","Attributes":{"versioning":false}}]`, `{}`},
		{"one call for what goes together", "function", `{}`, `{"memory_mb":1,"timeout_seconds":2}`, `[{"Action":"UpdateFunctionConfiguration20150331v2","Attributes":{"memory_mb":1,"timeout_seconds":2}}]`, `{}`},
		{"a switch", "instance", `{"state":"running"}`, `{"state":"stopped"}`, `[{"Action":"StopInstances","Attributes":{}}]`, `{}`},
		{"null where nothing clears", "firewall", `{"description":"x"}`, `{"description":null}`, `[{"Action":"ModifyFirewallAttribute","Attributes":{"description":null}}]`, `{}`},
		{"what no action knows", "firewall", `{}`, `{"quota":1}`, `null`, `{"quota":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls, left := Split(tt.kind, decode(t, tt.before), decode(t, tt.patch))
			got, _ := json.Marshal(calls)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if got, _ := json.Marshal(left); string(got) != tt.left {
				t.Errorf("left %s, want %s", got, tt.left)
			}
		})
	}
}

// What is split is what comes of it: the calls one after the other make the same of an object as the patch.
func TestSplitAndPatchAreInverse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	values := map[string]func() any{
		"rules": func() any {
			return some(r, map[string]any{"a": "1"}, map[string]any{"a": "2", "c": []any{"x", "y"}}, map[string]any{"a": "3"})
		},
		"tags": func() any { return keyed(r) }, "description": func() any { return []any{nil, "x", "y"}[r.IntN(3)] },
		"policy": func() any { return []any{nil, "p", "q"}[r.IntN(3)] }, "versioning": func() any { return r.IntN(2) == 0 },
		"attached_policies": func() any { return some(r, "p", "q", "s") }, "inline_policies": func() any { return keyed(r) },
	}
	random := func(kind string) map[string]any {
		out := map[string]any{}
		for _, a := range Kinds[kind].Actions {
			for _, name := range a.Attributes {
				if f := values[name]; f != nil {
					if v := f(); v != nil {
						out[name] = v
					}
				}
			}
		}
		return out
	}
	for kind := range Kinds {
		for range 200 {
			before, after := random(kind), random(kind)
			patch := map[string]any{}
			for name := range before {
				patch[name] = nil
			}
			for name, v := range after {
				patch[name] = v
			}
			calls, left := Split(kind, before, patch)
			if len(left) > 0 {
				t.Fatalf("%s: left %v", kind, left)
			}
			got := api.Clone(before)
			for _, c := range calls {
				a, _ := Find(kind, c.Action)
				if err := a.Check(c.Attributes); err != nil {
					t.Fatal(kind, err)
				}
				for name, v := range a.Patch(got, c.Attributes) {
					got[name] = v
					if v == nil {
						delete(got, name)
					}
				}
			}
			if !same(got, after) {
				t.Fatalf("%s: %v to %v gives %v by %v", kind, before, after, got, calls)
			}
		}
	}
}

func some(r *rand.Rand, all ...any) any {
	var out []any
	for _, v := range all {
		if r.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

func keyed(r *rand.Rand) any {
	out := map[string]any{}
	for _, k := range []string{"a", "b", "c.d"} {
		if r.IntN(2) == 0 {
			out[k] = []any{"1", "2"}[r.IntN(2)]
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func TestTheTable(t *testing.T) {
	pairs := map[Op]Op{Add: Remove, Remove: Add, Merge: Drop, Drop: Merge}
	for name, kind := range Kinds {
		seen := map[string]bool{}
		for _, a := range kind.Actions {
			if seen[a.Name] || len(a.Attributes) == 0 {
				t.Errorf("%s: action %s is there twice, or is about nothing", name, a.Name)
			}
			seen[a.Name] = true
			other, paired := pairs[a.Op]
			if !paired {
				continue
			}
			found := false
			for _, b := range kind.Actions {
				found = found || b.Op == other && b.Attributes[0] == a.Attributes[0]
			}
			if !found || len(a.Attributes) != 1 {
				t.Errorf("%s: %s has no other half, or is about several attributes", name, a.Name)
			}
		}
		for _, call := range []string{kind.Service, kind.Create, kind.Get, kind.List, kind.Modify, kind.Replace, kind.Delete} {
			if call == "" {
				t.Errorf("%s: a call has no name", name)
			}
		}
	}
}

func TestPatch(t *testing.T) {
	for _, tt := range []struct{ name, kind, action, before, given, want string }{
		{"an element that is there is not put there twice", "firewall", "AuthorizeFirewallRules", `{"rules":[{"a":["x","y"]}]}`, `{"rules":[{"a":["y","x"]},{"a":["z"]}]}`, `{"rules":[{"a":["x","y"]},{"a":["z"]}]}`},
		{"one that is not there is not taken", "firewall", "RevokeFirewallRules", `{"rules":[{"a":["x"]}]}`, `{"rules":[{"a":["z"]}]}`, `{"rules":[{"a":["x"]}]}`},
		{"the last one leaves nothing", "role", "DetachRolePolicy", `{"attached_policies":["p"]}`, `{"attached_policies":["p"]}`, `{"attached_policies":null}`},
		{"keys beside others", "queue", "TagQueue", `{"tags":{"a":"1"}}`, `{"tags":{"b":"2"}}`, `{"tags":{"a":"1","b":"2"}}`},
		{"the last key leaves nothing", "queue", "UntagQueue", `{"tags":{"a":"1"}}`, `{"tags":{"a":null,"z":null}}`, `{"tags":null}`},
	} {
		a, _ := Find(tt.kind, tt.action)
		if got, _ := json.Marshal(a.Patch(decode(t, tt.before), decode(t, tt.given))); string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ kind, action, given, want string }{
		{"bucket", "PutBucketPolicy", `{"versioning":true}`, "not about"},
		{"bucket", "PutBucketPolicy", `{}`, "needs an attribute"},
		{"bucket", "DeleteBucketPolicy", `{"policy":"x"}`, "takes no attributes"},
		{"firewall", "CreateTags", `{"tags":"x"}`, "object of keys"},
		{"firewall", "RevokeFirewallRules", `{"rules":{}}`, "list of elements"},
		{"firewall", "RevokeFirewallRules", `{"rules":[]}`, ""},
	} {
		a, ok := Find(tt.kind, tt.action)
		err := a.Check(decode(t, tt.given))
		if !ok || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.action, tt.given, err, tt.want)
		}
	}
}
