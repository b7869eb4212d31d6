package cloudtrail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// A folder is a shelf on this machine: a folder and all below it, or one file.
type folder struct {
	root string
	only string // the name of the one file
}

// openFolder takes a path, which need not be there yet when it is a folder's.
func openFolder(name string) (*folder, error) {
	root, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		return &folder{filepath.Dir(root), filepath.Base(root)}, nil
	}
	return &folder{root, ""}, nil
}

func (d *folder) describe(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }

// list tells of each file when it arrived here: when its inode was changed last, which nobody can set back, and which a copy does not bring along.
// A folder that was moved here as a whole does not touch what is in it; that it was moved shows in its own inode.
func (d *folder) list(ctx context.Context, f func(file) error) error {
	if _, err := os.Stat(d.root); err != nil {
		return unreadable(d.root, err)
	}
	return d.walk(ctx, ".", time.Time{}, f)
}

func (d *folder) walk(ctx context.Context, dir string, moved time.Time, f func(file) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(d.root, dir))
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		return nil // it went while we looked
	}
	if err != nil {
		return unreadable(d.describe(dir), err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		info, err := os.Stat(filepath.Join(d.root, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return unreadable(d.describe(name), err)
		case info.IsDir() && d.only == "" && e.Type()&fs.ModeSymlink == 0 && !strings.HasPrefix(e.Name(), "."):
			arrived := moved
			if t := arrival(info); t.After(info.ModTime()) && t.After(arrived) {
				arrived = t
			}
			err = d.walk(ctx, name, arrived, f)
		case info.Mode().IsRegular() && (d.only == "" || e.Name() == d.only || mayGrow(d.only) && strings.HasPrefix(e.Name(), d.only+".")):
			err = f(d.file(name, info, moved))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *folder) file(name string, info fs.FileInfo, moved time.Time) file {
	at := arrival(info)
	if moved.After(at) {
		at = moved
	}
	key := filepath.ToSlash(name)
	return file{key: key, arrived: at.UTC(), size: info.Size(), id: inode(info), grows: mayGrow(key)}
}

func (d *folder) open(_ context.Context, key string) (io.ReadCloser, error) {
	f, err := os.Open(d.describe(key))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(d.describe(key), err)
	}
	return f, err
}

// signature stands beside the digest in a file, since a file has no metadata of S3.
func (d *folder) signature(_ context.Context, key string) (string, error) {
	text, err := os.ReadFile(d.describe(key + signatureEnding))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", unreadable(d.describe(key+signatureEnding), err)
	}
	return string(text), nil
}

// locate goes by what is the same in the digest's own key and in the key that it was written to.
func (d *folder) locate(key string, of digest.Digest, _, object string) string {
	if prefix, ok := strings.CutSuffix(key, of.Object); ok {
		return prefix + object
	}
	if above, ok := strings.CutSuffix(of.Object, key); ok {
		return strings.TrimPrefix(object, above)
	}
	return object
}

// unreadable is the error for a file that cannot be read.
func unreadable(name string, err error) error {
	e := &taffrail.Error{Op: "read events of CloudTrail", Kind: taffrail.KindUnavailable, Err: fmt.Errorf("read %s: %w", name, cause(err)), Hint: "look whether the disk is well"}
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "let the user that runs taffrail read it"
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = taffrail.KindNotFound, "check `path`"
	}
	return e
}

// cause leaves the path out of an error that names it.
func cause(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}
