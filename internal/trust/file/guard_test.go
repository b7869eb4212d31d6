package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

const origin = "taffrail.local/test"

func headOf(size int64) audit.Head {
	if size == 0 {
		return audit.EmptyHead(origin)
	}
	return audit.Head{Origin: origin, Size: size, Root: tlog.RecordHash([]byte{byte(size)})}
}

func newGuard(t *testing.T) *guard {
	return &guard{folder: filepath.Join(t.TempDir(), "not", "there", "yet")}
}

func TestGuardContract(t *testing.T) {
	audittest.Guard(t, func(t *testing.T) audit.Guard { return newGuard(t) })
}

// TestGuardHandles lets several handles on one file compete, as goroutines do.
func TestGuardHandles(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { climb(t.Context(), t.Errorf, &guard{folder: g.folder}, 25) })
	}
	all.Wait()
	wantHeld(t, g, headOf(100))
}

// TestGuardProcesses lets several processes compete: every swap that went through counts once.
func TestGuardProcesses(t *testing.T) {
	if folder := os.Getenv("TAFFRAIL_TEST_GUARD"); folder != "" {
		climb(t.Context(), t.Errorf, &guard{folder: folder}, 30)
		return
	}
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestGuardProcesses$")
			cmd.Env = append(os.Environ(), "TAFFRAIL_TEST_GUARD="+g.folder)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process: %v\n%s", err, out)
			}
		})
	}
	all.Wait()
	wantHeld(t, g, headOf(90))
}

// climb swaps the state for the next until so many of its swaps went through.
func climb(ctx context.Context, errorf func(string, ...any), g audit.Guard, times int) {
	for won := 0; won < times; {
		held, err := g.Load(ctx)
		if err == nil {
			err = g.Swap(ctx, held, headOf(held.Size+1))
		}
		switch {
		case err == nil:
			won++
		case !errors.Is(err, audit.ErrConflict):
			errorf("climb: %v", err)
			return
		}
	}
}

func mustSwap(t *testing.T, g audit.Guard, old, new audit.Head) {
	t.Helper()
	if err := g.Swap(t.Context(), old, new); err != nil {
		t.Fatalf("swap: %v", err)
	}
}

func wantHeld(t *testing.T, g audit.Guard, want audit.Head) {
	t.Helper()
	if got, err := g.Load(t.Context()); err != nil || got != want {
		t.Fatalf("held is %+v, %v, want %+v", got, err, want)
	}
}

func TestGuardFormat(t *testing.T) {
	g := newGuard(t)
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	mustSwap(t, g, audit.Head{}, headOf(0))
	text, err := os.ReadFile(g.path())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"origin":"taffrail.local/test","size":0,"root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}` + "\n"
	if string(text) != want {
		t.Errorf("file is %s", text)
	}
	wantMode(t, g.path(), 0o600)
	wantMode(t, filepath.Join(g.folder, "guard.lock"), 0o600)
	wantMode(t, g.folder, 0o700)
	wantMode(t, filepath.Dir(g.folder), 0o700)
	wantNoTemp(t, g.folder)
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("mode of %s is %04o, want %04o", path, got, want)
	}
}

func wantNoTemp(t *testing.T, folder string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(folder, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestGuardGarbage: what is there and cannot be understood is an alarm and never "none", and stays as it is.
func TestGuardGarbage(t *testing.T) {
	good, err := formatGuard(headOf(5))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":           "",
		"torn":            string(good[:len(good)/2]),
		"without newline": strings.TrimSuffix(string(good), "\n"),
		"twice":           string(good) + string(good),
		"zeros":           strings.Repeat("\x00", len(good)),
		"too long":        string(good) + strings.Repeat(" ", 2*maxFile),
		"pretty":          strings.ReplaceAll(string(good), ",", ", "),
		"other version":   strings.Replace(string(good), `"version":1`, `"version":2`, 1),
		"unknown field":   strings.Replace(string(good), `"size":5`, `"size":5,"more":1`, 1),
		"size twice":      strings.Replace(string(good), `"size":5`, `"size":4,"size":5`, 1),
		"negative size":   strings.Replace(string(good), `"size":5`, `"size":-5`, 1),
		"no origin":       strings.Replace(string(good), origin, "", 1),
		"no log":          `{"version":1,"origin":"","size":0,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}` + "\n",
		"null":            "null\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := &guard{folder: t.TempDir()}
			if err := os.WriteFile(g.path(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, loaded := g.Load(t.Context())
			if name == "other version" && !strings.Contains(loaded.Error(), "version is 2, want 1") {
				t.Errorf("error is %v", loaded)
			}
			for _, err := range []error{loaded, g.Swap(t.Context(), audit.Head{}, headOf(0)), g.Swap(t.Context(), headOf(5), headOf(6))} {
				wantCorrupt(t, err, g.path())
				if errors.Is(err, audit.ErrNoHead) {
					t.Errorf("it counts as none: %v", err)
				}
			}
			if after, err := os.ReadFile(g.path()); err != nil || string(after) != text {
				t.Errorf("the file is now %q, %v", after, err)
			}
		})
	}
}

func wantCorrupt(t *testing.T, err error, path string) {
	t.Helper()
	var c *audit.CorruptError
	if taffrail.KindOf(err) != taffrail.KindCorrupt || !errors.As(err, &c) {
		t.Fatalf("error is %v, want one of kind corrupt", err)
	}
	if taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), path) {
		t.Errorf("error %q does not name %s, or has no hint", err, path)
	}
}

