package harbor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

// A scanned is what taffrail said of the stack.
type scanned struct {
	Drifts   []taffrail.Drift `json:"drifts"`
	Ended    []taffrail.Drift `json:"ended"`
	Listing  taffrail.Listing `json:"listing"`
	Coverage taffrail.Coverage
	status   int
	text     string
}

// A looker is a world with somebody who looks for what nobody declares in it.
type looker struct {
	*world
	taffrail string
}

func (w looker) look(args ...string) scanned {
	w.t.Helper()
	out, status := w.run(w.taffrail, append([]string{
		"scan", ".", "-o", "json", "-q", "--config-dir", w.folder + "/config", "--data-dir", w.folder + "/data", "--state-dir", w.folder + "/guard",
	}, args...)...)
	s := scanned{status: status, text: out}
	_, out, _ = strings.Cut("\n"+out, "\n{") // before it stands what was said on standard error
	if err := json.Unmarshal([]byte("{"+out), &s); err != nil {
		w.t.Fatalf("scan: exit status %d, %v\n%s", status, err, out)
	}
	return s
}

// drift lists what is out of sync, as "address status".
func (s scanned) drift() []string {
	var out []string
	for _, d := range s.Drifts {
		out = append(out, string(d.Finding.Resource.Address)+" "+string(d.Finding.Status))
	}
	slices.Sort(out)
	return out
}

func (w looker) settings(text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, "stack", "taffrail.yaml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

const zone = "terraform:\n  list:\n    harbor_dns_record: { zone: practice.example }\n"

// inEachWorld applies the stack with each program that there is.
func inEachWorld(t *testing.T, test func(looker)) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: nothing was applied")
	}
	found := stage.Programs()
	if len(found) == 0 {
		t.Skip(stage.Missing)
	}
	built := buildTools(t)
	taffrail := filepath.Join(t.TempDir(), "taffrail")
	goBuild(t, filepath.Dir(taffrail), map[string]string{filepath.Base(taffrail): "cmd/taffrail"})
	for _, program := range found {
		t.Run(filepath.Base(program), func(t *testing.T) {
			w := looker{newWorld(t, built, program), taffrail}
			w.copyStack("stack")
			w.settings(zone)
			w.want(0, "successfully initialized", "init", "-input=false")
			w.want(0, "13 added", "apply", "-input=false", "-auto-approve")
			w.age()
			test(w)
		})
	}
}

// TestUnmanaged is a stack's life beside objects that nobody declares.
func TestUnmanaged(t *testing.T) {
	t.Parallel()
	inEachWorld(t, looker.unmanaged)
}

// Reads and lists that are behind an apply show neither deletions nor strangers, once the second look is as late as they are.
func TestTrap14_ReadsBehindAnApplyAreNoDrift(t *testing.T) { inEachWorld(t, looker.lags) }

// unmanaged makes objects by hand, imports one and deletes another.
func (w looker) unmanaged() {
	w.t.Helper()
	if s := w.look("--unmanaged", "all"); s.status != 0 || len(s.Drifts) > 0 {
		w.t.Errorf("right after an apply: exit status %d\n%s", s.status, s.text)
	}
	w.harbor("create", "bucket", "name=shadow", "tags.owner=somebody")
	w.harbor("create", "firewall", "name=hole")
	w.harbor("create", "database", "name=hidden", "engine=postgres", "size=small") // cannot be listed
	s := w.look("--unmanaged", "all")
	bucket, firewall := "harbor_bucket (unmanaged bkt-0004) unmanaged", "harbor_firewall (unmanaged fw-0005) unmanaged"
	if diff := cmp.Diff([]string{bucket, firewall}, s.drift()); diff != "" || s.status != 2 {
		w.t.Errorf("exit status %d\n%s\n%s", s.status, diff, s.text)
	}
	if !strings.Contains(s.text, "harbor_database") || !strings.Contains(s.text, "offers no list") {
		w.t.Errorf("it is not said that databases were not looked at:\n%s", s.text)
	}
	if s := w.look(); len(s.Drifts) != 0 && len(s.Drifts) != 2 {
		w.t.Errorf("a scan that does not list says %v", s.drift())
	}
	w.adopt()
	if diff := cmp.Diff([]string{firewall}, w.look("--unmanaged", "all").drift()); diff != "" {
		w.t.Errorf("after an import: %s", diff)
	}
	w.disown(bucket, firewall)
	w.harbor("delete", "firewall/hole")
	if s := w.look("--unmanaged", "all"); len(s.Drifts) > 0 || s.status != 0 {
		w.t.Errorf("after a deletion: exit status %d, %v", s.status, s.drift())
	}
}

// adopt declares the bucket "shadow", and takes it into the state.
func (w looker) adopt() {
	w.t.Helper()
	code := "resource \"harbor_bucket\" \"shadow\" {\n  name = \"shadow\"\n  tags = { owner = \"somebody\" }\n}\n"
	if err := os.WriteFile(filepath.Join(w.folder, "stack", "shadow.tf"), []byte(code), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.want(0, "Import successful", "import", "-input=false", "harbor_bucket.shadow", "bkt-0004")
}

// disown takes the bucket out of the state, and tells of another state that has it.
func (w looker) disown(bucket, firewall string) {
	w.t.Helper()
	state, other := filepath.Join(w.folder, "stack", "terraform.tfstate"), filepath.Join(w.folder, "other.tfstate")
	w.copyFile(state, other)
	w.want(0, "removed", "state", "rm", "harbor_bucket.shadow")
	if diff := cmp.Diff([]string{bucket, firewall}, w.look("--unmanaged", "all").drift()); diff != "" {
		w.t.Errorf("out of the state: %s", diff)
	}
	if diff := cmp.Diff([]string{firewall}, w.look("--unmanaged", "all", "--managed-by", other).drift()); diff != "" {
		w.t.Errorf("declared by another stack: %s", diff)
	}
	w.copyFile(other, state)
}

// lags looks right after an apply that made one bucket anew.
func (w looker) lags() {
	w.t.Helper()
	w.settings(zone + "  confirm_delay: 3s\n")
	w.want(0, "", "apply", "-input=false", "-auto-approve", "-replace=harbor_bucket.plain")
	w.harbor("fault", "set", "bucket", "lag=2s")
	defer w.harbor("fault", "clear")
	began := time.Now()
	s := w.look("--unmanaged", "harbor_bucket")
	if len(s.Drifts) > 0 || s.status != 0 {
		w.t.Errorf("%v after an apply: exit status %d, %v\n%s", time.Since(began), s.status, s.drift(), s.text)
	}
}
