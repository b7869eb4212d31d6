package clock

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/taffrail-dev/taffrail/examples/score"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

// envProvider names the released provider.
const envProvider = "TAFFRAIL_TEST_PROVIDER_TIME"

// page holds the table of truth.
const page = "../../docs/truth.md"

// A world is a stack in a folder of its own.
type world struct {
	t        *testing.T
	folder   string
	taffrail string
}

// programs are those of this machine that can apply a stack, or the test is skipped.
func programs(t *testing.T) (paths []string) {
	t.Helper()
	paths = stage.Programs()
	if testing.Short() || len(paths) == 0 || os.Getenv(envProvider) == "" {
		t.Skipf("-short, or no tofu and no terraform in PATH or %s, or %s names no provider: nothing was applied", stage.EnvProgram, envProvider)
	}
	return paths
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, folder: t.TempDir()}
	w.taffrail = filepath.Join(w.folder, "taffrail")
	target := filepath.Join(w.folder, stage.Plugin("taffrail.example/hashicorp/time", "0.14.2"))
	_, err := stage.Config(w.folder)
	if err := errors.Join(err, stage.Build(w.folder, map[string]string{"taffrail": "cmd/taffrail"}), stage.Copy(filepath.Join(w.folder, "stack"), "stack")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.Getenv(envProvider), target); err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs a program in the stack's folder, which must end with this status. Each program keeps its own data.
func (w *world) run(status int, program string, args ...string) []byte {
	w.t.Helper()
	env := stage.Environ(filepath.Join(w.folder, "cli.tfrc"), w.folder)
	if filepath.Base(program) == "terraform" {
		env = append(env, "TF_DATA_DIR="+filepath.Join(w.folder, "data-of-terraform"))
	}
	out, complaints, got, err := stage.Run(filepath.Join(w.folder, "stack"), env, program, args...)
	if err != nil || got != status {
		w.t.Fatalf("%s %v: %v, exit status %d, want %d\n%s%s", program, args, err, got, status, out, complaints)
	}
	return []byte(out)
}

// scan has taffrail read the stack.
func (w *world) scan(status int) []score.Spot {
	w.t.Helper()
	said, err := score.Taffrail(w.run(status, w.taffrail, "scan", ".", "-o", "json", "-q"))
	if err != nil {
		w.t.Fatal(err)
	}
	return said
}

// refreshOnly asks another program.
func (w *world) refreshOnly(program string) []score.Spot {
	w.t.Helper()
	w.run(0, program, "plan", "-refresh-only", "-input=false", "-lock=false", "-out=drift.plan")
	said, err := score.Plan(w.run(0, program, "show", "-json", "drift.plan"))
	if err != nil {
		w.t.Fatal(err)
	}
	return said
}

// spend has the time of the resource "spent" run out, in the state: it is the only place where it is kept.
func (w *world) spend() {
	w.t.Helper()
	path := filepath.Join(w.folder, "stack", "terraform.tfstate")
	content, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	at := rotation.FindSubmatchIndex(content)
	if at == nil {
		w.t.Fatalf("the state has no rotation to spend\n%s", content)
	}
	spent := slices.Concat(content[:at[2]], []byte("2001-01-01T00:00:00Z"), content[at[3]:])
	if err := os.WriteFile(path, spent, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// rotation finds when the time of the resource "spent" is over.
var rotation = regexp.MustCompile(`(?s)"name":\s*"spent".*?"rotation_rfc3339":\s*"([^"]*)"`)

// TestScore does the one thing that can happen to these resources.
func TestScore(t *testing.T) {
	found := programs(t)
	w := newWorld(t)
	w.run(0, found[0], "init", "-input=false")
	w.run(0, found[0], "apply", "-input=false", "-auto-approve")
	var others []score.Judge
	for _, program := range found {
		var said struct {
			Version string `json:"terraform_version"`
		}
		if err := json.Unmarshal(w.run(0, program, "version", "-json"), &said); err != nil {
			t.Fatal(err)
		}
		w.run(0, program, "init", "-input=false", "-lockfile=readonly")
		others = append(others, score.Judge{Name: filepath.Base(program), Version: said.Version})
	}
	sheet := score.New("examples/clock", "hashicorp/time 0.14.2 (5)")
	sheet.Fresh(score.Taffrails.Name, w.scan(0))
	for i, program := range found {
		sheet.Fresh(others[i].Name, w.refreshOnly(program))
	}
	w.spend()
	truth := []score.Spot{{Address: "time_rotating.spent", Attribute: score.Gone}}
	sheet.Deed(truth)
	sheet.Round(score.Taffrails.Name, truth, w.scan(2))
	for i, program := range found {
		sheet.Round(others[i].Name, truth, w.refreshOnly(program))
	}
	sheet.Check(t, page, append([]score.Judge{score.Taffrails}, others...)...)
	sheet.Clean(t, score.Taffrails.Name)
}
