package publish

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
)

// TestEntries reads back what was published, from anywhere to anywhere, also where only partial bundles stand.
func TestEntries(t *testing.T) {
	w, dir := newWorld(t).grow(t, 300), t.TempDir()
	w.publish(t, dir)
	for _, r := range []struct{ from, size int64 }{{0, 0}, {0, 1}, {0, 300}, {255, 257}, {256, 256}, {257, 290}, {299, 300}, {300, 300}} {
		at := r.from
		err := Entries(dir, r.from, r.size, func(index int64, entry []byte) error {
			if index != at || !bytes.Equal(entry, body(index)) {
				t.Errorf("[%d, %d): entry %d comes after %d, and is %q", r.from, r.size, index, at-1, entry)
			}
			at++
			return nil
		})
		if err != nil || at != r.size {
			t.Errorf("[%d, %d): ended at %d: %v", r.from, r.size, at, err)
		}
	}
}

// TestEntriesMissing names what is not there after it gave what is.
func TestEntriesMissing(t *testing.T) {
	w, dir := newWorld(t).grow(t, 300), t.TempDir()
	w.publish(t, dir)
	n := int64(0)
	count := func(int64, []byte) error { n++; return nil }
	if err := Entries(dir, 0, 301, count); !errors.Is(err, audit.ErrMissing) || n != 256 {
		t.Errorf("%d entries, %v", n, err)
	}
	stop := errors.New("stop")
	if err := Entries(dir, 3, 300, func(int64, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestEntriesRefuses takes no file for a bundle that is none.
func TestEntriesRefuses(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": {}, "garbage": []byte("garbage"), "cut": {0, 2, 'x'}, "one entry": {0, 1, 'x'}, "large": make([]byte, maxBundle+1),
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, audit.Entries(0, 2).Path())
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := Entries(dir, 0, 2, func(int64, []byte) error { return nil }); err == nil || errors.Is(err, audit.ErrMissing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, audit.Entries(0, 2).Path()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Entries(dir, 0, 2, func(int64, []byte) error { return nil }); err == nil || errors.Is(err, audit.ErrMissing) {
		t.Errorf("folder: %v", err)
	}
}
