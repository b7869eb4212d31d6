// Package local reads the file of a state that only the tool can make sense of, such as one that OpenTofu encrypted: its version is
// told from what it holds, so that the tool is asked only when that changed.
package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one file.
type Reader struct {
	config  remote.Config
	path    string // absolute
	written time.Time
}

// Open takes the settings of the backend "local". Unlike the tool's, its path is that of the very file, whatever the workspace.
func Open(_ context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	r := &Reader{config: c, path: c.Path(s.Required("path"))}
	return r, s.Err()
}

// Name is the path.
func (r *Reader) Name() string { return r.path }

// Fetch gives the file unless its digest is the known one.
func (r *Reader) Fetch(_ context.Context, known string) ([]byte, string, error) {
	info, err := os.Stat(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", remote.NotFound(r.path)
	case err != nil:
		return nil, "", remote.Denied("run as a user that may read it", "%w", err)
	case !info.Mode().IsRegular():
		return nil, "", remote.Invalid("copy the state into a file", "%s is no regular file", r.path)
	case info.Size() > r.config.Limit:
		return nil, "", remote.TooLarge(r.path, r.config.Limit)
	}
	f, err := os.Open(r.path)
	if err != nil {
		return nil, "", remote.Denied("run as a user that may read it", "%w", err)
	}
	defer f.Close()
	body, err := r.config.ReadAll(r.path, f)
	if err != nil {
		return nil, "", err
	}
	r.written = info.ModTime()
	version := remote.Digest(body)
	if version == known {
		return nil, known, nil
	}
	return body, version, nil
}

// Written is when the state that was fetched last was written, by the word of the file system; zero where it does not say.
func (r *Reader) Written() time.Time { return r.written }

// Locked looks for the file that the tool writes while it holds the lock.
func (r *Reader) Locked(context.Context) (remote.Lock, error) {
	name := "." + strings.TrimPrefix(filepath.Base(r.path), ".") + ".lock.info"
	info, err := os.ReadFile(filepath.Join(filepath.Dir(r.path), name))
	if errors.Is(err, fs.ErrNotExist) {
		return remote.Lock{}, nil
	}
	if err != nil {
		return remote.Lock{Held: true}, nil
	}
	return remote.HeldBy(info), nil
}

// Close does nothing.
func (r *Reader) Close() error { return nil }
