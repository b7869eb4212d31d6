package cli

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func TestScanRequest(t *testing.T) {
	var got daemon.ScanRequest
	f := &fake{scan: func(_ context.Context, r daemon.ScanRequest, _ func(daemon.ScanProgress)) (daemon.ScanReport, error) {
		got = r
		return reportOf(), nil
	}}
	run(t, f, "scan", "infra/prod", "--source", "pulumi", "--workspace", "blue", "--concurrency", "5", "--timeout", "90s",
		"--target", "a.b", "--target", `a.c["x,y"]`, "--target", "a.b")
	want := daemon.ScanRequest{
		System: "pulumi", Settings: []byte(`{"target":"infra/prod","workspace":"blue","concurrency":5,"timeout":"1m30s"}`),
		Selection: taffrail.Selection{Addresses: []taffrail.Address{"a.b", `a.c["x,y"]`}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	run(t, f, "scan")
	if diff := cmp.Diff(daemon.ScanRequest{System: "terraform", Settings: []byte(`{"target":"."}`)}, got); diff != "" {
		t.Error(diff)
	}
}

// What a person names a stack comes back from the YAML as it was, whatever YAML would make of it unquoted.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{".", "yes", "null", "0123", "1e3", "a: b", "# c", "- d", "x\ny", "'", `"`, "é\u2028", "*a", "&a", "!!int 3", "%", "@", "`", "{}", "[", "|", "~", "\t", "a\\"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, target, workspace string) {
		b, err := sourceFlags{workspace: workspace, timeout: time.Second}.settings(target, nil)
		if err != nil {
			return // refused, and not changed
		}
		var got struct{ Target, Workspace, Timeout string }
		if err := yaml.UnmarshalWithOptions(b, &got, yaml.Strict()); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if got.Target != target || workspace != "" && got.Workspace != workspace || got.Timeout != "1s" {
			t.Fatalf("%q gives %+q", b, got)
		}
	})
}

func TestFolders(t *testing.T) {
	home := t.TempDir()
	for _, c := range []struct {
		name  string
		flags folders
		env   map[string]string
		want  folders
	}{
		{"home", folders{}, map[string]string{"HOME": home}, folders{home + "/.local/share/taffrail", home + "/.local/state/taffrail", home + "/.config/taffrail"}},
		{"xdg", folders{}, map[string]string{"XDG_DATA_HOME": home + "/d", "XDG_STATE_HOME": home + "/s", "XDG_CONFIG_HOME": home + "/c"},
			folders{home + "/d/taffrail", home + "/s/taffrail", home + "/c/taffrail"}},
		{"xdg relative", folders{}, map[string]string{"HOME": home, "XDG_DATA_HOME": "d", "XDG_STATE_HOME": "./s", "XDG_CONFIG_HOME": "~"},
			folders{home + "/.local/share/taffrail", home + "/.local/state/taffrail", home + "/.config/taffrail"}},
		{"variables", folders{}, map[string]string{"XDG_DATA_HOME": "/x", "TAFFRAIL_DATA_DIR": home + "/d", "TAFFRAIL_STATE_DIR": home + "/s", "TAFFRAIL_CONFIG_DIR": home + "/c"},
			folders{home + "/d", home + "/s", home + "/c"}},
		{"flags", folders{home + "/1", home + "/2", home + "/3"}, map[string]string{"TAFFRAIL_DATA_DIR": "/d", "TAFFRAIL_STATE_DIR": "/s", "TAFFRAIL_CONFIG_DIR": "/c"},
			folders{home + "/1", home + "/2", home + "/3"}},
		{"alike is not nested", folders{home + "/a", home + "/ab", home + "/..a"}, nil, folders{home + "/a", home + "/ab", home + "/..a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := findFolders(c.flags, func(name string) string { return c.env[name] })
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestFoldersThatAreNotApart(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "data"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		flags folders
	}{
		{"state is data", folders{dir + "/a", dir + "/a/", dir + "/c"}},
		{"state in data", folders{dir + "/a", dir + "/a/b/..c", dir + "/c"}},
		{"data in state", folders{dir + "/a/b", dir + "/a", dir + "/c"}},
		{"keys in data", folders{dir + "/a", dir + "/b", dir + "/a/c"}},
		{"keys are state", folders{dir + "/a", dir + "/b", dir + "/x/../b"}},
		{"by a link", folders{dir + "/data", dir + "/link/not/there/yet", dir + "/c"}},
		{"in the root", folders{"/", dir + "/b", dir + "/c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := findFolders(c.flags, func(string) string { return "" })
			if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("got %v, want an invalid with a hint", err)
			}
		})
	}
}

func TestNoHome(t *testing.T) {
	for _, home := range []string{"", "relative"} {
		got := runWith(t, t.Context(), &fake{}, map[string]string{"HOME": home}, "scan")
		if got.status != taffrail.ExitError {
			t.Errorf("status %d", got.status)
		}
		golden(t, "usage/no_home_"+map[bool]string{true: "empty", false: "relative"}[home == ""], got)
	}
}

// The service gets the folders and the version, and is asked for nothing before it is started.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	f := answering(reportOf())
	run(t, f, "scan", "--data-dir", dir+"/d", "--state-dir", dir+"/s", "--config-dir", dir+"/c")
	o := f.options
	if o.DataDir != dir+"/d" || o.StateDir != dir+"/s" || o.ConfigDir != dir+"/c" || o.Version != "1.2.3" || o.Logger == nil || o.Now == nil || o.Plugins == nil {
		t.Errorf("options are %+v", o)
	}
	if f.started != 1 || f.stopped != 1 {
		t.Errorf("started %d times, stopped %d times", f.started, f.stopped)
	}
}
