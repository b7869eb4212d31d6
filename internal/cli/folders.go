package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// folders are the three places where Taffrail keeps things. They are apart, because the state and the keys are what shows that
// the data was tampered with.
type folders struct {
	data   string // log and index
	state  string // what the guard remembers
	config string // keys
}

// A folderRule says where a folder is: as a flag says, else a variable, else by the XDG Base Directory Specification 0.8.
type folderRule struct {
	flag, env, xdg, fallback string
	help                     string
}

var folderRules = struct{ data, state, config folderRule }{
	folderRule{"data-dir", "TAFFRAIL_DATA_DIR", "XDG_DATA_HOME", ".local/share", "folder of the log and its index"},
	folderRule{"state-dir", "TAFFRAIL_STATE_DIR", "XDG_STATE_HOME", ".local/state", "folder of the guard's state; never in one backup with the log"},
	folderRule{"config-dir", "TAFFRAIL_CONFIG_DIR", "XDG_CONFIG_HOME", ".config", "folder of the keys"},
}

// find gives the folder as an absolute path.
func (f folderRule) find(flagged string, getenv func(string) string) (string, error) {
	dir := flagged
	if dir == "" {
		dir = getenv(f.env)
	}
	if dir != "" {
		return filepath.Abs(dir)
	}
	// "If an implementation encounters a relative path in any of these variables it should consider the path invalid
	// and ignore it."
	if base := getenv(f.xdg); filepath.IsAbs(base) {
		return filepath.Join(base, "taffrail"), nil
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", fmt.Errorf("there is no home folder to keep it in: HOME is %q", home)
	}
	return filepath.Join(home, filepath.FromSlash(f.fallback), "taffrail"), nil
}

// findFolders gives the three folders, and refuses two that are one or lie in one another.
func findFolders(flags folders, getenv func(string) string) (folders, error) {
	var found folders
	for _, f := range []struct {
		rule    folderRule
		flagged string
		to      *string
	}{
		{folderRules.data, flags.data, &found.data},
		{folderRules.state, flags.state, &found.state},
		{folderRules.config, flags.config, &found.config},
	} {
		dir, err := f.rule.find(f.flagged, getenv)
		if err != nil {
			return folders{}, &taffrail.Error{
				Op: "find the " + f.rule.help, Kind: taffrail.KindInvalid, Err: err,
				Hint: fmt.Sprintf("give --%s, or set %s", f.rule.flag, f.rule.env),
			}
		}
		*f.to = dir
	}
	return found, found.check()
}

func (f folders) check() error {
	pairs := [][2]struct{ name, dir string }{
		{{"guard's state", f.state}, {"log", f.data}},
		{{"keys", f.config}, {"log", f.data}},
		{{"keys", f.config}, {"guard's state", f.state}},
	}
	for _, p := range pairs {
		a, b := resolve(p[0].dir), resolve(p[1].dir)
		if !within(a, b) && !within(b, a) {
			continue
		}
		return &taffrail.Error{
			Op: "find folders", Kind: taffrail.KindInvalid,
			Err:  fmt.Errorf("the folder of the %s (%s) and that of the %s (%s) are one, or lie in one another", p[0].name, p[0].dir, p[1].name, p[1].dir),
			Hint: "keep them apart: whoever restores or edits one must not take the other along; see --data-dir, --state-dir, --config-dir",
		}
	}
	return nil
}

// within says whether a path is a folder or lies in it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// resolve follows the links in that part of a path which exists.
func resolve(path string) string {
	resolved, err := filepath.EvalSymlinks(path)
	if err == nil {
		return resolved
	}
	parent := filepath.Dir(path)
	if parent == path || !errors.Is(err, os.ErrNotExist) {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}
