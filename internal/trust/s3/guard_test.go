package s3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

const origin = "taffrail.local/test"

func headAt(size int64) audit.Head {
	if size == 0 {
		return audit.EmptyHead(origin)
	}
	return audit.Head{Origin: origin, Size: size, Root: tlog.RecordHash([]byte{byte(size)})}
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

func TestGuardContract(t *testing.T) {
	s, n := newStore(t), 0
	audittest.Guard(t, func(t *testing.T) audit.Guard {
		n++
		return s.guard(t, fmt.Sprintf("a/%d", n))
	})
}

func TestGuardContractGofakes3(t *testing.T) {
	url, n := gofake(t), 0
	audittest.Guard(t, func(t *testing.T) audit.Guard {
		n++
		return openTestGuard(t, Config{Bucket: "trust", Key: fmt.Sprintf("a/%d", n), Endpoint: url, PathStyle: true})
	})
}

// TestGuardMoto swaps in turn: that store's conditions are no one step, so that it says nothing about competition.
func TestGuardMoto(t *testing.T) {
	url := moto(t)
	makeBucket(t, url, "trust", false)
	c := Config{Bucket: "trust", Key: "site", Region: "us-east-1", Endpoint: url, PathStyle: true}
	g, other := openTestGuard(t, c), openTestGuard(t, c)
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("load: %v", err)
	}
	mustSwap(t, g, audit.Head{}, headAt(0))
	for size := range int64(5) {
		mustSwap(t, g, headAt(size), headAt(size+1))
		if err := other.Swap(t.Context(), headAt(size), headAt(size+1)); !errors.Is(err, audit.ErrConflict) {
			t.Errorf("swap: %v", err)
		}
		wantHeld(t, other, headAt(size+1))
	}
	mustSwap(t, g, headAt(5), headAt(5))
}

func TestRegister(t *testing.T) {
	credentials(t)
	var r plug.Registry
	Register(&r)
	settings := func(text string) plug.Settings { return plug.Settings{File: "f", YAML: []byte(text)} }
	if _, err := plug.Open[audit.Guard](t.Context(), &r, "s3", plug.Env{}, settings("bucket: trust\nkey: site\n")); err != nil {
		t.Error(err)
	}
	if _, err := plug.Open[audit.Anchor](t.Context(), &r, "s3", plug.Env{Now: time.Now}, settings("name: a\nbucket: trust\ndays: 400\n")); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	credentials(t)
	for name, c := range map[string]Config{
		"no bucket":       {Key: "a"},
		"no key":          {Bucket: "trust"},
		"key":             {Bucket: "trust", Key: "/a"},
		"plain text":      {Bucket: "trust", Key: "a", Endpoint: "http://trust.example"},
		"plain address":   {Bucket: "trust", Key: "a", Endpoint: "http://192.0.2.1"},
		"no URL":          {Bucket: "trust", Key: "a", Endpoint: "trust.example"},
		"unknown profile": {Bucket: "trust", Key: "a", Profile: "nobody"},
	} {
		if _, err := openGuard(t.Context(), c); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("AWS_REGION", "")
	if _, err := openGuard(t.Context(), Config{Bucket: "trust", Key: "a"}); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("no region: %v", err)
	}
}

func TestGuardObject(t *testing.T) {
	s := newStore(t)
	g := s.guard(t, "prod/site")
	mustSwap(t, g, audit.Head{}, headAt(0))
	if got, want := string(s.newest("prod/site").body), "taffrail.local/test\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"; got != want {
		t.Errorf("object is %q, want %q", got, want)
	}
}

