package state

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

const whole = `{
  "version": 4, "terraform_version": "1.11.4", "serial": 12, "lineage": "l-1", "outputs": {"x": {"value": 1, "type": "number"}},
  "resources": [
    {"mode": "data", "type": "d", "name": "d", "provider": "anything", "instances": [{"attributes": {}}]},
    {"module": "module.m[\"a.b\"]", "mode": "managed", "type": "t", "name": "n", "provider": "module.m.provider[\"h.example/ns/p\"].west", "instances": [
      {"index_key": 0, "schema_version": 3, "attributes": {"id": "i-0", "n": 9007199254740993},
       "sensitive_attributes": [[{"type": "get_attr", "value": "n"}]], "private": "AQI=", "identity": {"k": 1}, "identity_schema_version": 2},
      {"index_key": "x/y", "status": "tainted", "schema_version": 0, "attributes_flat": {"id": "i-1"}, "identity": null},
      {"deposed": "0011aabb", "attributes": {"id": 5}}
    ]},
    {"mode": "managed", "type": "t", "name": "o", "instances": [{"provider": "provider[\"h.example/ns/p\"].all[\"k\"]", "attributes": {}}]}
  ], "check_results": null
}`

func TestParse(t *testing.T) {
	s, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := Header{Lineage: "l-1", Serial: 12, Tool: "1.11.4", Digest: fmt.Sprintf("%x", sha256.Sum256([]byte(whole)))}
	if diff := cmp.Diff(want, s.Header); diff != "" {
		t.Error(diff)
	}
	var lines []string
	for i := range s.Instances {
		in := &s.Instances[i]
		lines = append(lines, fmt.Sprintf("%s deposed=%q tainted=%t %s v%d attributes=%s flat=%v marks=%v private=%x identity=%s v%d",
			in.Address(), in.Deposed, in.Tainted, in.Provider, in.SchemaVersion, in.Attributes, in.Flat, in.Marks, in.Private, in.Identity, in.IdentityVersion))
	}
	instances := []string{
		`module.m["a.b"].t.n[0] deposed="" tainted=false module.m.provider["h.example/ns/p"].west v3 attributes={"id":"i-0","n":9007199254740993} flat=map[] marks=[[{n false}]] private=0102 identity={"k": 1} v2`,
		`module.m["a.b"].t.n["x/y"] deposed="" tainted=true module.m.provider["h.example/ns/p"].west v0 attributes= flat=map[id:i-1] marks=[] private= identity= v0`,
		`module.m["a.b"].t.n deposed="0011aabb" tainted=false module.m.provider["h.example/ns/p"].west v0 attributes={"id":5} flat=map[] marks=[] private= identity= v0`,
		`t.o deposed="" tainted=false provider["h.example/ns/p"].all["k"] v0 attributes={} flat=map[] marks=[] private= identity= v0`,
	}
	if diff := cmp.Diff(instances, lines); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]value.Mark{{{Name: "n"}}}, s.Instances[0].Marks); diff != "" {
		t.Error(diff)
	}
	if s.Instances[1].Key != addr.StringKey("x/y") {
		t.Errorf("key %v", s.Instances[1].Key)
	}
}

func resource(text string) string {
	return `{"version":4,"serial":1,"lineage":"l","resources":[` + text + `]}`
}

