package terraform

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

func TestMain(m *testing.M) {
	testprovider.Main()
	os.Exit(m.Run())
}

const platform = runtime.GOOS + "_" + runtime.GOARCH

// sealer seals as the real one does, with a key of its own.
type sealer struct{}

func (sealer) Seal(v taffrail.Value) taffrail.Value {
	if v.IsNull() || v.IsUnknown() || v.Shape() == taffrail.ShapeSecret {
		return v
	}
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write(taffrail.SealInput(v))
	return taffrail.Secret(taffrail.SecretDigest("hmac:00000000:" + hex.EncodeToString(mac.Sum(nil))))
}

// A rig is a stack of the odd provider on disk.
type rig struct {
	t        testing.TB
	dir      string
	world    string
	protocol string
	config   Config
	host     host
	log      *strings.Builder
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), protocol: "6", log: &strings.Builder{}}
	r.world = filepath.Join(t.TempDir(), "world.json")
	r.host = host{environ: []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, home: t.TempDir(), cache: t.TempDir()}
	r.config = Config{Target: r.dir, ConfirmDelay: time.Millisecond, RetryPause: time.Millisecond, Timeout: 20 * time.Second}
	r.write("main.tf", `terraform {
  required_providers {
    odd = { source = "registry.example/test/odd" }
  }
}
`)
	return r
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// install puts the provider where init would, and locks it.
func (r *rig) install() {
	r.t.Helper()
	dir, err := testprovider.Install(filepath.Join(r.dir, ".terraform", "providers"), "1.2.3", platform, r.protocol, r.world)
	if err != nil {
		r.t.Fatal(err)
	}
	r.lock(h1(r.t, dir))
}

func h1(t testing.TB, dir string) string {
	t.Helper()
	digest, err := dirhash.HashDir(dir, "", dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func (r *rig) lock(hash string) {
	r.write(".terraform.lock.hcl", fmt.Sprintf("provider %q {\n  version = \"1.2.3\"\n  hashes  = [%q]\n}\n", testprovider.Name, hash))
}

// A res is a resource of a state under test.
type res map[string]any

// thing is an odd_thing with these attributes, and null or empty for all others.
func thing(name string, attributes map[string]any) res {
	all := map[string]any{
		"id": name, "name": "n-" + name, "size": nil, "on": nil, "tags": nil, "labels": nil, "items": nil, "shape": nil, "anything": nil,
		"password": nil, "token_wo": nil, "etag": "e1", "region": "north", "inner": nil, "steps": nil, "users": nil, "zones": nil,
		"disk": []any{}, "rule": []any{}, "settings": nil, "route": map[string]any{}, "limits": map[string]any{"cpu": nil}, "timeouts": nil,
	}
	for k, v := range attributes {
		all[k] = v
	}
	return res{
		"mode": "managed", "type": "odd_thing", "name": name, "provider": `provider["` + testprovider.Name + `"]`,
		"instances": []any{map[string]any{"schema_version": 2, "attributes": all, "sensitive_attributes": []any{}}},
	}
}

func legacy(name string, attributes map[string]any) res {
	all := map[string]any{"id": name, "name": "n-" + name, "note": nil, "password": nil, "token_wo": nil, "tags": nil, "disk": []any{}, "timeouts": nil}
	for k, v := range attributes {
		all[k] = v
	}
	return res{
		"mode": "managed", "type": "odd_legacy", "name": name, "provider": `provider["` + testprovider.Name + `"]`,
		"instances": []any{map[string]any{"schema_version": 0, "attributes": all}},
	}
}

// with sets something of the resource itself, or of its only instance.
func (r res) with(key string, v any) res {
	if _, ok := r[key]; ok || key == "module" {
		r[key] = v
	} else {
		r["instances"].([]any)[0].(map[string]any)[key] = v
	}
	return r
}

func (r *rig) state(resources ...res) { r.stateAt(7, resources...) }

func (r *rig) stateAt(serial int, resources ...res) {
	r.t.Helper()
	data, err := json.MarshalIndent(map[string]any{
		"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "b6b1", "outputs": map[string]any{}, "resources": resources,
	}, "", "  ")
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("terraform.tfstate", string(data))
	r.written(time.Hour)
}

// written has the state be so old.
func (r *rig) written(ago time.Duration) {
	r.t.Helper()
	at := time.Now().Add(-ago)
	if err := os.Chtimes(filepath.Join(r.dir, "terraform.tfstate"), at, at); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) live(w testprovider.World) {
	r.t.Helper()
	if err := w.Write(r.world); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) open() *stack {
	r.t.Helper()
	env := plug.Env{Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: time.Now, Sealer: sealer{}}
	s, err := open(env, r.config, r.host)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = s.Close() })
	return s
}

// A seen is what a read of a stack gave.
type seen struct {
	coverage taffrail.Coverage
	all      []taffrail.Observation
	by       map[taffrail.Address]taffrail.Observation
}

func (r *rig) read(s *stack, only ...taffrail.Address) seen {
	r.t.Helper()
	out := seen{by: map[taffrail.Address]taffrail.Observation{}}
	var err error
	out.coverage, err = s.Read(r.t.Context(), taffrail.Selection{Addresses: only}, func(o taffrail.Observation) error {
		out.all = append(out.all, o)
		out.by[o.Resource.Address] = o
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.SortFunc(out.all, func(a, b taffrail.Observation) int {
		return strings.Compare(string(a.Resource.Address), string(b.Resource.Address))
	})
	return out
}

// scan opens the stack, reads it once, and closes it.
func (r *rig) scan() seen {
	r.t.Helper()
	s := r.open()
	defer s.Close()
	return r.read(s)
}

// changes lists where the two sides of an observation differ, as "path: before -> after" in canonical encoding.
func changes(o taffrail.Observation) []string {
	var out []string
	var walk func(p taffrail.Path, a, b taffrail.Value)
	walk = func(p taffrail.Path, a, b taffrail.Value) {
		if a.Equal(b) {
			return
		}
		if a.Shape() == b.Shape() && (a.Shape() == taffrail.ShapeObject || a.Shape() == taffrail.ShapeMap) {
			names := map[string]bool{}
			for n := range a.Fields() {
				names[n] = true
			}
			for n := range b.Fields() {
				names[n] = true
			}
			for _, n := range slices.Sorted(maps.Keys(names)) {
				step := taffrail.Attr(n)
				if a.Shape() == taffrail.ShapeMap {
					step = taffrail.Key(n)
				}
				x, _ := a.Field(n)
				y, _ := b.Field(n)
				walk(p.Append(step), x, y)
			}
			return
		}
		if a.Shape() == b.Shape() && a.Shape() == taffrail.ShapeList && a.Len() == b.Len() {
			for i := range a.Len() {
				walk(p.Append(taffrail.Index(i)), a.Elem(i), b.Elem(i))
			}
			return
		}
		out = append(out, fmt.Sprintf("%s: %s -> %s", p, a.AppendCanonical(nil), b.AppendCanonical(nil)))
	}
	walk(taffrail.Path{}, o.Recorded, o.Live)
	return out
}

// dump is everything that leaves the package for some resources, as bytes to search.
func (s seen) dump() string {
	data, err := json.Marshal(map[string]any{"observations": s.all, "coverage": s.coverage})
	if err != nil {
		panic(err)
	}
	return string(data)
}

func envWithoutSealer() plug.Env { return plug.Env{Now: time.Now} }