// TestGuardGarbage: what is there and cannot be understood is an alarm and never "none", and stays as it is.
func TestGuardGarbage(t *testing.T) {
	s := newStore(t)
	good, err := audit.FormatCheckpoint(headAt(5))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "torn": string(good[:len(good)/2]), "twice": string(good) + string(good), "zeros": strings.Repeat("\x00", len(good)),
		"too long": string(good) + strings.Repeat("\n", 2*maxObject), "size": strings.Replace(string(good), "\n5\n", "\n05\n", 1), "HTML": "<html></html>",
	} {
		t.Run(name, func(t *testing.T) {
			g := s.guard(t, "garbage/"+name)
			s.versions["garbage/"+strings.ReplaceAll(name, " ", "%20")] = []*version{{body: []byte(text), modified: time.Now()}}
			before := s.writes
			_, loaded := g.Load(t.Context())
			for _, err := range []error{loaded, g.Swap(t.Context(), audit.Head{}, headAt(0)), g.Swap(t.Context(), headAt(5), headAt(6))} {
				var c *audit.CorruptError
				if taffrail.KindOf(err) != taffrail.KindCorrupt || !errors.As(err, &c) || errors.Is(err, audit.ErrNoHead) {
					t.Errorf("error is %v, want one of kind corrupt", err)
				}
				if taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), "s3://trust/garbage/") {
					t.Errorf("error %q does not name the object, or has no hint", err)
				}
			}
			if s.writes != before {
				t.Error("something was written")
			}
		})
	}
}

func TestGuardLost(t *testing.T) {
	s := newStore(t)
	g := s.guard(t, "site")
	mustSwap(t, g, audit.Head{}, headAt(0))
	delete(s.versions, "site")
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) || taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("load: %v", err)
	}
	if err := g.Swap(t.Context(), headAt(0), headAt(1)); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("swap: %v", err)
	}
	// It is deleted between our look and our write.
	mustSwap(t, g, audit.Head{}, headAt(0))
	g.steps = func(step string) error {
		if step == "write" {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.versions, "site")
		}
		return nil
	}
	if err := g.Swap(t.Context(), headAt(0), headAt(1)); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("swap: %v", err)
	}
}

func TestGuardTrap12_PermissionErrorIsNotNone(t *testing.T) {
	s := newStore(t)
	mustSwap(t, s.guard(t, "site"), audit.Head{}, headAt(0))
	forbid := func(*http.Request) fault { return forbidden }
	for name, test := range map[string]struct {
		hook        func(*http.Request) fault
		key, bucket string
		kind        taffrail.Kind
	}{
		"denied":         {forbid, "AKIDTEST", "trust", taffrail.KindDenied},
		"other key":      {nil, "AKIDOTHER", "trust", taffrail.KindDenied},
		"no credentials": {nil, "", "trust", taffrail.KindDenied},
		"no bucket":      {nil, "AKIDTEST", "nowhere", taffrail.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", test.key)
			c := s.config("site")
			c.Bucket = test.bucket
			g := openTestGuard(t, c)
			s.hook = test.hook
			_, loaded := g.Load(t.Context())
			for _, err := range []error{loaded, g.Swap(t.Context(), headAt(0), headAt(1)), g.Swap(t.Context(), audit.Head{}, headAt(0))} {
				if taffrail.KindOf(err) != test.kind || taffrail.HintOf(err) == "" || errors.Is(err, audit.ErrNoHead) {
					t.Errorf("error is %v, kind %s", err, taffrail.KindOf(err))
				}
				if strings.Contains(fmt.Sprintf("%+v", err), "s3cr3t") {
					t.Errorf("the error has a secret: %v", err)
				}
			}
		})
	}
}

// TestGuardRefusesAStoreWithoutConditions: nothing is claimed there.
func TestGuardRefusesAStoreWithoutConditions(t *testing.T) {
	for name, loosen := range map[string]func(*store){
		"If-None-Match": func(s *store) { s.ignoreIfNoneMatch = true },
		"If-Match":      func(s *store) { s.ignoreIfMatch = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			loosen(s)
			g := s.guard(t, "site")
			err := g.Swap(t.Context(), audit.Head{}, headAt(0))
			if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), "ignores "+name) || taffrail.HintOf(err) == "" {
				t.Errorf("swap: %v", err)
			}
			if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
				t.Errorf("load: %v", err)
			}
		})
	}
}

