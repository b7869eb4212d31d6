package harbor

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/examples/score"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

// page holds the table of truth.
const page = "../../docs/truth.md"

// A deed is what a person did at the console, and the spots that it changed.
type deed struct {
	name   string
	object string   // one deed to an object in each round
	do     []string // a command of harbor
	truth  []score.Spot
}

// at makes the one spot of a deed.
func at(address, attribute string) []score.Spot {
	return []score.Spot{{Address: address, Attribute: attribute}}
}

func deeds() []deed {
	const web, logs, main = "harbor_firewall.web", "harbor_bucket.logs", "harbor_database.main"
	const www, mail = `harbor_dns_record.site["www"]`, "harbor_dns_record.mail"
	const policy = `policy="{\"statements\": [{\"who\": [\"team:operations\"], \"actions\": [\"read\", \"list\"], \"effect\": \"allow\"}]}"`
	set := func(object string, values ...string) []string { return append([]string{"set", object}, values...) }
	return []deed{
		{"text", "web", set("firewall/web", "description=Back door"), at(web, "description")},
		{"list in a set of objects", "web", set("firewall/web", `rules.0.cidrs=["198.51.100.0/24"]`), at(web, "rules")},
		{"object added to a set", "web", set("firewall/web", `rules.+={"direction":"in","protocol":"tcp","from_port":23,"to_port":23,"cidrs":["0.0.0.0/0"]}`), at(web, "rules")},
		{"value in a map", "web", set("firewall/web", "tags.environment=other"), at(web, "tags")},
		{"key added to a map", "web", set("firewall/web", `tags."a.b"=c`), at(web, "tags")},
		{"instance of count", "worker", set("firewall/worker-1", "rules.0.to_port=9000"), at("harbor_firewall.worker[1]", "rules")},
		{"number by one beyond 2^53", "logs", set("bucket/logs", "quota_bytes=9007199254740992"), at(logs, "quota_bytes")},
		{"number in a list of objects", "logs", set("bucket/logs", "lifecycle_rules.0.expire_days=1"), at(logs, "lifecycle_rules")},
		{"single object removed", "logs", []string{"unset", "bucket/logs", "encryption"}, at(logs, "encryption")},
		{"in a single object", "logs", set("bucket/logs", "encryption.key_id=key-8"), at(logs, "encryption")},
		{"bool", "logs", set("bucket/logs", "versioning=false"), at(logs, "versioning")},
		{"JSON text that means another", "logs", set("bucket/logs", strings.Replace(policy, "operations", "everybody", 1)), at(logs, "policy")},
		{"JSON text that means the same", "logs", set("bucket/logs", policy), nil},
		{"secret in a set of objects", "main", set("database/main", "users.0.token=stolen"), at(main, "users")},
		{"beside a secret", "main", set("database/main", "users.1.role=owner"), at(main, "users")},
		{"secret removed", "main", []string{"unset", "database/main", "password"}, at(main, "password")},
		{"text in a map", "main", set("database/main", `parameters.max_connections="100"`), at(main, "parameters")},
		{"two at once", "main", set("database/main", "size=large", `parameters."log.level"=debug`),
			append(at(main, "size"), at(main, "parameters")...)},
		{"element of a set", "www", set("dns_record/www", `values=["192.0.2.10","203.0.113.1"]`), at(www, "values")},
		{"order of a set", "www", set("dns_record/www", `values=["192.0.2.11","192.0.2.10"]`), nil},
		{"order of a list", "mail", set("dns_record/mail", `priority_order=["mx1.practice.example","mx2.practice.example"]`), at(mail, "priority_order")},
		{"number", "mail", set("dns_record/mail", "ttl=60"), at(mail, "ttl")},
		{"in a module", "shop", set("firewall/shop", "default_action=deny"), at("module.shop.harbor_firewall.this", "default_action")},
		{"key with a dot in a module", "alias", set("dns_record/db.internal.shop", `values=["evil.example"]`), at(`module.shop.harbor_dns_record.alias["db.internal"]`, "values")},
		{"deleted", "plain", []string{"delete", "bucket/plain"}, at("harbor_bucket.plain", score.Gone)},
	}
}

