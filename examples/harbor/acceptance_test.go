package harbor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/examples/stage"
)

func TestAcceptance(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: nothing was applied")
	}
	found := stage.Programs()
	if len(found) == 0 {
		t.Skip(stage.Missing)
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
		{"crash", 1, "GRPCProvider).ReadResource"}, // "did not respond" or "was cancelled", as it happens
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
	parts := strings.SplitN(w.versionOf(w.program), ".", 3)
	return len(parts) == 3 && (parts[0] != "1" || len(parts[1]) > 2 || len(parts[1]) == 2 && parts[1] >= "11")
}

func (w *world) versionOf(program string) string {
	w.t.Helper()
	out, status := w.run(program, "version", "-json")
	var said struct {
		Version string `json:"terraform_version"`
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || status != 0 {
		w.t.Fatalf("version: exit status %d, %v\n%s", status, err, out)
	}
	return said.Version
}