// TestGuardFaults breaks the write in each way. Carried says what is held in the end, ok that the guard could find out that it swapped.
func TestGuardFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		faults  []fault
		ok      bool
		carried bool
		want    error // if it is not ok
	}{
		{"broken off before, once", []fault{dropBefore, none}, true, true, nil},
		{"broken off before, always", []fault{dropBefore}, false, false, nil},
		{"broken off after", []fault{dropAfter}, true, true, nil},
		{"broken off after, each time", []fault{dropAfter, dropAfter, dropAfter, dropAfter}, true, true, nil},
		{"broken off, and carried out later", []fault{dropLate, none}, true, true, nil},
		{"fails, once", []fault{errorBefore, none}, true, true, nil},
		{"fails, always", []fault{errorBefore}, false, false, nil},
		{"fails and is carried out", []fault{errorAfter}, true, true, nil},
		{"meets another, once", []fault{meets, none}, true, true, nil},
		{"meets another, always", []fault{meets}, false, false, audit.ErrConflict},
		{"carried out, then meets others", []fault{dropAfter, meets, meets, meets}, true, true, nil},
	} {
		for _, begin := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s begin=%v", test.name, begin), func(t *testing.T) {
				s := newStore(t)
				g := s.guard(t, "site")
				old, next := audit.Head{}, headAt(0)
				if !begin {
					mustSwap(t, g, old, next)
					old, next = next, headAt(1)
				}
				s.fail("site", test.faults...)
				err := g.Swap(t.Context(), old, next)
				if (err == nil) != test.ok || test.want != nil && !errors.Is(err, test.want) {
					t.Fatalf("swap: %v", err)
				}
				if test.want == nil && err != nil && (taffrail.KindOf(err) != taffrail.KindUnavailable || errors.Is(err, audit.ErrConflict)) {
					t.Errorf("swap: %v", err)
				}
				s.hook = nil
				if test.carried {
					old = next
				}
				if n := len(s.versions["site"]); n > 2 || begin && n > 1 {
					t.Errorf("it was written %d times", n)
				}
				if old == (audit.Head{}) {
					if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
						t.Errorf("load: %v", err)
					}
				} else {
					wantHeld(t, g, old)
				}
				mustSwap(t, g, old, next)
				mustSwap(t, g, next, next)
			})
		}
	}
}

// TestGuardStops stops before each step and after it, as a crash would.
func TestGuardStops(t *testing.T) {
	for _, step := range []string{"probe", "write", "answer"} {
		t.Run(step, func(t *testing.T) {
			s := newStore(t)
			g := s.guard(t, "site")
			g.steps = func(at string) error {
				if at == step {
					return audittest.ErrInjected
				}
				return nil
			}
			err := g.Swap(t.Context(), audit.Head{}, headAt(0))
			g.steps = nil
			if step == "answer" { // every answer is lost, and the mark is read back
				if err != nil {
					t.Fatalf("swap: %v", err)
				}
				wantHeld(t, g, headAt(0))
				return
			}
			if !errors.Is(err, audittest.ErrInjected) {
				t.Fatalf("error is %v", err)
			}
			if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
				t.Errorf("load: %v", err)
			}
			mustSwap(t, g, audit.Head{}, headAt(0))
		})
	}
}

// TestGuardOvertaken: our write was carried out, its answer lost, and another went on from it. We must say neither that we lost nor that
// our state is held.
func TestGuardOvertaken(t *testing.T) {
	s := newStore(t)
	g, other := s.guard(t, "site"), s.guard(t, "site")
	mustSwap(t, g, audit.Head{}, headAt(0))
	s.fail("site", dropAfter)
	g.pause = func(ctx context.Context, _ int) error { return other.Swap(ctx, headAt(1), headAt(2)) }
	err := g.Swap(t.Context(), headAt(0), headAt(1))
	if taffrail.KindOf(err) != taffrail.KindUnavailable || errors.Is(err, audit.ErrConflict) {
		t.Errorf("swap: %v", err)
	}
	wantHeld(t, g, headAt(2))
}

