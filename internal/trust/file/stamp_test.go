package file

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestStampsTell has a file changed in each way that leaves another one in its place, or the same one with other content.
func TestStampsTell(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"written in place, with its old time": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte("bbbb"), 0o600); err != nil {
				return err
			}
			return os.Chtimes(path, info.ModTime(), info.ModTime())
		},
		"another in its place": func(path string) error {
			if err := os.WriteFile(path+".new", []byte("aaaa"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"another mode": func(path string) error { return os.Chmod(path, 0o644) },
		"removed":      os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte("aaaa"), 0o600); err != nil {
				t.Fatal(err)
			}
			soon := time.Now()
			before, ok := stampOf(path, soon)
			if ok {
				t.Fatal("a file that was just written is taken for one that nobody can change unseen")
			}
			if _, ok := stampOf(path, soon.Add(time.Minute)); !ok {
				t.Skip("SKIPPED: this system does not tell when a file was changed")
			}
			for same := true; same; { // until its tick is over
				if err := change(path); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				after, _ := stampOf(path, soon)
				same = after == before
			}
		})
	}
}

// TestKeysAreReadOnce has the files read again only after a change, once that can be seen.
func TestKeysAreReadOnce(t *testing.T) {
	k := &keyring{folder: t.TempDir()}
	if _, err := k.Create(t.Context(), "taffrail.local/test"); err != nil {
		t.Fatal(err)
	}
	for k.seen == (keyStamps{}) { // two seconds
		if _, err := k.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	other := &keyring{folder: t.TempDir()}
	if _, err := other.Create(t.Context(), "taffrail.local/other"); err != nil {
		t.Fatal(err)
	}
	if r, err := k.Load(t.Context()); err != nil || r.Keys().Origin() != "taffrail.local/test" {
		t.Fatalf("%v, %v", r.Keys().Origin(), err)
	}
	text, err := os.ReadFile(other.path())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.path(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := k.Load(t.Context()); err != nil || r.Keys().Origin() != "taffrail.local/other" {
		t.Errorf("after another key was put in its place: %v, %v", r.Keys().Origin(), err)
	}
	if err := os.WriteFile(k.path(), bytes.Repeat([]byte("x"), len(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := k.Load(t.Context()); err == nil {
			t.Error("garbage is loaded")
		}
	}
}
