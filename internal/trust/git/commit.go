package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/taffrail-dev/taffrail/audit"
)

const (
	fileName = "checkpoint"
	maxName  = 200     // of a folder's name
	maxNote  = 1 << 16 // bytes
)

// openClone opens a bare repository in a folder, or in memory, and makes it if there is none.
func openClone(folder string) (*gogit.Repository, error) {
	var s storage.Storer = memory.NewStorage()
	if folder != "" {
		s = filesystem.NewStorage(osfs.New(folder), cache.NewObjectLRUDefault())
	}
	clone, err := gogit.Init(s, nil)
	if errors.Is(err, gogit.ErrRepositoryAlreadyExists) {
		clone, err = gogit.Open(s, nil)
	}
	if err != nil {
		return nil, invalid(fmt.Errorf("%s: %w", folder, err), "set `folder` to one of this anchor's own, that taffrail can write to")
	}
	return clone, nil
}

// pathOf is where the checkpoints of a log are.
func pathOf(cp audit.Checkpoint) (string, error) {
	if head, err := headOf(cp.Note); err != nil || head != cp.Head || len(cp.Note) > maxNote {
		return "", errors.New("the note is not that of the checkpoint")
	}
	folder := escape(cp.Origin)
	if len(folder) > maxName {
		return "", fmt.Errorf("the origin of the log is too long for the name of a folder: %.80q", cp.Origin)
	}
	return folder + "/" + fileName, nil
}

// escape makes a name of a folder that every file system takes, and no other origin has.
func escape(origin string) string {
	var b strings.Builder
	for i, c := range []byte(origin) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if letter || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// headOf is what a note says of the log; nobody has looked at its signatures.
func headOf(msg []byte) (audit.Head, error) {
	text, _, ok := bytes.Cut(msg, []byte("\n\n"))
	if !ok {
		return audit.Head{}, errors.New("it is no signed note")
	}
	return audit.ParseCheckpoint(append(bytes.Clone(text), '\n'))
}

// noteAt is what a file holds at a commit; nil if there is none, also where there is no commit.
func (a *anchor) noteAt(at plumbing.Hash, path string) ([]byte, error) {
	if at.IsZero() {
		return nil, nil
	}
	commit, err := a.clone.CommitObject(at)
	if err != nil {
		return nil, err
	}
	file, err := commit.File(path)
	if errors.Is(err, object.ErrFileNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := file.Reader()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxNote+1))
	return text, errors.Join(err, r.Close())
}

func (a *anchor) timeOf(at plumbing.Hash) (time.Time, error) {
	commit, err := a.clone.CommitObject(at)
	if err != nil {
		return time.Time{}, err
	}
	return commit.Committer.When.UTC(), nil
}

// contains says whether a commit is part of the history of a tip.
func (a *anchor) contains(tip, commit plumbing.Hash) (bool, error) {
	if tip.IsZero() || commit == tip {
		return commit == tip, nil
	}
	from, err := a.clone.CommitObject(tip)
	if err != nil {
		return false, err
	}
	found := false
	err = object.NewCommitPreorderIter(from, nil, nil).ForEach(func(c *object.Commit) error {
		if found = c.Hash == commit; found {
			return storer.ErrStop
		}
		return nil
	})
	return found, err
}

// commit stores the objects that put a checkpoint on top of a tip, and gives the commit's hash. Nothing points to it yet.
func (a *anchor) commit(tip plumbing.Hash, path string, cp audit.Checkpoint) (plumbing.Hash, error) {
	blob, err := a.store(plumbing.BlobObject, func(o plumbing.EncodedObject) error {
		w, err := o.Writer()
		if err != nil {
			return err
		}
		_, err = w.Write(cp.Note)
		return errors.Join(err, w.Close())
	})
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var root *object.Tree
	var parents []plumbing.Hash
	if !tip.IsZero() {
		commit, err := a.clone.CommitObject(tip)
		if err == nil {
			root, err = commit.Tree()
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		parents = []plumbing.Hash{tip}
	}
	tree, err := a.with(root, path, blob)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	who := object.Signature{Name: a.author.Name, Email: a.author.Address, When: a.now().UTC()}
	commit := &object.Commit{
		Author: who, Committer: who, TreeHash: tree, ParentHashes: parents,
		Message: fmt.Sprintf("checkpoint %s %d\n\norigin: %s\nsize: %d\nroot: %s\n", cp.Origin, cp.Size, cp.Origin, cp.Size, cp.Root),
	}
	return a.store(plumbing.CommitObject, commit.Encode)
}

// with gives the tree that has a blob at a path of two elements, and all else as it is.
func (a *anchor) with(root *object.Tree, path string, blob plumbing.Hash) (plumbing.Hash, error) {
	folder, name, _ := strings.Cut(path, "/")
	var inside []object.TreeEntry
	var beside []object.TreeEntry
	if root != nil {
		beside = root.Entries
		old, err := root.Tree(folder)
		if err != nil && !errors.Is(err, object.ErrDirectoryNotFound) {
			return plumbing.ZeroHash, err
		}
		if err == nil {
			inside = old.Entries
		}
	}
	sub, err := a.tree(inside, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: blob})
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return a.tree(beside, object.TreeEntry{Name: folder, Mode: filemode.Dir, Hash: sub})
}

// tree stores entries with one of them put in, or in the place of the one that has its name.
func (a *anchor) tree(entries []object.TreeEntry, entry object.TreeEntry) (plumbing.Hash, error) {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e object.TreeEntry) bool { return e.Name == entry.Name })
	entries = append(entries, entry)
	sort.Sort(object.TreeEntrySorter(entries))
	return a.store(plumbing.TreeObject, (&object.Tree{Entries: entries}).Encode)
}

func (a *anchor) store(t plumbing.ObjectType, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	o := a.clone.Storer.NewEncodedObject()
	o.SetType(t)
	if err := encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return a.clone.Storer.SetEncodedObject(o)
}
