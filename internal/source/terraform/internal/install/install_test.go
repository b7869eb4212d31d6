package install

import (
	"archive/zip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

var cloud = addr.Provider{Host: "registry.example", Namespace: "acme", Type: "cloud"}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func unpacked(t *testing.T, root, content string) (dir, digest string) {
	t.Helper()
	dir = filepath.Join(root, "registry.example", "acme", "cloud", "1.0.0", platform())
	write(t, filepath.Join(dir, "terraform-provider-cloud_v1.0.0_x5"), content, 0o700)
	write(t, filepath.Join(dir, "LICENSE"), "licence", 0o600)
	digest, err := dirhash.HashDir(dir, "", dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	return dir, digest
}

// packed makes a packed package and gives its two digests.
func packed(t *testing.T, root string, files map[string]string) (h1, zh string) {
	t.Helper()
	path := filepath.Join(root, "registry.example", "acme", "cloud", "terraform-provider-cloud_1.0.0_"+platform()+".zip")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for name, content := range files {
		part, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if h1, err = dirhash.HashZip(path, dirhash.Hash1); err != nil {
		t.Fatal(err)
	}
	if zh, err = fileDigest(path); err != nil {
		t.Fatal(err)
	}
	return h1, "zh:" + zh
}

func locked(hashes ...string) Lock { return Lock{cloud: {Version: "1.0.0", Hashes: hashes}} }

func TestFindTakesTheFirstThatFits(t *testing.T) {
	data, mirror := t.TempDir(), t.TempDir()
	_, bad := unpacked(t, filepath.Join(data, "providers"), "tampered")
	dir, good := unpacked(t, mirror, "genuine")
	if bad == good {
		t.Fatal("contents have one hash")
	}
	f := &Finder{Lock: locked(good), DataDir: data, Mirrors: []Mirror{{Path: t.TempDir()}, {Path: mirror}}}
	got, err := f.Find(cloud)
	if err != nil {
		t.Fatal(err)
	}
	want := Package{Executable: filepath.Join(dir, "terraform-provider-cloud_v1.0.0_x5"), Version: "1.0.0", Digest: good}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f.Mirrors = []Mirror{{Path: mirror, Exclude: []string{"registry.example/*/*"}}}
	if _, err := f.Find(cloud); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("error %v", err)
	}
}

// Init links the folder of a package to where it lies.
func TestFindFollowsLinks(t *testing.T) {
	data, cache := t.TempDir(), t.TempDir()
	dir, digest := unpacked(t, cache, "x")
	link := filepath.Join(data, "providers", "registry.example", "acme", "cloud", "1.0.0", platform())
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Finder{Lock: locked(digest), DataDir: data}).Find(cloud); err != nil {
		t.Error(err)
	}
}

func TestFindUnpacks(t *testing.T) {
	mirror, cache := t.TempDir(), t.TempDir()
	h1, zh := packed(t, mirror, map[string]string{"terraform-provider-cloud_v1.0.0": "program", "docs/README": "text"})
	for _, hash := range []string{h1, zh} {
		f := &Finder{Lock: locked(hash), DataDir: t.TempDir(), Mirrors: []Mirror{{Path: mirror}}, Cache: cache}
		got, err := f.Find(cloud)
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest != h1 {
			t.Errorf("digest %s, want %s", got.Digest, h1)
		}
		if data, err := os.ReadFile(got.Executable); err != nil || string(data) != "program" {
			t.Errorf("%q, %v", data, err)
		}
		// What somebody did to the cache is undone before it is run.
		write(t, got.Executable, "tampered", 0o700)
	}
	for name, f := range map[string]*Finder{
		"wrong hash": {Lock: locked("zh:00"), Cache: cache}, "no cache": {Lock: locked(h1)},
	} {
		f.DataDir, f.Mirrors = t.TempDir(), []Mirror{{Path: mirror}}
		if got, err := f.Find(cloud); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*", "*", "*", "*", "*", ".unpack-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	for _, name := range []string{"../escape", "/etc/escape", "a/../../escape"} {
		mirror, cache := t.TempDir(), t.TempDir()
		_, zh := packed(t, mirror, map[string]string{name: "x", "terraform-provider-cloud": "x"})
		f := &Finder{Lock: locked(zh), DataDir: t.TempDir(), Mirrors: []Mirror{{Path: mirror}}, Cache: cache}
		if _, err := f.Find(cloud); err == nil {
			t.Errorf("%s was unpacked", name)
		}
		if found, _ := filepath.Glob(filepath.Join(filepath.Dir(cache), "escape")); len(found) > 0 {
			t.Errorf("%s escaped", name)
		}
	}
}

func TestNoExecutable(t *testing.T) {
	data := t.TempDir()
	dir, _ := unpacked(t, filepath.Join(data, "providers"), "x")
	if err := os.Chmod(filepath.Join(dir, "terraform-provider-cloud_v1.0.0_x5"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest, err := dirhash.HashDir(dir, "", dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&Finder{Lock: locked(digest), DataDir: data}).Find(cloud); err == nil || !strings.Contains(err.Error(), "no executable") {
		t.Errorf("error %v", err)
	}
}

func TestTrustInitWantsOneVersion(t *testing.T) {
	data := t.TempDir()
	_, digest := unpacked(t, filepath.Join(data, "providers"), "x")
	_, absent := ReadLock(filepath.Join(data, "absent"))
	f := &Finder{LockErr: absent, DataDir: data, Trust: TrustInit}
	got, err := f.Find(cloud)
	if err != nil || got.Version != "1.0.0" || got.Digest != digest {
		t.Errorf("%+v, %v", got, err)
	}
	write(t, filepath.Join(data, "providers", "registry.example", "acme", "cloud", "1.1.0", platform(), "terraform-provider-cloud"), "y", 0o700)
	if _, err := f.Find(cloud); err == nil || !strings.Contains(err.Error(), "2 versions") {
		t.Errorf("error %v", err)
	}
	f.Trust = LockedOnly
	if _, err := f.Find(cloud); err == nil {
		t.Error("it was found without a lock")
	}
}

func TestParseLock(t *testing.T) {
	got, err := ParseLock([]byte(`# a comment
provider "registry.example/acme/cloud" {
  version     = "1.0.0"
  constraints = "~> 1.0"
  hashes = [
    "h1:a=",
    "zh:b",
  ]
}
provider "registry.example/acme/other" {
  version = "2.0.0-beta1"
  future  = true
}
future "block" {}
`), "lock")
	if err != nil {
		t.Fatal(err)
	}
	other := cloud
	other.Type = "other"
	if diff := cmp.Diff(Lock{cloud: {"1.0.0", []string{"h1:a=", "zh:b"}}, other: {Version: "2.0.0-beta1"}}, got); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"provider {}": "lock:1",
		"\nprovider \"a/../c\" { version = \"1\" }":                                            "lock:2",
		`provider "a/b/c" {}`:                                                                  "lock:1",
		`provider "a/b/c" { version = "../../x" }`:                                             "lock:1",
		`provider "a/b/c" { version = file("x") }`:                                             "lock:1",
		"provider \"a/b/c\" {\n version = \"1\"\n}\nprovider \"a/b/c\" {\n version = \"1\"\n}": "lock:4",
		"{": "lock:1",
	} {
		if l, err := ParseLock([]byte(text), "lock"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
}

func TestReadLockOfNothing(t *testing.T) {
	_, err := ReadLock(filepath.Join(t.TempDir(), LockFile))
	if !errors.Is(err, fs.ErrNotExist) || taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte("provider \"registry.example/acme/cloud\" {\n  version = \"1.0.0\"\n  hashes = [\"h1:a=\"]\n}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lock, err := ParseLock(data, "lock")
		if err != nil {
			return
		}
		for p, l := range lock {
			dir := filepath.Join("root", providerDir("", p), l.Version)
			if !filepath.IsLocal(dir) || strings.Count(dir, string(filepath.Separator)) > 4 {
				t.Fatalf("%v, %v leads to %s", p, l, dir)
			}
		}
	})
}

func paths(mirrors []Mirror) []string {
	var all []string
	for _, m := range mirrors {
		all = append(all, m.Path)
	}
	return all
}

func TestMirrors(t *testing.T) {
	home, module := t.TempDir(), t.TempDir()
	env := map[string]string{}
	s := Surroundings{Getenv: func(name string) string { return env[name] }, Home: home, Module: module}
	got, err := Mirrors(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		filepath.Join(module, "terraform.d/plugins"), filepath.Join(home, ".terraform.d/plugins"), filepath.Join(home, ".local/share/terraform/plugins"),
		"/usr/local/share/terraform/plugins", "/usr/share/opentofu/plugins",
	} {
		if !slices.Contains(paths(got), want) {
			t.Errorf("%s is not looked at: %v", want, paths(got))
		}
	}
	write(t, filepath.Join(home, ".terraformrc"), `
plugin_cache_dir = "~/cache"
credentials "app.example" {
  token = "very-secret"
}
provider_installation {
  dev_overrides {
    "acme/dev" = "/dev-build"
  }
  filesystem_mirror {
    path    = "/mirror"
    include = ["registry.example/acme/*"]
  }
  network_mirror {
    url = "https://mirror.example/"
  }
  direct {}
}
`, 0o600)
	env["TF_PLUGIN_CACHE_DIR"] = "/other-cache"
	if got, err = Mirrors(s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/other-cache", filepath.Join(home, "cache"), "/mirror"}, paths(got)); diff != "" {
		t.Error(diff)
	}
	env["TF_CLI_CONFIG_FILE"] = filepath.Join(home, "absent")
	if got, err = Mirrors(s); err != nil || len(got) < 3 {
		t.Errorf("a CLI configuration that is not there: %v, %v", paths(got), err)
	}
	s.Config = filepath.Join(home, "absent")
	if _, err = Mirrors(s); err == nil {
		t.Error("a file that the person named is not there, and nobody says so")
	}
	s.Config = filepath.Join(home, "x.json")
	write(t, s.Config, `{"provider_installation": {"filesystem_mirror": {"path": "/from-json", "exclude": ["a/b"]}}}`, 0o600)
	if got, err = Mirrors(s); err != nil || !slices.Contains(paths(got), "/from-json") {
		t.Errorf("%v, %v", paths(got), err)
	}
	write(t, s.Config, "provider_installation {\n", 0o600)
	if _, err = Mirrors(s); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestMirrorHolds(t *testing.T) {
	for _, tc := range []struct {
		include, exclude []string
		want             bool
	}{
		{nil, nil, true}, {[]string{"acme/*"}, nil, true}, {[]string{"registry.example/*/*"}, nil, true}, {[]string{"Acme/Cloud"}, nil, true},
		{[]string{"other.example/*/*"}, nil, false}, {[]string{"acme/clouds"}, nil, false}, {nil, []string{"*/*"}, false},
		{[]string{"acme/*"}, []string{"acme/cloud"}, false}, {[]string{"a/b/c/d"}, nil, false},
	} {
		if got := (Mirror{Include: tc.include, Exclude: tc.exclude}).holds(cloud); got != tc.want {
			t.Errorf("%v, %v: %t", tc.include, tc.exclude, got)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("provider_installation {\n  dev_overrides {\n    \"a/b\" = \"/x\"\n  }\n  filesystem_mirror {\n    path = \"/m\"\n  }\n}\n"))
	f.Add([]byte(`{"plugin_cache_dir": "x"}`))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = parseConfig(data, "rc") })
}
