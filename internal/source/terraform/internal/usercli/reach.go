package usercli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// readManifest reads which folder init took for each module. There is none where the code calls no modules.
func readManifest(path string) (data []byte, dirs []string, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no regular file", path)
	}
	data, err = os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var f struct{ Modules []struct{ Dir string } }
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, nil, &taffrail.Error{Op: "copy stack", Kind: taffrail.KindInvalid, Err: fmt.Errorf("%s: %w", path, err), Hint: "run init again"}
	}
	for _, m := range f.Modules {
		dirs = append(dirs, m.Dir)
	}
	return data, dirs, nil
}

var parents = regexp.MustCompile(`\.\.(?:[/\\]+\.\.)*`)

// reach gives the innermost folder that holds all modules and everything that their code can mean by "..".
func (c *Copy) reach() (string, error) {
	root := c.source.Dir
	top := root
	for _, dir := range c.modules {
		ups, err := mostParents(dir)
		if err != nil {
			return "", err
		}
		// Paths are relative to the module where code says path.module, and to the root module where it does not, which modules
		// of others have no reason to do.
		bases := []string{dir, root}
		if within(dir, c.source.DataDir) {
			bases = bases[:1]
		}
		for _, base := range bases {
			for range ups {
				base = filepath.Dir(base)
			}
			top = common(top, base)
		}
	}
	return top, nil
}

func common(a, b string) string {
	for !within(b, a) {
		if up := filepath.Dir(a); up != a {
			a = up
			continue
		}
		break
	}
	return a
}

// mostParents is how many folders up the code of a module leads at most. It looks at the text: a ".." in a comment costs a
// few links.
func mostParents(dir string) (int, error) {
	most := 0
	err := eachFile(dir, isCode, func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range parents.FindAll(data, -1) {
			most = max(most, strings.Count(string(found), ".."))
		}
		return nil
	})
	return most, err
}

func isCode(name string) bool {
	for _, ending := range []string{".tf", ".tofu", ".tf.json", ".tofu.json", ".tfvars", ".tfvars.json"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// eachFile calls for the regular files that stand in a folder itself, links to such included. A folder that is not there has none.
func eachFile(dir string, take func(name string) bool, do func(path string) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the tool will say that the module is not installed
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); !take(e.Name()) || err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := do(path); err != nil {
			return err
		}
	}
	return nil
}

// maxBeside bounds the links of one folder.
const maxBeside = 50_000

// linkBeside fills the folders above what was copied with links to what stands beside it.
func (c *Copy) linkBeside(copied []string) error {
	done := map[string]bool{}
	for _, dir := range copied {
		for dir != c.Top && within(dir, c.Top) {
			dir = filepath.Dir(dir)
			if done[dir] {
				continue
			}
			done[dir] = true
			if c.isCopied(dir, copied) {
				continue // links would bring back what was left out
			}
			if err := c.linkEntries(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Copy) isCopied(dir string, copied []string) bool {
	for _, o := range copied {
		if within(dir, o) {
			return true
		}
	}
	return false
}

func (c *Copy) linkEntries(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > maxBeside {
		return &taffrail.Error{
			Op: "copy stack", Kind: taffrail.KindInvalid, Hint: "move the stack to a folder with fewer neighbours",
			Err: fmt.Errorf("the code refers to %s, which holds more than %d files", dir, maxBeside),
		}
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if err := link(path, c.place(path)); err != nil {
			return err
		}
	}
	return nil
}
