// Package stage sets up what the suites of the examples play on: programs of this module and the tofu and terraform of this machine, a mirror
// of providers, and a stack in a folder of its own, in an environment that leads nowhere else.
package stage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// EnvProgram names a tofu or terraform to test with, before those in PATH.
const EnvProgram = "TAFFRAIL_TEST_TOFU"

// Missing is what a test that is skipped says where there are no programs.
const Missing = "neither tofu nor terraform is in PATH, and " + EnvProgram + " names none: nothing was applied"

// Programs are the programs of this machine that can apply a stack, OpenTofu first.
func Programs() []string {
	var found []string
	for _, name := range []string{os.Getenv(EnvProgram), "tofu", "terraform"} {
		if path, err := exec.LookPath(name); err == nil && !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	return found
}

// EnvBuilt names a folder of programs of this module that were built once for all suites of a run, each under the last name of its package.
const EnvBuilt = "TAFFRAIL_TEST_BUILT"

// Build builds packages of this module, by where in the folder they go. What was built for all suites is linked instead: nobody may write to it.
func Build(folder string, packages map[string]string) error {
	for target, source := range packages {
		target = filepath.Join(folder, target)
		linked, err := link(target, source)
		if err != nil {
			return err
		}
		if linked {
			continue
		}
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", target, "github.com/taffrail-dev/taffrail/"+source)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", source, err, out)
		}
	}
	return nil
}

// link says whether a program was built for all suites, and is there now.
func link(target, source string) (bool, error) {
	folder := os.Getenv(EnvBuilt)
	if folder == "" {
		return false, nil
	}
	built := filepath.Join(folder, path.Base(source))
	if _, err := os.Stat(built); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return false, err
	}
	err := os.Link(built, target)
	return err == nil, err
}

// Mirror is the folder, beside the CLI's configuration, from which alone providers come.
const Mirror = "mirror"

// Plugin is where a folder's mirror has a provider, whose source is HOST/NAMESPACE/NAME.
func Plugin(source, version string) string {
	name := source[strings.LastIndex(source, "/")+1:]
	return filepath.Join(Mirror, filepath.FromSlash(source), version, runtime.GOOS+"_"+runtime.GOARCH, "terraform-provider-"+name+"_v"+version)
}

// Config writes the CLI's configuration for a folder's mirror, and gives its path.
func Config(folder string) (path string, err error) {
	mirror, err := json.Marshal(filepath.Join(folder, Mirror))
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "cli.tfrc")
	text := "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = " + string(mirror) + "\n  }\n}\n"
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// Copy copies the code of a root module and of the modules in it, and nothing that a run in its place has left there.
func Copy(target, source string) error {
	files, err := filepath.Glob(filepath.Join(source, "*.tf"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s holds no code: %w", source, errors.Join(err, os.ErrNotExist))
	}
	inner, err := filepath.Glob(filepath.Join(source, "modules", "*", "*.tf"))
	if err != nil {
		return err
	}
	for _, file := range append(files, inner...) {
		below, err := filepath.Rel(source, file)
		if err != nil {
			return err
		}
		if err := CopyFile(filepath.Join(target, below), file); err != nil {
			return err
		}
	}
	return nil
}

// CopyFile copies a file, and makes the folders that it needs.
func CopyFile(target, source string) error {
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	return os.WriteFile(target, content, 0o600)
}

// Environ is our environment without what could lead a program elsewhere: the variables of the tools, of Taffrail, and those with one of these
// beginnings. It has the CLI's configuration instead, and folders below home for Taffrail.
func Environ(config, home string, without ...string) []string {
	without = append(without, "TF_", "TAFFRAIL_")
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return slices.ContainsFunc(without, func(name string) bool { return strings.HasPrefix(entry, name) })
	})
	return append(env, "TF_CLI_CONFIG_FILE="+config, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
		"TAFFRAIL_CONFIG_DIR="+filepath.Join(home, "config"), "TAFFRAIL_DATA_DIR="+filepath.Join(home, "data"), "TAFFRAIL_STATE_DIR="+filepath.Join(home, "state"))
}

// Run runs a program. That it ends with a status other than 0 is no error.
func Run(dir string, env []string, program string, args ...string) (stdout, stderr string, status int, err error) {
	var out, complaints bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &complaints
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	if err != nil {
		return "", "", 0, fmt.Errorf("run %s: %w", program, err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode(), nil
}

// Age has a state file be an hour old. Of one that was written a moment ago, Taffrail looks twice at each difference, which takes a while.
func Age(state string) error {
	old := time.Now().Add(-time.Hour)
	return os.Chtimes(state, old, old)
}
