package usercli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// tools are the real ones at hand.
func tools(t *testing.T) []Tool {
	t.Helper()
	var found []Tool
	for _, program := range []string{os.Getenv("TAFFRAIL_TEST_TOFU"), "tofu", "terraform"} {
		if path, err := exec.LookPath(program); err == nil {
			tool, err := inspect(t.Context(), Wish{Path: os.Getenv("PATH"), Environ: os.Environ()}, path)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, tool)
		}
	}
	if len(found) == 0 {
		t.Skip("neither terraform nor tofu is in PATH, and TAFFRAIL_TEST_TOFU names none: nothing was planned")
	}
	return found
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const emptyState = `{"version":4,"terraform_version":"1.6.0","serial":1,"lineage":"abc","outputs":{},"resources":[]}`

// stackAt gives the source of a stack that needs no provider's binary.
func stackAt(dir string) Source {
	return Source{
		Dir: dir, DataDir: filepath.Join(dir, ".terraform"), Workspace: "default", Environ: []string{"PATH=" + os.Getenv("PATH")},
		State: func(path string) error { return os.WriteFile(path, []byte(emptyState), 0o600) }, Limit: DefaultLimit(),
	}
}

func open(t *testing.T, s Source) *Copy {
	t.Helper()
	c, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(c.dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the copy is still there: %v", err)
		}
	})
	return c
}

func planned(t *testing.T, c *Copy, tool Tool) string {
	t.Helper()
	var shown []byte
	err := c.Plan(t.Context(), tool, OfCode, nil, func(r io.Reader) (err error) {
		shown, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(shown)
}

// fingerprint is every file below a folder, with its content and times.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	prints := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		print := fmt.Sprint(info.Mode(), info.ModTime())
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			print += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		prints[path] = print
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return prints
}

func TestPlanInCopy(t *testing.T) {
	for _, tool := range tools(t) {
		t.Run(tool.Name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "env", "prod")
			write(t, top, map[string]string{
				"shared/words.txt": "from beside",
				"env/other.txt":    "from above",
				"modules/m/main.tf": `resource "terraform_data" "m" { input = file("${path.module}/../../shared/words.txt") }
`,
				"env/prod/main.tf": `terraform {
  backend "s3" {
    bucket = "nobody"
    key    = "asked"
    region = "nowhere-1"
  }
}
module "m" { source = "../../modules/m" }
resource "terraform_data" "x" { input = "${terraform.workspace}, ${file("../other.txt")}, ${path.cwd}, ${file("own.txt")}" }
`,
				"env/prod/own.txt":                         "own",
				"env/prod/terraform.tfstate":               "not to be read",
				"env/prod/.terraform/modules/modules.json": `{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"m","Source":"../../modules/m","Dir":"../../modules/m"}]}`,
			})
			before := fingerprint(t, top)
			s := stackAt(dir)
			s.Workspace = "blue"
			s.Environ = append(s.Environ, "TF_CLI_ARGS_plan=-destroy", "TF_WORKSPACE=green", "TF_DATA_DIR="+dir, "TF_LOG=TRACE")
			c := open(t, s)
			shown := planned(t, c, tool)
			for _, want := range []string{"blue, from above, " + dir + ", own", `"input":"from beside"`} {
				if !strings.Contains(shown, want) {
					t.Errorf("no %q in %s", want, shown)
				}
			}
			if diff := cmp.Diff(before, fingerprint(t, top)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProblemsNameThePlace(t *testing.T) {
	for _, tool := range tools(t) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"main.tf": "\nresource \"terraform_data\" \"x\" { input = var.nothing }\n"})
		err := open(t, stackAt(dir)).Plan(t.Context(), tool, OfCode, nil, func(io.Reader) error { return nil })
		var f *Failed
		if !errors.As(err, &f) || len(f.Problems) != 1 || f.Problems[0].File != "main.tf" || f.Problems[0].Line != 2 {
			t.Errorf("%v", err)
		}
	}
}

// Nothing outside of the private folder can be written by what the plan runs, where the kernel can forbid it.
func TestWritesAreConfined(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "main.tf")
	write(t, dir, map[string]string{"main.tf": ""})
	c := open(t, stackAt(dir))
	script := filepath.Join(c.dir, "tool")
	write(t, c.dir, map[string]string{"tool": "#!/bin/sh\necho inside > $TMPDIR/x || exit 7\necho broken > " + victim + " 2>/dev/null && exit 8\nexit 0\n"})
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		runtime.LockOSThread() // it ends with the goroutine
		done <- confine([]string{c.dir})
	}()
	if !<-done {
		t.Skip("this kernel cannot confine: the copy alone protects the stack")
	}
	job := c.job(Tool{Path: script}, io.Discard)
	if err := job.run(t.Context()); err != nil {
		t.Errorf("the script: %v", err)
	}
	if err := os.WriteFile(victim, []byte("ours"), 0o600); err != nil {
		t.Errorf("our own threads were confined: %v", err)
	}
}

