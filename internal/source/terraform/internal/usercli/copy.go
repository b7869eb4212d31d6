package usercli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

const (
	defaultWorkspace = "default"
	overrideFile     = "zzzz_taffrail_override.tf.json" // the last of all override files
)

// A Source is the stack to copy.
type Source struct {
	Dir       string // absolute, of the root module
	DataDir   string // absolute: where init put modules and providers
	Workspace string
	Environ   []string // the user's
	Quiet     []string // what is added to it, for the providers' sake
	Home      string
	CLIConfig string // absolute; empty leaves it to the environment
	// State writes the state as the backend has it to a file that is not there yet.
	State func(path string) error
	// Packages are folders of providers, by their place below "providers" of a data folder.
	Packages map[string]string
	Limit    Limit
}

// A Limit bounds what is copied.
type Limit struct {
	Bytes int64
	Files int
}

// DefaultLimit fits code with the files that it packs or uploads, and no whole home folder.
func DefaultLimit() Limit { return Limit{Bytes: 512 << 20, Files: 50_000} }

// A Copy is a private folder that holds all that a plan needs. It is for one user at a time.
type Copy struct {
	Tree string // the copy of Top: paths in what the tool says lie below it
	Top  string // the folder in which everything that the code refers to lies

	source  Source
	dir     string
	root    string // the copy of the root module
	modules []string
	lock    *os.File
	watcher *watcher
	used    Limit
}

// Open makes a copy. If we are killed before [Copy.Close], its watcher removes it. If that is killed as well, the folder stays, readable by
// this user alone, until the next [Sweep].
func Open(source Source) (*Copy, error) {
	Sweep()
	dir, err := os.MkdirTemp("", prefix+"*")
	if err != nil {
		return nil, failed(err)
	}
	c := &Copy{source: source, dir: dir, watcher: watch(removeCopy, dir)}
	if err := c.fill(); err != nil {
		return nil, errors.Join(failed(err), c.Close())
	}
	return c, nil
}

// Close removes everything.
func (c *Copy) Close() error {
	err := removeAll(c.dir)
	c.watcher.end()
	if c.lock != nil {
		err = errors.Join(err, c.lock.Close())
	}
	return err
}

// removeAll also removes folders that were copied without the right to write in them.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // if it cannot be, removing says so
		}
		return nil
	})
	return os.RemoveAll(dir)
}

func failed(err error) error {
	var e *taffrail.Error
	switch {
	case err == nil, errors.As(err, &e):
		return err
	case errors.Is(err, fs.ErrPermission):
		return &taffrail.Error{Op: "copy stack", Kind: taffrail.KindDenied, Err: err, Hint: "run as a user that may read all files of the stack"}
	}
	return &taffrail.Error{Op: "copy stack", Kind: taffrail.KindUnavailable, Err: err, Hint: "free some space for temporary files, or set TMPDIR to where there is some"}
}

// Put writes a file beside the copy, for the tool to read, and gives its path. It goes with the copy.
func (c *Copy) Put(name string, data []byte) (string, error) {
	path := c.at(name)
	return path, os.WriteFile(path, data, 0o600)
}

func (c *Copy) at(elem ...string) string { return filepath.Join(append([]string{c.dir}, elem...)...) }

func (c *Copy) fill() (err error) {
	if c.lock, err = hold(c.dir); err != nil {
		return err
	}
	for _, name := range []string{"tmp", "state", "data"} {
		if err := os.Mkdir(c.at(name), 0o700); err != nil {
			return err
		}
	}
	if err := c.copyCode(); err != nil {
		return err
	}
	for name, folder := range c.source.Packages {
		place := c.at("data", "providers", filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(place), 0o700), os.Symlink(folder, place)); err != nil {
			return err
		}
	}
	return c.placeState()
}

// placeState puts the state behind a local backend, and records that backend as init does: the tool then finds it initialised.
func (c *Copy) placeState() error {
	path, workspaces := c.at("state", "terraform.tfstate"), c.at("state", "workspaces")
	settings := map[string]any{"path": path, "workspace_dir": workspaces}
	place := path
	if c.source.Workspace != defaultWorkspace {
		place = filepath.Join(workspaces, c.source.Workspace, "terraform.tfstate")
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			return err
		}
	}
	if err := c.source.State(place); err != nil {
		return err
	}
	override := map[string]any{"terraform": map[string]any{"backend": map[string]any{"local": settings}}}
	record := map[string]any{"version": 3, "serial": 1, "lineage": "taffrail", "backend": map[string]any{"type": "local", "config": settings, "hash": 1}}
	return errors.Join(writeJSON(filepath.Join(c.root, overrideFile), override), writeJSON(c.at("data", "terraform.tfstate"), record))
}

