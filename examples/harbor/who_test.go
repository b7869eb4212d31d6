package harbor

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

// TestWhoMovedIt has people change what a pipeline has applied, gives the trail to taffrail, and holds whom it names for each change against the truth.
func TestWhoMovedIt(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: nothing was applied")
	}
	found := stage.Programs()
	if len(found) == 0 {
		t.Skip(stage.Missing)
	}
	built := buildTools(t)
	built.taffrail = filepath.Join(filepath.Dir(built.harbor), "taffrail")
	goBuild(t, built.folder, map[string]string{"taffrail": "cmd/taffrail"})
	w := peopled(t, built, found[0])
	w.want(0, "22 added", "apply", "-input=false", "-auto-approve")
	w.age()
	if drifts := w.drifts(0); len(drifts) > 0 { // a fresh apply is no drift, nor are parts of an object that others have
		t.Errorf("right after the apply: %+v", drifts)
	}
	applied := len(w.truth())
	w.harbor("act", "--seed", "5", "--count", "40")
	w.harbor("trail", "flush")
	w.askTaffrail(0, "events", "import", filepath.Join(w.folder, "trail"))
	w.judge(w.drifts(2), w.truth()[applied:])
}

// askTaffrail runs taffrail in the stack's folder, and gives what it said.
func (w *world) askTaffrail(status int, args ...string) []byte {
	w.t.Helper()
	cmd := exec.Command(w.tools.taffrail, args...)
	cmd.Dir = filepath.Join(w.folder, "stack")
	cmd.Env = append(w.environment(), "TAFFRAIL_CONFIG_DIR="+filepath.Join(w.folder, "config"), "TAFFRAIL_DATA_DIR="+filepath.Join(w.folder, "data"), "TAFFRAIL_STATE_DIR="+filepath.Join(w.folder, "state"))
	out, err := cmd.Output() // an exit status of 2 is an answer
	if got := cmd.ProcessState.ExitCode(); got != status {
		w.t.Fatalf("taffrail %s: exit status %d, want %d, %v\n%s", strings.Join(args, " "), got, status, err, out)
	}
	return out
}

func (w *world) drifts(status int) []taffrail.Drift {
	w.t.Helper()
	var said struct{ Drifts []taffrail.Drift }
	if err := json.Unmarshal(w.askTaffrail(status, "scan", ".", "-o", "json", "-q"), &said); err != nil {
		w.t.Fatal(err)
	}
	return said.Drifts
}

// held is the attribute of the object that holds a part which is a resource of its own.
var held = map[taffrail.ResourceType]string{
	"harbor_bucket_policy": "policy", "harbor_bucket_versioning": "versioning", "harbor_bucket_encryption": "encryption", "harbor_bucket_public_access": "public_access",
	"harbor_role_policy": "inline_policies", "harbor_role_policy_attachment": "attached_policies",
}

// judge checks that whoever is named for a change has changed the attribute, with the event that is named; mostly it is the last who did. What people do
// here is of one second or two, so that it need not be.
func (w *world) judge(drifts []taffrail.Drift, truth []trail.Truth) {
	w.t.Helper()
	named, last := 0, 0
	for _, d := range drifts {
		id, _, _ := strings.Cut(string(d.Finding.Resource.ID), "/")
		if d.Causes == nil {
			w.t.Errorf("nobody is asked for %s", d.Finding.Resource.Address)
			continue
		}
		for _, c := range d.Causes.Changes {
			ref := c.Event
			if ref == nil && len(c.Candidates) > 0 {
				ref = &c.Candidates[0].EventRef
			}
			if ref == nil {
				continue
			}
			attribute := held[d.Finding.Resource.Type]
			if steps := c.Change.Path.Steps(); attribute == "" && len(steps) > 0 {
				attribute = steps[0].Name()
			}
			did := writers(truth, id, attribute)
			named++
			if len(did) > 0 && did[len(did)-1].Event == string(ref.ID) {
				last++
			}
			if !didIt(did, ref) {
				w.t.Errorf("%s %s: %s by %s is named, and it was %+v", d.Finding.Resource.Address, attribute, ref.ID, ref.Actor.ID, did)
			}
		}
	}
	if named < 10 || 10*last < 6*named {
		w.t.Errorf("%d changes have a name, %d of them that of the last who did it", named, last)
	}
}

// writers are the lines about an attribute, or about what holds it through another object.
func writers(truth []trail.Truth, id, attribute string) (found []trail.Truth) {
	for _, line := range truth {
		if top, _, _ := strings.Cut(line.Path, "."); line.ID == id && top == attribute {
			found = append(found, line)
		}
	}
	return found
}

func didIt(lines []trail.Truth, ref *taffrail.EventRef) bool {
	for _, line := range lines {
		if line.Event == string(ref.ID) && line.Principal == ref.Actor.ID {
			return true
		}
	}
	return false
}
