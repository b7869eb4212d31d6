package taffrail_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/taffrail-dev/taffrail/examples/stage"
)

// envProgram names a tofu or terraform to tell the stories with, before those in PATH.
const envProgram = "TAFFRAIL_TEST_TOFU"

// TestStory tells whole stories with the real program, a real provider and a stack that a real tofu or terraform applied to the
// practice cloud. Each story is a script in testdata/script.
func TestStory(t *testing.T) {
	program := program(t)
	scene := setScene(t, program)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup:              scene.begin,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "sound": sound, "snapshot": snapshot, "unchanged": unchanged, "absent": absent,
			"copy": copyTree, "killed": killed, "killed_beginnings": killedBeginnings, "interrupted": interrupted, "gone": gone,
			"until": until, "kill_in": killIn, "parses": parses, "serves": serves, "ends": ends,
		},
	})
}

// Every story ends by saying that the log is sound.
func TestStoriesEndSound(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("there are no stories", err)
	}
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		story, _, _ := bytes.Cut(text, []byte("\n-- "))
		if !bytes.HasSuffix(bytes.TrimSpace(story), []byte("\nsound")) {
			t.Errorf("%s does not end with sound", name)
		}
	}
}

func program(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv(envProgram), "tofu", "terraform"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("SKIPPED: no story was told: there is neither tofu nor terraform in PATH, and %s names none", envProgram)
	return ""
}

// A scene is what all stories begin with: programs, and a stack that was applied.
type scene struct {
	t       *testing.T
	folder  string
	program string // tofu or terraform
}

func setScene(t *testing.T, program string) scene {
	t.Helper()
	s := scene{t: t, folder: t.TempDir(), program: program}
	goBuild(t, s.folder, map[string]string{
		"bin/taffrail": "cmd/taffrail", "bin/taffrail-verify": "cmd/taffrail-verify", "bin/harbor": "examples/harbor/cmd/harbor", "bin/tamper": "examples/demo/tamper",
		stage.Plugin("taffrail.example/practice/harbor", "0.1.0"): "examples/harbor/cmd/terraform-provider-harbor",
	})
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", s.path(stage.Mirror))
	if err := os.WriteFile(s.path("cli.tfrc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(s.path("start/stack"), os.DirFS("examples/harbor/stack")); err != nil {
		t.Fatal(err)
	}
	url, stop, err := s.cloud(s.path("start"))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, args := range [][]string{{"init", "-input=false"}, {"apply", "-input=false", "-auto-approve"}} {
		cmd := exec.Command(program, append(args, "-no-color")...)
		cmd.Dir = s.path("start/stack")
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TF_") || strings.HasPrefix(v, "HARBOR_") })
		cmd.Env = append(cmd.Env, "TF_CLI_CONFIG_FILE="+s.path("cli.tfrc"), "HARBOR_URL="+url, "CHECKPOINT_DISABLE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	old := time.Now().Add(-time.Hour) // what differs a moment after an apply is looked at twice, which takes a while
	if err := os.Chtimes(s.path("start/stack/terraform.tfstate"), old, old); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s scene) path(elem ...string) string { return filepath.Join(s.folder, filepath.Join(elem...)) }

func goBuild(t *testing.T, folder string, packages map[string]string) {
	t.Helper()
	if err := stage.Build(folder, packages); err != nil {
		t.Fatal(err)
	}
}

// cloud runs a practice cloud over a folder, and gives its address.
func (s scene) cloud(folder string) (url string, stop func(), err error) {
	cmd := exec.Command(s.path("bin/harbor"), "serve", "--addr", "127.0.0.1:0", "--tick", "0", "--url-file", filepath.Join(folder, "url"), "--state", filepath.Join(folder, "cloud.json"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		select {
		case <-ended:
			return "", nil, fmt.Errorf("the cloud ended: %s", said.String())
		case <-tick.C:
		}
		if text, err := os.ReadFile(filepath.Join(folder, "url")); err == nil {
			return strings.TrimSpace(string(text)), stop, nil
		}
	}
	stop()
	return "", nil, errors.New("the cloud does not listen")
}

// begin gives a story a cloud and a stack of its own, as they were right after the apply.
func (s scene) begin(e *testscript.Env) error {
	if err := os.Mkdir(filepath.Join(e.WorkDir, "cloud"), 0o700); err != nil {
		return err
	}
	state, err := filepath.Glob(s.path("start", "cloud.json*")) // the objects, and the journal of what changed since
	if err != nil || len(state) == 0 {
		return fmt.Errorf("the cloud has left nothing: %w", err)
	}
	for from, to := range map[string]string{s.path("start", "stack"): e.WorkDir, state[0]: filepath.Join(e.WorkDir, "cloud"), state[len(state)-1]: filepath.Join(e.WorkDir, "cloud")} {
		if out, err := exec.Command("cp", "-Rp", from, to).CombinedOutput(); err != nil {
			return fmt.Errorf("copy %s: %w: %s", from, err, out)
		}
	}
	url, stop, err := s.cloud(filepath.Join(e.WorkDir, "cloud"))
	if err != nil {
		return err
	}
	e.Defer(stop)
	e.Values[servingKey{}] = serving{}
	for name, value := range map[string]string{
		"PATH": s.path("bin") + string(os.PathListSeparator) + os.Getenv("PATH"), "TOFU": s.program, "TF_CLI_CONFIG_FILE": s.path("cli.tfrc"),
		"CHECKPOINT_DISABLE": "1", "HARBOR_URL": url, "HOME": filepath.Join(e.WorkDir, "home"), "NO_COLOR": "",
		"DATA": filepath.Join(e.WorkDir, "xdg/data/taffrail"), "STATE": filepath.Join(e.WorkDir, "xdg/state/taffrail"), "CONFIG": filepath.Join(e.WorkDir, "xdg/config/taffrail"),
		"XDG_DATA_HOME": filepath.Join(e.WorkDir, "xdg/data"), "XDG_STATE_HOME": filepath.Join(e.WorkDir, "xdg/state"), "XDG_CONFIG_HOME": filepath.Join(e.WorkDir, "xdg/config"),
		"XDG_CACHE_HOME": filepath.Join(e.WorkDir, "xdg/cache"),
	} {
		e.Setenv(name, value)
	}
	return nil
}

// exits STATUS COMMAND...: the command ends with exactly this status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := statusOf(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func statusOf(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if err == nil {
		return 0
	}
	if !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	return exit.ExitCode()
}

// sound: the log verifies, and rebuilding the index changes nothing. Every story ends with it.
func sound(ts *testscript.TestScript, _ bool, _ []string) {
	exits(ts, false, []string{"0", "taffrail", "log", "verify"})
	mustSay(ts, "\nVerified: ")
	exits(ts, false, []string{"0", "taffrail", "index", "rebuild"})
	mustSay(ts, "; nothing changed.\n")
}

func mustSay(ts *testscript.TestScript, want string) {
	if said := ts.ReadFile("stdout"); !strings.Contains(said, want) {
		ts.Fatalf("%q is not in the answer:\n%s", want, said)
	}
}

// snapshot NAME FOLDER: remember names, modes and content of all that is in a folder.
func snapshot(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".snapshot"), []byte(describe(ts, args[1])), 0o600))
}

