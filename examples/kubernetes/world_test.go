package kubernetes

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

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/examples/score"
)

// envProgram names a tofu or terraform to test with, besides those in PATH.
const envProgram = "TAFFRAIL_TEST_TOFU"

// page holds the table of truth.
const page = "../../docs/truth.md"

// A judge is a program that applies stacks and says what drifted.
type judge struct {
	score.Judge
	path string
}

// judges are the programs of this machine, OpenTofu first.
func judges(t *testing.T) []judge {
	t.Helper()
	var found []judge
	for _, name := range []string{os.Getenv(envProgram), "tofu", "terraform"} {
		path, err := exec.LookPath(name)
		if err != nil || slices.ContainsFunc(found, func(j judge) bool { return j.path == path }) {
			continue
		}
		out, err := exec.Command(path, "version", "-json").Output()
		var said struct {
			Version string `json:"terraform_version"`
		}
		if err != nil || json.Unmarshal(out, &said) != nil {
			t.Fatalf("%s does not say its version: %v", path, err)
		}
		found = append(found, judge{score.Judge{Name: filepath.Base(path), Version: said.Version}, path})
	}
	if len(found) == 0 {
		t.Skipf("neither tofu nor terraform is in PATH, and %s names none: nothing was applied", envProgram)
	}
	return found
}

// binary is taffrail, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "kubernetes")
	if err != nil {
		return "", err
	}
	built := filepath.Join(folder, "taffrail")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", built, "github.com/taffrail-dev/taffrail/cmd/taffrail").CombinedOutput(); err != nil {
		return built, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return built, nil
})

// built says whether a test asked for the binary.
var built bool

func TestMain(m *testing.M) {
	status := m.Run()
	if built {
		path, _ := binary()
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

// A world is a cluster, a stack in a folder of its own, and the program that applies it.
type world struct {
	*cluster
	taffrail string
	program  judge // which applies
	others   []judge
}

// newWorld starts a cluster and applies a stack of this folder there.
func newWorld(t *testing.T, stack string) *world {
	t.Helper()
	found := judges(t)
	provider := tools(t, "kube-provider")[0]
	w := &world{cluster: newCluster(t), program: found[0], others: found}
	built = true
	var err error
	if w.taffrail, err = binary(); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(w.path("mirror"), "taffrail.example", "gavinbunney", "kubectl", "1.19.0", runtime.GOOS+"_"+runtime.GOARCH, "terraform-provider-kubectl_v1.19.0")
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(provider, target); err != nil {
		t.Fatal(err)
	}
	mirror, err := json.Marshal(w.path("mirror"))
	if err != nil {
		t.Fatal(err)
	}
	config := "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = " + string(mirror) + "\n  }\n}\n"
	if err := os.WriteFile(w.path("cli.tfrc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	kubeconfig := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "practice",
"clusters": [{"name": "practice", "cluster": {"server": %q, "certificate-authority": %q}}],
"users": [{"name": "deployer", "user": {"token": %q}}],
"contexts": [{"name": "practice", "context": {"cluster": "practice", "user": "deployer"}}]}`, w.server, w.path("ca.pem"), deployer)
	if err := os.WriteFile(w.path("kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	w.copyStack(stack)
	w.do(w.program, "init", "-input=false")
	w.do(w.program, "apply", "-input=false", "-auto-approve")
	return w
}

// copyStack copies the code alone, whatever a run in its place has left there.
func (w *world) copyStack(stack string) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(stack, "*.tf"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("%s holds no code: %v", stack, err)
	}
	if err := os.MkdirAll(w.path("stack"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(w.path("stack"), filepath.Base(file)), content, 0o600)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// environment is ours without what could lead the programs elsewhere. The provider keeps what the server can do below HOME.
func (w *world) environment(by judge) []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		return strings.HasPrefix(s, "TF_") || strings.HasPrefix(s, "KUBE") || strings.HasPrefix(s, "TAFFRAIL_") || strings.HasPrefix(s, "HOME=")
	})
	env = append(env, "HOME="+w.path("home"), "TF_CLI_CONFIG_FILE="+w.path("cli.tfrc"), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
		"TF_VAR_server="+w.server, "TF_VAR_ca="+w.authority(), "TF_VAR_token="+deployer,
		"KUBE_CONFIG_PATH="+w.path("kubeconfig"),
		"TAFFRAIL_CONFIG_DIR="+w.path("config"), "TAFFRAIL_DATA_DIR="+w.path("data"), "TAFFRAIL_STATE_DIR="+w.path("state"))
	if by.path != "" && by != w.program {
		env = append(env, "TF_DATA_DIR="+w.path("data-of-"+by.Name))
	}
	return env
}

func (w *world) authority() string {
	w.t.Helper()
	content, err := os.ReadFile(w.path("ca.pem"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(content)
}

// run runs a program in the stack's folder. It returns what it said and its exit status.
func (w *world) run(by judge, program string, args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	var out, complaints bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.path("stack"), w.environment(by), &out, &complaints
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
}

// do runs a judge's program, which must succeed.
func (w *world) do(by judge, args ...string) string {
	w.t.Helper()
	out, complaints, status := w.run(by, by.path, args...)
	if status != 0 {
		w.t.Fatalf("%s %s: exit status %d\n%s%s", by.Name, strings.Join(args, " "), status, out, complaints)
	}
	return out
}

// A report is the part of a scan's JSON that the tests look at.
type report struct {
	Coverage taffrail.Coverage
	Drifts   []taffrail.Drift
	Noise    []taffrail.Finding
	drift    []score.Spot
	status   int
	text     string
}

// scan has taffrail read the stack.
func (w *world) scan(args ...string) report {
	w.t.Helper()
	out, complaints, status := w.run(judge{}, w.taffrail, append([]string{"scan", ".", "-o", "json", "-q"}, args...)...)
	r := report{status: status, text: out + complaints}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		w.t.Fatalf("scan: exit status %d, %v\n%s%s", status, err, out, complaints)
	}
	var err error
	if r.drift, err = score.Taffrail([]byte(out)); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// gaps lists what a scan could not read, with the reasons.
func (r report) gaps() []string {
	var lines []string
	for _, g := range r.Coverage.Gaps {
		lines = append(lines, fmt.Sprintf("%s %s", g.Address, g.Reason))
	}
	slices.Sort(lines)
	return lines
}

// refreshOnly asks another program.
func (w *world) refreshOnly(by judge) []score.Spot {
	w.t.Helper()
	if by != w.program {
		w.do(by, "init", "-input=false", "-lockfile=readonly")
	}
	w.do(by, "plan", "-refresh-only", "-input=false", "-lock=false", "-out=drift.plan")
	said, err := score.Plan([]byte(w.do(by, "show", "-json", "drift.plan")))
	if err != nil {
		w.t.Fatal(err)
	}
	return said
}
