package git

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

// A repo is a repository that the git program makes.
type repo struct {
	t      *testing.T
	dir    string
	n      int // commits
	cursor taffrail.Cursor
}

func newRepo(t *testing.T) *repo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: there is no git: no commit was read")
	}
	r := &repo{t: t, dir: t.TempDir()}
	r.git("init", "-q", "-b", "main")
	return r
}

// git runs the program as dana, a second later each time.
func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.gitAs("dana", "", args...)
}

func (r *repo) gitAs(who, stdin string, args ...string) string {
	r.t.Helper()
	r.n++
	at := fmt.Sprintf("%d +0100", 1767323045+r.n)
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = r.dir, strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=" + who, "GIT_AUTHOR_EMAIL=" + who + "@corp.example", "GIT_AUTHOR_DATE=" + at,
		"GIT_COMMITTER_NAME=" + who, "GIT_COMMITTER_EMAIL=" + who + "@corp.example", "GIT_COMMITTER_DATE=" + at}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files, name and text in turn, and commits them.
func (r *repo) commit(message string, files ...string) string {
	r.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		path := filepath.Join(r.dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			r.t.Fatal(err)
		}
		r.git("add", files[i])
	}
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

func (r *repo) reader(settings string) taffrail.EventReader {
	r.t.Helper()
	if !strings.Contains(settings, "path:") {
		settings += "path: " + r.dir + "\n"
	}
	opened, err := open[taffrail.EventReader](r.t, settings)
	if err != nil {
		r.t.Fatal(err)
	}
	return opened
}

func open[R any](t *testing.T, settings string) (R, error) {
	t.Helper()
	var registry plug.Registry
	Register(&registry)
	env := plug.Env{Now: func() time.Time { return time.Unix(1767323045+1000, 0) }, Sealer: plugtest.MarkingSealer()}
	return plug.Open[R](t.Context(), &registry, Name, env, plug.Settings{File: "f", YAML: []byte(settings)})
}

