package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/taffrail-dev/taffrail"
)

// shell writes a program that stands for the tool.
func shell(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tofu")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// pullSettings are those of a stack that init was run in, with a backend that we have no reader for.
func pullSettings(t *testing.T) Config {
	t.Helper()
	c := settings(t, "oss", map[string]any{"password": "hush-hush"})
	write(t, filepath.Join(c.DataDir, "terraform.tfstate"), `{"backend":{"type":"oss"}}`)
	write(t, filepath.Join(c.DataDir, "providers", "kept"), "x")
	c.Environ = []string{"PATH=/usr/bin:/bin", "TF_CLI_ARGS=-lock", "TF_CLI_ARGS_state_pull=-x", "TF_DATA_DIR=/elsewhere", "TF_LOG=trace", "TF_WORKSPACE=other", "TF_VAR_a=b"}
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tree lists a folder with what its files hold.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func pull(t *testing.T, c Config, tool string) Reader {
	t.Helper()
	r, err := Pull(t.Context(), c, tool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestPullRunsInPrivate(t *testing.T) {
	c := pullSettings(t)
	c.Workspace = "blue"
	before := tree(t, c.Dir)
	told := filepath.Join(t.TempDir(), "told")
	tool := shell(t, fmt.Sprintf(`
[ "$1" = workspace ] && { printf '  default\n* blue\n'; exit; }
{ pwd; echo "$*"; echo "$TF_WORKSPACE $TF_INPUT $TF_CLI_ARGS$TF_CLI_ARGS_state_pull$TF_LOG $TF_VAR_a"; cat "$TF_DATA_DIR/terraform.tfstate" "$TF_DATA_DIR/providers/kept"; echo; echo "$TF_DATA_DIR"; } > %s
echo x > "$TF_DATA_DIR/new"
printf '%%s' '%s'`, told, sample))
	r := pull(t, c, tool)
	fetch(t, r)
	data, _ := os.ReadFile(told)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	dir, _ := filepath.EvalSymlinks(c.Dir)
	if diff := cmp.Diff([]string{dir, "state pull", "blue 0  b", `{"backend":{"type":"oss"}}x`}, lines[:4]); diff != "" {
		t.Error(diff)
	}
	private := lines[4]
	if diff := cmp.Diff(before, tree(t, c.Dir)); diff != "" {
		t.Error("the stack's folder changed: " + diff)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(private); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the private folder stays: %v", err)
	}
	if diff := cmp.Diff(before, tree(t, c.Dir)); diff != "" {
		t.Error("closing it changed the stack's folder: " + diff)
	}
}

func TestPullCreatesNoState(t *testing.T) {
	c := pullSettings(t)
	c.Workspace = "green"
	pulled := filepath.Join(t.TempDir(), "pulled")
	tool := shell(t, fmt.Sprintf(`[ "$1" = workspace ] && { printf '* default\n  greenish\n'; exit; }; touch %s`, pulled))
	_, _, err := pull(t, c, tool).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindNotFound, "green")

	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	c.Type, c.Workspace, c.Attributes = "http", "", map[string]any{"address": server.URL}
	_, _, err = pull(t, c, tool).Fetch(t.Context(), "")
	wantKind(t, err, taffrail.KindNotFound)
	if _, err := os.Stat(pulled); err == nil {
		t.Error("the tool was asked for a state that does not exist, which creates it")
	}
}

func TestPullSkipsWhatIsKnown(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"7"`)
		_, _ = io.WriteString(w, `{"encrypted_data":"..."}`)
	})
	c := pullSettings(t)
	c.Type, c.Attributes = "http", map[string]any{"address": server.URL}
	runs := filepath.Join(t.TempDir(), "runs")
	fetch(t, pull(t, c, shell(t, fmt.Sprintf(`echo >> %s; printf '%%s' '%s'`, runs, sample))))
	if data, _ := os.ReadFile(runs); len(data) != 2 {
		t.Errorf("the tool ran %d times for 3 reads of which one was known", len(data))
	}
}

func TestPullFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		kind   taffrail.Kind
		part   string
	}{
		"fails":     {`printf '\033[31m╷\033[0m\n│ Error: Failed to load hush-hush\n│ details\n' >&2; exit 1`, taffrail.KindUnavailable, "exit status 1: Error: Failed to load (secret)"},
		"no state":  {"", taffrail.KindNotFound, "no state"},
		"too large": {"head -c 3000 /dev/zero", taffrail.KindInvalid, "larger"},
	} {
		c := pullSettings(t)
		c.Limit = 2000
		_, _, err := pull(t, c, shell(t, tc.script)).Fetch(t.Context(), "")
		t.Log(name)
		wantKind(t, err, tc.kind, tc.part)
		wantNoSecret(t, err, "hush-hush", "details")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, err := pull(t, pullSettings(t), shell(t, "exec sleep 60")).Fetch(ctx, "")
	wantKind(t, err, taffrail.KindUnavailable)
}

func TestPullSettings(t *testing.T) {
	c := pullSettings(t)
	_, err := Pull(t.Context(), c, "no-such-tool")
	wantKind(t, err, taffrail.KindInvalid, "no-such-tool")
	if err := os.RemoveAll(c.DataDir); err != nil {
		t.Fatal(err)
	}
	_, err = Pull(t.Context(), c, shell(t, ""))
	wantKind(t, err, taffrail.KindInvalid, "init")
}

// keeper is a server of the backend "http" that can be written to, for the real tool.
func keeper(t *testing.T) *httptest.Server {
	var mu sync.Mutex
	var state []byte
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Method == http.MethodPost:
			state, _ = io.ReadAll(r.Body)
		case r.Method != http.MethodGet:
			t.Errorf("unexpected %s", r.Method)
		case state == nil:
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write(state)
		}
	})
}

// apply runs init and apply of the real tool in a stack of its own, and gives the stack's Config and the tool.
func apply(t *testing.T, kind, block string, attributes map[string]any) (Config, string) {
	t.Helper()
	tool, err := exec.LookPath("tofu")
	if err != nil {
		tool, err = exec.LookPath("terraform")
	}
	if err != nil {
		t.Skip("this part is skipped: neither tofu nor terraform is on PATH")
	}
	c := settings(t, kind, attributes)
	c.Environ = os.Environ()
	write(t, filepath.Join(c.Dir, "main.tf"), fmt.Sprintf("terraform {\n  backend %q {\n%s\n  }\n}\nresource \"terraform_data\" \"a\" {\n  input = \"aye\"\n}\n", kind, block))
	run(t, c, tool, "init", "-input=false")
	applyAgain(t, c, tool)
	return c, tool
}

func applyAgain(t *testing.T, c Config, tool string) {
	t.Helper()
	run(t, c, tool, "apply", "-input=false", "-auto-approve", "-no-color")
}

func run(t *testing.T, c Config, tool string, arguments ...string) {
	t.Helper()
	cmd := exec.Command(tool, arguments...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), "CHECKPOINT_DISABLE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", arguments, err, out)
	}
}

// wantApplied expects the state that apply made.
func wantApplied(t *testing.T, r Reader) string {
	t.Helper()
	body, version, err := r.Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var state struct {
		Version   int
		Lineage   string
		Resources []struct{ Type, Name string }
	}
	if err := json.Unmarshal(body, &state); err != nil || state.Version != 4 || len(state.Resources) != 1 || state.Resources[0].Type != "terraform_data" {
		t.Fatalf("read %s: %v", body, err)
	}
	if again, _, err := r.Fetch(t.Context(), version); err != nil || again != nil {
		t.Errorf("the same version again: %q, %v", again, err)
	}
	return state.Lineage
}

func TestRealToolHTTP(t *testing.T) {
	server := keeper(t)
	c, tool := apply(t, "http", fmt.Sprintf("address = %q", server.URL), map[string]any{"address": server.URL})
	before := tree(t, c.Dir)
	ours, theirs := wantApplied(t, open(t, c)), wantApplied(t, pull(t, c, tool))
	if ours != theirs {
		t.Errorf("our reader sees lineage %s, the tool %s", ours, theirs)
	}
	if diff := cmp.Diff(before, tree(t, c.Dir)); diff != "" {
		t.Error("the stack's folder changed: " + diff)
	}
}

func TestRealToolS3(t *testing.T) {
	isolate(t)
	objects := s3mem.New()
	if err := objects.CreateBucket("states"); err != nil {
		t.Fatal(err)
	}
	server := serve(t, gofakes3.New(objects, gofakes3.WithLogger(gofakes3.DiscardLog())).Server().ServeHTTP)
	block := fmt.Sprintf(`
    bucket = "states"
    key = "a/b"
    region = "eu-central-1"
    access_key = "AKIDEXAMPLE"
    secret_key = %q
    endpoints = { s3 = %q }
    use_path_style = true
    skip_credentials_validation = true
    skip_metadata_api_check = true
    skip_requesting_account_id = true`, awsSecret, server.URL)
	c, tool := apply(t, "s3", block, s3Settings(t, server, map[string]any{"key": "a/b"}).Attributes)
	if ours, theirs := wantApplied(t, open(t, c)), wantApplied(t, pull(t, c, tool)); ours != theirs {
		t.Errorf("our reader sees lineage %s, the tool %s", ours, theirs)
	}
}