// TestGuardRefused has files that are not as we made them.
func TestGuardRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, g *guard)
		kind taffrail.Kind
		hint string
	}{
		{"others may write", func(t *testing.T, g *guard) { chmod(t, g.path(), 0o620) }, taffrail.KindDenied, "chmod 600 "},
		{"a link", func(t *testing.T, g *guard) {
			if err := errors.Join(os.Rename(g.path(), g.path()+".real"), os.Symlink(g.path()+".real", g.path())); err != nil {
				t.Fatal(err)
			}
		}, taffrail.KindInvalid, "link the folder"},
		{"a folder", func(t *testing.T, g *guard) {
			if err := errors.Join(os.Remove(g.path()), os.Mkdir(g.path(), 0o700)); err != nil {
				t.Fatal(err)
			}
		}, taffrail.KindInvalid, "move it away"},
		{"a pipe", func(t *testing.T, g *guard) {
			if err := errors.Join(os.Remove(g.path()), syscall.Mkfifo(g.path(), 0o600)); err != nil {
				t.Fatal(err)
			}
		}, taffrail.KindInvalid, "move it away"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGuard(t)
			mustSwap(t, g, audit.Head{}, headOf(0))
			test.make(t, g)
			_, loaded := g.Load(t.Context())
			for _, err := range []error{loaded, g.Swap(t.Context(), headOf(0), headOf(1)), g.Swap(t.Context(), audit.Head{}, headOf(0))} {
				if taffrail.KindOf(err) != test.kind || !strings.Contains(taffrail.HintOf(err), test.hint) {
					t.Errorf("error is %v, kind %s, hint %q", err, taffrail.KindOf(err), taffrail.HintOf(err))
				}
			}
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// replaceSteps are the steps of replace, and whether the new content may be there if we stop at one.
var replaceSteps = []struct {
	name string
	done bool
}{{"open temporary file", false}, {"write", false}, {"sync file", false}, {"rename", false}, {"sync folder", true}}

func failAt(name string) steps {
	return func(step string) error {
		if step == name {
			return audittest.ErrInjected
		}
		return nil
	}
}

// TestGuardFaults stops a swap at each step. What is held is the old state or the new, and the next swap works.
func TestGuardFaults(t *testing.T) {
	for _, step := range replaceSteps {
		t.Run(step.name, func(t *testing.T) {
			g := newGuard(t)
			mustSwap(t, g, audit.Head{}, headOf(0))
			g.steps = failAt(step.name)
			if err := g.Swap(t.Context(), headOf(0), headOf(1)); !errors.Is(err, audittest.ErrInjected) {
				t.Fatalf("error is %v", err)
			}
			held := headOf(0)
			if step.done {
				held = headOf(1)
				if err := g.Swap(t.Context(), held, held); !errors.Is(err, audittest.ErrInjected) {
					t.Errorf("what is not durable yet is taken for durable: %v", err)
				}
			}
			g.steps = nil
			wantHeld(t, g, held)
			mustSwap(t, g, held, headOf(2))
			wantHeld(t, g, headOf(2))
			wantNoTemp(t, g.folder)
		})
	}
}

// TestGuardKilled kills processes in the midst of swapping. What they reported as swapped is held, or something newer.
func TestGuardKilled(t *testing.T) {
	if folder := os.Getenv("TAFFRAIL_TEST_KILLED"); folder != "" {
		g := &guard{folder: folder}
		for held, err := g.Load(t.Context()); ; held, err = g.Load(t.Context()) {
			if err == nil {
				err = g.Swap(t.Context(), held, headOf(held.Size+1))
			}
			fmt.Println("swapped", held.Size+1, err)
		}
	}
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGuardKilled$")
		cmd.Env = append(os.Environ(), "TAFFRAIL_TEST_KILLED="+g.folder)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			size, ok := strings.CutSuffix(strings.TrimPrefix(lines.Text(), "swapped "), " <nil>")
			if !ok {
				t.Errorf("process: %s", lines.Text())
			}
			if last, err = strconv.ParseInt(size, 10, 64); err != nil {
				t.Error(err)
			}
			if n == 7+round*5 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		held, err := g.Load(t.Context())
		if err != nil || held.Size < last || held.Size > last+1 || last == 0 {
			t.Fatalf("held is size %d, %v, the last that was reported is %d", held.Size, err, last)
		}
		mustSwap(t, g, held, headOf(held.Size+1))
	}
}

// TestGuardLockIsGivenUp: whoever waits for a lock may give up.
func TestGuardLockIsGivenUp(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	err := locked(t.Context(), filepath.Join(g.folder, "guard.lock"), func() error {
		ctx, cancel := context.WithCancel(t.Context())
		return g.Swap(impatient{ctx, cancel}, headOf(0), headOf(1))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	wantHeld(t, g, headOf(0))
}

// An impatient context ends once someone waits for its end.
type impatient struct {
	context.Context
	cancel func()
}

func (c impatient) Done() <-chan struct{} {
	c.cancel()
	return c.Context.Done()
}

func TestGuardRefusesNonsense(t *testing.T) {
	g := newGuard(t)
	for _, h := range []audit.Head{{}, {Origin: origin}, {Origin: "a b", Root: audit.EmptyRoot()}, {Origin: origin, Size: -1}} {
		if err := g.Swap(t.Context(), audit.Head{}, h); err == nil {
			t.Errorf("stored %+v", h)
		}
	}
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) || taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("error is %v", err)
	}
}

func FuzzParseGuard(f *testing.F) {
	good, _ := formatGuard(headOf(5))
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := parseGuard(text)
		if err != nil {
			return
		}
		if again, err := formatGuard(h); err != nil || string(again) != string(text) {
			t.Fatalf("%q becomes %+v becomes %q, %v", text, h, again, err)
		}
	})
}
