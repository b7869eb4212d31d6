package module

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// A Tree is a root module with the modules that it calls, as far as their code is at hand: it is there to say where resources
// are declared, so that what cannot be read is passed over.
type Tree struct {
	Root    *Module
	modules map[string]*Module // by path: "net.sub"; nil where there is no code
	folders map[string]*Module // by folder
	dirs    map[string]string  // as init recorded them, by path

	mu        sync.Mutex // held while modules are loaded and expressions worked out: each needs the other
	learned   bool
	sensitive []cty.Value // of sensitive variables
	stored    *recording  // what the state has of what expressions refer to; nil until it is needed
}

// maxNesting bounds how deep modules may call each other, and maxModules how many calls are followed: a folder that calls itself has no
// end.
const (
	maxNesting = 64
	maxModules = 20_000
)

// NewTree takes the root module of a tree.
func NewTree(root *Module, dataDir string) (*Tree, error) {
	t := &Tree{Root: root, modules: map[string]*Module{"": root}, folders: map[string]*Module{}}
	if root == nil {
		return t, nil
	}
	var err error
	t.dirs, err = recordedModules(filepath.Join(dataDir, "modules", "modules.json"))
	return t, err
}

func recordedModules(file string) (map[string]string, error) {
	data, err := regular.ReadFile(file, regular.MaxCode)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f struct {
		Modules []struct{ Key, Dir string }
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	dirs := map[string]string{}
	for _, m := range f.Modules {
		dirs[m.Key] = m.Dir
	}
	return dirs, nil
}

// Declaration finds where a resource is declared. The file is relative to the root module's folder, with slashes.
func (t *Tree) Declaration(module addr.Module, resourceType, name string) (d Declaration, file string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.module(module.Path())
	if m == nil {
		return Declaration{}, "", false
	}
	d, ok = m.Resources[resourceType+"."+name]
	if !ok {
		return Declaration{}, "", false
	}
	return d, t.relative(m, d.Range.Filename), true
}

func (t *Tree) relative(m *Module, name string) string {
	if filepath.IsAbs(name) { // a file of values from elsewhere
		return name
	}
	rel, err := filepath.Rel(t.Root.Dir, filepath.Join(m.Dir, name))
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// module loads a module when it is first asked for.
func (t *Tree) module(at string) *Module {
	if m, done := t.modules[at]; done {
		return m
	}
	if strings.Count(at, ".") >= maxNesting || len(t.modules) >= maxModules {
		return nil
	}
	var m *Module
	if dir, ok := t.dir(at); ok {
		m = t.load(dir)
	}
	t.modules[at] = m
	return m
}

// load reads the code of a folder once, however many calls lead to it. Broken code costs what needs it, nothing else.
func (t *Tree) load(dir string) *Module {
	m, done := t.folders[dir]
	if !done {
		m, _ = Load(dir)
		t.folders[dir] = m
	}
	return m
}

// dir is the folder of a module: recorded by init, or beside its caller.
func (t *Tree) dir(at string) (string, bool) {
	if dir, ok := t.dirs[at]; ok && t.Root != nil {
		if filepath.IsAbs(dir) {
			return dir, true
		}
		return filepath.Join(t.Root.Dir, filepath.FromSlash(dir)), true
	}
	parentPath, name := "", at
	if dot := strings.LastIndexByte(at, '.'); dot >= 0 {
		parentPath, name = at[:dot], at[dot+1:]
	}
	parent := t.module(parentPath)
	if parent == nil || at == "" {
		return "", false
	}
	source := parent.Calls[name]
	if !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../") {
		return "", false
	}
	return filepath.Join(parent.Dir, filepath.FromSlash(path.Clean(source))), true
}
