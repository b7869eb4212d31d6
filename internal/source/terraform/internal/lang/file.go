package lang

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

// functions are those that depend on where the stack is.
func (f Folder) functions() map[string]function.Function {
	path := func(work func(string) (cty.Value, error)) function.Function {
		return texts(cty.String, 1, func(s []string) (cty.Value, error) { return work(s[0]) })
	}
	content := func(form func([]byte) string) function.Function {
		return path(func(name string) (cty.Value, error) {
			data, err := f.read(name)
			return cty.StringVal(form(data)), err
		})
	}
	return map[string]function.Function{
		"abspath":    path(func(s string) (cty.Value, error) { return cty.StringVal(filepath.ToSlash(f.absolute(s))), nil }),
		"basename":   path(func(s string) (cty.Value, error) { return cty.StringVal(filepath.Base(s)), nil }),
		"dirname":    path(func(s string) (cty.Value, error) { return cty.StringVal(filepath.Dir(s)), nil }),
		"pathexpand": path(func(s string) (cty.Value, error) { s, err := f.expand(s); return cty.StringVal(s), err }),
		"file":       path(f.text),
		"fileexists": texts(cty.Bool, 1, func(s []string) (cty.Value, error) { return f.exists(s[0]) }),
		"fileset":    texts(cty.Set(cty.String), 2, func(s []string) (cty.Value, error) { return f.set(s[0], s[1]) }),
		"filebase64": content(base64.StdEncoding.EncodeToString),
		"filemd5":    content(hexMD5), "filesha1": content(hexSHA1), "filesha256": content(hexSHA256), "filesha512": content(hexSHA512),
		"filebase64sha256": content(base64SHA256), "filebase64sha512": content(base64SHA512),
	}
}

func (f Folder) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(f.Dir, path)
}

// expand puts the home folder in the place of a leading "~".
func (f Folder) expand(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	switch {
	case !ok:
		return path, nil
	case rest != "" && rest[0] != '/' && rest[0] != filepath.Separator:
		return "", errors.New("the home of another user is not looked up")
	case f.Home == "":
		return "", errors.New("the home folder is not known")
	}
	return filepath.Join(f.Home, rest), nil
}

func (f Folder) read(path string) ([]byte, error) {
	path, err := f.expand(path)
	if err != nil {
		return nil, err
	}
	return regular.ReadFile(f.absolute(path), regular.MaxCode)
}

func (f Folder) text(path string) (cty.Value, error) {
	data, err := f.read(path)
	if err != nil {
		return cty.NilVal, err
	}
	return text(data)
}

func (f Folder) exists(path string) (cty.Value, error) {
	path, err := f.expand(path)
	if err != nil {
		return cty.NilVal, err
	}
	info, err := os.Stat(f.absolute(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cty.False, nil
	case err != nil:
		return cty.NilVal, err
	case !info.Mode().IsRegular():
		return cty.NilVal, errors.New("it is no regular file")
	}
	return cty.True, nil
}

// maxVisited bounds how many names a pattern is compared with.
const maxVisited = 1 << 20

// set finds the regular files below a folder whose names fit a pattern, in which ** stands for any number of folders.
func (f Folder) set(dir, pattern string) (cty.Value, error) {
	base, rest := doublestar.SplitPattern(filepath.ToSlash(filepath.Join(f.absolute(dir), pattern)))
	walked := &walked{FS: os.DirFS(base)}
	var names []cty.Value
	err := doublestar.GlobWalk(walked, rest, func(match string, _ fs.DirEntry) error {
		full := filepath.Join(base, match)
		info, err := os.Stat(full)
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		name, err := filepath.Rel(f.absolute(dir), full)
		names = append(names, cty.StringVal(filepath.ToSlash(name)))
		return err
	})
	switch {
	case err != nil:
		return cty.NilVal, err
	case walked.n > maxVisited:
		return cty.NilVal, errors.New("there are too many files to look at")
	case len(names) == 0:
		return cty.SetValEmpty(cty.String), nil
	}
	return cty.SetVal(names), nil
}

// A walked is a tree that ends after so many names.
type walked struct {
	fs.FS
	n int
}

// Stat implements [fs.StatFS]: without it a name is opened, and a pipe waits.
func (w *walked) Stat(name string) (fs.FileInfo, error) { return fs.Stat(w.FS, name) }

// ReadDir implements [fs.ReadDirFS].
func (w *walked) ReadDir(name string) ([]fs.DirEntry, error) {
	if w.n > maxVisited {
		return nil, errors.New("too many names")
	}
	entries, err := fs.ReadDir(w.FS, name)
	w.n += len(entries)
	return entries, err
}
