// Package remote holds what the readers of remote state share: a backend's settings and where they come from, requests over HTTP,
// what is known of a lock, and errors that never hold a secret.
package remote

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DefaultWorkspace is the name of the workspace that every stack has.
const DefaultWorkspace = "default"

// DefaultLimit is how many bytes of state are read at most, if Config does not say.
const DefaultLimit = 512 << 20

// A Config is the block of a backend, merged with what init recorded, and the surroundings in which the tool would use it.
type Config struct {
	// Type is the label of the backend block: "s3", "gcs", ...; "cloud" for a cloud block.
	Type string
	// Attributes are the block's, by name: string, bool, float64 or json.Number, []any, map[string]any, nil. Blocks inside it are
	// maps or lists with one map.
	Attributes map[string]any
	// Workspace is the one to read. Empty means the default one.
	Workspace string

	// Dir is the root module's folder, from which relative paths start. DataDir is where init keeps its own files.
	Dir, DataDir string
	// Home is the user's home folder; empty means the one that the system tells.
	Home string
	// Env gives variables of the environment; nil means those of this process. SDKs of clouds read some of the
	// process's own beside it: metadata endpoints, single sign-on, proxies.
	Env func(string) string
	// Environ is the environment of programs that are run; nil means that of this process.
	Environ []string

	// HTTP makes requests; nil means a client with time limits. Where the settings ask for certificates of their own, its transport is
	// copied if it is an *http.Transport, and replaced otherwise.
	HTTP *http.Client
	// Now is the time; Pause waits between attempts. Nil means the real clock.
	Now   func() time.Time
	Pause func(context.Context, time.Duration) error
	// Limit is how many bytes of state are read at most; 0 means DefaultLimit.
	Limit int64
	// AllowExec permits what the stack's own code can ask for: to run programs that give credentials.
	AllowExec bool
}

// WithDefaults fills in what is not said.
func (c Config) WithDefaults() Config {
	if c.Workspace == "" {
		c.Workspace = DefaultWorkspace
	}
	if c.Env == nil {
		c.Env = os.Getenv
	}
	if c.Environ == nil {
		c.Environ = os.Environ()
	}
	if c.Home == "" {
		c.Home, _ = os.UserHomeDir() // without a home, a path that begins with ~ stays as it is and is not found
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Pause == nil {
		c.Pause = pause
	}
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	return c
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Path makes a path of the settings absolute: "~" is the home folder, and others start from the root module's folder.
func (c Config) Path(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && c.Home != "" {
		return filepath.Join(c.Home, rest)
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir, path)
}

// Within says whether a path of the settings lies in the root module's folder, and is therefore as trusted as the code is.
func (c Config) Within(path string) bool {
	rel, err := filepath.Rel(resolved(c.Dir), resolved(c.Path(path)))
	return err != nil || filepath.IsLocal(rel)
}

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}