// read gives what is new, and keeps the cursor as the core does.
func (r *repo) read(settings string) (records []taffrail.Record, notices []taffrail.LogNotice) {
	r.t.Helper()
	err := r.reader(settings).ReadEvents(r.t.Context(), r.cursor, func(b taffrail.Batch) error {
		records, notices = append(records, b.Records...), append(notices, b.Notices...)
		if b.Next != "" {
			r.cursor = b.Next
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return records, notices
}

// wants reads, and wants commits with these messages, and no notices.
func (r *repo) wants(name, settings string, messages ...string) {
	r.t.Helper()
	records, notices := r.read(settings)
	var got []string
	for _, rec := range records {
		got = append(got, r.parse(rec).Message)
	}
	if diff := cmp.Diff(messages, got); diff != "" || len(notices) > 0 {
		r.t.Errorf("%s: %v\n%s", name, notices, diff)
	}
}

func (r *repo) parse(rec taffrail.Record) (c record) {
	r.t.Helper()
	if err := json.Unmarshal(rec.Raw, &c); err != nil || rec.Fault != "" || rec.Format != Name {
		r.t.Fatalf("%+v: %v", rec, err)
	}
	c.Message = strings.TrimSpace(c.Message)
	return c
}

func TestReads(t *testing.T) {
	r := newRepo(t)
	r.commit("first", "a/main.tf", "1", "README.md", "x")
	r.commit("of no interest", "README.md", "y")
	r.commit("second", "a/main.tf", "2", "b/x.tfvars.json", "{}")
	r.wants("all", "", "first", "second")
	r.wants("no more", "")
	r.commit("of no interest either", "README.md", "z")
	r.wants("nothing that counts", "")
	r.git("rm", "-q", "a/main.tf")
	r.commit("away")
	r.git("mv", "b/x.tfvars.json", "b/y.txt")
	r.commit("renamed")
	r.wants("what went away", "", "away", "renamed")
}

func TestPatterns(t *testing.T) {
	r := newRepo(t)
	r.commit("code", "main.tf", "1")
	r.commit("deployed", "deploy/prod/web.yaml", "1")
	r.commit("elsewhere", "web.yaml", "1")
	r.wants("of a folder", "patterns: ['deploy/**/*.yaml']\n", "deployed")
	r.cursor = ""
	r.wants("of names", "patterns: ['*.yaml', '*.tf']\n", "code", "deployed", "elsewhere")
}

func TestRecord(t *testing.T) {
	r := newRepo(t)
	r.git("remote", "add", "origin", "https://dana:hunter2hunter2@git.example/acme/infra.git")
	first := r.commit("first", "main.tf", "1")
	second := r.commit("open the bucket\n\nwith password=hunter2hunter2 as asked", "main.tf", "2", "variables.tf", "3")
	records, _ := r.read("")
	got := r.parse(records[1])
	if got.Commit != second || !slices.Equal(got.Parents, []string{first}) || got.Repository != "https://git.example/acme/infra.git" || !slices.Equal(got.Paths, []string{"main.tf", "variables.tf"}) {
		t.Errorf("%+v", got)
	}
	d, err := open[taffrail.Decoder](t, "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Decode(records[1].Raw)
	if err != nil || string(e.ID) != second || e.Action != "git:commit" || !e.Read || e.Changes() || e.Actor.ID != "dana@corp.example" || e.Actor.Class != taffrail.ActorPerson || !slices.Contains(e.Refs, "main.tf") {
		t.Errorf("%+v %v", e, err)
	}
	kept, err := d.(taffrail.Keeper).Keep(records[1].Raw)
	if err != nil || bytes.Contains(kept.Record, []byte("hunter2")) {
		t.Errorf("%s %v", kept.Record, err)
	}
	c := plugtest.DecoderCase{
		Open:    func(t *testing.T, _ taffrail.Sealer) taffrail.Decoder { return d },
		Records: [][]byte{records[0].Raw, records[1].Raw}, WithSecret: records[1].Raw, Secret: "hunter2hunter2",
	}
	plugtest.Decoder(t, c)
	plugtest.Keeper(t, c)
}

// Who only applied a commit, and that it carries a signature, stand behind the author.
func TestAuthors(t *testing.T) {
	r := newRepo(t)
	r.commit("first", "main.tf", "1")
	parent := r.git("rev-parse", "HEAD")
	if err := os.WriteFile(filepath.Join(r.dir, "main.tf"), []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.git("add", "main.tf")
	tree := r.git("write-tree")
	text := "tree " + tree + "\nparent " + parent + "\nauthor renovate[bot] <bot@corp.example> 1767323050 +0000\ncommitter dana <dana@corp.example> 1767323060 +0000\n" +
		"gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n\nsigned\n"
	hash := r.gitAs("dana", text, "hash-object", "-t", "commit", "-w", "--stdin")
	r.git("update-ref", "refs/heads/main", hash)
	records, _ := r.read("")
	d, _ := open[taffrail.Decoder](t, "")
	e, err := d.Decode(records[1].Raw)
	want := []taffrail.Link{{Kind: "committer", ID: "dana@corp.example"}, {Kind: "signature", ID: "ssh, not verified"}}
	if diff := cmp.Diff(want, e.Actor.Chain); diff != "" || err != nil || e.Actor.ID != "bot@corp.example" || e.Actor.Class != taffrail.ActorPipeline || e.Time.Unix() != 1767323060 {
		t.Errorf("%+v %v\n%s", e, err, diff)
	}
}

// A merge touches what it does not take over from one side; what the sides touched are events of their own.
func TestMerges(t *testing.T) {
	r := newRepo(t)
	r.commit("base", "a.tf", "1", "b.tf", "1")
	r.git("checkout", "-q", "-b", "side")
	r.commit("side", "a.tf", "2")
	r.git("checkout", "-q", "main")
	r.commit("main", "b.tf", "2")
	r.wants("before", "", "base", "main")
	r.git("merge", "-q", "--no-edit", "-m", "merged", "side")
	r.wants("the side", "", "side")
	r.git("checkout", "-q", "side")
	r.commit("other", "a.tf", "3")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-commit", "--no-ff", "side")
	r.commit("resolved", "a.tf", "4")
	r.wants("what was resolved", "", "other", "resolved")
}

func TestBranches(t *testing.T) {
	r := newRepo(t)
	r.commit("base", "a.tf", "1")
	r.git("tag", "prod", "HEAD")
	r.git("checkout", "-q", "-b", "prod")
	r.commit("prod", "a.tf", "2")
	r.git("checkout", "-q", "main")
	r.wants("HEAD", "", "base")
	r.cursor = ""
	r.wants("a branch and not the tag", "branch: prod\n", "base", "prod")
	if err := r.reader("branch: none\n").ReadEvents(t.Context(), "", nil); taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("none: %v", err)
	}
}

// Where the history was rewritten that is told, and what is new is read.
func TestRewritten(t *testing.T) {
	r := newRepo(t)
	r.commit("base", "a.tf", "1")
	r.commit("regretted", "a.tf", "2")
	r.wants("before", "", "base", "regretted")
	r.git("reset", "-q", "--hard", "HEAD^")
	r.commit("instead", "a.tf", "3")
	records, notices := r.read("")
	if len(records) != 1 || r.parse(records[0]).Message != "instead" || len(notices) != 1 || notices[0].Kind != taffrail.NoticeGap || !strings.Contains(notices[0].What, "rewritten") {
		t.Errorf("%v %v", records, notices)
	}
	r.wants("told once", "")
	r.commit("again", "a.tf", "4")
	r.git("checkout", "-q", "--orphan", "new")
	r.commit("afresh", "a.tf", "5")
	r.git("branch", "-q", "-D", "main")
	r.git("branch", "-q", "-m", "main")
	r.git("reflog", "expire", "--expire=now", "--all")
	r.git("gc", "-q", "--prune=now")
	if records, notices = r.read(""); len(records) != 1 || len(notices) != 1 {
		t.Errorf("%v %v", records, notices)
	}
}

func TestWhereARepositoryIs(t *testing.T) {
	r := newRepo(t)
	r.commit("base", "sub/a.tf", "1")
	tree := filepath.Join(t.TempDir(), "tree")
	r.git("worktree", "add", "-q", "-b", "other", tree)
	bare := filepath.Join(t.TempDir(), "bare.git")
	r.git("clone", "-q", "--bare", ".", bare)
	for name, path := range map[string]string{"a folder in it": filepath.Join(r.dir, "sub"), "a working tree": tree, "a bare one": bare} {
		r.cursor = ""
		r.wants(name, "path: "+path+"\n", "base")
	}
	none := t.TempDir()
	if err := r.reader("path: "+none+"\n").ReadEvents(t.Context(), "", nil); taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("no repository: %v", err)
	}
	for _, settings := range []string{"", "path: x\n", "path: /x\nsince: -1h\n", "path: /x\npatterns: ['[a']\n", "pth: /x\n"} {
		if _, err := open[taffrail.EventReader](t, settings); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%q: %v", settings, err)
		}
	}
}

// What a shallow clone cannot tell is said, and not taken for nothing.
func TestShallow(t *testing.T) {
	r := newRepo(t)
	r.commit("one", "a.tf", "1")
	r.commit("two", "README.md", "1")
	r.commit("three", "a.tf", "2")
	clone := filepath.Join(t.TempDir(), "clone")
	r.git("clone", "-q", "--depth=2", "file://"+r.dir, clone)
	records, _ := r.read("path: " + clone + "\n")
	if len(records) != 2 || !r.parse(records[0]).Unknown || r.parse(records[1]).Unknown {
		t.Fatalf("%v", records)
	}
	d, _ := open[taffrail.Decoder](t, "")
	if e, err := d.Decode(records[0].Raw); err != nil || !e.Truncated {
		t.Errorf("%+v %v", e, err)
	}
}

func TestSince(t *testing.T) {
	r := newRepo(t)
	r.commit("old", "a.tf", "1")
	r.n += 500
	r.commit("new", "a.tf", "2")
	r.wants("the first time", "since: 800s\n", "new")
	r.commit("newer", "a.tf", "3")
	r.wants("later", "since: 1s\n", "newer")
}

// However a reader is stopped, what was emitted with the cursor that was stored with it is all, once.
func TestGoesOnWhereItWasStopped(t *testing.T) {
	r := newRepo(t)
	n := 210
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "commit refs/heads/main\ncommitter dana <dana@corp.example> %d +0000\ndata <<E\nc-%d\nE\nM 644 inline a.tf\ndata <<E\n%d\nE\n\n", 1767323045+i, i, i)
	}
	r.gitAs("dana", text.String(), "fast-import", "--quiet")
	stop := errors.New("stop")
	var got []string
	for i := 0; ; i++ {
		taken := false
		stopped := r.reader("").(*reader)
		stopped.batch = 50
		err := stopped.ReadEvents(t.Context(), r.cursor, func(b taffrail.Batch) error {
			if taken {
				return stop
			}
			taken = true
			for _, rec := range b.Records {
				got = append(got, r.parse(rec).Message)
			}
			r.cursor = b.Next
			return nil
		})
		if err == nil {
			break
		}
		if err != stop { //nolint:errorlint // it is given back as it is
			t.Fatal(err)
		}
		if i == 0 { // while it reads, somebody goes on
			r.gitAs("dana", fmt.Sprintf("commit refs/heads/main\ncommitter dana <dana@corp.example> %d +0000\ndata <<E\nc-%d\nE\nfrom refs/heads/main^0\nM 644 inline a.tf\ndata <<E\nx\nE\n\n", 1767323045+n, n), "fast-import", "--quiet")
		}
	}
	for i, message := range got {
		if message != fmt.Sprintf("c-%d", i) {
			t.Fatalf("commit %d is %s", i, message)
		}
	}
	if len(got) != n+1 {
		t.Errorf("%d commits, want %d", len(got), n+1)
	}
}

