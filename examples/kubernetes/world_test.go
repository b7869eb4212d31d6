package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/examples/score"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

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
	for _, path := range stage.Programs() {
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
		t.Skip(stage.Missing)
	}
	return found
}

// binary is taffrail, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "kubernetes")
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "taffrail"), stage.Build(folder, map[string]string{"taffrail": "cmd/taffrail"})
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
	target := w.path(stage.Plugin("taffrail.example/gavinbunney/kubectl", "1.19.0"))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(provider, target); err != nil {
		t.Fatal(err)
	}
	if _, err := stage.Config(w.path(".")); err != nil {
		t.Fatal(err)
	}
	kubeconfig := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "practice",
"clusters": [{"name": "practice", "cluster": {"server": %q, "certificate-authority": %q}}],
"users": [{"name": "deployer", "user": {"token": %q}}],
"contexts": [{"name": "practice", "context": {"cluster": "practice", "user": "deployer"}}]}`, w.server, w.path("ca.pem"), deployer)
	if err := os.WriteFile(w.path("kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := stage.Copy(w.path("stack"), stack); err != nil {
		t.Fatal(err)
	}
	w.do(w.program, "init", "-input=false")
	w.do(w.program, "apply", "-input=false", "-auto-approve")
	return w
}

// environment is ours without what could lead the programs elsewhere. The provider keeps what the server can do below HOME.
func (w *world) environment(by judge) []string {
	env := append(stage.Environ(w.path("cli.tfrc"), w.path("."), "KUBE", "HOME="), "HOME="+w.path("home"),
		"TF_VAR_server="+w.server, "TF_VAR_ca="+w.authority(), "TF_VAR_token="+deployer, "KUBE_CONFIG_PATH="+w.path("kubeconfig"))
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
	stdout, stderr, status, err := stage.Run(w.path("stack"), w.environment(by), program, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return stdout, stderr, status
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
