package git

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// maxFiles bounds how many files of a folder are looked at.
const maxFiles = 50000

// A committed is a file of a commit.
type committed struct {
	hash plumbing.Hash
	mode filemode.FileMode
}

// An entry is one of a tree object.
type entry struct {
	name string
	committed
}

var errBrokenTree = errors.New("a tree object is damaged")

// parseTree reads a tree object: for each entry its mode in octal, a space, its name, a zero byte and a hash of 20 bytes
// (git's own format; repositories with SHA-256 are not read).
func parseTree(data []byte) ([]entry, error) {
	var entries []entry
	for len(data) > 0 {
		head, rest, found := bytes.Cut(data, []byte{0})
		mode, name, spaced := bytes.Cut(head, []byte(" "))
		if !found || !spaced || len(name) == 0 || len(rest) < len(plumbing.ZeroHash) {
			return nil, errBrokenTree
		}
		m, err := filemode.New(string(mode))
		if err != nil {
			return nil, errBrokenTree
		}
		e := entry{name: string(name), committed: committed{mode: m}}
		copy(e.hash[:], rest)
		entries = append(entries, e)
		data = rest[len(e.hash):]
	}
	return entries, nil
}

func (r *repository) entries(tree plumbing.Hash) ([]entry, error) {
	data, err := r.object(plumbing.TreeObject, tree)
	if err != nil {
		return nil, err
	}
	return parseTree(data)
}

// folderTree finds the tree of a folder below a tree; false if the commit has no such folder.
func (r *repository) folderTree(tree plumbing.Hash, folder string) (plumbing.Hash, bool, error) {
	if folder == "" {
		return tree, true, nil
	}
	for part := range strings.SplitSeq(folder, "/") {
		entries, err := r.entries(tree)
		if err != nil {
			return tree, false, err
		}
		found := false
		for _, e := range entries {
			if e.name == part && e.mode == filemode.Dir {
				tree, found = e.hash, true
			}
		}
		if !found {
			return tree, false, nil
		}
	}
	return tree, true, nil
}

// list collects the files of a tree, by their paths from the root of the working tree.
func (r *repository) list(tree plumbing.Hash, below string, into map[string]committed) error {
	entries, err := r.entries(tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(into) >= maxFiles {
			return fmt.Errorf("%s holds more than %d files", below, maxFiles)
		}
		at := path.Join(below, e.name)
		if e.mode != filemode.Dir {
			into[at] = e.committed
			continue
		}
		if err := r.list(e.hash, at, into); err != nil {
			return err
		}
	}
	return nil
}
