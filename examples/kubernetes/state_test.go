package kubernetes

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/examples/score"
)

// Where the backend keeps state and lock, as OpenTofu's documentation has it.
const (
	stateSecret = "/api/v1/namespaces/default/secrets/tfstate-default-shop"
	stateLease  = "/apis/coordination.k8s.io/v1/namespaces/default/leases/lock-tfstate-default-shop"
)

// The state is read where the backend left it, by a real API server, with nothing of the tool's.
func TestStateInTheCluster(t *testing.T) {
	w := newWorld(t, "stack-state")
	before := w.get(stateSecret)
	r := w.scan()
	if len(r.drift) > 0 || r.status != 0 || r.Coverage.Checked != 2 {
		t.Fatalf("right after the apply: exit status %d\n%s", r.status, r.text)
	}
	w.delete("/api/v1/namespaces/default/configmaps/note-one")
	want := []score.Spot{{Address: `kubectl_manifest.notes["one"]`, Attribute: score.Gone}}
	if r = w.scan(); r.status != 2 || !cmp.Equal(want, r.drift) {
		t.Errorf("exit status %d, drift %v, want %v", r.status, r.drift, want)
	}
	if diff := cmp.Diff(before, w.get(stateSecret)); diff != "" {
		t.Errorf("the scan changed the state (-before +after):\n%s", diff)
	}
	w.do(w.program, "apply", "-input=false", "-auto-approve")
	if r = w.scan(); len(r.drift) > 0 || r.status != 0 {
		t.Errorf("after the repair: exit status %d, %v", r.status, r.drift)
	}
}

// While somebody holds the lease, what is recorded and what is live may be of different moments. It is said, and the lease stays his.
func TestTrap15_HeldLeaseIsSaidAndLeft(t *testing.T) {
	w := newWorld(t, "stack-state")
	w.patch(stateLease, object{
		"metadata": object{"annotations": object{"app.terraform.io/lock-info": `{"ID":"5c1d","Operation":"OperationTypeApply","Who":"eve@practice.example"}`}},
		"spec":     object{"holderIdentity": "5c1d"},
	})
	before := w.get(stateLease)
	r := w.scan()
	raced := false
	for _, gap := range r.Coverage.Gaps {
		raced = raced || gap.Reason == taffrail.ReasonRaced && strings.Contains(gap.Detail, "eve@practice.example")
	}
	if !raced || r.status != 1 {
		t.Errorf("exit status %d, gaps %+v", r.status, r.Coverage.Gaps)
	}
	if diff := cmp.Diff(before, w.get(stateLease)); diff != "" {
		t.Errorf("the scan changed the lease (-before +after):\n%s", diff)
	}
	w.patch(stateLease, object{"metadata": object{"annotations": nil}, "spec": object{"holderIdentity": nil}})
	if r := w.scan(); r.status != 0 {
		t.Errorf("when it is let go: exit status %d\n%s", r.status, r.text)
	}
}

// A state that may not be read is an error with the verb that is missing, and no log entry calls it in sync.
func TestStateRefused(t *testing.T) {
	w := newWorld(t, "stack-state")
	w.allow([]any{object{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"*"}}})
	w.await(stateSecret, http.StatusForbidden)
	out, complaints, status := w.run(judge{}, w.taffrail, "scan", ".", "-o", "json", "-q")
	if status != 1 || !strings.Contains(out+complaints, "secrets in the namespace default") || strings.Contains(out+complaints, deployer) {
		t.Errorf("exit status %d\n%s%s", status, out, complaints)
	}
}
