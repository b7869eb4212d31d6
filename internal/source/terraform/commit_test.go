package terraform

import (
	"os"
	"os/exec"
	"testing"
)

// A stack says at which commit its code is. A repository that is broken costs the commit, and nothing else.
func TestCommitOfTheCode(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH")
	}
	r := newRig(t)
	r.install()
	r.state(thing("a", nil))
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = r.dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	if info, err := r.describe(); err != nil || info.Commit != nil {
		t.Fatalf("without a repository: %+v, %v", info.Commit, err)
	}
	run("init", "-q", "-b", "main")
	run("add", "main.tf", ".terraform.lock.hcl")
	run("commit", "-q", "-m", "first")
	info, err := r.describe()
	if err != nil || info.Commit == nil || info.Commit.Ref != "main" || info.Commit.Dirty {
		t.Fatalf("%+v, %v", info.Commit, err)
	}
	r.write("more.tf", "")
	if info, err := r.describe(); err != nil || info.Commit == nil || !info.Commit.Dirty {
		t.Fatalf("with new code: %+v, %v", info.Commit, err)
	}
	r.write(".git/HEAD", "nonsense")
	if info, err := r.describe(); err != nil || info.Commit != nil {
		t.Fatalf("with a broken repository: %+v, %v", info.Commit, err)
	}
}
