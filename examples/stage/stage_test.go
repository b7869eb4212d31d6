package stage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What was built for all suites is linked, wherever a suite wants it, and what was not is built.
func TestBuild(t *testing.T) {
	built, folder := t.TempDir(), t.TempDir()
	t.Setenv(EnvBuilt, built)
	made := filepath.Join(built, "harbor")
	if err := os.WriteFile(made, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Build(folder, map[string]string{"deep/below/it": "examples/harbor/cmd/harbor"}); err != nil {
		t.Fatal(err)
	}
	want, errWant := os.Stat(made)
	got, errGot := os.Stat(filepath.Join(folder, "deep/below/it"))
	if errWant != nil || errGot != nil || !os.SameFile(want, got) {
		t.Errorf("it is not what was built: %v %v", errWant, errGot)
	}
	err := Build(folder, map[string]string{"other": "examples/stage/nowhere"})
	if err == nil || !strings.Contains(err.Error(), "go build examples/stage/nowhere") {
		t.Errorf("what was not built for all is not built: %v", err)
	}
	t.Setenv(EnvBuilt, "")
	err = Build(folder, map[string]string{"more": "examples/stage/nowhere/harbor"})
	if err == nil || !strings.Contains(err.Error(), "go build") {
		t.Errorf("it is linked from nowhere: %v", err)
	}
}
