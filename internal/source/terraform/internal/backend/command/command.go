// Package command reads states through `terraform state pull` or `tofu state pull`: from any backend that the tool knows, and, with
// OpenTofu, states that only it can decrypt.
//
// The tool runs in the stack's folder, since settings hold relative paths, with a data folder of its own that begins as
// a copy of what init recorded. "state pull" writes nothing there. But for a workspace without a state most backends would
// create one, and take the lock to do so; so it is only run once something else has said that the state exists: our own
// reader of that backend, else the tool's list of workspaces. With consul the tool locks whenever a workspace other than the default
// one is opened, so those are refused.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// LocalType is the backend that keeps states in files. Init records nothing of it where the code has no block for it.
const LocalType = "local"

// Native is what is asked of our own reader of a backend.
type Native interface {
	Fetch(ctx context.Context, known string) (body []byte, version string, err error)
	Locked(ctx context.Context) (remote.Lock, error)
	Close() error
}

// Written is what the native reader says of it; zero if there is none.
func (r *Reader) Written() time.Time {
	if dated, ok := r.native.(interface{ Written() time.Time }); ok {
		return dated.Written()
	}
	return time.Time{}
}

// A Reader reads one state.
type Reader struct {
	config  remote.Config
	program string // absolute
	native  Native // nil where we have no reader of our own
	dataDir string // private
}

// Open makes the private data folder. The program is the tool's name or path; native may be nil.
func Open(c remote.Config, program string, native Native) (*Reader, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, remote.Invalid("install terraform or tofu, or say where it is", "find %s: %w", program, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, remote.Invalid("", "find %s: %w", program, err)
	}
	if c.Type == "consul" && c.Workspace != remote.DefaultWorkspace {
		return nil, remote.Invalid("use Taffrail's own reader of consul", "the tool would take the lock of workspace %s to read it", addr.Clip(c.Workspace))
	}
	r := &Reader{config: c, program: path, native: native}
	if err := r.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.dataDir))
	}
	return r, nil
}

// prepare copies what init recorded, and links to the rest. A crash leaves the copy in the
// system's folder for temporary files, readable by this user alone, as the original is.
func (r *Reader) prepare() (err error) {
	if r.dataDir, err = os.MkdirTemp("", "taffrail-pull-"); err != nil {
		return remote.Unavailable("free some space for temporary files", "make a data folder: %w", err)
	}
	record, err := os.ReadFile(filepath.Join(r.config.DataDir, "terraform.tfstate"))
	if errors.Is(err, fs.ErrNotExist) && r.config.Type == LocalType {
		return r.link()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return remote.Invalid("run init in the stack's folder", "%s: init has not been run", r.config.Dir)
	}
	if err != nil {
		return remote.Denied("run as a user that may read it", "%w", err)
	}
	if err := os.WriteFile(filepath.Join(r.dataDir, "terraform.tfstate"), record, 0o600); err != nil {
		return remote.Unavailable("", "%w", err)
	}
	return r.link()
}

// link links to the folders of the stack's own data folder: the tool reads them and does not write.
func (r *Reader) link() error {
	entries, err := os.ReadDir(r.config.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return remote.Denied("", "%w", err)
	}
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() {
			if err := os.Symlink(filepath.Join(r.config.DataDir, name), filepath.Join(r.dataDir, name)); err != nil {
				return remote.Unavailable("", "%w", err)
			}
		}
	}
	return nil
}

// Name tells the tool and the folder.
func (r *Reader) Name() string {
	return fmt.Sprintf("%s state pull in %s, workspace %s", filepath.Base(r.program), r.config.Dir, r.config.Workspace)
}

// Fetch runs the tool unless our own reader says that the state is the known one. The version is taken before the state, so that
// a state that moves in between is read again and never missed.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	version, err := r.exists(ctx, known)
	if err != nil || known != "" && version == known {
		return nil, version, err
	}
	body, err := r.run(ctx, "state", "pull")
	if err != nil {
		return nil, "", err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, "", remote.NotFound(r.Name())
	}
	if version == "" {
		if version = remote.Digest(body); version == known {
			return nil, known, nil
		}
	}
	return body, version, nil
}

// exists makes sure that there is a state to read, and gives its version if our own reader knows one.
func (r *Reader) exists(ctx context.Context, known string) (string, error) {
	if r.native != nil {
		_, version, err := r.native.Fetch(ctx, known)
		return version, err
	}
	if r.config.Workspace == remote.DefaultWorkspace {
		return "", nil // every backend that we do not know ourselves takes this one to exist
	}
	list, err := r.run(ctx, "workspace", "list")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(list)) {
		if strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "*")) == r.config.Workspace {
			return "", nil
		}
	}
	return "", remote.NotFound(r.Name())
}

// Locked asks our own reader; the tool itself could only tell by taking the lock.
func (r *Reader) Locked(ctx context.Context) (remote.Lock, error) {
	if r.native == nil {
		return remote.Lock{Unknown: true}, nil
	}
	return r.native.Locked(ctx)
}

// withheld are the names of variables, by their beginnings, that would change what the tool does.
var withheld = []string{"TF_CLI_ARGS", "TF_DATA_DIR=", "TF_INPUT=", "TF_LOG", "TF_REATTACH_PROVIDERS=", "TF_WORKSPACE="}

func (r *Reader) environ() []string {
	env := slices.DeleteFunc(slices.Clone(r.config.Environ), func(entry string) bool {
		return slices.ContainsFunc(withheld, func(name string) bool { return strings.HasPrefix(entry, name) })
	})
	if hosted := r.config.Type == "cloud" || r.config.Type == "remote"; !hosted || r.config.Workspace != remote.DefaultWorkspace {
		env = append(env, "TF_WORKSPACE="+r.config.Workspace) // a block that names its workspace refuses the name "default"
	}
	return append(env, "TF_DATA_DIR="+r.dataDir, "TF_INPUT=0", "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
}

func (r *Reader) run(ctx context.Context, arguments ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, r.program, arguments...)
	cmd.Dir, cmd.Env = r.config.Dir, r.environ()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second // then it is killed
	out, problems := &limited{most: r.config.Limit}, &limited{most: 64 << 10}
	cmd.Stdout, cmd.Stderr = out, problems
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, remote.Unreached(r.Name(), ctx.Err())
	case out.over:
		return nil, remote.TooLarge(r.Name(), r.config.Limit)
	case err != nil:
		return nil, remote.Unavailable("run it in the stack's folder and see what it says", "%s: %w%s", r.Name(), err, summary(problems.kept))
	}
	return out.kept, nil
}

// A limited buffer keeps the first bytes and says whether there were more.
type limited struct {
	kept []byte
	most int64
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.most - int64(len(l.kept))
	l.over = l.over || int64(len(p)) > room
	l.kept = append(l.kept, p[:min(int64(len(p)), room)]...)
	return len(p), nil
}

var (
	colour = regexp.MustCompile("\x1b\\[[0-9;]*m")
	titles = regexp.MustCompile(`(?m)^[\s│╷]*(Error: .+)$`)
)

// summary takes the titles of the tool's errors, which name what is wrong without the details.
func summary(problems []byte) string {
	var text strings.Builder
	for _, match := range titles.FindAllSubmatch(colour.ReplaceAll(problems, nil), 3) {
		text.WriteString(": " + addr.Clip(string(match[1])))
	}
	return text.String()
}

// Close removes the private data folder.
func (r *Reader) Close() error {
	err := os.RemoveAll(r.dataDir) // what it links to stays
	if r.native != nil {
		err = errors.Join(err, r.native.Close())
	}
	return err
}
