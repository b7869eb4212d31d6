package git_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/internal/git"
)

// A tree is a working tree made by the real git.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) *tree {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH")
	}
	r := &tree{t: t, root: t.TempDir()}
	r.git("init", "-q", "-b", "main")
	r.write("stacks/web/main.tf", "# web\n")
	r.write("stacks/web/scripts/run.sh", "echo\n")
	r.write("stacks/db/main.tf", "# db\n")
	r.write(".gitignore", "*.secret\n.terraform/\n/scratch/\n")
	r.git("add", ".")
	r.git("commit", "-q", "-m", "first")
	return r
}

func (r *tree) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *tree) path(name string) string { return filepath.Join(r.root, filepath.FromSlash(name)) }

func (r *tree) write(name, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// What the folder of one stack holds decides, whatever the rest of the repository looks like.
func TestDirty(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*tree)
		want bool
	}{
		{"as committed", func(*tree) {}, false},
		{"another folder changed", func(r *tree) { r.write("stacks/db/main.tf", "# other\n") }, false},
		{"a file changed", func(r *tree) { r.write("stacks/web/main.tf", "# WEB\n") }, true},
		{"a file below changed", func(r *tree) { r.write("stacks/web/scripts/run.sh", "ECHO\n") }, true},
		{"written anew with the same content", func(r *tree) { r.write("stacks/web/main.tf", "# web\n") }, false},
		{"a file removed", func(r *tree) { _ = os.Remove(r.path("stacks/web/main.tf")) }, true},
		{"a new file", func(r *tree) { r.write("stacks/web/new.tf", "") }, true},
		{"a new file below", func(r *tree) { r.write("stacks/web/a/b/new.tf", "") }, true},
		{"an empty new folder", func(r *tree) { _ = os.MkdirAll(r.path("stacks/web/a/b"), 0o700) }, false},
		{"an ignored file", func(r *tree) { r.write("stacks/web/a.secret", "") }, false},
		{"ignored by a file of its own", func(r *tree) {
			r.write("stacks/web/.gitignore", "local.*\n")
			r.git("add", ".")
			r.git("commit", "-q", "-m", "second")
			r.write("stacks/web/local.tf", "")
		}, false},
		{"ignored by the clone", func(r *tree) { r.write(".git/info/exclude", "mine.tf\n"); r.write("stacks/web/mine.tf", "") }, false},
		{"what the tool leaves", func(r *tree) {
			r.write("stacks/web/.terraform/environment", "dev")
			r.write("stacks/web/terraform.tfstate", "{}")
			r.write("stacks/web/terraform.tfstate.d/dev/terraform.tfstate", "{}")
		}, false},
		{"staged", func(r *tree) { r.write("stacks/web/new.tf", ""); r.git("add", ".") }, true},
		{"staged, and taken back in the folder", func(r *tree) {
			r.write("stacks/web/main.tf", "# WEB\n")
			r.git("add", ".")
			r.write("stacks/web/main.tf", "# web\n")
		}, false},
		{"a file became a folder", func(r *tree) {
			_ = os.Remove(r.path("stacks/web/main.tf"))
			_ = os.Mkdir(r.path("stacks/web/main.tf"), 0o700)
		}, true},
		{"may be run now", func(r *tree) { _ = os.Chmod(r.path("stacks/web/scripts/run.sh"), 0o700) }, true},
		{"line ends of another system", func(r *tree) { r.write("stacks/web/main.tf", "# web\r\n") }, false},
		{"objects in a pack, references too", func(r *tree) { r.git("gc", "-q") }, false},
		{"changed, in a pack", func(r *tree) { r.git("gc", "-q"); r.write("stacks/web/main.tf", "# WEB\n") }, true},
		{"a large file that is filtered on its way", func(r *tree) {
			r.write(".gitattributes", "*.bin filter=shout\n")
			r.git("config", "filter.shout.clean", "tr a-z A-Z")
			r.git("config", "filter.shout.smudge", "tr A-Z a-z")
			r.write("stacks/web/big.bin", "abc\n")
			old := time.Now().Add(-time.Hour)
			_ = os.Chtimes(r.path("stacks/web/big.bin"), old, old)
			r.git("add", ".")
			r.git("commit", "-q", "-m", "filtered")
		}, false},
		{"a sparse checkout", func(r *tree) {
			r.git("update-index", "--skip-worktree", "stacks/web/main.tf")
			_ = os.Remove(r.path("stacks/web/main.tf"))
		}, false},
		{"no index", func(r *tree) { _ = os.Remove(r.path(".git/index")) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newTree(t)
			tc.do(r)
			want := r.git("rev-parse", "HEAD")
			got, err := git.Commit(t.Context(), r.path("stacks/web"))
			if err != nil || got == nil {
				t.Fatalf("%v, %v", got, err)
			}
			if got.Hash != want || got.Ref != "main" || got.Dirty != tc.want {
				t.Errorf("got %+v, want %s on main, dirty %v", got, want, tc.want)
			}
		})
	}
}