func TestStops(t *testing.T) {
	r := newRepo(t)
	r.commit("one", "a.tf", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.reader("").ReadEvents(ctx, "", func(taffrail.Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, cursor := range []taffrail.Cursor{"!", "e30", "eyJ0aXAiOiJ4In0"} {
		if err := r.reader("").ReadEvents(t.Context(), cursor, nil); taffrail.KindOf(err) != taffrail.KindCorrupt {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

// A commit whose objects are damaged is told of, and those around it are read.
func TestDamaged(t *testing.T) {
	r := newRepo(t)
	r.commit("one", "a.tf", "1")
	r.commit("two", "a.tf", "2")
	tree := r.git("rev-parse", "HEAD^{tree}")
	r.commit("three", "b.tf", "1")
	path := filepath.Join(r.dir, ".git", "objects", tree[:2], tree[2:])
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	records, _ := r.read("")
	var faults int
	for _, rec := range records {
		if rec.Fault != "" {
			faults++
		}
	}
	if len(records) != 3 || faults != 2 { // that of the tree, and the one that is compared with it
		t.Errorf("%d records, %d of them with faults", len(records), faults)
	}
}

func TestOrigin(t *testing.T) {
	for address, want := range map[string]string{
		"https://u:p@git.example/a/b.git?x=y": "https://git.example/a/b.git", "git@git.example:a/b.git": "git.example:a/b.git", "ssh://git@git.example/a": "ssh://git.example/a", "/srv/a.git": "/srv/a.git",
	} {
		r := newRepo(t)
		r.git("remote", "add", "origin", address)
		repository, err := openRepository(r.dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := origin(repository, r.dir); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"commit":"c","author":{"name":"a","email":"a@b"},"committer":{"name":"b","email":"b@b","time":1767323045},"class":"person","signature":"ssh","paths":["a.tf"],"more_paths":1}`))
	var registry plug.Registry
	Register(&registry)
	d, err := plug.Open[taffrail.Decoder](f.Context(), &registry, Name, plug.Env{Sealer: plugtest.MarkingSealer()}, plug.Settings{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept, err := d.(taffrail.Keeper).Keep(raw)
		if err == nil {
			err = plugtest.SameEvent(d, raw, kept)
		}
		if err != nil && taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Error(err)
		}
	})
}
