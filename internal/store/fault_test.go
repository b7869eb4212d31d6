package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// tmpfs mounts a file system of its own in memory, until the test ends.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("SKIPPED: no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// fillUp appends until there is no room, and gives what was acknowledged.
func fillUp(t *testing.T, s *store.Store, from int) (acknowledged []string) {
	t.Helper()
	for i := from; ; i++ {
		name := fmt.Sprint("entry ", i)
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.PutBlob(bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 8<<10)); err != nil {
				return err
			}
			_, err := tx.Append(named(name))
			return err
		})
		if err != nil {
			if taffrail.KindOf(err) != taffrail.KindUnavailable || !strings.Contains(taffrail.HintOf(err), "full") {
				t.Errorf("%v of kind %s, hint %q", err, taffrail.KindOf(err), taffrail.HintOf(err))
			}
			return acknowledged
		}
		if acknowledged = append(acknowledged, name); i > 1000 {
			t.Fatal("it never gets full")
		}
	}
}

// testFull fills a disk, makes room, and goes on.
func testFull(t *testing.T, folder string, full, room func(*store.Store)) {
	s := open(t, folder, store.Create)
	full(s)
	want := fillUp(t, s, 0)
	want = append(want, fillUp(t, s, 500)...) // it fails again and again, and does no harm
	room(s)
	update(t, s, named("after"))
	want = append(want, "after")
	if got := names(t, s); strings.Join(got, ",") != strings.Join(want, ",") || len(want) < 3 {
		t.Errorf("the log has %q, acknowledged were %q", got, want)
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

func TestDatabaseThatMayNotGrow(t *testing.T) {
	testFull(t, t.TempDir(), func(s *store.Store) {
		if err := s.LimitPages(t.Context(), 200); err != nil {
			t.Fatal(err)
		}
	}, func(s *store.Store) {
		if err := s.LimitPages(t.Context(), 1<<20); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDiskFull(t *testing.T) {
	folder := tmpfs(t, "4m")
	ballast := filepath.Join(folder, "ballast")
	testFull(t, filepath.Join(folder, "log"), func(*store.Store) {
		if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}, func(*store.Store) {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

// TestReadOnlyFolder: what cannot be written can be read, and an attempt to write says why it fails.
// TestReadOnADiskWithoutRoom opens a log where not one page is free, so that SQLite cannot make its file of shared memory. Several read at once, and
// once there is room, others write.
func TestReadOnADiskWithoutRoom(t *testing.T) {
	folder := tmpfs(t, "2m")
	s, err := store.Open(t.Context(), folder, store.Create)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, named("before"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(folder, "ballast")
	fillFolder(t, ballast)
	reader, err := store.Open(t.Context(), folder, store.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	err = reader.Read(t.Context(), func(tx *store.Tx) error {
		return reader.Read(t.Context(), func(*store.Tx) error {
			_, err := tx.Size()
			return err
		})
	})
	if got := names(t, reader); err != nil || strings.Join(got, ",") != "before" {
		t.Errorf("the log has %q, %v", got, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	// Locks are of a process: that others can write shows in another one.
	writer := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAppendFromOutside$")
	writer.Env = append(os.Environ(), envOutside+"="+folder)
	if out, err := writer.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := names(t, reader); strings.Join(got, ",") != "before,after" {
		t.Errorf("the log has %q", got)
	}
}

// envOutside names the folder for TestAppendFromOutside.
const envOutside = "TAFFRAIL_TEST_STORE_OUTSIDE"

// TestAppendFromOutside is a part of other tests: it appends from a process of its own.
func TestAppendFromOutside(t *testing.T) {
	folder := os.Getenv(envOutside)
	if folder == "" {
		t.Skip("is a part of another test")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := store.Open(ctx, folder, store.Write)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Append(named("after"))
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// fillFolder writes a file until there is no room for one byte more.
func fillFolder(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	folder := tmpfs(t, "16m")
	closed, err := store.Open(t.Context(), filepath.Join(folder, "other"), store.Create)
	if err != nil {
		t.Fatal(err)
	}
	live(t, closed)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Mount("", folder, "", unix.MS_REMOUNT, "") })
	_, err = store.Open(t.Context(), filepath.Join(folder, "other"), store.Write)
	if taffrail.KindOf(err) != taffrail.KindDenied || taffrail.HintOf(err) == "" {
		t.Errorf("for writing: %v of kind %s, hint %q", err, taffrail.KindOf(err), taffrail.HintOf(err))
	}
	if n := size(t, open(t, filepath.Join(folder, "other"), store.ReadOnly)); n != 7 {
		t.Errorf("for reading: %d entries", n)
	}
}

// TestPostgresCrashes has a server lose its power again and again while many write: what was acknowledged is there, each failure says that
// it may be tried again, and the store finds the way back by itself.
func TestPostgresCrashes(t *testing.T) {
	server := pgtest.Start(t)
	s := inPostgres(server.Database(t)).store(t, store.Create)
	sequence(t, s)
	var mu sync.Mutex
	var acknowledged []string
	var count atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 6 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprint("writer ", w, " entry ", i)
				var err error
				if w%2 == 0 {
					err = s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(named(name)); return err })
				} else {
					_, err = s.Enqueue(t.Context(), []taffrail.Entry{named(name)})
				}
				if err != nil && taffrail.KindOf(err) != taffrail.KindUnavailable {
					t.Errorf("%v of kind %s", err, taffrail.KindOf(err))
					return
				}
				if err != nil {
					_, _ = s.Await(ctx, "nobody") // it is answered when the server is there again
					continue
				}
				mu.Lock()
				acknowledged = append(acknowledged, name)
				mu.Unlock()
				count.Add(1)
			}
		})
	}
	deadline := time.Now().Add(time.Minute)
	more := func(n int64) {
		for from := count.Load(); count.Load() < from+n; {
			if time.Now().After(deadline) {
				t.Fatal("it does not find the way back")
			}
			if _, err := s.Await(t.Context(), "nobody"); err == nil { // a way to wait for the server
				t.Error("nobody was given a ticket")
			}
		}
	}
	for range 3 {
		more(30)
		server.Crash(t)
		server.Run(t)
	}
	more(30)
	cancel()
	writers.Wait()
	await(t, s, enqueue(t, s, named("the last")))
	seen := map[string]int{}
	for _, name := range names(t, s) {
		seen[name]++
	}
	for _, name := range acknowledged {
		if seen[name] != 1 {
			t.Errorf("%q was acknowledged, and is there %d times", name, seen[name])
		}
	}
	for name, n := range seen {
		if n > 1 {
			t.Errorf("%q is there %d times", name, n)
		}
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

// TestFaultMatrix makes each durable step fail, before it took effect or after it did: nothing acknowledged is lost, and the next start goes
// on.
func TestFaultMatrix(t *testing.T) { onEach(t, faultMatrix) }

func faultMatrix(t *testing.T, p *place) {
	for _, fault := range audittest.Matrix() {
		t.Run(fault.String(), func(t *testing.T) {
			s := p.fresh(t).store(t, store.Create)
			var faults audittest.Faults
			ring := audittest.Ring(t, "taffrail.local/faults")
			guard := audittest.NewMemoryGuard()
			honest := audit.NewSigner(ring, guard)
			faulty := audittest.FaultyStorage(s, &faults)
			log, err := audit.Begin(t.Context(), faulty, audit.NewSigner(audittest.FaultyKeys(ring, &faults), audittest.FaultyGuard(guard, &faults)))
			if err != nil {
				t.Fatal(err)
			}
			write := func() error {
				err := faulty.Write(t.Context(), func(w audit.Writer) error { _, err := audit.Append(w, []byte(`{"n":1}`)); return err })
				if err == nil {
					_, err = log.Sign(t.Context())
				}
				return err
			}
			if err := write(); err != nil {
				t.Fatal(err)
			}
			faults.Arm(fault, nil)
			if err := write(); !errors.Is(err, audittest.ErrInjected) || !faults.Disarm() {
				t.Fatalf("it did not fail as it should: %v", err)
			}
			want := int64(2)
			if fault == (audittest.Fault{Step: audittest.Commit}) {
				want = 1
			}
			if n := size(t, s); n != want {
				t.Errorf("%d entries, want %d", n, want)
			}
			again, err := audit.Open(t.Context(), s, honest)
			if err != nil {
				t.Fatalf("it does not open again: %v", err)
			}
			if r, err := again.Verify(t.Context(), nil); err != nil || r.Signed != want {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
