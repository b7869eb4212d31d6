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
	harbor string
	config string // of the CLI: providers come from our mirror alone
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
	w.server = exec.Command(w.tools.harbor, "serve", "--addr", "127.0.0.1:0", "--url-file", urlFile, "--state", filepath.Join(w.folder, "cloud.json"), "--tick", "1s")
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

func TestAcceptance(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: nothing was applied")
	}
	found := programs()
	if len(found) == 0 {
		t.Skipf("neither tofu nor terraform is in PATH, and %s names none: nothing was applied", envProgram)
	}
	built := buildTools(t)
	for _, program := range found {
		t.Run(filepath.Base(program), func(t *testing.T) {
			w := newWorld(t, built, program)
			w.copyStack("stack")
			w.want(0, "successfully initialized", "init", "-input=false")
			w.want(0, "13 added", "apply", "-input=false", "-auto-approve")
			w.plan(0, "No changes")
			w.changeByHand()
			w.misbehave()
			w.restart()
			w.upgrade()
			w.importAgain()
			w.want(0, "13 destroyed", "destroy", "-input=false", "-auto-approve")
			if out := w.harbor("list"); strings.Count(out, "\n") != 1 {
				t.Errorf("left in the cloud:\n%s", out)
			}
			w.writeOnly()
		})
	}
}

// changeByHand checks that a plan sees what a person did, and that an apply
// takes it back.
func (w *world) changeByHand() {
	w.t.Helper()
	w.harbor("set", "firewall/web", `rules.0.cidrs=["198.51.100.0/24"]`)
	w.harbor("set", "bucket/logs", "quota_bytes=9007199254740992", "lifecycle_rules.0.expire_days=1")
	w.harbor("unset", "bucket/logs", "encryption")
	w.harbor("set", "database/main", "users.0.token=stolen")
	w.harbor("delete", "bucket/plain")
	w.plan(2, "1 to add, 3 to change, 0 to destroy")
	w.want(0, "1 added, 3 changed", "apply", "-input=false", "-auto-approve")
	w.plan(0, "No changes")
}

// misbehave checks that faults reach the program as what they are.
func (w *world) misbehave() {
	w.t.Helper()
	for _, fault := range []struct {
		name   string
		status int
		say    string
	}{
		{"deny", 1, "HTTP 403"},
		{"error", 1, "HTTP 500"},
		{"throttle", 1, "HTTP 429"},
		{"crash", 1, "lugin did not respond"},
		{"latency=20ms", 0, "No changes"},
		{"gone", 2, "harbor_firewall.web will be created"},
	} {
		w.harbor("fault", "set", "firewall/web", fault.name)
		w.plan(fault.status, fault.say)
		w.harbor("fault", "clear")
	}
	w.plan(0, "No changes")
}

// restart kills the cloud with no time to say goodbye.
func (w *world) restart() {
	w.t.Helper()
	if err := w.server.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	_ = w.server.Wait()
	w.start()
	w.plan(0, "No changes")
}

// upgrade puts back a record as the provider's older schema stored it.
func (w *world) upgrade() {
	w.t.Helper()
	path := filepath.Join(w.folder, "stack", "terraform.tfstate")
	content, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	var state map[string]any
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	if err := dec.Decode(&state); err != nil {
		w.t.Fatal(err)
	}
	downgraded := 0
	for _, r := range state["resources"].([]any) {
		resource := r.(map[string]any)
		if resource["type"] != "harbor_dns_record" || resource["name"] != "alias" {
			continue
		}
		for _, i := range resource["instances"].([]any) {
			downgrade(i.(map[string]any))
			downgraded++
		}
	}
	if content, err = json.MarshalIndent(state, "", "  "); err != nil || downgraded != 2 {
		w.t.Fatalf("downgraded %d records: %v", downgraded, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.plan(0, "No changes")
}

func downgrade(instance map[string]any) {
	attributes := instance["attributes"].(map[string]any)
	instance["schema_version"] = 0
	attributes["record"] = attributes["values"].([]any)[0]
	delete(attributes, "values")
	delete(attributes, "priority_order")
}

// importAgain forgets resources and takes them up by their ids.
func (w *world) importAgain() {
	w.t.Helper()
	for _, address := range []string{"harbor_bucket.logs", `harbor_dns_record.site["a.b/c"]`} {
		shown := w.want(0, "id", "state", "show", address)
		_, rest, _ := strings.Cut(shown, "\n    id ")
		id := strings.Split(rest, `"`)[1]
		w.want(0, "", "state", "rm", address)
		w.want(0, "Import successful", "import", "-input=false", address, id)
	}
	w.plan(0, "No changes")
}

// writeOnly checks that the value is sent and is nowhere in the folder. A program
// that knows no write-only attributes refuses the stack by its required version.
func (w *world) writeOnly() {
	w.t.Helper()
	w.copyStack("stack-writeonly")
	if !w.knowsWriteOnly() {
		w.want(1, "required_version", "init", "-input=false")
		return
	}
	w.want(0, "successfully initialized", "init", "-input=false")
	w.want(0, "1 added", "apply", "-input=false", "-auto-approve")
	w.plan(0, "No changes")
	if out := w.harbor("get", "database/secretive"); !strings.Contains(out, `"admin_password_set": true`) {
		w.t.Errorf("the password did not arrive:\n%s", out)
	}
	state, err := os.ReadFile(filepath.Join(w.folder, "stack", "terraform.tfstate"))
	if err != nil || bytes.Contains(state, []byte("practice-only-admin")) {
		w.t.Errorf("%v, state:\n%s", err, state)
	}
	w.want(0, "1 changed", "apply", "-input=false", "-auto-approve", "-var=admin_password=another", "-var=admin_password_version=2")
	w.want(0, "1 destroyed", "destroy", "-input=false", "-auto-approve")
}

func (w *world) knowsWriteOnly() bool {
	w.t.Helper()
	out, status := w.run(w.program, "version", "-json")
	var said struct {
		Version string `json:"terraform_version"`
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || status != 0 {
		w.t.Fatalf("version: exit status %d, %v\n%s", status, err, out)
	}
	parts := strings.SplitN(said.Version, ".", 3)
	return len(parts) == 3 && (parts[0] != "1" || len(parts[1]) > 2 || len(parts[1]) == 2 && parts[1] >= "11")
}
