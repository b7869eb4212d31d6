package state

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

const someProvider = `"provider":"provider[\"h.example/ns/p\"]"`

// Members may come in any order: other programs write states, too.
func TestOrderOfMembersIsFree(t *testing.T) {
	usual := `{"version":4,"terraform_version":"1.9.0","serial":3,"lineage":"l","resources":[{"module":"module.m","mode":"managed","type":"t","name":"n",` +
		someProvider + `,"instances":[{"index_key":1,"attributes":{"a":[1,2]}}]},{"mode":"data","type":"d","name":"d","instances":[{"status":"odd"}]}]}`
	turned := `{"resources":[{"instances":[{"attributes":{"a":[1, 2]},"index_key":1}],` + someProvider +
		`,"name":"n","type":"t","mode":"managed","module":"module.m","extra":{"x":[null]}}],"outputs":{"o":{"value":[[1]]}},"lineage":"l","serial":3,"terraform_version":"1.9.0","version":4}`
	a, err := Parse([]byte(usual))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse([]byte(turned))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Header{usual: a.Header, turned: b.Header} {
		if h, err := ParseHeader([]byte(text)); err != nil || h != want {
			t.Errorf("header %+v, error %v", h, err)
		}
	}
	if a.Digest == b.Digest {
		t.Error("other bytes have the same digest")
	}
	a.Digest, b.Digest = "", ""
	if diff := cmp.Diff(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b)); diff != "" {
		t.Error(diff)
	}
}

func TestPlacesOfMistakes(t *testing.T) {
	instance := func(text string) string {
		return resource("\n" + `{"mode":"managed","type":"t","name":"n",` + someProvider + `,"instances":[{},` + "\n" + text + `]}`)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"no comma":         {instance(`{"index_key": 0 "private": ""}`), "resource 0 (t.n): line 3, byte "},
		"mistyped":         {instance(`{"schema_version": "x"}`), "resource 0 (t.n): line 3, byte "},
		"cut off":          {instance(`{"index_key": 0`)[:130], "line 2, byte 130: unexpected end of JSON input"},
		"more follows":     {`{"version":4,"serial":1,"lineage":"l"}` + "\n{}", "line 2, byte "},
		"no list":          {`{"version":4,"serial":1,"lineage":"l","resources":{}}`, `"resources" is no list`},
		"no object":        {resource(`7`), "resource 0 (.): line 1, byte "},
		"deep":             {instance(`{"attributes":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`), "line 3, byte "},
		"older, and other": {`{"version":3,"serial":1,"lineage":"l","resources":{}}`, "format version 3"},
	} {
		_, err := Parse([]byte(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A header stands at the beginning, and to read it again must not cost what the whole state does.
func TestHeaderIsReadFromTheBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tfstate")
	text := `{"version": 4, "terraform_version": "1.9.0", "serial": 3, "lineage": "l", "outputs": {}, "resources": [` + strings.Repeat(" ", 1<<20)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err := ReadHeader(path); err != nil || h.Serial != 3 || h.Lineage != "l" || h.Tool != "1.9.0" {
		t.Errorf("header %+v, error %v", h, err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "unexpected end") {
		t.Errorf("the whole: error %v", err)
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tfstate")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(maxFile + 1<<20); err != nil {
		t.Skip("no room, not even for a file of holes")
	}
	if _, err := Read(path); taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(taffrail.HintOf(err), "split the stack") {
		t.Errorf("error %v", err)
	}
}

// What is kept of a state is bounded by its size: it is not kept as a whole beside its instances, and without white space.
func TestLargeStateIsStreamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tfstate")
	size := writeLarge(t, path, 60_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := Read(path)
	if err != nil || len(s.Instances) != 60_000 {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > size*3/2 {
		t.Errorf("%d MiB are kept of %d MiB", kept>>20, size>>20)
	}
	runtime.KeepAlive(s)
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.tfstate")
	b.SetBytes(writeLarge(b, path, 5000))
	for b.Loop() {
		if _, err := Read(path); err != nil {
			b.Fatal(err)
		}
	}
}

// writeLarge writes a state of n instances, indented as the tools do, and gives its size.
func writeLarge(t testing.TB, path string, n int) int64 {
	t.Helper()
	var instances []any
	for i := range n {
		attributes := map[string]any{"id": fmt.Sprint("i-", i), "name": fmt.Sprint("name-", i), "tags": nil, "timeouts": nil, "zones": []any{"a", "b"}}
		for k := range 8 {
			attributes[fmt.Sprint("attribute_", k)] = nil
		}
		instances = append(instances, map[string]any{"index_key": i, "schema_version": 1, "attributes": attributes})
	}
	text, err := json.MarshalIndent(map[string]any{
		"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "l",
		"resources": []any{map[string]any{"mode": "managed", "type": "t", "name": "n", "provider": `provider["h.example/ns/p"]`, "instances": instances}},
	}, "", "  ")
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(text))
}