// unchanged NAME FOLDER: a folder is as it was remembered.
func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	was, is := ts.ReadFile(args[0]+".snapshot"), describe(ts, args[1])
	if neg == (was == is) {
		ts.Fatalf("%s was\n%s\nand is\n%s", args[1], was, is)
	}
}

func describe(ts *testscript.TestScript, folder string) string {
	var b strings.Builder
	root := ts.MkAbs(folder)
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v %v", strings.TrimPrefix(path, root), info.Mode(), info.ModTime().UTC().Format(time.RFC3339Nano))
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(content))
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// absent TEXT FOLDER...: no file of these folders holds this text, in whatever file; there is at least one file.
func absent(ts *testscript.TestScript, neg bool, args []string) {
	files, found := 0, ""
	for _, folder := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			files++
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(args[0])) {
				found = path
			}
			return err
		}))
	}
	if files == 0 {
		ts.Fatalf("there are no files in %v", args[1:])
	}
	if neg == (found == "") {
		ts.Fatalf("%q is in %q", args[0], found)
	}
}

// copy FROM TO: copy a whole folder, in place of what is there.
func copyTree(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.RemoveAll(ts.MkAbs(args[1])))
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[1])), 0o700))
	ts.Check(ts.Exec("cp", "-R", ts.MkAbs(args[0]), ts.MkAbs(args[1])))
}

// command makes a command that runs as those of a script do.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], args[0])
	cmd := exec.CommandContext(context.Background(), path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "HARBOR_URL", "TF_CLI_CONFIG_FILE", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

// gone: no process works in the story's folder any more, within some seconds.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	var left []string
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		if left = processesIn(ts.MkAbs(args[0])); len(left) == 0 {
			return
		}
		<-tick.C
	}
	ts.Fatalf("processes are left: %v", left)
}

func processesIn(folder string) []string {
	folders, _ := filepath.Glob("/proc/[0-9]*/cwd")
	return slices.DeleteFunc(folders, func(cwd string) bool {
		target, err := os.Readlink(cwd)
		return err != nil || target != folder
	})
}
