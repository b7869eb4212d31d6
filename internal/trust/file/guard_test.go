package file

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	first := `{"version":2,"sequence":1,"origin":"taffrail.local/test","size":0,"root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","sum":"SUM"}`
	first = strings.Replace(first, "SUM", sumOf(first), 1)
	slot := func(line string) string { return line + strings.Repeat(" ", slotSize-1-len(line)) + "\n" }
	if string(text) != slot("")+slot(first) {
		t.Errorf("file is %s", text)
	}
	mustSwap(t, g, headOf(0), headOf(1))
	text, err = os.ReadFile(g.path())
	if err != nil || len(text) != 2*slotSize || string(text[slotSize:]) != slot(first) || !strings.HasPrefix(string(text), `{"version":2,"sequence":2,`) {
		t.Errorf("file is %s, %v", text, err)
	}
	wantMode(t, g.path(), 0o600)
	wantMode(t, filepath.Join(g.folder, "guard.lock"), 0o600)
	wantMode(t, g.folder, 0o700)
	wantMode(t, filepath.Dir(g.folder), 0o700)
	wantNoTemp(t, g.folder)
}

// sumOf is the sum of a line, as the description of the format says.
func sumOf(line string) string {
	before, _, _ := strings.Cut(line, `,"sum":"`)
	return fmt.Sprintf("%x", sha256.Sum256([]byte(before)))
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

// slotOf is the slot of headOf(size), as the state of a sequence number.
func slotOf(t testing.TB, sequence, size int64) string {
	t.Helper()
	text, err := formatSlot(record{headOf(size), sequence})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestGuardGarbage: what is there and cannot be understood is an alarm and never "none", and stays as it is.
func TestGuardGarbage(t *testing.T) {
	first, err := formatFirst(record{headOf(5), 0})
	if err != nil {
		t.Fatal(err)
	}
	good := string(first)
	even, odd, empty := slotOf(t, 6, 5), slotOf(t, 7, 6), string(pad(nil))
	summed := func(line string) string {
		return string(pad([]byte(strings.Replace(line, "SUM", sumOf(line), 1))))
	}
	line := strings.TrimRight(even, " \n")
	line, _, _ = strings.Cut(line, `"sum":"`)
	line += `"sum":"SUM"}`
	for name, text := range map[string]string{
		"empty":           "",
		"torn":            good[:len(good)/2],
		"without newline": strings.TrimSuffix(good, "\n"),
		"twice":           good + good,
		"zeros":           strings.Repeat("\x00", len(good)),
		"too long":        good + strings.Repeat(" ", 2*maxFile),
		"pretty":          strings.ReplaceAll(good, ",", ", "),
		"other version":   strings.Replace(good, `"version":1`, `"version":2`, 1),
		"unknown field":   strings.Replace(good, `"size":5`, `"size":5,"more":1`, 1),
		"size twice":      strings.Replace(good, `"size":5`, `"size":4,"size":5`, 1),
		"negative size":   strings.Replace(good, `"size":5`, `"size":-5`, 1),
		"no origin":       strings.Replace(good, origin, "", 1),
		"no log":          `{"version":1,"origin":"","size":0,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}` + "\n",
		"null":            "null\n",
		"a sequence":      strings.Replace(good, `"version":1`, `"version":1,"sequence":6`, 1),

		"slots: none":           empty + empty,
		"slots: zeros":          strings.Repeat("\x00", 2*slotSize),
		"slots: first version":  good + strings.Repeat(" ", 2*slotSize-len(good)-1) + "\n",
		"slots: one alone":      even,
		"slots: cut":            even + odd[:slotSize-1],
		"slots: too long":       even + odd + "\n",
		"slots: three":          even + odd + even,
		"slots: both torn":      even[:100] + odd[100:] + odd[:100] + even[100:],
		"slots: turned round":   odd + even,
		"slots: one turned":     empty + even,
		"slots: other turned":   odd + empty,
		"slots: twice":          even + even,
		"slots: not neighbours": slotOf(t, 8, 7) + slotOf(t, 11, 8),
		"slots: too far apart":  slotOf(t, 10, 7) + slotOf(t, 7, 8),
		"slots: a digit":        strings.Replace(even, `"size":5`, `"size":6`, 1) + empty,
		"slots: unknown field":  summed(strings.Replace(line, `"size":5`, `"size":5,"more":1`, 1)) + empty,
		"slots: pretty":         summed(strings.Replace(line, `"size":5`, `"size": 5`, 1)) + empty,
		"slots: version":        summed(strings.Replace(line, `"version":2`, `"version":1`, 1)) + empty,
		"slots: next version":   summed(strings.Replace(line, `"version":2`, `"version":3`, 1)) + empty,
		"slots: no sequence":    summed(strings.Replace(line, `"sequence":6,`, ``, 1)) + empty,
		"slots: below none":     summed(strings.Replace(line, `"sequence":6`, `"sequence":-6`, 1)) + empty,
		"slots: negative size":  summed(strings.Replace(line, `"size":5`, `"size":-5`, 1)) + empty,
		"slots: tabs":           strings.Replace(even, "}  ", "}\t ", 1) + empty,
	} {
		t.Run(name, func(t *testing.T) {
			g := &guard{folder: t.TempDir()}
			if err := os.WriteFile(g.path(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, loaded := g.Load(t.Context())
			for of, want := range map[string]string{"other version": "version is 2, want 1", "slots: next version": "version is 3, want 2", "slots: a digit": "its sum is another"} {
				if name == of && !strings.Contains(loaded.Error(), want) {
					t.Errorf("error is %v", loaded)
				}
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

func failAt(name string) steps { return failAtNth(name, 1) }

// failAtNth fails when it comes to a step for the nth time, and from then on.
func failAtNth(name string, nth int) steps {
	return func(step string) error {
		if step == name {
			nth--
		}
		if nth < 1 && step == name {
			return audittest.ErrInjected
		}
		return nil
	}
}

// A brokenStep is a step of a swap, and whether the new content may be there if we stop at it.
type brokenStep struct {
	name string
	nth  int
	done bool
}

var replaceSteps = []brokenStep{{"open temporary file", 1, false}, {"write", 1, false}, {"sync file", 1, false}, {"rename", 1, false}, {"sync folder", 1, true}}

// guardLives are what a swap from headOf(0) to headOf(1) may find, and its steps.
var guardLives = []struct {
	name  string
	make  func(t *testing.T) *guard
	steps []brokenStep
}{
	{"in place", func(t *testing.T) *guard {
		g := newGuard(t)
		mustSwap(t, g, audit.Head{}, headOf(0))
		return g
	}, []brokenStep{{"write slot", 1, false}, {"sync slot", 1, true}}},
	{"in place, by another handle", func(t *testing.T) *guard {
		g := newGuard(t)
		mustSwap(t, g, audit.Head{}, headOf(0))
		return &guard{folder: g.folder}
	}, []brokenStep{{"sync folder", 1, false}, {"write slot", 1, false}, {"sync slot", 1, false}, {"write slot", 2, false}, {"sync slot", 2, true}}},
	{"of the first version", func(t *testing.T) *guard {
		g := &guard{folder: t.TempDir()}
		layFirst(t, g, headOf(0))
		return g
	}, replaceSteps},
	{"with another name", func(t *testing.T) *guard {
		g := newGuard(t)
		mustSwap(t, g, audit.Head{}, headOf(0))
		if err := os.Link(g.path(), filepath.Join(t.TempDir(), "copy")); err != nil {
			t.Fatal(err)
		}
		return g
	}, replaceSteps},
}

// layFirst puts down a file as the first version wrote it.
func layFirst(t *testing.T, g *guard, h audit.Head) {
	t.Helper()
	text, err := formatFirst(record{h, 0})
	if err == nil {
		err = os.WriteFile(g.path(), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestGuardFaults stops a swap at each step. What is held is the old state or the new, and the next swap works, of whichever handle.
func TestGuardFaults(t *testing.T) {
	for _, life := range guardLives {
		for _, step := range life.steps {
			t.Run(fmt.Sprintf("%s/%s %d", life.name, step.name, step.nth), func(t *testing.T) {
				g := life.make(t)
				g.steps = failAtNth(step.name, step.nth)
				if err := g.Swap(t.Context(), headOf(0), headOf(1)); !errors.Is(err, audittest.ErrInjected) {
					t.Fatalf("error is %v", err)
				}
				held := headOf(0)
				if step.done {
					held = headOf(1)
					g.steps = failAt(step.name)
					if err := g.Swap(t.Context(), held, held); !errors.Is(err, audittest.ErrInjected) {
						t.Errorf("what is not durable yet is taken for durable: %v", err)
					}
				}
				g.steps = nil
				wantHeld(t, g, held)
				mustSwap(t, g, held, headOf(2))
				mustSwap(t, &guard{folder: g.folder}, headOf(2), headOf(3))
				mustSwap(t, g, headOf(3), headOf(4))
				wantHeld(t, g, headOf(4))
				wantNoTemp(t, g.folder)
			})
		}
	}
}

// TestGuardCreateFaults stops the first swap of all at each step: then there is none, or there is the first.
func TestGuardCreateFaults(t *testing.T) {
	for _, step := range replaceSteps {
		g := newGuard(t)
		g.steps = failAt(step.name)
		if err := g.Swap(t.Context(), audit.Head{}, headOf(0)); !errors.Is(err, audittest.ErrInjected) {
			t.Fatalf("%s: error is %v", step.name, err)
		}
		g.steps = nil
		if _, err := g.Load(t.Context()); errors.Is(err, audit.ErrNoHead) == step.done {
			t.Errorf("%s: %v", step.name, err)
		}
		if !step.done {
			mustSwap(t, g, audit.Head{}, headOf(0))
		}
		mustSwap(t, g, headOf(0), headOf(1))
		wantHeld(t, g, headOf(1))
	}
}

// TestGuardTorn stops a write at every byte of a slot, from the front and from the back, as disks and systems do that stop. What was held
// before is held, or the new state where it came through as a whole, and the next swap works.
func TestGuardTorn(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	mustSwap(t, g, headOf(0), headOf(1))
	mustSwap(t, g, headOf(1), headOf(2))
	before, err := os.ReadFile(g.path())
	if err != nil {
		t.Fatal(err)
	}
	whole, at := slotOf(t, 4, 3), 0
	for n := range slotSize + 1 {
		for name, slot := range map[string]string{
			"front":   whole[:n] + string(before[at+n:slotSize]),
			"back":    string(before[at:n]) + whole[n:],
			"nothing": whole[:n] + strings.Repeat("\x00", slotSize-n),
		} {
			text := slices.Concat([]byte(slot), before[slotSize:])
			r, err := parseGuard(text)
			want := record{headOf(2), 3}
			if slot == whole {
				want = record{headOf(3), 4}
			}
			if err != nil || r != want {
				t.Fatalf("%s, %d bytes: holds %+v, %v, want %+v", name, n, r, err, want)
			}
			if n%512 != 100 && n != slotSize {
				continue // all the rest of it takes a sync
			}
			torn := &guard{folder: t.TempDir()}
			if err := os.WriteFile(torn.path(), text, 0o600); err != nil {
				t.Fatal(err)
			}
			wantHeld(t, torn, want.head)
			mustSwap(t, torn, want.head, headOf(9))
			wantHeld(t, &guard{folder: torn.folder}, headOf(9))
		}
	}
}

// TestGuardOrder looks at the file at each step: the slot that is held is never touched before the other one is durable.
func TestGuardOrder(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	for size := range int64(6) {
		if size%3 == 2 { // another handle, which does not know what is durable
			g = &guard{folder: g.folder}
		}
		held := bytes.Clone(mustRead(t, g))
		synced := 0
		g.steps = func(step string) error {
			now := mustRead(t, g)
			if !bytes.Equal(now[(size+1)%2*slotSize:][:slotSize], held[(size+1)%2*slotSize:][:slotSize]) {
				t.Errorf("%s to size %d: the slot that is held was touched", step, size+1)
			}
			if step == "sync slot" {
				synced++
			}
			return nil
		}
		mustSwap(t, g, headOf(size), headOf(size+1))
		if want := 1 + int(size%3)/2; synced != want {
			t.Errorf("to size %d: it was synced %d times, want %d", size+1, synced, want)
		}
	}
}

// TestGuardUnsure: a state that a handle has not synced itself is synced again, by it, before the other slot is touched.
func TestGuardUnsure(t *testing.T) {
	for name, test := range map[string]struct {
		meddle func(t *testing.T, g *guard)
		syncs  int
	}{
		"nothing happened": {func(*testing.T, *guard) {}, 1},
		"another handle": {func(t *testing.T, g *guard) {
			other := &guard{folder: g.folder}
			mustSwap(t, other, headOf(1), headOf(2))
			mustSwap(t, other, headOf(2), headOf(1))
		}, 2},
		"another file of the same": {func(t *testing.T, g *guard) {
			if err := replace(g.path(), mustRead(t, g), nil); err != nil {
				t.Fatal(err)
			}
		}, 2},
		"a sync that failed": {func(t *testing.T, g *guard) {
			g.steps = failAt("sync slot")
			if err := g.Swap(t.Context(), headOf(1), headOf(1)); !errors.Is(err, audittest.ErrInjected) {
				t.Fatal(err)
			}
			if err := g.Swap(t.Context(), headOf(1), headOf(5)); err != nil && !errors.Is(err, audittest.ErrInjected) {
				t.Fatal(err)
			}
		}, 2},
		"a write that failed": {func(t *testing.T, g *guard) {
			g.steps = failAt("write slot")
			if err := g.Swap(t.Context(), headOf(1), headOf(2)); !errors.Is(err, audittest.ErrInjected) {
				t.Fatal(err)
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			mustSwap(t, g, audit.Head{}, headOf(0))
			mustSwap(t, g, headOf(0), headOf(1))
			test.meddle(t, g)
			syncs := 0
			g.steps = func(step string) error {
				if step == "sync slot" {
					syncs++
				}
				return nil
			}
			held, err := g.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mustSwap(t, g, held, headOf(9))
			if syncs != test.syncs {
				t.Errorf("it was synced %d times, want %d", syncs, test.syncs)
			}
		})
	}
}

func mustRead(t *testing.T, g *guard) []byte {
	t.Helper()
	text, err := os.ReadFile(g.path())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestGuardFirstVersion reads a file of the first version, leaves it as it is, and puts one of now in its place with the next swap.
func TestGuardFirstVersion(t *testing.T) {
	g := &guard{folder: t.TempDir()}
	text := `{"version":1,"origin":"taffrail.local/test","size":0,"root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}` + "\n"
	if err := os.WriteFile(g.path(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, g, headOf(0))
	for _, old := range []audit.Head{{}, headOf(1)} {
		if err := g.Swap(t.Context(), old, headOf(1)); !errors.Is(err, audit.ErrConflict) {
			t.Errorf("swap of size %d: %v", old.Size, err)
		}
	}
	if string(mustRead(t, g)) != text {
		t.Error("it was changed")
	}
	mustSwap(t, g, headOf(0), headOf(0))
	wantHeld(t, g, headOf(0))
	if got := string(mustRead(t, g)); got != string(pad(nil))+slotOf(t, 1, 0) {
		t.Errorf("file is %s", got)
	}
}

// TestGuardOtherNames: copies that are hard links, as some programs make them, stay what they were.
func TestGuardOtherNames(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	mustSwap(t, g, headOf(0), headOf(1))
	before, backup := mustRead(t, g), filepath.Join(t.TempDir(), "copy")
	if err := os.Link(g.path(), backup); err != nil {
		t.Fatal(err)
	}
	for size := int64(1); size < 4; size++ {
		mustSwap(t, g, headOf(size), headOf(size+1))
	}
	if after, err := os.ReadFile(backup); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the copy is now %s, %v", after, err)
	}
	wantHeld(t, g, headOf(4))
}

// TestGuardReplacedFile: whoever puts another file in its place, as a restore does, is not overwritten by what a handle knows.
func TestGuardReplacedFile(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	mustSwap(t, g, headOf(0), headOf(1))
	old := mustRead(t, g)
	mustSwap(t, g, headOf(1), headOf(2))
	mustSwap(t, g, headOf(2), headOf(3))
	if err := replace(g.path(), old, nil); err != nil {
		t.Fatal(err)
	}
	if err := g.Swap(t.Context(), headOf(3), headOf(4)); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("error is %v", err)
	}
	wantHeld(t, g, headOf(1))
	if err := os.Remove(g.path()); err != nil {
		t.Fatal(err)
	}
	if err := g.Swap(t.Context(), headOf(1), headOf(2)); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("error is %v", err)
	}
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("error is %v", err)
	}
}

// TestGuardReadWhileWritten: whoever reads without the lock gets a state that was held, and none that is older than one it got before.
func TestGuardReadWhileWritten(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		all.Go(func() {
			for last := int64(0); ; {
				h, err := g.Load(t.Context())
				if err != nil || h.Size < last || h != headOf(h.Size) {
					t.Errorf("loaded %+v, %v, after size %d", h, err, last)
					return
				}
				last = h.Size
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	climb(t.Context(), t.Errorf, g, 200)
	close(done)
	all.Wait()
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
	long := audit.EmptyHead(strings.Repeat("o", slotSize))
	if err := g.Swap(t.Context(), audit.Head{}, long); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("error is %v", err)
	}
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) || taffrail.KindOf(err) != taffrail.KindNotFound {
		t.Errorf("error is %v", err)
	}
}

// TestGuardLooksTwice: both slots may look torn to whoever reads while they are written, and are not.
func TestGuardLooksTwice(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	whole := mustRead(t, g)
	looks := 0
	ctx := meddling{t.Context(), func() {
		text := whole
		if looks++; looks < 3 { // torn in another way each time
			text = bytes.Clone(whole)
			text[slotSize+10*looks] ^= 1
		}
		if err := os.WriteFile(g.path(), text, 0o600); err != nil {
			t.Error(err)
		}
	}}
	if h, err := g.Load(ctx); err != nil || h != headOf(0) || looks != 3 {
		t.Errorf("after %d looks: %+v, %v", looks, h, err)
	}
}

// A meddling context does something whenever it is asked whether it has ended.
type meddling struct {
	context.Context
	meddle func()
}

func (c meddling) Err() error {
	c.meddle()
	return c.Context.Err()
}

func FuzzParseGuard(f *testing.F) {
	first, _ := formatFirst(record{headOf(5), 0})
	good, _ := formatGuard(record{headOf(5), 7})
	f.Add(first)
	f.Add(good)
	f.Add([]byte(slotOf(f, 6, 5) + slotOf(f, 7, 6)))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseGuard(text)
		if err != nil {
			return
		}
		format, held := formatFirst, text
		if r.sequence > 0 {
			format, held = formatSlot, text[r.place():][:slotSize]
		}
		if again, err := format(r); err != nil || !bytes.Equal(again, held) {
			t.Fatalf("%q becomes %+v becomes %q, %v", text, r, again, err)
		}
	})
}

// TestKnownSlots gives for each slot what parsing it anew gives, whatever came before.
func TestKnownSlots(t *testing.T) {
	var known knownSlots
	torn := []byte(slotOf(t, 6, 5))
	torn[20] ^= 1
	texts := [][]byte{pad(nil), torn, nil, make([]byte, slotSize)}
	for sequence := int64(1); sequence < 7; sequence++ {
		texts = append(texts, []byte(slotOf(t, sequence, sequence%4)))
	}
	for i := range 300 {
		text := bytes.Clone(texts[i*i*7%len(texts)])
		want, wantErr := parseSlot(text)
		got, err := known.parse(text)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Fatalf("step %d: %+v, %v, want %+v, %v", i, got, err, want, wantErr)
		}
		clear(text) // it is the caller's
	}
}

func FuzzParseSlot(f *testing.F) {
	f.Add([]byte(slotOf(f, 6, 5)))
	f.Add(bytes.TrimRight([]byte(slotOf(f, 6, 5)), " \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseSlot(text)
		if err != nil {
			return
		}
		if again, err := formatSlot(r); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q becomes %+v becomes %q, %v", text, r, again, err)
		}
	})
}

// TestGuardLockRemoved has somebody remove the lock's file from under a handle that keeps it open: the lock is the file that others find.
func TestGuardLockRemoved(t *testing.T) {
	g := newGuard(t)
	mustSwap(t, g, audit.Head{}, headOf(0))
	path := filepath.Join(g.folder, "guard.lock")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := &guard{folder: g.folder}
	if ok, err := other.lock.try(path); !ok || err != nil {
		t.Fatalf("lock: %v, %v", ok, err)
	}
	for range 3 {
		if ok, err := g.lock.try(path); ok || err != nil {
			t.Fatalf("both have the lock: %v", err)
		}
	}
	other.lock.unlock()
	mustSwap(t, g, headOf(0), headOf(1))
}

// TestGuardLockIsNotShared has two goroutines use one handle: the system would give both the lock.
func TestGuardLockIsNotShared(t *testing.T) {
	g := newGuard(t)
	path := filepath.Join(t.TempDir(), "guard.lock")
	for range 2 {
		if ok, err := g.lock.try(path); !ok || err != nil {
			t.Fatalf("lock: %v, %v", ok, err)
		}
		if ok, err := g.lock.try(path); ok || err != nil {
			t.Errorf("it is locked twice: %v", err)
		}
		g.lock.unlock()
	}
}

// TestGuardSeesWhatItsNameLeadsTo has guard.json be changed under a handle that keeps it open.
func TestGuardSeesWhatItsNameLeadsTo(t *testing.T) {
	for name, test := range map[string]struct {
		change func(path string) error
		want   error
	}{
		"gone":                    {os.Remove, audit.ErrConflict},
		"an older copy":           {func(path string) error { return replace(path, mustFormat(t, record{headOf(1), 1}), nil) }, audit.ErrConflict},
		"others may write":        {func(path string) error { return os.Chmod(path, 0o622) }, fs.ErrPermission},
		"the same in another one": {func(path string) error { return replace(path, mustFormat(t, record{headOf(2), 3}), nil) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			mustSwap(t, g, audit.Head{}, headOf(0))
			mustSwap(t, g, headOf(0), headOf(1))
			mustSwap(t, g, headOf(1), headOf(2))
			if err := test.change(g.path()); err != nil {
				t.Fatal(err)
			}
			err := g.Swap(t.Context(), headOf(2), headOf(3))
			denied := test.want == fs.ErrPermission && taffrail.KindOf(err) == taffrail.KindDenied //nolint:errorlint // it stands for the kind
			if !errors.Is(err, test.want) && !denied {
				t.Fatalf("swap: %v", err)
			}
			if test.want == nil {
				wantHeld(t, &guard{folder: g.folder}, headOf(3))
			}
		})
	}
}

func mustFormat(t *testing.T, r record) []byte {
	t.Helper()
	text, err := formatGuard(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