// TestGuardSameByAnother: another one made the very same swap; only one of the two may count.
func TestGuardSameByAnother(t *testing.T) {
	s := newStore(t)
	g, other := s.guard(t, "site"), s.guard(t, "site")
	mustSwap(t, g, audit.Head{}, headAt(0))
	s.fail("site", dropBefore, none)
	g.pause = func(ctx context.Context, _ int) error { return other.Swap(ctx, headAt(0), headAt(1)) }
	if err := g.Swap(t.Context(), headAt(0), headAt(1)); err == nil {
		t.Error("two swapped the same state")
	}
	wantHeld(t, g, headAt(1))
}

// TestGuardSameStateOnceMore: the state that is to be replaced was written once more, and has another tag.
func TestGuardSameStateOnceMore(t *testing.T) {
	s := newStore(t)
	g := s.guard(t, "site")
	mustSwap(t, g, audit.Head{}, headAt(0))
	n := 0
	g.steps = func(step string) error {
		if n++; n == 1 {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.newest("site").etag = `"another"`
		}
		return nil
	}
	mustSwap(t, g, headAt(0), headAt(1))
	wantHeld(t, g, headAt(1))
}

// TestGuardHandlesCompete lets several compete while the store breaks connections off.
func TestGuardHandlesCompete(t *testing.T) {
	s := newStore(t)
	mustSwap(t, s.guard(t, "site"), audit.Head{}, headAt(0))
	n := 0
	s.hook = func(r *http.Request) fault {
		if r.Method != http.MethodPut {
			return none
		}
		n++
		return map[int]fault{2: dropAfter, 5: errorBefore, 8: meets}[n%11]
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	won, unsure := int64(0), int64(0)
	for range 4 {
		g := s.guard(t, "site")
		all.Go(func() {
			for range 40 {
				held, err := g.Load(t.Context())
				if err == nil {
					err = g.Swap(t.Context(), held, headAt(held.Size+1))
				}
				mu.Lock()
				switch {
				case err == nil:
					won++
				case taffrail.KindOf(err) == taffrail.KindUnavailable:
					unsure++
				case !errors.Is(err, audit.ErrConflict):
					t.Errorf("swap: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	s.hook = nil
	held, err := s.guard(t, "site").Load(t.Context())
	if err != nil || won == 0 || held.Size < won || held.Size > won+unsure {
		t.Errorf("held is size %d, %v, after %d swaps, and %d of which it is not known", held.Size, err, won, unsure)
	}
}

// TestGuardKilled kills processes in the midst of swapping. What they reported as swapped is held, or something newer.
func TestGuardKilled(t *testing.T) {
	if url := os.Getenv("TAFFRAIL_TEST_KILLED"); url != "" {
		g := openTestGuard(t, Config{Bucket: "trust", Key: "site", Endpoint: url, PathStyle: true})
		for held, err := g.Load(t.Context()); ; held, err = g.Load(t.Context()) {
			if err == nil {
				err = g.Swap(t.Context(), held, headAt(held.Size+1))
			}
			fmt.Println("swapped", held.Size+1, err)
		}
	}
	s := newStore(t)
	g := s.guard(t, "site")
	mustSwap(t, g, audit.Head{}, headAt(0))
	for round := range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGuardKilled$")
		cmd.Env = append(os.Environ(), "TAFFRAIL_TEST_KILLED="+s.url)
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
	}
}

func TestGuardRefusesNonsense(t *testing.T) {
	g := newStore(t).guard(t, "site")
	for _, h := range []audit.Head{{}, {Origin: origin}, {Origin: "a b", Root: audit.EmptyRoot()}, {Origin: origin, Size: -1}} {
		if err := g.Swap(t.Context(), audit.Head{}, h); taffrail.KindOf(err) != taffrail.KindInternal {
			t.Errorf("swap to %+v: %v", h, err)
		}
	}
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("load: %v", err)
	}
}
