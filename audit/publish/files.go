package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
)

// maxCheckpoint is more than any checkpoint has, in bytes.
const maxCheckpoint = 1 << 20

// tempName is the one name under which files are written. One that was left by a process that was stopped is removed by the next.
const tempName = ".publish.tmp"

// steps lets a test fail at each step that changes the disk. Nil lets all succeed.
type steps func(step, name string) error

func (s steps) at(step, name string) error {
	if s == nil {
		return nil
	}
	return s(step, name)
}

// files are those of a folder. Names are relative to it, and nothing leads out of it.
type files struct {
	root     *os.Root
	steps    steps
	unsynced map[string]bool // folders in which a name may not be on the disk yet
}

// read reads a file, of one that has more than limit bytes only one byte more.
func (f *files) read(name string, limit int64) ([]byte, error) {
	info, err := f.root.Lstat(name) // what is renamed over a link leaves behind the file that it pointed to
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", name)
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not make us wait
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit+1))
}

// write puts content in the place of a file, whole. If we stop before the rename, the old content is there, or nothing, and a file under
// tempName, which is no part of the log. After it, either may be there once the power is back: the sync of the folder decides that.
func (f *files) write(name string, content []byte) error {
	if err := f.makeFolders(path.Dir(name)); err != nil {
		return err
	}
	if err := f.root.Remove(tempName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.writeSynced(tempName, content); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.steps.at("rename", name); err != nil {
		return err
	}
	if err := f.root.Rename(tempName, name); err != nil {
		return err
	}
	return f.steps.at("renamed", name)
}

func (f *files) writeSynced(name string, content []byte) error {
	if err := f.steps.at("create", name); err != nil {
		return err
	}
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = f.steps.at("write", name)
	if err == nil {
		_, err = file.Write(content)
	}
	if err == nil {
		err = f.steps.at("sync file", name)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// makeFolders makes a folder and those above it, as far as they are not there.
func (f *files) makeFolders(name string) error {
	if info, err := f.root.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	if err := f.makeFolders(path.Dir(name)); err != nil {
		return err
	}
	if err := f.steps.at("make folder", name); err != nil {
		return err
	}
	if err := f.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// touch notes that the folders on the way to a file are to be synced.
func (f *files) touch(name string) {
	for name != "." && !f.unsynced[path.Dir(name)] {
		name = path.Dir(name)
		f.unsynced[name] = true
	}
}

// syncAll syncs the folders that were touched, each before the one that it stands in.
func (f *files) syncAll(ctx context.Context) error {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(f.unsynced))) {
		err := ctx.Err()
		if err == nil {
			err = f.steps.at("sync folder", name)
		}
		if err == nil {
			err = f.syncFolder(name)
		}
		if err != nil {
			return err
		}
		delete(f.unsynced, name)
	}
	return nil
}

func (f *files) syncFolder(name string) error {
	d, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) { // it was removed since
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeFolder makes the folder itself and those above it, each durable before the next.
func makeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
