// Package git says at which commit a folder of code is, and whether the folder holds what the commit does not.
//
// A repository is only read: no index is refreshed, no hook, filter or file monitor is run, and nothing but its objects and the
// folder itself is looked at. So a folder of a large repository costs what the folder is worth.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/taffrail-dev/taffrail"
)

// Commit tells the commit that is checked out around a folder; nil where there is none: no repository, one without a commit, or
// a folder that its repository ignores. A folder whose state cannot be told in the time that ctx gives is called dirty, since
// nothing vouches for it.
func Commit(ctx context.Context, dir string) (*taffrail.Commit, error) {
	r, err := find(dir)
	if err != nil || r == nil {
		return nil, err
	}
	commit, tree, err := r.head()
	if err != nil || commit == nil {
		return nil, err
	}
	c, err := r.comparison(tree)
	if err != nil || c == nil {
		return nil, err
	}
	commit.Dirty = c.dirty(ctx)
	return commit, nil
}

// A repository is a working tree with its objects.
type repository struct {
	root   string // of the working tree, with no links in it
	folder string // of interest, relative to the root, with slashes; empty for the root itself
	dir    string // ".git", or what it leads to
	common string // what the working trees of one repository share; often the same
	store  *filesystem.Storage
}

// find looks for the repository that a folder is in.
func find(dir string) (*repository, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	for root := dir; ; root = filepath.Dir(root) {
		gitDir, err := gitDirOf(root)
		if errors.Is(err, fs.ErrNotExist) && filepath.Dir(root) != root {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		folder, err := filepath.Rel(root, dir)
		if err != nil {
			return nil, err
		}
		if folder == "." {
			folder = ""
		}
		return open(&repository{root: root, folder: filepath.ToSlash(folder), dir: gitDir})
	}
}

// gitDirOf gives the folder of a repository's own files: ".git", or, in a worktree or a submodule, what the file of that name says.
func gitDirOf(root string) (string, error) {
	path := filepath.Join(root, ".git")
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return path, err
	}
	text, err := readLine(path)
	if err != nil {
		return "", err
	}
	target, ok := strings.CutPrefix(text, "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s: it names no folder", path)
	}
	return absolute(root, target), nil
}

func absolute(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// readLine reads a file of one line.
func readLine(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	const most = 1 << 16
	if !info.Mode().IsRegular() || info.Size() > most {
		return "", fmt.Errorf("%s: it is no small file", path)
	}
	data, err := os.ReadFile(path)
	return strings.TrimSpace(string(data)), err
}

func open(r *repository) (*repository, error) {
	r.common = r.dir
	var shared billy.Filesystem
	switch text, err := readLine(filepath.Join(r.dir, "commondir")); {
	case err == nil:
		r.common = absolute(r.dir, text)
		shared = osfs.New(r.common)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	files := dotgit.NewRepositoryFilesystem(osfs.New(r.dir), shared)
	r.store = filesystem.NewStorageWithOptions(files, cache.NewObjectLRU(cache.MiByte), filesystem.Options{ExclusiveAccess: true})
	return r, nil
}

// head gives the commit that is checked out, and the hash of its tree; nil where nothing was committed yet.
func (r *repository) head() (*taffrail.Commit, plumbing.Hash, error) {
	none := plumbing.ZeroHash
	head, err := r.store.Reference(plumbing.HEAD)
	if err != nil {
		return nil, none, fmt.Errorf("read HEAD: %w", err)
	}
	commit := &taffrail.Commit{}
	if head.Type() == plumbing.SymbolicReference && head.Target().IsBranch() {
		commit.Ref = head.Target().Short()
	}
	resolved, err := storer.ResolveReference(r.store, plumbing.HEAD)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil, none, nil
	}
	if err != nil {
		return nil, none, fmt.Errorf("resolve HEAD: %w", err)
	}
	commit.Hash = resolved.Hash().String()
	tree, err := r.treeOf(resolved.Hash())
	return commit, tree, err
}

// treeOf reads which tree a commit holds: the first line of its object.
func (r *repository) treeOf(commit plumbing.Hash) (plumbing.Hash, error) {
	data, err := r.object(plumbing.CommitObject, commit)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	text, ok := bytes.CutPrefix(line, []byte("tree "))
	if !ok || !plumbing.IsHash(string(text)) {
		return plumbing.ZeroHash, fmt.Errorf("commit %s has no tree", commit)
	}
	return plumbing.NewHash(string(text)), nil
}

// maxObject bounds the commits and trees that are read, in bytes.
const maxObject = 64 << 20

func (r *repository) object(kind plumbing.ObjectType, hash plumbing.Hash) ([]byte, error) {
	o, err := r.store.EncodedObject(kind, hash)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, hash, err)
	}
	if o.Size() > maxObject {
		return nil, fmt.Errorf("read %s %s: it has %d bytes", kind, hash, o.Size())
	}
	reader, err := o.Reader()
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, hash, err)
	}
	defer reader.Close()
	return io.ReadAll(reader)
}
