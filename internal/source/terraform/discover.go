package terraform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// DiscoverConfig bounds the search for stacks.
type DiscoverConfig struct {
	// Depth is how many folders deep to look. 0 means 20.
	Depth int `yaml:"depth"`
	// Folders is how many folders are looked at. 0 means 100,000.
	Folders int `yaml:"folders"`
}

const (
	defaultDepth   = 20
	defaultFolders = 100_000
	systemName     = "terraform"
)

// Kinds of places.
const (
	kindRoot      = "root module"
	kindChild     = "child module"
	kindState     = "state file"
	kindUnit      = "terragrunt unit"
	kindStack     = "terragrunt stack"
	kindFolder    = "folder" // one that cannot be looked into
	localBackend  = "local"
	workspacesDir = "terraform.tfstate.d"
)

// A discoverer implements [taffrail.Discoverer]. It reads what lies in the folders, and asks no backend.
type discoverer struct {
	config DiscoverConfig
	host   host
}

func newDiscoverer(c DiscoverConfig, host host) (*discoverer, error) {
	if c.Depth < 0 || c.Folders < 0 {
		return nil, &taffrail.Error{Op: "find stacks", Kind: taffrail.KindInvalid, Err: errors.New("depth and folders are not negative")}
	}
	if c.Depth == 0 {
		c.Depth = defaultDepth
	}
	if c.Folders == 0 {
		c.Folders = defaultFolders
	}
	return &discoverer{config: c, host: host}, nil
}

// Discover implements [taffrail.Discoverer]. A link to a folder is not followed: what it leads to is found where it is, or was not
// asked for.
func (d *discoverer) Discover(ctx context.Context, dir string, emit func(taffrail.Place) error) error {
	root, err := filepath.Abs(dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return targetError(err)
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return &taffrail.Error{Op: "find stacks", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s is no folder", root), Hint: "name a folder"}
	}
	s := &search{discoverer: d, called: map[string]bool{}}
	if err := s.walk(ctx, root, 0); err != nil {
		return err
	}
	var all []taffrail.Place
	for _, f := range s.found {
		if err := ctx.Err(); err != nil {
			return err
		}
		all = append(all, s.places(f)...)
	}
	slices.SortStableFunc(all, func(a, b taffrail.Place) int { return strings.Compare(a.Dir, b.Dir) })
	for _, p := range all {
		p.System = systemName
		if err := emit(p); err != nil {
			return err
		}
	}
	return nil
}

// A search is one walk over folders. What a folder is, is said when all have been seen: a module may be called from anywhere.
type search struct {
	*discoverer
	folders int
	called  map[string]bool // folders of modules that some module calls
	found   []folder        // in the order of their paths
}

// A folder holds something of interest.
type folder struct {
	dir     string
	problem error // why it could not be looked into
	limit   string
	code    *module.Module // nil where there is none
	broken  error          // why the code could not be read
	names   map[string]bool
	states  []string // names of state files
}

// skipped are folders that hold no stacks of their own, or copies.
func skipped(name string) bool {
	if name == ".terragrunt-stack" { // generated, and applied from there
		return false
	}
	return strings.HasPrefix(name, ".") || name == "node_modules" || name == workspacesDir
}

func (s *search) walk(ctx context.Context, dir string, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.folders++; s.folders > s.config.Folders {
		if s.folders == s.config.Folders+1 {
			s.found = append(s.found, folder{dir: dir, limit: fmt.Sprintf("more than %d folders: the search ended here", s.config.Folders)})
		}
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.found = append(s.found, folder{dir: dir, problem: err})
		return nil
	}
	if f, ok := s.look(dir, entries); ok {
		s.found = append(s.found, f)
	}
	for _, e := range entries {
		if !e.IsDir() || skipped(e.Name()) {
			continue
		}
		below := filepath.Join(dir, e.Name())
		if depth+1 > s.config.Depth {
			s.found = append(s.found, folder{dir: below, limit: fmt.Sprintf("more than %d folders deep: it was not looked into", s.config.Depth)})
			continue
		}
		if err := s.walk(ctx, below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// look says whether a folder holds something of interest.
func (s *search) look(dir string, entries []fs.DirEntry) (folder, bool) {
	f := folder{dir: dir, names: map[string]bool{}}
	for _, e := range entries {
		f.names[e.Name()] = true
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".tfstate") {
			f.states = append(f.states, e.Name())
		}
	}
	code, err := module.Load(dir)
	switch {
	case err == nil:
		f.code = code
		s.note(code)
	case taffrail.KindOf(err) != taffrail.KindNotFound:
		f.broken = err
	}
	terragrunt := f.names["terragrunt.hcl"] || f.names["terragrunt.stack.hcl"]
	return f, f.code != nil || f.broken != nil || terragrunt || len(f.states) > 0 || f.names[workspacesDir]
}

// note remembers the local modules that a module calls.
func (s *search) note(m *module.Module) {
	for _, source := range m.Calls {
		if strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../") {
			path, _, _ := strings.Cut(source, "//")
			s.called[filepath.Join(m.Dir, filepath.FromSlash(path))] = true
			s.called[filepath.Join(m.Dir, filepath.FromSlash(source))] = true
		}
	}
}

// places says what a folder is.
func (s *search) places(f folder) []taffrail.Place {
	switch {
	case f.problem != nil:
		return []taffrail.Place{{Kind: kindFolder, Dir: f.dir, Problem: "it cannot be looked into: " + reasonOf(f.problem), Hint: "run as a user that may read it"}}
	case f.limit != "":
		return []taffrail.Place{{Kind: kindFolder, Dir: f.dir, Problem: f.limit, Hint: "search from a folder further down"}}
	}
	var all []taffrail.Place
	if f.names["terragrunt.stack.hcl"] {
		all = append(all, stackOfUnits(f))
	}
	if f.names["terragrunt.hcl"] {
		unit, isUnit := s.unit(f)
		if isUnit {
			return append(all, unit)
		}
	}
	if f.code != nil || f.broken != nil {
		return append(all, s.module(f))
	}
	return append(all, s.loneStates(f)...)
}

// loneStates are state files without code.
func (s *search) loneStates(f folder) []taffrail.Place {
	paths := f.states
	more, _ := filepath.Glob(filepath.Join(quoteGlob(filepath.Join(f.dir, workspacesDir)), "*", "*.tfstate")) // a fixed pattern is never bad
	for _, path := range more {
		rel, err := filepath.Rel(f.dir, path)
		if err == nil {
			paths = append(paths, rel)
		}
	}
	slices.Sort(paths)
	var all []taffrail.Place
	for _, rel := range paths {
		path := filepath.Join(f.dir, rel)
		p := taffrail.Place{Kind: kindState, Dir: filepath.Dir(path), Backend: localBackend, Target: path}
		if _, err := state.ReadHeader(path); err != nil {
			p.Target, p.Problem, p.Hint = "", reasonOf(err), taffrail.HintOf(err)
		}
		all = append(all, p)
	}
	return all
}

// quoteGlob makes a path mean itself in a pattern.
func quoteGlob(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}

// reasonOf is the text of an error without the operation, which a place does not need.
func reasonOf(err error) string {
	var e *taffrail.Error
	if errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}
