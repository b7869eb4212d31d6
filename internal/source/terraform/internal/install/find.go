package install

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

const hintInit = "run `terraform init` or `tofu init` in the stack's folder"

// A Package is a provider that may be run.
type Package struct {
	Executable string
	Version    string
	Digest     string // "h1:..." of its folder
}

// A Finder looks for the packages of one stack.
type Finder struct {
	Lock    Lock
	LockErr error     // why there is no lock
	DataDir string    // what init filled: ".terraform" of the root module
	Mirrors []Mirror  // looked at after DataDir, in this order
	Cache   string    // folder for what must be unpacked; empty forbids it
	Broken  error     // why the mirrors of the CLI configuration are not known
	Trust   TrustMode // what to do without a lock file
	// Install puts a locked provider that was not found anywhere into a mirror; nil where nobody may. What it brings is checked as
	// everything is.
	Install func(addr.Provider, Locked) (Mirror, error)
}

// A TrustMode says what may be run.
type TrustMode bool

// The modes.
const (
	LockedOnly TrustMode = false // only what the lock file vouches for
	// TrustInit also runs what init left in the stack's own folder, if the stack has no lock file at all. Whoever can write to
	// that folder then decides what is run.
	TrustInit TrustMode = true
)

// Find finds a provider's package, checks it, and says where its executable is. It reads every byte of the package.
func (f *Finder) Find(p addr.Provider) (Package, error) {
	if f.Lock == nil {
		if f.Trust == TrustInit && errors.Is(f.LockErr, os.ErrNotExist) {
			return f.unlocked(p)
		}
		return Package{}, missing(hintInit, "%w: without a lock file no provider is run", f.LockErr)
	}
	locked, ok := f.Lock[p]
	if !ok {
		return Package{}, missing(hintInit, "provider %s has no entry in %s", p, LockFile)
	}
	var rejected error
	for _, c := range f.candidates(p, locked.Version) {
		found, err := c.open(locked, f.Cache)
		if err == nil {
			found.Version = locked.Version
			return found, nil
		}
		if !errors.Is(err, os.ErrNotExist) && rejected == nil {
			rejected = err
		}
	}
	if rejected == nil && f.Install != nil {
		found, err := f.installed(p, locked)
		if err == nil {
			return found, nil
		}
		rejected = err
	}
	if rejected != nil {
		return Package{}, missing(hintInit, "provider %s %s is not run: %w", p, locked.Version, rejected)
	}
	if f.Broken != nil {
		return Package{}, missing("mend the CLI configuration, or "+hintInit, "provider %s %s was not found, and %w", p, locked.Version, f.Broken)
	}
	return Package{}, missing(hintInit, "provider %s %s is neither in %s nor in a mirror", p, locked.Version, f.providersDir())
}

// installed has the provider installed.
func (f *Finder) installed(p addr.Provider, locked Locked) (Package, error) {
	m, err := f.Install(p, locked)
	if err != nil {
		return Package{}, fmt.Errorf("it is neither in %s nor in a mirror, and %w", f.providersDir(), err)
	}
	c := candidate{dir: filepath.Join(providerDir(m.Path, p), locked.Version, platform()), kind: p.Type}
	found, err := c.open(locked, f.Cache)
	found.Version = locked.Version
	return found, err
}

func missing(hint, format string, args ...any) error {
	return &taffrail.Error{Op: "find provider", Kind: taffrail.KindNotFound, Hint: hint, Err: fmt.Errorf(format, args...)}
}

func (f *Finder) providersDir() string { return filepath.Join(f.DataDir, "providers") }

// unlocked takes the only version that init left behind.
func (f *Finder) unlocked(p addr.Provider) (Package, error) {
	versions, err := filepath.Glob(filepath.Join(globQuote(providerDir(f.providersDir(), p)), "*", platform()))
	if err != nil || len(versions) != 1 {
		return Package{}, missing(hintInit, "there is no lock file, and %d versions of provider %s in %s", len(versions), p, f.providersDir())
	}
	c := candidate{dir: versions[0], kind: p.Type}
	digest, err := c.digest()
	if err != nil {
		return Package{}, missing(hintInit, "provider %s: %w", p, err)
	}
	executable, err := c.executable()
	if err != nil {
		return Package{}, missing(hintInit, "provider %s: %w", p, err)
	}
	return Package{Executable: executable, Version: filepath.Base(filepath.Dir(versions[0])), Digest: digest}, nil
}

// globQuote makes a path mean itself to Glob.
func globQuote(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}

func providerDir(root string, p addr.Provider) string {
	return filepath.Join(root, p.Host, p.Namespace, p.Type)
}

func platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

// A candidate is a place at which a package may be: a folder, or a packed file.
type candidate struct {
	dir    string
	packed string
	kind   string
}

// candidates gives the places at which the package may be, the likeliest first.
func (f *Finder) candidates(p addr.Provider, version string) []candidate {
	all := []candidate{{dir: filepath.Join(providerDir(f.providersDir(), p), version, platform()), kind: p.Type}}
	for _, m := range f.Mirrors {
		if !m.holds(p) {
			continue
		}
		dir := providerDir(m.Path, p)
		name := fmt.Sprintf("terraform-provider-%s_%s_%s.zip", p.Type, version, platform())
		all = append(all,
			candidate{dir: filepath.Join(dir, version, platform()), kind: p.Type},
			candidate{packed: filepath.Join(dir, name), dir: filepath.Join(providerDir("providers", p), version, platform()), kind: p.Type})
	}
	return all
}

// open checks the package against the lock. What is not there is [os.ErrNotExist].
func (c candidate) open(locked Locked, cache string) (Package, error) {
	if c.packed != "" {
		unpacked, digest, err := c.unpack(locked, cache)
		if err != nil {
			return Package{}, err
		}
		return unpacked.found(digest)
	}
	digest, err := c.digest()
	if err != nil {
		return Package{}, err
	}
	if !slices.Contains(locked.Hashes, digest) {
		return Package{}, c.mismatch(digest, locked)
	}
	return c.found(digest)
}

// mismatch says why a folder was refused.
func (c candidate) mismatch(digest string, locked Locked) error {
	known := func(h string) bool { return strings.HasPrefix(h, "h1:") }
	if !slices.ContainsFunc(locked.Hashes, known) {
		return fmt.Errorf("%s has no h1 hash of it, so that %s cannot be checked", LockFile, c.dir)
	}
	return fmt.Errorf("%s has the hash %s, which %s does not have", c.dir, digest, LockFile)
}

func (c candidate) found(digest string) (Package, error) {
	executable, err := c.executable()
	return Package{Executable: executable, Digest: digest}, err
}

// digest is what the tool calls h1: over all files of the folder, by their names in it.
func (c candidate) digest() (string, error) {
	dir, err := filepath.EvalSymlinks(c.dir) // init links to its cache, and a link has no files
	if err != nil {
		return "", err
	}
	return dirhash.HashDir(dir, "", dirhash.Hash1)
}

// executable finds the provider's program by its name, which may have the version at its end.
func (c candidate) executable() (string, error) {
	dir, err := filepath.EvalSymlinks(c.dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	want := "terraform-provider-" + c.kind
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".exe")
		if name == want || strings.HasPrefix(name, want+"_") {
			path := filepath.Join(dir, e.Name())
			info, err := os.Stat(path)
			if err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s has no executable %s", c.dir, want)
}
