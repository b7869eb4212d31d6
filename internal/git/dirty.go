package git

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/format/index"
)

// A comparison is a folder beside what a commit holds of it.
type comparison struct {
	*repository
	files   map[string]committed    // by the path from the root of the working tree
	known   map[string]*index.Entry // of files; nil until it is needed
	indexed time.Time               // when the index was written
	ignored []gitignore.Pattern
	seen    int // files by the walk
}

// comparison prepares one; nil for a folder that the repository ignores.
func (r *repository) comparison(tree plumbing.Hash) (*comparison, error) {
	c := &comparison{repository: r, files: map[string]committed{}}
	at, found, err := r.folderTree(tree, r.folder)
	if err != nil {
		return nil, err
	}
	c.readIgnore(r.common, nil, filepath.Join("info", "exclude"))
	c.readIgnore(r.root, nil, ".gitignore")
	domain := []string{}
	for part := range strings.SplitSeq(r.folder, "/") {
		if part == "" {
			break
		}
		domain = append(domain, part)
		if !found && gitignore.NewMatcher(c.ignored).Match(domain, true) {
			return nil, nil
		}
		if len(domain) < strings.Count(r.folder, "/")+1 { // the walk reads the last one
			c.readIgnore(filepath.Join(r.root, filepath.Join(domain...)), domain, ".gitignore")
		}
	}
	if found {
		err = r.list(at, r.folder, c.files)
	}
	return c, err
}

// readIgnore adds the patterns of a file; a file that cannot be read ignores nothing.
func (c *comparison) readIgnore(dir string, domain []string, name string) {
	const most = 1 << 20
	file := filepath.Join(dir, name)
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Size() > most {
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			c.ignored = append(c.ignored, gitignore.ParsePattern(line, domain))
		}
	}
}

// dirty says whether the folder holds what the commit does not, or lacks what it has.
func (c *comparison) dirty(ctx context.Context) bool {
	for name, want := range c.files {
		if ctx.Err() != nil || !c.holds(name, want) {
			return true
		}
	}
	return c.hasMore(ctx, c.folder)
}

// maxIndex bounds the index that is read, in bytes.
const maxIndex = 64 << 20

// noted gives what git's index says of a file. It is read when a file is first asked for, since it speaks of the whole
// repository: an index that cannot be read says nothing.
func (c *comparison) noted(name string) *index.Entry {
	if c.known == nil {
		c.known = make(map[string]*index.Entry, len(c.files))
		info, err := os.Stat(filepath.Join(c.dir, "index"))
		if err != nil || info.Size() > maxIndex {
			return nil
		}
		all, err := c.store.Index()
		if err != nil {
			return nil
		}
		c.indexed = info.ModTime()
		for _, e := range all.Entries {
			if _, wanted := c.files[e.Name]; wanted {
				c.known[e.Name] = e
			}
		}
	}
	return c.known[name]
}

// holds says whether a file is what the commit has. What it holds decides; for files that git changes on their way into the folder,
// such as large files kept elsewhere, the time and size do that git noted when it last compared them, unless the file was written as
// late as the note: git's own rule.
func (c *comparison) holds(name string, want committed) bool {
	if want.mode == filemode.Submodule {
		return true // a repository of its own
	}
	file := filepath.Join(c.root, filepath.FromSlash(name))
	info, err := os.Lstat(file)
	if err != nil {
		known := c.noted(name)
		return known != nil && known.SkipWorktree // of a sparse checkout
	}
	mode, err := filemode.NewFromOSFileMode(info.Mode())
	if err != nil || kind(mode) != kind(want.mode) {
		return false
	}
	if sameContent(file, info, want.hash) {
		return true
	}
	known := c.noted(name)
	return known != nil && known.Hash == want.hash && known.ModifiedAt.Equal(info.ModTime()) && int64(known.Size) == info.Size() &&
		info.ModTime().Before(c.indexed)
}

// kind takes modes for the same that git or the system does not tell apart.
func kind(m filemode.FileMode) filemode.FileMode {
	if m == filemode.Deprecated || m == filemode.Executable && runtime.GOOS == "windows" {
		return filemode.Regular
	}
	return m
}

// maxHashed bounds the files that are hashed, in bytes: of a larger one git's note decides.
const maxHashed = 1 << 20

func sameContent(file string, info fs.FileInfo, want plumbing.Hash) bool {
	var data []byte
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return false
		}
		data = []byte(filepath.ToSlash(target))
	case !info.Mode().IsRegular() || info.Size() > maxHashed:
		return false
	default:
		f, err := os.Open(file)
		if err != nil {
			return false
		}
		defer f.Close()
		if data, err = io.ReadAll(io.LimitReader(f, maxHashed+1)); err != nil {
			return false
		}
	}
	hash := func(b []byte) bool { return plumbing.ComputeHash(plumbing.BlobObject, b) == want }
	return hash(data) || hash(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
}

// own are what the tools themselves leave in a folder, by their beginnings or as a whole: not a part of the code.
func own(name string) bool {
	return name == ".git" || name == ".terraform" || name == ".terragrunt-cache" || name == "crash.log" ||
		strings.HasPrefix(name, "terraform.tfstate") || strings.HasSuffix(name, ".tfstate.lock.info")
}

// hasMore says whether there is a file below a folder that the commit does not have and the repository does not ignore.
func (c *comparison) hasMore(ctx context.Context, folder string) bool {
	entries, err := os.ReadDir(filepath.Join(c.root, filepath.FromSlash(folder)))
	if err != nil {
		return true
	}
	var domain []string
	if folder != "" {
		domain = strings.Split(folder, "/")
	}
	outer := c.ignored
	defer func() { c.ignored = outer }()
	if folder != "" {
		c.readIgnore(filepath.Join(c.root, filepath.FromSlash(folder)), domain, ".gitignore")
	}
	matcher := gitignore.NewMatcher(c.ignored)
	for _, e := range entries {
		if c.seen++; c.seen > maxFiles || ctx.Err() != nil {
			return true
		}
		at := path.Join(folder, e.Name())
		_, has := c.files[at]
		if has || own(e.Name()) || matcher.Match(append(domain[:len(domain):len(domain)], e.Name()), e.IsDir()) {
			continue
		}
		if !e.IsDir() || c.hasMore(ctx, at) {
			return true
		}
	}
	return false
}