// scan has taffrail read the stack.
func (w *world) scan(args ...string) (said []score.Spot, coverage taffrail.Coverage, status int) {
	w.t.Helper()
	cmd := exec.Command(w.tools.taffrail, append([]string{"scan", ".", "-o", "json", "-q"}, args...)...)
	cmd.Dir = filepath.Join(w.folder, "stack")
	cmd.Env = append(w.environment(), "TAFFRAIL_CONFIG_DIR="+filepath.Join(w.folder, "config"), "TAFFRAIL_DATA_DIR="+filepath.Join(w.folder, "data"), "TAFFRAIL_STATE_DIR="+filepath.Join(w.folder, "state"))
	out, _ := cmd.Output() // an exit status of 1 or 2 is an answer
	var answer struct{ Coverage taffrail.Coverage }
	if err := json.Unmarshal(out, &answer); err != nil {
		w.t.Fatalf("scan: %v\n%s", err, out)
	}
	said, err := score.Taffrail(out)
	if err != nil {
		w.t.Fatal(err)
	}
	return said, answer.Coverage, cmd.ProcessState.ExitCode()
}

// refreshOnly asks a program, which may be another than the one that applied: then with a data folder of its own.
func (w *world) refreshOnly(program string) []score.Spot {
	w.t.Helper()
	run := func(args ...string) string {
		out, status := w.run("env", append([]string{"TF_DATA_DIR=" + filepath.Join(w.folder, "data-of-"+filepath.Base(program)), program}, args...)...)
		if status != 0 {
			w.t.Fatalf("%s %v: exit status %d\n%s", program, args, status, out)
		}
		return out
	}
	run("init", "-input=false", "-lockfile=readonly")
	run("plan", "-refresh-only", "-input=false", "-lock=false", "-out=drift.plan")
	said, err := score.Plan([]byte(run("show", "-json", "drift.plan")))
	if err != nil {
		w.t.Fatal(err)
	}
	return said
}

// ask asks each program what drifted, ours first.
func (w *world) ask(others []score.Judge, note func(by string, said []score.Spot)) {
	w.t.Helper()
	said, coverage, _ := w.scan()
	if !coverage.Complete() {
		w.t.Errorf("coverage %+v", coverage)
	}
	note(score.Taffrails.Name, said)
	for i, program := range stage.Programs() {
		note(others[i].Name, w.refreshOnly(program))
	}
}

// TestScore does the deeds in rounds and scores each program against them.
func TestScore(t *testing.T) {
	t.Parallel()
	w, others := newApplied(t)
	sheet := score.New("examples/harbor", "harbor (6)")
	w.ask(others, sheet.Fresh)
	for left := deeds(); len(left) > 0; {
		var round, later []deed
		for _, d := range left {
			if slices.ContainsFunc(round, func(other deed) bool { return other.object == d.object }) {
				later = append(later, d)
			} else {
				round = append(round, d)
			}
		}
		left = later
		var truth []score.Spot
		for _, d := range round {
			w.harbor(d.do...)
			sheet.Deed(d.truth)
			truth = append(truth, d.truth...)
		}
		w.ask(others, func(by string, said []score.Spot) { sheet.Round(by, truth, said) })
		w.want(0, "Apply complete", "apply", "-input=false", "-auto-approve")
		w.age()
		if said, _, status := w.scan(); len(said) > 0 || status != 0 {
			t.Errorf("left after the repair: exit status %d, %v", status, said)
		}
	}
	sheet.Check(t, page, append([]score.Judge{score.Taffrails}, others...)...)
	sheet.Clean(t, score.Taffrails.Name)
}

// newApplied applies the stack, or skips the test where nothing can.
func newApplied(t *testing.T) (*world, []score.Judge) {
	t.Helper()
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
	w := newWorld(t, built, found[0])
	w.copyStack("stack")
	w.want(0, "successfully initialized", "init", "-input=false")
	w.want(0, "13 added", "apply", "-input=false", "-auto-approve")
	w.age()
	var others []score.Judge
	for _, program := range found {
		others = append(others, score.Judge{Name: filepath.Base(program), Version: w.versionOf(program)})
	}
	return w, others
}

// A permission that is missing is a gap, and the deeds beside it are found; a plan is no answer at all.
func TestTrap12_PermissionErrorIsNotDeletion(t *testing.T) {
	t.Parallel()
	w, others := newApplied(t)
	w.harbor("delete", "bucket/plain")
	w.harbor("fault", "set", "firewall/web", "deny")
	said, coverage, status := w.scan()
	if diff := cmp.Diff(at("harbor_bucket.plain", score.Gone), said); diff != "" || status != 2 {
		t.Errorf("exit status %d, drift (-want +got):\n%s", status, diff)
	}
	if len(coverage.Gaps) != 1 || coverage.Gaps[0].Address != "harbor_firewall.web" || coverage.Gaps[0].Reason != taffrail.ReasonDenied {
		t.Errorf("coverage %+v", coverage)
	}
	for i, program := range stage.Programs() {
		if out, status := w.run(program, "plan", "-refresh-only", "-input=false", "-lock=false"); i == 0 && status != 1 {
			t.Errorf("%s: exit status %d\n%s", others[i].Name, status, out)
		}
	}
}
