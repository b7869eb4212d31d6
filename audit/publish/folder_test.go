package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// tree gives all files below a folder with their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		relative, _ := filepath.Rel(dir, name)
		all[relative] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for name := range tree(t, dir) {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// TestFolderIsIncremental writes what is new, and nothing again.
func TestFolderIsIncremental(t *testing.T) {
	w, dir := newWorld(t).grow(t, 300), filepath.Join(t.TempDir(), "a", "b")
	if got := w.publish(t, dir); got.Written != 6 || got.Removed != 0 {
		t.Errorf("first: %+v", got)
	}
	first := tree(t, dir)
	if got := w.publish(t, dir); got.Written != 0 || got.Head.Size != 300 {
		t.Errorf("again: %+v", got)
	}
	if diff := cmp.Diff(first, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	w.grow(t, 301)
	if got := w.publish(t, dir); got.Written != 3 { // a tile, a bundle, the checkpoint
		t.Errorf("one more: %+v", got)
	}
	want := []string{
		"checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/0/001.p/45", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44", "tile/entries/001.p/45",
	}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestFolderModes lets a web server read.
func TestFolderModes(t *testing.T) {
	w, dir := newWorld(t).grow(t, 1), t.TempDir()
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	w.publish(t, dir)
	for name, want := range map[string]fs.FileMode{"checkpoint": 0o644, "tile": 0o755 | fs.ModeDir, "tile/0/000.p/1": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// TestFolderWhole finds what is missing, which it does not look for otherwise.
func TestFolderWhole(t *testing.T) {
	w, dir := newWorld(t).grow(t, 600), t.TempDir()
	w.publish(t, dir)
	want := tree(t, dir)
	for _, name := range []string{"tile/0/001", "tile/entries/000", "tile/1/000.p/2"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.publish(t, dir); got.Written != 0 {
		t.Errorf("only what is new: %+v", got)
	}
	o := Options{}
	o.Whole = true
	if got, err := Folder(t.Context(), w.storage, w.keys, dir, o); err != nil || got.Written != 3 {
		t.Errorf("whole: %+v, %v", got, err)
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestFolderDropsPartial removes partial tiles once the full ones are there, and Tessera still accepts.
func TestFolderDropsPartial(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	o := Options{}
	for _, size := range []int64{100, 200, 256, 300, 600} {
		o.DropPartial = size == 600
		w.grow(t, size)
		if _, err := Folder(t.Context(), w.storage, w.keys, dir, o); err != nil {
			t.Fatal(err)
		}
		if err := w.accepted(t, client.FileFetcher{Root: dir}); err != nil {
			t.Error(err)
		}
	}
	want := []string{ // those of 100 and 200 were passed when this was not asked for
		"checkpoint", "tile/0/000", "tile/0/000.p/100", "tile/0/000.p/200", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/1", "tile/1/000.p/2",
		"tile/entries/000", "tile/entries/000.p/100", "tile/entries/000.p/200", "tile/entries/001", "tile/entries/002.p/88",
	}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Error(diff)
	}
	o.Whole = true
	if got, err := Folder(t.Context(), w.storage, w.keys, dir, o); err != nil || got.Removed != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if slices.ContainsFunc(names(t, dir), func(name string) bool { return strings.Contains(name, "000.p/100") }) {
		t.Errorf("left are %q", names(t, dir))
	}
	if err := w.accepted(t, client.FileFetcher{Root: dir}); err != nil {
		t.Error(err)
	}
}

// TestFolderPruned neither writes nor keeps bundles that the log has pruned, as far as that is asked for.
func TestFolderPruned(t *testing.T) {
	w, early, late := newWorld(t).grow(t, 900), t.TempDir(), t.TempDir()
	w.publish(t, early)
	w.prune(768)
	w.publish(t, late)
	if got := names(t, late); slices.Contains(got, "tile/entries/000") || !slices.Contains(got, "tile/entries/003.p/132") || !slices.Contains(got, "tile/0/000") {
		t.Errorf("written are %q", got)
	}
	w.publish(t, early)
	if !slices.Contains(names(t, early), "tile/entries/000") {
		t.Error("a bundle was removed, which nobody asked for")
	}
	o := Options{}
	o.DropPruned = true
	stop := errors.New("stop")
	removed := 0
	_, err := publishTo(t.Context(), w.storage, w.keys, early, o, func(step, _ string) error {
		if step == "remove" {
			if removed++; removed == 2 {
				return stop
			}
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if got, err := Folder(t.Context(), w.storage, w.keys, early, o); err != nil || got.Removed != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(names(t, late), names(t, early)); diff != "" {
		t.Error(diff)
	}
}

// TestFolderTakesMoreSignatures replaces the checkpoint by the same one with a cosignature.
func TestFolderTakesMoreSignatures(t *testing.T) {
	w, dir := newWorld(t).grow(t, 5), t.TempDir()
	w.publish(t, dir)
	witness, _ := audittest.Key(t, "witness.example/w1")
	stored := w.memory().State().Checkpoints
	text, _, _ := strings.Cut(string(stored[len(stored)-1].Note), "\n\n")
	msg, err := note.Sign(&note.Note{Text: text + "\n"}, w.private(t), witness)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.storage.Write(t.Context(), func(tx audit.Writer) error { return tx.PutCheckpoint(5, msg) }); err != nil {
		t.Fatal(err)
	}
	w.publish(t, dir)
	if got := tree(t, dir)["checkpoint"]; got != string(msg) {
		t.Errorf("there is:\n%s", got)
	}
}

// TestFolderRefuses leaves every file of a folder that contradicts the log as it was.
func TestFolderRefuses(t *testing.T) {
	keys := audittest.Ring(t, origin)
	publish := func(size int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) { worldOf(t, keys).grow(t, size).publish(t, dir) }
	}
	write := func(size int64, name, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			publish(size)(t, dir)
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	fork := func(size int64) func(*testing.T, string) { // another history, signed by the same key
		return func(t *testing.T, dir string) {
			w := worldOf(t, keys)
			err := w.storage.Write(t.Context(), func(tx audit.Writer) error {
				_, err := audit.Append(tx, []byte("{}"))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			w.grow(t, size).publish(t, dir)
		}
	}
	for _, tc := range []struct {
		name    string
		prepare func(*testing.T, string)
		whole   bool
		part    audit.Part // empty for an error that is no contradiction
		want    string
	}{
		{name: "another log", prepare: func(t *testing.T, dir string) {
			worldOf(t, audittest.Ring(t, "taffrail.local/other")).grow(t, 7).publish(t, dir)
		}, part: audit.PartCheckpoints, want: "the folder holds log"},
		{name: "another key", prepare: func(t *testing.T, dir string) {
			newWorld(t).grow(t, 7).publish(t, dir)
		}, part: audit.PartCheckpoints, want: "not one that this log signed"},
		{name: "later", prepare: publish(601), part: audit.PartCheckpoints, want: "a checkpoint of 601 entries"},
		{name: "fork of the same size", prepare: fork(600), part: audit.PartCheckpoints, want: "does not contain the one of 600"},
		{name: "fork of a smaller size", prepare: fork(300), part: audit.PartCheckpoints, want: "does not contain the one of 300"},
		{name: "checkpoint of garbage", prepare: write(300, "checkpoint", "garbage"), part: audit.PartCheckpoints, want: "the folder holds log"},
		{name: "checkpoint that is empty", prepare: write(300, "checkpoint", ""), part: audit.PartCheckpoints, want: "the folder holds log"},
		{name: "tile that differs", prepare: write(300, "tile/0/001", strings.Repeat("x", 8192)), part: audit.PartHashes, want: "tile/0/001 in the folder"},
		{name: "tile cut short", prepare: write(300, "tile/0/001", "x"), part: audit.PartHashes, want: "tile/0/001 in the folder"},
		{name: "tile that is empty", prepare: write(300, "tile/0/001", ""), part: audit.PartHashes, want: "tile/0/001 in the folder"},
		{name: "tile that is longer", prepare: write(300, "tile/0/001", strings.Repeat("x", 8193)), part: audit.PartHashes, want: "tile/0/001 in the folder"},
		{name: "bundle that differs", prepare: write(300, "tile/entries/001", "x"), part: audit.PartEntries, want: "tile/entries/001 in the folder"},
		{name: "old tile that differs", prepare: write(300, "tile/0/000", "x"), whole: true, part: audit.PartHashes, want: "tile/0/000 in the folder"},
		{name: "checkpoint that is a folder", prepare: func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "checkpoint"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, want: "not a file"},
		{name: "checkpoint that is a link", prepare: func(t *testing.T, dir string) {
			publish(300)(t, dir)
			file := filepath.Join(dir, "checkpoint")
			if err := errors.Join(os.Rename(file, file+".1"), os.Symlink("checkpoint.1", file)); err != nil {
				t.Fatal(err)
			}
		}, want: "not a file"},
		{name: "tile folder that leads elsewhere", prepare: func(t *testing.T, dir string) {
			if err := os.Symlink(t.TempDir(), filepath.Join(dir, "tile")); err != nil {
				t.Fatal(err)
			}
		}, want: "escapes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, dir := worldOf(t, keys).grow(t, 600), t.TempDir()
			tc.prepare(t, dir)
			before := list(t, dir)
			o := Options{}
			o.Whole = tc.whole
			_, err := Folder(t.Context(), w.storage, w.keys, dir, o)
			if err == nil || !strings.Contains(err.Error(), tc.want) || corrupt(err, tc.part) != (tc.part != "") {
				t.Fatalf("error is %v", err)
			}
			after := list(t, dir)
			for name, was := range before {
				if after[name] != was {
					t.Errorf("%s was changed", name)
				}
			}
		})
	}
}

// list is tree without following links.
func list(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		all[name] = d.Type().String()
		if d.Type().IsRegular() {
			data, err := os.ReadFile(name)
			all[name] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFolderUnreadable takes a checkpoint that may not be read for an error, never for none.
func TestFolderUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("SKIPPED: root may read everything")
	}
	w, dir := newWorld(t).grow(t, 3), t.TempDir()
	w.publish(t, dir)
	if err := os.Chmod(filepath.Join(dir, "checkpoint"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Folder(t.Context(), w.storage, w.keys, dir, Options{}); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

// TestFolderIsLocked lets one publish at a time.
func TestFolderIsLocked(t *testing.T) {
	w, dir := newWorld(t).grow(t, 300), t.TempDir()
	var inner error
	_, err := publishTo(t.Context(), w.storage, w.keys, dir, Options{}, func(step, _ string) error {
		if step == "rename" && inner == nil {
			_, inner = Folder(t.Context(), w.storage, w.keys, dir, Options{})
		}
		return nil
	})
	if err != nil || !errors.Is(inner, ErrBusy) {
		t.Errorf("outer: %v, inner: %v", err, inner)
	}
	w.publish(t, dir)
}

// TestFolderSyncsBeforeTheCheckpoint follows the steps: when the checkpoint is renamed, every other name is on the disk.
func TestFolderSyncsBeforeTheCheckpoint(t *testing.T) {
	w, dir := newWorld(t).grow(t, 300), t.TempDir()
	unsynced := map[string]bool{}
	seen := false
	_, err := publishTo(t.Context(), w.storage, w.keys, dir, Options{}, func(step, name string) error {
		switch {
		case step == "rename" && name == "checkpoint":
			seen = true
			if len(unsynced) > 0 {
				t.Errorf("not synced yet: %v", unsynced)
			}
		case step == "renamed" || step == "make folder":
			unsynced[path.Dir(name)] = true
		case step == "sync folder":
			delete(unsynced, name)
		}
		return nil
	})
	if err != nil || !seen || len(unsynced) > 0 {
		t.Errorf("%v, checkpoint %v, unsynced at the end %v", err, seen, unsynced)
	}
}

// TestFolderGoesOn stops at each step in turn, by an error, and finds what the text of [Folder] promises: a checkpoint that stands there is
// complete, and the next call brings the rest.
func TestFolderGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).grow(t, 250)
	before, clean := t.TempDir(), t.TempDir()
	w.publish(t, before)
	w.publish(t, clean)
	w.grow(t, 260)
	o := Options{}
	o.DropPartial = true
	var steps []string
	_, err := publishTo(t.Context(), w.storage, w.keys, clean, o, func(step, name string) error {
		steps = append(steps, step+" "+name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	for k, at := range steps {
		t.Run(fmt.Sprintf("%d %s", k, at), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
				t.Fatal(err)
			}
			n := 0
			_, err := publishTo(t.Context(), w.storage, w.keys, dir, o, func(string, string) error {
				if n++; n == k+1 {
					return stopped
				}
				return nil
			})
			if !errors.Is(err, stopped) {
				t.Fatal(err)
			}
			goesOn(t, w, dir, clean, o)
		})
	}
}

// goesOn looks at a folder in which publishing was stopped, and publishes again.
func goesOn(t *testing.T, w *world, dir, clean string, o Options) {
	t.Helper()
	if err := w.accepted(t, client.FileFetcher{Root: dir}); err != nil {
		t.Errorf("what was left: %v", err)
	}
	if _, err := Folder(t.Context(), w.storage, w.keys, dir, o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, clean), tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestFolderCancelled stops where the context ends, at any step.
func TestFolderCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t).grow(t, 300)
	for k := range 30 {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		_, err := publishTo(ctx, w.storage, w.keys, dir, Options{}, func(string, string) error {
			if n++; n == k {
				cancel()
			}
			return nil
		})
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("step %d: %v", k, err)
		}
		w.publish(t, dir)
		if err := w.accepted(t, client.FileFetcher{Root: dir}); err != nil {
			t.Errorf("step %d: %v", k, err)
		}
	}
}

const (
	killDir  = "PUBLISH_TEST_DIR"
	killStep = "PUBLISH_TEST_STEP"
	killKey  = "PUBLISH_TEST_KEY"
)

// TestFolderKilled kills the process at each step, and goes on.
func TestFolderKilled(t *testing.T) {
	if os.Getenv(killDir) != "" {
		publishAndDie(t)
		return
	}
	t.Parallel()
	skey, vkey, err := note.GenerateKey(nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	w := killWorld(t, skey, vkey).grow(t, 250)
	before, clean := t.TempDir(), t.TempDir()
	w.publish(t, before)
	w.publish(t, clean)
	w.grow(t, 260)
	o := Options{}
	o.DropPartial = true
	if _, err := Folder(t.Context(), w.storage, w.keys, clean, o); err != nil {
		t.Fatal(err)
	}
	for k := 1; ; k++ {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestFolderKilled$")
		cmd.Env = append(os.Environ(), killDir+"="+dir, killStep+"="+strconv.Itoa(k), killKey+"="+skey+" "+vkey)
		out, err := cmd.CombinedOutput()
		if err == nil {
			if k < 20 {
				t.Errorf("there are only %d steps", k)
			}
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v: %s", k, err, out)
		}
		goesOn(t, w, dir, clean, o)
	}
}

func killWorld(t *testing.T, skey, vkey string) *world {
	t.Helper()
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audittest.RingOf(vkey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return worldOf(t, keys)
}

// publishAndDie is the process that is killed.
func publishAndDie(t *testing.T) {
	skey, vkey, _ := strings.Cut(os.Getenv(killKey), " ")
	w := killWorld(t, skey, vkey).grow(t, 260)
	last, err := strconv.Atoi(os.Getenv(killStep))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{}
	o.DropPartial = true
	_, err = publishTo(t.Context(), w.storage, w.keys, os.Getenv(killDir), o, func(string, string) error {
		if last--; last == 0 {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
