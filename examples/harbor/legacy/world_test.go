package legacy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// envProgram names a tofu or terraform to test with, before those in PATH.
const envProgram = "TAFFRAIL_TEST_TOFU"

const (
	version = "0.1.0"
	token   = "practice-cloud-token"
)

// binaries is the folder of what is built once for all tests.
var binaries = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "harborlegacy")
	if err != nil {
		return "", err
	}
	const root = "github.com/taffrail-dev/taffrail/"
	for target, source := range map[string]string{
		"harbor":               root + "examples/harbor/cmd/harbor",
		"taffrail":             root + "cmd/taffrail",
		plugin("harborlegacy"): root + "examples/harbor/cmd/terraform-provider-harborlegacy",
		plugin("harbormixed"):  root + "examples/harbor/legacy/cmd/terraform-provider-harbormixed",
	} {
		if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(folder, target), source).CombinedOutput(); err != nil {
			return folder, fmt.Errorf("go build %s: %w\n%s", source, err, out)
		}
	}
	return folder, nil
})

// plugin is where a filesystem mirror has a provider.
func plugin(name string) string {
	return filepath.Join("mirror", "taffrail.example", "practice", name, version, runtime.GOOS+"_"+runtime.GOARCH, "terraform-provider-"+name+"_v"+version)
}

func TestMain(m *testing.M) {
	status := m.Run()
	if built {
		folder, _ := binaries()
		_ = os.RemoveAll(folder)
	}
	os.Exit(status)
}

// built says whether a test asked for the binaries.
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
	built = true
	var err error
	if w.bin, err = binaries(); err != nil {
		t.Fatal(err)
	}
	w.serve()
	if err := os.CopyFS(w.path("stack"), os.DirFS(stack)); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{".terraform", ".terraform.lock.hcl", "terraform.tfstate"} { // by whoever tried the stack in its place
		if err := os.RemoveAll(w.path("stack", left)); err != nil {
			t.Fatal(err)
		}
	}
	mirror, err := json.Marshal(filepath.Join(w.bin, "mirror"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("cli.tfrc", "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = "+string(mirror)+"\n  }\n}\n")
	w.want(0, "init", "-input=false")
	w.want(0, "apply", "-input=false", "-auto-approve")
	return w
}

func program(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv(envProgram), "tofu", "terraform"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("neither tofu nor terraform is in PATH, and %s names none: nothing was applied", envProgram)
	return ""
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.folder}, parts...)...)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
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
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		return strings.HasPrefix(s, "TF_") || strings.HasPrefix(s, "HARBOR_") || strings.HasPrefix(s, "TAFFRAIL_")
	})
	return append(env, "TF_CLI_CONFIG_FILE="+w.path("cli.tfrc"), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
		"HARBOR_URL="+w.url, "HARBOR_TOKEN="+token,
		"TAFFRAIL_CONFIG_DIR="+w.path("taffrail", "config"), "TAFFRAIL_DATA_DIR="+w.path("taffrail", "data"), "TAFFRAIL_STATE_DIR="+w.path("taffrail", "state"))
}

// run runs a program in the stack's folder. It returns what it said and its exit status.
func (w *world) run(program string, args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	var out, complaints bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.path("stack"), w.environment(), &out, &complaints
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
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
