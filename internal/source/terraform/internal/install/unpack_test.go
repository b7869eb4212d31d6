package install

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Several scans unpack one package at once: each gets a program that stays where it is.
func TestConcurrentUnpack(t *testing.T) {
	root := t.TempDir()
	h1, _ := packed(t, root, map[string]string{"terraform-provider-cloud_v1.0.0_x5": "program", "LICENSE": "licence"})
	for range 60 {
		cache := t.TempDir()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				f := &Finder{Lock: locked(h1), DataDir: filepath.Join(root, "none"), Cache: cache, Mirrors: []Mirror{{Path: root}}}
				p, err := f.Find(cloud)
				if err != nil {
					t.Error(err)
					return
				}
				if data, err := os.ReadFile(p.Executable); err != nil || string(data) != "program" || p.Digest != h1 {
					t.Errorf("%+v holds %q, %v", p, data, err)
				}
			})
		}
		all.Wait()
		if left, _ := filepath.Glob(filepath.Join(cache, "providers", "*", "*", "*", "*", "*")); len(left) != 1 {
			t.Fatalf("left in the cache: %v", left)
		}
	}
}

// What was unpacked before may be running: whatever became of it, it is neither changed nor removed, and never given out if it is
// not what the lock file vouches for.
func TestUnpackLeavesWhatIsThere(t *testing.T) {
	mirror, cache := t.TempDir(), t.TempDir()
	h1, _ := packed(t, mirror, map[string]string{"terraform-provider-cloud": "program"})
	f := &Finder{Lock: locked(h1), DataDir: t.TempDir(), Mirrors: []Mirror{{Path: mirror}}, Cache: cache}
	seen := map[string]bool{}
	for range 3 {
		p, err := f.Find(cloud)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := f.Find(cloud); err != nil || again != p {
			t.Errorf("first %+v, then %+v, %v", p, again, err)
		}
		if data, err := os.ReadFile(p.Executable); err != nil || string(data) != "program" || seen[p.Executable] {
			t.Errorf("%q, %v", data, err)
		}
		seen[p.Executable] = true
		write(t, p.Executable, "tampered", 0o700)
	}
	for path := range seen {
		if data, err := os.ReadFile(path); err != nil || string(data) != "tampered" {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
}

// Two versions of one content under one version number, as mirrors of different people may have them, do not push each other out.
func TestUnpackKeepsContentsApart(t *testing.T) {
	cache := t.TempDir()
	programs := map[string]string{}
	for _, content := range []string{"one", "two"} {
		mirror := t.TempDir()
		h1, _ := packed(t, mirror, map[string]string{"terraform-provider-cloud": content})
		p, err := (&Finder{Lock: locked(h1), DataDir: t.TempDir(), Mirrors: []Mirror{{Path: mirror}}, Cache: cache}).Find(cloud)
		if err != nil {
			t.Fatal(err)
		}
		programs[content] = p.Executable
	}
	for content, path := range programs {
		if data, err := os.ReadFile(path); err != nil || string(data) != content {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
}

// Some packers write entries for folders, which an unpacked package has no files for.
func TestUnpackWithFolderEntries(t *testing.T) {
	mirror, cache := t.TempDir(), t.TempDir()
	_, zh := packed(t, mirror, map[string]string{"docs/": "", "docs/README": "text", "terraform-provider-cloud": "program"})
	f := &Finder{Lock: locked(zh), DataDir: t.TempDir(), Mirrors: []Mirror{{Path: mirror}}, Cache: cache}
	first, err := f.Find(cloud)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Find(cloud); err != nil || again != first {
		t.Errorf("first %+v, then %+v, %v", first, again, err)
	}
}
