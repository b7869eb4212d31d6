package terraform

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
)

// A target is a stack that was found: where its state is, and its code.
type target struct {
	name      string // for people: the folder or the file, absolute
	dir       string // absolute; of the root module, else of the state file
	state     string // absolute; empty if a backend has it
	backend   *backend.Config
	workspace string
	dataDir   string
	code      bool  // whether the folder holds code
	unlocated error // why it is not known where the state is
	recorded  bool  // whether the backend is the one that init recorded there
}

func findTarget(c Config, host host) (target, error) {
	if backend.IsURL(c.Target) {
		return urlTarget(c, host)
	}
	path, err := filepath.Abs(c.Target)
	if err != nil {
		return target{}, &taffrail.Error{Op: "open stack", Kind: taffrail.KindInvalid, Err: err}
	}
	info, err := os.Stat(path)
	if err != nil {
		return target{}, targetError(err)
	}
	if !info.IsDir() {
		return stateTarget(c, path, host)
	}
	t := target{name: path, dir: path, dataDir: module.DataDir(path, host.getenv), code: true}
	root, err := module.Load(path)
	if taffrail.KindOf(err) == taffrail.KindNotFound {
		if beside := filepath.Join(path, "terraform.tfstate"); exists(beside) {
			return stateTarget(c, beside, host)
		}
	}
	if err != nil {
		return target{}, err
	}
	place, err := root.Locate(t.dataDir, c.Workspace, host.getenv)
	if err != nil {
		t.unlocated = err
		return t, nil
	}
	t.state, t.workspace = place.State, place.Workspace
	if b := place.Backend; b != nil {
		t.recorded = true
		t.backend = &backend.Config{
			Type: b.Type, Attributes: b.Attributes, Workspace: t.workspace, Dir: path, DataDir: t.dataDir,
			Home: host.home, Env: host.getenv, Environ: host.environ,
		}
		if name := hostedName(b); name != "" && t.workspace == defaultWorkspace {
			t.workspace = name
		}
	}
	return t, nil
}

// locate finds where the code keeps its state.
func (t target) locate(workspace string, host host) (module.Place, error) {
	root, err := module.Load(t.dir)
	if err != nil {
		return module.Place{}, err
	}
	return root.Locate(t.dataDir, cmp.Or(workspace, t.workspace), host.getenv)
}

// stateTarget takes a state file. The folder that it stands in may hold the code, and for a workspace's state the folder above
// terraform.tfstate.d.
func stateTarget(c Config, path string, host host) (target, error) {
	t := target{name: path, dir: filepath.Dir(path), state: path, workspace: "default"}
	if above := filepath.Dir(t.dir); filepath.Base(above) == "terraform.tfstate.d" {
		t.workspace = filepath.Base(t.dir)
		t.dir = filepath.Dir(above)
	}
	t.workspace = cmp.Or(c.Workspace, t.workspace)
	t.dataDir = module.DataDir(t.dir, host.getenv)
	_, err := module.Load(t.dir)
	t.code = err == nil
	if err != nil && taffrail.KindOf(err) != taffrail.KindNotFound {
		return target{}, err
	}
	return t, nil
}

func targetError(err error) error {
	e := &taffrail.Error{Op: "open stack", Kind: taffrail.KindInvalid, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = taffrail.KindNotFound, "name the folder of a root module, a state file, or the URL of a state"
	case errors.Is(err, fs.ErrPermission):
		e.Kind = taffrail.KindDenied
	}
	return e
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// locked says whether somebody holds the lock of the state: an apply is likely under way.
func (t target) locked() (string, bool) {
	name := filepath.Base(t.state)
	if name[0] == '.' {
		name = name[1:]
	}
	file := "." + name + ".lock.info"
	return file, exists(filepath.Join(filepath.Dir(t.state), file))
}

// load reads the code anew: between two reads of a stack it may change. The tree of a stack without code is empty.
func (t target) load() (*module.Tree, error) {
	if !t.code {
		return module.NewTree(nil, t.dataDir)
	}
	root, err := module.Load(t.dir)
	if err != nil {
		return nil, err
	}
	tree, err := module.NewTree(root, t.dataDir)
	if err != nil {
		return nil, &taffrail.Error{Op: "read modules", Kind: taffrail.KindInvalid, Err: err, Hint: fmt.Sprintf("run init in %s", t.dir)}
	}
	return tree, nil
}
