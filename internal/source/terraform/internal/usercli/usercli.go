// Package usercli runs the user's own terraform or tofu over a private copy of a stack, so that it can be asked what the code wants
// without touching anything that is the user's.
//
// A plan is no pure question. It reads the state under the backend's lock, works in a data folder, and may write: data sources such as
// those that pack files write where the code says. So the tool gets a copy of the stack's code, in which relative paths lead to where
// they led, a copy of its state behind a local backend, and links to the providers that init installed. The backend of the
// stack is never asked, and its lock is neither taken nor seen. Where the system can forbid a process to write outside of
// some folders (Landlock, on Linux), it does so, and the promise does not rest on the copy alone.
//
// The layout of a private folder, which only its user may read and which is removed afterwards:
//
//	lock                 held while we live, so that the next start can tell what is left over
//	tree/...             the code; above it, and beside it, links to what code refers to by ".."
//	data/                TF_DATA_DIR: modules.json, links to providers, the record of the local backend
//	state/...            the state, by workspace
//	tmp/                 TMPDIR
//	plan                 what the tool planned: it holds secrets
//
// Code of a stack can have programs run while it is planned; [Copy.Programs] says where.
package usercli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// A Tool is a program of the user's that can plan.
type Tool struct {
	Path    string // absolute
	Name    string // "terraform" or "tofu"
	Version string // "1.11.4"
}

// A Wish says which tool fits a stack.
type Wish struct {
	Program string          // name or path that the user gave; nothing else is taken then
	Path    string          // where programs are looked for, as in PATH
	Wrote   string          // version of what wrote the state; empty if nothing did
	Locked  []addr.Provider // what the lock file names
	Tofu    bool            // the code has files that only OpenTofu reads
	Environ []string
}

const hintTool = "install terraform or tofu, or set `cli` to where it is"

// Find looks for a tool. Both write the same state, so that what wrote it is told by the registry that the lock file names, then by
// the version; a tool that is older than the state would refuse it.
func Find(ctx context.Context, w Wish) (Tool, error) {
	if w.Program != "" {
		t, err := inspect(ctx, w, w.Program)
		if err != nil {
			return Tool{}, missing("%w", err)
		}
		return t, nil
	}
	var tools []Tool
	for _, name := range w.preferred() {
		if t, err := inspect(ctx, w, name); err == nil {
			tools = append(tools, t)
		}
	}
	if err := ctx.Err(); err != nil {
		return Tool{}, err
	}
	if len(tools) == 0 {
		return Tool{}, missing("neither terraform nor tofu is in PATH")
	}
	if i := slices.IndexFunc(tools, func(t Tool) bool { return !older(t.Version, w.Wrote) }); i >= 0 {
		return tools[i], nil
	}
	return Tool{}, missing("the state was written by version %s, and %s is of version %s", addr.Clip(w.Wrote), tools[0].Name, tools[0].Version)
}

func missing(format string, args ...any) error {
	return &taffrail.Error{Op: "find the tool", Kind: taffrail.KindNotFound, Hint: hintTool, Err: fmt.Errorf(format, args...)}
}

// preferred are the names to look for, the likeliest first.
func (w Wish) preferred() []string {
	from := func(name string) bool {
		return slices.ContainsFunc(w.Locked, func(p addr.Provider) bool { return p.Public() && strings.Contains(p.Host, name) })
	}
	switch {
	case w.Tofu:
		return []string{"tofu"}
	case from("opentofu") && !from("terraform"):
		return []string{"tofu", "terraform"}
	}
	return []string{"terraform", "tofu"}
}

var versionLine = regexp.MustCompile(`^(Terraform|OpenTofu) v([0-9]+\.[0-9]+\.[0-9]+\S*)`)

// inspect asks a program what it is.
func inspect(ctx context.Context, w Wish, program string) (Tool, error) {
	path, err := lookPath(program, w.Path)
	if err != nil {
		return Tool{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out := &kept{most: 4 << 10}
	job := job{path: path, dir: os.TempDir(), environ: environ(w.Environ), out: out}
	if err := job.run(ctx, "version"); err != nil {
		return Tool{}, fmt.Errorf("%s version: %w", program, err)
	}
	found := versionLine.FindStringSubmatch(string(out.data))
	if found == nil {
		return Tool{}, fmt.Errorf("%s is neither terraform nor tofu", path)
	}
	name := map[string]string{"Terraform": "terraform", "OpenTofu": "tofu"}[found[1]]
	return Tool{Path: path, Name: name, Version: found[2]}, nil
}

// lookPath is [exec.LookPath] with a PATH that is not ours.
func lookPath(program, path string) (string, error) {
	if strings.ContainsRune(program, filepath.Separator) {
		found, err := exec.LookPath(program)
		if err != nil {
			return "", err
		}
		return filepath.Abs(found)
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // a program of the current folder is never meant
		}
		if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s is not in PATH", addr.Clip(program))
}

// older says whether a version stands before another, which may be empty. What is no number counts for nothing.
func older(a, b string) bool {
	x, y := numbers(a), numbers(b)
	return slices.Compare(x, y) < 0
}

func numbers(version string) []int {
	plain, _, _ := strings.Cut(version, "-")
	var ns []int
	for part := range strings.SplitSeq(plain, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		ns = append(ns, n)
	}
	return ns
}
