package legacy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// instance is one of a state file, as decoded JSON.
type instance = map[string]any

// rewrite changes the stored instances of a resource, TYPE.NAME without the prefix,
// by hand.
func (w *world) rewrite(resource string, change func(instance)) {
	w.t.Helper()
	path := w.path("stack", "terraform.tfstate")
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
	changed := 0
	for _, r := range state["resources"].([]any) {
		r := r.(map[string]any)
		if fmt.Sprintf("%s.%s", r["type"], r["name"]) != "harborlegacy_"+resource {
			continue
		}
		for _, i := range r["instances"].([]any) {
			change(i.(instance))
			changed++
		}
	}
	if content, err = json.MarshalIndent(state, "", "  "); err != nil || changed == 0 {
		w.t.Fatalf("rewrote %d instances of %s: %v", changed, resource, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// asVersion1 stores a database as schema version 1 had it.
func asVersion1(i instance) {
	a := i["attributes"].(attributes)
	i["schema_version"] = 1
	a["backup_days"] = fmt.Sprint(a["backup_retention"])
	for _, name := range []string{"backup_retention", "access_policy", "skip_final_snapshot", "endpoint", "timeouts"} {
		delete(a, name)
	}
	delete(i, "private")
}

// asVersion0 stores a database as a flat map, as schema version 0 and the tools of
// its time had it.
func asVersion0(i instance) {
	a := i["attributes"].(attributes)
	flat := map[string]string{
		"id": fmt.Sprint(a["id"]), "name": fmt.Sprint(a["name"]), "engine": fmt.Sprint(a["engine"]), "instance_size": fmt.Sprint(a["size"]),
		"backup_days": fmt.Sprint(a["backup_retention"]), "parameters.%": "0", "user_names.#": "1", "user_names.0": "app",
	}
	i["schema_version"], i["attributes_flat"] = 0, flat
	for _, name := range []string{"attributes", "private", "sensitive_attributes"} {
		delete(i, name)
	}
}

func TestTrap8_AnOlderSchemaIsNoDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	w.rewrite("database.bare", asVersion1)
	w.rewrite("database.zero", asVersion0)
	if r := w.scan(); len(r.Drifts) > 0 || !r.Coverage.Complete() {
		t.Errorf("coverage %+v, drift\n%s", r.Coverage, strings.Join(r.drift(), "\n"))
	}
	w.want(0, "plan", "-refresh-only", "-input=false") // the tool can read it as well
	w.edit("database/bare", set("backup_retention", number("3")))
	w.edit("database/zero", add("users", attributes{"name": "eve", "role": "owner", "token": ""}))
	want := []string{
		`harborlegacy_database.bare backup_retention: 7 -> 3`,
		`harborlegacy_database.zero user[]: null -> {name:"eve" role:"owner"}`,
	}
	if diff := cmp.Diff(want, w.scan().drift()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The provider cannot read a database with timeouts if it does not get its private
// data back. That no scan of this package has this gap says that it does.
func TestPrivateDataGoesBackToTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	w.rewrite("database.main", func(i instance) { delete(i, "private") })
	r := w.scan()
	if diff := cmp.Diff([]string{"harborlegacy_database.main error"}, r.gaps()); diff != "" || r.status != 1 {
		t.Fatalf("exit status %d (-want +got):\n%s", r.status, diff)
	}
	if detail := r.Coverage.Gaps[0].Detail; !strings.Contains(detail, "private state missing") {
		t.Errorf("the gap says %q", detail)
	}
}

// What was imported is stored as it was read, but for what the cloud does not know.
func TestImported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "stack")
	for address, id := range map[string]string{
		"harborlegacy_firewall.full":            w.find("firewall/full").ID,
		"harborlegacy_bucket.zero":              w.find("bucket/zero").ID,
		"harborlegacy_database.main":            w.find("database/main").ID,
		`harborlegacy_dns_record.site["a.b/c"]`: "practice.example/a.b/c",
	} {
		w.want(0, "state", "rm", address)
		w.want(0, "import", "-input=false", address, id)
	}
	if r := w.scan(); len(r.Drifts) > 0 || r.status != 0 {
		t.Errorf("exit status %d, coverage %+v, drift\n%s", r.status, r.Coverage, strings.Join(r.drift(), "\n"))
	}
	w.edit("database/main", set("deletion_protection", false))
	if diff := cmp.Diff([]string{`harborlegacy_database.main deletion_protection: true -> false`}, w.scan().drift()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.want(0, "destroy", "-input=false", "-auto-approve")
}
