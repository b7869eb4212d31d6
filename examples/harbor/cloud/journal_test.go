package cloud

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A journal that ends anywhere, as that of a killed process does, is the changes whose lines are whole.
func TestAJournalMayEndAnywhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloud.json")
	c := open(t, Options{File: file})
	for i := range 3 {
		do(t, c, "POST", "/v1/bucket", fmt.Sprintf(`{"attributes":{"name":"b%d"}}`, i))
	}
	do(t, c, "DELETE", "/v1/bucket/bkt-0002", "")
	whole := []byte(readFile(t, file+".journal"))
	want := []int{0, 0, 1, 2, 3, 2} // objects by the number of lines that are whole
	for n := range len(whole) + 1 {
		if err := os.WriteFile(file+".journal", whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		again := open(t, Options{File: file})
		if got := len(ids(t, again, "/v1/bucket")); got != want[bytes.Count(whole[:n], []byte("\n"))] {
			t.Fatalf("%d of %d bytes give %d objects", n, len(whole), got)
		}
		if n%97 == 0 { // what comes next is kept, whatever half a line was there
			do(t, again, "POST", "/v1/queue", `{"attributes":{"name":"q"}}`)
			if got := ids(t, open(t, Options{File: file}), "/v1/queue"); len(got) != 1 {
				t.Fatalf("after %d bytes a change is lost: %v", n, got)
			}
		}
	}
}

// What is left of a long line that did not end is no part of what comes after it.
func TestHalfALongLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloud.json")
	c := open(t, Options{File: file})
	do(t, c, "POST", "/v1/bucket", `{"attributes":{"name":"a"}}`)
	whole := readFile(t, file+".journal")
	if err := os.WriteFile(file+".journal", []byte(whole+`{"objects":{"`+strings.Repeat("x", 4000)), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, open(t, Options{File: file}), "POST", "/v1/bucket", `{"attributes":{"name":"b"}}`)
	if got := ids(t, open(t, Options{File: file}), "/v1/bucket"); len(got) != 2 {
		t.Errorf("objects are %v", got)
	}
	if strings.Contains(readFile(t, file+".journal"), "xxx") {
		t.Error("the rest of the line is there still")
	}
}

func TestJournalsThatAreNotOursAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, content, say string }{
		{"another format", `{"format":"x","number":0}` + "\n", "format"},
		{"of a later file", `{"format":"harbor.journal/1","number":4}` + "\n", "later file"},
		{"broken in the middle", `{"format":"harbor.journal/1","number":0}` + "\n{\n" + `{"objects":{}}` + "\n", "at byte 41"},
		{"an object elsewhere", `{"format":"harbor.journal/1","number":0}` + "\n" + `{"objects":{"bucket/a":{"type":"bucket","id":"b"}}}` + "\n", "another key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cloud.json")
			if err := os.WriteFile(file+".journal", []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Options{File: file}); err == nil || !strings.Contains(err.Error(), tt.say) || !strings.Contains(err.Error(), "cloud.json.journal") {
				t.Errorf("error is %v, want %q", err, tt.say)
			}
		})
	}
}

// A cloud that stops between the two steps of a compaction has lost nothing, and doubles nothing.
func TestCompaction(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloud.json")
	c := open(t, Options{File: file})
	big := strings.Repeat("x", 100<<10)
	last := ""
	for i := range 30 {
		o := do(t, c, "POST", "/v1/bucket", fmt.Sprintf(`{"attributes":{"name":"b%d","policy":%q}}`, i, big))
		if _, err := os.Stat(file); err == nil && last == "" {
			last = o.ID
		}
	}
	do(t, c, "DELETE", "/v1/bucket/bkt-0001", "")
	if last == "" || last == "bkt-0030" {
		t.Fatalf("it was written anew with %q", last)
	}
	if got := len(ids(t, open(t, Options{File: file}), "/v1/bucket")); got != 29 {
		t.Errorf("%d objects", got)
	}
	journal := readFile(t, file+".journal")
	c.store.mu.Lock()
	err := c.store.compact()
	c.store.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".journal", []byte(journal), 0o600); err != nil { // the step after the file was not done
		t.Fatal(err)
	}
	again := open(t, Options{File: file})
	if got := len(ids(t, again, "/v1/bucket")); got != 29 {
		t.Errorf("%d objects after the first step", got)
	}
	do(t, again, "POST", "/v1/bucket", `{"attributes":{"name":"next"}}`)
	if got := ids(t, open(t, Options{File: file}), "/v1/bucket"); len(got) != 30 || got[29] != "bkt-0031" {
		t.Errorf("then %v", got)
	}
}

// A cloud that was stopped leaves one file, which may be carried away.
func TestAStoppedCloudLeavesOneFile(t *testing.T) {
	folder := t.TempDir()
	c := open(t, Options{File: filepath.Join(folder, "cloud.json")})
	do(t, c, "POST", "/v1/bucket", `{"attributes":{"name":"a"}}`)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Fatalf("left %v, %v", left, err)
	}
	again := open(t, Options{File: filepath.Join(folder, "cloud.json")})
	do(t, again, "POST", "/v1/bucket", `{"attributes":{"name":"b"}}`)
	if got := ids(t, open(t, Options{File: filepath.Join(folder, "cloud.json")}), "/v1/bucket"); len(got) != 2 {
		t.Errorf("objects are %v", got)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"format":"harbor.journal/1","number":0}` + "\n" + `{"counters":{"bucket":1},"objects":{"bucket/bkt-0001":{"type":"bucket","id":"bkt-0001","attributes":{"name":"a"}}}}` + "\n"))
	f.Add([]byte(`{"format":"harbor.journal/1","number":0}` + "\n" + `{"objects":{"bucket/x":null}}` + "\n{"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "cloud.json")
		if err := os.WriteFile(file+".journal", content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(Options{File: file})
		if err != nil {
			return
		}
		had := len(c.store.data.Objects)
		if _, err := c.store.create(nil, "queue", map[string]any{"name": "q"}); err != nil {
			t.Fatal(err)
		}
		again, err := Open(Options{File: file})
		if err != nil || len(again.store.data.Objects) < had {
			t.Errorf("what was taken is not taken again: %v", err)
		}
	})
}