func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"main.tf":                         "module \"m\" { source = \"./m\" }\n\ndata \"external\" \"x\" { program = [\"true\"] }\n",
		"check.tf":                        "check \"c\" {\n  data \"external\" \"y\" { program = [\"true\"] }\n}\n",
		"key.tofu":                        "terraform {\n  encryption {\n    key_provider \"external\" \"k\" { command = [\"true\"] }\n  }\n}\n",
		"m/data.tf.json":                  `{"data":{"external":{"z":{"program":["true"]}}}}`,
		"once.tf":                         "ephemeral \"local_command\" \"e\" { command = \"true\" }\n",
		"m/fine.tf":                       "data \"other\" \"w\" {}\nresource \"external\" \"x\" {}\n",
		"unused/main.tf":                  "data \"external\" \"u\" { program = [\"true\"] }\n",
		"terraform.tfvars":                "data = 1\n",
		".terraform/modules/modules.json": `{"Modules":[{"Key":"","Dir":"."},{"Key":"m","Dir":"m"}]}`,
	})
	got, err := open(t, stackAt(dir)).Programs()
	want := []string{"check.tf:2: data external", "key.tofu:3: key_provider external", "main.tf:3: data external", "once.tf:1: ephemeral local_command", "m/data.tf.json:1: data external"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	write(t, dir, map[string]string{"broken.tf": "data \"external\" {"})
	if _, err := open(t, stackAt(dir)).Programs(); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("broken code: %v", err)
	}
}

