package cloud

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestObjectsSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloud.json")
	clk := newClock()
	first := open(t, Options{File: file, Now: clk.read})
	do(t, first, "POST", "/v1/bucket", `{"attributes":{"name":"logs","quota_bytes":9007199254740993,"ratio":1.0}}`)
	do(t, first, "POST", "/v1/database", `{"attributes":{"name":"main","password":"x"}}`)
	do(t, first, "POST", "/v1/bucket", `{"attributes":{"name":"temporary"}}`)
	do(t, first, "DELETE", "/v1/bucket/bkt-0002", "")

	second := open(t, Options{File: file, Now: clk.read})
	for _, path := range []string{"/v1/bucket/bkt-0001", "/v1/database/db-0001"} {
		if diff := cmp.Diff(do(t, first, "GET", path, ""), do(t, second, "GET", path, "")); diff != "" {
			t.Errorf("%s (-before +after):\n%s", path, diff)
		}
	}
	if got := do(t, second, "GET", "/v1/bucket/bkt-0001", "").Attributes["quota_bytes"]; got != json.Number("9007199254740993") {
		t.Errorf("quota_bytes is %v", got)
	}
	if again := do(t, second, "POST", "/v1/bucket", `{"attributes":{"name":"next"}}`); again.ID != "bkt-0003" {
		t.Errorf("an id is given twice: %s", again.ID)
	}
}

func TestAChangeThatCannotBeKeptIsNotMade(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "place")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	c := open(t, Options{File: filepath.Join(folder, "cloud.json")})
	made := do(t, c, "POST", "/v1/bucket", `{"attributes":{"name":"logs"}}`)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	for _, request := range [][2]string{
		{"PATCH", "/v1/bucket/bkt-0001"}, {"PUT", "/v1/bucket/bkt-0001"}, {"DELETE", "/v1/bucket/bkt-0001"}, {"POST", "/v1/bucket"},
	} {
		if w := call(c, request[0], request[1], `{"attributes":{"name":"other"}}`); w.Code != 500 {
			t.Errorf("%s: %d %s", request[0], w.Code, w.Body)
		}
	}
	if diff := cmp.Diff(made, do(t, c, "GET", "/v1/bucket/bkt-0001", "")); diff != "" {
		t.Errorf("the object changed (-before +after):\n%s", diff)
	}
	if got := ids(t, c, "/v1/bucket"); len(got) != 1 {
		t.Errorf("objects are %v", got)
	}
}

func TestFilesThatAreNotACloudAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, content, say string }{
		{"empty", "", "EOF"},
		{"cut off", `{"format":"harbor.cloud/1","counters":{`, "EOF"},
		{"another format", `{"format":"harbor.cloud/9","counters":{},"objects":{}}`, "harbor.cloud/9"},
		{"no objects", `{"format":"harbor.cloud/1"}`, "missing"},
		{"null object", `{"format":"harbor.cloud/1","counters":{},"objects":{"bucket/bkt-0001":null}}`, "bkt-0001"},
		{"wrong key", `{"format":"harbor.cloud/1","counters":{},"objects":{"bucket/bkt-0001":{"type":"bucket","id":"bkt-0002"}}}`, "another key"},
		{"unknown type", `{"format":"harbor.cloud/1","counters":{},"objects":{"volcano/v":{"type":"volcano","id":"v"}}}`, "unknown type"},
		{"a field from elsewhere", `{"format":"harbor.cloud/1","counters":{},"objects":{},"later":1}`, "later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cloud.json")
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Options{File: file})
			if err == nil || !strings.Contains(err.Error(), tt.say) || !strings.Contains(err.Error(), file) {
				t.Errorf("error is %v, want %q and the file's name", err, tt.say)
			}
			if got := readFile(t, file); got != tt.content {
				t.Errorf("the file was changed to %q", got)
			}
		})
	}
}

func TestWriteFileAtomic(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "f")
	for _, content := range []string{"first", "second, longer", "3"} {
		if err := WriteFileAtomic(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, file); got != content {
			t.Errorf("got %q, want %q", got, content)
		}
	}
	if err := WriteFileAtomic(folder, []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWritersAtOnce(t *testing.T) {
	c := open(t, Options{File: filepath.Join(t.TempDir(), "cloud.json")})
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 5 {
				call(c, "POST", "/v1/bucket", `{"attributes":{"name":"x"}}`)
				call(c, "GET", "/v1/", "")
			}
		})
	}
	writers.Wait()
	if got := ids(t, c, "/v1/bucket"); len(got) != 40 || got[39] != "bkt-0040" {
		t.Errorf("40 creations gave %v", got)
	}
}