func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// copyCode copies the root module, the modules that lie elsewhere, and what init downloaded.
func (c *Copy) copyCode() error {
	manifest, dirs, err := readManifest(filepath.Join(c.source.DataDir, "modules", "modules.json"))
	if err != nil {
		return err
	}
	wanted := []string{c.source.Dir}
	for _, dir := range dirs {
		full := filepath.FromSlash(dir)
		if !filepath.IsAbs(full) {
			full = filepath.Join(c.source.Dir, full)
		}
		c.modules = append(c.modules, full)
		if !filepath.IsAbs(filepath.FromSlash(dir)) {
			wanted = append(wanted, full)
		}
	}
	if !slices.Contains(c.modules, c.source.Dir) {
		c.modules = append(c.modules, c.source.Dir)
	}
	if c.Top, err = c.reach(); err != nil {
		return err
	}
	c.Tree = c.at("tree")
	c.root = c.place(c.source.Dir)
	for _, dir := range outermost(wanted) {
		if err := c.copyTree(dir); err != nil {
			return err
		}
	}
	// Downloaded modules are copied as a whole: one may refer to what stands beside it in its own repository.
	if downloaded := filepath.Join(c.source.DataDir, "modules"); manifest != nil && within(downloaded, c.source.Dir) {
		if err := c.copyTree(downloaded); err != nil {
			return err
		}
	}
	if err := c.linkBeside(wanted); err != nil || manifest == nil {
		return err
	}
	if err := os.Mkdir(c.at("data", "modules"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(c.at("data", "modules", "modules.json"), manifest, 0o600)
}

// place is where the copy of a path is.
func (c *Copy) place(path string) string {
	rel, err := filepath.Rel(c.Top, path)
	if err != nil {
		return filepath.Join(c.Tree, filepath.Base(path)) // on another volume: then Top is no common folder
	}
	return filepath.Join(c.Tree, rel)
}

// outermost leaves out folders that lie in another one.
func outermost(dirs []string) []string {
	var out []string
	for _, dir := range slices.Compact(slices.Sorted(slices.Values(dirs))) {
		if !slices.ContainsFunc(out, func(o string) bool { return within(dir, o) }) {
			out = append(out, dir)
		}
	}
	return out
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// leftOut says what of a module is no code: states, which are looked at elsewhere, and what tools keep for themselves.
func (c *Copy) leftOut(path string, d fs.DirEntry) bool {
	name := d.Name()
	switch {
	case path == c.source.DataDir, name == ".terraform" && d.IsDir():
		return true
	case filepath.Dir(path) == c.source.Dir && (name == "terraform.tfstate.d" || strings.HasPrefix(name, "terraform.tfstate")):
		return true
	}
	return false
}

// copyTree copies a folder. Data folders within are left out, and the version control's is linked.
func (c *Copy) copyTree(from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := c.place(path)
		switch {
		case path != from && c.leftOut(path, d):
			return skipped(d)
		case d.Name() == ".git" && path != from:
			return errors.Join(link(path, to), skipped(d))
		case d.IsDir():
			return os.MkdirAll(to, 0o700)
		case d.Type()&fs.ModeSymlink != 0:
			return c.copyLink(path, to)
		case !d.Type().IsRegular():
			return nil // a pipe or a socket: reading it would hang, or take from someone else
		}
		return c.copyFile(path, to)
	})
}

func skipped(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func link(target, place string) error {
	err := os.Symlink(target, place)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// copyLink keeps a link that stays in what is copied, and leads any other one to where it led.
func (c *Copy) copyLink(path, to string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) {
		return link(target, to)
	}
	if full := filepath.Join(filepath.Dir(path), target); !within(full, c.source.Dir) {
		return link(full, to)
	}
	return link(target, to)
}

func (c *Copy) copyFile(path, to string) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	c.used.Files++
	if c.used.Bytes += info.Size(); c.used.Bytes > c.source.Limit.Bytes || c.used.Files > c.source.Limit.Files {
		return &taffrail.Error{
			Op: "copy stack", Kind: taffrail.KindInvalid, Hint: "move what is no code out of the stack's folder",
			Err: fmt.Errorf("%s holds more than %d MiB or %d files", c.source.Dir, c.source.Limit.Bytes>>20, c.source.Limit.Files),
		}
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600|info.Mode().Perm()&0o100)
	if errors.Is(err, fs.ErrExist) {
		return nil // two modules overlap
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, io.LimitReader(in, info.Size()))
	return err
}