// Where a commit may stand.
func TestWhere(t *testing.T) {
	r := newTree(t)
	first := r.git("rev-parse", "HEAD")
	work := filepath.Join(t.TempDir(), "work")
	r.git("worktree", "add", "-q", "-b", "feature/x", work)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(r.path("stacks/web"), link); err != nil {
		t.Fatal(err)
	}
	r.write("scratch/main.tf", "")
	for _, tc := range []struct {
		name, dir, hash, ref string
		dirty                bool
	}{
		{"root of the repository", r.root, first, "main", false},
		{"another working tree", filepath.Join(work, "stacks", "web"), first, "feature/x", false},
		{"through a link", link, first, "main", false},
		{"no repository", t.TempDir(), "", "", false},
		{"a folder that is ignored", r.path("scratch"), "", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := git.Commit(t.Context(), tc.dir)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tc.hash == "" && got != nil:
				t.Errorf("got %+v, want none", got)
			case tc.hash != "" && (got == nil || got.Hash != tc.hash || got.Ref != tc.ref || got.Dirty != tc.dirty):
				t.Errorf("got %+v", got)
			}
		})
	}
	r.git("checkout", "-q", "--detach")
	if got, err := git.Commit(t.Context(), r.root); err != nil || got.Hash != first || got.Ref != "" {
		t.Errorf("detached: %+v, %v", got, err)
	}
	empty := &tree{t: t, root: t.TempDir()}
	empty.git("init", "-q")
	if got, err := git.Commit(t.Context(), empty.root); err != nil || got != nil {
		t.Errorf("no commit yet: %+v, %v", got, err)
	}
}

// A folder that cannot be compared in time is not called clean.
func TestOutOfTime(t *testing.T) {
	r := newTree(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := git.Commit(ctx, r.root); err != nil || !got.Dirty {
		t.Errorf("%+v, %v", got, err)
	}
}

// A broken repository is an error, and none that ends in a panic.
func TestBroken(t *testing.T) {
	for _, tc := range []struct{ name, file, text string }{
		{"HEAD", ".git/HEAD", "nonsense"},
		{"branch", ".git/refs/heads/main", "0123456789012345678901234567890123456789\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newTree(t)
			r.write(tc.file, tc.text)
			if got, err := git.Commit(t.Context(), r.root); err == nil {
				t.Errorf("no error, but %+v", got)
			}
		})
	}
	r := &tree{t: t, root: t.TempDir()}
	r.write(".git", "nothing of use")
	if got, err := git.Commit(t.Context(), r.root); err == nil {
		t.Errorf("no error, but %+v", got)
	}
}

// A stack in a repository of many files is told quickly, and nothing is written there.
func TestLarge(t *testing.T) {
	r := newTree(t)
	for i := range 40 {
		for j := range 100 {
			r.write(filepath.Join("other", string(rune('a'+i%26)), "d", string(rune('a'+i/26)), "f"+strings.Repeat("x", j)), "x")
		}
	}
	r.git("add", ".")
	r.git("commit", "-q", "-m", "many")
	before := r.git("rev-parse", "HEAD")
	index, err := os.Stat(r.path(".git/index"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	got, err := git.Commit(t.Context(), r.path("stacks/web"))
	took := time.Since(start)
	if err != nil || got.Hash != before || got.Dirty {
		t.Fatalf("%+v, %v", got, err)
	}
	if again, err := os.Stat(r.path(".git/index")); err != nil || !again.ModTime().Equal(index.ModTime()) {
		t.Errorf("the index was written: %v, %v", again, err)
	}
	t.Logf("took %v", took)
	if took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
