package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever writes the code writes the file beside it: it must not say what is run, or vouch for it.
func TestFileBesideTheStackIsNotTrusted(t *testing.T) {
	for _, key := range []string{
		"cli: ./evil.sh", "allow_exec: true", "allow_unlocked: true", "cli_config: x", "cache_dir: x", "confirm_mass_deletion: true", "target: x", "code: x", `"read_all": true`,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "taffrail.yaml")
		if err := os.WriteFile(path, []byte("accept: []\nterraform:\n  timeout: 9s\n  "+key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := run(t, answering(reportOf()), "scan", dir)
		if got.status != 1 || !strings.Contains(got.stderr, path+":4: ") || !strings.Contains(got.stderr, "--config") {
			t.Errorf("%s: status %d\n%s", key, got.status, got.stderr)
		}
		if got := run(t, answering(reportOf()), "scan", dir, "--config", path); got.status != 0 {
			t.Errorf("%s, named by --config: status %d\n%s", key, got.status, got.stderr)
		}
	}
}
