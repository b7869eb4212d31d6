package legacy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/client"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

const (
	version = "0.1.0"
	token   = "practice-cloud-token"
)

// binaries is the folder of what is built once for all tests.
var binaries = sync.OnceValues(func() (string, error) {
	built = true
	folder, err := os.MkdirTemp("", "harborlegacy")
	if err != nil {
		return "", err
	}
	err = stage.Build(folder, map[string]string{
		"harbor":               "examples/harbor/cmd/harbor",
		"taffrail":             "cmd/taffrail",
		plugin("harborlegacy"): "examples/harbor/cmd/terraform-provider-harborlegacy",
		plugin("harbormixed"):  "examples/harbor/legacy/cmd/terraform-provider-harbormixed",
	})
	if err == nil {
		_, err = stage.Config(folder)
	}
	return folder, err
})

// plugin is where a filesystem mirror has a provider.
func plugin(name string) string { return stage.Plugin("taffrail.example/practice/"+name, version) }

func TestMain(m *testing.M) {
	status := m.Run()
	if built {
		folder, _ := binaries()
		_ = os.RemoveAll(folder)
	}
	os.Exit(status)
}

// built says whether a test asked for the binaries. No test runs any more when it is asked.
var built bool

// world is a cloud in a process of its own, a stack in a folder of its own, and the
// program that applies it.
type world struct {
	t       *testing.T
	bin     string
	program string
	folder  string
	url     string
	cloud   *client.Client // a person at the console
}

// newWorld starts a cloud and applies a stack of this folder, or skips the test
// where nothing can apply it.
func newWorld(t *testing.T, stack string) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: nothing was applied")
	}
	w := &world{t: t, program: program(t), folder: t.TempDir()}
	var err error
	if w.bin, err = binaries(); err != nil {
		t.Fatal(err)
	}
	w.serve()
	if err := stage.Copy(w.path("stack"), stack); err != nil {
		t.Fatal(err)
	}
	w.want(0, "init", "-input=false")
	w.want(0, "apply", "-input=false", "-auto-approve")
	if err := stage.Age(w.path("stack", "terraform.tfstate")); err != nil {
		t.Fatal(err)
	}
	return w
}

func program(t *testing.T) string {
	t.Helper()
	found := stage.Programs()
	if len(found) == 0 {
		t.Skip(stage.Missing)
	}
	return found[0]
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.folder}, parts...)...)
}

// serve runs a cloud and waits until it listens. An object arrives in each bucket
// every 10 ms, so that what is volatile has always moved.
func (w *world) serve() {
	w.t.Helper()
	server := exec.Command(filepath.Join(w.bin, "harbor"), "serve", "--addr", "127.0.0.1:0", "--url-file", w.path("url"), "--state", w.path("cloud.json"), "--tick", "10ms")
	server.Env = append(os.Environ(), "HARBOR_TOKEN="+token)
	if err := server.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	deadline, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for w.url == "" {
		select {
		case <-deadline:
			w.t.Fatal("the cloud does not listen after 20 s")
		case <-tick.C:
			content, _ := os.ReadFile(w.path("url")) // it appears once the cloud listens
			w.url = strings.TrimSpace(string(content))
		}
	}
	var err error
	if w.cloud, err = client.New(w.url, client.Options{Token: token, Timeout: 20 * time.Second, Operator: true}); err != nil {
		w.t.Fatal(err)
	}
}

// environment is ours without what could lead the programs elsewhere.
func (w *world) environment() []string {
	return append(stage.Environ(filepath.Join(w.bin, "cli.tfrc"), w.path("taffrail"), "HARBOR_"), "HARBOR_URL="+w.url, "HARBOR_TOKEN="+token)
}

// run runs a program in the stack's folder. It returns what it said and its exit status.
func (w *world) run(program string, args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	stdout, stderr, status, err := stage.Run(w.path("stack"), w.environment(), program, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return stdout, stderr, status
}

// want runs the stack's program and checks its exit status.
func (w *world) want(status int, args ...string) string {
	w.t.Helper()
	out, complaints, got := w.run(w.program, args...)
	if got != status {
		w.t.Fatalf("%s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got, status, out, complaints)
	}
	return out
}

// harbor runs the cloud's command.
func (w *world) harbor(args ...string) {
	w.t.Helper()
	if out, complaints, status := w.run(filepath.Join(w.bin, "harbor"), args...); status != 0 {
		w.t.Fatalf("harbor %s: exit status %d\n%s%s", strings.Join(args, " "), status, out, complaints)
	}
}