// A state that cannot be read is refused as a whole, with what is wrong, where, and what to do.
func TestTrap11_StatesThatAreRefused(t *testing.T) {
	const provider = `"provider":"provider[\"h.example/ns/p\"]"`
	for _, tc := range []struct{ name, text, want, hint string }{
		{"empty", " \n", "the file is empty", "never have been applied"},
		{"byte order mark", "\xef\xbb\xbf{}", "byte order mark", "UTF-8"},
		{"UTF-16", "\xff\xfe{\x00", "byte order mark", "UTF-8"},
		{"broken", "{\n\"version\": 4,\n\"serial\": }", "line 3, byte 27", "backup"},
		{"cut off", `{"version": 4, "resources": [`, "line 1, byte 29", "backup"},
		{"wrong type", "{\n\"version\": 4, \"serial\": \"x\"}", "line 2, byte 29", "backup"},
		{"an array", `[]`, "line 1", "backup"},
		{"no version", `{"a": 1}`, "it is no state", "state pull"},
		{"version 3", `{"version": 3, "serial": 1, "lineage": "l", "modules": []}`, "version 3", "apply the stack once"},
		{"version 5", `{"version": 5}`, "version 5", "newer Taffrail"},
		{"version 4.5", `{"version": 4.5}`, "version 4.5", "newer"},
		{"encrypted", `{"serial": 1, "lineage": "l", "meta": {}, "encrypted_data": "xx", "encryption_version": "v0"}`, "encrypted by OpenTofu", "tofu state pull"},
		{"no lineage", `{"version": 4, "serial": 1}`, "no lineage", ""},
		{"negative serial", `{"version": 4, "serial": -1, "lineage": "l"}`, "serial -1", ""},
		{"mode", resource(`{"mode":"other","type":"t","name":"n"}`), `resource 0 (t.n): its mode is "other"`, ""},
		{"no type", resource(`{"mode":"managed","name":"n"}`), "no type or no name", ""},
		{"module", resource(`{"mode":"managed","type":"t","name":"n","module":"m"}`), `module address "m"`, ""},
		{"provider", resource(`{"mode":"managed","type":"t","name":"n","provider":"provider.aws","instances":[{}]}`), "instance 0: provider address", ""},
		{"index key", resource(`{"mode":"managed","type":"t","name":"n",` + provider + `,"instances":[{"index_key":1.5}]}`), "index_key 1.5", ""},
		{"private", resource(`{"mode":"managed","type":"t","name":"n",` + provider + `,"instances":[{"private":"%%"}]}`), "private", ""},
		{"status", resource(`{"mode":"managed","type":"t","name":"n",` + provider + `,"instances":[{"status":"odd"}]}`), `status is "odd"`, ""},
		{"marks", resource(`{"mode":"managed","type":"t","name":"n",` + provider + `,"instances":[{"sensitive_attributes":[1]}]}`), "sensitive_attributes", ""},
		{"twice", resource(`{"mode":"managed","type":"t","name":"n",` + provider + `,"instances":[{"index_key":0},{"index_key":0}]}`), "t.n[0] stands twice", ""},
		{"instances", resource(`{"mode":"managed","type":"t","name":"n","instances":1}`), "resource 0", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.tfstate")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if err == nil || taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "x.tfstate") {
				t.Errorf("error %v", err)
			}
			if hint := taffrail.HintOf(err); hint == "" || !strings.Contains(hint, tc.hint) {
				t.Errorf("hint %q", hint)
			}
		})
	}
}

func TestReadRefusesFiles(t *testing.T) {
	for path, want := range map[string]taffrail.Kind{
		filepath.Join(t.TempDir(), "absent"): taffrail.KindNotFound, t.TempDir(): taffrail.KindInvalid,
	} {
		for _, read := range []func(string) error{
			func(p string) error { _, err := Read(p); return err }, func(p string) error { _, err := ReadHeader(p); return err },
		} {
			if err := read(path); taffrail.KindOf(err) != want || taffrail.HintOf(err) == "" {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"version":4,"lineage":"l","resources":[{"mode":"managed","type":"t","name":"n","provider":"provider[\"p\"]","instances":[{"index_key":-1}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Fatalf("an error without kind or hint: %v", err)
			}
			return
		}
		for i := range s.Instances {
			in := &s.Instances[i]
			if in.Type == "" || in.Name == "" || in.Provider.Provider.Type == "" {
				t.Fatalf("an instance without type, name or provider: %+v", in)
			}
			_ = in.Address()
		}
	})
}
