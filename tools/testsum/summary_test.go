package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealStreams runs the go command on small packages and reads what it really
// says, so that a change of the format shows up here.
func TestRealStreams(t *testing.T) {
	tests := map[string]struct {
		code   string
		ok     bool
		want   []string
		unwant []string
	}{
		"pass": {
			code:   "func TestA(t *testing.T) { t.Log(\"chatter\") }",
			ok:     true,
			want:   []string{"ok  \texample.test/m", "tests: 1 passed, 0 failed, 0 skipped, in 1 packages\n"},
			unwant: []string{"chatter", "=== RUN"},
		},
		"skip": {
			code: "func TestA(t *testing.T) { t.Skip(\"no cloud at hand\") }\nfunc TestB(t *testing.T) {}",
			ok:   true,
			want: []string{"SKIPPED example.test/m TestA: no cloud at hand\n", "1 passed, 0 failed, 1 skipped"},
		},
		"fail": {
			code:   "func TestA(t *testing.T) { t.Log(\"chatter\") }\nfunc TestB(t *testing.T) { t.Run(\"x\", func(t *testing.T) { t.Error(\"it broke\") }) }",
			want:   []string{"it broke", "FAILED  example.test/m TestB/x\n", "FAILED  example.test/m TestB\n", "1 passed, 2 failed"},
			unwant: []string{"chatter", "ok  "},
		},
		"panic": {
			code: "func TestA(t *testing.T) { panic(\"out of rope\") }",
			want: []string{"panic: out of rope", "FAILED  example.test/m TestA\n"},
		},
		"exit": {
			code: "func TestA(t *testing.T) { t.Log(\"last words\"); os.Exit(7) }",
			want: []string{"last words", "FAILED  example.test/m"},
		},
		"does not build": {
			code: "func TestA(t *testing.T) { undeclared() }",
			want: []string{"undefined: undeclared", "FAILED  example.test/m\n"},
		},
		"no tests": {
			code: "func helper() {}",
			ok:   true,
			want: []string{"tests: 0 passed, 0 failed, 0 skipped, in 1 packages\n"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := summarise(t, goTest(t, tt.code))
			if ok != tt.ok {
				t.Errorf("finish = %v, want %v", ok, tt.ok)
			}
			for _, w := range tt.want {
				if !strings.Contains(got, w) {
					t.Errorf("output lacks %q", w)
				}
			}
			for _, u := range tt.unwant {
				if strings.Contains(got, u) {
					t.Errorf("output has %q", u)
				}
			}
			if t.Failed() {
				t.Logf("output:\n%s", got)
			}
		})
	}
}

// TestBrokenStreams feeds what a go command that was killed, or never ran, leaves.
func TestBrokenStreams(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"empty":      {"", "no package with tests was seen"},
		"plain text": {"go: no such module\n", "go: no such module\n"},
		"no newline": {"go: out of memory", "go: out of memory\n"},
		"cut short": {
			`{"Action":"start","Package":"p"}` + "\n" + `{"Action":"run","Package":"p","Test":"T"}` + "\n",
			"FAILED  p (the stream ended before the package did)",
		},
		"other JSON": {"{}\n", "{}\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := summarise(t, tt.in)
			if ok {
				t.Error("finish = true, want false")
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("output lacks %q:\n%s", tt.want, got)
			}
		})
	}
}

func summarise(t *testing.T, stream string) (string, bool) {
	t.Helper()
	var out strings.Builder
	s := newSummary(&out)
	if err := s.read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	ok := s.finish()
	return out.String(), ok
}

// goTest returns the stream that go test gives for a package of that code.
func goTest(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	imports := "import \"testing\"\n"
	if strings.Contains(code, "os.") {
		imports += "import \"os\"\n"
	}
	if !strings.Contains(code, "testing.") {
		imports = ""
	}
	write(t, filepath.Join(dir, "go.mod"), "module example.test/m\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "m_test.go"), "package m\n\n"+imports+code+"\n")

	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return string(out)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
