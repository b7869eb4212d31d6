package harbor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/examples/stage"
)

const (
	version = "0.1.0"
	token   = "practice-token"
)

// world is a cloud in a process of its own, a stack in a folder of its own, and
// the program that applies it.
type world struct {
	t       *testing.T
	tools   *tools
	program string
	folder  string
	url     string
	server  *exec.Cmd
	serve   []string // flags; nil: objects come by themselves, and nobody is asked who they are
	key     string   // credential of the programs
}

// tools are what is built once for all worlds.
type tools struct {
	folder   string
	harbor   string
	taffrail string // only where a test scans
	config   string // of the CLI: providers come from our mirror alone
}

func buildTools(t *testing.T) *tools {
	t.Helper()
	folder := t.TempDir()
	plugin := stage.Plugin("taffrail.example/practice/harbor", version)
	goBuild(t, folder, map[string]string{"harbor": "examples/harbor/cmd/harbor", plugin: "examples/harbor/cmd/terraform-provider-harbor"})
	config, err := stage.Config(folder)
	if err != nil {
		t.Fatal(err)
	}
	return &tools{folder: folder, harbor: filepath.Join(folder, "harbor"), config: config}
}

func goBuild(t *testing.T, folder string, packages map[string]string) {
	t.Helper()
	if err := stage.Build(folder, packages); err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, built *tools, program string) *world {
	t.Helper()
	w := &world{t: t, tools: built, program: program, folder: t.TempDir()}
	w.start()
	t.Cleanup(func() {
		_ = w.server.Process.Kill()
		_ = w.server.Wait()
	})
	return w
}

// start runs a cloud on the world's file and waits until it listens.
func (w *world) start() {
	w.t.Helper()
	urlFile := filepath.Join(w.folder, "url")
	_ = os.Remove(urlFile) // a killed cloud left it
	flags := w.serve
	if flags == nil {
		flags = []string{"--tick", "10ms"}
	}
	w.server = exec.Command(w.tools.harbor, append([]string{"serve", "--addr", "127.0.0.1:0", "--url-file", urlFile, "--state", filepath.Join(w.folder, "cloud.json")}, flags...)...)
	w.server.Env = w.environment()
	if err := w.server.Start(); err != nil {
		w.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if content, err := os.ReadFile(urlFile); err == nil {
			w.url = strings.TrimSpace(string(content))
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the cloud does not listen after 20 s")
		}
	}
}

// environment is ours without what could lead the programs elsewhere.
func (w *world) environment() []string {
	return append(stage.Environ(w.tools.config, w.folder, "HARBOR_"), "HARBOR_URL="+w.url, "HARBOR_TOKEN="+token, "HARBOR_ACCESS_KEY="+w.key, "TF_APPEND_USER_AGENT=taffrail/run-1")
}

// run runs a program in the stack's folder, or where there is none yet in the
// world's, and returns its output and exit status.
func (w *world) run(program string, args ...string) (string, int) {
	w.t.Helper()
	folder := filepath.Join(w.folder, "stack")
	if _, err := os.Stat(folder); err != nil {
		folder = w.folder
	}
	out, complaints, status, err := stage.Run(folder, w.environment(), program, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return complaints + out, status
}

// want runs the stack's program and checks its exit status and that it says say.
func (w *world) want(status int, say string, args ...string) string {
	w.t.Helper()
	out, got := w.run(w.program, append(args, "-no-color")...)
	if got != status || !strings.Contains(out, say) {
		w.t.Fatalf("%s: exit status %d, want %d and %q\n%s", strings.Join(args, " "), got, status, say, out)
	}
	return out
}

func (w *world) plan(status int, say string) {
	w.t.Helper()
	w.want(status, say, "plan", "-input=false", "-detailed-exitcode")
}

// harbor runs the cloud's command.
func (w *world) harbor(args ...string) string {
	w.t.Helper()
	out, status := w.run(w.tools.harbor, args...)
	if status != 0 {
		w.t.Fatalf("harbor %s: exit status %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// copyStack copies a root module of this folder, without what a run left in it.
func (w *world) copyStack(name string) {
	w.t.Helper()
	target := filepath.Join(w.folder, "stack")
	if err := os.RemoveAll(target); err != nil {
		w.t.Fatal(err)
	}
	if err := stage.Copy(target, name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) copyFile(source, target string) {
	w.t.Helper()
	if err := stage.CopyFile(target, source); err != nil {
		w.t.Fatal(err)
	}
}

// age has the state be of an earlier day.
func (w *world) age() {
	w.t.Helper()
	if err := stage.Age(filepath.Join(w.folder, "stack", "terraform.tfstate")); err != nil {
		w.t.Fatal(err)
	}
}
