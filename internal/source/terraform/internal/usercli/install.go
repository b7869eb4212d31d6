package usercli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// A Locked is a provider as a lock file has it.
type Locked struct {
	Provider addr.Provider
	Version  string
	Hashes   []string
}

// installTime bounds one installation, which may download some hundred megabytes.
const installTime = 10 * time.Minute

// Install has the tool put one provider into a folder that is not there yet, in the layout of a mirror. None of the stack's code takes
// part: the tool's init is run over a module that asks for this provider in this version and nothing else, with a lock file that it
// may not change, and it checks what it gets against the hashes. From where the tool takes it, its own configuration says.
//
// If we stop before the end, a folder with another name stays, which nobody looks into. Several may do this at once: the first
// one to rename wins, and the others find what it left.
func (t Tool) Install(ctx context.Context, w Locked, folder string, environ []string) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return failed(err)
	}
	work, err := os.MkdirTemp(filepath.Dir(folder), ".install-")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(work) }() // what is wanted of it has another name by then
	packages := filepath.Join(work, "packages")
	if err := w.module(filepath.Join(work, "module"), packages); err != nil {
		return failed(err)
	}
	if err := t.init(ctx, filepath.Join(work, "module"), packages, environ); err != nil {
		return err
	}
	if err := os.Rename(packages, folder); err != nil && !isFolder(folder) {
		return failed(err)
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// module writes the code and the lock file that ask for the provider.
func (w Locked) module(dir, packages string) error {
	lock := fmt.Sprintf("provider %s {\n  version = %s\n  hashes = [\n", quoted(w.Provider.String()), quoted(w.Version))
	for _, h := range w.Hashes {
		lock += "    " + quoted(h) + ",\n"
	}
	lock += "  ]\n}\n"
	code := map[string]any{"terraform": map[string]any{"required_providers": map[string]any{
		"wanted": map[string]any{"source": w.Provider.String(), "version": w.Version},
	}}}
	return errors.Join(
		os.Mkdir(dir, 0o700), os.Mkdir(packages, 0o700),
		os.WriteFile(filepath.Join(dir, ".terraform.lock.hcl"), []byte(lock), 0o600),
		writeJSON(filepath.Join(dir, "main.tf.json"), code),
	)
}

// quoted writes a text as HCL does, where it holds nothing that has a meaning there.
func quoted(s string) string {
	text, err := json.Marshal(strings.NewReplacer("${", "", "%{", "").Replace(s))
	if err != nil {
		return `""`
	}
	return string(text)
}

// init runs the tool's init, never with -upgrade. What it downloads goes to our folder, not to the user's cache of plugins.
func (t Tool) init(ctx context.Context, dir, packages string, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	env = slices.DeleteFunc(environ(env), func(entry string) bool { return strings.HasPrefix(entry, "TF_PLUGIN_CACHE") })
	out := &kept{most: 64 << 10}
	j := job{path: t.Path, dir: dir, environ: append(env, "TF_PLUGIN_CACHE_DIR="+packages, "TF_DATA_DIR="+filepath.Join(dir, ".terraform")), out: out}
	err := j.run(ctx, "init", "-backend=false", "-input=false", "-no-color", "-lockfile=readonly")
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &taffrail.Error{
		Op: "install provider", Kind: taffrail.KindUnavailable, Err: fmt.Errorf("%s init could not install it: %w", t.Name, err),
		Hint: fmt.Sprintf("run `%s init` in the stack's folder and see what it says", t.Name),
	}
}
