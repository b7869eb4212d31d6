package plugtest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func checkFolder(t *testing.T, c StackCase) error {
	return unchanged(c.Folder, func() error {
		_, err := whole(t, c)
		return err
	})
}

// unchanged says whether a folder is as it was before something was done. No folder is.
func unchanged(folder string, do func() error) error {
	if folder == "" {
		return do()
	}
	before, err := fingerprint(folder)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := fingerprint(folder)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(before, after); diff != "" {
		return fmt.Errorf("the folder changed (-before +after):\n%s", diff)
	}
	return nil
}

// fingerprint gives mode, time of change and content of everything in a folder.
func fingerprint(root string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = fmt.Sprintf("%v %v", info.Mode(), info.ModTime())
		if !info.Mode().IsRegular() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		_, err = io.Copy(h, f)
		all[path] += fmt.Sprintf(" %x", h.Sum(nil))
		return err
	})
	return all, err
}

// settle is how long what ends may take to be gone.
const settle = 3 * time.Second

// settled counts the goroutines once their number stays: what an earlier test left behind may be about to end, and would make up for
// one that is left now.
func settled() int {
	n, same := runtime.NumGoroutine(), 0
	for end := time.Now().Add(settle); same < 5 && time.Now().Before(end); same++ {
		time.Sleep(5 * time.Millisecond)
		if now := runtime.NumGoroutine(); now != n {
			n, same = now, 0
		}
	}
	return n
}

func checkClose(t *testing.T, c StackCase) error {
	goroutines, processes := settled(), children()
	s := c.Open(t)
	if r := read(t.Context(), s, taffrail.Selection{}); r.err != nil {
		return r.err
	}
	for i := range 2 {
		if err := s.Close(); err != nil {
			return fmt.Errorf("close %d: %w", i+1, err)
		}
	}
	deadline := time.Now().Add(settle)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		left := slices.DeleteFunc(children(), func(p string) bool { return slices.Contains(processes, p) })
		n := runtime.NumGoroutine()
		if n <= goroutines && len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 64<<10)
			return fmt.Errorf("%d goroutines before and %d after, processes left: %v\n%s", goroutines, n, left, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// children lists the processes that we started, where the system says so.
func children() []string {
	var all []string
	tasks, _ := filepath.Glob("/proc/self/task/*/children") // a fixed pattern is never bad
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err == nil {
			all = append(all, strings.Fields(string(data))...)
		}
	}
	return all
}