// The state of another stack may be read by a backend that runs a program for its credentials, or through a file that names one.
func TestProgramsOfRemoteStates(t *testing.T) {
	for code, runs := range map[string]bool{
		`backend = "local"`: false,
		`backend = "s3"
config = { bucket = "b", key = var.k }`: false,
		`backend = "gcs"
config = { "bucket" = "b" }`: false,
		`backend = "kubernetes"
config = { config_path = "./kubeconfig" }`: true,
		`backend = var.backend`: true,
		`config = {}`:           true,
		`backend = "s3"
config = { shared_config_files = ["./aws"] }`: true,
		`backend = "s3"
config = { profile = "x" }`: true,
		`backend = "s3"
config = { (var.key) = "x" }`: true,
		`backend = "s3"
config = merge({}, {})`: true,
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"main.tf": "data \"terraform_remote_state\" \"x\" {\n" + code + "\n}\n"})
		got, err := open(t, stackAt(dir)).Programs()
		if err != nil || len(got) > 0 != runs {
			t.Errorf("%s: %q, %v", code, got, err)
		}
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.tf": "", "b.bin": strings.Repeat("x", 2000)})
	for _, l := range []Limit{{Bytes: 1000, Files: 10}, {Bytes: 10_000, Files: 1}} {
		s := stackAt(dir)
		s.Limit = l
		if _, err := Open(s); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"stack/main.tf": "", "stack/sub/x": "inner", "outer": "outer"})
	for name, target := range map[string]string{"inside": "sub/x", "up": "../outer", "absolute": filepath.Join(dir, "outer"), "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, "stack", name)); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, stackAt(filepath.Join(dir, "stack")))
	for name, want := range map[string]string{"inside": "inner", "up": "outer", "absolute": "outer"} {
		if data, err := os.ReadFile(filepath.Join(c.root, name)); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	folder := t.TempDir()
	left, held, young := filepath.Join(folder, prefix+"1"), filepath.Join(folder, prefix+"2"), filepath.Join(folder, prefix+"3")
	write(t, folder, map[string]string{prefix + "1/lock": "", prefix + "1/ro/state": "secret", prefix + "2/state": "", prefix + "3/x": "", "other/lock": ""})
	if err := os.Chmod(filepath.Join(left, "ro"), 0o500); err != nil {
		t.Fatal(err)
	}
	lock, err := hold(held)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	sweep(folder)
	for path, stays := range map[string]bool{left: false, held: true, young: true, filepath.Join(folder, "other"): true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func fake(t *testing.T, dir, name, says string) {
	t.Helper()
	write(t, dir, map[string]string{name: "#!/bin/sh\nprintf '%s\\n' '" + says + "'\n"})
	if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	fake(t, dir, "terraform", "Terraform v1.9.8")
	fake(t, dir, "tofu", "OpenTofu v1.10.3")
	fake(t, dir, "odd", "Something else")
	host := func(h string) []addr.Provider {
		return []addr.Provider{{Host: "registry." + h + ".org", Namespace: "a", Type: "b"}}
	}
	for _, tc := range []struct {
		name string
		wish Wish
		want string
	}{
		{"none preferred", Wish{}, "terraform 1.9.8"},
		{"tofu locked it", Wish{Locked: host("opentofu")}, "tofu 1.10.3"},
		{"terraform locked it", Wish{Locked: host("terraform")}, "terraform 1.9.8"},
		{"the state is newer than one", Wish{Wrote: "1.10.0"}, "tofu 1.10.3"},
		{"the state is newer than both", Wish{Wrote: "1.99.0"}, "the state was written by version 1.99.0"},
		{"files of tofu", Wish{Tofu: true}, "tofu 1.10.3"},
		{"named", Wish{Program: "tofu"}, "tofu 1.10.3"},
		{"by path", Wish{Program: filepath.Join(dir, "terraform")}, "terraform 1.9.8"},
		{"named and missing", Wish{Program: "absent"}, "absent is not in PATH"},
		{"something else", Wish{Program: "odd"}, "neither terraform nor tofu"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.wish.Path = dir
			got, err := Find(t.Context(), tc.wish)
			if text := got.Name + " " + got.Version; err == nil && text != tc.want || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q, %v", text, err)
			}
			if err != nil && taffrail.HintOf(err) == "" {
				t.Error("no hint")
			}
		})
	}
	if _, err := Find(t.Context(), Wish{Path: t.TempDir()}); taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("%v", err)
	}
}

func TestCancelKillsTheGroup(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"main.tf": "", "tool": "#!/bin/sh\nsleep 600 &\necho $! > $TMPDIR/pid\nwait\n"})
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := open(t, stackAt(dir))
	ctx, cancel := context.WithCancel(t.Context())
	pid := filepath.Join(c.dir, "tmp", "pid")
	go func() {
		for {
			if data, err := os.ReadFile(pid); err == nil && len(data) > 0 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err := c.Plan(ctx, Tool{Path: filepath.Join(dir, "tool")}, OfCode, nil, func(io.Reader) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	data, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(data)) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("what the tool started still runs")
}

func TestProblemsReadsLongLines(t *testing.T) {
	line := func(severity string) string {
		return `{"type":"diagnostic","diagnostic":{"severity":"` + severity + `","summary":"s","detail":"d","range":{"filename":"a.tf","start":{"line":3}}}}` + "\n"
	}
	text := line("warning") + strings.Repeat("x", 1<<20) + "\n" + line("error") + "not json\n" + strings.Repeat(line("error"), 5)
	got := problems(strings.NewReader(text))
	want := slices.Repeat([]Problem{{Summary: "s", Detail: "d", File: "a.tf", Line: 3}}, maxProblems)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
