package harbor

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// envProgram names a tofu or terraform to test with, besides those in PATH.
const envProgram = "TAFFRAIL_TEST_TOFU"

const (
	version = "0.1.0"
	token   = "practice-token"
)

// programs returns the programs that can apply a stack on this machine.
func programs() []string {
	var out []string
	for _, name := range []string{os.Getenv(envProgram), "tofu", "terraform"} {
		if path, err := exec.LookPath(name); err == nil && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	return out
}

// world is a cloud in a process of its own, a stack in a folder of its own, and
// the program that applies it.
type world struct {
	t       *testing.T
	tools   *tools
	program string
	folder  string
	url     string
	server  *exec.Cmd
}

// tools are what is built once for all worlds.
type tools struct {
	harbor   string
	taffrail string // only where a test scans
	config   string // of the CLI: providers come from our mirror alone
}

func buildTools(t *testing.T) *tools {
	t.Helper()
	folder := t.TempDir()
	built := &tools{harbor: filepath.Join(folder, "harbor"), config: filepath.Join(folder, "cli.tfrc")}
	mirror := filepath.Join(folder, "mirror")
	plugin := filepath.Join(mirror, "taffrail.example", "practice", "harbor", version, runtime.GOOS+"_"+runtime.GOARCH, "terraform-provider-harbor_v"+version)
	goBuild(t, "./cmd/harbor", built.harbor)
	goBuild(t, "./cmd/terraform-provider-harbor", plugin)
	quoted, err := json.Marshal(mirror)
	if err != nil {
		t.Fatal(err)
	}
	config := "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = " + string(quoted) + "\n  }\n}\n"
	if err := os.WriteFile(built.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return built
}

func goBuild(t *testing.T, source, target string) {
	t.Helper()
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", target, source).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", source, err, out)
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
	w.server = exec.Command(w.tools.harbor, "serve", "--addr", "127.0.0.1:0", "--url-file", urlFile, "--state", filepath.Join(w.folder, "cloud.json"), "--tick", "10ms")
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
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		return strings.HasPrefix(s, "TF_") || strings.HasPrefix(s, "HARBOR_")
	})
	return append(env, "TF_CLI_CONFIG_FILE="+w.tools.config, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "HARBOR_URL="+w.url, "HARBOR_TOKEN="+token)
}

// run runs a program in the stack's folder and returns its output and exit status.
func (w *world) run(program string, args ...string) (string, int) {
	w.t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = filepath.Join(w.folder, "stack"), w.environment(), &out, &out
	err := cmd.Run()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		w.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
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
	sources, err := filepath.Glob(filepath.Join(name, "*.tf"))
	if err != nil {
		w.t.Fatal(err)
	}
	inner, err := filepath.Glob(filepath.Join(name, "modules", "*", "*.tf"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, source := range append(sources, inner...) {
		below, err := filepath.Rel(name, source)
		if err != nil {
			w.t.Fatal(err)
		}
		w.copyFile(source, filepath.Join(target, below))
	}
}

func (w *world) copyFile(source, target string) {
	w.t.Helper()
	content, err := os.ReadFile(source)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(target), 0o700)
	}
	if err == nil {
		err = os.WriteFile(target, content, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
